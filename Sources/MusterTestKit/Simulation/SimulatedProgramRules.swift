import MusterCore

/// What must hold of plans of programs, after every turn that lands and at every call that begins.
final class SimulatedProgramRules {
    private struct Delivery: Hashable {
        let step: StepID
        let payload: String
    }

    private struct Try: Hashable {
        let step: StepID
        let number: Int32
    }

    let verdict: SimulatedVerdict
    private unowned let ledger: SimulatedLedger
    /// What was sent and neither delivered nor rejected, by plan and number.
    private(set) var signals: [PlanID: [Int64: SignalRow]] = [:]
    /// Events whose call has come to an end, and those of which that is stored.
    private var toldPayloads: Set<Delivery> = []
    private var acknowledgedPayloads: Set<Delivery> = []
    /// Tries whose `run` was begun.
    private var begun: Set<Try> = []
    private var skips: [Try: Int] = [:]
    /// How often a step's call was found not to be under way, or a person asked about its plan.
    var interruptions: [StepID: Int] = [:]
    private var asked: [PlanID: Int] = [:]
    /// Tokens of events that persons have sent, with what became of them.
    private(set) var sent: Set<String> = []
    /// Plans that a person wants ended by force.
    private(set) var aborted: Set<PlanID> = []
    /// Plans that went on after a pause.
    private var goneOn: Set<PlanID> = []
    /// Tells whether the store knows somebody as the holder of a limit.
    var holds: (StepID, String) -> Bool = { _, _ in true }

    init(ledger: SimulatedLedger) {
        self.ledger = ledger
        verdict = ledger.verdict
    }

    func action(of id: StepID) -> ActionSpec? {
        guard let plan = ledger.plans[id.plan], plan.steps.indices.contains(Int(id.index)) else { return nil }
        return action(of: plan.steps[Int(id.index)], in: plan)
    }

    func action(of step: StepRow, in plan: SimulatedLedger.Plan) -> ActionSpec? {
        guard let program = plan.spec.program, step.spec.action != .barrier else { return nil }
        return program.actions.indices.contains(Int(step.spec.a)) ? program.actions[Int(step.spec.a)] : nil
    }

    func told(_ step: StepID, _ payload: String) { toldPayloads.insert(Delivery(step: step, payload: payload)) }

    func acknowledged(_ step: StepID, _ payload: String) {
        acknowledgedPayloads.insert(Delivery(step: step, payload: payload))
    }

    // MARK: A call begins

    func checkBegin(_ call: ActionCall, _ step: StepRow, in plan: SimulatedLedger.Plan, _ name: String) {
        switch call.kind {
        case .run:
            let isNew = begun.insert(Try(step: call.id.step, number: call.id.number)).inserted
            verdict.expect(
                isNew || action(of: step, in: plan)?.recovery != .never,
                "\(name) is begun again in try \(call.id.number), which may not be repeated"
            )
            checkNeeds(step, in: plan, name)
            checkLimits(call.id.step, step, in: plan, name)
        case .event(let payload): checkEvent(payload, call.id.step, step, name)
        case .skip:
            let key = Try(step: call.id.step, number: call.id.number)
            skips[key, default: 0] += 1
            let allowed = 1 + interruptions[call.id.step, default: 0] + asked[call.id.step.plan, default: 0]
            verdict.expect(skips[key, default: 0] <= allowed, "\(name): one failure is dealt with again")
        case .finalize: checkFinalize(step, in: plan, name)
        case .revert: checkRevert(step, in: plan, name)
        case .reconcile, .cancel, .children, .childrenEnded: break
        }
        if let key = plan.spec.program?.singleton?.key { checkSingleton(key, plan, name) }
    }

    /// One plan at a time has the key, and only that one calls.
    private func checkSingleton(_ key: String, _ plan: SimulatedLedger.Plan, _ name: String) {
        verdict.expect(holds(StepID(plan: plan.id, index: -1), key), "\(name) is begun without '\(key)'")
        for id in ledger.unfinished where id != plan.id {
            guard let other = ledger.plans[id], other.spec.program?.singleton?.key == key else { continue }
            let isBusy = other.steps.contains { $0.state.isPerformed }
            verdict.expect(!isBusy, "\(name) is begun beside plan \(id.rawValue), and '\(key)' is one")
        }
    }

    private func checkNeeds(_ step: StepRow, in plan: SimulatedLedger.Plan, _ name: String) {
        for need in step.needs {
            let state = plan.steps[Int(need)].state
            verdict.expect(state.satisfiesNeeds, "\(name) is begun and needs step \(need), which is \(state)")
        }
        for need in step.needs.prefix(Int(step.spec.c)) {
            let state = plan.steps[Int(need)].state
            verdict.expect(state == .success, "\(name) is begun and uses the output of step \(need), which is \(state)")
        }
    }

