import MusterCore
import MusterEngine
import MusterStore

/// What users ask of programs, at right and at wrong moments, and what is checked of their plans in between.
extension SimulatedWorld {
    var programRules: SimulatedProgramRules { ledger.programs }

    /// What a conductor is told of its queues: larger ones when that is planted.
    var queueSizes: [String: Int] {
        mutation == .queuesAreIgnored ? SimulatedPrograms.queues.mapValues { $0 + 9 } : SimulatedPrograms.queues
    }

    /// Who holds a limit is what the store says.
    func lookAtPermits() {
        let store = store
        ledger.programs.holds = { step, limit in
            (try? store.base.permits(of: nil).rows.contains { $0.step == step && $0.limit == limit }) == true
        }
    }

    // MARK: Moves

    private var programPlans: [PlanID] {
        ledger.unfinished.filter { ledger.plans[$0]?.spec.program != nil }
    }

    func startProgram() {
        guard ledger.unfinished.count < 9 else { return }
        let known = ledger.plans.keys.sorted().suffix(6).filter { ledger.plans[$0]?.row.verb == .plan }
        var program = programs.draw(for: Array(known), now: Timestamp(rawValue: now))
        var spec = RunSpec(
            verb: .plan,
            lab: SimulatedPrograms.labs[isShared ? chance.below(2) : 0],
            labDirectory: "/program"
        )
        counts.programs += 1
        let token = users.nextToken()
        if !isShared, chance.oneIn(2), let conductor = living.last {
            let steps = programs.stepsAtOnce(of: &program)
            spec.program = program
            receive(.event(.submitted(PlanSubmission(token: token, spec: spec, steps: steps))), by: conductor)
        } else {
            spec.program = program
            request(.submit(token: token, spec: spec))
        }
    }

    func disturbPrograms() {
        guard let id = chance.pick(programPlans), let plan = ledger.plans[id] else { return startProgram() }
        switch chance.below(24) {
        case 0..<3: startProgram()
        case 3..<7: sendSignal(to: plan)
        case 7, 8: request(.resume(id))
        case 9: request(.cancel(id))
        case 10: request(.abort(id))
        case 11: request(chance.oneIn(3) ? .halt(id) : .resume(id))
        case 12: request(.pause(id))
        case 13: request(.revert(id))
        case 14, 15: if let step = someStep(of: plan) { request(.skip(step)) }
        case 16, 17:
            let input = chance.oneIn(2) ? programs.drawInput() : nil
            if let step = someStep(of: plan) { request(.retry(step, input: input)) }
        case 18, 19: request(.freeze(id, chance.oneIn(3)))
        // Something of a plan that is over.
        case 20: if let any = chance.pick(ledger.plans.keys.sorted()) { askWrongly(any) }
        default: if agenda.isEmpty { startProgram() } else { step() }
        }
    }

    private func askWrongly(_ id: PlanID) {
        switch chance.below(5) {
        case 0: request(.pause(id))
        case 1: request(.revert(id))
        case 2: request(.skip(StepID(plan: id, index: 99)))
        case 3: request(.signal(StepID(plan: id, index: 0), payload: "x", isOptional: true, token: users.nextToken()))
        default: request(.freeze(PlanID(800_000), false))
        }
    }

    /// Mostly one that has failed.
    private func someStep(of plan: SimulatedLedger.Plan) -> StepID? {
        let failed = plan.steps.filter { $0.state == .error }
        let steps = failed.isEmpty || chance.oneIn(5) ? plan.steps : failed
        return chance.pick(steps).map { StepID(plan: plan.id, index: $0.index) }
    }

    /// Mostly to a step that waits for it, sometimes to one that runs, has ended, or is none.
    private func sendSignal(to plan: SimulatedLedger.Plan) {
        let calls = plan.steps.filter { $0.spec.action == .call && ($0.state == .suspended || $0.state == .running) }
        let index = chance.oneIn(6) ? StepIndex(chance.below(8)) : chance.pick(calls)?.index ?? 0
        let token = users.nextToken()
        counts.events += 1
        request(
            .signal(
                StepID(plan: plan.id, index: index),
                payload: "e-\(token)",
                isOptional: chance.oneIn(4),
                token: token
            )
        )
    }

    // MARK: After a turn

    /// Whatever a program's plan waits for is under way, set as a timer, granted by somebody else, or a person's to do.
    func checkProgram(_ plan: SimulatedLedger.Plan, by conductor: SimulatedConductor) {
        let name = "plan \(plan.id.rawValue) (\(plan.spec.program?.name ?? ""))"
        guard let machine = conductor.core.director.program(plan.id) else {
            verdict.violated("\(name) is \(plan.row.state) and its conductor does not know it")
            return
        }
        verdict.expect(
            machine.plan.row.state == plan.row.state,
            "\(name) is \(plan.row.state) in the store and \(machine.plan.row.state) in memory"
        )
        for step in plan.steps where step.state.isPerformed && !isAwaited(step, of: plan, by: conductor) {
            verdict.violated("step \(plan.id.rawValue)/\(step.index) is \(step.state) and nobody waits for its call")
        }
        for step in plan.steps where step.call?.children != nil {
            let id = StepID(plan: plan.id, index: step.index)
            checkChildren(id, machine)
        }
        if let due = nextDue(of: plan) {
            let next = conductor.core.timeToNextTimer()
            verdict.expect(
                next.map { $0 <= max(.zero, due - conductor.core.now()) } == true,
                "\(name) waits for a time that its conductor does not know"
            )
        }
    }

