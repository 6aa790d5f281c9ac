/// A point in time: UTC, in microseconds since 1970.
package struct Timestamp: RawRepresentable, Hashable, Comparable, Sendable, Codable {
    package let rawValue: Int64
    package init(rawValue: Int64) { self.rawValue = rawValue }

    package static func < (a: Timestamp, b: Timestamp) -> Bool { a.rawValue < b.rawValue }
    package static func + (point: Timestamp, length: Duration) -> Timestamp {
        let (sum, overflow) = point.rawValue.addingReportingOverflow(length.microseconds)
        return Timestamp(rawValue: overflow ? (length < .zero ? .min : .max) : sum)
    }
    package static func - (a: Timestamp, b: Timestamp) -> Duration {
        .microseconds(a.rawValue.subtractingReportingOverflow(b.rawValue).partialValue)
    }
}

extension Duration {
    /// Whole microseconds, towards zero; the extremes of `Int64` where the length does not fit.
    package var microseconds: Int64 {
        let (seconds, attoseconds) = components
        let (scaled, overflow) = seconds.multipliedReportingOverflow(by: 1_000_000)
        if overflow { return seconds < 0 ? .min : .max }
        let (sum, overflow2) = scaled.addingReportingOverflow(attoseconds / 1_000_000_000_000)
        return overflow2 ? (seconds < 0 ? .min : .max) : sum
    }

    /// Whole milliseconds, towards zero.
    package var milliseconds: Int64 { microseconds / 1000 }
}

extension Duration {
    /// For people, and as the lab file writes it: `250ms`, `2.5s`, `1m30s`, `2h`.
    package var shortText: String {
        let total = milliseconds
        if total < 0 { return "-" + (.zero - self).shortText }
        if total < 1000 { return "\(total)ms" }
        if total < 60_000 {
            let tenths = total / 100 % 10
            return tenths == 0 ? "\(total / 1000)s" : "\(total / 1000).\(tenths)s"
        }
        var rest = total / 1000
        var text = ""
        for (unit, size) in [("d", Int64(86_400)), ("h", 3600), ("m", 60), ("s", 1)] where rest >= size {
            text += "\(rest / size)\(unit)"
            rest %= size
        }
        return text
    }
}
