import Foundation
import MusterPlans
import MusterPlansTesting
import Synchronization
import Testing

/// What an engine of tests promises: a clock of its own, scripts, crashes, an order that is always the same.
@Suite struct TestEngineTests {
    // MARK: Actions

    struct Work: Action {
        struct Input: Codable, Sendable { var name = "" }
        static let options = ActionOptions(retry: .init(times: 5, every: .seconds(60), backoff: 1))
        func run(_ input: Input, in context: RunContext) async throws -> String { "\(input.name) done" }
    }

    struct Answer: Codable, Sendable, Equatable { var text: String }

    /// Waits for an answer, and reminds after a day.
    struct Ask: SuspendingAction, CancellableAction {
        struct Input: Codable, Sendable {}
        enum Event: Codable, Sendable {
            case answered(String)
            case reminded
        }
        func run(_ input: Input, in context: RunContext) async throws -> StepProgress<Answer> {
            try context.send(Event.reminded, after: .seconds(86_400))
            return .suspended
        }
        func receive(_ event: Event, _ input: Input, in context: RunContext) async throws -> StepProgress<Answer> {
            switch event {
            case .answered(let text): return .done(Answer(text: text))
            case .reminded:
                context.write("still waiting at \(context.now.formatted(.iso8601))")
                return .suspended
            }
        }
    }

    struct Thrice: CompositeAction {
        func plan(_ input: Empty, in plan: PlanBuilder) throws -> Value<String> {
            let names = ["a", "b", "c"]
            return try names.map { try plan.add(Work.self, .init(name: $0)).output }[0]
        }
    }

    struct Careful: ReconcilingAction, Action {
        struct Input: Codable, Sendable {}
        static let options = ActionOptions(recovery: .reconcile)
        func run(_ input: Input, in context: RunContext) async throws -> String { "new" }
        func reconcile(_ input: Input, in context: RunContext) async throws -> Reconciliation<String> { .done("found") }
    }

    struct Once: Action {
        struct Input: Codable, Sendable {}
        static let options = ActionOptions(recovery: .never)
        func run(_ input: Input, in context: RunContext) async throws -> String { "once" }
    }

    struct Crowd: SubPlansAction {
        struct Input: Codable, Sendable { var size: Int }
        func total(_ input: Input, in context: RunContext) async throws -> Int { input.size }
        func concurrency(_ input: Input) -> Int? { 2 }
        func child(at index: Int, of input: Input, in context: RunContext) async throws -> SubPlan {
            SubPlan(Work.self, .init(name: "\(index)"))
        }
        typealias Output = SubPlanCounts
    }

    // MARK: Time

    @Test(.timeLimit(.minutes(5))) func timeMovesOnlyWhenTheTestSaysSo() async throws {
        let engine = try TestEngine(Work())
        engine.script(Work.self, [.fail("not yet")])
        let start = engine.now
        let plan = try await engine.plans.start(Work.self, .init(name: "a"))
        try await engine.settle()
        #expect(try await plan.steps().map(\.error) == ["not yet"])
        #expect(engine.now == start)
        try await engine.advance(by: .seconds(50))
        #expect(engine.story == ["run Work"])
        // ±10 %, by chance that is the same each time.
        try await engine.advance(by: .seconds(16))
        #expect(engine.story == ["run Work", "run Work"])
        #expect(engine.now == start + 66)
        #expect(try await plan.result() == "a done")
    }

    @Test(.timeLimit(.minutes(5))) func aTimerFindsTheClockAtItsTime() async throws {
        let engine = try TestEngine(Ask())
        let plan = try await engine.plans.start(Ask.self, .init())
        try await engine.advance(by: .seconds(3 * 86_400))
        #expect(try await plan.output(ofStep: 0) == "still waiting at 2025-06-03T08:00:00Z")
        #expect(engine.now.formatted(.iso8601) == "2025-06-05T08:00:00Z")
        try await engine.advance(to: Date(timeIntervalSince1970: 0))
        #expect(engine.now.formatted(.iso8601) == "2025-06-05T08:00:00Z")
    }

    @Test(.timeLimit(.minutes(5))) func whatStartsLaterStartsThen() async throws {
        let engine = try TestEngine(Work())
        let plan = try await engine.plans.start(Work.self, .init(name: "a"), at: engine.now + 3600)
        try await engine.advance(by: .seconds(3599))
        #expect(try await plan.status.state == .scheduled)
        try await engine.advance(by: .seconds(1))
        #expect(try await plan.result() == "a done")
    }

    struct Hourly: RecurringAction {
        struct Input: Codable, Sendable {}
        func schedule(_ input: Input) throws -> Schedule { try Schedule("@hourly") }
        func occurrence(at time: Date, _ input: Input, in context: RunContext) async throws -> SubPlan {
            SubPlan(Work.self, .init())
        }
    }

