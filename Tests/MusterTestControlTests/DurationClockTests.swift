import MusterTestControl
import Testing

@Suite struct DurationClockTests {
    /// What a clock of 100 s that began at 0 has left at 10 s, each change being a second after the former from 1 s on.
    static let table: [([DurationChange], Int64)] = [
        ([], 90), ([.set(30)], 21), ([.add(5)], 95), ([.add(-5)], 85), ([.add(-200)], -110),
        ([.save], 90), ([.restore], 90), ([.add(5), .restore], 95),
        // Saved at 1 s with 99 s left, restored at 3 s.
        ([.save, .set(500), .restore], 92),
        ([.save, .add(-500), .restore], 92),
        // Of nested pairs the outermost counts: restored at 6 s.
        ([.save, .set(500), .save, .set(7), .restore, .restore], 95),
        ([.save, .save, .set(7), .restore], 0),
        // A restore too many does nothing, and the next pair is one of its own.
        ([.save, .restore, .restore, .set(50), .save, .set(1), .restore], 46),
        ([.save, .restore, .set(20), .restore], 13),
    ]

    private static func seconds(_ change: DurationChange) -> DurationChange {
        switch change {
        case .set(let length): .set(length * 1_000_000)
        case .add(let length): .add(length * 1_000_000)
        case .save, .restore: change
        }
    }

    @Test(arguments: table) func whatIsLeftFollowsFromTheChanges(_ changes: [DurationChange], _ left: Int64) {
        var clock = DurationClock(duration: 100_000_000, now: 0)
        for (second, change) in changes.enumerated() {
            clock.apply(Self.seconds(change), now: Int64(second + 1) * 1_000_000)
        }
        #expect(clock.remaining(now: 10_000_000) == left * 1_000_000)
        #expect(clock.isOver(now: 10_000_000) == (left < 0))
    }

    @Test func theDeadlineItselfIsNotTooLate() {
        let clock = DurationClock(duration: 5, now: 100)
        #expect(clock.deadline == 105)
        #expect(!clock.isOver(now: 105) && clock.isOver(now: 106))
    }

    @Test func noChangeOverflows() {
        var clock = DurationClock(duration: .max, now: 5)
        #expect(clock.deadline == .max && !clock.isOver(now: .max))
        clock.apply(.add(.max), now: 6)
        clock.apply(.add(.min), now: 6)
        #expect(clock.deadline == -1)
        clock.apply(.add(.min), now: 6)
        #expect(clock.deadline == .min && clock.isOver(now: 0))
        #expect(clock.remaining(now: .max) == .min)
        clock.apply(.save, now: .max)
        clock.apply(.restore, now: .min)
        #expect(clock.deadline == .min)
    }

    @Test(
        arguments: [
            ("0", .set(0)), ("7", .set(7_000_000)), ("7s", .set(7_000_000)), ("15m", .set(900_000_000)),
            ("2h", .set(7_200_000_000)), ("1d", .set(86_400_000_000)), ("007", .set(7_000_000)),
            ("+60", .add(60_000_000)), ("-60", .add(-60_000_000)), ("+1m", .add(60_000_000)),
            ("-1h", .add(-3_600_000_000)),
            ("save", .save), ("restore", .restore),
        ] as [(String, DurationChange)]
    )
    func durationsAreReadAsFmfWritesThem(_ text: String, _ change: DurationChange) {
        #expect(Transcript.of(Stream.line("duration " + text)).said == [.duration(change)])
    }
}
