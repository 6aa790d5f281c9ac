import DequeModule

/// Decides what one plan of a program's actions does: Dynflow's execution plan, on top of `PlanMachine`.
///
/// Its parts: calls (what their ends mean), signals (what is sent to suspended steps), children (sub-plans), ending
/// (rescue, finalize, revert, pause, stop), restoring. Calls that may begin are handed to the queues of the Director,
/// which says when each does.
///
/// ### Invariants
/// - one call of a step at a time; an event is delivered only to a suspended step, in the order they came;
/// - finalize steps run one after another, and only when no call has failed;
/// - a failure is dealt with once; what was reverted is undone in reverse order of dependency.
package struct ProgramMachine: Sendable {
    package var plan: PlanMachine
    package internal(set) var spec: RunSpec
    package internal(set) var program: ProgramSpec
    /// What each step stores besides, by step.
    var calls: [CallColumns] = []
    /// The steps whose outputs each step's input uses.
    var references: [[StepIndex]] = []

    // Signals.
    var signals: [StepIndex: Deque<SignalRow>] = [:]
    /// Those whose time is still to come.
    var later: [StepIndex: [SignalRow]] = [:]
    /// What the present call of a step delivers.
    var delivering: [StepIndex: SignalRow] = [:]
    var lastSignal: Int64 = 0

    // Waiting.
    /// Steps that stand in a queue, or wait for a limit.
    var queued: Set<StepIndex> = []
    /// The limits that a step still waits for, the one it has asked for first: one after another, in the same order for
    /// all, so that no two wait for what the other holds. -1 is the plan itself, for its singleton.
    var asking: [StepIndex: [String]] = [:]
    var holding: Set<StepIndex> = []
    /// Steps that asked before it was loaded, and have not asked again yet.
    var permitsLeft: Set<StepIndex> = []
    /// Steps whose present call a worker performs.
    var working: Set<StepIndex> = []
    /// Queues whose workers became free.
    var freed: [String] = []

    // Sub-plans.
    var childCounts: [StepIndex: ChildCounts] = [:]
    var planningChildren: [StepIndex: ActionCall.ID] = [:]
    /// Steps whose paused sub-plans are to go on.
    var resumesChildren: Set<StepIndex> = []
    /// What its parent was told of it.
    var toldParent: ChildStanding = .going

    /// Steps whose call a crash has interrupted, and which find out what became of it.
    var reconciling: Set<StepIndex> = []
    /// Suspended steps that are to be told that their plan is cancelled.
    var cancelled: Set<StepIndex> = []
    /// Those that were told, and went on waiting.
    var toldOfCancel: Set<StepIndex> = []
    /// Failed steps that are to be told that they are skipped.
    var skips: Set<StepIndex> = []
    /// Why the plan stops at the next quiet moment and waits for a person.
    var pauseReason: String?
    /// Prerequisites that have not ended yet.
    var awaited: Set<PlanID> = []
    /// Loaded, and not gone on with yet.
    package internal(set) var isHeld = false

    package init(row: PlanRow, spec: RunSpec, program: ProgramSpec) {
        plan = PlanMachine(row: row, slots: max(1, spec.parallel))
        self.spec = spec
        self.program = program
    }

    package var id: PlanID { plan.row.id }

    package func output(of step: StepIndex) -> String? { calls[Int(step)].output }
    /// What came of a step's sub-plans so far, as far as the plan knows.
    package func childCounts(of step: StepIndex) -> ChildCounts { childCounts[step] ?? ChildCounts() }

    func action(of step: StepIndex) -> ActionSpec {
        let index = Int(plan.spec(of: step).a)
        return program.actions.indices.contains(index) ? program.actions[index] : ActionSpec(name: program.name)
    }

    func stepID(_ step: StepIndex) -> StepID { StepID(plan: id, index: step) }

    /// Adds the steps of a plan that was just made.
    mutating func append(_ steps: [PlanSubmission.Step]) {
        plan.reserve(steps: plan.count + steps.count, edges: steps.reduce(0) { $0 + $1.needs.count })
        calls.reserveCapacity(plan.count + steps.count)
        for step in steps { append(step.spec, needs: step.needs) }
    }

    @discardableResult
    mutating func append(_ spec: StepSpec, needs: [StepIndex]) -> StepIndex {
        calls.append(CallColumns(input: nil))
        references.append(spec.action == .call && spec.c > 0 ? Array(needs.prefix(Int(spec.c))) : [])
        return plan.append(spec, needs: needs)
    }

    /// Puts what changed into the turn; says whether the plan is over.
    mutating func fillRows(into turn: inout Turn) -> Bool {
        let first = turn.steps.count
        plan.fillRows(into: &turn)
        for place in first..<turn.steps.count {
            let columns = calls[Int(turn.steps[place].index)]
            turn.steps[place].call = columns
        }
        return plan.row.state.isFinal
    }

    // MARK: Beginning

    /// Begins a plan whose steps are there. With a singleton it waits for its key first.
    mutating func begin(_ queues: inout WorkQueues, into turn: inout Turn) {
        if plan.row.state == .pending || plan.row.state == .scheduled { plan.become(.planning, into: &turn) }
        if plan.row.state == .planning { plan.become(.planned, into: &turn) }
        if let singleton = program.singleton, !holding.contains(Self.itself) {
            ask(Self.itself, for: [singleton.key], into: &turn)
            return
        }
        start(&queues, into: &turn)
    }

    /// The place in `asking` and `holding` of the plan itself.
    static let itself: StepIndex = -1

    /// Whether it goes on only when the key of its singleton is there.
    var waitsForKey: Bool { program.singleton != nil && !holding.contains(Self.itself) }

    /// Asks for the key of its singleton, where it has none: a plan that pauses lets go of it.
    mutating func askForKey(into turn: inout Turn) {
        guard let singleton = program.singleton, waitsForKey, asking[Self.itself] == nil else { return }
        ask(Self.itself, for: [singleton.key], into: &turn)
    }

    private mutating func start(_ queues: inout WorkQueues, into turn: inout Turn) {
        plan.become(.running, into: &turn)
        if plan.row.startedAt == nil { plan.row.startedAt = turn.now }
        plan.gateIsOpen = true
        turn.emit(.planStarted, plan: id)
        advance(&queues, into: &turn)
    }

    // MARK: Going on

    /// Hands on what may begin, and ends the present part when nothing is left to do in it.
    mutating func advance(_ queues: inout WorkQueues, into turn: inout Turn) {
        while plan.row.state == .running, mayGoOn {
            // What needs a barrier is ready with it.
            while plan.gateIsOpen, !plan.ready.isEmpty {
                for step in plan.takeReady() {
                    guard isOfPresentPart(step) else {
                        plan.leaveQueue(step)
                        continue
                    }
                    if plan.spec(of: step).action == .barrier || plan.spec(of: step).action == .noop {
                        plan.leaveQueue(step)
                        plan.finish(step, .success, into: &turn)
                    } else {
                        wait(step, &queues, into: &turn)
                    }
                }
            }
            guard partIsOver else { return }
            endPart(&queues, into: &turn)
        }
    }

    /// Without the key of its singleton a plan may only pause or be cancelled.
    private var mayGoOn: Bool {
        !waitsForKey || pauseReason != nil || plan.row.isCancelling && plan.row.phase == .main
    }

    private var partIsOver: Bool {
        guard !isHeld, plan.running == 0, skips.isEmpty else { return false }
        if plan.gateIsOpen, !plan.ready.isEmpty { return false }
        // A person's pause does not wait for what may take days.
        if pauseReason != nil { return true }
        guard plan.count(of: .suspended) == 0 else { return false }
        return !plan.gateIsOpen || (plan.isDrained && queued.isEmpty)
    }

    /// Has a step wait for what it needs besides its predecessors: its limits, then a worker.
    mutating func wait(_ step: StepIndex, _ queues: inout WorkQueues, into turn: inout Turn) {
        let action = action(of: step)
        queued.insert(step)
        let counts = plan.spec(of: step).action == .call && !action.limits.isEmpty && !holding.contains(step)
        if counts {
            ask(step, for: Set(action.limits).sorted(), into: &turn)
        } else {
            queues.add(stepID(step), to: action.queue, priority: action.priority)
        }
    }

    mutating func ask(_ step: StepIndex, for limits: [String], into turn: inout Turn) {
        guard let first = limits.first else { return }
        asking[step] = limits
        permitsLeft.remove(step)
        let priority = step == Self.itself ? 0 : action(of: step).priority
        turn.asks.append(PermitRow(step: stepID(step), limit: first, priority: priority))
    }

    /// What the plan holds of the limits that it asked for. A singleton that does not wait ends it when it is not
    /// there.
    mutating func permitsFound(
        _ held: [PermitRow],
        _ queues: inout WorkQueues,
        into turn: inout Turn
    ) {
        var byStep: [StepIndex: Set<String>] = [:]
        for permit in held { byStep[permit.step.index, default: []].insert(permit.limit) }
        for (step, limits) in asking.sorted(by: { $0.key < $1.key }) {
            let open = limits.drop { byStep[step]?.contains($0) == true }
            guard open.isEmpty else {
                if step == Self.itself, program.singleton?.waits == false { refuseSecond(into: &turn) }
                if open.count < limits.count { ask(step, for: Array(open), into: &turn) }
                continue
            }
            asking[step] = nil
            holding.insert(step)
            if step == Self.itself {
                if plan.row.state == .planned {
                    start(&queues, into: &turn)
                } else {
                    requeue(&queues, into: &turn)
                    advance(&queues, into: &turn)
                }
            } else if plan.mayStart(step), queued.contains(step) {
                queues.add(stepID(step), to: action(of: step).queue, priority: action(of: step).priority)
            } else {
                release(step, into: &turn)
            }
        }
    }

    private mutating func refuseSecond(into turn: inout Turn) {
        let key = program.singleton?.key ?? ""
        let reason = "another plan holds '\(key)', of which there is only one at a time"
        if plan.row.startedAt == nil {
            end(because: reason, code: .refused, into: &turn)
        } else {
            release(Self.itself, into: &turn)
            plan.gateIsOpen = false
            plan.row.state = .paused
            plan.row.reason = reason
            plan.rowIsDirty = true
            turn.emit(.planPaused, plan: id, detail: reason)
        }
    }

    /// Lets go of the limits that a step holds or waits for.
    mutating func release(_ step: StepIndex, into turn: inout Turn) {
        let asked = asking.removeValue(forKey: step) != nil
        let held = holding.remove(step) != nil
        let left = permitsLeft.remove(step) != nil
        guard asked || held || left else { return }
        let id = stepID(step)
        // What it has asked for in this very turn it does not want any more.
        if asked, !turn.asks.isEmpty { turn.asks.removeAll { $0.step == id } }
        turn.releases.append(id)
    }

    /// The steps that its root action has planned.
    mutating func takePlanning(_ planned: ChildPlan, into turn: inout Turn) {
        program.actions = planned.program.actions
        program.composites = planned.program.composites
        spec.program = program
        append(planned.steps)
        turn.newSpecs[id] = spec
    }

    /// What cannot be planned, or never was, is seen as one step of its root action.
    mutating func appendRootIfEmpty() {
        if plan.count == 0 { append(StepSpec(.call, input: program.input), needs: []) }
    }

    /// Ends a plan that never began, with the reason as the error of a step of its own.
    mutating func end(because reason: String, code: StepError.Code, into turn: inout Turn) {
        appendRootIfEmpty()
        plan.finish(0, .error, error: StepError(code, reason), into: &turn)
        plan.row.reason = reason
        stop(into: &turn)
    }
}

/// How a sub-plan counts for its parent.
enum ChildStanding: Hashable, Sendable {
    case going, succeeded, failed, paused

    init(_ row: PlanRow, result: PlanResult) {
        switch row.state {
        case .stopped: self = result == .success || result == .warning ? .succeeded : .failed
        case .paused: self = .paused
        case .pending, .scheduled, .planning, .planned, .running: self = .going
        }
    }
}