    @Test(.timeLimit(.minutes(5))) func whatGoesOnForEverIsSaid() async throws {
        let engine = try TestEngine(Hourly(), Work())
        try await engine.plans.start(Hourly.self, .init())
        let error = await #expect(throws: TestEngineError.self) { try await engine.runUntilIdle(timersMax: 24) }
        #expect(error?.description.contains("2025-06-03T09:00:00Z") == true, "\(error?.description ?? "")")
        #expect(engine.story.filter { $0 == "run Work" }.count == 24)
    }

    // MARK: Scripts

    @Test(.timeLimit(.minutes(5))) func aScriptAnswersUntilItIsOver() async throws {
        let engine = try TestEngine(Work())
        let inputs = Mutex<[String]>([])
        engine.script(
            Work.self,
            [
                .succeed(with: "scripted"),
                .run { input, context in
                    inputs.withLock { $0.append("\(input.name) \(context.attempt)") }
                    return "by hand"
                },
            ]
        )
        var outputs: [String] = []
        for name in ["a", "b", "c"] {
            outputs.append(try await engine.result(of: engine.plans.start(Work.self, .init(name: name))))
        }
        #expect(outputs == ["scripted", "by hand", "c done"])
        #expect(inputs.withLock { $0 } == ["b 1"])
    }

    @Test(.timeLimit(.minutes(5))) func aPermanentErrorIsNotRetried() async throws {
        let engine = try TestEngine(Work())
        engine.script(Work.self, [.failForGood("no")])
        let plan = try await engine.plans.start(Work.self, .init())
        let error = await #expect(throws: TestEngineError.self) { try await engine.result(of: plan) }
        #expect(error?.description.contains("it is paused") == true)
        #expect(error?.description.contains("call Work (step 0): error, no") == true, "\(error?.description ?? "")")
        #expect(engine.calls.map(\.attempt) == [1])
    }

    @Test(.timeLimit(.minutes(5))) func eventsAreSentAndScripted() async throws {
        let engine = try TestEngine(Ask())
        engine.script(Ask.self, [.suspend])
        engine.script(Ask.self, on: .event, [.suspend, .fail("what?")])
        let plan = try await engine.plans.start(Ask.self, .init())
        try await engine.runUntilIdle()
        for _ in 0..<2 { try await plan.send(.answered("yes"), to: Ask.self) }
        try await engine.runUntilIdle()
        #expect(engine.story == ["run Ask", "event Ask", "event Ask"])
        #expect(try await plan.steps().map(\.error) == ["what?"])
        try await plan.resume()
        try await engine.settle()
        try await plan.send(.answered("yes"), to: Ask.self)
        #expect(try await engine.result(of: plan) == Answer(text: "yes"))
    }

    @Test(.timeLimit(.minutes(5))) func aCallThatHangsHoldsNobodyUpAndIsCancelled() async throws {
        let engine = try TestEngine(Thrice(), Work())
        engine.script(Work.self, [.hang])
        let plan = try await engine.plans.start(Thrice.self, Empty())
        try await engine.runUntilIdle()
        #expect(try await plan.steps().map(\.state) == [.running, .success, .success])
        try await plan.cancel(byForce: true)
        try await engine.settle()
        #expect(try await plan.status.result == .cancelled)
        #expect(try await plan.steps().map(\.state) == [.cancelled, .success, .success])
    }

    @Test(.timeLimit(.minutes(5))) func callsAreMadeOneAfterAnotherInTheirOrder() async throws {
        let order = Mutex<[String]>([])
        for _ in 0..<5 {
            let engine = try TestEngine(Thrice(), Work())
            let answer = ScriptedAnswer<Work>.run { input, _ in
                order.withLock { $0.append("begin \(input.name)") }
                for _ in 0..<10 { await Task.yield() }
                order.withLock { $0.append("end \(input.name)") }
                return ""
            }
            engine.script(Work.self, [answer, answer, answer])
            _ = try await engine.result(of: engine.plans.start(Thrice.self, Empty()))
            let steps = order.withLock { order in
                defer { order = [] }
                return order
            }
            #expect(steps == ["begin a", "end a", "begin b", "end b", "begin c", "end c"])
        }
    }

    /// Two that wait for each other need room for both.
    @Test(.timeLimit(.minutes(5))) func callsMayBeMadeAtOnce() async throws {
        let engine = try TestEngine(Thrice(), Work(), callsAtOnce: 2)
        let (arrivals, continuation) = AsyncStream.makeStream(of: Void.self)
        engine.script(
            Work.self,
            [
                .run { _, _ in
                    for await _ in arrivals { break }
                    return ""
                },
                .run { _, _ in
                    continuation.yield()
                    return ""
                },
            ]
        )
        _ = try await engine.result(of: engine.plans.start(Thrice.self, Empty()))
        #expect(engine.story.count == 3)
    }

