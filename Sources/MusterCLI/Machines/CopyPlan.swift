import Foundation
import MusterCore

/// A place that a copy names: on this host, or `NODE:PATH`.
enum CopyPlace: Hashable, Sendable {
    case local(String)
    /// A node, or a group for all of its nodes.
    case node(String, path: String)

    /// What stands before a colon is a node, unless it looks like a path: `./a:b`, `/a:b`, `~/a:b`.
    init(_ text: String) {
        let isPath = text.isEmpty || text.hasPrefix("/") || text.hasPrefix(".") || text.hasPrefix("~")
        guard !isPath, let colon = text.firstIndex(of: ":") else {
            self = .local(text)
            return
        }
        let name = text[..<colon]
        let isName = name.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || "-_.%/".contains($0)) }
        guard isName, !name.isEmpty, name.count(where: { $0 == "/" }) <= 1 else {
            self = .local(text)
            return
        }
        self = .node(String(name), path: String(text[text.index(after: colon)...]))
    }

    var path: String {
        switch self {
        case .local(let path), .node(_, let path): path
        }
    }
}

/// What is to be copied from where to where, and in which direction.
struct CopyPlan: Hashable, Sendable {
    enum Direction: Hashable, Sendable { case toNodes, fromNodes }

    var direction: Direction
    var sources: [CopyPlace]
    var target: CopyPlace

    /// - Throws: `CLIError` that says how it is written.
    init(_ places: [String]) throws {
        guard places.count >= 2, let last = places.last else {
            throw CLIError("cp wants what to copy and where to: muster cp conf app/1:etc/conf, muster cp app/1:log .")
        }
        if places.contains("") { throw CLIError("cp: an empty name is no place; the node's own folder is 'app/1:'") }
        sources = places.dropLast().map(CopyPlace.init)
        target = CopyPlace(last)
        let remote = sources.filter { if case .node = $0 { true } else { false } }
        switch target {
        case .node(let name, _):
            guard remote.isEmpty else {
                throw CLIError(
                    """
                    cp copies between this host and nodes, not from node to node: first to this host \
                    (muster cp \(places[0]) ./here), then from it (muster cp ./here \(name):…)
                    """
                )
            }
            direction = .toNodes
        case .local(let path):
            guard !remote.isEmpty else {
                throw CLIError(
                    """
                    none of these is on a node: a place on one is NODE:PATH, such as app/1:\(path); \
                    for files of this host use the system's cp
                    """
                )
            }
            guard remote.count == sources.count else {
                throw CLIError("cp copies from nodes or to nodes, not both at once: give two commands")
            }
            direction = .fromNodes
        }
    }

    /// The last name of a path, under which it is copied into a folder; nil for a place without a name of its own.
    static func base(_ path: String) -> String? {
        guard let name = path.split(separator: "/").last, name != ".", name != "..", name != "~" else { return nil }
        return String(name)
    }

    /// A path without what stands for a folder at its end.
    static func trimmed(_ path: String) -> String {
        var path = path
        while path.count > 1, path.hasSuffix("/") { path.removeLast() }
        return path
    }
}
