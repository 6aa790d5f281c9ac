import ArgumentParser
import Foundation
import MusterCore
import MusterEngine
import MusterStore

struct Logs: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Show what a server, a step or a test has printed.",
        discussion: """
              muster logs app/1             the node's server, and each step on it
              muster logs app/1:2           its second step
              muster logs api//login        the last attempt of a test
              muster logs api//login#1      its first attempt
              muster logs -f app/1          and what comes
            """
    )
    @OptionGroup var options: StreamOptions
    @Option(help: "The run; otherwise the newest that knows the thing.") var run: String?
    @Argument(help: "A node, a step, a test, or an attempt.", completion: Completions.things) var thing: String

    func run() async throws {
        let session = try StateSession.open(options, to: .read)
        let logs = try LogFinder(session: session).find(thing, run: run)
        guard !logs.isEmpty else { throw CLIError("\(thing) has printed nothing") }
        if options.json {
            struct Entry: Encodable {
                let thing: String
                let path: String
            }
            Output.json(JSONShape.List(name: "logs", elements: logs.map { Entry(thing: $0.title, path: $0.path) }))
            return
        }
        for log in logs {
            if logs.count > 1 { Output.line("── \(printable(log.title))") }
            let end = show(log.path, from: 0)
            if options.follow, log.path == logs.last?.path { try await follow(log, from: end) }
        }
    }

    /// Writes a file to our output as it is, a piece at a time.
    @discardableResult
    private func show(_ path: String, from offset: UInt64) -> UInt64 {
        guard let file = FileHandle(forReadingAtPath: path) else { return offset }
        defer { try? file.close() }
        try? file.seek(toOffset: offset)
        var position = offset
        while let piece = try? file.read(upToCount: 1 << 20), !piece.isEmpty {
            Output.raw(piece)
            position += UInt64(piece.count)
        }
        return position
    }

    private func follow(_ log: LogFinder.Log, from begin: UInt64) async throws {
        var position = begin
        let folder = (log.path as NSString).deletingLastPathComponent
        let watch = try FolderWatch(folder)
        position = show(log.path, from: position)
        while !FileManager.default.fileExists(atPath: folder + "/exit") {
            try await watch.change(of: ["output", "exit"])
            position = show(log.path, from: position)
        }
        show(log.path, from: position)
    }
}

/// Finds the files in which supervisors keep what things have printed.
struct LogFinder {
    struct Log {
        var title: String
        var path: String
    }

    let session: StateSession

    func find(_ thing: String, run: String?) throws -> [Log] {
        let lookup = RunLookup(store: session.store)
        let runs: [PlanRow] =
            if let run {
                [try lookup.find(run)]
            } else {
                try lookup.read { () throws(StoreError) in try session.store.plans(lab: nil, limit: 200) }
            }
        var known: [String] = []
        for row in runs {
            guard let spec = try lookup.read({ () throws(StoreError) in try session.store.spec(of: row.id) }) else {
                continue
            }
            let steps = try lookup.read { () throws(StoreError) in try session.store.steps(of: row.id) }
            let matching = steps.filter { $0.tries > 0 && LogFinder.matches(spec, $0.spec, thing) }
            let logs = try matching.compactMap { step -> Log? in
                guard let path = try ResultsPlacer(session: session).output(of: step),
                    FileManager.default.fileExists(atPath: path)
                else { return nil }
                return Log(title: "\(spec.label(of: step.spec))  (\(RunName(row.id)))", path: path)
            }
            // The last attempt stands for its test; all the steps of a node stand for the node.
            if !logs.isEmpty { return thing.contains("//") && !thing.contains("#") ? logs.suffix(1) : logs }
            if !matching.isEmpty { return [] }
            if known.count < 20 {
                known += spec.groups.filter(\.hasNodes).flatMap { group in
                    (0..<min(group.count, 3)).map { "\(group.name)/\($0)" }
                }
                known += spec.suites.flatMap { suite in suite.tests.prefix(5).map { "\(suite.name)//\($0.name)" } }
            }
        }
        throw CLIError(
            "nothing is called '\(thing)'"
                + (known.isEmpty ? "" : "; there are: \(known.prefix(12).joined(separator: ", "))")
        )
    }

    /// Whether people who say `thing` mean this step: `app/1`, `app/1:2`, `suite//test`, `suite//test#2`, `suite
    /// before`.
    static func matches(_ spec: RunSpec, _ step: StepSpec, _ thing: String) -> Bool {
        let label = spec.label(of: step)
        switch step.action {
        case .attempt:
            if thing.contains("#") { return label == thing }
            let test = label.prefix(upTo: label.lastIndex(of: "#") ?? label.endIndex)
            return test == thing || test.split(separator: "/", maxSplits: 1).last.map { $0 == "/" + thing } == true
        case .member:
            // With those of the others of its attempt, or by itself, of the newest attempt where none is named.
            if thing.contains("#") { return label == thing || label.hasPrefix(thing + " [") }
            let attempt = label.prefix(upTo: label.lastIndex(of: "#") ?? label.endIndex)
            return label.lastIndex(of: "[").map { "\(attempt) \(label[$0...])" == thing } ?? false
        case .provision, .undo, .ready, .exec:
            return label == thing || label.hasPrefix(thing + ":") || label.hasPrefix(thing + " ")
        case .before, .after, .call, .finalize, .revert: return label == thing
        case .barrier, .noop, .destroy, .command, .pause, .capability: return false
        }
    }
}