    private func checkLimits(_ id: StepID, _ step: StepRow, in plan: SimulatedLedger.Plan, _ name: String) {
        for limit in action(of: step, in: plan)?.limits ?? [] {
            verdict.expect(holds(id, limit), "\(name) is begun without '\(limit)'")
        }
    }

    private func checkEvent(_ payload: String, _ id: StepID, _ step: StepRow, _ name: String) {
        let waiting = (signals[id.plan] ?? [:]).values.filter { $0.step == id }
        let row = waiting.filter { $0.payload == payload }.min { $0.number < $1.number }
        verdict.expect(row != nil, "\(name) is told '\(payload)', which does not wait for it")
        verdict.expect(step.call?.isWoken == true, "\(name) is told '\(payload)' while it runs")
        guard let row, row.token != nil else { return }
        verdict.expect(
            !acknowledgedPayloads.contains(Delivery(step: id, payload: payload)),
            "\(name) is told '\(payload)' again"
        )
        verdict.expect(
            !waiting.contains { $0.token != nil && $0.number < row.number },
            "\(name) is told '\(payload)' before what was sent earlier"
        )
    }

    private func checkFinalize(_ step: StepRow, in plan: SimulatedLedger.Plan, _ name: String) {
        verdict.expect(plan.row.phase == .finalize, "\(name) is begun in the phase \(plan.row.phase)")
        for other in plan.steps where other.index != step.index {
            let isFine = other.state.satisfiesNeeds || other.spec.action == .finalize && other.index > step.index
            verdict.expect(isFine, "\(name) is begun while step \(other.index) is \(other.state)")
            verdict.expect(!other.state.isPerformed, "\(name) is begun beside step \(other.index)")
        }
    }

    /// Exactly backwards, and only what began.
    private func checkRevert(_ step: StepRow, in plan: SimulatedLedger.Plan, _ name: String) {
        verdict.expect(plan.row.phase == .revert, "\(name) is begun in the phase \(plan.row.phase)")
        let source = step.spec.b
        verdict.expect(plan.steps[Int(source)].tries > 0, "\(name) undoes step \(source), which never began")
        var users: Set<StepIndex> = [source]
        for other in plan.steps where other.spec.action == .call || other.spec.action == .barrier {
            guard other.needs.contains(where: users.contains) else { continue }
            users.insert(other.index)
            guard other.tries > 0, action(of: other, in: plan)?.reverts == true else { continue }
            let undone = plan.steps.contains {
                $0.spec.action == .revert && $0.spec.b == other.index && $0.state.satisfiesNeeds
            }
            verdict.expect(undone, "\(name) undoes step \(source) before step \(other.index), which came after it")
        }
    }

    // MARK: A turn lands

    /// What a turn answers is known before its rows are.
    func answer(_ request: Request) {
        switch request {
        case .resume(let plan), .pause(let plan), .cancel(let plan), .abort(let plan), .revert(let plan):
            asked[plan, default: 0] += 1
            if case .abort = request { aborted.insert(plan) }
        case .retry(let step, _), .skip(let step): asked[step.plan, default: 0] += 1
        case .signal(_, _, _, let token): sent.insert(token)
        case .submit, .halt, .takeUp, .freeze, .report, .useModes: break
        }
    }

    func land(_ turn: Turn) {
        for row in turn.signalsSet { signals[row.step.plan, default: [:]][row.number] = row }
        var rejected: Set<String> = []
        for event in turn.events where event.kind == .planResumed { if let plan = event.plan { goneOn.insert(plan) } }
        for event in turn.events where event.kind == .signalRejected {
            if let token = event.detail?.split(separator: " ").first { rejected.insert(String(token)) }
        }
        for row in turn.signalsCleared {
            signals[row.step.plan]?[row.number] = nil
            guard let token = row.token, !row.isOptional else { continue }
            let isTold = toldPayloads.contains(Delivery(step: row.step, payload: row.payload))
            let hasEnded = ledger.plans[row.step.plan].map { $0.steps[Int(row.step.index)].state.hasEnded } ?? true
            // One that was being told when its step was ended from outside counts as told.
            verdict.expect(
                isTold || rejected.contains(token) || hasEnded || isTimed(row.step),
                "the event \(token) for step \(row.step.plan.rawValue)/\(row.step.index) is neither told nor rejected"
            )
        }
        for row in turn.plans { checkPlan(row, in: turn) }
        for row in turn.steps { checkStep(row) }
        for row in turn.plans where turn.newSpecs[row.id] != nil { checkBirth(row) }
    }

    private func isTimed(_ step: StepID) -> Bool { action(of: step)?.timeout != nil }

