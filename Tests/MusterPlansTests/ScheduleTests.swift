import Foundation
import MusterCore
import MusterPlans
import Synchronization
import Testing

@testable import MusterPlans

@Suite struct ScheduleTests {
    private static func date(_ text: String) throws -> Date { try Date(text, strategy: .iso8601) }

    /// The next times, as in UTC.
    private func times(
        _ expression: String,
        _ zone: String = "UTC",
        from: String,
        count: Int = 3
    ) throws -> [String] {
        let schedule = try Schedule(expression, timeZone: zone)
        var found: [String] = []
        var date = try Self.date(from)
        for _ in 0..<count {
            guard let next = schedule.next(after: date) else { break }
            found.append(next.formatted(.iso8601))
            date = next
        }
        return found
    }

    @Test func fieldsMeanWhatCronMeans() throws {
        #expect(
            try times("30 4 * * *", from: "2026-01-31T04:30:00Z", count: 2)
                == ["2026-02-01T04:30:00Z", "2026-02-02T04:30:00Z"]
        )
        #expect(
            try times("*/20 8-10/2 * * *", from: "2026-05-05T08:10:00Z", count: 5) == [
                "2026-05-05T08:20:00Z", "2026-05-05T08:40:00Z", "2026-05-05T10:00:00Z", "2026-05-05T10:20:00Z",
                "2026-05-05T10:40:00Z",
            ]
        )
        #expect(
            try times("0 9 * jan,MAR mon-fri", from: "2026-01-30T09:00:00Z", count: 2)
                == ["2026-03-02T09:00:00Z", "2026-03-03T09:00:00Z"]
        )
        // Either day is enough where both are given.
        #expect(
            try times("0 0 13 * fri", from: "2026-02-07T00:00:00Z", count: 3)
                == ["2026-02-13T00:00:00Z", "2026-02-20T00:00:00Z", "2026-02-27T00:00:00Z"]
        )
        #expect(try times("0 0 29 2 *", from: "2096-03-01T00:00:00Z", count: 1) == ["2104-02-29T00:00:00Z"])
        #expect(try times("0 12 * * 7", from: "2026-11-21T00:00:00Z", count: 1) == ["2026-11-22T12:00:00Z"])
        #expect(try times("0 12 * * sat-sun", from: "2026-11-22T13:00:00Z", count: 1) == ["2026-11-28T12:00:00Z"])
        #expect(
            try times("5/25 0 1 1 *", from: "2026-01-01T00:00:00Z")
                == ["2026-01-01T00:05:00Z", "2026-01-01T00:30:00Z", "2026-01-01T00:55:00Z"]
        )
    }

    @Test func namesStandForExpressions() throws {
        #expect(try times("@hourly", from: "2026-06-01T10:59:59Z", count: 1) == ["2026-06-01T11:00:00Z"])
        #expect(try times("@daily", from: "2026-06-01T10:00:00Z", count: 1) == ["2026-06-02T00:00:00Z"])
        #expect(try times("@weekly", from: "2026-06-01T10:00:00Z", count: 1) == ["2026-06-07T00:00:00Z"])
        #expect(try times("@monthly", from: "2026-06-01T10:00:00Z", count: 1) == ["2026-07-01T00:00:00Z"])
        #expect(try times("@yearly", from: "2026-06-01T10:00:00Z", count: 1) == ["2027-01-01T00:00:00Z"])
    }

    /// Berlin, 2026-03-29: 02:00 to 03:00 does not exist.
    @Test func aTimeInAGapComesAtItsEnd() throws {
        #expect(
            try times("30 2 * * *", "Europe/Berlin", from: "2026-03-28T00:00:00Z")
                == ["2026-03-28T01:30:00Z", "2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z"]
        )
        // Every minute of the lost hour is one time.
        #expect(
            try times("*/15 2,3 * * *", "Europe/Berlin", from: "2026-03-29T00:00:00Z")
                == ["2026-03-29T01:00:00Z", "2026-03-29T01:15:00Z", "2026-03-29T01:30:00Z"]
        )
        #expect(
            try times("0 * * * *", "Europe/Berlin", from: "2026-03-28T23:30:00Z")
                == ["2026-03-29T00:00:00Z", "2026-03-29T01:00:00Z", "2026-03-29T02:00:00Z"]
        )
    }

    /// Berlin, 2026-10-25: 02:00 to 03:00 comes twice.
    @Test func aTimeThatComesTwiceIsTakenOnce() throws {
        #expect(
            try times("30 2 * * *", "Europe/Berlin", from: "2026-10-24T12:00:00Z", count: 2)
                == ["2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"]
        )
        // Who follows the clock gets both hours.
        #expect(
            try times("30 * * * *", "Europe/Berlin", from: "2026-10-24T23:00:00Z", count: 4) == [
                "2026-10-24T23:30:00Z", "2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z", "2026-10-25T02:30:00Z",
            ]
        )
    }

    /// Cairo, 2026-04-24: midnight does not exist. Lord Howe shifts by half an hour.
    @Test func oddZonesAreRight() throws {
        #expect(
            try times("0 0 * * *", "Africa/Cairo", from: "2026-04-23T10:00:00Z", count: 2)
                == ["2026-04-23T22:00:00Z", "2026-04-24T21:00:00Z"]
        )
        #expect(
            try times("15 2 4 10 *", "Australia/Lord_Howe", from: "2026-10-01T00:00:00Z", count: 1)
                == ["2026-10-03T15:30:00Z"]
        )
        #expect(
            try times("0 6 * * *", "Asia/Kathmandu", from: "2026-01-01T00:00:00Z", count: 1) == ["2026-01-01T00:15:00Z"]
        )
    }

    /// Minute by minute over two years of a zone with shifts: what `next` says is what walking says.
    @Test func nextIsTheFirstOfAll() throws {
        let zone = try #require(TimeZone(identifier: "America/New_York"))
        let schedule = try Schedule("17 */3 * * *", timeZone: "America/New_York")
        var second = Int(try Self.date("2026-03-07T00:00:00Z").timeIntervalSince1970)
        var expected: [Int] = []
        for _ in 0..<(4 * 1440) {
            let local = second + zone.secondsFromGMT(for: Date(timeIntervalSince1970: Double(second)))
            if local / 60 % 60 == 17, local / 3600 % 3 == 0 { expected.append(second) }
            second += 60
        }
        var found: [Int] = []
        var date = try Self.date("2026-03-07T00:00:00Z")
        while let next = schedule.next(after: date), Int(next.timeIntervalSince1970) < second {
            found.append(Int(next.timeIntervalSince1970))
            date = next
        }
        #expect(found == expected)
    }

    @Test(
        arguments: [
            ("* * * *", "five"), ("60 * * * *", "minute"), ("* * 0 * *", "day of month"), ("* * * foo *", "month"),
            ("5-1 * * * *", "goes up"), ("*/0 * * * *", "step"), ("1,,2 * * * *", "list"), ("@often", "@hourly"),
            ("0 0 30 2 *", "never comes"), ("1-2-3 * * * *", "range"),
        ]
    )
    func wrongOnesAreExplained(_ expression: String, _ word: String) {
        let error = #expect(throws: PlanningError.self) { try Schedule(expression) }
        #expect(error?.description.contains(word) == true, "\(String(describing: error))")
    }

    @Test func anUnknownZoneIsRefused() {
        #expect(throws: PlanningError.self) { try Schedule("@daily", timeZone: "Europe/Atlantis") }
    }
}

