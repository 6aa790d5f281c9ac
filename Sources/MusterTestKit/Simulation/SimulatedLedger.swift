import MusterCore

/// Everything that has landed in the store, turn by turn, and whether it may have: the rules that concern rows alone.
///
/// It looks only at what a turn touches, so that it can look after every commit.
final class SimulatedLedger {
    final class Plan {
        var row: PlanRow
        var spec: RunSpec
        var steps: [StepRow] = []
        var timers: [StepIndex: Timestamp] = [:]
        /// Steps that run, in the order they began.
        var running: [StepIndex] = []
        /// Places of each group in which a node was ready at some time while the plan went on.
        var filled: [Set<Int>]
        var tests: [TestKey: TestCount] = [:]
        var wasHalted = false
        /// The epoch of the conductor that was last asked to go on with it, or began it.
        var goneOnIn: Epoch?
        /// Whether it was being cancelled before the present turn.
        var wasCancelling = false

        init(row: PlanRow, spec: RunSpec) {
            self.row = row
            self.spec = spec
            filled = Array(repeating: [], count: spec.groups.count)
        }

        var id: PlanID { row.id }
    }

    struct TestKey: Hashable {
        let suite: String
        let test: String
    }

    /// What the stored attempts of one test add up to.
    struct TestCount {
        var attempts = 0
        var ownFailures = 0
        var infra = 0
        var isOver = false
    }

    let verdict: SimulatedVerdict
    private(set) var plans: [PlanID: Plan] = [:]
    /// Plans that are not stopped, by number.
    private(set) var unfinished: [PlanID] = []
    private(set) var nodes: [NodeID: NodeRow] = [:]
    private(set) var replay = EventReplay()
    private(set) var events = 0
    private(set) var refusedTokens: Set<String> = []
    private(set) var tokens: Set<String> = []
    private var withdrawn: Set<String> = []
    /// What was asked, by the number of its row.
    var asked: [Int64: Asked] = [:]
    /// Plans that a person has said to go on with, as the present turn answers.
    private var resumed: Set<PlanID> = []
    /// Steps that the present turn begins.
    private var parentsBegun: Set<StepID> = []

    struct Asked {
        let request: Request
        let isOfPerson: Bool
    }
    /// Whether an operation of this try runs on some machine now.
    var isUnderWay: (StepID, Int32) -> Bool = { _, _ in false }

    /// What must hold of plans of programs besides.
    private(set) lazy var programs = SimulatedProgramRules(ledger: self)

    init(verdict: SimulatedVerdict) { self.verdict = verdict }

    func spec(creating node: NodeRow) -> RunSpec? { plans[node.createdBy]?.spec }

    /// The nodes of a lab that are not gone, by number.
    func nodes(of lab: String) -> [NodeRow] {
        nodes.values.filter { $0.lab == lab && $0.state != .gone }.sorted { $0.id < $1.id }
    }

    /// This request was taken back before it was answered.
    func expectNever(_ token: String) {
        verdict.expect(!tokens.contains(token), "the request \(token) was taken back after it was done")
        withdrawn.insert(token)
    }

    // MARK: A turn lands

    func land(_ turn: Turn, into trace: inout TraceHash) {
        answer(turn)
        let scheduled = turn.plans.compactMap { plans[$0.id]?.row.state == .scheduled ? plans[$0.id] : nil }
        for row in turn.plans { land(row, newSpec: turn.newSpecs[row.id]) }
        // Whatever ended in the same turn may have been waited for.
        for plan in scheduled where plan.row.hasBegun { programs.checkBeginning(plan, at: turn.now) }
        parentsBegun = Set(
            turn.events.compactMap { event in
                guard event.kind == .stepStarted, let plan = event.plan, let step = event.step else { return nil }
                return StepID(plan: plan, index: step)
            }
        )
        let forgetful = turn.nodes.filter { $0.stepsStarted < nodes[$0.id]?.stepsStarted ?? 0 }
        for row in turn.nodes { land(row) }
        for event in turn.events { land(event) }
        var began: [StepID] = []
        for row in turn.steps where land(row) { began.append(StepID(plan: row.plan, index: row.index)) }
        for timer in turn.timersSet { plans[timer.step.plan]?.timers[timer.step.index] = timer.dueAt }
        for step in turn.timersCleared { plans[step.plan]?.timers[step.index] = nil }
        for row in turn.attempts { land(row) }
        for row in turn.steps { checkReturned(StepID(plan: row.plan, index: row.index)) }
        for node in forgetful { checkForgotten(node, in: turn) }
        for step in began { checkStart(step) }
        for row in turn.plans {
            checkPlan(row)
            plans[row.id]?.wasCancelling = row.isCancelling
        }
        programs.land(turn)
        compare(turn)
        hash(turn, into: &trace)
    }

