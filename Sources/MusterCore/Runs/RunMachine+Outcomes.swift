extension RunMachine {
    /// What the end of a running step means.
    mutating func ended(
        _ step: StepIndex,
        _ outcome: ActOutcome,
        lost: String?,
        in context: inout RunContext,
        into turn: inout Turn
    ) {
        let spec = plan.spec(of: step)
        if team(of: step) != nil {
            memberEnded(step, outcome, lost: lost, in: &context, into: &turn)
            return
        }
        let isPassedOver = spec.action == .undo && self.spec.passesOverErrors
        if spec.action == .undo, let error = outcome.error, let node = spec.node, isLetGo(node), error.code != .lost {
            abandonRelease(of: node, after: step, error, into: &turn)
            return
        }
        if lost == nil, let error = outcome.error, error.code.wantsPerson, !isPassedOver {
            stopForPerson(step, error, in: &context, into: &turn)
            return
        }
        switch spec.action {
        case .noop, .barrier, .call, .finalize, .revert: plan.finish(step, .success, into: &turn)
        case .pause: finish(step, outcome.error, into: &turn)
        case .command: commanded(step, outcome.error, in: &context, into: &turn)
        case .capability: performed(step, outcome, in: &context, into: &turn)
        case .provision, .ready: provisioned(step, outcome, lost: lost, in: &context, into: &turn)
        case .undo: undone(step, outcome.error, in: &context, into: &turn)
        case .destroy: destroyed(step, outcome, in: &context, into: &turn)
        case .before, .after: wrapped(step, outcome, in: &context, into: &turn)
        case .attempt: attempted(step, outcome, lost: lost, in: &context, into: &turn)
        // One without the step of its attempt before it is of no request.
        case .exec, .member: finish(step, outcome.error, into: &turn)
        }
    }

    /// Ends a step that either succeeded or failed for good; what was ended on request is cancelled.
    private mutating func finish(_ step: StepIndex, _ error: StepError?, into turn: inout Turn) {
        let isCancelled = error?.code == .cancelled && plan.row.isCancelling
        plan.finish(step, error == nil ? .success : isCancelled ? .cancelled : .error, error: error, into: &turn)
    }

    // MARK: Nodes

    /// A step that cannot be undone because its node is lost is no failure of the run: the node goes either way. What
    /// is undone is not undone again, should the rest of the teardown have to be tried again.
    private mutating func undone(
        _ step: StepIndex,
        _ error: StepError?,
        in context: inout RunContext,
        into turn: inout Turn
    ) {
        let stepSpec = plan.spec(of: step)
        guard let error else {
            plan.finish(step, .success, into: &turn)
            if let node = stepSpec.node {
                context.nodes.change(node) { $0.stepsStarted = min($0.stepsStarted, stepSpec.b) }
            }
            return
        }
        if error.code == .lost || spec.passesOverErrors {
            plan.finish(step, .skipped, error: error, into: &turn)
            return
        }
        plan.finish(step, .error, error: error, into: &turn)
        guard !stepSpec.startsAfterFailure, let node = stepSpec.node else { return }
        let reason = "step \(stepSpec.b + 1) could not be undone: \(error.message)"
        context.nodes.move(node, to: .failed, reason: reason, plan: id, into: &turn)
    }

    private mutating func provisioned(
        _ step: StepIndex,
        _ outcome: ActOutcome,
        lost: String?,
        in context: inout RunContext,
        into turn: inout Turn
    ) {
        guard let node = plan.node(of: step) else { return }
        if case .succeeded(let facts) = outcome, !facts.isEmpty {
            context.nodes.change(node) { $0.facts.merge(facts) { $1 } }
        }
        let row = context.nodes[node]
        // It may have been lost between two of its steps, too.
        if let lost = lost ?? (row?.state == .lost ? row?.reason ?? "lost" : nil) {
            failed(step, StepError(.lost, lost), in: &context, into: &turn)
        } else if let error = outcome.error {
            failed(step, error, in: &context, into: &turn)
        } else {
            plan.finish(step, .success, into: &turn)
            let spec = plan.spec(of: step)
            let group = Int(spec.a)
            let slot = Int(spec.c)
            if spec.action == .provision, self.spec.groups[group].steps[Int(spec.b)].kind.creates {
                context.nodes.move(node, to: .starting, plan: id, into: &turn)
                turn.directives.append(.watch(node))
            }
            if groups[group].slots[slot].chain.last == step { becameReady(group, slot, in: &context, into: &turn) }
        }
    }

    private mutating func becameReady(
        _ group: Int,
        _ slot: Int,
        in context: inout RunContext,
        into turn: inout Turn
    ) {
        guard let node = groups[group].slots[slot].node else { return }
        context.nodes.move(node, to: .ready, plan: id, into: &turn)
        groups[group].slots[slot].wasFilled = true
        // A person may have had it tried again.
        groups[group].failedSetups.remove(node)
        for old in groups[group].slots[slot].superseded {
            plan.finish(old, .skipped, error: plan.error(of: old), into: &turn)
        }
        groups[group].slots[slot].superseded = []
        addToPools(node, group, slot)
        // It may come too late for any test.
        releaseSurplus(in: &context, into: &turn)
    }

    private mutating func destroyed(
        _ step: StepIndex,
        _ outcome: ActOutcome,
        in context: inout RunContext,
        into turn: inout Turn
    ) {
        guard let node = plan.node(of: step) else { return }
        // What is let go early is tried again at the end: until then its failure is none of the run's.
        let failure: StepState = isLetGo(node) ? .skipped : .error
        plan.finish(step, outcome.error == nil ? .success : failure, error: outcome.error, into: &turn)
        if let error = outcome.error {
            context.nodes.move(
                node,
                to: .failed,
                reason: "could not be destroyed: \(error.message)",
                plan: id,
                into: &turn
            )
        } else {
            context.nodes.change(node) { $0.heldBy = nil }
            context.nodes.move(node, to: .gone, plan: id, into: &turn)
        }
    }

    // MARK: Tests

    private mutating func wrapped(
        _ step: StepIndex,
        _ outcome: ActOutcome,
        in context: inout RunContext,
        into turn: inout Turn
    ) {
        let spec = plan.spec(of: step)
        let suite = Int(spec.a)
        finish(step, outcome.error, into: &turn)
        mayBeShort = true
        if spec.action == .before, let error = outcome.error, plan.state(of: step) == .error {
            // A lost machine says nothing about the tests.
            endUnrunTests(
                of: suite,
                error.code == .lost ? .infra : .error,
                note: "the suite's 'before' failed: \(error.message)",
                into: &turn
            )
            appendAfterIfDue(suite)
        }
        giveBack(plan.node(of: step), in: &context, into: &turn)
    }

    /// Puts a node back among the free ones of its group, when it is still good.
    mutating func giveBack(_ node: NodeID?, in context: inout RunContext, into turn: inout Turn) {
        guard let node, let row = context.nodes[node], let (group, slot) = place(of: row) else { return }
        if row.state == .ready {
            addToPools(node, group, slot)
        } else {
            mayBeShort = true
            replaceIfWanted(group, slot, because: row.reason ?? "lost", in: &context, into: &turn)
        }
    }

    // MARK: Failures

    /// A provisioning step failed: tried again, or dealt with as the lab says.
    private mutating func failed(
        _ step: StepIndex,
        _ error: StepError,
        in context: inout RunContext,
        into turn: inout Turn
    ) {
        guard let node = plan.node(of: step) else { return }
        if error.code == .cancelled, plan.row.isCancelling {
            plan.finish(step, .cancelled, error: error, into: &turn)
            return
        }
        let spec = plan.spec(of: step)
        let group = Int(spec.a)
        let slot = Int(spec.c)
        if setupsAreSurplus {
            plan.finish(step, .skipped, error: .unneeded, countsForThresholds: false, into: &turn)
            skipSuperseded(group, slot, into: &turn)
            return
        }
        let provision = spec.action == .provision ? self.spec.groups[group].steps[Int(spec.b)] : nil
        let retry = provision?.retry ?? .none
        let retriesSoFar = Int(plan.tries(of: step)) - 1
        if retriesSoFar < retry.times, error.code != .lost, error.code != .unresolved {
            let delay = retry.delay(beforeRetry: retriesSoFar, chance: context.chance.fraction())
            plan.retry(step, after: error, at: turn.now + delay, into: &turn)
            return
        }
        mayBeShort = true
        let wanted = provision?.onFailure ?? self.spec.groups[group].onFailure
        switch policy(afterFailureOf: node, wanted, in: group, nodes: &context.nodes, into: &turn) {
        case .fail:
            fail(step, node, error, in: &context, into: &turn)
        case .pause:
            fail(step, node, error, in: &context, into: &turn)
            pauseReason = "\(label(of: step)) failed: \(error.message)"
            plan.gateIsOpen = false
        case .skip:
            context.nodes.move(node, to: .failed, reason: error.message, plan: id, into: &turn)
            plan.finish(step, .skipped, error: error, countsForThresholds: false, into: &turn)
            let place = groups[group].slots[slot]
            groups[group].slots[slot].superseded = []
            for part in place.superseded + place.chain where !plan.state(of: part).satisfiesNeeds {
                plan.finish(part, .skipped, error: plan.error(of: part), countsForThresholds: false, into: &turn)
            }
        case .replace:
            fail(step, node, error, in: &context, into: &turn)
            replace(group, slot, because: error.message, spendsBudget: true, in: &context, into: &turn)
        }
    }

    private mutating func fail(
        _ step: StepIndex,
        _ node: NodeID,
        _ error: StepError,
        in context: inout RunContext,
        into turn: inout Turn
    ) {
        plan.finish(step, .error, error: error, into: &turn)
        if context.nodes[node]?.state != .lost {
            context.nodes.move(node, to: .failed, reason: error.message, plan: id, into: &turn)
        }
    }
}

extension ActOutcome {
    /// Why it did not succeed; nil when it did.
    package var error: StepError? {
        switch self {
        case .succeeded: nil
        case .exited(let exit): exit.error
        case .failed(let error): error
        }
    }
}
