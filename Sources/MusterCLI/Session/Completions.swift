import ArgumentParser
import Foundation
import MusterCore
import MusterEngine
import MusterLab
import MusterStore

/// What a shell completes with: names of what is there, by the state and the lab file that the line so far means.
/// Whatever cannot be read completes nothing.
enum Completions {
    /// Groups of the lab file.
    static let groups = CompletionKind.custom { words, _, _ in Line(words).labGroups.sorted() }
    /// Groups and nodes that are there.
    static let nodes = CompletionKind.custom { words, _, _ in Line(words).nodes }
    /// Groups that are there.
    static let standing = CompletionKind.custom { words, _, _ in Line(words).nodes.filter { !$0.contains("/") } }
    /// Groups, nodes and runs.
    static let things = CompletionKind.custom { words, _, _ in
        let line = Line(words)
        return line.nodes + line.runs(where: { _ in true })
    }
    static let runs = CompletionKind.custom { words, _, _ in Line(words).runs(where: { _ in true }) }
    static let unfinishedRuns = CompletionKind.custom { words, _, _ in Line(words).runs(where: { !$0.state.isFinal }) }

    /// So many of the newest runs are offered.
    private static let runsMax = 50

    /// The command line so far.
    private struct Line {
        private let options: GlobalOptions?

        init(_ words: [String]) {
            var arguments: [String] = []
            for (word, next) in zip(words, words.dropFirst()) where !next.hasPrefix("-") {
                switch word {
                // Of some verbs it is a flag: then no file follows.
                case "-f" where FileManager.default.fileExists(atPath: next), "--file", "--state":
                    arguments += [word == "-f" ? "--file" : word, next]
                default: continue
                }
            }
            options = try? GlobalOptions.parse(arguments)
        }

        private var store: (any Store)? {
            guard let options, FileManager.default.fileExists(atPath: options.stateDirectory.database) else {
                return nil
            }
            return try? StateSession.open(options, to: .read).store
        }

        var labGroups: [String] {
            guard let options, let lab = try? LabParser.load(path: options.labPath, variables: [:], environment: [:])
            else { return [] }
            return lab.groups.map(\.name)
        }

        var nodes: [String] {
            guard let rows = try? store?.nodes(lab: nil, includingGone: false) else { return [] }
            let names = rows.map(\.name).sorted { ($0.group, $0.index) < ($1.group, $1.index) }
            return Set(names.map(\.group)).sorted() + names.map(\.description)
        }

        func runs(where isWanted: (PlanRow) -> Bool) -> [String] {
            guard let rows = try? store?.plans(lab: nil, limit: Completions.runsMax) else { return [] }
            return rows.filter(isWanted).map { RunName($0.id).description }
        }
    }
}
