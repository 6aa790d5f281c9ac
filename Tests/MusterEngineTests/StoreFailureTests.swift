import MusterCore
import MusterEngine
import MusterStore
import MusterTestKit
import Testing

/// What a conductor makes of a store that fails now and then, and of one that fails for good.
@Suite struct StoreFailureTests {
    private let clock = StoreConformance.Clock()
    private let time = ManualTime()

    private func store(_ script: [Int: FaultyStore.Fault] = [:]) -> FaultyStore {
        FaultyStore(MemoryStore { [clock] in clock.now }, script: script)
    }

    private func core(_ store: any Store, lease: Lease? = nil) throws -> ConductorCore {
        let identity = ConductorCore.Identity(host: "here", pid: 1, seed: 7, lease: lease)
        return try ConductorCore(store: store, identity: identity, time: time)
    }

    private func submit(to store: any Store) throws {
        var spec = RunSpec(verb: .up, lab: "shop", labDirectory: "/lab")
        var group = GroupSpec(name: "app")
        group.steps = [ProvisionStep(.process(run: nil)), ProvisionStep(.run(Template("./setup")))]
        spec.groups = [group]
        _ = try store.submit(.submit(token: "t", spec: spec), at: time.now())
    }

    private func pass(_ length: Duration) {
        clock.pass(length)
        time.advance(by: length)
    }

    private func acts(_ directives: [Directive]) -> [Act] {
        directives.compactMap { directive in
            guard case .perform(let act) = directive else { return nil }
            return act
        }
    }

    @Test func failuresFarApartDoNotEndAnIdleConductor() throws {
        let store = store()
        var shared = try core(store, lease: Lease())
        for _ in 0..<10 {
            for verb in [FaultyStore.Verb.declareLost, .claim] {
                store.refuse(verb)
                pass(.milliseconds(500))
                _ = try shared.takeTurn([])
                pass(.milliseconds(500))
                _ = try shared.takeTurn([])
            }
        }
        #expect(shared.timesFenced == 0)
        let alone = self.store()
        var sole = try core(alone)
        for _ in 0..<10 {
            alone.refuse(.requests)
            _ = try sole.takeTurn([.requestsArrived])
        }
        try submit(to: alone)
        #expect(try acts(sole.takeTurn([.requestsArrived])).count == 1)
    }

    /// It reads well, so each turn is decided again, but nothing can be written: that is not gone on with for ever.
    @Test func aStoreThatCannotWriteEndsTheConductor() throws {
        let base = MemoryStore { [clock] in clock.now }
        var first = try core(base)
        try submit(to: base)
        let act = try #require(try acts(first.takeTurn([.requestsArrived])).first)
        let store = FaultyStore(base, script: Dictionary(uniqueKeysWithValues: (1...99).map { ($0, .beforeCommit) }))
        // Nobody asks it to go on with the run: to recover from a failure, it writes nothing.
        var core = try core(store)
        _ = try core.takeTurn([])
        var error: StoreError?
        for _ in 0..<20 where error == nil {
            do throws(StoreError) {
                _ = try core.takeTurn([.event(.actFound(act, .neverStarted))])
            } catch let failure {
                error = failure
            }
        }
        #expect(error?.code == .failed)
        #expect(store.commits == 4)
    }

    @Test(arguments: [1, 2]) func whatFailsInARecoveryIsTriedAgain(times: Int) throws {
        let store = store([1: .answerLost])
        var core = try core(store)
        try submit(to: store)
        store.refuse(.load, times: times)
        let isInquired = try core.takeTurn([.requestsArrived]).contains { directive in
            if case .inquire = directive { true } else { false }
        }
        #expect(isInquired, "it is written, and goes on")
        #expect(try store.plan(request: "t")?.state == .running)
        store.refuse(.load, times: 9)
        store.refuse(.requests)
        #expect(throws: StoreError.self) { try core.takeTurn([.requestsArrived]) }
    }

    @Test func aTermThatIsOverIsFollowedByAnotherAlsoWhenThatFailsAtFirst() throws {
        let store = store()
        let slowTime = ManualTime(time.now())
        let identity = ConductorCore.Identity(host: "here", pid: 1, seed: 7, lease: Lease())
        var slow = try ConductorCore(store: store, identity: identity, time: slowTime)
        var other = try core(store, lease: Lease())
        let epoch = slow.epoch
        pass(.seconds(6))
        _ = try other.takeTurn([])
        slowTime.advance(by: .seconds(1))
        store.refuse(.join, times: 2)
        _ = try slow.takeTurn([])
        #expect(slow.epoch > epoch)
        #expect(slow.timesFenced == 1)
    }

    /// What a recovery has begun is gone on with after the next failure.
    @Test func aRunThatARecoveryHasBegunIsWanted() throws {
        let store = store([1: .beforeCommit, 3: .beforeCommit])
        var core = try core(store)
        try submit(to: store)
        let act = try #require(try acts(core.takeTurn([.requestsArrived])).first)
        #expect(store.commits == 2)
        _ = try core.takeTurn([.event(.actEnded(act, .succeeded(facts: [:])))])
        #expect(store.faults[.beforeCommit] == 2)
        let id = try #require(try store.plan(request: "t")).id
        #expect(core.director.run(id)?.isHeld == false)
    }

    /// Somebody has deleted the rows of a run that goes on: its turns are refused, and all others go on.
    @Test func aRunWhoseRowsAreGoneIsLetGoOf() throws {
        let store = MemoryStore { [clock] in clock.now }
        var core = try core(store)
        func begin(_ token: String) throws -> Act {
            let submission = PlanSubmission(
                token: token,
                spec: RunSpec(verb: .plan, lab: "shop", labDirectory: "/lab"),
                steps: [PlanSubmission.Step(StepSpec(.noop)), PlanSubmission.Step(StepSpec(.noop), needs: [0])]
            )
            return try #require(try acts(core.takeTurn([.event(.submitted(submission))])).first)
        }
        let act = try begin("gone")
        var row = try #require(try store.plan(request: "gone"))
        row.state = .stopped
        let term = Term(conductor: .sole, epoch: core.epoch)
        var turn = Turn(now: time.now(), term: term)
        turn.plans = [row]
        try store.commit(turn)
        #expect(try store.delete(row.id, by: term))
        _ = try core.takeTurn([.event(.actEnded(act, .succeeded(facts: [:])))])
        #expect(core.director.run(row.id) == nil)
        #expect(try store.plan(row.id) == nil)
        #expect(try store.steps(of: row.id).isEmpty)
        let next = try begin("next")
        #expect(next.step.plan > row.id)
        #expect(try acts(core.takeTurn([.event(.actEnded(next, .succeeded(facts: [:])))])).count == 1)
    }
}