    // MARK: Crashes

    @Test(.timeLimit(.minutes(5))) func lostCallsAreRecoveredAsTheirActionSays() async throws {
        let engine = try TestEngine(Work(), Careful(), Once())
        engine.script(Work.self, [.hang])
        engine.script(Careful.self, [.crash])
        engine.script(Once.self, [.hang])
        let work = try await engine.plans.start(Work.self, .init(name: "a"))
        let once = try await engine.plans.start(Once.self, .init())
        let careful = try await engine.plans.start(Careful.self, .init())
        #expect(try await engine.result(of: careful) == "found")
        #expect(engine.story == ["run Work", "run Once", "run Careful", "run Work", "reconcile Careful"])
        #expect(try await work.result() == "a done")
        #expect(try await once.status.state == .paused)
        #expect(try await work.steps().map(\.tries) == [1])
    }

    @Test(.timeLimit(.minutes(5))) func timersSurviveACrashAndAreLateAfterALongOne() async throws {
        let engine = try TestEngine(Ask())
        let plan = try await engine.plans.start(Ask.self, .init())
        try await engine.advance(by: .seconds(60))
        try await engine.crash()
        try await engine.advance(by: .seconds(60))
        #expect(try await plan.output(ofStep: 0) == "")
        try await engine.crash(downFor: .seconds(2 * 86_400))
        #expect(try await plan.output(ofStep: 0) == "still waiting at 2025-06-04T08:02:00Z")
        #expect(try await plan.steps().map(\.state) == [.suspended])
    }

    @Test(.timeLimit(.minutes(5))) func subPlansGoOnAfterACrash() async throws {
        let engine = try TestEngine(Crowd(), Work())
        engine.script(Work.self, [.perform, .perform, .crash])
        let counts = try await engine.result(of: engine.plans.start(Crowd.self, .init(size: 7)))
        #expect(counts == SubPlanCounts(total: 7, succeeded: 7, failed: 0, paused: 0))
        #expect(engine.story.filter { $0 == "run Work" }.count >= 8)
    }

    // MARK: Around it

    struct Around: PlanMiddleware {
        let seen: @Sendable (String) -> Void
        func around(_ call: PlanCall, next: @Sendable () async throws -> Void) async throws {
            seen("\(call.phase.rawValue) \(call.action)")
            try await next()
        }
    }

    @Test(.timeLimit(.minutes(5))) func hooksAndMiddlewareAreThere() async throws {
        let told = Mutex<[String]>([])
        let around = Mutex<[String]>([])
        let engine = try TestEngine(
            Work(),
            options: Plans.Options(
                middleware: [Around(seen: { word in around.withLock { $0.append(word) } })],
                hooks: [.onChange { change in told.withLock { $0.append("\(change.kind) \(change.detail ?? "")") } }]
            )
        )
        engine.script(Work.self, [.crash])
        _ = try await engine.result(of: engine.plans.start(Work.self, .init()))
        #expect(around.withLock { $0 } == ["plan Work", "run Work", "run Work"])
        #expect(told.withLock { $0.last } == "plan.stopped success")
        #expect(told.withLock { $0.count(where: { $0.hasPrefix("plan.stopped") }) } == 1)
    }

    @Test(.timeLimit(.minutes(5))) func limitsHold() async throws {
        struct Mail: Action {
            struct Input: Codable, Sendable {}
            static let options = ActionOptions(limits: ["mail"])
            func run(_ input: Input, in context: RunContext) async throws -> String { context.now.formatted(.iso8601) }
        }
        let engine = try TestEngine(Mail(), options: Plans.Options(limits: ["mail": .rate(1, per: .seconds(60))]))
        var plans: [PlanHandle<Mail>] = []
        for _ in 0..<3 { plans.append(try await engine.plans.start(Mail.self, .init())) }
        try await engine.runUntilIdle()
        var times: [String] = []
        for plan in plans { times.append(try await plan.result()) }
        #expect(times == ["2025-06-02T08:00:00Z", "2025-06-02T08:01:00Z", "2025-06-02T08:02:00Z"])
    }

    @Test(.timeLimit(.minutes(5))) func plansThatTheEnginePlansAreMadeHere() async throws {
        let engine = try TestEngine(Thrice(), Work())
        let first = try await engine.plans.start(Work.self, .init(), at: engine.now + 10)
        let next = try await engine.plans.start(Thrice.self, Empty(), after: [first])
        #expect(try await engine.result(of: next) == "a done")
        #expect(engine.story.count == 4)
    }
}
