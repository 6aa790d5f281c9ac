public import Foundation

/// Times that come again and again: a cron expression in a time zone.
///
/// Five fields (minute, hour, day of month, month, day of week) with `*`, lists (`1,15`), ranges (`mon-fri`), steps
/// (`*/5`, `8-18/2`) and names, or one of `@hourly`, `@daily`, `@midnight`, `@weekly`, `@monthly`, `@yearly`,
/// `@annually`. Where day of month and day of week both say something, either is enough (POSIX crontab).
///
/// When clocks are put forward, a time that does not exist comes at the end of the gap; when they are put back, a time
/// that comes twice is taken once. With `*` in the hour's place the clock is followed minute by minute instead.
public struct Schedule: Hashable, Sendable, CustomStringConvertible {
    /// The expression as it was given.
    public let expression: String
    /// The time zone's name.
    public let timeZone: String

    private let minutes: Set<Int>
    private let hours: Set<Int>
    private let days: Set<Int>
    private let months: Set<Int>
    private let weekdays: Set<Int>
    private let followsClock: Bool
    /// Whether the day of month, and of week, say something.
    private let limitsDays: Bool
    private let limitsWeekdays: Bool
    private let zone: TimeZone

    /// Reads an expression.
    ///
    /// - Parameter timeZone: an IANA name.
    /// - Throws: `PlanningError` that says which field is wrong, and what would be right.
    public init(_ expression: String, timeZone: String = "UTC") throws {
        guard let zone = TimeZone(identifier: timeZone) else {
            throw PlanningError("there is no time zone '\(timeZone)'; name one as in Europe/Berlin or UTC")
        }
        let fields = try CronFields(expression)
        self.expression = expression
        self.timeZone = timeZone
        self.zone = zone
        minutes = fields.minutes
        hours = fields.hours
        days = fields.days
        months = fields.months
        weekdays = fields.weekdays
        followsClock = fields.followsClock
        limitsDays = fields.limitsDays
        limitsWeekdays = fields.limitsWeekdays
        guard next(after: Date(timeIntervalSince1970: 0)) != nil else {
            throw PlanningError("'\(expression)' never comes: no month has such a day")
        }
    }

    /// The expression, and where.
    public var description: String { "\(expression) (\(timeZone))" }

    /// The first time after a point in time; nil when there is none within twelve years.
    public func next(after date: Date) -> Date? {
        let after = Int(date.timeIntervalSince1970.rounded(.down))
        let start = Self.floorDiv(after + offset(at: after), Self.day) - 1
        for number in start...(start + 12 * 366) where matches(day: number) {
            // Where clocks are put back over midnight, a time of the next day may come before one of this.
            let found = [number, number + 1].filter(matches).flatMap { instants(onDay: $0, after: after) }
            if let first = found.min() { return Date(timeIntervalSince1970: Double(first)) }
        }
        return nil
    }

    private static let day = 86_400

    private func matches(day number: Int) -> Bool {
        let (month, day) = Self.monthAndDay(number)
        guard months.contains(month) else { return false }
        let weekday = Self.floorMod(number + 4, 7)  // 1970-01-01 was a Thursday
        return switch (limitsDays, limitsWeekdays) {
        case (true, true): days.contains(day) || weekdays.contains(weekday)
        case (true, false): days.contains(day)
        case (false, true): weekdays.contains(weekday)
        case (false, false): true
        }
    }

    /// The instants of a day's times, of those after `after` at least the first.
    private func instants(onDay number: Int, after: Int) -> [Int] {
        var found: [Int] = []
        var foundAt: Int?
        for hour in hours.sorted() {
            // No zone's clocks are put back or forward by more than a few hours.
            if let foundAt, hour > foundAt + 4 { break }
            let wall = number * Self.day + hour * 3600
            guard wall + 3600 + 30 * 3600 > after else { continue }
            for minute in minutes {
                let here = instants(of: wall + minute * 60).filter { $0 > after }
                if !here.isEmpty { foundAt = foundAt ?? hour }
                found += here
            }
        }
        return found
    }

    /// When a clock on the wall shows this, in seconds since 1970 as if the wall were in UTC.
    private func instants(of wall: Int) -> [Int] {
        let reach = 15 * 3600
        let (before, later) = (offset(at: wall - reach), offset(at: wall + reach))
        let first = wall - before
        let second = wall - later
        let firstHolds = offset(at: first) == before
        guard before != later else { return [first] }
        let secondHolds = offset(at: second) == later
        switch (firstHolds, secondHolds) {
        case (true, true): return followsClock ? [first, second] : [min(first, second)]
        case (true, false): return [first]
        case (false, true): return [second]
        case (false, false): return followsClock ? [] : [change(between: wall - reach, and: wall + reach)]
        }
    }

    /// The first second with another offset.
    private func change(between low: Int, and high: Int) -> Int {
        let before = offset(at: low)
        var (low, high) = (low, high)
        while high - low > 1 {
            let middle = (low + high) / 2
            if offset(at: middle) == before { low = middle } else { high = middle }
        }
        return high
    }

    private func offset(at second: Int) -> Int {
        zone.secondsFromGMT(for: Date(timeIntervalSince1970: Double(second)))
    }

    /// The month and day of a day's number since 1970 (Hinnant, "chrono-compatible low-level date algorithms").
    private static func monthAndDay(_ number: Int) -> (month: Int, day: Int) {
        let shifted = number + 719_468
        let dayOfEra = floorMod(shifted, 146_097)
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let place = (5 * dayOfYear + 2) / 153
        return (place < 10 ? place + 3 : place - 9, dayOfYear - (153 * place + 2) / 5 + 1)
    }

    private static func floorDiv(_ a: Int, _ b: Int) -> Int { a >= 0 ? a / b : -((-a + b - 1) / b) }
    private static func floorMod(_ a: Int, _ b: Int) -> Int { a - floorDiv(a, b) * b }
}
