import MusterCore
import MusterPlans
import MusterPlansTesting
import MusterStore
import Testing

@testable import MusterPlans

/// Somebody deletes the rows of a plan while it runs.
@Suite struct DeletedPlanTests {
    @Test(.timeLimit(.minutes(5))) func whoWaitsForAPlanThatIsDeletedWhileItRunsIsTold() async throws {
        let engine = try TestEngine(PlansTests.Approve(), PlansTests.Double())
        let plan = try await engine.plans.start(PlansTests.Approve.self, .init())
        try await engine.settle()
        let waiting = Task { try await plan.result() }
        for _ in 0..<100 { await Task.yield() }
        let store = try #require(engine.plans.store as? MemoryStore)
        let number = try await plan.number()
        let term = Term(conductor: .sole, epoch: 1)
        // Only what has stopped can be deleted: its row is changed behind the engine's back.
        var turn = Turn(now: Timestamp(rawValue: 0), term: term)
        var row = try #require(try store.plan(number))
        row.state = .stopped
        turn.plans = [row]
        try store.commit(turn)
        #expect(try store.delete(number, by: term))
        // The engine goes on with others, and tells who waits.
        let other = try await engine.plans.start(PlansTests.Double.self, .init(number: 4))
        #expect(try await engine.result(of: other) == 8)
        let error = await #expect(throws: PlanError.self) { try await waiting.value }
        #expect(error?.code == .deleted)
        let refusal = await #expect(throws: PlanError.self) {
            try await plan.send(.init(by: "ann"), to: PlansTests.Approve.self)
        }
        #expect(refusal?.code == .deleted)
        try await plan.send(.init(by: "ann"), to: PlansTests.Approve.self, optional: true)
        #expect(try store.steps(of: number).isEmpty)
    }
}
