import Foundation

/// A regular expression as Python's `re` reads it.
///
/// The expression is translated for `NSRegularExpression`; what cannot be said there is an error.
final class FMFPattern: Sendable {
    private let expression: NSRegularExpression
    /// The text that is looked for when the expression is nothing but text.
    private let literal: String?
    private let source: String
    let names: [String: Int]
    let groupCount: Int

    /// Longer expressions are refused.
    static let lengthMax = 4_096
    /// More matches in one text are refused.
    private static let matchesMax = 100_000
    /// One report is some ten thousand steps of the matcher.
    private static let reportsMax = 2_000

    /// - Parameters:
    ///   - python: the expression.
    ///   - isAtStart: whether a match must begin where the text begins, as with `re.match`.
    init(_ python: String, isAtStart: Bool = false) throws(FMFProblem) {
        guard python.utf8.count <= Self.lengthMax else {
            throw FMFProblem("a regular expression of more than \(Self.lengthMax) bytes")
        }
        var translation = FMFPatternTranslation(python)
        let translated = try translation.translate()
        let text = isAtStart ? "\\A(?:\(translated))" : translated
        do {
            expression = try NSRegularExpression(pattern: text.isEmpty ? "(?:)" : text)
        } catch {
            throw FMFProblem("the regular expression '\(python)' is one that cannot be used here")
        }
        literal = isAtStart || !Self.isLiteral(python) ? nil : python
        source = python
        names = translation.names
        groupCount = translation.groupCount
    }

    private static func isLiteral(_ python: String) -> Bool {
        python.utf8.allSatisfy { byte in
            switch byte {
            case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, UInt8(ascii: "_"), UInt8(ascii: "/"), UInt8(ascii: "-"),
                UInt8(ascii: " "), UInt8(ascii: ":"), UInt8(ascii: ","), UInt8(ascii: "="), UInt8(ascii: "@"):
                true
            default: false
            }
        }
    }

    /// Whether it matches anywhere in a text.
    func isFound(in text: String) throws(FMFProblem) -> Bool {
        if let literal { return Self.contains(text, literal) }
        return try !matches(in: text, max: 1).isEmpty
    }

    private static func contains(_ text: String, _ part: String) -> Bool {
        let (text, part) = (Array(text.utf8), Array(part.utf8))
        guard let first = part.first else { return true }
        var i = 0
        while i + part.count <= text.count {
            if text[i] == first, text[i..<(i + part.count)].elementsEqual(part) { return true }
            i += 1
        }
        return false
    }

    /// The text with every match replaced, as `re.sub` does it.
    func replacing(in text: String, with replacement: FMFReplacement) throws(FMFProblem) -> String {
        if let literal, !literal.isEmpty, !Self.contains(text, literal) { return text }
        let subject = NSString(string: text)
        var result = ""
        var end = 0
        var matches = try matches(in: text, max: .max).map { FMFMatch($0) }
        if matches.contains(where: { $0.range.length == 0 }) { matches = try matchesOneByOne(in: text) }
        for match in matches {
            let range = match.range
            result += subject.substring(with: NSRange(location: end, length: range.location - end))
            for part in replacement.parts {
                switch part {
                case .text(let text): result += text
                case .group(let number):
                    let range = match.range(of: number)
                    if range.location != NSNotFound { result += subject.substring(with: range) }
                }
            }
            end = range.location + range.length
        }
        return result + subject.substring(from: end)
    }

    /// More empty matches than anybody needs; each costs a search of its own.
    private static let emptyMatchesMax = 4_096

