package import MusterCore
import MusterSupervision

/// How programs reach a node: what people and their tools are told, and what a shell on it is started with.
package enum NodeReach: Hashable, Sendable {
    /// It is a folder of this host.
    case here(folder: String)
    /// It is a folder of this host, and its processes are in namespaces of their own.
    case namespaces(folder: String)
    case ssh(SSHHost)
    /// By `podman`, with what stands before every verb.
    case container(name: String, podman: [String])
    /// By the streams of a program alone.
    case streams(String)

    /// For programs that read it.
    package var kind: String {
        switch self {
        case .here: "local"
        case .namespaces: "namespaces"
        case .ssh: "ssh"
        case .container: "podman"
        case .streams: "streams"
        }
    }

    /// Whether the node has files beside its folder that are not this host's.
    package var hasOwnFiles: Bool {
        switch self {
        case .here, .namespaces: false
        case .ssh, .container, .streams: true
        }
    }
}

/// A driver whose nodes may be reached beside the conductor: by people's shells, for copies, by other programs. Nothing
/// here makes, changes or asks anything of a machine.
package protocol ReachableDriver: Driver {
    /// How a node is reached.
    ///
    /// - Throws: `.lost` for a node that has no machine, `.refused` for one that runs no commands.
    func reach(of node: NodeHandle) throws(StepError) -> NodeReach

    /// Where it is, for copies.
    func reachedPlace(of node: NodeHandle) throws(StepError) -> RemotePlace
}

extension Drivers {
    /// How a node is reached.
    ///
    /// - Throws: `.refused` too where its driver cannot say.
    package func reach(of node: NodeHandle) throws(StepError) -> NodeReach { try reachable(node).reach(of: node) }

    package func reachedPlace(of node: NodeHandle) throws(StepError) -> RemotePlace {
        try reachable(node).reachedPlace(of: node)
    }

    private func reachable(_ node: NodeHandle) throws(StepError) -> any ReachableDriver {
        if let driver = of(node) as? any ReachableDriver { return driver }
        throw StepError(.refused, "\(node.name): nodes of driver '\(node.driver)' are reached by no other program")
    }
}

extension ProcessDriver: ReachableDriver {
    package func reach(of node: NodeHandle) throws(StepError) -> NodeReach {
        switch Place(rawValue: kind) {
        case .namespaces?: .namespaces(folder: node.directory)
        case .host?, nil: .here(folder: node.directory)
        }
    }

    /// Their folders are this host's, in namespaces or not.
    package func reachedPlace(of node: NodeHandle) throws(StepError) -> RemotePlace {
        let parts = node.directory.split(separator: "/", omittingEmptySubsequences: false)
        return RemotePlace(
            connection: LocalConnection(),
            root: parts.dropLast().joined(separator: "/"),
            folder: String(parts.last ?? ""),
            address: node.facts["address"] ?? "",
            lease: nil
        )
    }
}

extension SSHDriver: ReachableDriver {
    package func reach(of node: NodeHandle) throws(StepError) -> NodeReach {
        guard let host = notedHost(node) else { throw StepError(.lost, "\(node.name) has no host") }
        return .ssh(host)
    }

    package func reachedPlace(of node: NodeHandle) throws(StepError) -> RemotePlace { try place(of: node) }
}

extension QEMUDriver: ReachableDriver {
    package func reach(of node: NodeHandle) throws(StepError) -> NodeReach {
        .ssh(try host(of: node, note(of: node)))
    }

    package func reachedPlace(of node: NodeHandle) throws(StepError) -> RemotePlace {
        try place(of: node, note(of: node))
    }
}

extension PodmanDriver: ReachableDriver {
    package func reach(of node: NodeHandle) throws(StepError) -> NodeReach {
        .container(name: try noted(node).container, podman: podman.program)
    }

    package func reachedPlace(of node: NodeHandle) throws(StepError) -> RemotePlace {
        _ = try noted(node)
        return place(of: node)
    }
}

extension PluginDriver: ReachableDriver {
    package func reach(of node: NodeHandle) throws(StepError) -> NodeReach {
        .streams(try place(of: node).connection.title)
    }

    package func reachedPlace(of node: NodeHandle) throws(StepError) -> RemotePlace { try place(of: node) }
}
