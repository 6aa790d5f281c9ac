/// What a run has done to nodes that are there: a command sent to each of them, or a verb of their mode table carried
/// out.
package struct NodeOrder: Hashable, Sendable, Codable {
    package enum Work: Hashable, Sendable, Codable {
        /// A command of the mode table, such as `reboot`.
        case command(String)
        /// A verb of a mode that is driven by events, such as `deploy`.
        case verb(String)
    }

    /// A node, and when it came into the state in which its user saw it; nil when that is of no matter.
    package struct Target: Hashable, Sendable, Codable {
        package var node: NodeName
        package var seenSince: Timestamp?

        package init(_ node: NodeName, seenSince: Timestamp? = nil) {
            self.node = node
            self.seenSince = seenSince
        }
    }

    package var work: Work
    package var targets: [Target]
    /// Also where a node is better left alone.
    package var isForced = false
    /// The rung to begin with; nil for the first that is of use.
    package var rung: Rung?
    /// So many nodes begin at once, and the next so many after a pause.
    package var batch = NodeOrder.batchDefault
    package var pause = NodeOrder.pauseDefault
    /// How long a node may take until it is up again, or down.
    package var within: Duration = NodeOrder.withinDefault
    /// What the failure of a node means for the run; nil for what its group says.
    package var onFailure: FailureAction?

    package static let batchDefault = 12
    package static let pauseDefault: Duration = .seconds(5)
    package static let withinDefault: Duration = .seconds(900)

    package init(_ work: Work, _ targets: [Target]) {
        self.work = work
        self.targets = targets
    }

    /// What people call it: `reboot`, `deploy`.
    package var name: String {
        switch work {
        case .command(let name), .verb(let name): name
        }
    }
}

/// Something a driver can do to a node as a whole, by which the verbs of provisioning are carried out.
package enum Capability: String, Hashable, Sendable, Codable, CaseIterable {
    /// Makes sure that the machine is there and can be reached.
    case verify
    /// Finds out what it consists of: facts.
    case inspect
    /// Removes what its users have left.
    case clean
    /// Puts its system on it and starts it.
    case deploy
    /// Stops it for good.
    case tearDown = "tear-down"
    /// Takes over a machine that runs already.
    case adopt
    /// Starts it with a system from which it can be mended; and back again.
    case rescue, unrescue
    /// Works on it while it is in use.
    case service

    /// Whether nothing of what runs used is left on the machine after it.
    package var leavesEmpty: Bool {
        switch self {
        case .clean, .tearDown: true
        case .verify, .inspect, .deploy, .adopt, .rescue, .unrescue, .service: false
        }
    }

    /// As steps name it.
    package var number: Int32 { Int32(Self.allCases.firstIndex(of: self)!) }

    package init?(number: Int32) {
        guard Self.allCases.indices.contains(Int(number)) else { return nil }
        self = Self.allCases[Int(number)]
    }
}
