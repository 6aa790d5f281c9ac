import Foundation
import MusterPlans
import MusterPlansTesting
import Synchronization
import Testing

/// What Dynflow's own tests tell of, where no test closer to the engine does. `docs/coming-from-dynflow.md` names them.
@Suite struct ScenarioTests {
    struct Trouble: Error, CustomStringConvertible { let description: String }

    /// Finalizes too.
    struct Step: Action, FinalizingAction {
        struct Input: Codable, Sendable {
            var name: String
            var from: Value<String> = ""
        }
        func run(_ input: Input, in context: RunContext) async throws -> String { input.name }
        func finalize(_ input: Input, _ output: String, in context: RunContext) async throws {}
    }

    struct Row: CompositeAction {
        typealias Input = Empty
        func plan(_ input: Empty, in plan: PlanBuilder) throws -> Value<String> {
            let first = try plan.add(Step.self, .init(name: "first"))
            return try plan.add(Step.self, .init(name: "second", from: first.output)).output
        }
    }

    struct Job: SuspendingAction, CancellableAction {
        struct Input: Codable, Sendable { var isStubborn = false }
        enum Event: Codable, Sendable {
            case progressed(Int)
            case ended
        }
        func run(_ input: Input, in context: RunContext) async throws -> StepProgress<Int> {
            try context.keep(0)
            return .suspended
        }
        func receive(_ event: Event, _ input: Input, in context: RunContext) async throws -> StepProgress<Int> {
            switch event {
            case .progressed(let percent):
                try context.keep(percent)
                return .suspended
            case .ended: return .done(100)
            }
        }
        func cancel(_ input: Input, byForce: Bool, in context: RunContext) async throws -> StepProgress<Int> {
            guard !input.isStubborn else { throw Trouble(description: "it cannot be called off") }
            return .done(try context.state(Int.self) ?? 0)
        }
    }

    struct Render: PollingAction {
        struct Input: Codable, Sendable { var rounds: Int }
        static let options = ActionOptions(timeout: .seconds(60))
        static let polling = PollingOptions(intervals: [.seconds(1), .seconds(4)], attemptsPerInterval: 5)
        let farm: Farm
        func start(_ input: Input, in context: RunContext) async throws -> Int { await farm.begin() }
        func poll(_ job: Int, _ input: Input, in context: RunContext) async throws -> PollResult<Int, Int> {
            try await farm.ask(at: context.now) < input.rounds ? .again : .done(job)
        }
    }

    actor Farm {
        private(set) var jobs = 0
        private(set) var times: [Date] = []
        private(set) var isDown = false
        func begin() -> Int {
            jobs += 1
            return jobs
        }
        func ask(at time: Date) throws -> Int {
            if isDown { throw Trouble(description: "the farm is down") }
            times.append(time)
            return times.count
        }
        func turn(isDown: Bool) { self.isDown = isDown }
    }

    struct Crowd: SubPlansAction {
        struct Input: Codable, Sendable { var size: Int }
        typealias Output = SubPlanCounts
        let planning: @Sendable () throws -> Void
        func total(_ input: Input, in context: RunContext) async throws -> Int { input.size }
        func child(at index: Int, of input: Input, in context: RunContext) async throws -> SubPlan {
            try planning()
            return SubPlan(Step.self, .init(name: "\(index)"))
        }
    }

    // MARK: C1

    @Test(.timeLimit(.minutes(5))) func whatRunsAlreadyIsNotBegunAgain() async throws {
        let engine = try TestEngine(Step())
        engine.script(Step.self, [.hang])
        let plan = try await engine.plans.start(Step.self, .init(name: "a"), token: "one")
        try await engine.settle()
        #expect(try await plan.status.state == .running)
        #expect(try await plan.steps().map(\.state).first == .running)
        _ = try? await plan.resume()
        let again = try await engine.plans.start(Step.self, .init(name: "a"), token: "one")
        try await engine.settle()
        #expect(try await again.id == plan.id)
        #expect(engine.story == ["run Step"])
    }

