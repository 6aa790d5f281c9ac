/// A date, or a date with a time, as YAML writes it.
package struct FMFDate: Sendable {
    /// A time of day with what is known of its zone.
    struct Time: Hashable, Sendable {
        var hour: Int
        var minute: Int
        var second: Int
        var microsecond: Int
        /// Minutes east of Greenwich; nil when nothing is said.
        var offset: Int?
        /// The zone as it is written.
        var zone: String?
    }

    var year: Int
    var month: Int
    var day: Int
    var time: Time?

    /// `2026-02-03`, or `2026-02-03 04:05:06.700000+01:00`.
    package var text: String {
        let day = "\(Self.padded(year, 4))-\(Self.padded(month))-\(Self.padded(day))"
        guard let time else { return day }
        var text = "\(day) \(Self.padded(time.hour)):\(Self.padded(time.minute)):\(Self.padded(time.second))"
        if time.microsecond > 0 { text += "." + Self.padded(time.microsecond, 6) }
        if let offset = time.offset {
            text += "\(offset < 0 ? "-" : "+")\(Self.padded(abs(offset) / 60)):\(Self.padded(abs(offset) % 60))"
        }
        return text
    }

    /// As Python shows it inside of a list.
    var representation: String {
        guard let time else { return "datetime.date(\(year), \(month), \(day))" }
        var parts = [year, month, day, time.hour, time.minute].map { String($0) }
        if time.second > 0 || time.microsecond > 0 { parts.append(String(time.second)) }
        if time.microsecond > 0 { parts.append(String(time.microsecond)) }
        if let offset = time.offset {
            let days = offset < 0 ? -1 : 0
            let seconds = (offset - days * 1_440) * 60
            var delta: [String] = []
            if days != 0 { delta.append("days=\(days)") }
            if seconds != 0 { delta.append("seconds=\(seconds)") }
            let difference = "datetime.timedelta(\(delta.isEmpty ? "0" : delta.joined(separator: ", ")))"
            let zone = FMFText.representation(of: time.zone ?? "")
            parts.append("tzinfo=datetime.timezone(\(difference), \(zone))")
        }
        return "datetime.datetime(\(parts.joined(separator: ", ")))"
    }

    private static func padded(_ number: Int, _ width: Int = 2) -> String {
        let digits = String(number)
        return String(repeating: "0", count: max(width - digits.count, 0)) + digits
    }

    /// Days since the first of March of the year 0.
    private var dayNumber: Int {
        let (year, month) = month > 2 ? (year, month - 3) : (year - 1, month + 9)
        return year * 365 + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day
    }

    /// Microseconds in Greenwich since some day; of a time without zone, its own.
    private var instant: Int {
        let time = time ?? Time(hour: 0, minute: 0, second: 0, microsecond: 0)
        let minutes = dayNumber * 1_440 + time.hour * 60 + time.minute - (time.offset ?? 0)
        return (minutes * 60 + time.second) * 1_000_000 + time.microsecond
    }

    private enum Kind: Hashable {
        case day
        case local
        case zoned
    }
    private var kind: Kind { time.map { $0.offset == nil ? .local : .zoned } ?? .day }
}

extension FMFDate: Hashable {
    /// A date equals no time, and a time with a zone none without.
    package static func == (a: FMFDate, b: FMFDate) -> Bool { a.kind == b.kind && a.instant == b.instant }
    /// The same for all dates that are equal.
    package func hash(into hasher: inout Hasher) { hasher.combine(instant) }
}

extension FMFDate {
    /// A plain scalar that is a date: what YAML's timestamps look like. `isExplicit`: as after `!!timestamp`, where
    /// months and days of one digit pass without a time, too.
    ///
    /// Nil when it is text. Throws when it looks like a date and is none, such as the 30th of February.
    init?(_ text: String, isExplicit: Bool = false) throws(FMFProblem) {
        var scan = DigitScan(text)
        guard let year = scan.digits(4, 4), scan.take("-"), let month = scan.digits(1, 2), scan.take("-"),
            let day = scan.digits(1, 2)
        else { return nil }
        let isShort = text.utf8.count != 10
        var time: Time?
        if !scan.isAtEnd {
            guard let found = Self.time(&scan) else { return nil }
            time = found
        } else if isShort, !isExplicit {
            return nil
        }
        self.init(year: year, month: month, day: day, time: time)
        if let fault { throw FMFProblem("'\(text)' looks like a date and is none: \(fault)", hint: "put it in quotes") }
        if (self.time?.microsecond ?? 0) == 1_000_000 { addSecond() }
        guard self.year <= 9_999 else { throw FMFProblem("'\(text)' is a date beyond the year 9999") }
    }

