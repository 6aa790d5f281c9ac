/// A tree of metadata as fmf 1.7 reads it: its nodes with what they inherit, adjusted to a context if there is one.
///
/// The rules are those of fmf's documentation and of its behaviour, <https://fmf.readthedocs.io>; what is refused
/// here says so with its place.
package struct FMFTree: Sendable {
    /// Absolute path of the root, the folder that has `.fmf`.
    package let root: String
    /// All nodes, branches too, each before its children and these by name.
    package let nodes: [FMFNode]
    /// What the tree was adjusted to; nil when it was not.
    package let context: FMFContext?
    let undecided: FMFContext.Undecided
    /// Every file that was read, relative to the root.
    package let files: [String]
    private let positions: [String: Int]

    /// Reads the tree that a path lies in.
    ///
    /// - Parameters:
    ///   - path: the root or a folder anywhere below it; the whole tree is read.
    ///   - context: what rules of `adjust` are decided by; without one they are not looked at.
    ///   - undecided: what becomes of rules that cannot be decided.
    /// - Throws: what is wrong, each with its place: no root, a version other than 1, files that are no YAML, what
    ///   cannot be merged, rules that are none.
    package init(
        at path: String,
        context: FMFContext? = nil,
        undecided: FMFContext.Undecided = .skip
    ) throws(FMFError) {
        let place = try FMFRoot(containing: path)
        var growth = FMFGrowth(root: place.path, shownRoot: place.shown)
        growth.grow()
        guard growth.diagnostics.isEmpty else { throw FMFError(growth.diagnostics, omitted: growth.omitted) }
        var inheritance = FMFInheritance(hasShared: growth.hasAnchors)
        do throws(FMFProblem) {
            try inheritance.inherit(growth.branch)
            let before = context == nil ? [:] : try inheritance.snapshots(of: growth.branch)
            if let context {
                var adjustment = FMFAdjustment(context, undecided, merge: inheritance.merge)
                try adjustment.adjust(growth.branch)
                inheritance.merge = adjustment.merge
            }
            nodes = try inheritance.nodes(of: growth.branch, before: before, files: growth.files.paths)
        } catch {
            throw FMFError([growth.files.diagnostic(error, file: place.shown)])
        }
        root = place.path
        self.context = context
        self.undecided = undecided
        files = growth.files.paths
        var positions: [String: Int] = [:]
        // Of two nodes of one name, as `/a` and `/a//` give, the first is found.
        for (position, node) in nodes.enumerated() where positions[node.name] == nil {
            positions[node.name] = position
        }
        self.positions = positions
    }

    /// The nodes that stand for something, in the order of the tree.
    package var selected: [FMFNode] { nodes.filter(\.isSelected) }

    /// The node of that name; nil when there is none.
    package func node(_ name: String) -> FMFNode? { positions[name].map { nodes[$0] } }

    /// Where the value of a key stands; of one that was merged, the last part of it. Nil when the node has no such key.
    package func location(of key: String, in node: FMFNode) -> FMFLocation? {
        node.data.position(of: .string(key)).flatMap { location(node.data.entries[$0].place) }
    }

    func location(_ place: FMFPlace) -> FMFLocation? {
        guard place != .none, Int(place.file) < files.count else { return nil }
        return FMFLocation(file: files[Int(place.file)], line: Int(place.line), column: Int(place.column))
    }

    /// A problem as it is told once the texts of the files are gone: with its place, without the line.
    func diagnostic(_ problem: FMFProblem) -> Diagnostic {
        guard let location = location(problem.place) else {
            return Diagnostic(file: root, message: problem.message, hint: problem.hint)
        }
        return Diagnostic(
            file: root + "/" + location.file,
            line: location.line,
            column: location.column,
            length: 1,
            message: problem.message,
            hint: problem.hint
        )
    }
}

/// Where a tree begins.
struct FMFRoot {
    /// Absolute.
    let path: String
    /// As its user named it, where the user named the root itself.
    let shown: String

    static let versionMax = 4_096

    /// - Throws: when no folder upwards has `.fmf`, or its version is not one that is read.
    init(containing path: String) throws(FMFError) {
        var folder = FMFDisk.absolutePath(path)
        let start = folder
        guard FMFDisk.kind(of: folder) == .folder else {
            throw FMFError([Diagnostic(file: path, message: "there is no such folder")])
        }
        while FMFDisk.kind(of: folder == "/" ? "/.fmf" : folder + "/.fmf") != .folder {
            guard folder != "/" else {
                let message = "no tree of metadata: neither this folder nor one above it has '.fmf'"
                throw FMFError([Diagnostic(file: path, message: message, hint: "'fmf init' makes one")])
            }
            folder = FMFDisk.absolutePath(folder + "/..")
        }
        self.path = folder
        shown = folder == start ? path : folder
        try checkVersion()
    }

    private func checkVersion() throws(FMFError) {
        let file = shown + "/.fmf/version"
        do throws(FMFProblem) {
            let bytes = try FMFDisk.bytes(of: path + "/.fmf/version", limit: Self.versionMax)
            let text = String(decoding: bytes.prefix(Self.versionMax), as: UTF8.self)
            let word = String(FMFText.stripped(text[...].unicodeScalars))
            guard FMFContextValue.Part(word).digits == "1" else {
                let hint = "the file holds '1', the only version there is"
                throw FMFProblem("this Muster reads version 1 of fmf trees, not '\(word.prefix(20))'", hint: hint)
            }
        } catch {
            throw FMFError([Diagnostic(file: file, message: printable(error.message), hint: error.hint)])
        }
    }
}
