import DequeModule

extension ProgramMachine {
    /// Takes a stored plan back in. It is held until `goOn`.
    package init(restoring stored: Snapshot.Plan, program: ProgramSpec) {
        self.init(row: stored.row, spec: stored.spec, program: program)
        plan.reserve(steps: stored.steps.count, edges: stored.steps.reduce(0) { $0 + $1.needs.count })
        for step in stored.steps {
            plan.restore(step)
            calls.append(step.call ?? CallColumns(input: nil))
            let count = step.spec.action == .call ? Int(step.spec.c) : 0
            references.append(count > 0 ? Array(step.needs.prefix(count)) : [])
        }
        let waiting = stored.timers.map(\.step.index).filter { plan.state(of: $0) == .pending }
        plan.restoreReady(timers: waiting)
        for row in stored.signals.sorted(by: { $0.number < $1.number }) {
            lastSignal = max(lastSignal, row.number)
            if row.dueAt == nil {
                signals[row.step.index, default: []].append(row)
            } else {
                later[row.step.index, default: []].append(row)
            }
        }
        childCounts = stored.children
        // What a step that has not begun asked for, it asks for again: its place in the line is kept.
        for permit in stored.permits where permit.isHeld {
            let step = permit.step.index
            let uses =
                step == Self.itself
                ? stored.row.state == .running
                : step < plan.count && [.running, .suspended, .skipping].contains(plan.state(of: step))
            if uses { holding.insert(step) }
        }
        permitsLeft = Set(stored.permits.map(\.step.index)).subtracting(holding)
        toldParent = ChildStanding(stored.row, result: stored.row.result)
        isHeld = true
    }

    /// Goes on with a plan that was loaded. Calls that a crash has interrupted are treated as their actions say.
    mutating func goOnAfterLoading(_ queues: inout WorkQueues, into turn: inout Turn) {
        guard isHeld else { return }
        isHeld = false
        guard plan.row.state == .running else { return }
        plan.gateIsOpen = !plan.row.isCancelling || plan.row.phase != .main
        for step in plan.steps(in: .running) + plan.steps(in: .skipping) {
            working.insert(step)
            queues.occupy(action(of: step).queue)
            turn.directives.append(.inquireCall(callID(of: step)))
            restoreTold(step)
        }
        askForKey(into: &turn)
        if plan.row.isCancelling, plan.row.phase == .main {
            cancel(byForce: plan.row.isAborting, &queues, into: &turn)
        }
        for step in plan.steps(in: .suspended) {
            childrenChanged(step, &queues, into: &turn)
            wakeIfWanted(step, &queues, into: &turn)
        }
        advance(&queues, into: &turn)
    }

    /// What the present call of a step tells it is not told again when it ends.
    private mutating func restoreTold(_ step: StepIndex) {
        let told = calls[Int(step)].told
        if let place = signals[step]?.firstIndex(where: { $0.number == told }) {
            delivering[step] = signals[step]?.remove(at: place)
            if signals[step]?.isEmpty == true { signals[step] = nil }
        } else if let place = later[step]?.firstIndex(where: { $0.number == told }) {
            delivering[step] = later[step]?.remove(at: place)
            if later[step]?.isEmpty == true { later[step] = nil }
        }
    }

    /// What is true of a call that the store has begun. One that is under way ends as every other.
    mutating func callFound(
        _ id: ActionCall.ID,
        isUnderWay: Bool,
        _ shared: inout ProgramContext,
        into turn: inout Turn
    ) {
        guard !isUnderWay, isCurrent(id) else { return }
        let step = id.step.index
        if id.invocation < 0 {
            // Nothing of a batch is stored before all of it is: it is planned again.
            planningChildren[step] = nil
            childrenChanged(step, &shared.queues, into: &turn)
            return advance(&shared.queues, into: &turn)
        }
        freeWorker(of: step)
        if plan.state(of: step) == .skipping {
            let error = plan.error(of: step)
            plan.finish(step, .error, error: error, into: &turn)
            skips.insert(step)
            queued.insert(step)
            shared.queues.add(stepID(step), to: action(of: step).queue, priority: action(of: step).priority)
        } else if plan.row.isCancelling, plan.row.phase == .main, !calls[Int(step)].isWoken {
            finish(step, .cancelled, into: &turn)
        } else {
            settle(step, into: &turn)
            if plan.state(of: step) == .suspended {
                tellOfCancel(step)
                childrenChanged(step, &shared.queues, into: &turn)
                wakeIfWanted(step, &shared.queues, into: &turn)
            }
        }
        advance(&shared.queues, into: &turn)
    }

    /// Treats an interrupted call as its action says.
    private mutating func settle(_ step: StepIndex, into turn: inout Turn) {
        // It was suspended before, and is told again what it was being told: that is stored until its answer is.
        if calls[Int(step)].isWoken {
            if let row = delivering.removeValue(forKey: step) { signals[step, default: []].prepend(row) }
            plan.suspend(step, into: &turn)
            return
        }
        switch action(of: step).recovery {
        case .never:
            let name = label(of: step)
            let error = StepError(
                .unknown,
                "nobody can tell whether \(name) was done, and it is not repeated by itself (its program ended meanwhile)"
            )
            finish(step, .error, error: error, into: &turn)
            pauseReason = "\(name): \(error.message)"
            plan.gateIsOpen = false
        case .reconcile:
            reconciling.insert(step)
            takeBack(step, into: &turn)
        case .idempotent, .infra: takeBack(step, into: &turn)
        }
    }
}
