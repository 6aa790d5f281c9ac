/// Plans of programs: begun when their time has come, told of what they wait for, given workers, counted for their
/// parents.
extension Director {
    package var programIDs: [PlanID] { programs.keys.sorted() }
    package func program(_ id: PlanID) -> ProgramMachine? { programs[id] }
    /// Whether a call is the present one of its step.
    package func isCurrent(_ call: ActionCall.ID) -> Bool { programs[call.step.plan]?.isCurrent(call) == true }
    /// Whether some step or plan waits for a limit.
    package var asksForLimits: Bool { !askers.isEmpty }

    /// What scheduled plans wait for and others decide: nobody tells them of its end.
    package var awaitedElsewhere: [(plan: PlanID, dependent: PlanID)] {
        dependents.keys.sorted().filter { programs[$0] == nil && runs[$0] == nil }.flatMap { plan in
            (dependents[plan] ?? []).sorted().filter { programs[$0]?.awaited.contains(plan) == true }.map { (plan, $0) }
        }
    }

    /// Takes in a plan of a program; false for every other.
    mutating func adoptProgram(_ stored: Snapshot.Plan) -> Bool {
        guard let program = stored.spec.program else { return false }
        let id = stored.row.id
        guard performsPrograms else {
            rowsAside[id] = stored.row
            foreignPrograms.insert(id)
            return true
        }
        programs[id] = ProgramMachine(restoring: stored, program: program)
        if let parent = program.parent { subPlans[parent.plan, default: []].insert(id) }
        for timer in stored.timers.sorted(by: { $0.dueAt < $1.dueAt }) { timers.set(timer) }
        for row in stored.signals {
            if let dueAt = row.dueAt { timers.set(.signal(row.step, number: row.number), at: dueAt) }
        }
        return true
    }

    /// Whether a request concerns a program whose actions nobody can perform here: it waits for who can.
    func isOfForeignProgram(_ request: Request) -> Bool {
        if performsPrograms { return false }
        if case .submit(_, let spec) = request { return spec.program != nil }
        if case .plan(let id) = request.subject { return foreignPrograms.contains(id) }
        return false
    }

    /// Goes on with plans of programs that were taken in: nobody has to ask for them.
    mutating func goOnWithPrograms(into turn: inout Turn) {
        for id in programs.keys.sorted() where programs[id]?.isHeld == true {
            touched.insert(id)
            programs[id]?.goOnAfterLoading(&shared.queues, into: &turn)
            switch programs[id]?.plan.row.state {
            case .pending, .planned: programs[id]?.begin(&shared.queues, into: &turn)
            case .planning: beginPlanning(id, into: &turn)
            case .scheduled: schedule(id, into: &turn)
            case .running, .paused, .stopped, nil: break
            }
        }
    }

    // MARK: Beginning

    /// A new plan of a program.
    mutating func begin(
        _ token: String,
        _ spec: RunSpec,
        _ program: ProgramSpec,
        steps: [PlanSubmission.Step],
        into turn: inout Turn
    ) {
        let id = PlanID(planNumbers.take())
        var row = PlanRow(
            id: id,
            request: token,
            verb: .plan,
            lab: spec.lab,
            host: host,
            epoch: turn.epoch,
            createdAt: turn.now,
            parent: program.parent,
            isFrozen: program.isFrozen
        )
        row.verb = spec.verb
        var machine = ProgramMachine(row: row, spec: spec, program: program)
        machine.plan.rowIsDirty = true
        machine.append(steps)
        programs[id] = machine
        if let parent = program.parent { subPlans[parent.plan, default: []].insert(id) }
        touched.insert(id)
        turn.newSpecs[id] = spec
        turn.emit(.planCreated, plan: id)
        if program.isDelayed {
            programs[id]?.plan.become(.scheduled, into: &turn)
            turn.emit(.planScheduled, plan: id)
            schedule(id, into: &turn)
        } else {
            beginNow(id, into: &turn)
        }
    }

