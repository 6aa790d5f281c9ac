/// Writes diagnostics for people: place and message, the line with a caret below, what would be right.
///
/// Plain text without colour; the same in a terminal and in a log.
package enum DiagnosticRenderer {
    private static let gutter = 5
    /// Notes begin here, and hints that have no caret to stand beside.
    private static let indent = "      "
    private static let notesMax = 20

    /// All of them, and a last line that counts them. `outcome` says what their presence means.
    package static func render(
        _ diagnostics: [Diagnostic],
        omitted: Int = 0,
        outcome: String = "nothing was started"
    ) -> String {
        var text = diagnostics.map { render($0) }.joined()
        if omitted > 0 { text += "… and \(omitted) more\n" }
        return text + summary(diagnostics, omitted: omitted, outcome: outcome)
    }

    /// `3 errors; nothing was started`, with a line break; nothing when there is nothing.
    package static func summary(_ diagnostics: [Diagnostic], omitted: Int = 0, outcome: String) -> String {
        let errors = diagnostics.count { $0.severity == .error } + omitted
        let warnings = diagnostics.count { $0.severity == .warning }
        var parts: [String] = []
        if errors > 0 { parts.append(errors == 1 ? "1 error" : "\(errors) errors") }
        if warnings > 0 { parts.append(warnings == 1 ? "1 warning" : "\(warnings) warnings") }
        guard !parts.isEmpty else { return "" }
        return parts.joined(separator: ", ") + (errors > 0 ? "; \(outcome)\n" : "\n")
    }

    /// One of them, each of its lines ended by a line break.
    package static func render(_ diagnostic: Diagnostic) -> String {
        let kind = diagnostic.severity == .warning ? "warning: " : ""
        var text = "\(diagnostic.place): \(kind)\(diagnostic.message)\n"
        if let source = diagnostic.source {
            text += excerpt(diagnostic, source)
        } else if !diagnostic.hint.isEmpty {
            text += indent + diagnostic.hint + "\n"
        }
        let width = diagnostic.notes.prefix(notesMax).map(\.message.count).max() ?? 0
        for note in diagnostic.notes.prefix(notesMax) {
            let padding = String(repeating: " ", count: width - note.message.count + 4)
            text += "\(indent)\(note.message)\(padding)\(note.file):\(note.line):\(note.column)\n"
        }
        if diagnostic.notes.count > notesMax {
            text += "\(indent)… and \(diagnostic.notes.count - notesMax) more\n"
        }
        return text
    }

    private static func excerpt(_ diagnostic: Diagnostic, _ source: String) -> String {
        let number = String(diagnostic.line)
        let left = String(repeating: " ", count: max(gutter - number.count, 0)) + number
        let empty = String(repeating: " ", count: left.count)
        let characters = Array(source)
        let start = min(max(diagnostic.column - 1 - diagnostic.sourceOffset, 0), characters.count)
        let end = min(start + max(diagnostic.length, 1), max(characters.count, start + 1))
        let clipped = diagnostic.sourceOffset > 0 ? "…" : ""
        // Tabs stay tabs, so that the caret stands below its character however wide the terminal makes them.
        let padding = characters[..<start].map { $0 == "\t" ? "\t" : String(repeating: " ", count: columns(of: $0)) }
        let marked =
            start < end && end <= characters.count ? characters[start..<end].reduce(0) { $0 + columns(of: $1) } : 1
        let carets = String(repeating: "^", count: max(marked, 1))
        let hint = diagnostic.hint.isEmpty ? "" : " " + diagnostic.hint
        return "\(left) | \(clipped)\(source)\n"
            + "\(empty) | \(clipped.isEmpty ? "" : " ")\(padding.joined())\(carets)\(hint)\n"
    }

    /// Columns a character takes in a terminal: two for East Asian wide ones and emoji.
    private static func columns(of character: Character) -> Int {
        guard let first = character.unicodeScalars.first?.value, first >= 0x1100 else { return 1 }
        return switch first {
        case 0x1100...0x115F, 0x2E80...0xA4CF, 0xAC00...0xD7A3, 0xF900...0xFAFF, 0xFE30...0xFE4F, 0xFF00...0xFF60,
            0xFFE0...0xFFE6, 0x1F300...0x1FAFF, 0x20000...0x3FFFD:
            2
        default: 1
        }
    }
}