    /// All matches, where some are empty: behind an empty one Python looks for a match at the same place that is not.
    private func matchesOneByOne(in text: String) throws(FMFProblem) -> [FMFMatch] {
        let advancing = try advancing()
        let units = Array(text.utf16)
        var matches: [FMFMatch] = []
        var (start, wasEmpty) = (0, false)
        while start <= units.count {
            guard matches.count < Self.emptyMatchesMax else {
                throw FMFProblem("a regular expression that matches nothing has too many matches")
            }
            var range = NSRange(location: start, length: units.count - start)
            var match: FMFMatch?
            if wasEmpty {
                let found = try self.matches(of: advancing, in: text, range, max: 1, isAnchored: true)
                match = found.first.map { FMFMatch($0, firstGroup: 1) }
                if match == nil, start < units.count {
                    let step = UTF16.isLeadSurrogate(units[start]) ? 2 : 1
                    range = NSRange(location: start + step, length: units.count - start - step)
                } else if match == nil {
                    break
                }
            }
            if match == nil {
                match = try self.matches(of: expression, in: text, range, max: 1).first.map { FMFMatch($0) }
            }
            guard let match else { break }
            matches.append(match)
            (start, wasEmpty) = (match.range.location + match.range.length, match.range.length == 0)
        }
        return matches
    }

    /// The expression for matches that are not empty: what follows them is not the rest of the text that followed
    /// before. The rest is a group of its own, which stands before the others.
    private func advancing() throws(FMFProblem) -> NSRegularExpression {
        var translation = FMFPatternTranslation(source, groupsBefore: 1)
        let pattern = "(?=([\\x{0}-\\x{10FFFF}]*))(?:\(try translation.translate()))(?!\\1\\z)"
        do {
            return try NSRegularExpression(pattern: pattern)
        } catch {
            throw FMFProblem("the regular expression '\(source)', which matches nothing, cannot be used here")
        }
    }

    private func matches(in text: String, max: Int) throws(FMFProblem) -> [NSTextCheckingResult] {
        try matches(of: expression, in: text, NSRange(location: 0, length: text.utf16.count), max: max)
    }

    private func matches(
        of expression: NSRegularExpression,
        in text: String,
        _ range: NSRange,
        max: Int,
        isAnchored: Bool = false
    ) throws(FMFProblem) -> [NSTextCheckingResult] {
        var matches: [NSTextCheckingResult] = []
        var (reports, isTooMuch) = (0, false)
        // What stands before the range counts for lookbehinds and for the beginning of the text.
        var options: NSRegularExpression.MatchingOptions = [
            .reportProgress, .reportCompletion, .withTransparentBounds, .withoutAnchoringBounds,
        ]
        if isAnchored { options.insert(.anchored) }
        expression.enumerateMatches(in: text, options: options, range: range) { match, flags, stop in
            if let match {
                matches.append(match)
                if matches.count >= max { stop.pointee = true }
            }
            if flags.contains(.progress) { reports += 1 }
            if flags.contains(.internalError) || reports > Self.reportsMax || matches.count > Self.matchesMax {
                isTooMuch = true
                stop.pointee = true
            }
        }
        guard !isTooMuch else { throw FMFProblem("a regular expression takes too long on a text") }
        return matches
    }
}

/// A match, and where the groups of its expression begin.
private struct FMFMatch {
    private let result: NSTextCheckingResult
    private let firstGroup: Int

    init(_ result: NSTextCheckingResult, firstGroup: Int = 0) {
        self.result = result
        self.firstGroup = firstGroup
    }

    var range: NSRange { result.range }

    /// The place of a group; that of the whole for 0.
    func range(of group: Int) -> NSRange { result.range(at: group == 0 ? 0 : group + firstGroup) }
}

/// An expression that is read when it is first needed: one that is never asked may be wrong.
struct FMFPatternSource: Sendable {
    private let result: Result<FMFPattern, FMFProblem>

    init(_ text: String) {
        do throws(FMFProblem) {
            result = .success(try FMFPattern(text))
        } catch {
            result = .failure(error)
        }
    }

    /// An expression that must match a whole text, or all but a line break at its end: `re.match` of `^…$`.
    init(whole text: String) {
        do throws(FMFProblem) {
            result = .success(try FMFPattern("^\(text)$", isAtStart: true))
        } catch {
            result = .failure(error)
        }
    }