    /// Looks what a scheduled plan waits for, and begins it when that is nothing.
    private mutating func schedule(_ id: PlanID, into turn: inout Turn) {
        guard let machine = programs[id] else { return }
        var unknown: [PlanID] = []
        for prerequisite in machine.program.prerequisites {
            programs[id]?.awaited.insert(prerequisite)
            dependents[prerequisite, default: []].insert(id)
            let isKnown = programs[prerequisite] != nil || runs[prerequisite] != nil
            if !isKnown { unknown.append(prerequisite) }
        }
        if !unknown.isEmpty { turn.directives.append(.lookUp(unknown, for: id)) }
        beginIfDue(id, into: &turn)
    }

    /// Begins a scheduled plan when nothing holds it back any more, or ends it when it is too late.
    private mutating func beginIfDue(_ id: PlanID, into turn: inout Turn) {
        guard let machine = programs[id], machine.plan.row.state == .scheduled else { return }
        touched.insert(id)
        let program = machine.program
        if let before = program.startBefore, turn.now >= before {
            programs[id]?.end(because: "it could not be started before its set time", code: .timedOut, into: &turn)
            return
        }
        let due = [program.startAt, program.startBefore].compactMap(\.self).filter { $0 > turn.now }.min()
        if let due { timers.set(.start(id), at: due) }
        guard !machine.plan.row.isFrozen, machine.awaited.isEmpty, program.startAt.map({ $0 <= turn.now }) ?? true
        else { return }
        beginNow(id, into: &turn)
    }

    private mutating func beginNow(_ id: PlanID, into turn: inout Turn) {
        guard let machine = programs[id] else { return }
        if machine.program.wantsPlanning, machine.plan.count == 0 {
            programs[id]?.plan.become(.planning, into: &turn)
            beginPlanning(id, into: &turn)
        } else {
            programs[id]?.begin(&shared.queues, into: &turn)
        }
    }

    private mutating func beginPlanning(_ id: PlanID, into turn: inout Turn) {
        turn.directives.append(.plan(id))
    }

    // MARK: Events

    mutating func handleProgram(_ event: Event, into turn: inout Turn) {
        switch event {
        case .callEnded(let call, let end):
            touched.insert(call.step.plan)
            programs[call.step.plan]?.callEnded(call, end, &shared, into: &turn)
        case .callFound(let call, let isUnderWay):
            touched.insert(call.step.plan)
            programs[call.step.plan]?.callFound(call, isUnderWay: isUnderWay, &shared, into: &turn)
        case .wrote(let call, let text):
            if programs[call.step.plan]?.isCurrent(call) == true {
                turn.chunks.append(ChunkRow(step: call.step, number: 0, at: turn.now, text: text))
            }
        case .planned(let id, let result): planned(id, result, into: &turn)
        case .prerequisiteFound(let prerequisite, let row, let id):
            if let row {
                if row.state.isFinal { prerequisiteEnded(row, for: id, into: &turn) }
            } else {
                let reason = "there is no run \(RunName(prerequisite)) to wait for"
                endScheduled(id, because: reason, into: &turn)
            }
        case .permitsFound(let held):
            let byPlan = Dictionary(grouping: held, by: \.step.plan)
            for id in askers.sorted() where programs[id]?.asking.isEmpty == false {
                touched.insert(id)
                programs[id]?.permitsFound(byPlan[id] ?? [], &shared.queues, into: &turn)
            }
        case .requested, .submitted, .actEnded, .actFound, .operationFound, .nodeLost, .reported, .powered,
            .reportsWaiting, .reportsRead, .errandEnded, .commandFailed, .woke:
            break
        }
    }

    private mutating func planned(_ id: PlanID, _ result: Result<ChildPlan, StepError>, into turn: inout Turn) {
        guard let machine = programs[id], machine.plan.row.state == .planning, machine.plan.count == 0 else { return }
        touched.insert(id)
        switch result {
        case .failure(let error): programs[id]?.end(because: error.message, code: error.code, into: &turn)
        case .success(let planned):
            programs[id]?.takePlanning(planned, into: &turn)
            programs[id]?.begin(&shared.queues, into: &turn)
        }
    }