    private static func time(_ scan: inout DigitScan) -> Time? {
        if !scan.take("T"), !scan.take("t") {
            guard scan.takeBlanks() else { return nil }
        }
        guard let hour = scan.digits(1, 2), scan.take(":"), let minute = scan.digits(2, 2), scan.take(":"),
            let second = scan.digits(2, 2)
        else { return nil }
        var time = Time(hour: hour, minute: minute, second: second, microsecond: 0)
        if scan.take(".") { time.microsecond = scan.microseconds() }
        guard !scan.isAtEnd else { return time }
        _ = scan.takeBlanks()
        if scan.take("Z") {
            time.offset = 0
            time.zone = "Z"
        } else {
            let start = scan.position
            let isWest = scan.take("-")
            guard isWest || scan.take("+"), let hours = scan.digits(1, 2) else { return nil }
            var minutes = 0
            if scan.take(":") {
                guard let more = scan.digits(2, 2) else { return nil }
                minutes = more
            }
            time.offset = (isWest ? -1 : 1) * (hours * 60 + minutes)
            time.zone = scan.text(from: start)
        }
        return scan.isAtEnd ? time : nil
    }

    private var fault: String? {
        guard year >= 1 else { return "years begin at 1" }
        guard (1...12).contains(month) else { return "there is no month \(month)" }
        let isLeap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
        let days = [31, isLeap ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31][month - 1]
        guard (1...days).contains(day) else { return "the month has \(days) days" }
        guard let time else { return nil }
        guard time.hour < 24, time.minute < 60, time.second < 60 else { return "there is no such time of day" }
        guard abs(time.offset ?? 0) < 1_440 else { return "a zone is less than a day away" }
        return nil
    }

    /// A fraction that rounds up to a whole second.
    private mutating func addSecond() {
        guard var time else { return }
        time.microsecond = 0
        time.second += 1
        if time.second == 60 { (time.second, time.minute) = (0, time.minute + 1) }
        if time.minute == 60 { (time.minute, time.hour) = (0, time.hour + 1) }
        if time.hour == 24 {
            time.hour = 0
            day += 1
            if fault != nil { (day, month) = (1, month + 1) }
            if month == 13 { (month, year) = (1, year + 1) }
        }
        self.time = time
    }
}

/// Reads ASCII digits and single characters one after the other.
private struct DigitScan {
    private let bytes: [UInt8]
    private(set) var position = 0

    init(_ text: String) { bytes = Array(text.utf8) }

    var isAtEnd: Bool { position == bytes.count }

    func text(from start: Int) -> String { String(decoding: bytes[start..<position], as: UTF8.self) }

    mutating func take(_ character: Unicode.Scalar) -> Bool {
        guard position < bytes.count, UInt32(bytes[position]) == character.value else { return false }
        position += 1
        return true
    }

    mutating func takeBlanks() -> Bool {
        let start = position
        while position < bytes.count, bytes[position] == 0x20 || bytes[position] == 0x09 { position += 1 }
        return position > start
    }

    mutating func digits(_ least: Int, _ most: Int) -> Int? {
        var (count, number) = (0, 0)
        while count < most, position < bytes.count, (0x30...0x39).contains(bytes[position]) {
            number = number * 10 + Int(bytes[position] - 0x30)
            (count, position) = (count + 1, position + 1)
        }
        return count >= least ? number : nil
    }

    /// Digits of a fraction; from the seventh on they round.
    mutating func microseconds() -> Int {
        var (count, number) = (0, 0)
        while position < bytes.count, (0x30...0x39).contains(bytes[position]) {
            let digit = Int(bytes[position] - 0x30)
            if count < 6 { number = number * 10 + digit } else if count == 6, digit > 4 { number += 1 }
            (count, position) = (count + 1, position + 1)
        }
        while count < 6 { (count, number) = (count + 1, number * 10) }
        return number
    }
}
