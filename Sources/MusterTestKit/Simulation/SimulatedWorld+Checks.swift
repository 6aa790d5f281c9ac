import MusterCore
import MusterEngine
import MusterStore

extension SimulatedWorld {
    // MARK: Acts

    /// Commit, then act: what leaves is intended in the store.
    func checkIntent(_ act: Act) {
        guard let steps = ledger.plans[act.step.plan]?.steps, steps.indices.contains(Int(act.step.index)) else {
            verdict.violated("\(name(act)) is performed and was never stored")
            return
        }
        let step = steps[Int(act.step.index)]
        verdict.expect(
            step.state == .running && step.tries == act.number,
            "try \(act.number) of \(name(act)) is performed while the store has it \(step.state) with \(step.tries) tries"
        )
    }

    /// At most one runner of a step, each operation once, and none of a step that has succeeded.
    func checkStart(_ act: Act, on machine: SimulatedMachines.Machine) {
        let key = SimulatedOperationKey(act)
        verdict.expect(
            (machines.operations[key]?.starts ?? 0) == 0,
            "try \(act.number) of \(name(act)) is started again"
        )
        // What no supervisor tells of, and a person had repeated all the same, may run on: on another machine only, as
        // on its own it is ended first.
        let others = machines.running(act.step).filter { other in
            !machines.doubted.contains(other) || machines.operations[other]?.act.node == act.node
        }
        verdict.expect(others.isEmpty, "two operations of \(name(act)) run at once")
        let step = ledger.plans[act.step.plan]?.steps[Int(act.step.index)]
        verdict.expect(step?.state != .success, "\(name(act)) is started after it has succeeded")
        verdict.expect(
            (step?.tries ?? 0) >= act.number,
            "try \(act.number) of \(name(act)) is started before it was decided"
        )
        if act.spec.action == .provision {
            verdict.expect(machine.begun.contains(act.spec.b - 1), "\(name(act)) comes before the entry above it")
        }
        if act.spec.action == .undo {
            verdict.expect(
                act.spec.b < (act.node.flatMap { ledger.nodes[$0]?.stepsStarted } ?? 0),
                "\(name(act)) undoes what was never started"
            )
        }
    }

    /// What was begun on a machine is undone before it goes.
    func checkUndone(_ node: NodeID, _ machine: SimulatedMachines.Machine, before act: Act) {
        guard let row = ledger.nodes[node],
            let group = ledger.spec(creating: row)?.groups.first(where: { $0.name == row.name.group })
        else { return }
        for entry in machine.begun where group.steps[Int(entry)].undo != nil {
            verdict.expect(
                machines.undone[node]?.contains(entry) == true,
                "\(name(act)) destroys \(row.name) before its entry \(entry) is undone"
            )
        }
    }

    /// Nobody acts after its term: others may be acting by then.
    func checkTerm(of conductor: SimulatedConductor, _ directive: Directive) {
        guard isShared else {
            verdict.expect(
                conductor.epoch == store.newestEpoch,
                "a conductor of epoch \(conductor.epoch) acts after epoch \(store.newestEpoch) had begun"
            )
            return
        }
        let plan: PlanID
        switch directive {
        case .perform(let act): plan = act.step.plan
        case .call(let call): plan = call.id.step.plan
        default: return
        }
        guard let lab = ledger.plans[plan]?.row.lab else { return }
        verdict.expect(
            store.owners[lab] == conductor.core.term,
            "conductor \(conductor.number) (epoch \(conductor.epoch)) acts in \(lab), which is "
                + (store.owners[lab].map { "that of conductor \($0.conductor.rawValue), epoch \($0.epoch)" }
                    ?? "nobody's")
        )
    }

    // MARK: After a turn

    /// Nothing is lost: whatever a plan waits for is under way, or will wake it.
    func check(_ conductor: SimulatedConductor, after items: [Inbox.Item]) {
        if performsPrograms { checkPermits() }
        guard conductor.isAlive, isShared || conductor.epoch == store.newestEpoch else { return }
        for id in ledger.unfinished {
            guard let plan = ledger.plans[id], knows(conductor, plan.row.lab) else { continue }
            if plan.spec.program != nil {
                checkProgram(plan, by: conductor)
                continue
            }
            guard let run = conductor.core.director.run(id) else {
                verdict.violated("plan \(id.rawValue) is \(plan.row.state) and its conductor does not know it")
                continue
            }
            verdict.expect(
                run.plan.row.state == plan.row.state,
                "plan \(id.rawValue) is \(plan.row.state) in the store and \(run.plan.row.state) in memory"
            )
            // Also of a run that nobody goes on with the acts in doubt are settled.
            for step in plan.running where !isAwaited(plan, step, by: conductor) {
                verdict.violated("step \(id.rawValue)/\(step) runs and nobody waits for its end")
            }
            if run.isHeld {
                checkHeld(plan, by: conductor)
            } else {
                checkWork(of: plan, by: conductor)
            }
        }
        if items.contains(where: { if case .requestsArrived = $0 { true } else { false } }) {
            let left = ((try? store.base.requests(after: 0)) ?? []).filter { row in
                row.lab.map { knows(conductor, $0) } ?? true
            }
            verdict.expect(left.isEmpty, "request \(left.first?.request.word ?? "") was read and not answered")
        }
    }