    @Test(.timeLimit(.minutes(5))) func aStoppedPlanIsNotExecutedAgain() async throws {
        let engine = try TestEngine(Step())
        let plan = try await engine.plans.start(Step.self, .init(name: "a"))
        _ = try await engine.result(of: plan)
        let error = await #expect(throws: PlanError.self) { try await plan.resume() }
        #expect(error?.code == .refused)
        #expect(engine.story == ["run Step", "finalize Step"])
    }

    @Test(.timeLimit(.minutes(5))) func aCancelledJobKeepsItsProgress() async throws {
        let engine = try TestEngine(Job())
        let plan = try await engine.plans.start(Job.self, .init())
        try await engine.settle()
        try await plan.send(.progressed(30), to: Job.self)
        try await engine.settle()
        try await plan.cancel()
        #expect(try await engine.result(of: plan) == 30)
        #expect(try await plan.status.result == .success)
    }

    @Test(.timeLimit(.minutes(5))) func aCancelThatFailsIsAnErrorOfItsStep() async throws {
        let engine = try TestEngine(Job())
        let plan = try await engine.plans.start(Job.self, .init(isStubborn: true))
        try await engine.settle()
        try await plan.cancel()
        try await engine.settle()
        #expect(engine.story == ["run Job", "event Job"])
        #expect(try await plan.steps().map(\.error) == ["it cannot be called off"])
        #expect(try await plan.steps().map(\.state) == [.error])
    }

    @Test(.timeLimit(.minutes(5))) func aSuspendingActionThatFailsAtOncePauses() async throws {
        let engine = try TestEngine(Job())
        engine.script(Job.self, [.fail("no such job")])
        let plan = try await engine.plans.start(Job.self, .init())
        try await engine.runUntilIdle()
        #expect(try await plan.status.state == .paused)
        try await plan.resume()
        try await engine.settle()
        try await plan.send(.ended, to: Job.self)
        #expect(try await engine.result(of: plan) == 100)
        #expect(try await plan.steps().map(\.error) == [nil])
    }

    @Test(.timeLimit(.minutes(5))) func onlyTheFailedBranchRunsAgainAfterTheInputWasMended() async throws {
        let engine = try TestEngine(Row(), Step())
        engine.script(Step.self, [.perform, .fail("bad input")])
        let plan = try await engine.plans.start(Row.self, Empty())
        try await engine.runUntilIdle()
        try await plan.retry(Step.self, input: .init(name: "mended"))
        #expect(try await engine.result(of: plan) == "mended")
        #expect(engine.story == ["run Step", "run Step", "run Step", "finalize Step", "finalize Step"])
        #expect(engine.calls.prefix(3).map(\.step) == [0, 1, 1])
    }

    @Test(.timeLimit(.minutes(5))) func aStepThatIsSkippedAfterAFinalizeFailedIsLeftOut() async throws {
        let engine = try TestEngine(Row(), Step())
        engine.script(Step.self, on: .finalize, [.perform, .fail("no mail")])
        let plan = try await engine.plans.start(Row.self, Empty())
        try await engine.runUntilIdle()
        let failed = try #require(try await plan.steps().first { $0.state == .error })
        #expect(failed.phase == "finalize")
        try await plan.skip(step: failed.index)
        try await engine.runUntilIdle()
        #expect(try await plan.status.result == .warning)
        // What was finalized before is not finalized again: nothing is left to do.
        #expect(engine.story == ["run Step", "run Step", "finalize Step", "finalize Step"])
    }

    // MARK: C3

