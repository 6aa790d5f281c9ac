import MusterCore

extension SimulatedLedger {
    // MARK: Starts

    /// No step starts before what it needs has succeeded, by the step's own words and by those of the lab.
    func checkStart(_ id: StepID) {
        guard let plan = plans[id.plan] else { return }
        let step = plan.steps[Int(id.index)]
        let name = "step \(id.plan.rawValue)/\(id.index) (\(step.spec.action))"
        var met = 0
        for need in step.needs {
            let state = plan.steps[Int(need)].state
            if state.satisfiesNeeds || (step.spec.startsAfterFailure && state.hasEnded) { met += 1 }
        }
        let wanted = step.spec.threshold.map(Int.init) ?? step.needs.count
        verdict.expect(
            met >= wanted,
            "\(name) starts although it needs \(step.needs.map { plan.steps[Int($0)].state.rawValue })"
        )
        verdict.expect(plan.row.state == .running, "\(name) starts while its plan is \(plan.row.state)")
        // Calls of programs are held back by queues instead.
        verdict.expect(
            plan.running.count <= max(1, plan.spec.parallel) || plan.spec.program != nil,
            "\(name) is one more than may run at once"
        )
        if let node = step.spec.node ?? step.resource {
            let others = plan.running.count { other in
                other != id.index && (plan.steps[Int(other)].spec.node ?? plan.steps[Int(other)].resource) == node
            }
            verdict.expect(others == 0, "\(name) is given node \(node.rawValue), which another step has")
            // A command of `exec` holds no node: it fails when its node has gone.
            verdict.expect(
                nodes[node]?.state != .gone || step.spec.action == .exec,
                "\(name) is given node \(node.rawValue), which is gone"
            )
        }
        switch step.spec.action {
        case .provision: checkNeeds(ofGroup: Int(step.spec.a), in: plan, name)
        case .undo, .destroy: checkOrderOfTeardown(step, in: plan, name)
        case .before, .attempt, .member:
            verdict.expect(plan.row.phase == .main, "\(name) starts in the teardown")
            verdict.expect(!plan.wasCancelling, "\(name) starts while its run is cancelled")
        case .barrier, .noop, .ready, .after, .exec, .call, .finalize, .revert, .command, .pause, .capability: break
        }
    }

    /// What a group needs was ready: all of each group that was not skipped, or as many as it says.
    private func checkNeeds(ofGroup group: Int, in plan: Plan, _ name: String) {
        for need in plan.spec.groups[group].needs {
            guard let needed = plan.spec.groups.firstIndex(where: { $0.name == need.group }) else { continue }
            let spec = plan.spec.groups[needed]
            guard spec.hasNodes else {
                checkNeeds(ofGroup: needed, in: plan, name)
                continue
            }
            // Of an older version of the lab there may have been more.
            let filled = plan.filled[needed].filter { $0 < spec.count }
            if let wanted = need.ready {
                verdict.expect(
                    filled.count >= wanted,
                    "\(name) starts with \(filled.count) of \(wanted) '\(need.group)'"
                )
            } else {
                let skipped = plan.steps.filter { $0.state == .skipped && $0.spec.a == Int32(needed) }
                    .filter { $0.spec.action == .provision || $0.spec.action == .ready }
                let settled = filled.union(skipped.map { Int($0.spec.c) })
                verdict.expect(
                    !filled.isEmpty && settled.count == spec.count,
                    "\(name) starts with \(filled.count) of '\(need.group)', which has \(spec.count)"
                )
            }
        }
    }

    /// In a teardown what needs a node goes before it, and what was done last is undone first.
    private func checkOrderOfTeardown(_ step: StepRow, in plan: Plan, _ name: String) {
        guard let node = step.spec.node.flatMap({ nodes[$0] }) else { return }
        if step.spec.action == .undo {
            verdict.expect(
                step.spec.b < node.stepsStarted,
                "\(name) undoes entry \(step.spec.b) of \(node.name), of which \(node.stepsStarted) were started"
            )
        }
        guard plan.row.phase == .teardown || plan.row.verb == .down else { return }
        for other in plan.steps where !other.state.hasEnded {
            guard other.spec.action == .undo || other.spec.action == .destroy, let id = other.spec.node,
                let dependent = nodes[id], dependent.name.group != node.name.group,
                let creator = spec(creating: dependent)?.groups.first(where: { $0.name == dependent.name.group })
            else { continue }
            verdict.expect(
                !creator.needs.contains { $0.group == node.name.group },
                "\(name) takes \(node.name) down before \(dependent.name), which needs it"
            )
        }
    }

    // MARK: What was started

    /// A command that was taken for started, and never was, is not to be undone.
    func checkReturned(_ id: StepID) {
        guard let plan = plans[id.plan], !plan.row.state.isFinal else { return }
        let step = plan.steps[Int(id.index)]
        guard step.state == .pending, step.tries == 0, isCommand(step, of: plan) else { return }
        guard let node = step.spec.node.flatMap({ nodes[$0] }) else { return }
        verdict.expect(
            node.stepsStarted <= step.spec.b,
            "entry \(step.spec.b) of \(node.name) never ran, and \(node.stepsStarted) count as started"
        )
    }

