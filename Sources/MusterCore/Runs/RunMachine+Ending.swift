extension RunMachine {
    /// Nothing of the present part is left to do: pause, go on to the teardown, or stop.
    mutating func endPart(nodes: inout NodeTable, into turn: inout Turn) {
        if plan.row.phase == .teardown {
            if let reason = pauseReason { pause(reason, into: &turn) } else { stop(nodes: &nodes, into: &turn) }
        } else if plan.row.isCancelling {
            if !spec.verb.bringsUp {
                cancelPending(into: &turn)
                stop(nodes: &nodes, into: &turn)
            } else if keepsMachines(failed: true) {
                pause("cancelled on request; the machines stay (keep: \(spec.keep.rawValue))", into: &turn)
            } else {
                endUnrunTests(.skip, note: "not run: the run was cancelled", isCancelled: true, into: &turn)
                cancelPending(into: &turn)
                teardown(nodes: &nodes, into: &turn)
            }
        } else if let reason = pauseReason {
            pause(reason, into: &turn)
        } else if endBlockedTeam(nodes: nodes, into: &turn) {
            // What it held back may be of use to others.
            return
        } else if plan.relaxRules() {
            // Nothing else can run: better on any node than not at all.
            return
        } else if endBlocked(nodes: nodes, into: &turn) {
            // An `after` may have become due: the part goes on with it.
            return
        } else {
            let failed = plan.count(of: .error) > 0 || suites.contains { $0.hasFailed(flakyFails: spec.flakyFails) }
            if !spec.verb.bringsUp || keepsMachines(failed: failed) && spares(nodes).isEmpty {
                stop(nodes: &nodes, into: &turn)
            } else {
                teardown(nodes: &nodes, into: &turn)
            }
        }
    }

    // MARK: Pause and resume

    private mutating func pause(_ reason: String, into turn: inout Turn) {
        plan.become(.paused, into: &turn)
        plan.row.reason = reason
        plan.gateIsOpen = false
        turn.emit(.planPaused, plan: id, detail: reason)
    }

    /// Goes on with a run that was interrupted or is paused: what failed or was ended on request is tried again.
    mutating func resume(in context: inout RunContext, into turn: inout Turn) {
        if isHeld {
            isHeld = false
            plan.gateIsOpen = pauseReason == nil && (plan.row.phase == .teardown || !plan.row.isCancelling)
            turn.emit(.planResumed, plan: id)
            beginMembers(in: &context, into: &turn)
        } else if plan.row.state == .paused {
            plan.become(.running, into: &turn)
            plan.row.reason = nil
            plan.row.isCancelling = false
            pauseReason = nil
            plan.gateIsOpen = true
            turn.emit(.planResumed, plan: id)
            reopen(in: &context, into: &turn)
        }
        setupsWereEnded = false
        replaceMissing(in: &context, into: &turn)
        mayBeShort = true
        releaseSurplus(in: &context, into: &turn)
        advance(nodes: &context.nodes, into: &turn)
    }

    private mutating func reopen(in context: inout RunContext, into turn: inout Turn) {
        guard plan.count(of: .error) + plan.count(of: .cancelled) > 0 else { return }
        let steps = (0..<StepIndex(plan.count)).filter { step in
            guard plan.state(of: step) == .error || plan.state(of: step) == .cancelled else { return false }
            // Of the main part nothing runs again beside the teardown.
            return plan.row.phase == .main || plan.isOfTeardown(step)
        }
        plan.keepOrder(of: steps.filter { takesDownAgain($0, nodes: context.nodes) })
        for step in steps {
            let state = plan.state(of: step)
            let spec = plan.spec(of: step)
            switch spec.action {
            case .attempt:
                if plan.error(of: step)?.code.wantsPerson == true {
                    plan.reopen(step, into: &turn)
                    continue
                }
                // An attempt that was ended on request is repeated as another one; its own record stays.
                guard state == .cancelled, suites[Int(spec.a)].tests[Int(spec.b)].outcome == nil else { continue }
                guard Int(spec.c) == suites[Int(spec.a)].tests[Int(spec.b)].attempts else { continue }
                appendAttempt(of: Int(spec.b), in: Int(spec.a))
            case .member: if plan.error(of: step)?.code.wantsPerson == true { plan.reopen(step, into: &turn) }
            case .provision, .ready: reopen(step, in: &context, into: &turn)
            case .undo, .destroy: if takesDownAgain(step, nodes: context.nodes) { plan.reopen(step, into: &turn) }
            case .before:
                // Its failure has ended the suite's tests.
                if !suites[Int(spec.a)].hasEnded { plan.reopen(step, into: &turn) }
            case .barrier, .noop, .after, .exec, .call, .finalize, .revert, .command, .pause, .capability:
                plan.reopen(step, into: &turn)
            }
        }
    }

    /// Whether a step that failed to take something down is tried again. Of a node that is gone nothing is left to
    /// undo; and what comes after an undo comes after it.
    private func takesDownAgain(_ step: StepIndex, nodes: NodeTable) -> Bool {
        let action = plan.spec(of: step).action
        guard action == .undo || action == .destroy, plan.node(of: step).flatMap({ nodes[$0] }) != nil else {
            return false
        }
        return action == .destroy || plan.isWaitedForAgain(step)
    }

    /// Tries again what gets a node ready; a lost one makes way for another. Steps of nodes that were replaced stay as
    /// they are.
    private mutating func reopen(_ step: StepIndex, in context: inout RunContext, into turn: inout Turn) {
        let spec = plan.spec(of: step)
        let slot = groups[Int(spec.a)].slots[Int(spec.c)]
        guard slot.chain.contains(step), let node = slot.node, let row = context.nodes[node] else { return }
        if row.state == .lost {
            replace(
                Int(spec.a),
                Int(spec.c),
                because: row.reason ?? "lost",
                spendsBudget: false,
                in: &context,
                into: &turn
            )
            return
        }
        // A person has mended it: it counts when it fails again.
        groups[Int(spec.a)].failedSetups.remove(node)
        if row.state == .failed {
            context.nodes.move(node, to: step == slot.chain.first ? .creating : .starting, plan: id, into: &turn)
        }
        plan.reopen(step, into: &turn)
    }

    // MARK: Cancel and halt

    /// Ends the run on request: what is being configured finishes, attempts end after their grace, nothing new starts.
    mutating func cancel(nodes: inout NodeTable, into turn: inout Turn) {
        if plan.row.state == .paused {
            plan.become(.running, into: &turn)
            plan.row.reason = nil
            plan.row.isCancelling = false
        }
        guard plan.row.state == .running, plan.row.phase == .main, !plan.row.isCancelling else { return }
        plan.row.isCancelling = true
        plan.rowIsDirty = true
        plan.gateIsOpen = false
        plan.dismissRetries(into: &turn)
        turn.emit(.planCancelling, plan: id)
        for step in busySteps where plan.spec(of: step).action.isEndedByCancel && !isBetweenActs(step) {
            turn.directives.append(.interrupt(plan.act(of: step)))
        }
        if spec.order != nil {
            for step in plan.steps(in: .running) where plan.spec(of: step).action == .pause {
                turn.directives.append(.interrupt(plan.act(of: step)))
            }
        }
        advance(nodes: &nodes, into: &turn)
    }

    var busySteps: [StepIndex] { busy.values.sorted() }

    /// Gives up on the run at once. What still runs is ended; its outcomes are not waited for. Machines stay.
    mutating func halt(_ reason: String?, nodes: inout NodeTable, into turn: inout Turn) {
        // A run that has stopped in this very turn is still known.
        guard !plan.row.state.isFinal else { return }
        for step in plan.steps(in: .running) {
            turn.directives.append(.interrupt(plan.act(of: step)))
            if plan.spec(of: step).action == .attempt { attemptHalted(step, nodes: nodes, into: &turn) }
            plan.finish(step, .cancelled, into: &turn)
        }
        endUnrunTests(.skip, note: "not run: the run was halted", isCancelled: true, into: &turn)
        cancelPending(into: &turn)
        plan.gateIsOpen = false
        turn.emit(.planHalted, plan: id, detail: reason)
        plan.row.reason = reason ?? "halted"
        // One that waited for others has no steps of which one could be cancelled.
        if plan.count == 0 { plan.row.isCancelling = true }
        finish(.stopped, nodes: &nodes, into: &turn)
    }

    /// Every step that has not begun is cancelled, also those that wait for something.
    private mutating func cancelPending(into turn: inout Turn) {
        plan.dismissRetries(into: &turn)
        _ = plan.dismissReady()
        for step in plan.steps(in: .pending) {
            plan.finish(step, .cancelled, into: &turn)
        }
        _ = plan.dismissReady()
    }

    // MARK: Tests that cannot run

    private mutating func endUnrunTests(_ outcome: Outcome, note: String, isCancelled: Bool, into turn: inout Turn) {
        for suite in suites.indices {
            endUnrunTests(of: suite, outcome, note: note, isCancelled: isCancelled, into: &turn)
        }
    }

    /// Ends what nothing will ever start: tests, what wraps them, and groups too few of whose nodes are left. Says
    /// whether that made new work.
    private mutating func endBlocked(nodes: NodeTable, into turn: inout Turn) -> Bool {
        endUnreachableGates(into: &turn)
        let blocked = suites.indices.filter { !suites[$0].hasEnded }
        for step in plan.dismissReady() {
            let spec = plan.spec(of: step)
            guard spec.action == .before || spec.action == .after else { continue }
            let error = StepError(.notReady, "not run: \(blockingReason(nodes: nodes, suite: Int(spec.a)))")
            plan.finish(step, spec.action == .before ? .error : .skipped, error: error, into: &turn)
        }
        let steps = plan.count
        for suite in blocked {
            let cause = blockingReason(nodes: nodes, suite: suite)
            endUnrunTests(of: suite, .infra, note: "not run: \(cause)", into: &turn)
            appendAfterIfDue(suite)
        }
        return plan.count > steps
    }

    /// Without any failed step to blame, what still waits asks for more nodes than the lab lets go on with.
    private mutating func endUnreachableGates(into turn: inout Turn) {
        guard plan.count(of: .error) == 0, plan.count(of: .pending) > 0 else { return }
        for step in plan.steps(in: .pending) {
            let gate = plan.spec(of: step)
            guard gate.action == .barrier, gate.b == 1 else { continue }
            let error = StepError(.notReady, "too few nodes of '\(spec.groups[Int(gate.a)].name)' are ready")
            plan.finish(step, .error, error: error, into: &turn)
        }
    }

    private func blockingReason(nodes: NodeTable, suite: Int) -> String {
        for step in plan.steps(in: .error) {
            guard let error = plan.error(of: step) else { continue }
            switch plan.spec(of: step).action {
            case .provision, .ready: return "\(label(of: step)) failed: \(error.message)"
            case .barrier: return error.message
            case .noop, .undo, .destroy, .before, .after, .attempt, .member, .exec, .call, .finalize, .revert, .command,
                .pause, .capability:
                continue
            }
        }
        return missingNode(of: suite, nodes: nodes)
            ?? "no node of '\(suites[suite].spec.groups.joined(separator: "', '"))' is left"
    }

    /// Why some node of a suite is not there.
    func missingNode(of suite: Int, nodes: NodeTable) -> String? {
        for group in suites[suite].spec.groups.compactMap(groupIndex(of:)) {
            for node in groups[group].slots.compactMap(\.node) {
                if let row = nodes[node], row.state != .ready, let reason = row.reason {
                    return "\(row.name): \(reason)"
                }
            }
        }
        return nil
    }

    // MARK: Teardown and end

    private mutating func teardown(nodes: inout NodeTable, into turn: inout Turn) {
        let failed = plan.count(of: .error) > 0 || suites.contains { $0.hasFailed(flakyFails: spec.flakyFails) }
        let mine =
            keepsMachines(failed: failed) && !plan.row.isCancelling
            ? spares(nodes)
            : nodes.of(lab: spec.lab).filter { node in
                node.createdBy == id && place(of: node).map { groups[$0.group].slots[$0.slot].wasUp } != true
            }
        plan.row.phase = .teardown
        pauseReason = nil
        plan.rowIsDirty = true
        plan.gateIsOpen = true
        guard !mine.isEmpty else { return }
        turn.emit(.planTeardown, plan: id)
        _ = plan.dismissReady()
        appendTeardown(of: mine, in: RunContext(nodes: nodes, chance: SeededChance(seed: 0), specs: [:]))
    }

    private mutating func stop(nodes: inout NodeTable, into turn: inout Turn) {
        if plan.row.isCancelling { plan.row.reason = "cancelled on request" }
        finish(.stopped, nodes: &nodes, into: &turn)
    }

    private mutating func finish(_ state: PlanState, nodes: inout NodeTable, into turn: inout Turn) {
        plan.become(state, into: &turn)
        plan.row.endedAt = turn.now
        plan.row.result = plan.result
        let half = halfTakenDown(nodes)
        for node in nodes.of(lab: spec.lab) {
            if node.createdBy == id, node.state == .creating || node.state == .starting {
                // Also when all its steps are undone already, it is there until it is destroyed.
                let wasStarted = node.stepsStarted > 0 || half.contains(node.id)
                nodes.move(
                    node.id,
                    to: wasStarted ? .failed : .gone,
                    reason: wasStarted ? "its run ended before it was ready" : "its run ended before it was made",
                    plan: id,
                    into: &turn
                )
            }
            if half.contains(node.id), node.state == .ready {
                let reason = "its teardown was ended before it was complete"
                nodes.move(node.id, to: .failed, reason: reason, plan: id, into: &turn)
            }
            if node.heldBy == id { nodes.change(node.id) { $0.heldBy = nil } }
        }
        turn.emit(.planStopped, plan: id, detail: plan.result.rawValue)
    }

    /// The nodes of which something was undone, or may have been, and that are still there.
    private func halfTakenDown(_ nodes: NodeTable) -> Set<NodeID> {
        guard spec.verb == .down || spec.changes != nil || plan.row.phase == .teardown else { return [] }
        var half: Set<NodeID> = []
        for step in 0..<StepIndex(plan.count) where plan.tries(of: step) > 0 {
            let spec = plan.spec(of: step)
            // Without its secret nothing had left.
            guard spec.action == .undo || spec.action == .destroy, let node = spec.node, nodes[node] != nil,
                plan.error(of: step)?.code != .missingSecret
            else { continue }
            half.insert(node)
        }
        return half
    }

    // MARK: Words

    /// What people call a step: `app/1:2 run: ./setup.sh`.
    package func label(of step: StepIndex) -> String { spec.label(of: plan.spec(of: step)) }
}

