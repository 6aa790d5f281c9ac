/// Sub-plans: planned in batches, counted and never loaded, as many at once as their parent lets go.
extension ProgramMachine {
    /// So many are planned by one call.
    static let childrenAtOnce = 100

    /// Whether all sub-plans of a suspended step have come to an end, or wait for a person.
    func childrenHaveEnded(_ step: StepIndex) -> Bool {
        guard let wanted = calls[Int(step)].children, planningChildren[step] == nil else { return false }
        let counts = childCounts[step] ?? ChildCounts()
        return counts.going == 0 && (counts.planned >= wanted.total || plan.row.isCancelling)
    }

    /// Whether sub-plans of a step were still to come when its plan was cancelled.
    func wasCutShort(_ step: StepIndex) -> Bool {
        guard plan.row.isCancelling, plan.row.phase == .main, let wanted = calls[Int(step)].children else {
            return false
        }
        return childCounts(of: step).planned < wanted.total
    }

    /// How a sub-plan stands has changed.
    mutating func childChanged(
        of step: StepIndex,
        from old: ChildStanding,
        to new: ChildStanding,
        _ queues: inout WorkQueues,
        into turn: inout Turn
    ) {
        guard step >= 0, step < plan.count else { return }
        var counts = childCounts[step] ?? ChildCounts()
        counts.add(-1, old)
        counts.add(1, new)
        childCounts[step] = counts
        childrenChanged(step, &queues, into: &turn)
        advance(&queues, into: &turn)
    }

    /// A sub-plan that was counted already is not made after all.
    mutating func wasNotBorn(_ step: StepIndex, _ queues: inout WorkQueues, into turn: inout Turn) {
        childCounts[step]?.planned -= 1
        childrenChanged(step, &queues, into: &turn)
        advance(&queues, into: &turn)
    }

    /// Plans more of them, or goes on when all have ended.
    mutating func childrenChanged(_ step: StepIndex, _ queues: inout WorkQueues, into turn: inout Turn) {
        guard plan.state(of: step) == .suspended, let wanted = calls[Int(step)].children else { return }
        let counts = childCounts[step] ?? ChildCounts()
        let room = wanted.limit.map { $0 - counts.going } ?? Self.childrenAtOnce
        let next = min(counts.planned + min(room, Self.childrenAtOnce), wanted.total)
        if planningChildren[step] == nil, next > counts.planned, plan.gateIsOpen, !plan.row.isCancelling {
            let id = ActionCall.ID(
                step: stepID(step),
                number: plan.tries(of: step),
                invocation: Int32(-1 - (counts.planned & 0x3FFF_FFFF))
            )
            planningChildren[step] = id
            turn.directives.append(.call(makeCall(id, .children(from: counts.planned, to: next))))
        }
        wakeIfWanted(step, &queues, into: &turn)
    }

    /// A batch was planned: the Director makes the plans, and counts them.
    mutating func childrenPlanned(
        _ step: StepIndex,
        _ end: CallEnd,
        _ shared: inout ProgramContext,
        into turn: inout Turn
    ) {
        planningChildren[step] = nil
        // Of a step that is told something meanwhile they are planned again; of a cancelled plan never.
        guard plan.state(of: step) == .suspended, !plan.row.isCancelling else {
            childrenChanged(step, &shared.queues, into: &turn)
            return advance(&shared.queues, into: &turn)
        }
        switch end.outcome {
        case .children(let children):
            let first = childCounts[step]?.planned ?? 0
            for (place, child) in children.enumerated() {
                var program = child.program
                program.parent = stepID(step)
                shared.born.append(
                    ProgramContext.Birth(
                        token: "\(id.rawValue)-\(step)-\(first + place)",
                        program: program,
                        steps: child.steps
                    )
                )
            }
            childCounts[step, default: ChildCounts()].planned += children.count
            if children.isEmpty {
                let error = StepError(.badValue, "'\(action(of: step).name)' planned fewer sub-plans than it announced")
                failChildren(step, error, &shared, into: &turn)
            } else {
                childrenChanged(step, &shared.queues, into: &turn)
            }
        case .failed(let error, _): failChildren(step, error, &shared, into: &turn)
        case .succeeded, .suspended, .spawned, .neverStarted:
            let error = StepError(.badValue, "'\(action(of: step).name)' answered with what it was not asked for")
            failChildren(step, error, &shared, into: &turn)
        }
        advance(&shared.queues, into: &turn)
    }

    private mutating func failChildren(
        _ step: StepIndex,
        _ error: StepError,
        _ shared: inout ProgramContext,
        into turn: inout Turn
    ) {
        calls[Int(step)].isRescued = false
        finish(step, .error, error: error, into: &turn)
    }

    /// A step that has sub-plans already is tried again by going on with them: true when there are any.
    mutating func goesOnWithChildren(_ step: StepIndex, into turn: inout Turn) -> Bool {
        guard calls[Int(step)].children != nil, let counts = childCounts[step], counts.planned > 0 else { return false }
        plan.suspend(step, into: &turn)
        resumesChildren.insert(step)
        return true
    }
}

extension ChildCounts {
    mutating func add(_ number: Int, _ standing: ChildStanding) {
        switch standing {
        case .going: break
        case .succeeded: succeeded += number
        case .failed: failed += number
        case .paused: paused += number
        }
    }
}
