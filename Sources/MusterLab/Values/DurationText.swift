/// Durations as people write them: `500ms`, `30s`, `1h30m`.
package enum DurationText {
    package enum Problem: Error, Hashable, Sendable {
        /// A number alone; the text is what it means when it counts seconds.
        case unitMissing(seconds: String?)
        case unitUnknown(String, suggestion: String?)
        /// Units out of order or given twice.
        case order
        case fraction
        case tooLong
        case notADuration
    }

    /// From the largest to the smallest.
    private static let units: [(word: String, milliseconds: Int64)] = [
        ("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1),
    ]
    package static let max: Duration = .seconds(86_400 * 3_650)

    package static func parse(_ text: String) throws(Problem) -> Duration {
        let bytes = Array(text.utf8)
        guard let first = bytes.first, isDigit(first) else { throw .notADuration }
        var i = 0
        var total: Int64 = 0
        var unitBefore = -1
        while i < bytes.count {
            let digits = bytes[i...].prefix(while: isDigit)
            i += digits.count
            if i < bytes.count, bytes[i] == UInt8(ascii: "."), i + 1 < bytes.count, isDigit(bytes[i + 1]) {
                throw .fraction
            }
            let letters = bytes[i...].prefix { !isDigit($0) }
            i += letters.count
            guard !digits.isEmpty else { throw .notADuration }
            guard let number = Int64(String(decoding: digits, as: UTF8.self)) else { throw .tooLong }
            guard !letters.isEmpty else {
                guard unitBefore < 0 else { throw .notADuration }
                throw .unitMissing(seconds: number <= 315_360_000 ? format(.seconds(number)) : nil)
            }
            let word = String(decoding: letters, as: UTF8.self)
            guard let unit = units.firstIndex(where: { $0.word == word }) else {
                throw .unitUnknown(word, suggestion: meant(by: word).map { "\(number)\($0)" })
            }
            guard unit > unitBefore else { throw .order }
            unitBefore = unit
            let (part, overflow) = number.multipliedReportingOverflow(by: units[unit].milliseconds)
            let (sum, overflow2) = total.addingReportingOverflow(part)
            guard !overflow, !overflow2, .milliseconds(sum) <= max else { throw .tooLong }
            total = sum
        }
        return .milliseconds(total)
    }

    /// The shortest text of a duration: `1h30m`, `0s`. Below a millisecond nothing is shown.
    package static func format(_ duration: Duration) -> String {
        let (seconds, attoseconds) = duration.components
        var left = seconds * 1_000 + attoseconds / 1_000_000_000_000_000
        guard left > 0 else { return "0s" }
        var text = ""
        for unit in units where left >= unit.milliseconds {
            text += "\(left / unit.milliseconds)\(unit.word)"
            left %= unit.milliseconds
        }
        return text
    }

    private static func isDigit(_ byte: UInt8) -> Bool { byte >= 0x30 && byte <= 0x39 }

    private static func meant(by word: String) -> String? {
        switch word.lowercased() {
        case "msec", "msecs", "millis", "millisecond", "milliseconds": "ms"
        case "s", "sec", "secs", "second", "seconds", " s", " seconds", " second": "s"
        case "m", "min", "mins", "minute", "minutes", " m", " min", " minutes", " minute": "m"
        case "h", "hr", "hrs", "hour", "hours", " h", " hours", " hour": "h"
        case "d", "day", "days", " d", " days", " day": "d"
        default: nil
        }
    }
}
