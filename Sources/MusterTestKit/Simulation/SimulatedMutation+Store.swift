import MusterCore

extension SimulatedMutation {
    /// What the store writes in place of a turn.
    ///
    /// - Parameter last: the number of the newest event of the newest term.
    func planted(in turn: Turn, newestEpoch: Epoch, last: Int64, using chance: SimulatedChance) -> Turn {
        var turn = turn
        switch self {
        case .fenceIsSkipped where turn.epoch != newestEpoch && turn.conductor == .sole:
            turn = turn.restamped(epoch: newestEpoch)
            for index in turn.events.indices { turn.events[index].number = last + Int64(index) + 1 }
        case .commitIsTorn where chance.oneIn(10): turn.steps.removeAll { !$0.isNew }
        case .eventIsLost where chance.oneIn(20):
            if !turn.events.isEmpty { turn.events.removeLast() }
        case .timerIsNotStored: turn.timersSet.removeAll()
        case .eventIsToldAgain: turn.signalsCleared.removeAll()
        case .permitIsNotReleased: turn.releases.removeAll()
        default: break
        }
        return turn
    }

    /// What a conductor loads in place of what is stored.
    func planted(in snapshot: Snapshot, using chance: SimulatedChance) -> Snapshot {
        var snapshot = snapshot
        for index in snapshot.plans.indices { plant(in: &snapshot.plans[index]) }
        for index in snapshot.nodes.indices {
            switch self {
            case .undoIsForgotten: snapshot.nodes[index].stepsStarted = min(snapshot.nodes[index].stepsStarted, 1)
            case .undoOfWhatNeverWas: snapshot.nodes[index].stepsStarted = 100
            default: break
            }
        }
        return snapshot
    }

    /// What a conductor reads in place of what lies in the inbox.
    func planted(in rows: [RequestRow]) -> [RequestRow] {
        switch self {
        case .requestIsLost: return rows.filter { $0.id % 5 != 0 }
        case .askedForIsHeld:
            return rows.map { row in
                var row = row
                if case .takeUp = row.request { row.request = .takeUp(PlanID(999_999)) }
                return row
            }
        default: return rows
        }
    }

    private func plant(in plan: inout Snapshot.Plan) {
        switch self {
        case .teardownOrderIsForgotten:
            for index in plan.steps.indices where plan.steps[index].spec.startsAfterFailure {
                plan.steps[index].needs = []
            }
        case .needsAreForgotten:
            for index in plan.steps.indices where plan.steps[index].spec.action == .provision {
                plan.steps[index].needs = []
            }
        case .cancelledAttemptIsARerun:
            for index in plan.attempts.indices where plan.attempts[index].isCancelled {
                plan.attempts[index].rerunsSpent += 1
            }
        case .successRunsAgain:
            guard plan.row.state == .running else { return }
            let done = plan.steps.lastIndex { $0.state == .success && $0.spec.action != .barrier }
            if let done { plan.steps[done].state = .pending }
        default: plantInProgram(&plan)
        }
    }

    private func plantInProgram(_ plan: inout Snapshot.Plan) {
        guard var program = plan.spec.program else { return }
        switch self {
        case .rescueIsForgotten:
            for index in plan.steps.indices { plan.steps[index].call?.isRescued = false }
        case .revertForgetsAStep where plan.row.phase == .main:
            let done = plan.steps.firstIndex { $0.state == .success && $0.spec.action == .call }
            if let done { plan.steps[done].tries = 0 }
        case .revertOrderIsForgotten:
            for index in plan.steps.indices where plan.steps[index].spec.action == .revert {
                plan.steps[index].needs = []
            }
        case .childIsCountedTwice:
            for (step, counts) in plan.children where counts.succeeded > 0 {
                plan.children[step] = ChildCounts(
                    planned: counts.planned + 1,
                    succeeded: counts.succeeded + 1,
                    failed: counts.failed,
                    paused: counts.paused
                )
            }
        case .sleepIsForgotten: plan.signals.removeAll { $0.dueAt != nil }
        case .neverIsRepeated:
            for index in program.actions.indices { program.actions[index].recovery = .idempotent }
        case .chainIsForgotten: program.prerequisites = []
        case .singletonIsForgotten: program.singleton = nil
        default: break
        }
        plan.spec.program = program
    }
}

extension Turn {
    /// The same turn as if another term had decided it.
    func restamped(epoch: Epoch) -> Turn {
        var turn = Turn(now: now, epoch: epoch)
        turn.plans = plans
        turn.newSpecs = newSpecs
        turn.steps = steps
        turn.nodes = nodes
        turn.timersSet = timersSet
        turn.timersCleared = timersCleared
        turn.attempts = attempts
        turn.events = events
        turn.requestsDone = requestsDone
        turn.signalsSet = signalsSet
        turn.signalsCleared = signalsCleared
        turn.chunks = chunks
        turn.asks = asks
        turn.releases = releases
        turn.directives = directives
        return turn
    }
}
