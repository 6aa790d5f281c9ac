import Foundation
import MusterCore
import MusterEngine
import MusterPlans
import MusterStore
import Synchronization
import Testing

@testable import MusterPlans

/// Plans from start to end by the real engine, on SQLite.
@Suite struct PlanLifeTests {
    struct Fussy: Action, SkipHandlingAction {
        struct Input: Codable, Sendable { var word: String }
        func run(_ input: Input, in context: RunContext) async throws -> String {
            guard input.word == "please" else { throw PermanentError("say please, not \(input.word)") }
            return "here you are"
        }
        func skipped(_ input: Input, error: String, in context: RunContext) async throws { context.write(error) }
    }

    @Test(.timeLimit(.minutes(5))) func aPersonEditsTheInputAndThePlanGoesOn() async throws {
        let program = try Program()
        let plans = try program.plans()
        plans.register(Fussy())
        let output = try await program.performing(plans) {
            let handle = try await plans.start(Fussy.self, .init(word: "now"))
            let paused = try await handle.settled()
            #expect(paused.state == .paused)
            #expect(paused.reason?.contains("say please, not now") == true)
            await #expect(throws: PlanError.self) { try await handle.retry(Touch.self, input: .init()) }
            try await handle.retry(Fussy.self, input: .init(word: "please"))
            let output = try await handle.result()
            // The error of the try before is gone.
            #expect(try await handle.steps().map(\.error) == [nil])
            return output
        }
        #expect(output == "here you are")
    }

    @Test(.timeLimit(.minutes(5))) func aSkippedRootHasNoResult() async throws {
        let program = try Program()
        let plans = try program.plans()
        plans.register(Fussy())
        let error = try await program.performing(plans) {
            let handle = try await plans.start(Fussy.self, .init(word: "now"))
            _ = try await handle.settled()
            try await handle.skip(step: 0)
            let error = await #expect(throws: PlanError.self) { try await handle.result() }
            #expect(try await handle.status.result == .warning)
            #expect(try await handle.output(ofStep: 0) == "say please, not now")
            return error
        }
        #expect(error?.code == .noResult)
    }

    /// Blocks in the first program, ends in the second: told apart by a flag.
    struct Slow: Action {
        let begun: AsyncStream<String>.Continuation
        let blocks: Bool
        struct Input: Codable, Sendable {}
        func run(_ input: Input, in context: RunContext) async throws -> Int {
            begun.yield("\(context.operationID) \(context.attempt)")
            guard blocks else { return context.attempt }
            let (never, continuation) = AsyncStream.makeStream(of: Void.self)
            for await _ in never {}
            continuation.finish()
            throw CancellationError()
        }
    }

    @Test(.timeLimit(.minutes(5))) func whatAProgramLeftTheNextOneGoesOnWith() async throws {
        let program = try Program()
        let (begun, continuation) = AsyncStream.makeStream(of: String.self)
        var calls = begun.makeAsyncIterator()
        let first = try program.plans(Plans.Options(stopGrace: .zero))
        first.register(Slow(begun: continuation, blocks: true))
        let running = Task { try await first.run() }
        let handle = try await first.start(Slow.self, .init())
        let call = await calls.next()
        first.stop()
        try await running.value
        #expect(try await handle.status.state == .running)
        // The same try, under the same operation id.
        let second = try program.plans()
        second.register(Slow(begun: continuation, blocks: false))
        let attempt = try await program.performing(second) { try await handle.result() }
        #expect(attempt == 1)
        #expect(await calls.next() == call)
    }

    /// Ends when it is let go, whatever its task is told.
    struct Gated: Action {
        let begun: AsyncStream<Void>.Continuation
        let gate: AsyncStream<Void>
        struct Input: Codable, Sendable {}
        func run(_ input: Input, in context: RunContext) async throws -> Bool {
            begun.yield()
            for await _ in gate { return Task.isCancelled }
            return Task.isCancelled
        }
    }

