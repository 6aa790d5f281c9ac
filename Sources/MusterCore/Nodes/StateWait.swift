/// A wait's number.
package struct WaitID: RawRepresentable, Hashable, Comparable, Sendable, Codable {
    package let rawValue: Int64
    package init(rawValue: Int64) { self.rawValue = rawValue }
    package init(_ rawValue: Int64) { self.rawValue = rawValue }

    package static func < (a: WaitID, b: WaitID) -> Bool { a.rawValue < b.rawValue }
}

/// How many of the nodes must get there.
package enum WaitQuorum: Hashable, Sendable, Codable {
    case all
    case any
    case count(Int)

    /// As a number of so many nodes.
    package func needed(of nodes: Int) -> Int {
        switch self {
        case .all: nodes
        case .any: 1
        case .count(let count): count
        }
    }
}

package enum WaitError: Error, Hashable, Sendable {
    case noNodes
    case noStates
    case countImpossible(Int, of: Int)
    case taken(WaitID)
    case unknownNode(NodeID)
    case noModes(lab: String)

    package var message: String {
        switch self {
        case .noNodes: "a wait needs a node at least"
        case .noStates: "a wait needs a state at least, or 'ready'"
        case .countImpossible(let count, let nodes): "\(count) of \(nodes) nodes cannot get there; give 1 to \(nodes)"
        case .taken(let id): "there is a wait \(id.rawValue) already"
        case .unknownNode(let node):
            "there never was a node with the number \(node.rawValue) here; list those there are: muster nodes"
        case .noModes(let lab): "lab '\(lab)' has no mode table, so its nodes come into no states: name one in its file"
        }
    }
}

/// How far one node of a wait is.
package enum WaitStanding: Hashable, Sendable, Codable {
    /// So many states of the sequence were seen.
    case pending(seen: Int)
    case finished
    case failed(String)
    case cancelled

    package var isPending: Bool { if case .pending = self { true } else { false } }
}

/// A wait with all that it has seen: enough to go on with it after a restart, or for another client.
package struct StateWait: Hashable, Sendable, Codable {
    package let id: WaitID
    /// Each once, in the order they were given.
    package let nodes: [NodeID]
    package let condition: StateCondition
    package let quorum: WaitQuorum
    /// When it ends with what it has; nil: when all is decided.
    package let deadline: Timestamp?
    /// One for each node.
    package internal(set) var standings: [WaitStanding]
    /// Everything up to here was seen. What comes again is left out.
    package internal(set) var position: Int64

    package init(
        id: WaitID,
        nodes: [NodeID],
        condition: StateCondition,
        quorum: WaitQuorum = .all,
        deadline: Timestamp? = nil,
        after position: Int64
    ) throws(WaitError) {
        var seen: Set<NodeID> = []
        let nodes = nodes.filter { seen.insert($0).inserted }
        guard !nodes.isEmpty else { throw .noNodes }
        if case .sequence(let patterns) = condition, patterns.isEmpty { throw .noStates }
        let needed = quorum.needed(of: nodes.count)
        guard (1...nodes.count).contains(needed) else { throw .countImpossible(needed, of: nodes.count) }
        self.id = id
        self.nodes = nodes
        self.condition = condition
        self.quorum = quorum
        self.deadline = deadline
        standings = Array(repeating: .pending(seen: 0), count: nodes.count)
        self.position = position
    }

    package var finished: [NodeID] { nodes(where: { $0 == .finished }) }
    package var failed: [NodeID] { nodes(where: { if case .failed = $0 { true } else { false } }) }
    package var cancelled: [NodeID] { nodes(where: { $0 == .cancelled }) }
    package var pending: [NodeID] { nodes(where: \.isPending) }

    private func nodes(where isSo: (WaitStanding) -> Bool) -> [NodeID] {
        zip(nodes, standings).filter { isSo($0.1) }.map(\.0)
    }

    /// Whether as many as are needed got there. Cancelled nodes are not counted on any more.
    package var isSatisfied: Bool {
        let finished = standings.count { $0 == .finished }
        switch quorum {
        case .all: return standings.allSatisfy { $0 == .finished || $0 == .cancelled }
        case .any, .count: return finished >= quorum.needed(of: nodes.count)
        }
    }

    /// Whether nothing that comes can change the answer.
    package var isOver: Bool {
        let pending = standings.count { $0.isPending }
        switch quorum {
        case .all: return pending == 0
        case .any, .count:
            let needed = quorum.needed(of: nodes.count)
            let finished = standings.count { $0 == .finished }
            return finished >= needed || finished + pending < needed
        }
    }
}
