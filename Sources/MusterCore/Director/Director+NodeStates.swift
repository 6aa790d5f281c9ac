/// The modes and states of nodes: what is said of them, and what Muster itself does to them.
extension Director {
    /// Takes in what was said of a node.
    ///
    /// - Parameter request: the number under which somebody waits for an answer.
    mutating func take(_ report: NodeReport, request: Int64? = nil, into turn: inout Turn) {
        // What happened to it in this turn comes first.
        followNodes(into: &turn)
        guard let node = context.nodes.current(lab: report.lab, report.node) else {
            if let request { refuse(request, .noNode(report.node, state: nil), into: &turn) }
            return
        }
        guard context.states.isKnown(node.id) else {
            if let request { refuse(request, .noModes(lab: report.lab), into: &turn) }
            return
        }
        guard context.states.isNew(report, into: &turn) else { return }
        let before = turn.happenings.count
        context.states.handle(report.content.input, of: node.id, into: &turn)
        guard let request, let reason = turn.happenings[before...].lazy.compactMap(\.kind.reasonNotTaken).first else {
            return
        }
        refuse(request, .notTaken(report.node, reason: reason), into: &turn)
    }

    /// The nodes of a lab are decided by this table from now on, also those that are there already.
    mutating func use(_ modes: ModeSet, for lab: String, into turn: inout Turn) {
        context.states.use(modes, for: lab, into: &turn)
        var begun = GroupModes()
        for node in context.nodes.of(lab: lab) {
            if context.states.isKnown(node.id) {
                context.states.takeTriggers(node.id, node.name, into: &turn)
            } else {
                begin(node, &begun, into: &turn)
                lookForReports(of: node.id, into: &turn)
            }
        }
    }

    private mutating func begin(_ node: NodeRow, _ modes: inout GroupModes, into turn: inout Turn) {
        let mode = modes.mode(of: node.name.group, in: node.createdBy) { context.specs[$0] }
        context.states.add(node.id, node.name, lab: node.lab, mode: mode, into: &turn)
        context.states.lifecycleChanged(node.id, to: node.state, into: &turn)
    }

    private func refuse(_ request: Int64, _ reason: Refusal.Reason, into turn: inout Turn) {
        let refusal = Refusal(token: Refusal.token(of: request), reason: reason)
        turn.emit(.requestRefused, detail: refusal.text)
    }

    /// What Muster did to nodes are events for their machines like any other.
    mutating func followNodes(into turn: inout Turn) {
        let moves = context.nodes.takeMoves()
        if moves.isEmpty { return }
        var modes = GroupModes()
        for (id, state) in moves {
            if state == .gone {
                context.states.remove(id, into: &turn)
                nodeWent(id, into: &turn)
            } else if let row = context.nodes[id] {
                if !context.states.isKnown(id) { begin(row, &modes, into: &turn) }
                context.states.lifecycleChanged(id, to: state, into: &turn)
            }
        }
    }

    package func nodeState(_ node: NodeID) -> NodeStateRow? { context.states.row(of: node) }
}

/// The mode in which each group's nodes begin: looked up once for each run, as a lab may have thousands of groups.
private struct GroupModes {
    private var known: [PlanID: [String: String]] = [:]

    mutating func mode(of group: String, in plan: PlanID, spec: (PlanID) -> RunSpec?) -> String? {
        if known[plan] == nil {
            let groups = spec(plan)?.groups ?? []
            let modes = groups.compactMap { group in group.mode.map { (group.name, $0) } }
            known[plan] = Dictionary(modes) { first, _ in first }
        }
        return known[plan]?[group]
    }
}
