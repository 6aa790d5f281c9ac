import MusterCore

extension RunProgress {
    mutating func deriveTests() {
        running = runningWork()
        suites = spec.suites.map { SuiteProgress(name: $0.name, group: $0.group, total: $0.tests.count) }
        failures = []
        unrun = []
        let planned = plannedAttempts()
        let bySuite = Dictionary(grouping: attempts, by: \.suite)
        for index in suites.indices {
            let byTest = Dictionary(grouping: bySuite[suites[index].name, default: []], by: \.test)
            for (test, testSpec) in spec.suites[index].tests.enumerated() {
                let history = byTest[testSpec.name, default: []].sorted { $0.number < $1.number }
                count(history, of: test, in: index, planned: planned[TestKey(suite: index, test: test)])
            }
            setTimes(of: index)
        }
        // Those that are over and done with first; of each kind in the order in which they began to fail.
        failures = failures.filter(\.isFinal) + failures.filter { !$0.isFinal }
    }

    private struct TestKey: Hashable {
        var suite: Int
        var test: Int
    }

    /// The last attempt that was planned of each test.
    private func plannedAttempts() -> [TestKey: StepRow] {
        var planned: [TestKey: StepRow] = [:]
        for step in steps where step.spec.action == .attempt {
            let key = TestKey(suite: Int(step.spec.a), test: Int(step.spec.b))
            if let last = planned[key], last.spec.c > step.spec.c { continue }
            planned[key] = step
        }
        return planned
    }

    private mutating func count(_ history: [AttemptRow], of test: Int, in suite: Int, planned: StepRow?) {
        guard let last = history.last else { return }
        let judged = history.filter { !$0.isCancelled }
        let failed = judged.filter { $0.outcome.isFailure }
        let hasEnded = last.number >= Int(planned?.spec.c ?? 0)
        suites[suite].infraRetried += judged.count { $0.outcome == .infra && !(hasEnded && $0.number == last.number) }
        if hasEnded {
            if last.isCancelled {
                suites[suite].cancelled += 1
            } else {
                suites[suite].done += 1
                if last.outcome == .pass && !failed.isEmpty {
                    suites[suite].flaky += 1
                } else {
                    suites[suite].counts[last.outcome, default: 0] += 1
                }
            }
            if history.allSatisfy({ $0.startedAt == nil }) { noteUnrun(last) }
        }
        let worst = hasEnded && last.outcome == .infra && !last.isCancelled ? last : failed.last
        guard let worst, worst.startedAt != nil, !hasEnded || last.isCancelled || last.outcome.isLoss else { return }
        var next = FailedTest.Next.nothing
        if !hasEnded {
            next =
                planned?.state == .running
                ? .runsAgain(node: planned?.resource.flatMap(nodeName) ?? "") : .waitsForRerun
        }
        var ranOn: [String] = []
        for node in history.compactMap({ $0.node?.description }) where ranOn.last != node { ranOn.append(node) }
        failures.append(
            FailedTest(
                name: Self.fullName(suite: last.suite, test: last.test),
                thing: Self.fullName(suite: last.suite, test: last.test)
                    + (next == .nothing && worst.number == last.number ? "" : "#\(worst.number)"),
                outcome: worst.outcome,
                attempts: history.count { $0.startedAt != nil },
                nodes: ranOn,
                note: worst.note,
                next: next
            )
        )
    }

    private mutating func noteUnrun(_ attempt: AttemptRow) {
        let note = attempt.note ?? "not run"
        let text = note.hasPrefix("not run: ") ? String(note.dropFirst("not run: ".count)) : note
        if let index = unrun.firstIndex(where: { $0.suite == attempt.suite && $0.note == text }) {
            unrun[index].count += 1
        } else {
            unrun.append(
                UnrunTests(suite: attempt.suite, count: 1, note: text, isFailure: !attempt.isCancelled)
            )
        }
    }

