import MusterCore
import MusterStore

/// What an order has come to, node by node.
struct OrderResult {
    struct Node {
        var name: String
        var kind: String
        var state: StepState
        var error: StepError?
        var onFailure: FailureAction
    }

    let nodes: [Node]
    private let name: String

    init(_ spec: RunSpec, _ steps: [StepRow]) {
        name = spec.order?.name ?? spec.verb.rawValue
        var byPlace: [Int32: [StepRow]] = [:]
        for step in steps where step.spec.action == .command || step.spec.action == .capability {
            byPlace[step.spec.a, default: []].append(step)
        }
        let targets = spec.order?.targets ?? []
        let override = spec.order?.onFailure
        nodes = targets.enumerated().compactMap { place, target in
            guard let mine = byPlace[Int32(place)], let last = mine.last else { return nil }
            // The first failure is why the later ones were not begun.
            let failed = mine.first { $0.error != nil }
            let group = spec.groups.first { $0.name == target.node.group }
            return Node(
                name: target.node.description,
                kind: target.node.group,
                state: (failed ?? last).state,
                error: failed?.error,
                onFailure: override ?? group?.failureAction ?? .fatal
            )
        }
    }

    /// By kind, as far as they have ended.
    var summary: RebootSummary {
        RebootSummary(
            nodes.map { node in
                let end: RebootSummary.End =
                    switch node.error {
                    case nil: .up
                    case let error? where error.code == .refused: .refused(error.message)
                    case let error? where error.code == .cancelled: .cancelled
                    case let error?: .failed(error.message)
                    }
                return RebootSummary.Outcome(name: node.name, kind: node.kind, onFailure: node.onFailure, end: end)
            }
        )
    }

    var exitCode: Int32 { summary.isFatal ? ExitCodes.infrastructure : ExitCodes.passed }

    /// Whether each node was accepted, refused ones first.
    var answerLines: [String] {
        let refused = nodes.filter { $0.error?.code == .refused }
        let others = nodes.filter { $0.error?.code != .refused }
        return refused.map { "\($0.name)  refused: \(printable($0.error?.message ?? ""))" }
            + others.map { "\($0.name)  accepted" }
    }

    /// What came of each node, failures first, and the summary by kind.
    var lines: [String] {
        let failed = nodes.filter { $0.error != nil }
        let done = nodes.filter { $0.error == nil && $0.state == .success }
        var lines = failed.map { node in
            let word =
                node.error?.code == .refused ? "refused" : node.error?.code == .cancelled ? "cancelled" : "failed"
            return "  \(node.name)  \(word): \(printable(node.error?.message ?? ""))"
        }
        let shown = 20
        lines += done.prefix(shown).map { "  \($0.name)  done" }
        if done.count > shown { lines.append("  … and \(done.count - shown) more are done") }
        lines.append("\(name): \(done.count) of \(nodes.count) nodes done")
        return lines + summary.lines
    }
}

/// What verbs that do something to nodes print with `--json`.
struct OrderResultShape: Encodable {
    var format = 1
    var run: JSONShape.Run
    var exitCode: Int32
    var nodes: [Node]
    var summary: [String]

    struct Node: Encodable {
        var node: String
        var state: String
        var code: String?
        var reason: String?
    }

    enum CodingKeys: String, CodingKey {
        case format, run, nodes, summary
        case exitCode = "exit_code"
    }

    init(_ row: PlanRow, exitCode: Int32, _ result: OrderResult) {
        run = JSONShape.Run(row, isConducted: true)
        self.exitCode = exitCode
        nodes = result.nodes.map {
            Node(node: $0.name, state: $0.state.rawValue, code: $0.error?.code.rawValue, reason: $0.error?.message)
        }
        summary = result.summary.lines
    }
}
