/// What the store keeps of a node's mode and state: all that is needed to go on after a restart.
package struct NodeStateRow: Hashable, Sendable {
    package var node: NodeID
    package var mode: String
    package var state: String
    /// When the node came into this state, or reported it again.
    package var since: Timestamp
    package var modeSince: Timestamp
    /// The mode it takes up at the next state in which it may.
    package var nextMode: String?
    /// The mode of what it boots.
    package var bootMode: String?
    /// The stable state that is aimed at, where events drive it.
    package var goal: String?
    package var features: NodeFeatures
    /// Timeouts since it was last up.
    package var timeouts: Int32 = 0
    /// Notifications since it was last up.
    package var notices: Int32 = 0
    /// Timeouts for which it was rebooted since it was last up.
    package var repairs: Int32 = 0
    package var flags: NodeFlags = []
    /// When the present state has lasted too long.
    package var deadline: NodeDeadline?
    package var command: PendingCommand?
    /// Triggers of this node alone; each runs once.
    package var triggers: [NodeTrigger] = []

    package init(
        node: NodeID,
        mode: String,
        state: String,
        since: Timestamp,
        nextMode: String? = nil,
        bootMode: String? = nil,
        goal: String? = nil,
        features: NodeFeatures = .reportsUp
    ) {
        self.node = node
        self.mode = mode
        self.state = state
        self.since = since
        modeSince = since
        self.nextMode = nextMode
        self.bootMode = bootMode
        self.goal = goal
        self.features = features
    }
}

/// How it can be known that a node is up.
package struct NodeFeatures: OptionSet, Hashable, Sendable, Codable {
    package let rawValue: UInt8
    package init(rawValue: UInt8) { self.rawValue = rawValue }

    /// It says so itself.
    package static let reportsUp = NodeFeatures(rawValue: 1)
    /// It answers a ping.
    package static let answersPing = NodeFeatures(rawValue: 2)
}

package struct NodeFlags: OptionSet, Hashable, Sendable, Codable {
    package let rawValue: UInt8
    package init(rawValue: UInt8) { self.rawValue = rawValue }

    /// It was given up: no timeout and no trigger has it rebooted any more.
    package static let givenUp = NodeFlags(rawValue: 1)
    /// It was asked to reboot, and was not up since.
    package static let isRebooting = NodeFlags(rawValue: 2)
    /// Somebody took it down; no timeout repairs that.
    package static let isLeftDown = NodeFlags(rawValue: 4)
}

/// A deadline with its place among those of the same moment.
package struct NodeDeadline: Hashable, Sendable, Codable {
    package var at: Timestamp
    package var order: Int64

    package init(at: Timestamp, order: Int64) {
        self.at = at
        self.order = order
    }
}

/// A command that was sent and is not obeyed yet.
package struct PendingCommand: Hashable, Sendable, Codable {
    /// As the table writes it.
    package var name: String
    /// Its place among the rungs of the command.
    package var rung: Int
    /// Of this rung, from 1.
    package var attempt: Int
    package var deadline: NodeDeadline

    package init(name: String, rung: Int, attempt: Int, deadline: NodeDeadline) {
        self.name = name
        self.rung = rung
        self.attempt = attempt
        self.deadline = deadline
    }
}

/// What is to be done once, when one node comes into a state.
package struct NodeTrigger: Hashable, Sendable, Codable {
    /// nil: in any mode.
    package var mode: String?
    package var state: String
    /// Empty: what the table says there is left out, once.
    package var actions: [String]
    /// Whether it is left out only for this once; those of the table stay.
    package var isOnce: Bool

    package init(mode: String? = nil, state: String, actions: [String], isOnce: Bool = true) {
        self.mode = mode
        self.state = state
        self.actions = actions
        self.isOnce = isOnce
    }
}
