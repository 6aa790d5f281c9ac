package import MusterCore

/// Times and lengths as text, without calendars or locales.
package enum TimeText {
    /// RFC 3339 in UTC with microseconds: `2026-03-01T09:30:00.000000Z`. Years beyond 0 … 9999 are clamped.
    package static func rfc3339(_ time: Timestamp) -> String {
        let (day, second, micros) = parts(time)
        return "\(day)T\(second).\(padded(micros, 6))Z"
    }

    /// `2026-03-01 09:30:00 UTC`.
    static func spoken(_ time: Timestamp) -> String {
        let (day, second, _) = parts(time)
        return "\(day) \(second) UTC"
    }

    /// `312ms`, `3.2s`, `38m 52s`, `2h 05m`, `3d 4h`.
    static func short(_ length: Duration) -> String {
        let ms = max(0, length.milliseconds)
        if ms < 1000 { return "\(ms)ms" }
        if ms < 59_950 { return "\(tenths(ms))s" }
        let seconds = (ms + 500) / 1000
        if seconds < 3600 { return "\(seconds / 60)m \(padded(seconds % 60, 2))s" }
        if seconds < 86_400 { return "\(seconds / 3600)h \(padded(seconds / 60 % 60, 2))m" }
        return "\(seconds / 86_400)d \(seconds / 3600 % 24)h"
    }

    /// Seconds with three decimals: `0.312`.
    static func seconds(_ length: Duration) -> String {
        let ms = max(0, length.milliseconds)
        return "\(ms / 1000).\(padded(ms % 1000, 3))"
    }

    /// Hours, minutes and seconds, to the nearest second: `00:05:09`, `120:00:00`.
    static func clock(_ length: Duration) -> String {
        let seconds = (max(0, length.milliseconds) + 500) / 1000
        return "\(padded(seconds / 3600, 2)):\(padded(seconds / 60 % 60, 2)):\(padded(seconds % 60, 2))"
    }

    private static func tenths(_ ms: Int64) -> String {
        let rounded = (ms + 50) / 100
        return "\(rounded / 10).\(rounded % 10)"
    }

    private static func parts(_ time: Timestamp) -> (day: String, second: String, micros: Int64) {
        let bounds: ClosedRange<Int64> = -62_167_219_200_000_000...253_402_300_799_999_999
        let value = min(max(time.rawValue, bounds.lowerBound), bounds.upperBound)
        let micros = ((value % 1_000_000) + 1_000_000) % 1_000_000
        let seconds = (value - micros) / 1_000_000
        let inDay = ((seconds % 86_400) + 86_400) % 86_400
        let (year, month, day) = date(daysSince1970: (seconds - inDay) / 86_400)
        let clock = "\(padded(inDay / 3600, 2)):\(padded(inDay / 60 % 60, 2)):\(padded(inDay % 60, 2))"
        return ("\(padded(year, 4))-\(padded(month, 2))-\(padded(day, 2))", clock, micros)
    }

    /// The Gregorian date, counted in 400-year cycles that begin on 1 March, so that the leap day comes last.
    private static func date(daysSince1970: Int64) -> (year: Int64, month: Int64, day: Int64) {
        let shifted = daysSince1970 + 719_468
        let cycle = (shifted >= 0 ? shifted : shifted - 146_096) / 146_097
        let dayOfCycle = shifted - cycle * 146_097
        let yearOfCycle = (dayOfCycle - dayOfCycle / 1460 + dayOfCycle / 36_524 - dayOfCycle / 146_096) / 365
        let dayOfYear = dayOfCycle - (365 * yearOfCycle + yearOfCycle / 4 - yearOfCycle / 100)
        let monthFromMarch = (5 * dayOfYear + 2) / 153
        let month = monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9
        let year = yearOfCycle + cycle * 400 + (month <= 2 ? 1 : 0)
        return (year, month, dayOfYear - (153 * monthFromMarch + 2) / 5 + 1)
    }

    private static func padded(_ number: Int64, _ width: Int) -> String {
        let digits = String(number)
        return String(repeating: "0", count: max(0, width - digits.utf8.count)) + digits
    }
}
