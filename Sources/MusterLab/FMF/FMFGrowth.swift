/// A node while its tree grows: what its files say, before anything is inherited.
final class FMFBranch {
    let name: String
    let depth: Int
    /// What is said of it here; once it has inherited, all its data.
    var data = FMFMap()
    /// Numbers of the files that say so, from the root's to its own.
    var sources: [Int32] = []
    var inherits: Bool?
    var isSelected: Bool?
    /// Whether any file speaks of it: folders without metadata are left out.
    var isTold = false
    /// In the order in which they were first spoken of.
    private(set) var children: [FMFBranch] = []
    private var byKey: [String: FMFBranch] = [:]
    /// Its own name, below its parent.
    let key: String

    init(root: Void = ()) {
        name = "/"
        key = ""
        depth = 0
    }

    private init(_ key: String, below parent: FMFBranch) {
        name = parent.name.hasSuffix("/") ? parent.name + key : parent.name + "/" + key
        self.key = key
        depth = parent.depth + 1
    }

    func child(_ key: String) -> FMFBranch? { byKey[key] }

    func addChild(_ key: String) -> FMFBranch {
        let child = FMFBranch(key, below: self)
        children.append(child)
        byKey[key] = child
        return child
    }

    func removeUntold() {
        let kept = children.filter { $0.isTold || !$0.children.isEmpty }
        guard kept.count < children.count else { return }
        for child in children where !child.isTold && child.children.isEmpty { byKey[child.key] = nil }
        children = kept
    }

    var sortedChildren: [FMFBranch] { children.sorted { $0.key.precedes($1.key) } }
}

/// Grows a tree from its folders and files.
struct FMFGrowth {
    static let bytesMax = 4 << 20
    static let depthMax = 100
    static let nodesMax = 1_000_000
    private static let main = "main.fmf"
    private static let suffix = ".fmf"
    private static let ignored: Set<String> = ["/dev", "/proc", "/sys"]

    /// Absolute path of the root.
    let root: String
    /// The root as messages show it.
    let shownRoot: String
    let branch = FMFBranch()
    private(set) var files = FMFFiles()
    private(set) var diagnostics: [Diagnostic] = []
    private(set) var omitted = 0
    /// Whether any mapping has an anchor.
    private(set) var hasAnchors = false
    /// Hidden names that are read nevertheless.
    private var hidden: Set<String> = []
    private var linkedFolders: Set<String> = []
    private var nodeCount = 1
    private var isFull = false

    init(root: String, shownRoot: String) {
        self.root = root
        self.shownRoot = shownRoot
    }

    mutating func grow() {
        readConfig()
        guard diagnostics.isEmpty else { return }
        grow(branch, folder: "")
    }

    private func shown(_ path: String) -> String {
        if shownRoot == "." { return path }
        return shownRoot.hasSuffix("/") ? shownRoot + path : shownRoot + "/" + path
    }

    private func joined(_ folder: String, _ name: String) -> String { folder.isEmpty ? name : folder + "/" + name }

    private mutating func report(_ problem: FMFProblem, file: String = "") {
        guard diagnostics.count < DiagnosticSink.keptMax else {
            omitted += 1
            return
        }
        diagnostics.append(files.diagnostic(problem, file: file.isEmpty ? shownRoot : shown(file)))
    }

    // MARK: Files

    /// A file as a value; nil when something is wrong with it.
    private mutating func read(_ path: String) -> (value: FMFValue, file: Int32)? {
        do throws(FMFProblem) {
            var bytes = try FMFDisk.bytes(of: root + "/" + path, limit: Self.bytesMax)
            guard bytes.count <= Self.bytesMax else {
                throw FMFProblem("the file is larger than \(Self.bytesMax >> 20) MiB, the limit for one file")
            }
            if bytes.starts(with: [0xEF, 0xBB, 0xBF]) { bytes.removeFirst(3) }
            let source = SourceText(file: shown(path), bytes: bytes)
            let file = files.add(path, source)
            var sink = DiagnosticSink(source)
            guard LabParser.isUTF8(bytes, &sink), let read = FMFReader.read(file: file, into: &sink) else {
                diagnostics += sink.sorted.prefix(max(DiagnosticSink.keptMax - diagnostics.count, 0))
                omitted += sink.omitted
                return nil
            }
            if read.hasAnchors { hasAnchors = true }
            return (read.value, file)
        } catch {
            report(error, file: path)
            return nil
        }
    }

    private mutating func readConfig() {
        let path = ".fmf/config"
        guard FMFDisk.kind(of: root + "/" + path) != nil, let (value, file) = read(path) else { return }
        let start = FMFPlace(file: file, line: 1, column: 1)
        let hint = "hidden names to read stand in 'explore: {include: ['.name']}'"
        guard let config = value.map else {
            report(FMFProblem("the configuration is \(value.kindWord), not a mapping", hint: hint, at: start))
            return
        }
        guard let position = config.position(of: .string("explore")) else { return }
        let entry = config.entries[position]
        guard let explore = entry.value.map else {
            report(FMFProblem("'explore' is \(entry.value.kindWord), not a mapping", hint: hint, at: entry.place))
            return
        }
        guard let position = explore.position(of: .string("include")) else { return }
        let include = explore.entries[position]
        guard let names = include.value.list else {
            let message = "'include' is \(include.value.kindWord), not a list of names"
            report(FMFProblem(message, hint: hint, at: include.place))
            return
        }
        hidden = Set(names.compactMap(\.string))
        if hidden.contains(Self.suffix) {
            report(FMFProblem("'.fmf' is the folder of the tree itself and holds no metadata", at: include.place))
        }
    }

