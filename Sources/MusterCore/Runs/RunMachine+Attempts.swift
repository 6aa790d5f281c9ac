// Attempts of tests: what their ends are worth, and the ends of those that never run.

extension RunMachine {
    mutating func attempted(
        _ step: StepIndex,
        _ outcome: ActOutcome,
        lost: String?,
        in context: inout RunContext,
        into turn: inout Turn
    ) {
        let testSpec = test(of: step)
        if lost == nil, startsAgain(step, outcome, testSpec.frame, in: &context, into: &turn) { return }
        let verdict = SuiteMachine.judge(
            outcome,
            lost: lost,
            isCancelling: plan.row.isCancelling,
            timeout: testSpec.timeout,
            frame: testSpec.frame
        )
        conclude(step..<step + 1, verdict, in: &context, into: &turn)
    }

    /// The test that a step runs on a node.
    func test(of step: StepIndex) -> TestSpec {
        let spec = plan.spec(of: step)
        return self.spec.suites[Int(spec.a)].tests[Int(spec.b)]
    }

    /// Ends an attempt with all its steps, gives its nodes back, and has the test run again where that is wanted.
    mutating func conclude(
        _ steps: Range<StepIndex>,
        _ verdict: SuiteMachine.Verdict,
        in context: inout RunContext,
        into turn: inout Turn
    ) {
        let step = steps.lowerBound
        let spec = plan.spec(of: step)
        let suite = Int(spec.a)
        let test = Int(spec.b)
        let testSpec = self.spec.suites[suite].tests[test]
        let nodes = steps.compactMap { plan.node(of: $0) }
        let verdict = suites[suite].attemptEnded(
            verdict,
            of: test,
            on: nodes.first,
            at: nodes.first.flatMap { context.nodes[$0]?.name }
        )
        record(step, verdict, node: nodes.first, nodes: context.nodes, into: &turn)
        if verdict.isCancelled {
            plan.finish(step, .cancelled, into: &turn)
        } else if verdict.outcome.countsAsError, !verdict.runsAgain {
            plan.finish(step, .error, error: StepError(.exited, verdict.note ?? verdict.outcome.rawValue), into: &turn)
        } else {
            plan.finish(step, .success, into: &turn)
        }
        // What came of the test stands in one step.
        for member in steps.dropFirst() {
            plan.finish(member, verdict.isCancelled ? .cancelled : .success, into: &turn)
        }
        if suites[suite].isGivenUp { giveUp(suite, into: &turn) }
        if !verdict.isCancelled { appendAfterIfDue(suite) }
        // Of several nodes each was judged by itself.
        if testSpec.roles == nil, verdict.outcome == .infra, let node = nodes.first,
            context.nodes[node]?.state == .ready
        {
            context.nodes.move(node, to: .lost, reason: verdict.note, plan: id, into: &turn)
        }
        // Also when it was cancelled: nobody knows how far it came.
        let isUsedUp = suites[suite].usesUpNode(verdict, of: test)
        if isUsedUp {
            let why = testSpec.destructive ? "used by a destructive test" : "a test on it ended with \(verdict.outcome)"
            let isFresh = verdict.runsAgain && verdict.outcome != .infra && suites[suite].rerunPlace(of: test) == .fresh
            let claim: NodeClaim = isFresh ? .thisPlace : verdict.runsAgain ? .anyPlace : .none
            for node in nodes { wearOut(node, because: why, claim: claim, in: &context, into: &turn) }
        }
        if verdict.runsAgain { appendRerun(of: test, in: suite, nodes: context.nodes) }
        if !isUsedUp { for node in nodes { giveBack(node, in: &context, into: &turn) } }
        releaseSurplus(in: &context, into: &turn)
    }

    /// Whether a test that said that it goes away, and went, is started again: as part of the same attempt, on the same
    /// node.
    mutating func startsAgain(
        _ step: StepIndex,
        _ outcome: ActOutcome,
        _ frame: TestFrame?,
        in context: inout RunContext,
        into turn: inout Turn
    ) -> Bool {
        guard case .exited(let exit) = outcome, !plan.row.isCancelling, let node = plan.node(of: step) else {
            return false
        }
        guard exit.findings?.notSetUp != true else { return false }
        let restarts = Int(plan.tries(of: step)) - 1
        let isAway = exit.findings?.restarts == true && restarts < Defaults.restartsMax
        let isWanted = exit.status.map { frame?.restartCodes.contains($0) == true } ?? false
        guard isAway || isWanted && restarts < frame?.restartsMax ?? 0 else { return false }
        if team(of: step) != nil {
            memberGoesAway(step, on: node, into: &turn)
        } else if plan.gateIsOpen, !isHeld {
            busy[node] = step
            plan.startAgain(step, into: &turn)
        } else {
            // Nothing begins now: it goes on there when the run does.
            plan.waitAgain(step, on: node, into: &turn)
            giveBack(node, in: &context, into: &turn)
        }
        return true
    }

