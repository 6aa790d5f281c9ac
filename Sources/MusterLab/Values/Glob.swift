/// A pattern of a shell: `*`, `?`, `[a-z]`, `[!a-z]`, and `\` before a character that means itself.
///
/// `*` and `?` match any character, `/` too; for files the pattern is applied to one name of a path at a time.
package struct Glob: Hashable, Sendable {
    private enum Part: Hashable, Sendable {
        case literal(Character)
        case any
        case anyRun
        case set([ClosedRange<Character>], isNegated: Bool)
    }

    package let pattern: String
    private let parts: [Part]

    /// nil when a `[` is never closed.
    package init?(_ pattern: String) {
        self.pattern = pattern
        let letters = Array(pattern)
        var parts: [Part] = []
        var i = 0
        while i < letters.count {
            switch letters[i] {
            case "*":
                if parts.last != .anyRun { parts.append(.anyRun) }
            case "?": parts.append(.any)
            case "\\" where i + 1 < letters.count:
                i += 1
                parts.append(.literal(letters[i]))
            case "[":
                guard let (set, end) = Self.set(letters, from: i + 1) else { return nil }
                parts.append(set)
                i = end
            default: parts.append(.literal(letters[i]))
            }
            i += 1
        }
        self.parts = parts
    }

    private static func set(_ letters: [Character], from start: Int) -> (Part, Int)? {
        var i = start
        let isNegated = i < letters.count && (letters[i] == "!" || letters[i] == "^")
        if isNegated { i += 1 }
        var ranges: [ClosedRange<Character>] = []
        let first = i
        while i < letters.count, letters[i] != "]" || i == first {
            if i + 2 < letters.count, letters[i + 1] == "-", letters[i + 2] != "]" {
                guard letters[i] <= letters[i + 2] else { return nil }
                ranges.append(letters[i]...letters[i + 2])
                i += 3
            } else {
                ranges.append(letters[i]...letters[i])
                i += 1
            }
        }
        guard i < letters.count else { return nil }
        return (.set(ranges, isNegated: isNegated), i)
    }

    /// Whether it is more than a plain name.
    package static func isPattern(_ text: some StringProtocol) -> Bool {
        text.contains { $0 == "*" || $0 == "?" || $0 == "[" || $0 == "\\" }
    }

    /// In time proportional to the product of both lengths, at worst.
    package func matches(_ text: some StringProtocol) -> Bool {
        let letters = Array(text)
        var i = 0
        var part = 0
        var retry: (part: Int, letter: Int)?
        while i < letters.count {
            if part < parts.count, parts[part] == .anyRun {
                retry = (part + 1, i)
                part += 1
            } else if part < parts.count, Self.matches(parts[part], letters[i]) {
                part += 1
                i += 1
            } else if let last = retry {
                part = last.part
                i = last.letter + 1
                retry = (last.part, i)
            } else {
                return false
            }
        }
        return parts[part...].allSatisfy { $0 == .anyRun }
    }

    private static func matches(_ part: Part, _ letter: Character) -> Bool {
        switch part {
        case .literal(let expected): expected == letter
        case .any: true
        case .anyRun: false
        case .set(let ranges, let isNegated): ranges.contains { $0.contains(letter) } != isNegated
        }
    }
}
