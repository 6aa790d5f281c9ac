extension ProgramMachine {
    /// A worker is free for a step. False when there is nothing to begin any more: a benign race with its end.
    mutating func begin(_ step: StepIndex, into turn: inout Turn) -> Bool {
        guard queued.contains(step), asking[step] == nil else { return false }
        // One that stands in line when its plan pauses is asked for again when that goes on.
        guard plan.row.state == .running, !waitsForKey else { return false }
        queued.remove(step)
        plan.leaveQueue(step)
        let kind: ActionCall.Kind
        switch plan.state(of: step) {
        case .pending:
            guard plan.gateIsOpen, isOfPresentPart(step), plan.mayStart(step) else {
                release(step, into: &turn)
                // It begins when its plan goes on.
                if isOfPresentPart(step) { plan.putBack(step) }
                return false
            }
            plan.begin(step, into: &turn)
            calls[Int(step)].told = 0
            setTimeout(of: step, into: &turn)
            if goesOnWithChildren(step, into: &turn) { return false }
            kind = firstKind(of: step)
        case .suspended:
            guard let wake = takeWake(of: step) else { return false }
            kind = wake
            plan.wake(step, into: &turn)
            calls[Int(step)].told = delivering[step]?.number ?? -1
        case .error:
            guard skips.remove(step) != nil else { return false }
            // From here on its failure is dealt with.
            calls[Int(step)].isRescued = true
            plan.beginSkipping(step, into: &turn)
            kind = .skip(message: plan.error(of: step)?.message ?? "")
        case .running, .success, .skipping, .skipped, .cancelled: return false
        }
        call(step, kind, into: &turn)
        return true
    }

    private func firstKind(of step: StepIndex) -> ActionCall.Kind {
        switch plan.spec(of: step).action {
        case .finalize: .finalize
        case .revert: .revert
        default: reconciling.contains(step) ? .reconcile : .run
        }
    }

    private mutating func call(_ step: StepIndex, _ kind: ActionCall.Kind, into turn: inout Turn) {
        calls[Int(step)].invocation += 1
        working.insert(step)
        let id = callID(of: step)
        turn.directives.append(.call(makeCall(id, kind)))
    }

    func callID(of step: StepIndex) -> ActionCall.ID {
        ActionCall.ID(step: stepID(step), number: plan.tries(of: step), invocation: calls[Int(step)].invocation)
    }

    func makeCall(_ id: ActionCall.ID, _ kind: ActionCall.Kind) -> ActionCall {
        let step = id.step.index
        let stepSpec = plan.spec(of: step)
        // A finalize or revert acts on what its call was given and has stored.
        let source = stepSpec.action == .call ? step : stepSpec.b
        var call = ActionCall(
            id: id,
            kind: kind,
            action: action(of: step).name,
            input: calls[Int(source)].input ?? plan.spec(of: source).input,
            output: calls[Int(source)].output
        )
        for used in references[Int(source)] { call.references[used] = calls[Int(used)].output }
        call.timeout = action(of: step).timeout
        call.trace = program.trace
        return call
    }

    /// Whether a call is the present one of its step, so that it may still be performed and its end counts.
    func isCurrent(_ call: ActionCall.ID) -> Bool {
        let step = call.step.index
        guard step >= 0, step < plan.count, plan.tries(of: step) == call.number else { return false }
        if call.invocation < 0 { return planningChildren[step] == call }
        return plan.state(of: step).isBusy && calls[Int(step)].invocation == call.invocation
    }

    // MARK: Ends

    /// A call has ended. One that is not the present one any more is a benign race: its step was ended before.
    mutating func callEnded(
        _ id: ActionCall.ID,
        _ end: CallEnd,
        _ shared: inout ProgramContext,
        into turn: inout Turn
    ) {
        guard isCurrent(id) else { return }
        let step = id.step.index
        if id.invocation < 0 { return childrenPlanned(step, end, &shared, into: &turn) }
        freeWorker(of: step)
        if let output = end.output { calls[Int(step)].output = output }
        delivered(step, into: &turn)
        plan.touch(step)
        for wake in end.wakes { send(wake, to: step, &shared, into: &turn) }
        ended(step, end.outcome, &shared, into: &turn)
        advance(&shared.queues, into: &turn)
    }

    private mutating func ended(
        _ step: StepIndex,
        _ outcome: CallEnd.Outcome,
        _ shared: inout ProgramContext,
        into turn: inout Turn
    ) {
        reconciling.remove(step)
        let isSkipping = plan.state(of: step) == .skipping
        switch outcome {
        case .succeeded where wasCutShort(step): finish(step, .cancelled, into: &turn)
        case .succeeded: finish(step, isSkipping ? .skipped : .success, into: &turn)
        case .failed(let error, let isFinal): failed(step, error, isFinal: isFinal, &shared, into: &turn)
        case .suspended where isSkipping, .spawned where isSkipping, .neverStarted where isSkipping, .children:
            let error = StepError(.badValue, "'\(action(of: step).name)' answered with what it was not asked for")
            failed(step, error, isFinal: true, &shared, into: &turn)
        case .suspended where plan.row.isAborting && plan.row.phase == .main:
            finish(step, .cancelled, into: &turn)
        case .suspended:
            plan.suspend(step, into: &turn)
            // It is told that its plan is cancelled when that was asked for while it ran.
            tellOfCancel(step)
            childrenChanged(step, &shared.queues, into: &turn)
            wakeIfWanted(step, &shared.queues, into: &turn)
        case .spawned(let total, let limit):
            calls[Int(step)].children = CallColumns.Children(total: max(0, total), limit: limit.map { max(1, $0) })
            plan.suspend(step, into: &turn)
            childrenChanged(step, &shared.queues, into: &turn)
        case .neverStarted: takeBack(step, into: &turn)
        }
    }

    /// Takes back a start that came to nothing. Nothing is set for a step that waits for a worker.
    mutating func takeBack(_ step: StepIndex, into turn: inout Turn) {
        if action(of: step).timeout != nil { turn.timersCleared.append(stepID(step)) }
        plan.takeBack(step, into: &turn)
    }

    /// Ends a step for good, whatever it was waiting for.
    mutating func finish(_ step: StepIndex, _ state: StepState, error: StepError? = nil, into turn: inout Turn) {
        freeWorker(of: step)
        if action(of: step).timeout != nil { turn.timersCleared.append(stepID(step)) }
        plan.finish(step, state, error: error, into: &turn)
        // What it was being told it will not be told again.
        delivered(step, into: &turn)
        dropSignals(of: step, because: "the step has ended", into: &turn)
        if planningChildren.removeValue(forKey: step) != nil { turn.hasWithdrawn = true }
        cancelled.remove(step)
        // It stands in no line any more, whoever takes it out.
        queued.remove(step)
        release(step, into: &turn)
    }

    private mutating func failed(
        _ step: StepIndex,
        _ error: StepError,
        isFinal: Bool,
        _ shared: inout ProgramContext,
        into turn: inout Turn
    ) {
        if plan.state(of: step) == .skipping {
            // Its failure was dealt with once; the handler's own is for a person.
            finish(step, .error, error: error, into: &turn)
            return
        }
        // That sub-plans have not succeeded is what was asked for.
        let isOfCancel = error.code == .cancelled || error.code == .children && plan.row.phase == .main
        if plan.row.isCancelling, isOfCancel {
            finish(step, .cancelled, error: error, into: &turn)
            return
        }
        let retry = action(of: step).retry
        let retries = Int(plan.tries(of: step)) - 1
        if !isFinal, retries < retry.times, !plan.row.isCancelling || plan.row.phase != .main,
            !error.code.wantsPerson
        {
            let delay = retry.delay(beforeRetry: retries, chance: shared.chance.fraction())
            let wasSuspended = plan.state(of: step) == .suspended
            if wasSuspended { plan.wake(step, into: &turn) }
            dropOwnSignals(of: step, into: &turn)
            // It may stand in line to be told something.
            queued.remove(step)
            if planningChildren.removeValue(forKey: step) != nil { turn.hasWithdrawn = true }
            release(step, into: &turn)
            plan.retry(step, after: error, at: turn.now + delay, into: &turn)
            return
        }
        calls[Int(step)].isRescued = false
        finish(step, .error, error: error, into: &turn)
        if error.code.wantsPerson {
            pauseReason = "\(label(of: step)): \(error.message)"
            plan.gateIsOpen = false
        }
    }

    /// The worker of a step's present call is free, once.
    mutating func freeWorker(of step: StepIndex) {
        if working.remove(step) != nil { freed.append(action(of: step).queue) }
    }

    // MARK: Time

    private mutating func setTimeout(of step: StepIndex, into turn: inout Turn) {
        guard let timeout = action(of: step).timeout else { return }
        turn.setTimer(stepID(step), at: turn.now + timeout)
    }

    /// The timer of a step is due: of its retry while it waits, of its timeout while it runs or is suspended.
    mutating func timerIsDue(_ step: StepIndex, _ shared: inout ProgramContext, into turn: inout Turn) {
        guard step >= 0, step < plan.count else { return }
        switch plan.state(of: step) {
        case .running, .suspended:
            if plan.state(of: step) == .running {
                turn.directives.append(.cancelCall(callID(of: step), byForce: true))
                delivered(step, into: &turn)
                freeWorker(of: step)
            }
            let error = StepError(.timedOut, "timed out after \(action(of: step).timeout?.shortText ?? "")")
            failed(step, error, isFinal: false, &shared, into: &turn)
        case .pending, .success, .error, .skipping, .skipped, .cancelled:
            plan.retryIsDue(step, into: &turn)
        }
        advance(&shared.queues, into: &turn)
    }

    // MARK: Words

    /// What people call a step: its action's name, and what of it.
    package func label(of step: StepIndex) -> String { program.label(of: plan.spec(of: step)) }
}

/// What all plans of programs share, lent to the one that decides.
package struct ProgramContext: Sendable {
    package var queues: WorkQueues
    package var chance: SeededChance
    /// Sub-plans that were planned in this turn, to be made.
    var born: [Birth] = []

    struct Birth: Sendable {
        let token: String
        let program: ProgramSpec
        let steps: [PlanSubmission.Step]
    }

    package init(queues: WorkQueues, chance: SeededChance) {
        self.queues = queues
        self.chance = chance
    }
}

extension ProgramSpec {
    package func label(of step: StepSpec) -> String {
        let name = actions.indices.contains(Int(step.a)) ? actions[Int(step.a)].name : "action"
        return switch step.action {
        case .finalize: "\(name) finalize"
        case .revert: "\(name) revert"
        default: name
        }
    }
}
