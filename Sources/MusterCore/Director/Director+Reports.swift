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
            guard maySpeak(node, into: &turn) else { break }
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
        for flaw in batch.flaws where maySpeak(node, into: &turn) {
            turn.emit(.nodeReportRefused, node: node, detail: flaw)
        }
        if batch.isMore { lookForReports(of: node, into: &turn) }
    }

    /// Whether a node may say one thing more: a machine that has gone mad does not fill the state.
    private mutating func maySpeak(_ node: NodeID, into turn: inout Turn) -> Bool {
        switch context.states.reportRates[node, default: ReportRate()].admit(at: turn.now) {
        case .admitted: return true
        case .refused: return false
        case .refusedFirst:
            let limit = "\(ReportRate.limit) things within \(ReportRate.length.shortText)"
            turn.emit(.nodeReportRefused, node: node, detail: "it has said \(limit); more is dropped till that is over")
            return false
        }
    }

    package func reportPosition(of node: NodeID) -> ReportPosition? { context.states.reportPositions[node] }
}

/// How much one node has said since the present stretch of time began.
package struct ReportRate: Hashable, Sendable {
    package enum Verdict: Hashable, Sendable { case admitted, refusedFirst, refused }

    /// As much as a node may say in each stretch of time.
    package static let limit = 10_000
    package static let length: Duration = .seconds(3600)

    private var begin = Timestamp(rawValue: 0)
    private var count = 0

    package init() {}

    package mutating func admit(at now: Timestamp) -> Verdict {
        if now - begin >= Self.length || now < begin { (begin, count) = (now, 0) }
        count += 1
        if count <= Self.limit { return .admitted }
        return count == Self.limit + 1 ? .refusedFirst : .refused
    }
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