    @Test(.timeLimit(.minutes(5))) func whatEndsInTimeWhenTheProgramStopsIsStored() async throws {
        let program = try Program()
        let (begun, beginning) = AsyncStream.makeStream(of: Void.self)
        let (gate, opening) = AsyncStream.makeStream(of: Void.self)
        var calls = begun.makeAsyncIterator()
        let plans = try program.plans(Plans.Options(stopGrace: .seconds(50)))
        plans.register(Gated(begun: beginning, gate: gate))
        let running = Task { try await plans.run() }
        let handle = try await plans.start(Gated.self, .init())
        await calls.next()
        plans.stop()
        opening.yield()
        try await running.value
        #expect(try await handle.status.state == .stopped)
        // Nobody had told it to end.
        #expect(try await handle.result() == false)
    }

    /// Three programs on one state: one performs, one waits for it, one only watches.
    @Test(.timeLimit(.minutes(5))) func aSecondProgramTakesOver() async throws {
        let program = try Program()
        let (a, b, watcher) = (try program.plans(), try program.plans(), try program.plans())
        for plans in [a, b, watcher] { plans.register(PlansTests.Approve()) }
        let runningA = Task { try await a.run() }
        let handle = try await watcher.start(PlansTests.Approve.self, .init())
        let id = try await handle.id
        let waiting = Task { try await handle.result() }
        let runningB = Task { try await b.run() }
        a.stop()
        try await runningA.value
        let other = try watcher.plan(id, of: PlansTests.Approve.self)
        try await other.send(.init(by: "ann"), to: PlansTests.Approve.self)
        #expect(try await waiting.value == "ann")
        b.stop()
        try await runningB.value
    }

    @Test(.timeLimit(.minutes(5))) func plansWaitForTimesPeopleAndOthers() async throws {
        let program = try Program()
        let plans = try program.plans()
        plans.register(PlansTests.Double(), PlansTests.Fails())
        let codes = try await program.performing(plans) {
            let later = try await plans.start(
                PlansTests.Double.self,
                .init(number: 1),
                at: Date(timeIntervalSinceNow: 0.2)
            )
            #expect(try await later.history().map(\.kind).contains("plan.scheduled"))
            let frozen = try await plans.start(PlansTests.Double.self, .init(number: 2), frozen: true)
            let after = try await plans.start(PlansTests.Double.self, .init(number: 3), after: [later, frozen])
            let failing = try await plans.start(PlansTests.Fails.self, .init(message: "no"), after: [after])
            let never = try await plans.start(PlansTests.Double.self, .init(number: 4), after: [failing])
            let anyway = try await plans.start(PlansTests.Double.self, .init(number: 5), after: [failing], rule: .ended)
            let late = try await plans.start(
                PlansTests.Double.self,
                .init(number: 6),
                before: Date(timeIntervalSince1970: 1),
                frozen: true
            )
            #expect(try await later.result() == 2)
            try await frozen.freeze(false)
            #expect(try await frozen.result() == 4)
            #expect(try await after.result() == 6)
            #expect(try await anyway.result() == 10)
            var codes: [PlanError.Code?] = []
            for handle in [never, late] {
                let error = await #expect(throws: PlanError.self) { try await handle.result() }
                codes.append(error?.code)
            }
            return codes
        }
        #expect(codes == [.failed, .failed])
    }

    final class Counter: Sendable {
        private let content = Mutex((now: 0, most: 0))
        var most: Int { content.withLock { $0.most } }
        func begin() {
            content.withLock { content in
                content.now += 1
                content.most = max(content.most, content.now)
            }
        }
        func end() { content.withLock { $0.now -= 1 } }
    }
    struct Limited: Action {
        static let options = ActionOptions(limits: ["api"])
        let counter: Counter
        struct Input: Codable, Sendable { var fails = false }
        func run(_ input: Input, in context: RunContext) async throws -> Empty {
            counter.begin()
            defer { counter.end() }
            for _ in 0..<50 { await Task.yield() }
            if input.fails { throw PermanentError("broken") }
            return Empty()
        }
    }
    struct Many: SubPlansAction {
        struct Input: Codable, Sendable {
            var count: Int
            var failing: Int?
        }
        typealias Output = SubPlanCounts
        func total(_ input: Input, in context: RunContext) async throws -> Int { input.count }
        func child(at index: Int, of input: Input, in context: RunContext) async throws -> SubPlan {
            SubPlan(Limited.self, .init(fails: index == input.failing))
        }
    }

