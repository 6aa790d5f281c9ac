/// The modes and states of all nodes, each by the mode table of its lab.
package struct NodeStates: Sendable {
    private var machines: [String: NodeMachines] = [:]
    private var labs: [NodeID: String] = [:]
    private var window = EventWindow(length: ReportMark.age)

    package init() {}

    // MARK: Tables and nodes

    package func table(of lab: String) -> ModeTable? { machines[lab]?.table }
    func table(for node: NodeID) -> ModeTable? { labs[node].flatMap { machines[$0]?.table } }
    /// Nodes that were taken down to be rebooted, and are not known to be up again.
    var interruptedReboots: [NodeID] { machines.values.flatMap(\.interruptedReboots).sorted() }
    package func row(of node: NodeID) -> NodeStateRow? { labs[node].flatMap { machines[$0]?.row(of: node) } }
    package func isReady(_ node: NodeID) -> Bool { labs[node].flatMap { machines[$0]?.isReady(node) } ?? false }
    package func isKnown(_ node: NodeID) -> Bool { labs[node] != nil }

    /// Goes on with what is stored. Of a node whose lab is not known nothing is.
    mutating func adopt(
        _ sets: [String: ModeSet],
        _ rows: [NodeStateRow],
        _ marks: [ReportMark],
        lab: (NodeID) -> String?
    ) {
        for (lab, set) in sets where machines[lab]?.table.source != set { machines[lab] = NodeMachines(ModeTable(set)) }
        var rowsByLab: [String: [NodeStateRow]] = [:]
        for row in rows {
            guard let lab = lab(row.node), machines[lab] != nil else { continue }
            labs[row.node] = lab
            rowsByLab[lab, default: []].append(row)
        }
        var ignored = NodeSink()
        for (lab, rows) in rowsByLab {
            machines[lab]!.restore(rows, now: rows.map(\.since).max()!, into: &ignored)
        }
        for mark in marks { _ = window.isNew(source: mark.source, id: mark.id, now: mark.at) }
    }

    /// Takes up a lab's table, or another one; nodes keep what they have.
    mutating func use(_ set: ModeSet, for lab: String, into turn: inout Turn) {
        guard machines[lab]?.table.source != set else { return }
        turn.modeSets[lab] = set
        var sink = NodeSink()
        if machines[lab] == nil {
            machines[lab] = NodeMachines(ModeTable(set))
        } else {
            machines[lab]!.reload(ModeTable(set), now: turn.now, into: &sink)
        }
        hand(over: sink, into: &turn)
    }

    /// A node is there that was not before.
    ///
    /// - Parameter mode: nil for the first of its table.
    mutating func add(_ node: NodeID, lab: String, mode: String?, into turn: inout Turn) {
        guard let table = machines[lab]?.table, let first = mode ?? table.modes.first, labs[node] == nil else { return }
        labs[node] = lab
        let state = Lifecycle.state(.creating, table, mode: first) ?? table.firstState(of: first) ?? "NEW"
        var sink = NodeSink()
        let row = NodeStateRow(node: node, mode: first, state: state, since: turn.now)
        machines[lab]!.add(row, now: turn.now, into: &sink)
        hand(over: sink, into: &turn)
    }

    mutating func remove(_ node: NodeID, into turn: inout Turn) {
        guard let lab = labs.removeValue(forKey: node) else { return }
        var sink = NodeSink()
        machines[lab]?.remove(node, into: &sink)
        hand(over: sink, into: &turn)
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
        guard let lab = labs[node] else { return }
        var sink = NodeSink()
        machines[lab]?.handle(input, of: node, now: turn.now, into: &sink)
        hand(over: sink, into: &turn)
    }

    /// Muster itself has brought a node into this state of its lifecycle: an event like any other.
    mutating func lifecycleChanged(_ node: NodeID, to state: NodeState, into turn: inout Turn) {
        guard let row = row(of: node), let lab = labs[node], let table = machines[lab]?.table,
            let name = Lifecycle.state(state, table, mode: row.mode), name != row.state
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

    // MARK: Time

    mutating func nextDue() -> Timestamp? {
        var due: Timestamp?
        for lab in machines.keys {
            guard let next = machines[lab]?.nextDue() else { continue }
            due = due.map { min($0, next) } ?? next
        }
        return due
    }

    mutating func advance(into turn: inout Turn) {
        // Asked with every event of a turn: mostly nothing is due.
        guard let due = nextDue(), due <= turn.now else { return }
        for lab in machines.keys.sorted() {
            var sink = NodeSink()
            machines[lab]?.advance(to: turn.now, into: &sink)
            hand(over: sink, into: &turn)
        }
    }

    // MARK: The turn

    private mutating func hand(over sink: NodeSink, into turn: inout Turn) {
        for row in sink.rows { turn.put(row) }
        turn.nodeStatesGone += sink.removed
        for happening in sink.happenings {
            turn.happenings.append(happening)
            guard let event = happening.kind.event else { continue }
            turn.emit(event.kind, node: happening.node, detail: event.detail)
        }
        turn.directives += sink.directives.map(Directive.node)
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
