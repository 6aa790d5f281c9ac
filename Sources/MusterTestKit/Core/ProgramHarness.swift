package import MusterCore
package import MusterEngine
package import MusterStore

/// A conductor without a thread over a store in memory, a clock moved by hand, and actions that end as a script says.
///
/// Everything a program's plan does goes through the same turns, rows and recovery as with a real conductor; only the
/// calls are made up. `restart` is a `kill -9` and the next start.
package struct ProgramHarness {
    package typealias Script = (ActionCall) -> CallEnd?

    package let store: MemoryStore
    package let time = ManualTime()
    package private(set) var core: ConductorCore
    /// What an action's call comes to; nil leaves it under way until `end` says so. Actions without a script succeed
    /// with the output `{}`.
    package var scripts: [String: Script] = [:]
    /// What the engine has a root action plan.
    package var planner: (ProgramSpec) -> Result<ChildPlan, StepError> = { _ in
        .failure(StepError(.noAction, "nobody plans here"))
    }
    /// Calls under way, in the order they began.
    package private(set) var underWay: [ActionCall] = []
    /// Every call that was ever begun: `a run`, `a event 7`, `a finalize`.
    package private(set) var story: [String] = []
    package private(set) var cancelled: [ActionCall.ID] = []
    /// How many calls were under way at once at most.
    package private(set) var busiest = 0

    private let queues: [String: Int]
    private var epochs: UInt64 = 1

    package init(queues: [String: Int] = [:]) throws(StoreError) {
        let time = time
        store = MemoryStore(clock: { time.now() })
        self.queues = queues
        core = try ConductorCore(store: store, identity: Self.identity(queues, seed: 1), time: time)
    }

    private static func identity(_ queues: [String: Int], seed: UInt64) -> ConductorCore.Identity {
        ConductorCore.Identity(host: "here", pid: 1, seed: seed, queues: queues)
    }

    // MARK: Asking

    /// Begins a plan; returns its number.
    @discardableResult
    package mutating func start(
        _ program: ProgramSpec,
        _ steps: [PlanSubmission.Step] = [],
        parallel: Int = 64,
        token: String? = nil
    ) throws(StoreError) -> PlanID {
        let position = try store.position()
        let token = token ?? "plan-\(story.count)-\(position)"
        var spec = RunSpec(verb: .plan, lab: "program", labDirectory: "/")
        spec.parallel = parallel
        spec.program = program
        try turn([.event(.submitted(PlanSubmission(token: token, spec: spec, steps: steps)))])
        guard let row = try store.plan(request: token) else { throw StoreError(.failed, "the plan was not made") }
        return row.id
    }

    package mutating func request(_ request: Request) throws(StoreError) {
        _ = try store.submit(request, at: time.now())
        try turn([.requestsArrived])
    }

    // MARK: Turns

    package mutating func turn(_ items: [Inbox.Item] = []) throws(StoreError) {
        var items = items
        repeat {
            let directives = try core.takeTurn(items)
            items = []
            for directive in directives { perform(directive, &items) }
        } while !items.isEmpty || core.timeToNextTimer() == .zero
    }

    private mutating func perform(_ directive: Directive, _ items: inout [Inbox.Item]) {
        switch directive {
        case .call(let call):
            guard !underWay.contains(where: { $0.id == call.id }) else { return }
            underWay.append(call)
            busiest = max(busiest, underWay.count)
            story.append("\(call.action) \(call.kind.word)")
        case .cancelCall(let id, _): cancelled.append(id)
        case .inquireCall(let id):
            items.append(.event(.callFound(id, isUnderWay: underWay.contains { $0.id == id })))
        case .plan(let id):
            if let program = core.director.program(id)?.program { items.append(.event(.planned(id, planner(program)))) }
        case .perform, .inquire, .interrupt, .watch, .lookUp: break
        default: break
        }
    }

    /// Lets calls end as their scripts say, oldest first, until nothing ends by itself any more.
    package mutating func run() throws(StoreError) {
        try turn()
        while let (place, end) = nextEnd() {
            let call = underWay.remove(at: place)
            try turn([.event(.callEnded(call.id, end))])
        }
    }

    /// The oldest call that its script lets end. Each script is asked until it answers, and never again.
    private func nextEnd() -> (place: Int, end: CallEnd)? {
        for (place, call) in underWay.enumerated() {
            if let end = end(of: call) { return (place, end) }
        }
        return nil
    }

    private func end(of call: ActionCall) -> CallEnd? {
        guard let script = scripts[call.action] else { return CallEnd(.succeeded, output: "{}") }
        return script(call)
    }

    /// Ends the oldest call of an action that is under way.
    package mutating func end(_ action: String, _ end: CallEnd) throws(StoreError) {
        guard let place = underWay.firstIndex(where: { $0.action == action }) else {
            throw StoreError(.failed, "no call of '\(action)' is under way")
        }
        let call = underWay.remove(at: place)
        try turn([.event(.callEnded(call.id, end))])
    }

    /// The oldest call of an action was not begun, or is gone.
    package mutating func lose(_ action: String) throws(StoreError) {
        guard let place = underWay.firstIndex(where: { $0.action == action }) else {
            throw StoreError(.failed, "no call of '\(action)' is under way")
        }
        try turn([.event(.callFound(underWay.remove(at: place).id, isUnderWay: false))])
    }

    /// The conductor is told to end: it begins nothing any more, and stores what comes of what is under way.
    package mutating func beginNoCalls() { core.beginNoCalls() }

    /// Lets time pass, and what becomes due happen.
    package mutating func pass(_ length: Duration) throws(StoreError) {
        let end = time.now() + length
        while let due = core.timeToNextTimer(), time.now() + due <= end {
            time.advance(by: due)
            try turn()
            try run()
        }
        time.advance(by: end - time.now())
        try turn()
        try run()
    }

    /// The conductor's process is killed, and started again: calls under way are gone.
    ///
    /// - Parameter keepsCalls: only what the conductor knew is lost, as after a commit without an answer.
    package mutating func restart(keepsCalls: Bool = false) throws(StoreError) {
        epochs += 1
        if !keepsCalls { underWay = [] }
        core = try ConductorCore(store: store, identity: Self.identity(queues, seed: epochs), time: time)
        try turn()
    }

    // MARK: Looking

    package func row(_ id: PlanID) throws(StoreError) -> PlanRow {
        guard let row = try store.plan(id) else { throw StoreError(.failed, "there is no plan \(id.rawValue)") }
        return row
    }

    /// The states of a plan's steps, in order.
    package func states(_ id: PlanID) throws(StoreError) -> [StepState] { try store.steps(of: id).map(\.state) }

    /// A plan's events, by their kinds.
    package func events(_ id: PlanID) throws(StoreError) -> [String] {
        try store.events(after: 0, plan: id, limit: .max).map(\.kind.rawValue)
    }
}

extension ActionCall.Kind {
    /// For people: what the call is for.
    package var word: String {
        switch self {
        case .run: "run"
        case .event(let payload): "event \(payload)"
        case .cancel(let isForced): isForced ? "abort" : "cancel"
        case .skip: "skip"
        case .finalize: "finalize"
        case .revert: "revert"
        case .reconcile: "reconcile"
        case .children(let from, let to): "children \(from)..<\(to)"
        case .childrenEnded: "children ended"
        }
    }
}

extension PlanSubmission.Step {
    /// A call of the action with this place in the program, which uses the output of `uses` and comes after `after`.
    package static func call(
        _ action: Int,
        uses: [StepIndex] = [],
        after: [StepIndex] = [],
        input: String = "{}"
    ) -> PlanSubmission.Step {
        PlanSubmission.Step(
            StepSpec(.call, a: Int32(action), c: Int32(uses.count), input: input),
            needs: uses + after
        )
    }
}
