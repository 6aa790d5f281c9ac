extension ProgramMachine {
    /// Nothing of the present part is left to do.
    mutating func endPart(_ queues: inout WorkQueues, into turn: inout Turn) {
        if let reason = pauseReason { return pause(reason, into: &turn) }
        let failed = plan.steps(in: .error)
        switch plan.row.phase {
        case .main where plan.row.isCancelling && plan.count(of: .success) + plan.count(of: .skipped) == plan.count:
            // It came too late: everything was done by then.
            plan.gateIsOpen = true
            beginFinalize(into: &turn)
        case .main where plan.row.isCancelling:
            cancelPending(into: &turn)
            if program.revertsWhenCancelled { beginRevert(into: &turn) } else { stop(into: &turn) }
        case .main where failed.isEmpty: beginFinalize(into: &turn)
        case .main, .finalize:
            if failed.isEmpty { stop(into: &turn) } else { rescue(failed, &queues, into: &turn) }
        case .revert:
            let broken = failed.filter { plan.spec(of: $0).action == .revert }
            if let first = broken.first {
                pause("\(label(of: first)) failed: \(plan.error(of: first)?.message ?? "")", into: &turn)
            } else {
                stop(into: &turn)
            }
        case .teardown: stop(into: &turn)
        }
    }

    // MARK: Rescue

    /// Deals with failures as their actions say: each once.
    private mutating func rescue(_ failed: [StepIndex], _ queues: inout WorkQueues, into turn: inout Turn) {
        let isNew = failed.contains { !calls[Int($0)].isRescued }
        let strategy =
            program.rescuesByItself && isNew
            ? RescueStrategy.combined(failed.map { action(of: $0).rescue }) : .pause
        switch strategy {
        case .pause:
            let first = failed[0]
            pause("\(label(of: first)) failed: \(plan.error(of: first)?.message ?? "")", into: &turn)
        case .fail: stop(into: &turn)
        case .revert: beginRevert(into: &turn)
        case .skip:
            // One whose skipping has failed stays for a person.
            for step in failed where !calls[Int(step)].isRescued { skip(step, &queues, into: &turn) }
        }
    }

    /// Goes on without a failed step, and without everything that uses its output.
    mutating func skip(_ step: StepIndex, _ queues: inout WorkQueues, into turn: inout Turn) {
        if plan.spec(of: step).action == .call, action(of: step).handlesSkip {
            skips.insert(step)
            queued.insert(step)
            queues.add(stepID(step), to: action(of: step).queue, priority: action(of: step).priority)
        } else {
            finish(step, .skipped, error: plan.error(of: step), into: &turn)
        }
        var users = [step]
        while let next = users.popLast() {
            for user in plan.successors(of: next) where references[Int(user)].contains(next) {
                guard plan.state(of: user) == .pending else { continue }
                let error = StepError(.notReady, "skipped: it uses the output of \(label(of: next))")
                finish(user, .skipped, error: error, into: &turn)
                users.append(user)
            }
        }
    }

    // MARK: Finalize and revert

    /// The calls whose actions finalize.
    private var finalizing: [StepIndex] {
        (0..<StepIndex(plan.count)).filter { plan.spec(of: $0).action == .call && action(of: $0).finalizes }
    }

    /// All calls have succeeded or were skipped: what is to be finalized is, one after another.
    private mutating func beginFinalize(into turn: inout Turn) {
        let sources = finalizing
        if sources.isEmpty { return stop(into: &turn) }
        plan.row.phase = .finalize
        plan.rowIsDirty = true
        turn.emit(.planFinalizing, plan: id)
        var last: StepIndex?
        for source in sources {
            let isDone = plan.state(of: source) == .success
            let step = append(
                StepSpec(.finalize, a: plan.spec(of: source).a, b: source),
                needs: isDone ? last.map { [$0] } ?? [] : []
            )
            if isDone { last = step }
            guard plan.state(of: source) != .success else { continue }
            let error = StepError(.notReady, "not finalized: \(label(of: source)) was skipped")
            plan.finish(step, .skipped, error: error, into: &turn)
        }
    }

    /// Undoes what was begun, in reverse order of dependency.
    mutating func beginRevert(into turn: inout Turn) {
        plan.dismissRetries(into: &turn)
        _ = plan.dismissReady()
        for step in queued { plan.leaveQueue(step) }
        queued.removeAll()
        skips.removeAll()
        for step in plan.steps(in: .pending) { release(step, into: &turn) }
        plan.row.phase = .revert
        plan.rowIsDirty = true
        plan.gateIsOpen = true
        turn.emit(.planReverting, plan: id)
        var mirrored: [StepIndex: StepIndex] = [:]
        for source in (0..<StepIndex(plan.count)).reversed() {
            let spec = plan.spec(of: source)
            guard spec.action == .call || spec.action == .barrier else { continue }
            let needs = plan.successors(of: source).compactMap { mirrored[$0] }
            guard hasBegun(source) else {
                // What came after one that was skipped came after what that needed, too.
                if needs.count == 1 { mirrored[source] = needs[0] }
                if needs.count > 1 { mirrored[source] = append(StepSpec(.barrier), needs: needs) }
                continue
            }
            let reverts = spec.action == .call && action(of: source).reverts
            let undo = reverts ? StepSpec(.revert, a: spec.a, b: source) : StepSpec(.barrier)
            mirrored[source] = append(undo, needs: needs)
        }
    }

    private func hasBegun(_ step: StepIndex) -> Bool {
        plan.spec(of: step).action == .barrier ? plan.state(of: step) == .success : plan.tries(of: step) > 0
    }

    // MARK: Pause and resume

    private mutating func pause(_ reason: String, into turn: inout Turn) {
        pauseReason = nil
        // They are planned again when it goes on.
        if !planningChildren.isEmpty { turn.hasWithdrawn = true }
        planningChildren = [:]
        plan.become(.paused, into: &turn)
        plan.row.reason = reason
        plan.gateIsOpen = false
        release(Self.itself, into: &turn)
        turn.emit(.planPaused, plan: id, detail: reason)
    }

    /// A person wants it to stop starting calls.
    mutating func pauseRequested(_ queues: inout WorkQueues, into turn: inout Turn) {
        guard plan.row.state == .running, pauseReason == nil, !plan.row.isCancelling else { return }
        pauseReason = "paused on request"
        plan.gateIsOpen = false
        advance(&queues, into: &turn)
    }

    /// Goes on with a paused plan: what failed is tried again; of a finalize phase all is.
    mutating func resume(_ queues: inout WorkQueues, into turn: inout Turn) {
        goOn(&queues, into: &turn) { machine, _, turn in
            for step in machine.plan.steps(in: .error) where machine.isTriedAgain(step) {
                machine.reopen(step, into: &turn)
            }
            machine.restartFinalize(into: &turn)
        }
    }

    /// A finalize phase that is gone on with begins again.
    private mutating func restartFinalize(into turn: inout Turn) {
        guard plan.row.phase == .finalize else { return }
        let chain = (0..<StepIndex(plan.count)).filter {
            plan.spec(of: $0).action == .finalize && plan.state(of: plan.spec(of: $0).b) == .success
        }
        for step in chain { calls[Int(step)].isRescued = false }
        plan.restart(chain: chain, into: &turn)
    }

    /// Of a finalize phase all is, from its beginning.
    private func isTriedAgain(_ step: StepIndex) -> Bool { plan.row.phase != .finalize && isOfPresentPart(step) }

    /// Whether a step may begin in the present part of its plan: what an earlier part has left stays as it is.
    func isOfPresentPart(_ step: StepIndex) -> Bool {
        let action = plan.spec(of: step).action
        return switch plan.row.phase {
        case .main: action != .finalize && action != .revert
        case .finalize: action == .finalize
        case .revert: action == .revert || action == .barrier
        case .teardown: false
        }
    }

    private mutating func reopen(_ step: StepIndex, into turn: inout Turn) {
        calls[Int(step)].isRescued = false
        // Whoever wants it tried again does not want it skipped any more.
        if skips.remove(step) != nil { queued.remove(step) }
        plan.reopen(step, into: &turn)
    }

    private mutating func goOn(
        _ queues: inout WorkQueues,
        into turn: inout Turn,
        _ change: (inout Self, inout WorkQueues, inout Turn) -> Void
    ) {
        guard plan.row.state == .paused else { return }
        reawaken(into: &turn)
        plan.gateIsOpen = true
        turn.emit(.planResumed, plan: id)
        change(&self, &queues, &turn)
        askForKey(into: &turn)
        // What was ready when it paused is still there; what waited for a worker is asked for again.
        requeue(&queues, into: &turn)
        advance(&queues, into: &turn)
    }

    /// A paused plan goes on, for whatever reason.
    private mutating func reawaken(into turn: inout Turn) {
        plan.become(.running, into: &turn)
        plan.row.reason = nil
        pauseReason = nil
    }

    /// Puts everything that could go on in front of the queues again.
    mutating func requeue(_ queues: inout WorkQueues, into turn: inout Turn) {
        for step in queued.sorted() where asking[step] == nil {
            queued.remove(step)
            if plan.state(of: step) == .pending { plan.putBack(step) }
        }
        for step in skips.sorted() where queued.insert(step).inserted {
            queues.add(stepID(step), to: action(of: step).queue, priority: action(of: step).priority)
        }
        for step in plan.steps(in: .suspended) {
            childrenChanged(step, &queues, into: &turn)
            wakeIfWanted(step, &queues, into: &turn)
        }
    }

    /// Tries one failed step again, with another input when there is one.
    func refusalOfRetry(_ step: StepIndex) -> String? {
        guard step >= 0, step < plan.count else { return "the plan has no step \(step)" }
        guard plan.row.state == .paused else { return "only a paused plan's steps are retried or skipped" }
        guard plan.state(of: step) == .error else {
            return "\(label(of: step)) is \(plan.state(of: step).rawValue), not failed"
        }
        guard isOfPresentPart(step) else {
            let part = plan.row.phase == .revert ? "reverted" : "finalized"
            return "the plan is being \(part), and \(label(of: step)) is done with"
        }
        return nil
    }

    mutating func retry(_ step: StepIndex, input: String?, _ queues: inout WorkQueues, into turn: inout Turn) {
        goOn(&queues, into: &turn) { machine, _, turn in
            if let input {
                let source = machine.plan.spec(of: step).action == .call ? step : machine.plan.spec(of: step).b
                machine.calls[Int(source)].input = input
                machine.plan.touch(source)
                turn.emit(.stepEdited, plan: machine.id, step: source)
            }
            if machine.isTriedAgain(step) { machine.reopen(step, into: &turn) }
            machine.restartFinalize(into: &turn)
        }
    }

    mutating func skipRequested(_ step: StepIndex, _ queues: inout WorkQueues, into turn: inout Turn) {
        goOn(&queues, into: &turn) { machine, queues, turn in machine.skip(step, &queues, into: &turn) }
    }

    mutating func revertRequested(_ queues: inout WorkQueues, into turn: inout Turn) {
        guard plan.row.state == .paused, plan.row.phase != .revert else { return }
        reawaken(into: &turn)
        turn.emit(.planResumed, plan: id)
        // What waits for events has begun, and is undone with the rest.
        for step in plan.steps(in: .suspended) { finish(step, .cancelled, into: &turn) }
        beginRevert(into: &turn)
        askForKey(into: &turn)
        advance(&queues, into: &turn)
    }

    // MARK: Cancel and halt

    /// Ends the plan on request: nothing new begins, what can be cancelled is told so, the rest goes to its end.
    mutating func cancel(byForce isForced: Bool, _ queues: inout WorkQueues, into turn: inout Turn) {
        if plan.row.state == .paused {
            // It was told to end while it ends: it is given up.
            if plan.row.phase != .main { return halt("cancelled", into: &turn) }
            reawaken(into: &turn)
            plan.gateIsOpen = false
            askForKey(into: &turn)
            requeue(&queues, into: &turn)
            if plan.row.isCancelling { turn.emit(.planCancelling, plan: id) }
        }
        // Who asks again has it told again.
        toldOfCancel = []
        guard plan.row.state == .running, plan.row.phase == .main else {
            if [.pending, .scheduled, .planning, .planned].contains(plan.row.state) { halt("cancelled", into: &turn) }
            return
        }
        if !plan.row.isCancelling {
            plan.row.isCancelling = true
            plan.rowIsDirty = true
            plan.gateIsOpen = false
            pauseReason = nil
            plan.dismissRetries(into: &turn)
            turn.emit(.planCancelling, plan: id)
        }
        if isForced, !plan.row.isAborting {
            plan.row.isAborting = true
            plan.rowIsDirty = true
        }
        for step in plan.steps(in: .running) where isForced || action(of: step).isCancellable {
            turn.directives.append(.cancelCall(callID(of: step), byForce: isForced))
        }
        for step in plan.steps(in: .suspended) {
            if calls[Int(step)].children == nil, isForced, !action(of: step).isCancellable {
                finish(step, .cancelled, into: &turn)
            } else {
                tellOfCancel(step)
                // Sub-plans that were still to come do not come any more.
                childrenChanged(step, &queues, into: &turn)
                wakeIfWanted(step, &queues, into: &turn)
            }
        }
        advance(&queues, into: &turn)
    }

    /// A step that is suspended while its plan is cancelled is told so, when its action takes it. One with sub-plans
    /// waits for their ends.
    mutating func tellOfCancel(_ step: StepIndex) {
        guard plan.row.isCancelling, plan.row.phase == .main, calls[Int(step)].children == nil,
            action(of: step).isCancellable, !toldOfCancel.contains(step)
        else { return }
        cancelled.insert(step)
    }

    private mutating func cancelPending(into turn: inout Turn) {
        plan.dismissRetries(into: &turn)
        _ = plan.dismissReady()
        queued.removeAll()
        skips.removeAll()
        for step in plan.steps(in: .pending) { finish(step, .cancelled, into: &turn) }
        _ = plan.dismissReady()
    }

    /// Gives up on the plan at once. Calls are told to end, and not waited for.
    mutating func halt(_ reason: String?, into turn: inout Turn) {
        guard !plan.row.state.isFinal else { return }
        for step in plan.steps(in: .running) + plan.steps(in: .skipping) {
            turn.directives.append(.cancelCall(callID(of: step), byForce: true))
            finish(step, .cancelled, into: &turn)
        }
        for step in plan.steps(in: .suspended) { finish(step, .cancelled, into: &turn) }
        cancelPending(into: &turn)
        if plan.count == 0 {
            appendRootIfEmpty()
            finish(0, .cancelled, into: &turn)
        }
        if plan.row.phase == .main, plan.result == .success || plan.result == .warning {
            // Everything was done but that.
            for source in finalizing {
                let step = append(StepSpec(.finalize, a: plan.spec(of: source).a, b: source), needs: [source])
                finish(step, .cancelled, into: &turn)
            }
        }
        plan.gateIsOpen = false
        turn.emit(.planHalted, plan: id, detail: reason)
        plan.row.reason = reason ?? "halted"
        stop(into: &turn)
    }

    mutating func stop(into turn: inout Turn) {
        // What never began of a plan that nothing has failed in, and that is undone.
        if plan.result == .pending { for step in plan.steps(in: .pending) { finish(step, .cancelled, into: &turn) } }
        plan.dismissRetries(into: &turn)
        for step in Set(signals.keys).union(later.keys).sorted() {
            dropSignals(of: step, because: "its plan has ended", into: &turn)
        }
        for step in holding.union(asking.keys).union(permitsLeft).sorted() { release(step, into: &turn) }
        if plan.row.isCancelling, plan.row.reason == nil { plan.row.reason = "cancelled on request" }
        plan.become(.stopped, into: &turn)
        plan.row.endedAt = turn.now
        plan.row.result = plan.result
        turn.emit(.planStopped, plan: id, detail: plan.result.rawValue)
    }
}
