import Foundation

/// A cron expression, read.
struct CronFields {
    var minutes: Set<Int> = []
    var hours: Set<Int> = []
    var days: Set<Int> = []
    var months: Set<Int> = []
    var weekdays: Set<Int> = []
    var followsClock = false
    var limitsDays = false
    var limitsWeekdays = false

    private struct Field {
        let name: String
        let range: ClosedRange<Int>
        var words: [String] = []
        /// The number of the first word.
        var firstWord = 0
    }

    private static let macros = [
        "@hourly": "0 * * * *", "@daily": "0 0 * * *", "@midnight": "0 0 * * *", "@weekly": "0 0 * * 0",
        "@monthly": "0 0 1 * *", "@yearly": "0 0 1 1 *", "@annually": "0 0 1 1 *",
    ]

    private static let fields = [
        Field(name: "minute", range: 0...59),
        Field(name: "hour", range: 0...23),
        Field(name: "day of month", range: 1...31),
        Field(
            name: "month",
            range: 1...12,
            words: ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"],
            firstWord: 1
        ),
        Field(name: "day of week", range: 0...7, words: ["sun", "mon", "tue", "wed", "thu", "fri", "sat"]),
    ]

    init(_ expression: String) throws {
        var text = expression.trimmingCharacters(in: .whitespaces).lowercased()
        if text.hasPrefix("@") {
            guard let meant = Self.macros[text] else {
                let known = Self.macros.keys.sorted().joined(separator: ", ")
                throw PlanningError("'\(expression)' is no schedule; with @ there are \(known)")
            }
            text = meant
        }
        let parts = text.split(whereSeparator: \.isWhitespace).map(String.init)
        guard parts.count == Self.fields.count else {
            throw PlanningError(
                "'\(expression)' has \(parts.count) fields; a schedule has five: minute, hour, day of month, month, "
                    + "day of week, as in '30 4 * * mon-fri'"
            )
        }
        let sets = try zip(Self.fields, parts).map { field, part in try Self.read(part, field, of: expression) }
        minutes = sets[0]
        hours = sets[1]
        days = sets[2]
        months = sets[3]
        weekdays = Set(sets[4].map { $0 % 7 })
        followsClock = parts[1].hasPrefix("*")
        limitsDays = !parts[2].hasPrefix("*") && parts[2] != "?"
        limitsWeekdays = !parts[4].hasPrefix("*") && parts[4] != "?"
        // `*/2` of days limits too; only with the other one it is not an alternative.
        if !limitsDays, days.count < 31, !limitsWeekdays { limitsDays = true }
        if !limitsWeekdays, weekdays.count < 7, !limitsDays { limitsWeekdays = true }
    }

    private static func read(_ text: String, _ field: Field, of expression: String) throws -> Set<Int> {
        func wrong(_ part: some StringProtocol, _ why: String) -> PlanningError {
            PlanningError("'\(part)' is wrong as the \(field.name) of '\(expression)': \(why)")
        }
        let bounds = "\(field.range.lowerBound) to \(field.range.upperBound)"
        func number(_ word: Substring) throws -> Int {
            if let place = field.words.firstIndex(of: String(word)) { return place + field.firstWord }
            guard let value = Int(word) else {
                let names = field.words.isEmpty ? "" : ", or \(field.words[0]) to \(field.words[field.words.count - 1])"
                throw wrong(word, "it is \(bounds)\(names)")
            }
            guard field.range.contains(value) else { throw wrong(word, "it is \(bounds)") }
            return value
        }
        var found: Set<Int> = []
        for part in text.split(separator: ",", omittingEmptySubsequences: false) {
            let pieces = part.split(separator: "/", omittingEmptySubsequences: false)
            guard !part.isEmpty, pieces.count <= 2 else { throw wrong(part, "a list is 1,15 and a step is */5") }
            var step = 1
            if pieces.count == 2 {
                guard let value = Int(pieces[1]), value > 0 else {
                    throw wrong(part, "a step is a number from 1, as in */5")
                }
                step = value
            }
            var range = field.range
            if pieces[0] != "*", pieces[0] != "?" {
                let ends = pieces[0].split(separator: "-", omittingEmptySubsequences: false)
                guard ends.count <= 2 else { throw wrong(part, "a range is 1-5") }
                let first = try number(ends[0])
                var last = try ends.count == 2 ? number(ends[1]) : pieces.count == 2 ? field.range.upperBound : first
                // `sat-sun`
                if last < first, last == 0, field.range.upperBound == 7 { last = 7 }
                guard first <= last else { throw wrong(part, "a range goes up; for two parts write a list") }
                range = first...last
            }
            found.formUnion(stride(from: range.lowerBound, through: range.upperBound, by: step))
        }
        return found
    }
}