    /// It dies while it plans: the plan is planned again, and its steps are there once.
    @Test(.timeLimit(.minutes(5))) func aPlanThatWasBeingPlannedIsPlannedAgain() async throws {
        final class Killer: PlanMiddleware {
            let engine = Mutex<TestEngine?>(nil)
            let plannings = Mutex(0)
            func around(_ call: PlanCall, next: @Sendable () async throws -> Void) async throws {
                try await next()
                guard call.phase == .plan else { return }
                let isFirst = plannings.withLock { number in
                    number += 1
                    return number == 1
                }
                if isFirst { try await engine.withLock { $0 }?.crash() }
            }
        }
        let killer = Killer()
        let engine = try TestEngine(Row(), Step(), options: Plans.Options(middleware: [killer]))
        killer.engine.withLock { $0 = engine }
        let plan = try await engine.plans.start(Row.self, Empty(), at: engine.now + 60)
        #expect(try await engine.result(of: plan) == "second")
        #expect(killer.plannings.withLock { $0 } == 2)
        #expect(try await plan.steps().count == 4)
        killer.engine.withLock { $0 = nil }
    }

    @Test(.timeLimit(.minutes(5))) func aPausedPlanStaysPausedAndAPlannedOneRunsAfterACrash() async throws {
        let engine = try TestEngine(Step(), options: Plans.Options(queues: ["default": 1]))
        engine.script(Step.self, [.fail("broken"), .hang])
        let paused = try await engine.plans.start(Step.self, .init(name: "paused"))
        try await engine.settle()
        let running = try await engine.plans.start(Step.self, .init(name: "running"))
        let planned = try await engine.plans.start(Step.self, .init(name: "planned"))
        try await engine.settle()
        try await engine.crash()
        #expect(try await paused.status.state == .paused)
        #expect(try await running.result() == "running")
        #expect(try await planned.result() == "planned")
    }

    // MARK: C5

    @Test(.timeLimit(.minutes(5))) func aDelayedPlanThatIsCancelledNeverBegins() async throws {
        let engine = try TestEngine(Step())
        let plan = try await engine.plans.start(Step.self, .init(name: "a"), at: engine.now + 60)
        try await plan.cancel()
        try await engine.runUntilIdle()
        #expect(try await plan.status.result == .cancelled)
        #expect(engine.story == [])
    }

    @Test(.timeLimit(.minutes(5))) func theHistoryTellsWhatHappenedInOrder() async throws {
        let engine = try TestEngine(Step())
        engine.script(Step.self, [.fail("once")])
        let plan = try await engine.plans.start(Step.self, .init(name: "a"), at: engine.now + 60)
        try await engine.runUntilIdle()
        try await plan.resume()
        _ = try await engine.result(of: plan)
        let kinds = try await plan.history().map(\.kind).filter { $0.hasPrefix("plan.") }
        #expect(kinds.last == "plan.stopped")
        let places = ["plan.created", "plan.scheduled", "plan.started", "plan.paused", "plan.resumed", "plan.stopped"]
            .map { kinds.firstIndex(of: $0) ?? -1 }
        #expect(places == places.sorted() && !places.contains(-1), "\(kinds)")
    }

    // MARK: C6

    @Test(.timeLimit(.minutes(5))) func pollingGoesOnUntilTheJobIsDoneWithGrowingPauses() async throws {
        let farm = Farm()
        let engine = try TestEngine(Render(farm: farm))
        let start = engine.now
        #expect(try await engine.result(of: engine.plans.start(Render.self, .init(rounds: 8))) == 1)
        let seconds = await farm.times.map { Int($0.timeIntervalSince(start)) }
        #expect(seconds == [1, 2, 3, 4, 5, 9, 13, 17])
    }

    @Test(.timeLimit(.minutes(5))) func aPollingActionThatIsResumedAsksAfterTheOldJob() async throws {
        let farm = Farm()
        let engine = try TestEngine(Render(farm: farm))
        let plan = try await engine.plans.start(Render.self, .init(rounds: 3))
        try await engine.advance(by: .seconds(1))
        await farm.turn(isDown: true)
        try await engine.runUntilIdle()
        #expect(try await plan.status.state == .paused)
        await farm.turn(isDown: false)
        try await plan.resume()
        #expect(try await engine.result(of: plan) == 1)
        #expect(await farm.jobs == 1)
    }