    mutating func programTimerIsDue(_ key: TimerKey, into turn: inout Turn) {
        switch key {
        case .step(let step): programs[step.plan]?.timerIsDue(step.index, &shared, into: &turn)
        case .signal(let step, let number):
            programs[step.plan]?.signalIsDue(step.index, number: number, &shared.queues, into: &turn)
        case .start(let id): beginIfDue(id, into: &turn)
        }
    }

    private mutating func prerequisiteEnded(_ row: PlanRow, for id: PlanID, into turn: inout Turn) {
        guard let machine = programs[id], machine.plan.row.state == .scheduled else { return }
        programs[id]?.awaited.remove(row.id)
        if machine.program.prerequisiteRule.allows(row.result) {
            beginIfDue(id, into: &turn)
        } else {
            let reason = "run \(RunName(row.id)), which it waits for, ended with \(row.result.rawValue)"
            endScheduled(id, because: reason, into: &turn)
        }
    }

    private mutating func endScheduled(_ id: PlanID, because reason: String, into turn: inout Turn) {
        guard programs[id]?.plan.row.state == .scheduled else { return }
        touched.insert(id)
        programs[id]?.end(because: reason, code: .notReady, into: &turn)
    }

    // MARK: Requests

    mutating func answerProgram(_ row: RequestRow, of id: PlanID, into turn: inout Turn) {
        // One that has stopped in this very turn is still known. Nobody keeps a copy of the plan meanwhile: it would be
        // copied whole for each request.
        guard let state = programs[id]?.plan.row.state, !state.isFinal else { return refuse(row, of: id, into: &turn) }
        touched.insert(id)
        switch row.request {
        case .resume: programs[id]?.resume(&shared.queues, into: &turn)
        case .pause: programs[id]?.pauseRequested(&shared.queues, into: &turn)
        case .cancel, .abort:
            var isForced = false
            if case .abort = row.request { isForced = true }
            programs[id]?.cancel(byForce: isForced, &shared.queues, into: &turn)
            for child in children(of: id) {
                var request = row
                request.request = isForced ? .abort(child) : .cancel(child)
                answerProgram(request, of: child, into: &turn)
            }
        case .halt: programs[id]?.halt(nil, into: &turn)
        case .revert: programs[id]?.revertRequested(&shared.queues, into: &turn)
        case .freeze(_, let isFrozen):
            guard state == .scheduled else {
                return deny(row, "only a plan that has not begun is frozen or let go", of: id, into: &turn)
            }
            programs[id]?.plan.row.isFrozen = isFrozen
            programs[id]?.plan.rowIsDirty = true
            if !isFrozen { beginIfDue(id, into: &turn) }
        case .retry(let step, let input):
            if let refusal = programs[id]?.refusalOfRetry(step.index) { return deny(row, refusal, of: id, into: &turn) }
            programs[id]?.retry(step.index, input: input, &shared.queues, into: &turn)
        case .skip(let step):
            if let refusal = programs[id]?.refusalOfRetry(step.index) { return deny(row, refusal, of: id, into: &turn) }
            programs[id]?.skipRequested(step.index, &shared.queues, into: &turn)
        case .signal(let step, let payload, let isOptional, let token):
            programs[id]?.signalled(
                step.index,
                payload: payload,
                isOptional: isOptional,
                token: token,
                &shared.queues,
                into: &turn
            )
        case .submit, .takeUp, .report, .useModes: break
        }
    }

    private func deny(_ row: RequestRow, _ reason: String, of id: PlanID, into turn: inout Turn) {
        let refusal = Refusal(token: Refusal.token(of: row.id), reason: .notPossible(id, reason: reason))
        turn.emit(.requestRefused, plan: id, detail: refusal.text)
    }

    private func children(of parent: PlanID) -> [PlanID] {
        (subPlans[parent] ?? []).filter { programs[$0]?.plan.row.state.isFinal == false }.sorted()
    }

    // MARK: Closing a turn