    private func answer(_ turn: Turn) {
        resumed = []
        for number in turn.requestsDone {
            guard let asked = asked[number] else { continue }
            programs.answer(asked.request)
            switch asked.request {
            case .resume(let plan), .takeUp(let plan):
                if asked.isOfPerson { resumed.insert(plan) }
                plans[plan]?.goneOnIn = turn.epoch
            case .cancel(let plan): plans[plan]?.goneOnIn = turn.epoch
            case .retry(let step, _), .skip(let step): resumed.insert(step.plan)
            case .revert(let plan): resumed.insert(plan)
            case .submit, .halt, .pause, .abort, .signal, .freeze, .report, .useModes: break
            }
        }
    }

    private func land(_ event: EventRow) {
        events += 1
        if event.kind == .planResumed, let plan = event.plan, replay.plans[plan]?.state == .paused {
            // A sub-plan goes on with its parent.
            let isParents = plans[plan]?.row.parent.map(parentsBegun.contains) == true
            verdict.expect(
                resumed.contains(plan) || isParents,
                "plan \(plan.rawValue) is no longer paused, and nobody has said so"
            )
        }
        if let flaw = replay.apply(event) { verdict.violated("replay: \(flaw)") }
        switch event.kind {
        case .requestRefused:
            if let token = event.detail.flatMap({ Refusal($0)?.token }) { refusedTokens.insert(token) }
        // What happens within one turn only its events tell.
        case .nodeReady:
            guard let node = event.node.flatMap({ nodes[$0] }) else { return }
            for plan in unfinished { if let plan = plans[plan], plan.row.lab == node.lab { fill(node, in: plan) } }
        case .planResumed: if let plan = event.plan { plans[plan]?.wasCancelling = false }
        case .planHalted: if let plan = event.plan { plans[plan]?.wasHalted = true }
        default: break
        }
    }

    private func land(_ row: PlanRow, newSpec: RunSpec?) {
        if let plan = plans[row.id] {
            let isPlanned = plan.row.state == .planning && plan.steps.isEmpty
            verdict.expect(newSpec == nil || isPlanned, "plan \(row.id.rawValue) is made twice")
            if let newSpec { plan.spec = newSpec }
            verdict.expect(!plan.row.state.isFinal, "plan \(row.id.rawValue) changes after it has stopped")
            plan.wasCancelling = plan.row.isCancelling && row.isCancelling
            plan.row = row
        } else if let newSpec {
            let plan = Plan(row: row, spec: newSpec)
            verdict.expect(tokens.insert(row.request).inserted, "the request \(row.request) makes two plans")
            verdict.expect(!withdrawn.contains(row.request), "the request \(row.request) is done although taken back")
            for node in nodes(of: row.lab) where node.state == .ready { fill(node, in: plan) }
            plan.goneOnIn = row.epoch
            plans[row.id] = plan
            unfinished.append(row.id)
            unfinished.sort()
        } else {
            verdict.violated("plan \(row.id.rawValue) has a row and no request")
        }
        if row.state.isFinal { unfinished.removeAll { $0 == row.id } }
    }

    private func fill(_ node: NodeRow, in plan: Plan) {
        guard let group = plan.spec.groups.firstIndex(where: { $0.name == node.name.group }) else { return }
        plan.filled[group].insert(node.name.index)
    }

    private func land(_ row: NodeRow) {
        let old = nodes[row.id]
        verdict.expect(old?.state != .gone, "node \(row.id.rawValue) changes after it is gone")
        verdict.expect(plans[row.createdBy] != nil, "node \(row.id.rawValue) was made by no plan")
        nodes[row.id] = row
    }

    /// Says whether the step begins to run with this turn.
    private func land(_ row: StepRow) -> Bool {
        let name = "step \(row.plan.rawValue)/\(row.index)"
        guard let plan = plans[row.plan] else {
            verdict.violated("\(name) has no plan")
            return false
        }
        var row = row
        let old: StepRow?
        if row.isNew {
            guard Int(row.index) == plan.steps.count else {
                verdict.violated("\(name) is new, and \(plan.steps.count) are there")
                return false
            }
            row.isNew = false
            if row.call != nil { row = row.withStoredInput(of: row.spec) }
            plan.steps.append(row)
            old = nil
            verdict.expect(row.tries <= 1, "\(name) is new and was tried \(row.tries) times")
        } else {
            guard plan.steps.indices.contains(Int(row.index)) else {
                verdict.violated("\(name) changes and was never made")
                return false
            }
            old = plan.steps[Int(row.index)]
            row.needs = plan.steps[Int(row.index)].needs
            if row.call != nil { row = row.withStoredInput(of: plan.steps[Int(row.index)].spec) }
            plan.steps[Int(row.index)] = row
        }
        if let old { checkChange(of: row, from: old, name) }
        if old?.state == .running, row.state != .running || row.tries != old?.tries {
            plan.running.removeAll { $0 == row.index }
            // Not waited for: what a halt has ended, and what ended on request.
            // What was taken for started is settled when it was not.
            if row.state != .cancelled, let old, row.tries >= old.tries {
                verdict.expect(
                    !isUnderWay(StepID(plan: row.plan, index: row.index), old.tries),
                    "\(name) (\(row.spec.action)) becomes \(row.state) while its operation runs"
                )
            }
        }
        guard row.state == .running, old?.state != .running || row.tries != old?.tries else { return false }
        plan.running.append(row.index)
        return true
    }