@Suite struct RecurringTests {
    struct Nightly: RecurringAction {
        struct Input: Codable, Sendable {}
        func schedule(_ input: Input) throws -> Schedule { try Schedule("0 3 * * *") }
        func occurrence(at time: Date, _ input: Input, in context: RunContext) async throws -> SubPlan {
            SubPlan(Touch.self, .init(name: time.formatted(.iso8601)))
        }
    }

    final class Starter: PlanStarter {
        let begun = Mutex<[(token: String, plan: ChildPlan)]>([])
        let isBusy = Mutex(false)
        func start(_ plan: ChildPlan, token: String) async throws { begun.withLock { $0.append((token, plan)) } }
        func isUnfinished(token: String) throws -> Bool { isBusy.withLock { $0 } }
    }

    private func tick(_ bench: Bench, _ last: CallEnd) async -> CallEnd {
        let wake = last.wakes[0]
        bench.advance(wake.delay)
        let end = await bench.call("Nightly", .event(payload: wake.payload), output: last.output)
        return CallEnd(end.outcome, output: end.output ?? last.output, wakes: end.wakes)
    }

    @Test func eachTimeHasAPlanOfItsOwn() async throws {
        let bench = Bench()
        let starter = Starter()
        bench.register(Nightly(), Touch())
        bench.host.starter.withLock { $0 = starter }
        // 2023-11-14T22:13:20Z.
        let first = await bench.call("Nightly", .run)
        #expect(first.outcome == .suspended && first.wakes.map(\.delay) == [.seconds(4 * 3600 + 46 * 60 + 40)])
        let second = await tick(bench, first)
        #expect(second.wakes.map(\.delay) == [.seconds(86_400)])
        let third = await tick(bench, second)
        #expect(third.outcome == .suspended)
        let begun = starter.begun.withLock { $0 }
        #expect(
            begun.map { $0.plan.steps[0].spec.input ?? "" }
                == [#"{"input":{"name":"2023-11-15T03:00:00Z"}}"#, #"{"input":{"name":"2023-11-16T03:00:00Z"}}"#]
        )
        #expect(begun[0].plan.program.parent == StepID(plan: PlanID(7), index: 2))
        #expect(begun[0].token != begun[1].token)
    }