    @Test(.timeLimit(.minutes(5))) func aTimeoutEndsPolling() async throws {
        let farm = Farm()
        let engine = try TestEngine(Render(farm: farm))
        let plan = try await engine.plans.start(Render.self, .init(rounds: .max))
        try await engine.runUntilIdle()
        #expect(try await plan.status.state == .paused)
        #expect(try await plan.steps().first?.error?.contains("timed out") == true)
        // 1, 2, 3, 4, 5, then every four seconds up to the minute.
        #expect(await farm.times.count == 18)
    }

    @Test(.timeLimit(.minutes(5))) func noSubPlansAreDoneAtOnce() async throws {
        let engine = try TestEngine(Crowd(planning: {}), Step())
        let counts = try await engine.result(of: engine.plans.start(Crowd.self, .init(size: 0)))
        #expect(counts == SubPlanCounts(total: 0, succeeded: 0))
    }

    @Test(.timeLimit(.minutes(5))) func subPlansThatCouldNotBePlannedArePlannedWhenResumed() async throws {
        let isBroken = Mutex(true)
        let planning: @Sendable () throws -> Void = {
            if isBroken.withLock({ $0 }) { throw Trouble(description: "no list of guests") }
        }
        let engine = try TestEngine(Crowd(planning: planning), Step())
        let plan = try await engine.plans.start(Crowd.self, .init(size: 3))
        try await engine.runUntilIdle()
        #expect(try await plan.steps().map(\.error) == ["no list of guests"])
        isBroken.withLock { $0 = false }
        try await plan.resume()
        #expect(try await engine.result(of: plan) == SubPlanCounts(total: 3, succeeded: 3))
    }

    // MARK: C8

    @Test(.timeLimit(.minutes(5))) func anEventForAPlanThatHasEndedIsRefusedUnlessOptional() async throws {
        let engine = try TestEngine(Job())
        let plan = try await engine.plans.start(Job.self, .init())
        try await plan.halt()
        let error = await #expect(throws: PlanError.self) { try await plan.send(.ended, to: Job.self) }
        #expect(error?.code == .refused)
        try await plan.send(.ended, to: Job.self, optional: true)
        #expect(engine.story.filter { $0.hasPrefix("event") } == [])
    }

    @Test(.timeLimit(.minutes(5))) func whoeverKnowsThePlanMaySendToIt() async throws {
        let engine = try TestEngine(Job())
        let name = try await engine.plans.start(Job.self, .init(), token: "film").id
        for known in [name, "film"] {
            let plan = try engine.plans.plan(known, of: Job.self)
            try await plan.send(.progressed(7), to: Job.self)
        }
        try await engine.settle()
        #expect(engine.story == ["run Job", "event Job", "event Job"])
        // Also before the steps are there: whoever sends waits until they are.
        let early = try await engine.plans.start(Job.self, .init())
        try await early.send(.progressed(8), to: Job.self, step: 0)
        try await engine.settle()
        #expect(engine.story.suffix(2) == ["run Job", "event Job"])
        #expect(throws: PlanError.self) { try engine.plans.plan("r-zzzz", of: Job.self) }
        #expect(throws: PlanError.self) { try engine.plans.plan(name, of: Step.self) }
    }

    // MARK: C11

    @Test(.timeLimit(.minutes(5))) func hooksAreToldOfEachChangeAndTheirErrorsChangeNothing() async throws {
        let told = Mutex<[String]>([])
        let tell: @Sendable (PlanChange) async throws -> Void = { change in
            told.withLock { $0.append(change.kind) }
            throw Trouble(description: "a hook's own")
        }
        let engine = try TestEngine(
            Step(),
            options: Plans.Options(hooks: [.onChange(tell), .onFailure(tell), .onSuccess(tell)])
        )
        engine.script(Step.self, [.fail("once")])
        let plan = try await engine.plans.start(Step.self, .init(name: "a"))
        try await engine.runUntilIdle()
        #expect(told.withLock { $0.count(where: { $0 == "plan.paused" }) } == 2)
        try await plan.resume()
        #expect(try await engine.result(of: plan) == "a")
        #expect(told.withLock { $0.count(where: { $0 == "plan.stopped" }) } == 2)
    }
}
