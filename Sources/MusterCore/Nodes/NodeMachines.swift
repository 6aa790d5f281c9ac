/// The modes and states of nodes, and what follows from each event: one value for all nodes of a table.
///
/// An event costs the same however many nodes there are. Everything that matters after a restart is in the rows that go
/// into the sink; `restore` goes on from them.
package struct NodeMachines: Sendable {
    package internal(set) var table: ModeTable
    var nodes: [Node] = []
    var places: [NodeID: Int32] = [:]
    var freePlaces: [Int32] = []
    /// Few nodes have one of these at a time.
    var commands: [NodeID: PendingCommand] = [:]
    var ownTriggers: [NodeID: [NodeTrigger]] = [:]
    /// Nodes whose mode or state the table does not have.
    var strangers: [NodeID: NodeStateRow] = [:]
    var timers = DueQueue<TimerKey>()
    /// States that the machine itself reports, after the event that is handled.
    var reports: [StateID] = []

    /// A timeout that came due longer ago than this, with nobody there, is not acted on.
    package static let outdatedAge: Duration = .seconds(7 * 86_400)
    /// As many reports as one event may bring about.
    static let reportsMax = 16

    /// A node as it is kept: numbers of the table instead of names.
    struct Node: Sendable {
        var id: NodeID
        var since: Timestamp
        var modeSince: Timestamp
        var deadline: NodeDeadline?
        var mode: ModeID
        var state: StateID
        var nextMode: ModeID?
        var bootMode: ModeID?
        var goal: StateID?
        var features: NodeFeatures
        var flags: NodeFlags = []
        var timeouts: Int32 = 0
        var notices: Int32 = 0
        var repairs: Int32 = 0
    }

    struct TimerKey: Hashable, Sendable {
        let node: NodeID
        let isCommand: Bool
    }

    package init(_ table: ModeTable) { self.table = table }

    package var count: Int { places.count + strangers.count }

    /// When the next timeout is due; nil when there is none.
    package mutating func nextDue() -> Timestamp? { timers.nextDue() }

    package func row(of node: NodeID) -> NodeStateRow? { places[node].map { row(Int($0)) } ?? strangers[node] }

    /// All of them, in the order of their numbers.
    package var rows: [NodeStateRow] {
        (places.values.map { row(Int($0)) } + strangers.values).sorted { $0.node < $1.node }
    }

    package func contains(_ node: NodeID) -> Bool { places[node] != nil || strangers[node] != nil }

    /// Whether a node is in a state that counts as ready.
    package func isReady(_ node: NodeID) -> Bool {
        places[node].map { table.isReady(nodes[Int($0)].mode, nodes[Int($0)].state) } ?? false
    }

    func row(_ i: Int) -> NodeStateRow {
        let node = nodes[i]
        var row = NodeStateRow(
            node: node.id,
            mode: table.name(of: node.mode),
            state: table.name(of: node.state),
            since: node.since,
            nextMode: node.nextMode.map(table.name(of:)),
            bootMode: node.bootMode.map(table.name(of:)),
            goal: node.goal.map(table.name(of:)),
            features: node.features
        )
        row.modeSince = node.modeSince
        row.timeouts = node.timeouts
        row.notices = node.notices
        row.repairs = node.repairs
        row.flags = node.flags
        row.deadline = node.deadline
        row.command = commands[node.id]
        row.triggers = ownTriggers[node.id] ?? []
        return row
    }

    /// Nodes that have obeyed when they were to be rebooted, and have not come up since.
    var interruptedReboots: [NodeID] {
        nodes.indices.lazy.filter { i in
            let node = self.nodes[i]
            return node.flags.contains(.isRebooting) && self.places[node.id] == Int32(i)
                && self.commands[node.id] == nil
                && !self.table.isReady(node.mode, node.state)
        }.map { self.nodes[$0].id }
    }

    // MARK: Nodes that come and go

    /// A node that was not there before, in a state of which nobody has been told.
    package mutating func add(_ row: NodeStateRow, now: Timestamp, into sink: inout NodeSink) {
        take(row)
        if let place = places[row.node] {
            arm(Int(place), now)
        } else {
            noteStranger(row, now, &sink)
        }
        if let row = self.row(of: row.node) { sink.put(row) }
    }

    package mutating func remove(_ node: NodeID, into sink: inout NodeSink) {
        guard contains(node) else { return }
        forget(node)
        sink.remove(node)
    }

    /// Goes on with stored nodes, with their timers as they were. What came due meanwhile is due at once.
    package mutating func restore(_ rows: some Sequence<NodeStateRow>, now: Timestamp, into sink: inout NodeSink) {
        for row in rows {
            take(row)
            if strangers[row.node] != nil { noteStranger(row, now, &sink) }
        }
    }

    /// Sets the timers that stored nodes lack: their table has gained a timeout while nobody was there. It counts from
    /// when the state began.
    ///
    /// One that was due before now, of a node that has had timeouts since it was up, may have been acted on: it is left
    /// alone.
    package mutating func armMissing(now: Timestamp, into sink: inout NodeSink) {
        for i in nodes.indices where nodes[i].deadline == nil && places[nodes[i].id] == Int32(i) {
            guard let timeout = table.timeout(nodes[i].mode, nodes[i].state),
                nodes[i].timeouts == 0 || nodes[i].since + timeout.after > now
            else { continue }
            arm(i, nodes[i].since, timeout)
            sink.put(row(i))
        }
    }

    /// Makes room for so many more nodes.
    mutating func reserve(_ count: Int) {
        nodes.reserveCapacity(nodes.count + count)
        places.reserveCapacity(places.count + count)
    }

    /// Takes up another table. Nodes keep their counters and their timers, but where the timeout of their state is
    /// another now: that counts from when the state began.
    package mutating func reload(_ table: ModeTable, now: Timestamp, into sink: inout NodeSink) {
        let old = self.table
        let rows = self.rows
        self = NodeMachines(table)
        for var row in rows {
            let before = old.timeout(row.mode, row.state)
            let after = table.timeout(row.mode, row.state)
            let changes = before != after
            if changes { row.deadline = nil }
            take(row)
            guard let place = places[row.node] else {
                noteStranger(row, now, &sink)
                continue
            }
            guard changes, let after else {
                if changes { sink.put(self.row(Int(place))) }
                continue
            }
            arm(Int(place), row.since, after)
            sink.put(self.row(Int(place)))
        }
    }

    private func noteStranger(_ row: NodeStateRow, _ now: Timestamp, _ sink: inout NodeSink) {
        let isMode = table.mode(row.mode) == nil
        sink.note(isMode ? .unknownMode(row.mode) : .unknownState(row.state), row.node, now)
    }

    /// Takes in a row as it is.
    private mutating func take(_ row: NodeStateRow) {
        forget(row.node)
        guard let mode = table.mode(row.mode), let state = table.state(row.state) else {
            strangers[row.node] = row
            return
        }
        let node = Node(
            id: row.node,
            since: row.since,
            modeSince: row.modeSince,
            deadline: row.deadline,
            mode: mode,
            state: state,
            nextMode: row.nextMode.flatMap(table.mode),
            bootMode: row.bootMode.flatMap(table.mode),
            goal: row.goal.flatMap(table.state),
            features: row.features,
            flags: row.flags,
            timeouts: row.timeouts,
            notices: row.notices,
            repairs: row.repairs
        )
        if let place = freePlaces.popLast() {
            nodes[Int(place)] = node
            places[row.node] = place
        } else {
            places[row.node] = Int32(nodes.count)
            nodes.append(node)
        }
        if !row.triggers.isEmpty { ownTriggers[row.node] = row.triggers }
        if let deadline = row.deadline {
            timers.restore(TimerKey(node: row.node, isCommand: false), at: deadline.at, order: deadline.order)
        }
        if let command = row.command {
            commands[row.node] = command
            let deadline = command.deadline
            timers.restore(TimerKey(node: row.node, isCommand: true), at: deadline.at, order: deadline.order)
        }
    }

    private mutating func forget(_ node: NodeID) {
        strangers[node] = nil
        guard let place = places.removeValue(forKey: node) else { return }
        freePlaces.append(place)
        commands[node] = nil
        ownTriggers[node] = nil
        timers.clear(TimerKey(node: node, isCommand: false))
        timers.clear(TimerKey(node: node, isCommand: true))
    }
}

extension ModeTable {
    fileprivate func timeout(_ mode: String, _ state: String) -> Timeout? {
        guard let mode = self.mode(mode), let state = self.state(state) else { return nil }
        return timeout(mode, state)
    }
}