    private mutating func setTimes(of index: Int) {
        let mine = steps.filter { $0.spec.isPart(ofSuite: index) }
        suites[index].running = mine.count { $0.state == .running && $0.spec.action == .attempt }
        suites[index].startedAt = mine.compactMap(\.startedAt).min()
        if suites[index].done + suites[index].cancelled >= suites[index].total || isOver {
            suites[index].endedAt = mine.filter { $0.startedAt != nil }.compactMap(\.endedAt).max()
        } else if suites[index].startedAt == nil {
            let needed = spec.suites[index].groups + spec.suites[index].needs.map(\.group)
            let missing = needed.filter { name in groups.contains { $0.name == name && $0.state != .ready } }
            if !missing.isEmpty { suites[index].reason = "waits for " + missing.joined(separator: ", ") }
        }
    }

    /// The name people type and read: `api//login`.
    static func fullName(suite: String, test: String) -> String {
        test.hasPrefix("/") ? "\(suite)/\(test)" : "\(suite)//\(test)"
    }

    // MARK: What runs

    private func runningWork() -> [RunningWork] {
        var work: [(node: NodeID?, work: RunningWork)] = []
        for step in steps where step.state == .running {
            switch step.spec.action {
            case .attempt, .member, .before, .after, .exec, .call, .finalize, .revert, .command, .pause, .capability:
                break
            case .barrier, .noop, .provision, .ready, .undo, .destroy: continue
            }
            let node = step.spec.node ?? step.resource
            let words = self.words(step)
            work.append(
                (
                    node,
                    RunningWork(
                        step: step.index,
                        node: node.flatMap(nodeName) ?? words.owner,
                        name: step.spec.action.isNamedByTitle ? words.title : words.thing,
                        since: tryBegan(step),
                        timeout: timeout(of: step.spec),
                        note: rerunNote(step)
                    )
                )
            )
        }
        // A node keeps its row whatever runs on it.
        let order = work.map { entry in (place(entry.node), entry.work) }
        return order.sorted { $0.0 == $1.0 ? $0.1.step < $1.1.step : $0.0 < $1.0 }.map(\.1)
    }

    private func place(_ node: NodeID?) -> Int {
        guard let name = node.flatMap({ nodes[$0]?.name }) else { return .max }
        let group = spec.groups.firstIndex { $0.name == name.group } ?? spec.groups.count
        return group << 32 + name.index
    }

    private func rerunNote(_ step: StepRow) -> String? {
        guard step.spec.runsTest, step.spec.c > 1, spec.suites.indices.contains(Int(step.spec.a)) else {
            return nil
        }
        let suite = spec.suites[Int(step.spec.a)]
        guard suite.tests.indices.contains(Int(step.spec.b)) else { return nil }
        let test = suite.tests[Int(step.spec.b)].name
        let earlier = attempts.last { $0.suite == suite.name && $0.test == test && !$0.isCancelled }
        guard let earlier else { return "again" }
        // A machine that was lost costs no rerun.
        if earlier.outcome == .infra { return "again, its node was lost" }
        return "rerun \(earlier.rerunsSpent) of \(suite.reruns)"
    }
}

extension ActionKind {
    /// Whether the node beside it says what it is for.
    fileprivate var isNamedByTitle: Bool { self == .exec || self == .command || self == .capability }
}

extension Outcome {
    /// Whether a test that ends like this has not done what it should, whosever fault that is.
    fileprivate var isLoss: Bool { isFailure || self == .infra }
}

extension StepSpec {
    /// Whether it is a test of this suite, or what stands before and after them.
    fileprivate func isPart(ofSuite suite: Int) -> Bool {
        switch action {
        case .attempt, .member, .before, .after: Int(a) == suite
        case .barrier, .noop, .provision, .ready, .undo, .destroy, .exec, .call, .finalize, .revert, .command, .pause,
            .capability:
            false
        }
    }
}
