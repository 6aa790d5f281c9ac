internal import MusterCore

// Single values. Each may hold `${vars.x}` and `${env.X}`, which are put in before the value is understood.

extension LabReader {
    /// The text of a scalar with its values put in; nil when it is none, which is reported. An empty text is none.
    mutating func text(_ entry: YamlNode.Entry, wants: String = "text") -> String? {
        text(entry.value, key: entry.key, wants: wants)
    }

    mutating func text(_ node: YamlNode, key: String, wants: String = "text") -> String? {
        guard let raw = scalar(node, key: key, wants: wants) else { return nil }
        guard let text = plainText(raw, node) else { return nil }
        guard !text.isEmpty else {
            sink.add(node.span, "'\(key)' wants \(wants), not an empty text")
            return nil
        }
        return text
    }

    /// The text of a scalar as it stands; nothing (`key:` alone) is refused.
    mutating func scalar(_ node: YamlNode, key: String, wants: String) -> String? {
        guard case .scalar(let text, _) = node.value, !node.isNull else {
            sink.add(node.span, "'\(key)' wants \(wants), not \(node.kindWord)")
            return nil
        }
        return text
    }

    mutating func integer(_ entry: YamlNode.Entry, _ range: ClosedRange<Int>) -> Int? {
        let wants = range.lowerBound == range.upperBound ? "\(range.lowerBound)" : Self.words(range)
        guard let text = text(entry, wants: wants) else { return nil }
        // A quoted number is text, unless a value was put into it.
        let isQuoted =
            if case .scalar(let raw, false) = entry.value.value { !Interpolation.contains(raw) } else { false }
        guard !isQuoted, let number = Self.integer(text) else {
            let hint = isQuoted && Self.integer(text) != nil ? "take the quotes away" : ""
            sink.add(entry.value.span, "'\(entry.key)' wants \(wants), not '\(text)'", hint: hint)
            return nil
        }
        guard range.contains(number) else {
            sink.add(entry.value.span, "'\(entry.key)' wants \(wants), not \(text)")
            return nil
        }
        return number
    }

    private static func words(_ range: ClosedRange<Int>) -> String {
        "a whole number from \(range.lowerBound) to \(range.upperBound)"
    }

    /// Decimal digits with an optional sign; no `0x`, no `1e3`.
    private static func integer(_ text: String) -> Int? {
        let digits = text.hasPrefix("-") ? text.dropFirst() : text[...]
        guard !digits.isEmpty, digits.utf8.allSatisfy({ $0 >= 0x30 && $0 <= 0x39 }) else { return nil }
        guard digits.count == 1 || digits.first != "0" else { return nil }  // 010 is eight to some and ten to others
        return Int(text) ?? (text.hasPrefix("-") ? Int.min : Int.max)
    }

    mutating func number(_ entry: YamlNode.Entry, _ range: ClosedRange<Double>) -> Double? {
        let wants = "a number from \(Int(range.lowerBound)) to \(Int(range.upperBound))"
        guard let text = text(entry, wants: wants) else { return nil }
        let isQuoted =
            if case .scalar(let raw, false) = entry.value.value { !Interpolation.contains(raw) } else { false }
        let looksRight = text.utf8.allSatisfy { ($0 >= 0x30 && $0 <= 0x39) || $0 == UInt8(ascii: ".") }
        guard !isQuoted, looksRight, let number = Double(text), range.contains(number) else {
            sink.add(entry.value.span, "'\(entry.key)' wants \(wants), not '\(text)'")
            return nil
        }
        return number
    }

    mutating func duration(_ entry: YamlNode.Entry, example: String, mayBeZero: Bool = false) -> Duration? {
        let wants = "a duration with a unit, such as \(example)"
        guard let text = text(entry, wants: wants) else { return nil }
        do throws(DurationText.Problem) {
            let duration = try DurationText.parse(text)
            if duration == .zero, !mayBeZero {
                sink.add(entry.value.span, "'\(entry.key)' must be longer than nothing")
                return nil
            }
            return duration
        } catch {
            let message: String
            var hint = ""
            switch error {
            case .unitMissing(let meant):
                message = "'\(entry.key)' wants \(wants)"
                hint = meant.map { "\(text) \(text == "1" ? "second is" : "seconds is") \($0)" } ?? ""
            case .unitUnknown(let unit, let suggestion):
                let unit = unit.trimmingPrefix(" ")
                message = "'\(entry.key)' has the unknown unit '\(unit)'; units are ms, s, m, h, d"
                hint = suggestion.map { "did you mean \($0)?" } ?? ""
            case .order:
                message = "'\(entry.key)' wants each unit once and the largest first, such as 1h30m"
            case .fraction:
                message = "'\(entry.key)' wants whole numbers, such as 1h30m"
            case .tooLong:
                message = "'\(entry.key)' is longer than \(DurationText.format(DurationText.max))"
            case .notADuration:
                message = "'\(entry.key)' wants \(wants), not '\(text)'"
            }
            sink.add(entry.value.span, message, hint: hint)
            return nil
        }
    }

    mutating func choice<Choice: CaseIterable & RawRepresentable>(_ entry: YamlNode.Entry, _: Choice.Type) -> Choice?
    where Choice.RawValue == String {
        choice(entry.value, key: entry.key, Choice.allCases.map(\.rawValue)).flatMap { Choice(rawValue: $0) }
    }

    /// One of some words.
    mutating func choice(_ node: YamlNode, key: String, _ words: [String]) -> String? {
        let wants = "one of \(words.joined(separator: ", "))"
        guard let text = text(node, key: key, wants: wants) else { return nil }
        guard words.contains(text) else {
            sink.add(
                node.span,
                "'\(key)' wants \(wants), not '\(text)'",
                hint: sink.suggestion(for: text, among: words)
            )
            return nil
        }
        return text
    }

    /// A list of texts, or one text alone where `mayBeSingle`.
    mutating func texts(_ entry: YamlNode.Entry, wants: String, mayBeSingle: Bool) -> [(text: String, span: Span)] {
        if mayBeSingle, case .scalar = entry.value.value {
            return text(entry, wants: wants).map { [($0, entry.value.span)] } ?? []
        }
        var texts: [(String, Span)] = []
        for node in list(entry) ?? [] {
            if let text = text(node, key: entry.key, wants: wants) { texts.append((text, node.span)) }
        }
        return texts
    }

    /// A path of the lab: relative and inside its folder unless `mayLeave`. Comes back without `.` and doubled slashes.
    mutating func path(_ text: String, _ what: String, _ span: Span, mayLeave: Bool) -> String? {
        var parts: [Substring] = []
        var leaves = false
        for part in text.split(separator: "/") where part != "." {
            if part == "..", let last = parts.last, last != ".." {
                parts.removeLast()
            } else {
                leaves = leaves || part == ".."
                parts.append(part)
            }
        }
        guard !text.hasPrefix("/"), mayLeave || !leaves else {
            let reason = text.hasPrefix("/") ? "is absolute" : "leads out of it"
            sink.add(span, "\(what) is a path inside the folder; '\(text)' \(reason)")
            return nil
        }
        guard !parts.isEmpty, !text.hasSuffix("/"), !text.unicodeScalars.contains("\0") else {
            sink.add(span, "\(what) names a file; '\(text)' does not")
            return nil
        }
        return parts.joined(separator: "/")
    }
}