    private func isAwaited(
        _ step: StepRow,
        of plan: SimulatedLedger.Plan,
        by conductor: SimulatedConductor
    ) -> Bool {
        let id = ActionCall.ID(
            step: StepID(plan: plan.id, index: step.index),
            number: step.tries,
            invocation: step.call?.invocation ?? 0
        )
        if conductor.calls[id] != nil { return true }
        return conductor.inbox.contains { item in
            switch item {
            case .event(.callEnded(id, _)), .event(.callFound(id, _)): true
            default: false
            }
        }
    }

    /// When something of a plan is due by itself.
    private func nextDue(of plan: SimulatedLedger.Plan, slack: Duration = .zero) -> Timestamp? {
        let now = plan.row.state
        guard now == .running || now == .scheduled else { return nil }
        var due = Array(plan.timers.values) + (programRules.signals[plan.id] ?? [:]).values.compactMap(\.dueAt)
        if now == .scheduled, let program = plan.spec.program {
            due = [program.startAt, program.startBefore].compactMap(\.self)
        }
        let clock = owner(of: plan.row.lab)?.core.now()
        // What was due before and is not told yet waits for its step.
        return due.filter { due in clock.map { due + slack > $0 } ?? true }.min()
    }

    /// Whether time alone will bring something about.
    func isToCome(_ plan: SimulatedLedger.Plan) -> Bool {
        if nextDue(of: plan, slack: .seconds(2)) != nil { return true }
        return plan.row.state == .running && rateIsWaitedFor
    }

    private var rateIsWaitedFor: Bool { (try? store.base.permits(of: nil).nextGrantAt) ?? nil != nil }

    private func checkChildren(_ step: StepID, _ machine: ProgramMachine) {
        let rows = programRules.children(of: step)
        var counted = ChildCounts(planned: rows.count)
        for row in rows {
            switch (row.state, row.result) {
            case (.stopped, .success), (.stopped, .warning): counted.succeeded += 1
            case (.stopped, _): counted.failed += 1
            case (.paused, _): counted.paused += 1
            default: break
            }
        }
        let name = "step \(step.plan.rawValue)/\(step.index)"
        let stored = try? store.base.children(of: step)
        verdict.expect(stored == counted, "\(name) has sub-plans \(counted), and the store counts \(stored ?? counted)")
        let known = machine.childCounts(of: step.index)
        verdict.expect(known == counted, "\(name) has sub-plans \(counted), and its conductor counts \(known)")
    }

    /// As many hold a limit as may, and no oftener than its rate lets.
    func checkPermits() {
        guard let rows = try? store.base.permits(of: nil).rows else { return }
        for (name, held) in Dictionary(grouping: rows, by: \.limit).sorted(by: { $0.key < $1.key }) {
            let limit = SimulatedPrograms.limits.first { $0.name == name } ?? LimitRow(name: name, size: 1)
            if let size = limit.size {
                verdict.expect(held.count <= size, "\(held.count) hold '\(name)', which is for \(size)")
            }
            guard limit.interval > .zero else { continue }
            for permit in held where knownPermits.insert(permit.step).inserted {
                let moment = Timestamp(rawValue: now)
                for (place, before) in rateGrants.suffix(limit.burst + 3).reversed().enumerated() {
                    let allowed = limit.burst + Int((moment - before).microseconds / limit.interval.microseconds)
                    verdict.expect(
                        place + 2 <= allowed,
                        "'\(name)' is given \(place + 2) times within \(moment - before)"
                    )
                }
                rateGrants.append(moment)
            }
            knownPermits.formIntersection(Set(held.map(\.step)))
        }
    }

    // MARK: Calm

    /// Nothing is lost: what a plan waits for when nothing happens any more is a person's to do, or will be granted.
    func checkAtRest(_ plan: SimulatedLedger.Plan) {
        let name = "plan \(plan.id.rawValue) (\(plan.spec.program?.name ?? ""))"
        switch plan.row.state {
        case .paused: verdict.expect(plan.row.reason?.isEmpty == false, "\(name) is paused and does not say why")
        case .scheduled: checkScheduled(plan, name)
        case .planned:
            verdict.expect(
                plan.spec.program?.singleton?.waits == true && asksForSomething(plan),
                "\(name) is planned and does not begin"
            )
        case .running: checkRunning(plan, name)
        case .pending, .planning: verdict.violated("\(name) is \(plan.row.state) and nothing will happen any more")
        case .stopped: break
        }
    }