    /// Notes that an attempt ran whose end nobody waits for.
    mutating func attemptHalted(_ step: StepIndex, nodes: NodeTable, into turn: inout Turn) {
        let verdict = SuiteMachine.Verdict(outcome: .skip, note: "halted while it ran", isCancelled: true)
        record(step, verdict, node: plan.node(of: step), nodes: nodes, into: &turn)
    }

    private mutating func record(
        _ step: StepIndex,
        _ verdict: SuiteMachine.Verdict,
        node: NodeID?,
        nodes: NodeTable,
        into turn: inout Turn
    ) {
        let spec = plan.spec(of: step)
        let suite = suites[Int(spec.a)]
        let state = suite.tests[Int(spec.b)]
        turn.attempts.append(
            AttemptRow(
                plan: id,
                step: step,
                suite: suite.spec.name,
                test: suite.spec.tests[Int(spec.b)].name,
                number: Int(spec.c),
                outcome: verdict.outcome,
                note: verdict.note,
                node: node.flatMap { nodes[$0]?.name },
                nodeID: node,
                startedAt: plan.startedAt(step),
                endedAt: turn.now,
                rerunsSpent: state.rerunsSpent,
                infraSpent: state.infraSpent,
                isCancelled: verdict.isCancelled,
                results: verdict.results
            )
        )
        turn.emit(
            .attemptEnded,
            plan: id,
            step: step,
            node: node,
            detail: verdict.isCancelled ? "cancelled" : verdict.outcome.rawValue
        )
    }

    /// Ends the tests of a suite that have not run, and will not.
    mutating func endUnrunTests(
        of suite: Int,
        _ outcome: Outcome,
        note: String,
        isCancelled: Bool = false,
        into turn: inout Turn
    ) {
        // One that waits for a person has no outcome yet.
        let waiting = plan.steps(in: .error).filter { plan.error(of: $0)?.code.wantsPerson == true }
        for index in plan.steps(in: .pending) + waiting {
            let spec = plan.spec(of: index)
            guard spec.action == .attempt, Int(spec.a) == suite else { continue }
            guard plan.state(of: index) == .pending || suites[suite].tests[Int(spec.b)].outcome == nil else { continue }
            endUnrun(index, outcome, note: note, isCancelled: isCancelled, into: &turn)
        }
    }

    /// Ends a test by an attempt that has not run, and will not.
    mutating func endUnrun(
        _ step: StepIndex,
        _ outcome: Outcome,
        note: String,
        isCancelled: Bool = false,
        into turn: inout Turn
    ) {
        let spec = plan.spec(of: step)
        let suite = Int(spec.a)
        let test = Int(spec.b)
        // One that has failed and only waited to run again has failed.
        let outcome = outcome == .skip && !isCancelled ? suites[suite].tests[test].lastFailure ?? outcome : outcome
        if !isCancelled { suites[suite].end(test, outcome) }
        let state = suites[suite].tests[test]
        turn.attempts.append(
            AttemptRow(
                plan: id,
                step: step,
                suite: suites[suite].spec.name,
                test: suites[suite].spec.tests[test].name,
                number: Int(spec.c),
                outcome: outcome,
                note: note,
                endedAt: turn.now,
                rerunsSpent: state.rerunsSpent,
                infraSpent: state.infraSpent,
                isCancelled: isCancelled
            )
        )
        if isCancelled {
            plan.finish(step, .cancelled, into: &turn)
        } else {
            // One that has waited for a person waits no more: going on does not open it again.
            plan.setError(StepError(.notReady, note), of: step)
            plan.touch(step)
            plan.finish(step, .error, error: StepError(.notReady, note), into: &turn)
        }
        for member in team(of: step)?.dropFirst() ?? step..<step {
            plan.finish(member, isCancelled ? .cancelled : .skipped, into: &turn)
        }
    }
}

extension Outcome {
    /// Whether a test that ended like this makes its run end in error.
    var countsAsError: Bool { isFailure || self == .infra }
}