    /// Whether a conductor holds a lab and has taken it in: a read that fails between the two is made up for by its
    /// next look around.
    private func knows(_ conductor: SimulatedConductor, _ lab: String) -> Bool {
        !isShared || conductor.core.owns(lab) && owner(of: lab) === conductor
    }

    /// A run waits to be gone on with only until somebody asks; and where several conduct, they go on by themselves.
    private func checkHeld(_ plan: SimulatedLedger.Plan, by conductor: SimulatedConductor) {
        let name = "plan \(plan.id.rawValue) (\(plan.row.verb))"
        verdict.expect(!isShared, "\(name) is held, and nobody will ask to go on")
        verdict.expect(plan.goneOnIn != conductor.epoch, "\(name) is held although somebody asked to go on with it")
    }

    private func checkWork(of plan: SimulatedLedger.Plan, by conductor: SimulatedConductor) {
        let name = "plan \(plan.id.rawValue) (\(plan.row.verb))"
        switch plan.row.state {
        case .running:
            guard plan.running.isEmpty else { return }
            verdict.expect(!plan.timers.isEmpty, "\(name) runs with nothing under way and nothing to come")
            if let due = plan.timers.values.min() {
                let next = conductor.core.timeToNextTimer()
                verdict.expect(
                    next.map { $0 <= max(.zero, due - conductor.core.now()) } == true,
                    "\(name) waits for a timer that its conductor does not know"
                )
            }
        case .pending:
            let goesOn = ledger.unfinished.contains { other in
                guard other != plan.id, let rival = ledger.plans[other], rival.row.lab == plan.row.lab else {
                    return false
                }
                return conductor.core.director.run(other)?.isHeld == false && rival.row.state != .paused
            }
            verdict.expect(goesOn, "\(name) waits for others, and none of them goes on")
        case .paused, .stopped: break
        case .scheduled, .planning, .planned: verdict.violated("\(name) is stored as \(plan.row.state)")
        }
    }

    private func isAwaited(
        _ plan: SimulatedLedger.Plan,
        _ step: StepIndex,
        by conductor: SimulatedConductor
    ) -> Bool {
        let id = StepID(plan: plan.id, index: step)
        let number = plan.steps[Int(step)].tries
        if conductor.underWay[SimulatedOperationKey(step: id, number: number)] != nil { return true }
        return conductor.inbox.contains { item in
            switch item {
            case .event(.actEnded(let act, _)), .event(.actFound(let act, _)): act.step == id && act.number == number
            default: false
            }
        }
    }

    /// A timer that is long due was handled, as long as its conductor could.
    func checkTimers() {
        for id in ledger.unfinished {
            guard let plan = ledger.plans[id], plan.row.state == .running, let conductor = owner(of: plan.row.lab),
                conductor.sleepsUntil <= now, conductor.inbox.isEmpty,
                conductor.core.director.run(id)?.isHeld == false || plan.spec.program != nil
            else { continue }
            for (step, due) in plan.timers {
                verdict.expect(
                    due + .seconds(1) >= conductor.core.now(),
                    "the timer of step \(id.rawValue)/\(step) was due long ago"
                )
            }
        }
    }

    // MARK: Calm

    private static let calmEventsMax = 50_000

    /// The faults stop. Users go on with what was interrupted or is paused; everything ends or says why not; then
    /// everything is taken down, and nothing is left behind.
    func becomeCalm() {
        tell?("from here on nothing goes wrong")
        calmSince = now
        store.isFaulty = false
        if !isShared { for conductor in living where conductor.epoch != store.newestEpoch { crash(conductor) } }
        if living.isEmpty { put(.start, in: 0) }
        for conductor in living {
            conductor.sleepsUntil = 0
            wake(conductor, in: 0)
        }
        var budget = Self.calmEventsMax
        settle(&budget)
        goOn(with: { $0.spec.program == nil }, rounds: 6, &budget)
        for token in submittedTokens.values.sorted() where isRunning {
            verdict.expect(
                ledger.tokens.contains(token) || ledger.refusedTokens.contains(token),
                "nobody answered the request \(token)"
            )
        }
        endPrograms(&budget)
        takeEverythingDown(&budget)
        if isRunning { compareWithStore() }
    }

    /// Nothing will happen any more but that conductors look after each other.
    private var isQuiet: Bool {
        guard isShared else { return agenda.isEmpty }
        // Longer than a take-over takes.
        guard agenda.count == turnsToCome, now > lastWork + 12_000_000 else { return false }
        return !ledger.unfinished.contains { id in
            guard let plan = ledger.plans[id], !plan.row.state.isFinal else { return false }
            if plan.spec.program != nil { return isToCome(plan) }
            return plan.row.state == .running
                && plan.timers.values.contains { $0 + .seconds(2) > (owner(of: plan.row.lab)?.core.now() ?? $0) }
        }
    }

