import Foundation
import MusterPlans
import MusterPlansTesting
import Synchronization
import Testing

/// More of what Dynflow's own tests tell of: planning, parents, chains, sub-plans, deleted plans, times.
@Suite struct ChainScenarioTests {
    struct Trouble: Error, CustomStringConvertible { let description: String }

    struct Step: Action {
        struct Input: Codable, Sendable {
            var name = ""
            var from: Value<String> = ""
        }
        static let options = ActionOptions(rescue: .skip)
        func run(_ input: Input, in context: RunContext) async throws -> String { input.name }
    }

    /// Whatever its steps say, it waits for a person.
    struct Strict: CompositeAction {
        typealias Input = Empty
        func plan(_ input: Empty, in plan: PlanBuilder) throws -> Value<String> {
            let first = try plan.add(Step.self, .init(name: "first"))
            return try plan.add(Step.self, .init(name: "second", from: first.output)).output
        }
        func rescue(of action: any PlanAction.Type, suggested: ActionOptions.Rescue) -> ActionOptions.Rescue { .pause }
    }

    struct Lenient: CompositeAction {
        typealias Input = Empty
        func plan(_ input: Empty, in plan: PlanBuilder) throws -> Value<String> {
            let first = try plan.add(Step.self, .init(name: "first"))
            try plan.add(Step.self, .init(name: "second", from: first.output))
            return try plan.add(Step.self, .init(name: "third")).output
        }
    }

    /// Cannot be planned after its first step.
    struct Broken: CompositeAction {
        typealias Input = Empty
        let planned: @Sendable () -> Void
        func plan(_ input: Empty, in plan: PlanBuilder) throws -> Value<String> {
            try plan.add(Step.self, .init(name: "first"))
            planned()
            throw Trouble(description: "no stock")
        }
    }

    struct Crowd: SubPlansAction, CancellableAction {
        struct Input: Codable, Sendable { var size: Int }
        typealias Output = SubPlanCounts
        func total(_ input: Input, in context: RunContext) async throws -> Int { input.size }
        func concurrency(_ input: Input) -> Int? { 2 }
        func child(at index: Int, of input: Input, in context: RunContext) async throws -> SubPlan {
            SubPlan(Step.self, .init(name: "\(index)"))
        }
    }

    // MARK: C2, C4

    @Test(.timeLimit(.minutes(5))) func planningEndsAtTheFirstErrorAndNothingIsStored() async throws {
        let plannings = Mutex(0)
        let engine = try TestEngine(Broken(planned: { plannings.withLock { $0 += 1 } }), Step())
        await #expect(throws: Trouble.self) { try await engine.plans.start(Broken.self, Empty(), token: "it") }
        #expect(throws: PlanError.self) { try engine.plans.plan("it", of: Broken.self) }
        // What the engine plans later ends with the reason.
        let later = try await engine.plans.start(Broken.self, Empty(), at: engine.now + 60)
        try await engine.runUntilIdle()
        #expect(try await later.status.state == .stopped)
        #expect(try await later.status.result == .error)
        let error = await #expect(throws: PlanError.self) { try await later.result() }
        #expect(error?.description.contains("no stock") == true)
        #expect(engine.story == [] && plannings.withLock { $0 } == 2)
    }

    @Test(.timeLimit(.minutes(5))) func aParentsStrategyCountsInsteadOfItsStepsOwn() async throws {
        let engine = try TestEngine(Strict(), Lenient(), Step())
        engine.script(Step.self, [.fail("broken")])
        let strict = try await engine.plans.start(Strict.self, Empty())
        try await engine.runUntilIdle()
        #expect(try await strict.status.state == .paused)
        engine.script(Step.self, [.fail("broken")])
        let lenient = try await engine.plans.start(Lenient.self, Empty())
        #expect(try await engine.result(of: lenient) == "third")
        #expect(try await lenient.status.result == .warning)
        #expect(try await lenient.steps().map(\.state) == [.skipped, .skipped, .success])
    }

    // MARK: C5

    @Test(.timeLimit(.minutes(5))) func aChainedPlanWaitsForItsTimeTooAndUntilItIsLetGo() async throws {
        let engine = try TestEngine(Step())
        let first = try await engine.plans.start(Step.self, .init(name: "first"))
        _ = try await engine.result(of: first)
        let later = try await engine.plans.start(
            Step.self,
            .init(name: "later"),
            at: engine.now + 3600,
            after: [first]
        )
        let frozen = try await engine.plans.start(Step.self, .init(name: "frozen"), frozen: true, after: [first])
        try await engine.settle()
        #expect(try await later.status.state == .scheduled)
        #expect(try await frozen.status.state == .scheduled)
        try await engine.advance(by: .seconds(3600))
        #expect(try await later.result() == "later")
        #expect(try await frozen.status.state == .scheduled)
        try await frozen.freeze(false)
        #expect(try await engine.result(of: frozen) == "frozen")
    }

    @Test(.timeLimit(.minutes(5))) func aFailedOrCancelledPrerequisiteIsNamedByWhatWaitedForIt() async throws {
        let engine = try TestEngine(Step())
        engine.script(Step.self, [.hang, .hang])
        let first = try await engine.plans.start(Step.self, .init())
        let second = try await engine.plans.start(Step.self, .init())
        let next = try await engine.plans.start(Step.self, .init(name: "next"), after: [first, second])
        let anyway = try await engine.plans.start(
            Step.self,
            .init(name: "anyway"),
            after: [first, second],
            rule: .ended
        )
        try await engine.settle()
        try await first.cancel(byForce: true)
        try await engine.settle()
        #expect(try await anyway.status.state == .scheduled)
        try await second.halt()
        #expect(try await engine.result(of: anyway) == "anyway")
        #expect(try await next.status.result == .error)
        let name = try await first.id
        #expect(try await next.status.reason?.contains(name) == true)
    }

    // MARK: C7

    @Test(.timeLimit(.minutes(5))) func ofACancelledCrowdNoMoreBegin() async throws {
        let engine = try TestEngine(Crowd(), Step())
        engine.script(Step.self, [.perform, .hang, .hang])
        let plan = try await engine.plans.start(Crowd.self, .init(size: 9))
        try await engine.settle()
        #expect(engine.story.count(where: { $0 == "run Step" }) == 3)
        try await plan.cancel(byForce: true)
        try await engine.runUntilIdle()
        let status = try await plan.status
        #expect(status.result == .cancelled)
        #expect(engine.story.count(where: { $0 == "run Step" }) == 3)
    }

    // MARK: C1

    @Test(.timeLimit(.minutes(5))) func timesAreThoseOfTheFirstTryAndTheEnd() async throws {
        let engine = try TestEngine(Strict(), Step())
        engine.script(Step.self, [.fail("not yet")])
        let start = engine.now
        let plan = try await engine.plans.start(Strict.self, Empty())
        try await engine.advance(by: .seconds(60))
        try await plan.resume()
        _ = try await engine.result(of: plan)
        let status = try await plan.status
        #expect(status.createdAt == start && status.startedAt == start && status.endedAt == start + 60)
        let steps = try await plan.steps()
        #expect(steps.map(\.startedAt) == [start, start + 60])
        #expect(steps.map(\.endedAt) == [start + 60, start + 60])
        #expect(steps.map(\.tries) == [2, 1])
    }
}
