/// The nodes that are not gone, and what the next commit writes of them.
package struct NodeTable: Sendable {
    /// In places that they keep; those of nodes that are gone are used again.
    private var rows: [NodeRow] = []
    private var places: [NodeID: Int32] = [:]
    private var freePlaces: [Int32] = []
    private var current: [Key: NodeID] = [:]
    /// Older nodes of a name that are still there: those whose teardown has failed.
    private var older: [Key: [NodeID]] = [:]
    private var dirty: Set<NodeID> = []
    /// Which states of their lifecycle nodes came into since somebody looked.
    private var moves: [(node: NodeID, state: NodeState)] = []
    /// The numbers that new nodes may have.
    var numbers: NumberRange

    private struct Key: Hashable, Sendable {
        let lab: String
        let name: NodeName
    }

    package init(rows stored: [NodeRow] = [], lastNumber: Int64 = 0) {
        numbers = NumberRange(after: lastNumber)
        add(stored)
    }

    /// Takes in stored nodes that were somebody else's before.
    mutating func add(_ stored: [NodeRow]) {
        rows.reserveCapacity(rows.count + stored.count)
        places.reserveCapacity(places.count + stored.count)
        current.reserveCapacity(current.count + stored.count)
        for row in stored {
            put(row)
            let key = Key(lab: row.lab, name: row.name)
            // The newest of a name, in whichever order they come.
            guard let known = current[key], known != row.id else {
                current[key] = row.id
                continue
            }
            current[key] = max(known, row.id)
            let other = min(known, row.id)
            if older[key]?.contains(other) != true { older[key, default: []].append(other) }
        }
    }

    private mutating func put(_ row: NodeRow) {
        if let place = places[row.id] {
            rows[Int(place)] = row
        } else if let place = freePlaces.popLast() {
            places[row.id] = place
            rows[Int(place)] = row
        } else {
            places[row.id] = Int32(rows.count)
            rows.append(row)
        }
    }

    package subscript(id: NodeID) -> NodeRow? { places[id].map { rows[Int($0)] } }
    package var all: some Collection<NodeRow> { places.values.lazy.map { [rows] in rows[Int($0)] } }
    /// The lab of a node, without the rest of its row.
    func lab(of id: NodeID) -> String? { places[id].map { rows[Int($0)].lab } }

    /// The newest node of this name that is not gone. One that went in this turn is known by its number until the turn
    /// is closed.
    package func current(lab: String, _ name: NodeName) -> NodeRow? {
        current[Key(lab: lab, name: name)].flatMap { self[$0] }
    }

    /// The node on which another one runs, as its driver has said: the fact `host`.
    func host(of node: NodeRow) -> NodeRow? {
        node.facts["host"].flatMap { NodeName($0) }.flatMap { current(lab: node.lab, $0) }
    }

    package func of(lab: String) -> [NodeRow] {
        all.filter { $0.lab == lab && $0.state != .gone }.sorted { $0.id < $1.id }
    }

    /// Makes a node that is about to be created.
    mutating func make(
        lab: String,
        name: NodeName,
        driver: String,
        plan: PlanID,
        replacements: Int32,
        into turn: inout Turn
    ) -> NodeID {
        let id = NodeID(numbers.take())
        put(
            NodeRow(
                id: id,
                lab: lab,
                name: name,
                driver: driver,
                state: .creating,
                createdBy: plan,
                heldBy: plan,
                replacements: replacements,
                since: turn.now
            )
        )
        let key = Key(lab: lab, name: name)
        if let known = current[key] { older[key, default: []].append(known) }
        current[key] = id
        dirty.insert(id)
        moves.append((id, .creating))
        turn.emit(.nodeCreating, plan: plan, node: id)
        return id
    }

    /// Which nodes came into which states of their lifecycle since the last time, in order.
    mutating func takeMoves() -> [(node: NodeID, state: NodeState)] {
        // Asked with every report: mostly there are none.
        if moves.isEmpty { return [] }
        defer { moves = [] }
        return moves
    }

    /// Changes a node in place; unknown nodes are left alone.
    mutating func change(_ id: NodeID, _ body: (inout NodeRow) -> Void) {
        guard let place = places[id] else { return }
        body(&rows[Int(place)])
        dirty.insert(id)
    }

    /// Moves a node to another state and says so; a node that is there already stays as it is.
    mutating func move(_ id: NodeID, to state: NodeState, reason: String? = nil, plan: PlanID?, into turn: inout Turn) {
        guard let row = self[id], row.state != state else { return }
        change(id) {
            $0.state = state
            $0.reason = reason
            $0.since = turn.now
        }
        moves.append((id, state))
        let key = Key(lab: row.lab, name: row.name)
        if state == .gone { forget(id, key) }
        let kind: EventRow.Kind =
            switch state {
            case .creating: .nodeCreating
            case .starting: .nodeStarting
            case .ready: .nodeReady
            case .lost: .nodeLost
            case .stopped: .nodeStopped
            case .failed, .quarantined: .nodeFailed
            case .gone: .nodeGone
            }
        turn.emit(kind, plan: plan, node: id, detail: reason)
    }

    /// A node has gone: should an older one of its name be left, it is the one that is meant again.
    private mutating func forget(_ id: NodeID, _ key: Key) {
        if let left = older[key] {
            let others = left.filter { $0 != id && self[$0].map { $0.state != .gone } == true }
            older[key] = others.isEmpty ? nil : others
        }
        guard current[key] == id else { return }
        current[key] = older[key]?.max()
        if let next = current[key] {
            let others = older[key]?.filter { $0 != next } ?? []
            older[key] = others.isEmpty ? nil : others
        }
    }

    mutating func fillRows(into turn: inout Turn) {
        for id in dirty.sorted() {
            guard let place = places[id] else { continue }
            turn.nodes.append(rows[Int(place)])
            if rows[Int(place)].state == .gone {
                places[id] = nil
                freePlaces.append(place)
            }
        }
        dirty.removeAll(keepingCapacity: true)
    }
}