    func settle(_ budget: inout Int) {
        lastWork = now
        while isRunning, !isQuiet {
            budget -= 1
            counts.happenings += 1
            guard budget > 0 else {
                verdict.violated("it goes on for ever: \(agenda.elements.first.map { "\($0)" } ?? "")")
                return
            }
            step()
        }
        guard isRunning else { return }
        checkTimers()
        verdict.expect(!living.isEmpty, "nobody conducts, and nobody starts")
        for conductor in living {
            verdict.expect(
                conductor.inbox.isEmpty,
                "something has arrived and nothing wakes conductor \(conductor.number): \(conductor.inbox.count)"
            )
        }
        let left = (try? store.base.requests(after: 0)) ?? []
        verdict.expect(left.isEmpty, "request \(left.first?.request.word ?? "") lies in the inbox")
        for id in ledger.unfinished {
            guard let lab = ledger.plans[id]?.row.lab else { continue }
            guard let conductor = owner(of: lab) else {
                verdict.violated("plan \(id.rawValue) has no owner, and nobody takes \(lab) over")
                return
            }
            if let plan = ledger.plans[id], plan.spec.program != nil {
                checkAtRest(plan)
                continue
            }
            if let plan = ledger.plans[id], conductor.core.director.run(id)?.isHeld == true {
                checkHeld(plan, by: conductor)
                continue
            }
            verdict.expect(
                ledger.plans[id]?.row.state == .paused,
                "plan \(id.rawValue) is \(ledger.plans[id]?.row.state.rawValue ?? "") and nothing will happen any more"
            )
        }
        verdict.expect(!machines.isAnythingRunning, "operations run and nothing will end them")
    }

    private func goOn(with isWanted: (SimulatedLedger.Plan) -> Bool, rounds: Int, _ budget: inout Int) {
        for _ in 0..<rounds where isRunning {
            let open = ledger.unfinished.filter { ledger.plans[$0].map(isWanted) == true }
            if open.isEmpty { return }
            for plan in open { request(.resume(plan)) }
            settle(&budget)
        }
        for id in ledger.unfinished where isRunning {
            guard let row = ledger.plans[id]?.row, ledger.plans[id]?.spec.program == nil else { continue }
            counts.paused += 1
            verdict.expect(
                row.state == .paused && row.reason?.isEmpty == false,
                "plan \(id.rawValue) is \(row.state) for ever and does not say why"
            )
        }
    }

    private func takeEverythingDown(_ budget: inout Int) {
        for lab in users.names where isRunning {
            request(.submit(token: users.nextToken(), spec: RunSpec(verb: .down, lab: lab, labDirectory: "/lab")))
            settle(&budget)
        }
        guard isRunning else { return }
        verdict.expect(
            ledger.unfinished.isEmpty,
            "plans \(ledger.unfinished.map(\.rawValue)) are left after everything was taken down"
        )
        for lab in users.names {
            for node in ledger.nodes(of: lab) { verdict.violated("node \(node.name) is left: \(node.state)") }
        }
        verdict.expect(machines.existing.isEmpty, "machines of \(machines.existing.map(\.rawValue)) are left behind")
    }

    /// What is stored is what landed, and the stored events tell the stored states.
    private func compareWithStore() {
        do throws(StoreError) {
            let events = try store.base.events(after: 0, plan: nil, limit: .max)
            var replay = EventReplay()
            for event in events { replay.apply(event) }
            for row in try store.base.plans(lab: nil, limit: .max) {
                let told = replay.plans[row.id] ?? EventReplay.Plan()
                verdict.expect(
                    EventReplay.agrees(told.state, row.state),
                    "replay: plan \(row.id.rawValue) is \(row.state)"
                )
                var landed = ledger.plans[row.id]?.row
                // A claim changes it without a turn.
                landed?.epoch = row.epoch
                verdict.expect(landed == row, "plan \(row.id.rawValue) is stored otherwise")
                let steps = try store.base.steps(of: row.id)
                verdict.expect(steps == ledger.plans[row.id]?.steps, "steps of \(row.id.rawValue) are stored otherwise")
                for step in steps {
                    verdict.expect(
                        told.state(of: step.index) == step.state,
                        "replay: step \(row.id.rawValue)/\(step.index) is \(step.state)"
                    )
                }
                let timers = try store.base.timers(of: row.id)
                verdict.expect(timers.isEmpty, "plan \(row.id.rawValue) has stopped and has timers")
                let signals = try store.base.signals(of: row.id)
                verdict.expect(signals.isEmpty, "plan \(row.id.rawValue) has stopped and events wait for it")
            }
            for node in try store.base.nodes(lab: nil, includingGone: true) {
                verdict.expect(
                    replay.nodes[node.id] == node.state.asReplayed,
                    "replay: node \(node.id.rawValue) is \(node.state)"
                )
                verdict.expect(ledger.nodes[node.id] == node, "node \(node.id.rawValue) is stored otherwise")
            }
        } catch {
            verdict.violated("the store cannot be read: \(error)")
        }
    }
}