    @Test func whileAnEarlierOneGoesOnNothingBegins() async throws {
        let bench = Bench()
        let starter = Starter()
        bench.register(Nightly(), Touch())
        bench.host.starter.withLock { $0 = starter }
        let first = await bench.call("Nightly", .run)
        let second = await tick(bench, first)
        starter.isBusy.withLock { $0 = true }
        let third = await tick(bench, second)
        #expect(starter.begun.withLock { $0.count } == 1)
        #expect(bench.written.withLock { $0.contains("skipped") })
        starter.isBusy.withLock { $0 = false }
        _ = await tick(bench, third)
        #expect(starter.begun.withLock { $0.count } == 2)
    }

    /// However long nobody ran: one plan, and the schedule goes on from there.
    @Test func missedTimesAreMadeUpForOnce() async throws {
        let bench = Bench()
        let starter = Starter()
        bench.register(Nightly(), Touch())
        bench.host.starter.withLock { $0 = starter }
        let first = await bench.call("Nightly", .run)
        bench.advance(.seconds(10 * 86_400))
        let late = await bench.call("Nightly", .event(payload: first.wakes[0].payload), output: first.output)
        #expect(starter.begun.withLock { $0.count } == 1)
        #expect(late.wakes[0].delay < .seconds(86_400))
        // The same again after a crash is the same plan.
        _ = await bench.call("Nightly", .event(payload: first.wakes[0].payload), output: first.output)
        #expect(Set(starter.begun.withLock { $0.map(\.token) }).count == 1)
    }

    @Test func itIsCancellable() async {
        let bench = Bench()
        bench.register(Nightly(), Touch())
        #expect(ActionSpec(Nightly.self).isCancellable)
        guard case .failed(let error, true) = await bench.call("Nightly", .cancel(byForce: false)).outcome else {
            Issue.record("not cancelled")
            return
        }
        #expect(error.code == .cancelled)
    }
}