    private func checkChange(of row: StepRow, from old: StepRow, _ name: String) {
        var (spec, oldSpec) = (row.spec, old.spec)
        (spec.input, oldSpec.input) = (nil, nil)
        verdict.expect(spec == oldSpec, "\(name): its spec changes")
        // One that was taken for started and never was has that try again.
        let isReturned = old.state == .running && row.tries == old.tries - 1 && row.state != .running
        verdict.expect(
            row.tries == old.tries || row.tries == old.tries + 1 || isReturned,
            "\(name): tries \(old.tries) → \(row.tries)"
        )
        // A finalize phase that is gone on with begins again.
        let maySucceedAgain = row.spec.action == .finalize
        verdict.expect(
            old.state != .success || row.state == .success || maySucceedAgain,
            "\(name): success → \(row.state)"
        )
        verdict.expect(
            old.state != .skipped || row.state == .skipped || maySucceedAgain,
            "\(name): skipped → \(row.state)"
        )
    }

    // MARK: Comparing

    /// What the events of a turn tell, and what its rows say, is the same.
    private func compare(_ turn: Turn) {
        for row in turn.plans {
            let told = replay.plans[row.id]?.state
            verdict.expect(
                EventReplay.agrees(told, row.state),
                "replay: plan \(row.id.rawValue) is \(row.state), events tell \(name(told))"
            )
        }
        for row in turn.steps {
            let told = replay.plans[row.plan]?.state(of: row.index)
            verdict.expect(
                told == row.state,
                "replay: step \(row.plan.rawValue)/\(row.index) (\(row.spec.action)) is \(row.state), events tell \(name(told))"
            )
        }
        for row in turn.nodes {
            let told = replay.nodes[row.id]
            verdict.expect(
                told == row.state.asReplayed,
                "replay: node \(row.id.rawValue) is \(row.state), events tell \(name(told))"
            )
        }
        for event in turn.events { compare(event) }
    }

    private func compare(_ event: EventRow) {
        if let plan = event.plan, event.kind != .requestRefused {
            let stored = plans[plan]?.row.state
            verdict.expect(
                EventReplay.agrees(replay.plans[plan]?.state, stored),
                "replay: \(event.kind.rawValue) of plan \(plan.rawValue), which is \(name(stored)) in the store"
            )
            // What was sent to a step that is none is told of that one, too.
            if event.kind == .signalRejected { return }
            if let step = event.step, let rows = plans[plan]?.steps {
                let state = rows.indices.contains(Int(step)) ? rows[Int(step)].state : nil
                verdict.expect(
                    replay.plans[plan]?.state(of: step) == state,
                    "replay: \(event.kind.rawValue) of step \(plan.rawValue)/\(step), which is \(name(state)) in the store"
                )
            }
        }
        if let node = event.node {
            let stored = nodes[node]?.state
            verdict.expect(
                replay.nodes[node] == stored?.asReplayed,
                "replay: \(event.kind.rawValue) of node \(node.rawValue), which is \(name(stored)) in the store"
            )
        }
    }

    private func name<State>(_ state: State?) -> String { state.map { "\($0)" } ?? "nothing" }

    private func hash(_ turn: Turn, into trace: inout TraceHash) {
        for row in turn.steps {
            trace.add(row.plan.rawValue << 20 | Int64(row.index))
            trace.add(row.state.rawValue)
            trace.add(row.tries)
            trace.add(row.spec.action.rawValue)
            trace.add((row.resource ?? row.spec.node)?.rawValue ?? 0)
            for need in row.needs { trace.add(need) }
        }
        for event in turn.events {
            trace.add(event.at.rawValue)
            trace.add(event.kind.rawValue)
            trace.add(event.detail ?? "")
        }
        for timer in turn.timersSet { trace.add(timer.dueAt.rawValue) }
    }
}

extension StepRow {
    /// As it is stored: an edited input in its spec.
    fileprivate func withStoredInput(of spec: StepSpec) -> StepRow {
        var row = self
        row.spec.input = call?.input ?? spec.input
        row.call?.input = nil
        // Barriers store nothing of the kind.
        if row.spec.action == .barrier || row.spec.action == .noop { row.call = nil }
        return row
    }
}

extension PlanRow {
    /// Whether it is past its waiting, by beginning.
    fileprivate var hasBegun: Bool {
        switch state {
        case .planning, .planned, .running, .paused: true
        case .pending, .scheduled: false
        case .stopped: startedAt != nil
        }
    }
}