    @Test(.timeLimit(.minutes(5))) func limitsHoldForAllPlans() async throws {
        let program = try Program()
        let counter = Counter()
        let plans = try program.plans(Plans.Options(limits: ["api": .concurrency(3)]))
        plans.register(Limited(counter: counter), Many())
        let counts = try await program.performing(plans) {
            let a = try await plans.start(Many.self, .init(count: 15))
            let b = try await plans.start(Many.self, .init(count: 15))
            let first = try await a.result()
            return (first, try await b.result())
        }
        #expect(counts.0.succeeded == 15 && counts.1.succeeded == 15)
        #expect((1...3).contains(counter.most))
    }

    @Test(.timeLimit(.minutes(5))) func aFailedSubPlanFailsItsParent() async throws {
        let program = try Program()
        let plans = try program.plans(Plans.Options(limits: ["api": .concurrency(9)]))
        plans.register(Limited(counter: Counter()), Many())
        let paused = try await program.performing(plans) {
            let handle = try await plans.start(Many.self, .init(count: 5, failing: 3))
            return try await handle.settled()
        }
        #expect(paused.state == .paused)
        #expect(paused.reason?.contains("0 of 5 sub-plans failed, 1 wait for a person") == true, "\(paused)")
    }

    struct Only: SuspendingAction {
        static let options = ActionOptions(singleton: .refuses())
        struct Input: Codable, Sendable {}
        typealias Event = Empty
        func run(_ input: Input, in context: RunContext) async throws -> StepProgress<Empty> { .suspended }
        func receive(_ event: Empty, _ input: Input, in context: RunContext) async throws -> StepProgress<Empty> {
            .done(event)
        }
    }

    @Test(.timeLimit(.minutes(5))) func ofASingletonThereIsOne() async throws {
        let program = try Program()
        let plans = try program.plans()
        plans.register(Only())
        let error = try await program.performing(plans) {
            let first = try await plans.start(Only.self, .init())
            try await first.send(Empty(), to: Only.self, step: 0)
            _ = try await first.result()
            let second = try await plans.start(Only.self, .init())
            let third = try await plans.start(Only.self, .init())
            let error = await #expect(throws: PlanError.self) { try await third.result() }
            try await second.halt()
            return error
        }
        #expect(error?.description.contains("test/Only") == true, "\(String(describing: error))")
    }

    @Test(.timeLimit(.minutes(5))) func whoWaitsForARemovedPlanIsTold() async throws {
        let program = try Program()
        let plans = try program.plans()
        plans.register(Fussy())
        let handle = try await program.performing(plans) {
            let handle = try await plans.start(Fussy.self, .init(word: "please"))
            _ = try await handle.result()
            return handle
        }
        let now = plans.time.now()
        let epoch = try plans.store.register(host: "here", pid: 1, now: now)
        let rule = CleaningRule(endedBefore: now + .seconds(60))
        #expect(try plans.store.clean(rule, by: Term(conductor: .sole, epoch: epoch)).count == 1)
        let error = await #expect(throws: PlanError.self) { try await handle.result() }
        #expect(error?.code == .deleted)
    }

    @Test(.timeLimit(.minutes(5))) func aRootThatNobodyKnowsEndsInAnError() async throws {
        let program = try Program()
        let client = try program.plans()
        client.register(PlansTests.Double())
        let handle = try await client.start(PlansTests.Double.self, .init(number: 4))
        let bare = try program.plans()
        bare.register(Touch())
        let ended = try await program.performing(bare) { try await handle.settled() }
        #expect(ended.state == .stopped && ended.result == .error)
        #expect(ended.reason?.contains("has no action 'Double'") == true, "\(ended)")
    }
}
