/// Text as a terminal shows it: without anything it would obey, measured in columns.
enum TerminalText {
    /// What is looked at of a text that may be of any length.
    private static let scalarsMax = 4_000

    // MARK: Escaping

    /// One line without control characters, escape sequences, or characters that are invisible or turn the direction of
    /// what follows: each is replaced by something that shows where it was.
    static func clean(_ text: String, ascii: Bool) -> String {
        var line = ""
        line.reserveCapacity(min(text.utf8.count, scalarsMax))
        var rest = scalarsMax
        for scalar in text.unicodeScalars {
            guard rest > 0 else {
                line += ascii ? "..." : "…"
                break
            }
            rest -= 1
            if (0x20..<0x7F).contains(scalar.value) {
                line.unicodeScalars.append(scalar)
            } else if ascii {
                line += asciiPicture(of: scalar)
            } else {
                line += picture(of: scalar)
            }
        }
        return line
    }

    private static func picture(of scalar: Unicode.Scalar) -> String {
        switch scalar.value {
        case 0x09: return "    "
        case 0x0A: return " ⏎ "
        case 0x00...0x1F: return Unicode.Scalar(0x2400 + scalar.value).map { String($0) } ?? "\u{FFFD}"
        case 0x7F: return "\u{2421}"
        // The joiners hold clusters together: a family, a conjunct.
        case 0x200C, 0x200D: return String(scalar)
        default:
            switch scalar.properties.generalCategory {
            case .control, .format, .lineSeparator, .paragraphSeparator, .surrogate: return "\u{FFFD}"
            default: return scalar.properties.isNoncharacterCodePoint ? "\u{FFFD}" : String(scalar)
            }
        }
    }

    private static func asciiPicture(of scalar: Unicode.Scalar) -> String {
        switch scalar.value {
        case 0x09: "    "
        case 0x0A: " / "
        case 0x00...0x1F: "^" + String(Character(Unicode.Scalar(UInt8(scalar.value + 0x40))))
        case 0x7F: "^?"
        case 0x2026: "..."
        case 0x2010...0x2015: "-"
        case 0x2018, 0x2019: "'"
        case 0x201C, 0x201D: "\""
        default: "?"
        }
    }

    // MARK: Measuring

    static func width(_ text: String) -> Int { text.reduce(0) { $0 + width($1) } }

    static func width(_ character: Character) -> Int {
        let scalars = character.unicodeScalars
        guard let first = scalars.first else { return 0 }
        if first.value < 0x300 { return 1 }
        if first.properties.isEmojiPresentation || scalars.contains("\u{FE0F}") { return 2 }
        switch first.properties.generalCategory {
        case .nonspacingMark, .enclosingMark, .format: return 0
        default: return isWide(first.value) ? 2 : 1
        }
    }

    /// The ranges that Unicode's East Asian Width calls wide or full-width, joined where they are close.
    private static func isWide(_ value: UInt32) -> Bool {
        switch value {
        case 0x1100...0x115F, 0x231A...0x231B, 0x2E80...0x303E, 0x3041...0xA4CF, 0xA960...0xA97F, 0xAC00...0xD7A3,
            0xF900...0xFAFF, 0xFE10...0xFE19, 0xFE30...0xFE6F, 0xFF01...0xFF60, 0xFFE0...0xFFE6, 0x16FE0...0x18CFF,
            0x1AFF0...0x1B2FF, 0x1F200...0x1F265, 0x1F300...0x1F64F, 0x1F680...0x1F6FF, 0x1F900...0x1F9FF,
            0x20000...0x3FFFD:
            true
        default: false
        }
    }

    // MARK: Fitting

    /// As much of the beginning as fits into `width` columns.
    static func prefix(_ text: String, _ width: Int) -> String {
        var used = 0
        var kept = ""
        for character in text {
            used += self.width(character)
            if used > width { break }
            kept.append(character)
        }
        return kept
    }

    /// The text, with its end cut off where it is too wide.
    static func cut(_ text: String, to width: Int, ascii: Bool) -> String {
        guard self.width(text) > width else { return text }
        let mark = ascii ? "..." : "…"
        guard width > self.width(mark) else { return prefix(text, width) }
        return prefix(text, width - self.width(mark)) + mark
    }

    /// The text, shortened in its middle where it is too wide: of names both ends say something.
    static func shortened(_ text: String, to width: Int, ascii: Bool) -> String {
        guard self.width(text) > width else { return text }
        let mark = ascii ? "..." : "…"
        guard width > self.width(mark) + 1 else { return prefix(text, width) }
        let room = width - self.width(mark)
        let head = prefix(text, (room + 1) / 2)
        let tail = String(prefix(String(text.reversed()), room - self.width(head)).reversed())
        return head + mark + tail
    }
}
