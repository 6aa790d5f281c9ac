/// What nodes say of themselves by a file in their folders.
///
/// Each line counts exactly once: how far the file was read is stored in the same turn as what the lines bring about,
/// and what was read from anywhere else than there is dropped and read again.
extension Director {
    /// A node may have written something.
    func lookForReports(of node: NodeID, into turn: inout Turn) {
        guard context.states.isKnown(node) else { return }
        turn.directives.append(.node(.readReports(node: node, after: reportPosition(of: node))))
    }

    mutating func take(_ batch: ReportBatch, of node: NodeID, into turn: inout Turn) {
        // What happened to it in this turn comes first.
        followNodes(into: &turn)
        guard let row = context.nodes[node], context.states.isKnown(node) else { return }
        guard batch.from == reportPosition(of: node) else {
            // It was read before something was thrown away, or twice.
            return lookForReports(of: node, into: &turn)
        }
        if let position = batch.to, position != batch.from {
            context.states.reportPositions[node] = position
            turn.reportPositions[node] = position
        }
        for line in batch.lines {
            let report = NodeReport(
                lab: row.lab,
                node: row.name,
                line.content,
                source: "node:\(node.rawValue)",
                id: line.id
            )
            guard context.states.isNew(report, into: &turn) else { continue }
            context.states.handle(report.content.input, of: node, into: &turn)
        }
        for flaw in batch.flaws { turn.emit(.nodeReportRefused, node: node, detail: flaw) }
        if batch.isMore { lookForReports(of: node, into: &turn) }
    }

    package func reportPosition(of node: NodeID) -> ReportPosition? { context.states.reportPositions[node] }
}

extension NodeReport.Content {
    /// What the node's machine is told.
    var input: NodeInput {
        switch self {
        case .state(let state): .reported(state)
        case .event(let event, let goal): .fired(event, goal: goal)
        case .nextMode(let mode): .nextModeSet(mode)
        case .bootMode(let mode): .bootModeSet(mode)
        }
    }
}
