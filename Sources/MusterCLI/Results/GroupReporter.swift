import MusterCore

/// How the groups of a run were set up: what its rows say of it, without what its teardown has done since.
struct GroupReporter {
    let row: PlanRow
    let spec: RunSpec
    let steps: [StepRow]

    /// In the order of the request; none where the run brings nothing up.
    var reports: [GroupReport] {
        guard spec.verb.bringsUp else { return [] }
        var progress = RunProgress(spec: spec, passesOverTeardown: true)
        var setup = row
        setup.phase = .main
        progress.update(
            plan: setup,
            steps: steps,
            nodes: [],
            attempts: [],
            now: row.endedAt ?? row.startedAt ?? row.createdAt
        )
        var byGroup: [Int32: [StepRow]] = [:]
        for step in steps where step.spec.action == .provision || step.spec.action == .ready {
            byGroup[step.spec.a, default: []].append(step)
        }
        return zip(spec.groups, progress.groups).enumerated().map { index, pair in
            report(pair.0, pair.1, byGroup[Int32(index), default: []], progress)
        }
    }

    private func report(
        _ group: GroupSpec,
        _ progress: GroupProgress,
        _ steps: [StepRow],
        _ words: RunProgress
    ) -> GroupReport {
        let nodes = Set(steps.compactMap(\.spec.node))
        var report = GroupReport(
            name: group.name,
            needs: group.needs,
            count: progress.total,
            ready: progress.done,
            state: progress.state,
            reason: progress.state == .ready ? nil : progress.reason,
            startedAt: progress.startedAt,
            endedAt: progress.endedAt,
            slowest: slowest(of: steps, words),
            retries: steps.reduce(0) { $0 + max(0, Int($1.tries) - 1) },
            replaced: nodes.count - Set(steps.map(\.spec.c)).count
        )
        if row.state.isFinal, report.state == .working || report.state == .waiting {
            report.reason = "the run ended before it was \(report.state == .working ? "ready" : "begun")"
            if report.state == .working { report.state = .failed }
        }
        return report
    }

    private func slowest(of steps: [StepRow], _ words: RunProgress) -> GroupReport.Slowest? {
        var found: (step: StepRow, took: Duration)?
        for step in steps {
            guard let begin = step.startedAt, let end = step.endedAt else { continue }
            if end - begin > found?.took ?? .zero { found = (step, end - begin) }
        }
        return found.map { step, took in
            let words = words.words(step)
            return GroupReport.Slowest(title: words.title, node: words.owner, took: took)
        }
    }
}
