import MusterCore
import Testing

/// A machine that has gone mad does not fill the state.
@Suite struct BoundTests {
    @Test func aNodeMaySaySoMuchInEachStretchOfTime() {
        var rate = ReportRate()
        var now = Timestamp(rawValue: 1_700_000_000_000_000)
        for _ in 0..<ReportRate.limit { #expect(rate.admit(at: now) == .admitted) }
        #expect(rate.admit(at: now) == .refusedFirst)
        now = now + (ReportRate.length - .seconds(1))
        #expect(rate.admit(at: now) == .refused)
        now = now + .seconds(1)
        #expect(rate.admit(at: now) == .admitted)
        // A clock that was set back does not silence it for ever.
        #expect(rate.admit(at: Timestamp(rawValue: 1)) == .admitted)
    }
}
