import MusterCore

/// The programs of a simulated world: what their root actions plan, and what comes of each call.
///
/// Both are functions of names and numbers, as a program's code is: whoever asks again gets the same answer.
final class SimulatedPrograms {
    /// What a root action plans.
    struct Definition {
        var actions: [ActionSpec]
        var steps: [PlanSubmission.Step]
        /// Why it cannot be planned; nil when it can.
        var flaw: StepError?
    }

    static let labs = ["works", "mail"]
    /// How many calls each conductor performs at once.
    static let queues = ["default": 3, "slow": 1]
    /// `key…` are those of singletons, which nobody defines.
    static let limits = [
        LimitRow(name: "two", size: 2),
        LimitRow(name: "one", size: 1),
        LimitRow(name: "rate", size: nil, interval: .seconds(2), burst: 2),
    ]

    private let chance: SimulatedChance
    private let salt: UInt64
    private let skipFailures: Int
    /// By the input of their root actions.
    private var definitions: [String: Definition] = [:]
    private var lastName = 0
    /// Nothing fails any more.
    var isCalm = false

    /// - Parameter skipFailures: so many of a thousand skip handlers fail.
    init(chance: SimulatedChance, skipFailures: Int = 150) {
        self.chance = chance
        self.skipFailures = skipFailures
        salt = chance.next()
    }

    // MARK: Drawing

    /// A program as a user starts it.
    func draw(for plans: [PlanID], now: Timestamp) -> ProgramSpec {
        lastName += 1
        let definition = drawDefinition(depth: 0)
        let name = "p\(lastName)"
        definitions[name] = definition
        var program = ProgramSpec(name: name, input: name)
        if chance.oneIn(6) { program.startAt = now + .seconds(chance.from(1, to: 60)) }
        if chance.oneIn(10) { program.isFrozen = true }
        if chance.oneIn(6) {
            program.prerequisites = Array(Set((0..<chance.from(1, to: 2)).compactMap { _ in chance.pick(plans) }))
                .sorted()
            if chance.oneIn(15) { program.prerequisites.append(PlanID(900_000)) }
            program.prerequisiteRule = chance.oneIn(2) ? .ended : .succeeded
        }
        if program.isDelayed, chance.oneIn(3) { program.startBefore = now + .seconds(chance.from(30, to: 120)) }
        if chance.oneIn(5) {
            program.singleton = SingletonSpec(key: "key\(chance.below(2))", waits: !chance.oneIn(3))
        }
        program.rescuesByItself = !chance.oneIn(8)
        program.revertsWhenCancelled = chance.oneIn(3)
        return program
    }

    /// The steps of a program that are sent with it; nil when its root action plans them.
    func stepsAtOnce(of program: inout ProgramSpec) -> [PlanSubmission.Step] {
        guard let input = program.input, let definition = definitions[input], definition.flaw == nil else { return [] }
        program.input = nil
        program.actions = definition.actions
        return definition.steps
    }

    private func drawDefinition(depth: Int) -> Definition {
        var actions: [ActionSpec] = []
        let common = RescueStrategy.allCases[chance.below(4)]
        for index in 0..<chance.from(1, to: 4) { actions.append(drawAction(index, common, depth: depth)) }
        var steps: [PlanSubmission.Step] = []
        for index in 0..<chance.from(depth == 0 ? 1 : 0, to: depth == 0 ? 6 : 2) {
            var uses: [StepIndex] = []
            var after: [StepIndex] = []
            for other in 0..<StepIndex(index) {
                guard steps[Int(other)].spec.action == .call else { continue }
                if chance.oneIn(4) { uses.append(other) } else if chance.oneIn(5) { after.append(other) }
            }
            if depth == 0, chance.oneIn(12) {
                let all = (0..<StepIndex(index)).filter { _ in chance.oneIn(2) }
                steps.append(PlanSubmission.Step(StepSpec(.barrier), needs: all))
                continue
            }
            let spec = StepSpec(
                .call,
                a: Int32(chance.below(actions.count)),
                c: Int32(uses.count),
                input: "\(chance.below(1_000_000))"
            )
            steps.append(PlanSubmission.Step(spec, needs: uses + after))
        }
        let flaw = depth == 0 && chance.oneIn(25) ? StepError(.thrown, "it cannot be planned") : nil
        return Definition(actions: actions, steps: steps, flaw: flaw)
    }

    private func drawAction(_ index: Int, _ common: RescueStrategy, depth: Int) -> ActionSpec {
        var action = ActionSpec(name: (depth == 0 && chance.oneIn(4) ? "parent" : "action") + "\(index)")
        action.rescue = chance.oneIn(4) ? RescueStrategy.allCases[chance.below(4)] : common
        if chance.oneIn(3) {
            action.retry = RetryPolicy(times: chance.from(1, to: 2), every: .seconds(chance.below(4)), backoff: 2)
        }
        action.recovery = [.idempotent, .reconcile, .never, .infra][chance.below(4)]
        action.queue = chance.oneIn(3) ? "slow" : "default"
        action.priority = Int64(chance.below(3))
        if chance.oneIn(4) { action.limits = [["two"], ["one"], ["rate"], ["two", "one"]][chance.below(4)] }
        if chance.oneIn(4) { action.timeout = .seconds(chance.from(2, to: 40)) }
        action.finalizes = chance.oneIn(3)
        action.reverts = chance.oneIn(2)
        action.handlesSkip = chance.oneIn(2)
        action.isCancellable = chance.oneIn(2)
        return action
    }

