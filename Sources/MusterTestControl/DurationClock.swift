/// What `duration` asks for. Lengths are microseconds.
package enum DurationChange: Hashable, Sendable {
    /// The test may take so long from now on.
    case set(Int64)
    /// The deadline moves by so much; a negative length moves it back.
    case add(Int64)
    /// What is left now is kept for `restore`.
    case save
    case restore
}

/// How long a test may still run. Points are microseconds of any clock that only goes forward, passed in.
///
/// `save` and `restore` nest and only the outermost pair counts, so that a library may use them around its own work in
/// a test that has done so already; a `restore` without a `save` does nothing (ATEX).
package struct DurationClock: Hashable, Sendable {
    /// When the test has run too long. It may lie in the past.
    package private(set) var deadline: Int64
    /// What was left at the outermost `save`.
    private var saved: Int64 = 0
    private var saves = 0

    /// - Parameter duration: how long the test may take from `now` on.
    package init(duration: Int64, now: Int64) { deadline = Self.sum(now, duration) }

    /// Carries out a change at `now`, in microseconds of the same clock. No length is too large.
    package mutating func apply(_ change: DurationChange, now: Int64) {
        switch change {
        case .set(let duration): deadline = Self.sum(now, duration)
        case .add(let length): deadline = Self.sum(deadline, length)
        case .save:
            if saves == 0 { saved = remaining(now: now) }
            // A test that saves for ever must not end its runner.
            saves = min(saves + 1, Int(Int32.max))
        case .restore:
            if saves == 1 { deadline = Self.sum(now, saved) }
            saves = max(saves - 1, 0)
        }
    }

    /// What is left; negative when the deadline has passed.
    package func remaining(now: Int64) -> Int64 { Self.sum(deadline, now == .min ? .max : -now) }

    /// Whether the deadline has passed.
    package func isOver(now: Int64) -> Bool { now > deadline }

    /// The sum, or the farthest point that there is.
    private static func sum(_ left: Int64, _ right: Int64) -> Int64 {
        let (sum, overflows) = left.addingReportingOverflow(right)
        return overflows ? (right < 0 ? .min : .max) : sum
    }
}

extension DurationChange {
    /// The argument of `duration`; nil when it is none. The format of lengths is fmf's: digits, and m, h, d, s or
    /// nothing for seconds. What 64 bits of microseconds cannot hold is no length.
    init?(_ argument: Span<UInt8>, _ range: Range<Int>) {
        guard let first = range.first.map({ argument[$0] }) else { return nil }
        if first == UInt8(ascii: "+") || first == UInt8(ascii: "-") {
            guard let length = Self.length(argument, range.dropFirst()) else { return nil }
            self = .add(first == UInt8(ascii: "-") ? -length : length)
        } else if ControlWord.matches(argument, range, "save") {
            self = .save
        } else if ControlWord.matches(argument, range, "restore") {
            self = .restore
        } else {
            guard let length = Self.length(argument, range) else { return nil }
            self = .set(length)
        }
    }

    private static func length(_ text: Span<UInt8>, _ range: Range<Int>) -> Int64? {
        var digits = range
        var factor: Int64 = 1_000_000
        switch range.last.map({ text[$0] }) {
        case UInt8(ascii: "s"): digits.removeLast()
        case UInt8(ascii: "m"):
            factor *= 60
            digits.removeLast()
        case UInt8(ascii: "h"):
            factor *= 3600
            digits.removeLast()
        case UInt8(ascii: "d"):
            factor *= 86_400
            digits.removeLast()
        default: break
        }
        guard !digits.isEmpty else { return nil }
        var value: Int64 = 0
        for index in digits {
            guard (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(text[index]) else { return nil }
            let (tenfold, tooFar) = value.multipliedReportingOverflow(by: 10)
            let (sum, tooHigh) = tenfold.addingReportingOverflow(Int64(text[index] - UInt8(ascii: "0")))
            guard !tooFar, !tooHigh else { return nil }
            value = sum
        }
        let (length, overflows) = value.multipliedReportingOverflow(by: factor)
        return overflows ? nil : length
    }
}
