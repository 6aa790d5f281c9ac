/// What a node's machine is told.
package enum NodeInput: Hashable, Sendable {
    /// The node, its driver or a person says that it is in this state.
    case reported(String)
    /// An event, for modes that are driven by events. A `goal` goes before the table's.
    case fired(String, goal: String? = nil)
    /// The mode to take up at the next state in which it may.
    case nextModeSet(String?)
    /// The mode of what it is going to boot.
    case bootModeSet(String?)
    case featuresSet(NodeFeatures)
    case triggersSet([NodeTrigger])
    /// Somebody wants a command sent. `from` is the rung to begin with, where something is known of the node.
    case commanded(String, from: Rung? = nil, by: Requester)
    /// A command could not be sent by this rung; the next try begins at once.
    case commandFailed(Rung, attempt: Int, String)
    /// Nobody wants any more what was commanded: it is not tried again.
    case commandWithdrawn
    /// What was under way cannot come to its end: the machine was lost, or a person gives up on it.
    case givenUp(String)
}

package enum Requester: String, Hashable, Sendable, CaseIterable {
    case person, system
}

/// Something that has happened to a node's state, to be stored and told.
package struct NodeHappening: Hashable, Sendable {
    package var node: NodeID
    package var at: Timestamp
    package var kind: Kind

    package enum Kind: Hashable, Sendable {
        case stateChanged(mode: String, from: String, to: String)
        /// A transition that the table does not have. `became` is the state that the node is in now.
        case invalid(mode: String, from: String, to: String, became: String)
        /// `cameFrom` is the state it was in before.
        case modeChanged(from: String, to: String, state: String, cameFrom: String)
        /// A move between modes that the table does not have.
        case invalidMode(mode: String, state: String, to: String, isApplied: Bool)
        /// A name that is nowhere in the table.
        case unknownState(String)
        case unknownMode(String)
        /// Of this node no mode and state are known.
        case unknownNode
        /// An event that is not legal here, with those that are.
        case refused(event: String, state: String, legal: [String])
        /// It boots something of another mode than it is in.
        case wrongMode(String, expected: String)
        case triggered(String)
        /// How it will be known that the node is up.
        case upCheck(UpCheck)
        case timedOut(mode: String, state: String, action: TimeoutAction, count: Int)
        /// A timeout after which nothing is done, and why.
        case leftAlone(state: String, reason: String)
        /// A timeout that came due so long ago, with nobody there, that it says nothing any more.
        case outdated(state: String, age: Duration)
        case commandSent(String, rung: Rung, attempt: Int)
        case commandObeyed(String, state: String)
        /// Another state than the command was to bring about; it stays pending.
        case commandUnexpected(String, state: String)
        case commandRefused(String, reason: String)
        case commandFailed(String, rung: Rung, reason: String)
        /// The end of all that was tried. Once, until the node was up again.
        case gaveUp(String)
        case notified(String)
    }

    package init(node: NodeID, at: Timestamp, kind: Kind) {
        self.node = node
        self.at = at
        self.kind = kind
    }
}

package enum UpCheck: String, Hashable, Sendable {
    /// None: the node says so itself.
    case none
    case ping
    /// It counts as up at once.
    case now
}

/// Something to do after the commit.
package enum NodeDirective: Hashable, Sendable {
    /// A trigger's action that the machine does not do itself.
    case run(String, node: NodeID, mode: String, state: String)
    /// Send a command by this rung. `attempt` counts the tries by it, from 1.
    case command(String, node: NodeID, rung: Rung, attempt: Int)
    /// Ask the node until it answers, then report that it is up.
    case pingUntilUp(node: NodeID)
    /// Report a state for a node that does not do so itself: an event like any other.
    case report(node: NodeID, state: String)
    /// Read what the node has written of itself: `Director.Event.reportsRead` answers.
    case readReports(node: NodeID, after: ReportPosition?)
}

extension NodeDirective {
    /// The node that it concerns.
    package var node: NodeID {
        switch self {
        case .run(_, let node, _, _), .command(_, let node, _, _), .pingUntilUp(let node), .report(let node, _),
            .readReports(let node, _):
            node
        }
    }
}

/// What one or more events brought about, in order.
package struct NodeSink: Sendable {
    /// Each node that has changed, once, as it is now.
    package private(set) var rows: [NodeStateRow] = []
    package private(set) var removed: [NodeID] = []
    package var happenings: [NodeHappening] = []
    package var directives: [NodeDirective] = []
    /// Kept from the second row on: most events change one node.
    private var places: [NodeID: Int] = [:]

    package init() {}

    package mutating func put(_ row: NodeStateRow) {
        if rows.isEmpty { return rows.append(row) }
        if places.isEmpty { places[rows[0].node] = 0 }
        if let place = places[row.node] {
            rows[place] = row
        } else {
            places[row.node] = rows.count
            rows.append(row)
        }
    }

    /// Makes room for what comes next, and keeps it.
    mutating func removeAll() {
        rows.removeAll(keepingCapacity: true)
        if !places.isEmpty { places = [:] }
        if !removed.isEmpty { removed = [] }
        happenings.removeAll(keepingCapacity: true)
        directives.removeAll(keepingCapacity: true)
    }

    mutating func remove(_ node: NodeID) { removed.append(node) }

    mutating func note(_ kind: NodeHappening.Kind, _ node: NodeID, _ now: Timestamp) {
        happenings.append(NodeHappening(node: node, at: now, kind: kind))
    }
}
