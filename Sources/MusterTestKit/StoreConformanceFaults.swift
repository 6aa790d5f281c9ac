import MusterCore
import MusterStore

extension StoreConformance {
    static let faultChecks: [Check] = [
        Check("whichever commit fails, and however, a client that loads again ends at the same state") { subject in
            let (wanted, commits) = try finish(FaultyStore(try subject.make(), script: [:]))
            try equal(commits, 10, "commits of an undisturbed run")
            for place in 1...commits {
                for fault in FaultyStore.Fault.allCases {
                    let store = FaultyStore(try subject.make(), script: [place: fault])
                    let (found, _) = try finish(store)
                    try equal(store.faults, [fault: 1], "faults at commit \(place)")
                    try equal(found, wanted, "the end after \(fault) at commit \(place)")
                }
            }
        },
        Check("however many commits fail, a client that loads again ends at the same state") { subject in
            let (wanted, _) = try finish(FaultyStore(try subject.make(), script: [:]))
            try equal(wanted.plans.map(\.state), [.stopped], "the plans of an undisturbed run")
            for seed in 1...20 as ClosedRange<UInt64> {
                let store = FaultyStore(try subject.make(), failing: 0.5, using: Sequence(seed: seed))
                let (found, _) = try finish(store)
                try equal(found, wanted, "the end after the faults of seed \(seed)")
            }
        },
    ]

    /// All that a store says of a finished piece of work.
    private struct End: Equatable {
        var plans: [PlanRow]
        var steps: [StepRow]
        var nodes: [NodeRow]
        var timers: [TimerRow]
        var attempts: [AttemptRow]
        var events: [EventRow]
        var inbox: [RequestRow]
        var spec: RunSpec?
    }

    /// Does one run to its end, one small turn after the other, loading again whenever a commit fails.
    private static func finish(_ store: FaultyStore) throws -> (End, commits: Int) {
        let epoch = try store.register(host: "host", pid: 1, now: Sample.at)
        _ = try store.submit(.submit(token: "request-1", spec: Sample.spec()), at: Sample.at)
        for _ in 0..<1_000 {
            guard let turn = try next(store, epoch) else { return (try end(of: store), store.commits) }
            try commit(turn, to: store)
        }
        throw Failure(description: "a small run did not end within 1,000 turns")
    }

    /// Whether a turn that failed was written is open: the next one is decided by what the store says.
    private static func commit(_ turn: Turn, to store: FaultyStore) throws(StoreError) {
        do throws(StoreError) {
            try store.commit(turn)
        } catch {
            if error.code == .fenced { throw error }
        }
    }

    private static func end(of store: FaultyStore) throws -> End {
        let id = PlanID(1)
        return End(
            plans: try store.plans(lab: nil, limit: 9),
            steps: try store.steps(of: id),
            nodes: try store.nodes(lab: nil, includingGone: true),
            timers: try store.timers(of: id),
            attempts: try store.attempts(of: id),
            events: try store.events(after: 0, plan: nil, limit: 999),
            inbox: try store.requests(after: 0),
            spec: try store.spec(of: id)
        )
    }

    /// The turn that follows from what is stored; nil when all is done. Times follow from it too.
    private static func next(_ store: any Store, _ epoch: Epoch) throws -> Turn? {
        let snapshot = try store.load()
        try demand(snapshot.broken.isEmpty, "something is broken: \(snapshot.broken)")
        var turn = Turn(now: Sample.at + .microseconds(snapshot.lastEvent), epoch: epoch)
        guard var plan = snapshot.plans.first else {
            guard let request = try store.requests(after: 0).first, case .submit(let token, let spec) = request.request
            else { return nil }
            turn.plans = [Sample.plan(1, request: token)]
            turn.newSpecs = [PlanID(1): spec]
            turn.steps = (0..<4).map { Sample.step(1, $0, needs: $0 == 0 ? [] : [$0 - 1]) }
            turn.nodes = [Sample.node(snapshot.lastNode + 1, state: .creating)]
            turn.requestsDone = [request.id]
            add(.planCreated, after: snapshot.lastEvent, to: &turn)
            return turn
        }
        guard var step = plan.steps.first(where: { !$0.state.hasEnded }) else {
            plan.row.state = .stopped
            plan.row.endedAt = turn.now
            turn.plans = [plan.row]
            turn.nodes = snapshot.nodes.map { node in
                var node = node
                node.state = .gone
                return node
            }
            add(.planStopped, after: snapshot.lastEvent, to: &turn)
            return turn
        }
        let id = StepID(plan: PlanID(1), index: step.index)
        switch step.state {
        case .pending:
            step.state = .running
            step.tries += 1
            step.startedAt = turn.now
            turn.timersSet = [TimerRow(step: id, dueAt: turn.now + .seconds(1))]
            add(.stepStarted, step: step.index, after: snapshot.lastEvent, to: &turn)
        default:
            step.state = .success
            step.endedAt = turn.now
            turn.timersCleared = [id]
            turn.attempts = [Sample.attempt(1, step: step.index, test: "t\(step.index)")]
            add(.stepSucceeded, step: step.index, after: snapshot.lastEvent, to: &turn)
            add(.attemptEnded, step: step.index, after: snapshot.lastEvent, to: &turn)
        }
        turn.steps = [step]
        return turn
    }

    private static func add(_ kind: EventRow.Kind, step: StepIndex? = nil, after last: Int64, to turn: inout Turn) {
        let position = last + Int64(turn.events.count) + 1
        turn.events.append(
            EventRow(
                position: position,
                epoch: turn.epoch,
                number: position,
                at: turn.now,
                kind: kind,
                plan: PlanID(1),
                step: step
            )
        )
    }

    /// Numbers that look like chance and follow from a seed (SplitMix64).
    private struct Sequence: RandomNumberGenerator, Sendable {
        private var state: UInt64
        init(seed: UInt64) { state = seed }
        mutating func next() -> UInt64 {
            state &+= 0x9E37_79B9_7F4A_7C15
            var mixed = state
            mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
            mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
            return mixed ^ (mixed >> 31)
        }
    }
}