extension Verb {
    /// Whether runs of this kind make machines, and so may have some to take down at their end.
    package var bringsUp: Bool { self == .up || self == .test }
}

extension ActionKind {
    /// Whether a suite has begun when a step of this kind was started.
    var beginsSuite: Bool { self == .before || self == .attempt }

    /// Whether it is part of getting a node ready.
    var isBringingUp: Bool { self == .provision || self == .ready }

    /// Whether a cancelled run ends what is running of this kind; configuring steps and teardown finish.
    var isEndedByCancel: Bool {
        switch self {
        case .attempt, .member, .ready, .exec, .command, .pause, .capability: true
        case .barrier, .noop, .provision, .undo, .destroy, .before, .after, .call, .finalize, .revert: false
        }
    }
}

extension RunSpec {
    /// What people call a step of a run with this request.
    package func label(of step: StepSpec) -> String {
        let group = Int(step.a)
        func node() -> String { groups.indices.contains(group) ? "\(groups[group].name)/\(step.c)" : "node" }
        switch step.action {
        case .provision, .undo:
            guard groups.indices.contains(group), groups[group].steps.indices.contains(Int(step.b)) else {
                return node()
            }
            let provision = groups[group].steps[Int(step.b)]
            return step.action == .undo
                ? "\(node()):\(step.b + 1) undo of \(provision.title)" : "\(node()):\(step.b + 1) \(provision.title)"
        case .ready: return "\(node()) readiness"
        case .destroy: return "\(node()) destroy"
        case .barrier: return groups.indices.contains(group) && step.b == 1 ? "group \(groups[group].name)" : "teardown"
        case .noop: return "noop"
        case .before, .after: return "\(suiteName(group)) \(step.action.rawValue)"
        case .attempt, .member:
            guard suites.indices.contains(group), suites[group].tests.indices.contains(Int(step.b)) else {
                return "test"
            }
            let attempt = "\(suites[group].name)//\(suites[group].tests[Int(step.b)].name)#\(step.c)"
            // The attempt as a whole goes by the name of its first step.
            guard step.action == .member, let member = member(of: step) else { return attempt }
            return "\(attempt) [\(member.title)]"
        case .exec:
            guard let exec, exec.nodes.indices.contains(group) else { return "exec" }
            return "\(exec.nodes[group]) exec"
        case .command:
            return "\(orderTarget(group)) \(order?.name ?? "command")"
        case .pause: return "pause before batch \(step.a + 1)"
        case .capability:
            let word = Capability(number: step.b)?.rawValue ?? order?.name ?? "capability"
            return "\(orderTarget(group)) \(word)"
        case .call, .finalize, .revert: return program?.label(of: step) ?? step.action.rawValue
        }
    }

    private func orderTarget(_ index: Int) -> String {
        guard let order, order.targets.indices.contains(index) else { return "node" }
        return order.targets[index].node.description
    }

    private func suiteName(_ index: Int) -> String { suites.indices.contains(index) ? suites[index].name : "suite" }
}