    private func isRead(_ name: String) -> Bool { !name.hasPrefix(".") || hidden.contains(name) }

    private mutating func grow(_ branch: FMFBranch, folder: String) {
        guard !Self.ignored.contains(folder.isEmpty ? root : root + "/" + folder) else { return }
        guard let names = FMFDisk.names(in: folder.isEmpty ? root : root + "/" + folder) else { return }
        if names.contains(where: { $0.kind != .folder && $0.name == Self.main }) {
            let path = joined(folder, Self.main)
            if let (value, file) = read(path) {
                branch.sources.append(file)
                update(branch, value, file: file)
            }
        }
        for name in names where name.kind != .folder && name.name.hasSuffix(Self.suffix) && name.name != Self.main {
            guard isRead(name.name), let (value, file) = read(joined(folder, name.name)) else { continue }
            let place = FMFPlace(file: file, line: 1, column: 1)
            guard let child = child(of: branch, String(name.name.dropLast(Self.suffix.count)), place) else { return }
            child.sources.append(file)
            update(child, value, file: file)
        }
        for name in names where name.kind == .folder && isRead(name.name) {
            let path = joined(folder, name.name)
            // A link is followed once: what it leads to the second time may be a loop.
            if name.isLink, !linkedFolders.insert(FMFDisk.realPath(root + "/" + path)).inserted { continue }
            guard FMFDisk.kind(of: root + "/" + path + "/.fmf") != .folder else { continue }
            guard let child = child(of: branch, name.name, .none) else { return }
            grow(child, folder: path)
        }
        branch.removeUntold()
    }

    // MARK: Nodes

    /// The child of that name, a new one if there is none; nil when the tree is at its limits.
    private mutating func child(of branch: FMFBranch, _ key: String, _ place: FMFPlace) -> FMFBranch? {
        if let child = branch.child(key) { return child }
        guard !isFull else { return nil }
        guard branch.depth < Self.depthMax else {
            report(FMFProblem("the tree is more than \(Self.depthMax) nodes deep", at: place), file: "")
            isFull = true
            return nil
        }
        guard nodeCount < Self.nodesMax else {
            report(FMFProblem("the tree has more than \(Self.nodesMax) nodes", at: place), file: "")
            isFull = true
            return nil
        }
        nodeCount += 1
        return branch.addChild(key)
    }

    private mutating func update(_ branch: FMFBranch, _ value: FMFValue, file: Int32) {
        update(branch, value, at: FMFPlace(file: file, line: 1, column: 1), key: nil)
    }

    /// Takes in what a file says of a node, and of the nodes below it.
    private mutating func update(_ branch: FMFBranch, _ value: FMFValue, at place: FMFPlace, key: String?) {
        if case .null = value {
            branch.isTold = true
            return
        }
        guard var content = value.map else {
            let subject = key.map { "'\($0)'" } ?? "the file"
            let message = "\(subject) holds \(value.kindWord), and a node is a mapping or nothing"
            report(FMFProblem(message, hint: "keys that begin with '/' are nodes", at: place))
            return
        }
        branch.isTold = true
        if let directives = content.remove(.string("/")) {
            // Whoever shares the mapping finds them gone, as in fmf.
            if case .shared(let cell) = value { cell.map = content }
            readDirectives(branch, directives)
        }
        for entry in content.entries {
            guard case .string(let key) = entry.key else {
                let text = (try? FMFText.text(of: entry.key.value)) ?? ""
                let message =
                    entry.key == .null ? "a key of '\(branch.name)' is nothing" : "the key '\(text)' is no text"
                report(FMFProblem(message, hint: "put it in quotes", at: entry.place))
                continue
            }
            if key.utf8.first == UInt8(ascii: "/") {
                addChild(to: branch, key, entry)
            } else {
                branch.data.set(entry.key, entry.value, at: entry.place)
            }
        }
    }

    /// `/a/b: …` is a node `a` with a node `b`.
    private mutating func addChild(to branch: FMFBranch, _ key: String, _ entry: FMFMap.Entry) {
        let path = key.unicodeScalars.drop { $0 == "/" }
        guard let slash = path.firstIndex(of: "/") else {
            if let child = child(of: branch, String(path), entry.place) {
                update(child, entry.value, at: entry.place, key: key)
            }
            return
        }
        guard let child = child(of: branch, String(path[..<slash]), entry.place) else { return }
        var inner = FMFMap()
        inner.set(.string(String(path[slash...].prefix { $0 != "\n" })), entry.value, at: entry.place)
        update(child, .map(inner), at: entry.place, key: key)
    }

    private mutating func readDirectives(_ branch: FMFBranch, _ entry: FMFMap.Entry) {
        guard let directives = entry.value.map else {
            let message = "'/' in '\(branch.name)' is \(entry.value.kindWord), and directives are a mapping"
            report(FMFProblem(message, hint: "such as '/: {inherit: false}'", at: entry.place))
            return
        }
        for directive in directives.entries {
            let name = (try? FMFText.text(of: directive.key.value)) ?? ""
            guard directive.key == .string("inherit") || directive.key == .string("select") else {
                let message = "unknown directive '\(name)' in '\(branch.name)'"
                report(FMFProblem(message, hint: "'inherit' and 'select' are directives", at: directive.place))
                continue
            }
            guard case .bool(let flag) = directive.value else {
                let message = "the directive '\(name)' in '\(branch.name)' is \(directive.value.kindWord)"
                report(FMFProblem(message, hint: "it is true or false", at: directive.place))
                continue
            }
            if name == "inherit" { branch.inherits = flag } else { branch.isSelected = flag }
        }
    }
}
