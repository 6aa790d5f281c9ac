/// Takes the text of a rule apart, with all that fmf's own way of doing so lets pass.
enum FMFRuleParser {
    private typealias Scalars = [Unicode.Scalar]
    private static let operators = FMFRule.Comparison.allCases.map {
        (scalars: Scalars($0.rawValue.unicodeScalars), $0)
    }

    static func groups(of text: String) throws(FMFRule.Invalid) -> [[FMFRule.Condition]] {
        let scalars = withDoubledSigns(Scalars(text.unicodeScalars))
        var groups: [[FMFRule.Condition]] = []
        for part in split(scalars[...], at: "or") {
            guard !part.isEmpty else { throw missing(text, "or") }
            var conditions: [FMFRule.Condition] = []
            for part in split(part, at: "and") {
                let stripped = strip(part)
                guard !stripped.isEmpty else { throw missing(text, part.count == scalars.count ? "when" : "and") }
                conditions.append(try condition(Scalars(stripped), of: text))
            }
            groups.append(conditions)
        }
        return groups
    }

    private static func missing(_ text: String, _ word: String) -> FMFRule.Invalid {
        guard word != "when", !text.isEmpty else { return FMFRule.Invalid(rule: text, reason: "it is empty") }
        return FMFRule.Invalid(rule: text, reason: "a condition is missing beside '\(word)'")
    }

    /// A lone `=` means `==`.
    private static func withDoubledSigns(_ scalars: Scalars) -> Scalars {
        guard scalars.contains("=") else { return scalars }
        var result: Scalars = []
        for (index, scalar) in scalars.enumerated() {
            result.append(scalar)
            guard scalar == "=" else { continue }
            if index > 0, ["=", "!", "~", "<", ">"].contains(scalars[index - 1]) { continue }
            if index + 1 < scalars.count, scalars[index + 1] == "=" { continue }
            result.append("=")
        }
        return result
    }

    /// The parts between a word, wherever it stands alone: in `x-or-y`, too.
    private static func split(_ scalars: ArraySlice<Unicode.Scalar>, at word: String) -> [ArraySlice<Unicode.Scalar>] {
        let word = Scalars(word.unicodeScalars)
        var parts: [ArraySlice<Unicode.Scalar>] = []
        var start = scalars.startIndex
        var i = scalars.startIndex
        while i + word.count <= scalars.endIndex {
            let end = i + word.count
            if scalars[i] == word[0], scalars[i..<end].elementsEqual(word),
                i == scalars.startIndex || !FMFText.isWord(scalars[i - 1]),
                end == scalars.endIndex || !FMFText.isWord(scalars[end])
            {
                parts.append(scalars[start..<i])
                (start, i) = (end, end)
            } else {
                i += 1
            }
        }
        return parts + [scalars[start...]]
    }

    private static func strip(_ scalars: ArraySlice<Unicode.Scalar>) -> ArraySlice<Unicode.Scalar> {
        var scalars = scalars.drop(while: FMFText.isBlank)
        while let last = scalars.last, FMFText.isBlank(last) { scalars.removeLast() }
        return scalars
    }

    private static func string(_ scalars: some Sequence<Unicode.Scalar>) -> String {
        var text = String.UnicodeScalarView()
        text.append(contentsOf: scalars)
        return String(text)
    }

    private static func condition(_ scalars: Scalars, of rule: String) throws(FMFRule.Invalid) -> FMFRule.Condition {
        // What only begins with such a word is one, too.
        if scalars.starts(with: "true".unicodeScalars) { return .constant(true) }
        if scalars.starts(with: "false".unicodeScalars) { return .constant(false) }
        let nameEnd = scalars.prefix { FMFText.isWord($0) || $0 == "-" }.count
        if nameEnd > 0 {
            let gapEnd = nameEnd + scalars[nameEnd...].prefix(while: FMFText.isBlank).count
            if let found = comparison(scalars, from: gapEnd) {
                let values = found.values.map { FMFContextValue($0) }
                let isPattern = found.comparison == .match || found.comparison == .noMatch
                let patterns = isPattern ? found.values.map { FMFPatternSource($0) } : []
                let dimension = string(scalars[..<nameEnd])
                return .comparison(dimension: dimension, found.comparison, values, patterns)
            }
            if let found = definition(scalars, nameEnd: nameEnd, gapEnd: gapEnd) { return found }
        }
        throw invalid(scalars, rule)
    }

    private static func invalid(_ scalars: Scalars, _ rule: String) -> FMFRule.Invalid {
        let reason = "'\(string(scalars))' is no condition"
        if scalars.contains("(") || scalars.contains(")") {
            let hint = "rules have no parentheses; 'and' binds more than 'or'"
            return FMFRule.Invalid(rule: rule, reason: reason, hint: hint)
        }
        let hint = "'dimension OPERATOR value', 'dimension is defined', 'true' and 'false' are"
        return FMFRule.Invalid(rule: rule, reason: reason, hint: hint)
    }

    /// The operator at a place and the values behind it, which must not begin with `=`.
    private static func comparison(
        _ scalars: Scalars,
        from start: Int
    ) -> (comparison: FMFRule.Comparison, values: [String])? {
        for (sign, comparison) in operators where scalars[start...].starts(with: sign) {
            let end = start + sign.count
            let blanks = scalars[end...].prefix(while: FMFText.isBlank).count
            var first = end + blanks
            // A blank is a value's beginning where nothing else is.
            if first == scalars.count || scalars[first] == "=" {
                guard blanks > 0 else { continue }
                first -= 1
            }
            // The values end with the line.
            let rest = scalars[(first + 1)...].prefix { $0 != "\n" }
            let values = ([scalars[first]] + rest).split(separator: ",", omittingEmptySubsequences: false)
            return (comparison, values.map { string(strip($0)) })
        }
        return nil
    }

    /// `dimension is defined`; the blank before `is` may be missing.
    private static func definition(_ scalars: Scalars, nameEnd: Int, gapEnd: Int) -> FMFRule.Condition? {
        for end in stride(from: nameEnd, through: 1, by: -1) {
            let rest = scalars[(end == nameEnd ? gapEnd : end)...]
            let isDefined = rest.starts(with: "is defined".unicodeScalars)
            guard isDefined || rest.starts(with: "is not defined".unicodeScalars) else { continue }
            return .isDefined(string(scalars[..<end]), isDefined)
        }
        return nil
    }
}
