import MusterCore
import MusterEngine
import MusterStore

/// What a conductor's performer knows of one call.
struct SimulatedCall {
    let call: ActionCall
    let queue: String
    /// Tells it from another of the same name, begun after this one was forgotten.
    let task: Int
    /// What came of it, kept until that is stored.
    var end: CallEnd?
    /// It was told to end.
    var isCancelled = false
}

/// The hosts of programs' actions, one in each conductor's process, and the performer that asks them: what is under way
/// dies with the process.
extension SimulatedWorld {
    // MARK: Directives

    func begin(_ call: ActionCall, by conductor: SimulatedConductor) {
        if let known = conductor.calls[call.id] {
            // What came of it was not stored: it is asked for again.
            if let end = known.end {
                conductor.reported.append(call.id)
                receive(.event(.callEnded(call.id, end)), by: conductor)
            }
            return
        }
        checkBegin(call, by: conductor)
        counts.calls += 1
        tasks += 1
        let queue = programRules.action(of: call.id.step)?.queue ?? ""
        conductor.calls[call.id] = SimulatedCall(call: call, queue: queue, task: tasks)
        let isSlow = isChaotic && chance.oneIn(25)
        let length = isSlow ? Int64(chance.from(30, to: 300)) * 1_000_000 : chance.delay() * 2
        put(.callEnds(conductor.number, call.id, task: tasks), in: length)
        if chance.oneIn(10) { receive(.event(.wrote(call.id, "a line")), by: conductor) }
    }

    func cancel(_ id: ActionCall.ID, by conductor: SimulatedConductor) {
        guard let call = conductor.calls[id], call.end == nil else { return }
        conductor.calls[id]?.isCancelled = true
        // Some end at once, some do not listen.
        if chance.oneIn(2) { put(.callEnds(conductor.number, id, task: call.task), in: chance.delay()) }
    }

    /// Those that nobody waits for: the turn that ended them was stored, and its answer was lost.
    func endStaleCalls(of conductor: SimulatedConductor) {
        let open = conductor.calls.values.filter { $0.end == nil && !$0.isCancelled }.map(\.call.id)
        for id in open.sorted(by: {
            ($0.step.plan, $0.step.index, $0.invocation) < ($1.step.plan, $1.step.index, $1.invocation)
        })
        where !conductor.core.director.isCurrent(id) {
            cancel(id, by: conductor)
        }
    }

    func inquire(_ id: ActionCall.ID, by conductor: SimulatedConductor) {
        if let end = conductor.calls[id]?.end {
            receive(.event(.callEnded(id, end)), by: conductor)
            conductor.reported.append(id)
        } else {
            let isUnderWay = conductor.calls[id] != nil
            if !isUnderWay { programRules.interruptions[id.step, default: 0] += 1 }
            receive(.event(.callFound(id, isUnderWay: isUnderWay)), by: conductor)
        }
    }

    /// What its lease does not cover any more is not begun.
    func drop(_ call: ActionCall, by conductor: SimulatedConductor) {
        guard conductor.calls[call.id] == nil else { return }
        programRules.interruptions[call.id.step, default: 0] += 1
        counts.dropped += 1
        receive(.event(.callFound(call.id, isUnderWay: false)), by: conductor)
    }

    func plan(_ id: PlanID, by conductor: SimulatedConductor) {
        guard conductor.plannings.insert(id).inserted else { return }
        put(.planned(conductor.number, id), in: chance.delay())
    }

    // MARK: Ends

    func planned(_ id: PlanID, by conductor: SimulatedConductor) {
        guard conductor.isAlive, conductor.plannings.remove(id) != nil else { return }
        guard let program = ledger.plans[id]?.spec.program else { return }
        receive(.event(.planned(id, programs.plan(program))), by: conductor)
    }

    func callEnds(_ id: ActionCall.ID, task: Int, by conductor: SimulatedConductor) {
        guard conductor.isAlive, let call = conductor.calls[id], call.task == task, call.end == nil else { return }
        var end = programs.end(of: call.call)
        if call.isCancelled, chance.oneIn(2) {
            end = CallEnd(.failed(StepError(.cancelled, "ended on request"), isFinal: true))
        }
        conductor.calls[id]?.end = end
        conductor.reported.append(id)
        if case .event(let payload) = call.call.kind { programRules.told(id.step, payload) }
        receive(.event(.callEnded(id, end)), by: conductor)
        if isChaotic, chance.oneIn(12) {
            counts.duplicates += 1
            put(.callEndsAgain(conductor.number, id, end), in: chance.delay())
        }
    }

    /// Ends that the Director has taken in are stored, and need not be kept.
    func callsAreStored(by conductor: SimulatedConductor) {
        var open: [ActionCall.ID] = []
        for id in conductor.reported {
            if conductor.core.director.isCurrent(id) {
                open.append(id)
            } else if let call = conductor.calls.removeValue(forKey: id) {
                if case .event(let payload) = call.call.kind { programRules.acknowledged(id.step, payload) }
            }
        }
        conductor.reported = open
    }

    // MARK: Checks

    /// A call leaves only when the store says so, and only when it may.
    private func checkBegin(_ call: ActionCall, by conductor: SimulatedConductor) {
        let id = call.id
        let name = "\(call.action) \(call.kind.family) of step \(id.step.plan.rawValue)/\(id.step.index)"
        guard let plan = ledger.plans[id.step.plan], plan.steps.indices.contains(Int(id.step.index)) else {
            verdict.violated("\(name) is begun and was never stored")
            return
        }
        verdict.expect(
            plan.row.state == .running,
            "\(name) is begun while its plan is \(plan.row.state)"
        )
        let step = plan.steps[Int(id.step.index)]
        if case .children = call.kind {
            // It may be told something meanwhile.
            verdict.expect(
                step.state == .suspended || step.state == .running && step.tries == id.number,
                "\(name) is begun while the step is \(step.state)"
            )
            return
        }
        verdict.expect(
            step.state == (call.kind.family == "skip" ? .skipping : .running) && step.tries == id.number
                && step.call?.invocation == id.invocation,
            "\(name) (try \(id.number), call \(id.invocation)) is begun while the store has it \(step.state) with "
                + "\(step.tries) tries and \(step.call?.invocation ?? 0) calls"
        )
        for other in conductor.calls.values where other.call.id.step == id.step && other.call.id.invocation > 0 {
            verdict.expect(
                other.isCancelled || other.end != nil,
                "\(name) is begun beside its \(other.call.kind.family), which is under way"
            )
        }
        checkQueue(call, name, by: conductor)
        programRules.checkBegin(call, step, in: plan, name)
    }

    private func checkQueue(_ call: ActionCall, _ name: String, by conductor: SimulatedConductor) {
        guard let queue = programRules.action(of: call.id.step)?.queue,
            let size = SimulatedPrograms.queues[queue]
        else { return }
        let busy = conductor.calls.values.count { other in
            other.queue == queue && other.call.id.invocation > 0 && !other.isCancelled && other.end == nil
        }
        verdict.expect(busy < size, "\(name) is begun in '\(queue)', which performs \(busy) of \(size) already")
    }
}
