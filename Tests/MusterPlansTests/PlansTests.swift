import Foundation
import Logging
import MusterCore
import MusterEngine
import MusterPlans
import MusterStore
import Synchronization
import Testing

@testable import MusterPlans

/// A program with a state of its own, in this process.
final class Program: Sendable {
    let folder: String
    private static let next = Atomic(0)

    init() throws {
        folder =
            FileManager.default.temporaryDirectory.path
            + "/muster-plans-\(getpid())-\(Program.next.add(1, ordering: .relaxed).newValue)"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(atPath: folder) }

    func plans(_ options: Plans.Options = Plans.Options()) throws -> Plans {
        try Plans(name: "test", state: folder, options: options)
    }

    /// Performs while `body` goes on.
    func performing<Result: Sendable>(
        _ plans: Plans,
        _ body: @escaping @Sendable () async throws -> Result
    ) async throws -> Result {
        try await withThrowingTaskGroup(of: Result?.self) { group in
            group.addTask {
                try await plans.run()
                return nil
            }
            group.addTask { try await body() }
            var found: Result?
            while let result = try await group.next() {
                if let result {
                    found = result
                    plans.stop()
                }
            }
            return try #require(found)
        }
    }
}

@Suite struct PlansTests {
    struct Double: Action {
        struct Input: Codable, Sendable { var number: Value<Int> }
        func run(_ input: Input, in context: RunContext) async throws -> Int { try input.number.value * 2 }
    }

    struct Eight: CompositeAction {
        func plan(_ input: Empty, in plan: PlanBuilder) throws -> Value<Int> {
            let two = try plan.add(Double.self, .init(number: 1))
            let four = try plan.add(Double.self, .init(number: two.output))
            return try plan.add(Double.self, .init(number: four.output)).output
        }
    }

    @Test(.timeLimit(.minutes(5))) func aPlanIsStartedAndItsResultAwaited() async throws {
        let program = try Program()
        let plans = try program.plans()
        plans.register(Double(), Eight())
        let result = try await program.performing(plans) {
            let single = try await plans.start(Double.self, .init(number: 21))
            let eight = try await plans.start(Eight.self, Empty(), token: "eight")
            let again = try await plans.start(Eight.self, Empty(), token: "eight")
            #expect(try await again.id == eight.id)
            #expect(try await single.result() == 42)
            return try await eight.result()
        }
        #expect(result == 8)
    }

    /// Whoever starts it need not perform it: the next program that runs does.
    @Test(.timeLimit(.minutes(5))) func aPlanMayBeStartedBeforeAnybodyPerforms() async throws {
        let program = try Program()
        let client = try program.plans()
        client.register(Double(), Eight())
        let handle = try await client.start(Eight.self, Empty())
        let plans = try program.plans()
        plans.register(Double(), Eight())
        let result = try await program.performing(plans) { try await handle.result() }
        #expect(result == 8)
    }

    struct Fails: Action {
        struct Input: Codable, Sendable { var message: String }
        static let options = ActionOptions(rescue: .fail)
        func run(_ input: Input, in context: RunContext) async throws -> Empty { throw PermanentError(input.message) }
    }

    @Test(.timeLimit(.minutes(5))) func aFailedPlanSaysWhy() async throws {
        let program = try Program()
        let told = Mutex<[String]>([])
        let plans = try program.plans(
            Plans.Options(hooks: [
                .onFailure { change in told.withLock { $0.append("\(change.action) \(change.kind)") } },
                .onSuccess { _ in told.withLock { $0.append("never") } },
                .onChange { _ in throw PermanentError("a hook's own error") },
            ])
        )
        plans.register(Fails())
        let error = try await program.performing(plans) {
            let handle = try await plans.start(Fails.self, .init(message: "no stock"))
            let error = await #expect(throws: PlanError.self) { try await handle.result() }
            let steps = try await handle.steps()
            #expect(steps.map(\.state) == [.error] && steps.map(\.error) == ["no stock"])
            #expect(steps.map(\.input) == [#"{"message":"no stock"}"#])
            #expect(try await handle.history().map(\.kind).contains("plan.stopped"))
            return error
        }
        #expect(error?.code == .failed && error?.description.contains("no stock") == true)
        #expect(told.withLock { $0 } == ["Fails plan.stopped"])
    }

    struct Approve: SuspendingAction {
        struct Input: Codable, Sendable {}
        struct Event: Codable, Sendable { var by: String }
        func run(_ input: Input, in context: RunContext) async throws -> StepProgress<String> { .suspended }
        func receive(_ event: Event, _ input: Input, in context: RunContext) async throws -> StepProgress<String> {
            .done(event.by)
        }
    }

    @Test(.timeLimit(.minutes(5))) func eventsReachSuspendedSteps() async throws {
        let program = try Program()
        let plans = try program.plans()
        plans.register(Approve())
        let (person, refusal) = try await program.performing(plans) {
            let handle = try await plans.start(Approve.self, .init())
            try await handle.send(.init(by: "ann"), to: Approve.self)
            let person = try await handle.result()
            let refusal = await #expect(throws: PlanError.self) {
                try await handle.send(.init(by: "bob"), to: Approve.self, step: 0)
            }
            try await handle.send(.init(by: "bob"), to: Approve.self, optional: true)
            try await handle.halt()
            return (person, refusal)
        }
        #expect(person == "ann")
        #expect(refusal?.code == .refused)
    }

    /// Suspends only when its call is told to end.
    struct Stubborn: SuspendingAction {
        let begun: AsyncStream<Void>.Continuation
        struct Input: Codable, Sendable {}
        typealias Event = Empty
        func run(_ input: Input, in context: RunContext) async throws -> StepProgress<Empty> {
            begun.yield()
            let (never, continuation) = AsyncStream.makeStream(of: Void.self)
            for await _ in never {}
            continuation.finish()
            return .suspended
        }
        func receive(_ event: Empty, _ input: Input, in context: RunContext) async throws -> StepProgress<Empty> {
            .done(event)
        }
    }

    @Test(.timeLimit(.minutes(5))) func aCancelledPlanHasNoResult() async throws {
        let program = try Program()
        let (begun, continuation) = AsyncStream.makeStream(of: Void.self)
        let plans = try program.plans()
        plans.register(Approve(), Stubborn(begun: continuation))
        let codes = try await program.performing(plans) {
            var codes: [PlanError.Code?] = []
            let suspended = try await plans.start(Approve.self, .init())
            try await suspended.cancel(byForce: true)
            codes.append(await #expect(throws: PlanError.self) { try await suspended.result() }?.code)
            // One that suspends after its plan was cancelled.
            let running = try await plans.start(Stubborn.self, .init())
            for await _ in begun { break }
            try await running.cancel(byForce: true)
            codes.append(await #expect(throws: PlanError.self) { try await running.result() }?.code)
            return codes
        }
        #expect(codes == [.cancelled, .cancelled])
    }

    @Test func namesAndTokensAreChecked() async throws {
        let program = try Program()
        #expect(throws: PlanError.self) { try Plans(name: "No Name", state: program.folder) }
        let plans = try program.plans()
        await #expect(throws: PlanError.self) { try await plans.start(Touch.self, .init(), token: "a b") }
    }
}
