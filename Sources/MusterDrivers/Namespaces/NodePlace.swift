import MusterCore

/// Where nodes that are processes of this host have their supervisors.
protocol NodePlace: Sendable {
    /// Launches the supervisor of a node that has none, after a look at whether that can be.
    func launch(_ node: NodeHandle, _ operation: OperationID, _ launcher: NodeLauncher) async throws(LinkFailure)

    /// Sees to it that nothing is left of a node's place, whose supervisor has ended.
    func vacate(_ directory: String) async
}

/// Runs the program of supervisors for its launches.
struct NodeLauncher: Sendable {
    let supervisor: String
    /// How many files commands on nodes may open; nil for as many as this process.
    let openFilesLimit: UInt64?
}

/// Beside all other processes, at an address of the loopback network.
struct HostPlace: NodePlace {
    func launch(_ node: NodeHandle, _ operation: OperationID, _ launcher: NodeLauncher) async throws(LinkFailure) {
        let limit = launcher.openFilesLimit.map { ["\($0)"] } ?? []
        try await Launcher.run(launcher.supervisor, ["launch", node.directory, operation.description] + limit)
    }

    func vacate(_ directory: String) async {}
}