    private func checkScheduled(_ plan: SimulatedLedger.Plan, _ name: String) {
        let awaited = plan.spec.program?.prerequisites.filter { ledger.plans[$0]?.row.state.isFinal != true } ?? []
        verdict.expect(
            plan.row.isFrozen || !awaited.isEmpty,
            "\(name) is scheduled and nothing holds it back"
        )
    }

    /// Whether it waits for a permit that somebody else has.
    private func asksForSomething(_ plan: SimulatedLedger.Plan) -> Bool {
        let held = Set(((try? store.base.permits(of: nil).rows) ?? []).map(\.limit))
        return (try? store.base.load(nil, for: .sole))?.plans.first { $0.row.id == plan.id }?.permits.contains {
            !$0.isHeld && held.contains($0.limit)
        } == true
    }

    private func checkRunning(_ plan: SimulatedLedger.Plan, _ name: String) {
        let isAsking = asksForSomething(plan)
        var isAlive = isAsking
        for step in plan.steps {
            let id = StepID(plan: plan.id, index: step.index)
            switch step.state {
            case .suspended:
                isAlive = true
                verdict.expect(
                    !(plan.row.isCancelling && plan.row.phase == .main && programRules.aborted.contains(plan.id))
                        || step.call?.children != nil || programRules.action(of: id)?.isCancellable == true,
                    "step \(plan.id.rawValue)/\(step.index) is suspended, and its plan is aborted"
                )
                let waiting = (programRules.signals[plan.id] ?? [:]).values.filter { $0.step == id }
                verdict.expect(
                    waiting.isEmpty || isAsking,
                    "step \(plan.id.rawValue)/\(step.index) is suspended and is not told \(waiting.map(\.payload))"
                )
                if step.call?.children != nil {
                    let going = programRules.children(of: id).contains { !$0.state.isFinal && $0.state != .paused }
                    verdict.expect(
                        going || isAsking,
                        "step \(plan.id.rawValue)/\(step.index) is suspended and all of its sub-plans have ended"
                    )
                }
            case .running, .skipping:
                verdict.violated("step \(plan.id.rawValue)/\(step.index) is \(step.state) for ever")
            case .pending:
                let isReady = step.needs.allSatisfy { plan.steps[Int($0)].state.satisfiesNeeds }
                let isOfPhase = plan.row.phase == .main || step.spec.action != .call
                verdict.expect(
                    !isReady || !isOfPhase || isAsking || plan.row.isCancelling,
                    "step \(plan.id.rawValue)/\(step.index) could begin and does not"
                )
            case .success, .error, .skipped, .cancelled: break
            }
        }
        verdict.expect(isAlive, "\(name) runs and waits for nothing")
    }

    /// Persons do what plans wait for, and at last end what is left.
    func endPrograms(_ budget: inout Int) {
        guard performsPrograms else { return }
        programs.isCalm = true
        for round in 0..<10 where isRunning && !programPlans.isEmpty {
            for id in programPlans {
                guard let plan = ledger.plans[id] else { continue }
                switch plan.row.state {
                case .paused: request(round < 6 ? .resume(id) : .revert(id))
                case .scheduled where plan.row.isFrozen: request(.freeze(id, false))
                case .running: for step in plan.steps where step.state == .suspended { tellSomething(step, of: plan) }
                default: break
                }
            }
            settle(&budget)
        }
        for ask in [Request.cancel, Request.abort, Request.halt] where isRunning {
            for id in programPlans { request(ask(id)) }
            settle(&budget)
        }
        guard isRunning else { return }
        verdict.expect(programPlans.isEmpty, "plans \(programPlans.map(\.rawValue)) cannot be ended")
        let permits = (try? store.base.permits(of: nil).rows) ?? []
        verdict.expect(permits.isEmpty, "'\(permits.first?.limit ?? "")' is held by a plan that has ended")
    }

    private func tellSomething(_ step: StepRow, of plan: SimulatedLedger.Plan) {
        guard step.call?.children == nil else { return }
        let token = users.nextToken()
        let id = StepID(plan: plan.id, index: step.index)
        request(.signal(id, payload: "e-\(token)", isOptional: false, token: token))
    }

    /// What happened how often, for who looks whether the chaos reaches everything.
    func countPrograms() {
        for plan in ledger.plans.values where plan.spec.program != nil {
            if plan.row.parent != nil { counts.subPlans += 1 }
            counts.skipped += plan.steps.count { $0.state == .skipped }
            counts.reverted += plan.steps.count { $0.spec.action == .revert && $0.state == .success }
            counts.finalized += plan.steps.count { $0.spec.action == .finalize && $0.state == .success }
        }
        for event in (try? store.base.events(after: 0, plan: nil, limit: .max)) ?? [] {
            if event.kind == .stepSuspended { counts.suspended += 1 }
            if event.kind == .signalRejected { counts.rejected += 1 }
        }
    }
}
