import Foundation
import MusterCore
import MusterStore

/// Makes a run's report from the store: the same while it runs, after it, and after any crash.
struct ReportBuilder {
    let store: any Store

    /// - Throws: when the store cannot be read. Nil when there is no such run.
    func report(on id: PlanID) throws(StoreError) -> RunReport? {
        guard let row = try store.plan(id), let spec = try store.spec(of: id) else { return nil }
        let steps = try store.steps(of: id)
        let attempts = try store.attempts(of: id)
        let reported = try store.testResults(of: id)
        let all = try store.nodes(lab: row.lab, includingGone: true)
        let nodes = all.filter { $0.createdBy == id }
        let labels = try removalLabels(of: steps, all, by: id)
        let used = Set(attempts.compactMap(\.node).map(\.description) + nodes.map { $0.name.description })
        return RunReport(
            run: RunName(id),
            lab: row.lab,
            verb: row.verb,
            state: row.state,
            result: row.result,
            reason: row.reason,
            startedAt: row.startedAt ?? row.createdAt,
            endedAt: row.endedAt,
            nodes: used.count,
            nodesReplaced: max(0, nodes.count - Set(nodes.map(\.name)).count),
            problems: problems(spec: spec, steps: steps, nodes: nodes, labels: labels),
            suites: suites(spec: spec, attempts: attempts, reported: reported),
            groups: GroupReporter(row: row, spec: spec, steps: steps).reports,
            flakyFails: spec.flakyFails
        )
    }

    /// A run with its tests alone, for what looks at many runs.
    ///
    /// - Throws: when the store cannot be read. Nil when the run has no request any more.
    func tests(of row: PlanRow) throws(StoreError) -> RunReport? {
        guard let spec = try store.spec(of: row.id) else { return nil }
        return RunReport(
            run: RunName(row.id),
            lab: row.lab,
            verb: row.verb,
            state: row.state,
            result: row.result,
            reason: row.reason,
            startedAt: row.startedAt ?? row.createdAt,
            endedAt: row.endedAt,
            suites: suites(
                spec: spec,
                attempts: try store.attempts(of: row.id),
                reported: try store.testResults(of: row.id)
            ),
            flakyFails: spec.flakyFails
        )
    }

    private func suites(
        spec: RunSpec,
        attempts: [AttemptRow],
        reported: [StepIndex: String]
    ) -> [SuiteReport] {
        let decoder = JSONDecoder()
        var bySuite: [String: [String: [AttemptReport]]] = [:]
        for attempt in attempts.sorted(by: { ($0.number, $0.step) < ($1.number, $1.step) }) {
            let begin = attempt.startedAt
            let results = reported[attempt.step].flatMap {
                try? decoder.decode([TestResult].self, from: Data($0.utf8))
            }
            bySuite[attempt.suite, default: [:]][attempt.test, default: []].append(
                AttemptReport(
                    number: attempt.number,
                    outcome: attempt.outcome,
                    note: attempt.note,
                    node: attempt.node?.description,
                    startedAt: begin,
                    duration: begin.map { attempt.endedAt - $0 } ?? .zero,
                    isCancelled: attempt.isCancelled,
                    files: begin == nil
                        ? []
                        : [ResultFiles.outputPath(suite: attempt.suite, test: attempt.test, attempt: attempt.number)],
                    results: results ?? []
                )
            )
        }
        return spec.suites.map { suite in
            SuiteReport(
                name: suite.name,
                group: suite.group,
                tests: suite.tests.map { test in
                    TestReport(
                        suite: suite.name,
                        name: test.name,
                        attempts: bySuite[suite.name]?[test.name] ?? []
                    )
                }
            )
        }
    }

    /// What people call the steps that take down nodes of other runs: their titles stand in the requests of those.
    private func removalLabels(
        of steps: [StepRow],
        _ nodes: [NodeRow],
        by id: PlanID
    ) throws(StoreError) -> [StepIndex: String] {
        var labels: [StepIndex: String] = [:]
        var specs: [PlanID: RunSpec] = [:]
        for step in steps where step.error != nil && (step.spec.action == .undo || step.spec.action == .destroy) {
            guard let node = nodes.first(where: { $0.id == step.spec.node }), node.createdBy != id else { continue }
            if specs[node.createdBy] == nil { specs[node.createdBy] = try store.spec(of: node.createdBy) }
            labels[step.index] = specs[node.createdBy]?.label(of: step.spec)
        }
        return labels
    }

    /// Failures of machines and steps; those of tests stand with the tests.
    private func problems(
        spec: RunSpec,
        steps: [StepRow],
        nodes: [NodeRow],
        labels: [StepIndex: String]
    ) -> [String] {
        var problems: [String] = []
        for step in steps where step.spec.action == .undo && step.state == .skipped {
            guard let error = step.error, error.code != .lost else { continue }
            problems.append("\(labels[step.index] ?? spec.label(of: step.spec)), passed over: \(error.message)")
        }
        for step in steps where step.state == .error {
            switch step.spec.action {
            case .provision, .ready, .undo, .destroy, .before, .after, .barrier, .call, .finalize, .revert, .command,
                .capability:
                let message = step.error?.message ?? "failed"
                problems.append("\(labels[step.index] ?? spec.label(of: step.spec)): \(message)")
            case .attempt, .member, .exec, .noop, .pause: continue
            }
        }
        for node in nodes where node.state == .lost {
            problems.append("\(node.name): \(node.reason ?? "lost")")
        }
        return problems
    }
}
