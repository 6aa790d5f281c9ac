/// The modes and states of all nodes, each by the mode table of its lab.
package struct NodeStates: Sendable {
    /// One for each lab with a table; labs keep their places.
    private var machines: [NodeMachines] = []
    private var labs: [String: Int32] = [:]
    /// The lab's place, of each node.
    private var places: [NodeID: Int32] = [:]
    /// When the first timeout of each lab is due, by place: an event looks at its own lab alone.
    private var dues: [Timestamp?] = []
    private var dueQueue = DueQueue<Int32>()
    private var window = EventWindow(length: ReportMark.age)
    /// Used for one event after another, and empty between them.
    private var sink = NodeSink()
    /// How far the files were read into which nodes write reports.
    var reportPositions: [NodeID: ReportPosition] = [:]
    /// How much nodes have said lately.
    var reportRates: [NodeID: ReportRate] = [:]

    package init() {}

    // MARK: Tables and nodes

    package func table(of lab: String) -> ModeTable? { labs[lab].map { machines[Int($0)].table } }
    func table(for node: NodeID) -> ModeTable? { places[node].map { machines[Int($0)].table } }
    /// Nodes that were taken down to be rebooted, and are not known to be up again.
    var interruptedReboots: [NodeID] { machines.flatMap(\.interruptedReboots).sorted() }
    package func row(of node: NodeID) -> NodeStateRow? { places[node].flatMap { machines[Int($0)].row(of: node) } }
    package func isReady(_ node: NodeID) -> Bool { places[node].map { machines[Int($0)].isReady(node) } ?? false }
    package func isKnown(_ node: NodeID) -> Bool { places[node] != nil }

    /// Goes on with what is stored. Of a node whose lab is not known nothing is. `settle` comes next.
    mutating func adopt(
        _ sets: [String: ModeSet],
        _ rows: [NodeStateRow],
        _ marks: [ReportMark],
        lab: (NodeID) -> String?
    ) {
        for (lab, set) in sets.sorted(by: { $0.key < $1.key }) { place(set, for: lab) }
        let counts = counts(of: rows, lab)
        places.reserveCapacity(places.count + rows.count)
        for (place, count) in counts.enumerated() where count > 0 { machines[place].reserve(count) }
        // Neighbours are of one lab on the whole.
        var known: (lab: String, place: Int32)?
        var ignored = NodeSink()
        for row in rows {
            guard let lab = lab(row.node) else { continue }
            if known?.lab != lab { known = labs[lab].map { (lab, $0) } }
            guard let place = known?.place, known?.lab == lab else { continue }
            places[row.node] = place
            machines[Int(place)].restore(CollectionOfOne(row), now: row.since, into: &ignored)
        }
        for place in machines.indices { noteDue(Int32(place)) }
        for mark in marks { _ = window.isNew(source: mark.source, id: mark.id, now: mark.at) }
    }

    /// How many of the rows are of each lab, by place.
    private func counts(of rows: [NodeStateRow], _ lab: (NodeID) -> String?) -> [Int] {
        if machines.count == 1 { return [rows.count] }
        var counts = Array(repeating: 0, count: machines.count)
        for row in rows { if let lab = lab(row.node), let place = labs[lab] { counts[Int(place)] += 1 } }
        return counts
    }

    private mutating func place(_ set: ModeSet, for lab: String) {
        if let place = labs[lab] {
            if machines[Int(place)].table.source != set { machines[Int(place)] = NodeMachines(ModeTable(set)) }
        } else {
            labs[lab] = Int32(machines.count)
            machines.append(NodeMachines(ModeTable(set)))
            dues.append(nil)
        }
    }

    /// Sets the timers that nodes lack which were taken in.
    mutating func settle(into turn: inout Turn) {
        for place in machines.indices {
            machines[place].armMissing(now: turn.now, into: &sink)
            handOver(Int32(place), into: &turn)
        }
    }

    /// Takes up a lab's table, or another one; nodes keep what they have.
    mutating func use(_ set: ModeSet, for lab: String, into turn: inout Turn) {
        if let place = labs[lab] {
            guard machines[Int(place)].table.source != set else { return }
            machines[Int(place)].reload(ModeTable(set), now: turn.now, into: &sink)
            handOver(place, into: &turn)
        } else {
            place(set, for: lab)
        }
        turn.modeSets[lab] = set
    }

    /// A node is there that was not before.
    ///
    /// - Parameter mode: nil for the first of its table.
    mutating func add(_ node: NodeID, _ name: NodeName, lab: String, mode: String?, into turn: inout Turn) {
        guard let place = labs[lab], places[node] == nil else { return }
        let table = machines[Int(place)].table
        guard let first = mode ?? table.modes.first else { return }
        places[node] = place
        let state = Lifecycle.state(.creating, table, mode: first) ?? table.firstState(of: first) ?? "NEW"
        var row = NodeStateRow(node: node, mode: first, state: state, since: turn.now)
        row.triggers = table.source.triggers(of: name)
        machines[Int(place)].add(row, now: turn.now, into: &sink)
        handOver(place, into: &turn)
    }

    /// Gives a node the triggers that its table has for it. Those that it was given for once stay.
    mutating func takeTriggers(_ node: NodeID, _ name: NodeName, into turn: inout Turn) {
        guard let row = row(of: node), let table = table(for: node) else { return }
        let triggers = row.triggers.filter(\.isOnce) + table.source.triggers(of: name)
        if triggers != row.triggers { handle(.triggersSet(triggers), of: node, into: &turn) }
    }

    mutating func remove(_ node: NodeID, into turn: inout Turn) {
        guard let place = places.removeValue(forKey: node) else { return }
        reportPositions[node] = nil
        reportRates[node] = nil
        machines[Int(place)].remove(node, into: &sink)
        handOver(place, into: &turn)
    }

    // MARK: What happens

    /// Whether a report was not taken before; it is remembered.
    mutating func isNew(_ report: NodeReport, into turn: inout Turn) -> Bool {
        guard let id = report.id else { return true }
        guard window.isNew(source: report.source, id: id, now: turn.now) else { return false }
        turn.reportMarks.append(ReportMark(source: report.source, id: id, at: turn.now))
        return true
    }

    mutating func handle(_ input: NodeInput, of node: NodeID, into turn: inout Turn) {
        guard let place = places[node] else { return }
        machines[Int(place)].handle(input, of: node, now: turn.now, into: &sink)
        handOver(place, into: &turn)
    }

    /// Muster itself has brought a node into this state of its lifecycle: an event like any other.
    mutating func lifecycleChanged(_ node: NodeID, to state: NodeState, into turn: inout Turn) {
        guard let place = places[node], let row = machines[Int(place)].row(of: node),
            let name = Lifecycle.state(state, machines[Int(place)].table, mode: row.mode), name != row.state
        else { return }
        handle(.reported(name), of: node, into: &turn)
    }

    /// A command has done this to a node, also where it was so before: that is what is waited for.
    mutating func powered(_ node: NodeID, to state: NodeState, into turn: inout Turn) {
        guard let row = row(of: node), let table = table(for: node),
            let name = Lifecycle.state(state, table, mode: row.mode)
        else { return }
        handle(.reported(name), of: node, into: &turn)
    }

    /// See `NodeMachines.beginOverdueStateAnew`.
    mutating func beginOverdueStateAnew(_ node: NodeID, into turn: inout Turn) {
        guard let place = places[node] else { return }
        machines[Int(place)].beginOverdueStateAnew(node, now: turn.now, into: &sink)
        handOver(place, into: &turn)
    }

    // MARK: Time

    mutating func nextDue() -> Timestamp? { dueQueue.nextDue() }

    mutating func advance(into turn: inout Turn) {
        // Asked with every event of a turn: mostly nothing is due.
        while let due = dueQueue.takeDue(at: turn.now) {
            dues[Int(due.key)] = nil
            machines[Int(due.key)].advance(to: turn.now, into: &sink)
            handOver(due.key, into: &turn)
        }
    }

    /// Keeps in mind when the first timeout of a lab is due now.
    private mutating func noteDue(_ place: Int32) {
        let due = machines[Int(place)].nextDue()
        guard due != dues[Int(place)] else { return }
        dues[Int(place)] = due
        if let due { dueQueue.set(place, at: due) } else { dueQueue.clear(place) }
    }

    // MARK: The turn

    /// What a lab's nodes have brought about becomes part of the turn.
    private mutating func handOver(_ place: Int32, into turn: inout Turn) {
        noteDue(place)
        for row in sink.rows { turn.put(row) }
        turn.nodeStatesGone += sink.removed
        for happening in sink.happenings {
            if let event = happening.kind.event { turn.emit(event.kind, node: happening.node, detail: event.detail) }
        }
        turn.happenings += sink.happenings
        turn.directives += sink.directives.lazy.map(Directive.node)
        sink.removeAll()
    }
}

/// What Muster's own lifecycle of a node is called in a mode table: the usual names, where the table has them.
enum Lifecycle {
    static func state(_ state: NodeState, _ table: ModeTable, mode: String) -> String? {
        let name: String? =
            switch state {
            case .creating: "SHUTDOWN"
            case .starting: "BOOTING"
            case .ready: "ISUP"
            case .lost: "LOST"
            case .stopped: "SHUTDOWN"
            case .failed: "FAILED"
            case .quarantined, .gone: nil
            }
        guard let name, let mode = table.mode(mode), let id = table.state(name), table.knows(mode, id) else {
            return nil
        }
        return name
    }
}

extension ModeTable {
    /// The state in which a node begins of which nothing else is known.
    func firstState(of mode: String) -> String? { source[mode: mode]?.knownStates.first }
}

extension ModeSet {
    /// The triggers that it has for a node alone.
    fileprivate func triggers(of name: NodeName) -> [NodeTrigger] {
        if nodeTriggers.isEmpty { return [] }
        let text = name.description
        return nodeTriggers.filter { $0.node == text }.map {
            NodeTrigger(mode: $0.mode, state: $0.triggers.state, actions: $0.triggers.actions, isOnce: false)
        }
    }
}