    /// Another input for a step that is tried again.
    func drawInput() -> String { "\(chance.below(1_000_000))" }

    // MARK: Behaving

    /// What a root action plans.
    func plan(_ program: ProgramSpec) -> Result<ChildPlan, StepError> {
        guard let definition = program.input.flatMap({ definitions[$0] }) else {
            return .failure(StepError(.noAction, "no action '\(program.name)'"))
        }
        if let flaw = definition.flaw { return .failure(flaw) }
        var planned = ProgramSpec(name: program.name)
        planned.actions = definition.actions
        return .success(ChildPlan(program: planned, steps: definition.steps))
    }

    /// A number that depends on nothing but what a call is.
    private func number(_ call: ActionCall) -> Int {
        var hash = TraceHash()
        hash.add(salt)
        hash.add(call.action)
        hash.add(call.input ?? "")
        hash.add(call.kind.family)
        hash.add(call.id.number)
        if case .event(let payload) = call.kind { hash.add(payload) }
        if case .children(let from, _) = call.kind { hash.add(from) }
        return Int(truncatingIfNeeded: SeededHash.mixed(hash.value) >> 2) % 1000
    }

    /// What comes of a call that nobody disturbs.
    func end(of call: ActionCall) -> CallEnd {
        let number = number(call)
        let output = "{\"\(call.kind.family)\":\(number)}"
        switch call.kind {
        case .run, .reconcile:
            if case .reconcile = call.kind, number < 400 { return CallEnd(.neverStarted) }
            if call.action.hasPrefix("parent"), number < 800 { return spawned(number, output) }
            return ended(call, number, output, suspends: 250, fails: 200)
        case .event: return ended(call, number, output, suspends: 300, fails: 120)
        case .cancel: return ended(call, number, output, suspends: 60, fails: 300)
        case .skip:
            if number < 50 { return CallEnd(.suspended) }
            return ended(call, number, nil, suspends: 0, fails: skipFailures)
        case .finalize: return ended(call, number, output, suspends: 0, fails: 100)
        case .revert: return ended(call, number, nil, suspends: 0, fails: 150)
        case .children(let from, let to): return children(call, number, from, to)
        case .childrenEnded(let counts):
            if counts.failed + counts.paused > 0, number < 500 {
                return CallEnd(.failed(StepError(.children, "some sub-plans failed"), isFinal: number < 250))
            }
            return CallEnd(.succeeded, output: output)
        }
    }

    private func ended(_ call: ActionCall, _ number: Int, _ output: String?, suspends: Int, fails: Int) -> CallEnd {
        let failing = isCalm ? fails / 4 : fails
        if number < failing {
            // Some programs lack an action; most errors may pass.
            let code: StepError.Code = number % 25 == 0 ? .noAction : .thrown
            return CallEnd(.failed(StepError(code, "broken \(number)"), isFinal: number % 4 == 0), output: output)
        }
        guard number < failing + suspends else { return CallEnd(.succeeded, output: output) }
        var wakes: [CallEnd.Wake] = []
        for place in 0..<(number % 3) {
            let wake = CallEnd.Wake(
                payload: "w\(call.id.number)-\(call.id.invocation)-\(place)",
                delay: .seconds((number + place * 7) % 20),
                key: number % 5 == 0 ? "key" : nil
            )
            wakes.append(wake)
        }
        return CallEnd(.suspended, output: output, wakes: wakes)
    }

    private func spawned(_ number: Int, _ output: String) -> CallEnd {
        CallEnd(.spawned(total: number % 6, limit: number % 2 == 0 ? 1 + number % 3 : nil), output: output)
    }

    private func children(_ call: ActionCall, _ number: Int, _ from: Int, _ to: Int) -> CallEnd {
        if number < 60 { return CallEnd(.failed(StepError(.thrown, "cannot plan"), isFinal: true)) }
        let count = number < 200 ? (to - from) / 2 : to - from
        var children: [ChildPlan] = []
        for place in from..<(from + count) {
            var program = ProgramSpec(name: "child")
            var action = ActionSpec(name: "child\(number % 3)")
            action.rescue = RescueStrategy.allCases[(number + place) % 4]
            action.reverts = place % 2 == 0
            action.limits = number % 7 == 0 ? ["two"] : []
            action.isCancellable = number % 2 == 0
            program.actions = [action]
            program.revertsWhenCancelled = number % 5 == 0
            let steps = (0..<(1 + (number + place) % 2)).map { index in
                PlanSubmission.Step(
                    StepSpec(.call, c: Int32(index), input: "\(number)-\(place)-\(index)"),
                    needs: index == 0 ? [] : [0]
                )
            }
            children.append(ChildPlan(program: program, steps: steps))
        }
        return CallEnd(.children(children))
    }
}

/// Spreads what differs in one bit over all of them (SplitMix64's finalizer, Steele, Lea and Flood 2014).
private enum SeededHash {
    static func mixed(_ value: UInt64) -> UInt64 {
        var z = value
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}

extension ActionCall.Kind {
    /// Which of them it is, whatever it carries.
    var family: String {
        switch self {
        case .run: "run"
        case .event: "event"
        case .cancel: "cancel"
        case .skip: "skip"
        case .finalize: "finalize"
        case .revert: "revert"
        case .reconcile: "reconcile"
        case .children: "children"
        case .childrenEnded: "childrenEnded"
        }
    }
}
