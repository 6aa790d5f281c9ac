/// Finds the files of a pattern such as `tests/*.sh` or `tests/**/*.sh`, below the lab's folder.
package struct FileGlob {
    package enum Problem: Error, Hashable, Sendable {
        /// `[` without `]`.
        case brokenSet
        /// An absolute path, or one that leads out of the lab's folder.
        case outside
        case empty
        /// More folders and files than a lab can mean.
        case tooMany(Int)
    }

    private enum Component {
        case name(String)
        case pattern(Glob, showsHidden: Bool)
        case anyDepth
    }

    package static let entriesMax = 100_000
    private static let depthMax = 32

    private let components: [Component]

    package init(_ pattern: String) throws(Problem) {
        guard !pattern.hasPrefix("/") else { throw .outside }
        var components: [Component] = []
        for part in pattern.split(separator: "/") where part != "." {
            guard part != ".." else { throw .outside }
            if part == "**" {
                components.append(.anyDepth)
            } else if Glob.isPattern(part) {
                guard let glob = Glob(String(part)) else { throw .brokenSet }
                components.append(.pattern(glob, showsHidden: part.hasPrefix(".")))
            } else {
                components.append(.name(String(part)))
            }
        }
        guard !components.isEmpty else { throw .empty }
        self.components = components
    }

    /// Paths of regular files, in the order of their bytes, each once.
    package func files(in tree: any FileTree) throws(Problem) -> [String] {
        var found: Set<String> = []
        var entries = 0
        try walk("", components[...], 0, tree, &entries, &found)
        return found.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
    }

    private func walk(
        _ folder: String,
        _ rest: ArraySlice<Component>,
        _ depth: Int,
        _ tree: any FileTree,
        _ entries: inout Int,
        _ found: inout Set<String>
    ) throws(Problem) {
        guard let component = rest.first, depth <= Self.depthMax else { return }
        let next = rest.dropFirst()
        switch component {
        case .name(let name):
            try visit(Self.join(folder, name), next, depth, tree, &entries, &found)
        case .pattern(let glob, let showsHidden):
            for name in tree.names(in: folder) ?? [] {
                try count(&entries)
                guard showsHidden || !name.hasPrefix("."), glob.matches(name) else { continue }
                try visit(Self.join(folder, name), next, depth, tree, &entries, &found)
            }
        case .anyDepth:
            // `**` alone at the end means every file below.
            let next = next.isEmpty ? [Component.pattern(Glob("*")!, showsHidden: false)][...] : next
            try walk(folder, next, depth, tree, &entries, &found)
            for name in tree.names(in: folder) ?? [] where !name.hasPrefix(".") {
                try count(&entries)
                let path = Self.join(folder, name)
                guard tree.kind(of: path) == .folder(isLink: false) else { continue }
                try walk(path, rest, depth + 1, tree, &entries, &found)
            }
        }
    }

    private func visit(
        _ path: String,
        _ next: ArraySlice<Component>,
        _ depth: Int,
        _ tree: any FileTree,
        _ entries: inout Int,
        _ found: inout Set<String>
    ) throws(Problem) {
        switch tree.kind(of: path) {
        case .file where next.isEmpty: found.insert(path)
        case .folder where !next.isEmpty: try walk(path, next, depth + 1, tree, &entries, &found)
        case .file, .folder, .other, nil: return
        }
    }

    private func count(_ entries: inout Int) throws(Problem) {
        entries += 1
        if entries > Self.entriesMax { throw .tooMany(Self.entriesMax) }
    }

    private static func join(_ folder: String, _ name: String) -> String {
        folder.isEmpty ? name : folder + "/" + name
    }
}