    func pattern() throws(FMFProblem) -> FMFPattern { try result.get() }
}

/// What stands in the place of a match: text, and groups of the expression.
struct FMFReplacement {
    enum Part {
        case text(String)
        case group(Int)
    }
    private(set) var parts: [Part] = []

    /// - Parameter python: with `\1`, `\g<1>`, `\g<name>` and the escapes of characters.
    init(_ python: String, for pattern: FMFPattern) throws(FMFProblem) {
        guard python.utf8.contains(UInt8(ascii: "\\")) else {
            parts = [.text(python)]
            return
        }
        let scalars = Array(python.unicodeScalars)
        var text = String.UnicodeScalarView()
        var i = 0
        func wrong(_ reason: String) -> FMFProblem {
            FMFProblem("the replacement '\(python)' is wrong: \(reason)")
        }
        func group(_ number: Int) throws(FMFProblem) -> Part {
            guard number <= pattern.groupCount else { throw wrong("the expression has no group \(number)") }
            return .group(number)
        }
        func isDigit(_ at: Int, octal: Bool = false) -> Bool {
            at < scalars.count && (0x30...(octal ? 0x37 : 0x39)).contains(scalars[at].value)
        }
        func number(_ range: Range<Int>, radix: Int = 10) -> Int {
            var number = 0
            for scalar in scalars[range] { number = number * radix + Int(scalar.value) - 0x30 }
            return number
        }
        while i < scalars.count {
            guard scalars[i] == "\\" else {
                text.append(scalars[i])
                i += 1
                continue
            }
            guard i + 1 < scalars.count else { throw wrong("a '\\' ends it") }
            let letter = scalars[i + 1]
            i += 2
            var part: Part?
            switch letter {
            case "g":
                guard i < scalars.count, scalars[i] == "<", let end = scalars[i...].firstIndex(of: ">"), end > i + 1
                else { throw wrong("'\\g' wants a group, as in '\\g<1>'") }
                let name = scalars[(i + 1)..<end]
                if name.allSatisfy({ (0x30...0x39).contains($0.value) }), name.count < 10 {
                    part = try group(number((i + 1)..<end))
                } else {
                    var word = String.UnicodeScalarView()
                    word.append(contentsOf: name)
                    guard let found = pattern.names[String(word)] else {
                        throw wrong("the expression has no group '\(String(word))'")
                    }
                    part = .group(found)
                }
                i = end + 1
            case "0":
                var end = i
                while end < i + 2, isDigit(end, octal: true) { end += 1 }
                text.append(Unicode.Scalar(UInt8(truncatingIfNeeded: number(i..<end, radix: 8))))
                i = end
            case "1"..."9":
                let isOctal = isDigit(i - 1, octal: true) && isDigit(i, octal: true) && isDigit(i + 1, octal: true)
                if isOctal {
                    let value = number((i - 1)..<(i + 2), radix: 8)
                    guard value <= 255 else { throw wrong("an octal escape is at most '\\377'") }
                    text.append(Unicode.Scalar(UInt8(value)))
                    i += 2
                } else {
                    let end = isDigit(i) ? i + 1 : i
                    part = try group(number((i - 1)..<end))
                    i = end
                }
            default:
                if let escaped = FMFPatternTranslation.escapes[letter] {
                    text.append(escaped)
                } else if letter == "b" {
                    text.append("\u{8}")
                } else {
                    guard !letter.properties.isAlphabetic || letter.value > 127 else {
                        throw wrong("'\\\(letter)' is no escape")
                    }
                    text.append("\\")
                    text.append(letter)
                }
            }
            if let part {
                if !text.isEmpty { parts.append(.text(String(text))) }
                text = String.UnicodeScalarView()
                parts.append(part)
            }
        }
        if !text.isEmpty { parts.append(.text(String(text))) }
    }
}