    /// What counted as started and does not any more was undone, or never was.
    func checkForgotten(_ node: NodeRow, in turn: Turn) {
        let isUndone = turn.steps.contains {
            $0.spec.action == .undo && $0.state == .success && $0.spec.node == node.id
                && $0.spec.b == node.stepsStarted
        }
        if isUndone { return }
        let step = plans[node.createdBy].flatMap { plan in
            plan.steps.first {
                $0.spec.node == node.id && $0.spec.b == node.stepsStarted && $0.spec.b > 0
                    && $0.spec.action == .provision
            }
        }
        // It may have been gone on with in the same turn.
        let hasFailed = turn.events.contains {
            $0.kind == .stepFailed && $0.plan == step?.plan && $0.step == step?.index
                && $0.detail?.contains("secret") == true
        }
        verdict.expect(
            step.map { $0.tries == 0 || $0.tries == 1 && (hasFailed || $0.error?.code == .missingSecret) } == true,
            "node \(node.id.rawValue) forgets what was started"
        )
    }

    private func isCommand(_ step: StepRow, of plan: Plan) -> Bool {
        guard step.spec.action == .provision else { return false }
        if case .run = plan.spec.groups[Int(step.spec.a)].steps[Int(step.spec.b)].kind { return true }
        return false
    }

    // MARK: Attempts

    /// A test runs at most `1 + reruns` times for its own failures, a lost machine spends no rerun, and it ends once.
    func land(_ row: AttemptRow) {
        let name = "\(row.suite)//\(row.test)#\(row.number) of plan \(row.plan.rawValue)"
        guard let plan = plans[row.plan], let suite = plan.spec.suites.first(where: { $0.name == row.suite }) else {
            verdict.violated("\(name) belongs to no suite")
            return
        }
        let key = TestKey(suite: row.suite, test: row.test)
        var count = plan.tests[key] ?? TestCount()
        count.attempts += 1
        verdict.expect(row.number == count.attempts, "\(name) is stored after \(count.attempts - 1) others")
        verdict.expect(!count.isOver, "\(name) is stored after the test has ended")
        let hasRun = row.startedAt != nil
        if !row.isCancelled, hasRun {
            switch row.outcome {
            case .fail, .error:
                count.ownFailures += 1
                count.isOver = count.ownFailures > suite.reruns
            case .infra:
                count.infra += 1
                count.isOver = count.infra >= Defaults.infraAttemptsMax
            case .pass, .info, .warn, .skip: count.isOver = true
            }
        } else if !row.isCancelled {
            count.isOver = true
        }
        verdict.expect(count.ownFailures <= 1 + suite.reruns, "\(name) is one attempt too many")
        verdict.expect(count.infra <= Defaults.infraAttemptsMax, "\(name) is one lost attempt too many")
        verdict.expect(
            row.rerunsSpent == min(count.ownFailures, suite.reruns),
            "\(name) has spent \(row.rerunsSpent) reruns with \(count.ownFailures) failures of its own"
        )
        verdict.expect(
            row.infraSpent == count.infra,
            "\(name) was lost \(row.infraSpent) times by its row and \(count.infra) times by the attempts"
        )
        plan.tests[key] = count
    }

    // MARK: Plans

    func checkPlan(_ row: PlanRow) {
        guard let plan = plans[row.id] else { return }
        let name = "plan \(row.id.rawValue) (\(row.verb))"
        if row.state == .paused {
            verdict.expect(row.reason?.isEmpty == false, "\(name) is paused and does not say why")
            verdict.expect(plan.running.isEmpty, "\(name) is paused while \(plan.running) run")
        }
        guard row.state.isFinal else { return }
        verdict.expect(row.endedAt != nil, "\(name) stops at no time")
        verdict.expect(row.result != .pending, "\(name) stops with a result that is pending")
        verdict.expect(plan.running.isEmpty, "\(name) stops while \(plan.running) run")
        verdict.expect(plan.timers.isEmpty, "\(name) stops with timers of \(plan.timers.keys.sorted())")
        for node in nodes(of: row.lab) {
            verdict.expect(node.heldBy != row.id, "\(name) stops and holds \(node.name)")
            if node.createdBy == row.id {
                verdict.expect(
                    node.state != .creating && node.state != .starting,
                    "\(name) stops with \(node.name) \(node.state)"
                )
            }
        }
        for suite in plan.spec.suites {
            for test in suite.tests {
                let count = plan.tests[TestKey(suite: suite.name, test: test.name)]
                verdict.expect(
                    count?.isOver == true || row.result == .cancelled,
                    "\(name) stops and \(suite.name)//\(test.name) has no outcome"
                )
            }
        }
    }
}