    /// Follows up what plans have said of each other until nothing is new, and gives free workers to calls.
    mutating func settlePrograms(into turn: inout Turn) {
        guard !programs.isEmpty else { return }
        repeat {
            var looked: Set<PlanID> = []
            while true {
                bearChildren(into: &turn)
                let open = touched.subtracting(looked).sorted()
                if open.isEmpty { break }
                looked.formUnion(open)
                for id in open { tellOthers(of: id, &looked, into: &turn) }
            }
        } while giveWorkers(into: &turn)
    }

    /// Begins calls for which a worker is free; says whether one of them had sub-plans to go on with.
    private mutating func giveWorkers(into turn: inout Turn) -> Bool {
        for id in touched {
            for queue in programs[id]?.freed ?? [] { shared.queues.ended(queue) }
            programs[id]?.freed = []
        }
        if beginsNoCalls { return false }
        var goesOn = false
        while let (step, queue) = shared.queues.take() {
            touched.insert(step.plan)
            if programs[step.plan]?.begin(step.index, into: &turn) == true { continue }
            shared.queues.ended(queue)
            if programs[step.plan]?.resumesChildren.isEmpty == false { goesOn = true }
        }
        return goesOn
    }

    private mutating func bearChildren(into turn: inout Turn) {
        let born = shared.born
        shared.born = []
        for birth in born {
            guard let parent = birth.program.parent, let machine = programs[parent.plan] else { continue }
            // It was cancelled or given up in this very turn: they would not hear of it.
            if machine.plan.row.isCancelling || machine.plan.row.state.isFinal {
                touched.insert(parent.plan)
                programs[parent.plan]?.wasNotBorn(parent.index, &shared.queues, into: &turn)
                continue
            }
            var spec = machine.spec
            spec.program = birth.program
            begin("child-\(birth.token)", spec, birth.program, steps: birth.steps, into: &turn)
        }
    }

    /// Tells a plan's parent how it stands, those that wait for it that it has ended, and its children to go on.
    private mutating func tellOthers(of id: PlanID, _ looked: inout Set<PlanID>, into turn: inout Turn) {
        guard let machine = programs[id] else { return }
        let row = machine.plan.row
        let standing = ChildStanding(row, result: machine.plan.result)
        if let parent = machine.program.parent, standing != machine.toldParent {
            programs[id]?.toldParent = standing
            if programs[parent.plan] != nil {
                touched.insert(parent.plan)
                looked.remove(parent.plan)
                programs[parent.plan]?.childChanged(
                    of: parent.index,
                    from: machine.toldParent,
                    to: standing,
                    &shared.queues,
                    into: &turn
                )
            }
        }
        if !machine.resumesChildren.isEmpty {
            let steps = machine.resumesChildren
            programs[id]?.resumesChildren = []
            for child in children(of: id) {
                guard let parent = programs[child]?.program.parent, steps.contains(parent.index) else { continue }
                touched.insert(child)
                looked.remove(child)
                programs[child]?.resume(&shared.queues, into: &turn)
            }
            for step in steps.sorted() { programs[id]?.childrenChanged(step, &shared.queues, into: &turn) }
        }
        if row.state.isFinal, let waiting = dependents.removeValue(forKey: id) {
            var ended = row
            ended.result = machine.plan.result
            for dependent in waiting.sorted() {
                looked.remove(dependent)
                prerequisiteEnded(ended, for: dependent, into: &turn)
            }
        }
    }

    /// Puts a program's plan into the turn, and lets go of it when it has ended; false for every other plan.
    mutating func closeProgram(_ id: PlanID, into turn: inout Turn) -> Bool {
        guard programs[id] != nil else { return false }
        if programs[id]?.asking.isEmpty == false { askers.insert(id) } else { askers.remove(id) }
        guard programs[id]?.fillRows(into: &turn) == .some(true) else { return true }
        if let parent = programs[id]?.program.parent?.plan {
            subPlans[parent]?.remove(id)
            if subPlans[parent]?.isEmpty == true { subPlans[parent] = nil }
        }
        programs[id] = nil
        timers.clear(plan: id)
        return true
    }
}