    private func checkStep(_ row: StepRow) {
        guard let plan = ledger.plans[row.plan], plan.spec.program != nil else { return }
        let step = plan.steps[Int(row.index)]
        let name = "step \(row.plan.rawValue)/\(row.index)"
        if step.state == .skipped, step.spec.action == .call {
            for other in plan.steps where other.spec.action == .call && other.state == .pending {
                verdict.expect(
                    !other.needs.prefix(Int(other.spec.c)).contains(row.index),
                    "\(name) is skipped, and step \(other.index), which uses its output, is not"
                )
            }
        }
        if step.state == .running || step.state == .suspended, let action = action(of: step, in: plan) {
            verdict.expect(
                action.timeout == nil || plan.timers[row.index] != nil,
                "\(name) is \(step.state) and its timeout is not set"
            )
            for limit in action.limits where step.spec.action == .call { checkUse(of: limit) }
        }
    }

    /// By the rows of steps alone, whatever the permits say.
    private func checkUse(of name: String) {
        guard let size = SimulatedPrograms.limits.first(where: { $0.name == name })?.size else { return }
        var users = 0
        for id in ledger.unfinished {
            guard let plan = ledger.plans[id], plan.spec.program != nil else { continue }
            for step in plan.steps where step.state == .running || step.state == .suspended {
                guard step.spec.action == .call else { continue }
                if action(of: step, in: plan)?.limits.contains(name) == true { users += 1 }
            }
        }
        verdict.expect(users <= size, "\(users) steps run within '\(name)', which lets \(size)")
    }

    private func checkPlan(_ row: PlanRow, in turn: Turn) {
        guard let plan = ledger.plans[row.id], let program = plan.spec.program else { return }
        let name = "plan \(row.id.rawValue) (\(program.name))"
        if row.phase == .finalize, row.state == .running,
            turn.events.contains(where: { $0.kind == .stepReopened && $0.plan == row.id })
        {
            let half = plan.steps.filter { $0.spec.action == .finalize && ($0.state == .success || $0.state == .error) }
            verdict.expect(half.isEmpty, "\(name) finalizes from the middle on")
        }
        guard row.state.isFinal else { return }
        verdict.expect(signals[row.id]?.isEmpty != false, "\(name) stops and events wait for it")
        if row.phase == .revert, !plan.wasHalted {
            for step in plan.steps where step.spec.action == .call && step.tries > 0 {
                guard action(of: step, in: plan)?.reverts == true else { continue }
                let undone = plan.steps.contains {
                    $0.spec.action == .revert && $0.spec.b == step.index && $0.state.satisfiesNeeds
                }
                verdict.expect(undone, "\(name) stops and step \(step.index) is not undone")
            }
        }
        if row.result == .success || row.result == .warning, row.phase != .revert {
            for step in plan.steps where step.spec.action == .call && step.state == .success {
                guard action(of: step, in: plan)?.finalizes == true else { continue }
                let isDone = plan.steps.contains {
                    $0.spec.action == .finalize && $0.spec.b == step.index && $0.state.satisfiesNeeds
                }
                verdict.expect(isDone, "\(name) stops and step \(step.index) is not finalized")
            }
        }
    }

    /// A scheduled plan has begun.
    func checkBeginning(_ plan: SimulatedLedger.Plan, at now: Timestamp) {
        guard let program = plan.spec.program else { return }
        let name = "plan \(plan.id.rawValue) (\(program.name))"
        verdict.expect(!plan.row.isFrozen, "\(name) begins while it is frozen")
        verdict.expect(program.startAt.map { $0 <= now } ?? true, "\(name) begins too early")
        verdict.expect(program.startBefore.map { $0 > now } ?? true, "\(name) begins too late")
        for other in program.prerequisites {
            let row = ledger.plans[other]?.row
            verdict.expect(
                row?.state.isFinal == true && row.map { program.prerequisiteRule.allows($0.result) } == true,
                "\(name) begins and waits for plan \(other.rawValue), which is \(row.map { "\($0.state)" } ?? "nothing")"
            )
        }
    }

    /// The rows of a step's sub-plans.
    func children(of step: StepID) -> [PlanRow] {
        ledger.plans.values.map(\.row).filter { $0.parent == step }.sorted { $0.id < $1.id }
    }

    private func checkBirth(_ row: PlanRow) {
        guard let parent = row.parent, let plan = ledger.plans[parent.plan] else { return }
        let name = "sub-plan \(row.id.rawValue) of step \(parent.plan.rawValue)/\(parent.index)"
        verdict.expect(!plan.row.isCancelling || plan.wasHalted, "\(name) is made while its parent is cancelled")
        guard let wanted = plan.steps[Int(parent.index)].call?.children else { return }
        let rows = children(of: parent)
        verdict.expect(rows.count <= wanted.total, "\(name) is one more than \(wanted.total)")
        let going = rows.filter { !$0.state.isFinal && $0.state != .paused }.count
        if let limit = wanted.limit {
            // One that was paused went on beside those that were made in its place.
            let resumed = rows.count { goneOn.contains($0.id) }
            verdict.expect(
                going <= limit + resumed || row.state.isFinal,
                "\(name): \(going) go at once, and \(limit) may"
            )
        }
    }
}

extension StepState {
    /// Whether a call of the step is performed.
    var isPerformed: Bool { self == .running || self == .skipping }
}
