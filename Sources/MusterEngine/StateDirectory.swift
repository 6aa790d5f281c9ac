import Foundation
package import MusterCore
package import MusterDrivers

/// Where a state keeps its things: `.muster` beside the lab, or where the user says.
package struct StateDirectory: Hashable, Sendable {
    /// Absolute.
    package let path: String
    package init(path: String) { self.path = path }

    package var database: String { path + "/muster.db" }
    package var lock: String { path + "/conductor.lock" }
    /// Held by who waits for the ends of its labs' lifetimes; touched when there may be others.
    package var reaperLock: String { path + "/" + Self.reaperLockName }
    package static let reaperLockName = "reaper.lock"
    package var reaperLog: String { path + "/reaper.log" }
    package var files: String { path + "/files" }
    /// What scripts of triggers have printed.
    package var scriptLog: String { path + "/scripts.log" }
    package var nodes: String { path + "/nodes" }
    /// The name of the conductor's socket in this folder.
    package static let socketName = "conductor.sock"

    /// The name of the file in a node's folder into which it writes its reports.
    package static let reportsName = "muster.reports"

    /// A node's own folder. The number keeps a replacement apart from the node it replaces.
    package func node(_ node: NodeRow) -> String { self.node(node.id, node.name) }
    /// The folder of the node that a thing was made for.
    package func node(_ belonging: Belonging) -> String {
        let own = (try? FileManager.default.contentsOfDirectory(atPath: nodes))?
            .first { $0.hasPrefix("\(belonging.node.rawValue)-") }
        if let own { return "\(nodes)/\(own)" }
        return node(belonging.node, NodeName(belonging.nodeName) ?? NodeName(group: "node", index: 0))
    }

    func node(_ id: NodeID, _ name: NodeName) -> String { "\(nodes)/\(id.rawValue)-\(name.group)-\(name.index)" }

    /// Where the output of an operation is, whether it ran on its node or beside it.
    package func outputPath(of operation: OperationID, on node: NodeRow) -> String {
        let own = "\(self.node(node))/op-\(operation)/output"
        guard !FileManager.default.fileExists(atPath: own) else { return own }
        let beside = "\(Performer.seatFolder(of: self.node(node)))/op-\(operation)/output"
        return FileManager.default.fileExists(atPath: beside) ? beside : own
    }

    /// Makes the folder, readable by its owner only.
    package func create() throws(StateError) {
        do {
            try FileManager.default.createDirectory(
                atPath: path,
                withIntermediateDirectories: true,
                attributes: [.posixPermissions: 0o700]
            )
        } catch {
            throw StateError(
                "the state folder \(path) cannot be made: \(error.reason); name another with --state DIR or MUSTER_STATE"
            )
        }
    }
}

/// A state folder that cannot be used, in words.
package struct StateError: Error, Hashable, Sendable, CustomStringConvertible {
    package let description: String
    package init(_ description: String) { self.description = description }
}

extension Error {
    /// What the system said, without Foundation's wrapping.
    var reason: String {
        let error = self as NSError
        if let underlying = error.userInfo[NSUnderlyingErrorKey] as? NSError, underlying.domain == NSPOSIXErrorDomain {
            return String(cString: strerror(Int32(underlying.code)))
        }
        if error.domain == NSPOSIXErrorDomain { return String(cString: strerror(Int32(error.code))) }
        return error.localizedDescription
    }
}
