import Foundation
import MusterPlans
import MusterPlansTesting
import Testing

/// A schedule through the engine: when clocks are put forward and back, while an earlier plan goes on, after a crash.
@Suite struct RecurringTests {
    /// What is done each night; it ends when it is told to.
    struct Backup: SuspendingAction {
        struct Input: Codable, Sendable { var time: Date }
        typealias Event = Empty
        func run(_ input: Input, in context: RunContext) async throws -> StepProgress<Empty> { .suspended }
        func receive(_ event: Empty, _ input: Input, in context: RunContext) async throws -> StepProgress<Empty> {
            .done(event)
        }
    }

    struct Night: RecurringAction {
        struct Input: Codable, Sendable { var cron = "30 2 * * *" }
        func schedule(_ input: Input) throws -> Schedule { try Schedule(input.cron, timeZone: "Europe/Berlin") }
        func occurrence(at time: Date, _ input: Input, in context: RunContext) async throws -> SubPlan {
            SubPlan(Backup.self, .init(time: time))
        }
    }

    struct Every: RecurringAction {
        static let overlap = RecurringOverlap.allow
        typealias Input = Empty
        func schedule(_ input: Empty) throws -> Schedule { try Schedule("@hourly") }
        func occurrence(at time: Date, _ input: Empty, in context: RunContext) async throws -> SubPlan {
            SubPlan(Backup.self, .init(time: time))
        }
    }

    private func engine(from: String) throws -> TestEngine {
        try TestEngine(Night(), Every(), Backup(), startingAt: Date(from, strategy: .iso8601))
    }

    private let nothingToDo = Array(repeating: ScriptedAnswer<Backup>.succeed(with: Empty()), count: 50)

    /// What the schedule's step has told: one line for each time.
    private func told<Root: PlanAction>(_ plan: PlanHandle<Root>) async throws -> [String] {
        try await plan.output(ofStep: 0).split(separator: "\n").map(String.init)
    }

    /// Berlin, 2026-03-29: 02:00 to 03:00 does not exist; the time comes at the end of the gap, once.
    @Test(.timeLimit(.minutes(5))) func aTimeInTheLostHourComesAtItsEnd() async throws {
        let engine = try engine(from: "2026-03-27T12:00:00Z")
        engine.script(Backup.self, nothingToDo)
        let plan = try await engine.plans.start(Night.self, .init())
        try await engine.advance(by: .seconds(3 * 86_400))
        #expect(
            try await told(plan)
                == ["2026-03-28T01:30:00Z: begun", "2026-03-29T01:00:00Z: begun", "2026-03-30T00:30:00Z: begun"]
        )
    }

    /// Berlin, 2026-10-25: 02:00 to 03:00 comes twice; the time is taken once, also over a crash in between.
    @Test(.timeLimit(.minutes(5))) func aTimeThatComesTwiceIsTakenOnce() async throws {
        let engine = try engine(from: "2026-10-24T12:00:00Z")
        engine.script(Backup.self, nothingToDo)
        let plan = try await engine.plans.start(Night.self, .init())
        try await engine.advance(to: Date("2026-10-25T00:45:00Z", strategy: .iso8601))
        try await engine.crash()
        try await engine.advance(by: .seconds(86_400))
        #expect(try await told(plan) == ["2026-10-25T00:30:00Z: begun"])
        try await engine.advance(by: .seconds(3600))
        #expect(try await told(plan) == ["2026-10-25T00:30:00Z: begun", "2026-10-26T01:30:00Z: begun"])
        #expect(engine.story.count(where: { $0 == "run Backup" }) == 2)
    }

    @Test(.timeLimit(.minutes(5))) func whileAnEarlierPlanGoesOnATimeIsSkipped() async throws {
        let engine = try engine(from: "2026-06-01T12:00:00Z")
        let plan = try await engine.plans.start(Night.self, .init())
        try await engine.advance(by: .seconds(2 * 86_400))
        #expect(
            try await told(plan) == [
                "2026-06-02T00:30:00Z: begun",
                "2026-06-03T00:30:00Z: skipped, the plan of an earlier time goes on",
            ]
        )
        #expect(engine.story.count(where: { $0 == "run Backup" }) == 1)
        // The name of the plan that goes on is in the calls; it ends, and the next time is taken.
        let name = try #require(engine.calls.last { $0.action == "Backup" }?.plan)
        try await engine.plans.plan(name, of: Backup.self).send(Empty(), to: Backup.self)
        try await engine.advance(by: .seconds(86_400))
        #expect(try await told(plan).last == "2026-06-04T00:30:00Z: begun")
    }

    @Test(.timeLimit(.minutes(5))) func whereItIsAllowedTheyGoBesideEachOther() async throws {
        let engine = try engine(from: "2026-06-01T12:30:00Z")
        let plan = try await engine.plans.start(Every.self, Empty())
        try await engine.advance(by: .seconds(3 * 3600))
        #expect(engine.story.count(where: { $0 == "run Backup" }) == 3)
        try await plan.cancel(byForce: true)
        try await engine.settle()
        #expect(try await plan.status.result == .cancelled)
        // Its plans end with it.
        for name in Set(engine.calls.filter { $0.action == "Backup" }.compactMap(\.plan)) {
            #expect(try await engine.plans.plan(name, of: Backup.self).status.result == .cancelled)
        }
    }

    /// Nobody ran for three days: one plan makes up for all of them.
    @Test(.timeLimit(.minutes(5))) func timesThatPassedWhileNobodyRanAreMadeUpForOnce() async throws {
        let engine = try engine(from: "2026-06-01T12:00:00Z")
        engine.script(Backup.self, nothingToDo)
        let plan = try await engine.plans.start(Night.self, .init())
        try await engine.advance(by: .seconds(60))
        try await engine.crash(downFor: .seconds(3 * 86_400))
        #expect(try await told(plan) == ["2026-06-02T00:30:00Z: begun"])
        try await engine.advance(by: .seconds(86_400))
        #expect(try await told(plan).last == "2026-06-05T00:30:00Z: begun")
    }

    /// It dies after the plan was begun and before that is noted: the plan is not begun twice.
    @Test(.timeLimit(.minutes(5))) func aCrashWhileATimeIsTakenBeginsNoPlanTwice() async throws {
        let engine = try engine(from: "2026-06-01T12:00:00Z")
        engine.script(Backup.self, nothingToDo)
        engine.script(Night.self, on: .event, [.performAndCrash])
        let plan = try await engine.plans.start(Night.self, .init())
        try await engine.advance(by: .seconds(86_400))
        #expect(engine.story.count(where: { $0 == "event Night" }) == 2)
        #expect(Set(engine.calls.filter { $0.action == "Backup" }.map(\.plan)).count == 1)
        #expect(try await plan.status.state == .running)
    }
}
