/// One line that is being put together from text and colours. Whatever is added is cleaned: no other way leads to the
/// terminal.
struct ScreenLine: Sendable {
    private struct Span {
        var text: String
        var ink: Ink?
    }
    private var spans: [Span] = []
    private(set) var width = 0
    private let style: TerminalStyle

    init(_ style: TerminalStyle) { self.style = style }

    init(_ style: TerminalStyle, _ text: String, _ ink: Ink? = nil) {
        self.style = style
        add(text, ink)
    }

    mutating func add(_ text: String, _ ink: Ink? = nil) {
        guard !text.isEmpty else { return }
        let clean = TerminalText.clean(text, ascii: style.isASCII)
        width += TerminalText.width(clean)
        spans.append(Span(text: clean, ink: ink))
    }

    /// Adds text in a column of its own, filled up to `columns` and shortened in its middle where it is wider.
    mutating func add(_ text: String, _ ink: Ink? = nil, columns: Int, atEnd: Bool = false) {
        let clean = TerminalText.clean(text, ascii: style.isASCII)
        let short = TerminalText.shortened(clean, to: columns, ascii: style.isASCII)
        let gap = String(repeating: " ", count: max(0, columns - TerminalText.width(short)))
        if atEnd { add(gap) }
        add(short, ink)
        if !atEnd { add(gap) }
    }

    /// The line for a terminal of so many columns.
    func text(columns: Int) -> String {
        var kept = spans
        if width > columns {
            kept = []
            var used = 0
            let mark = TerminalText.width(style.ellipsis)
            for span in spans {
                let size = TerminalText.width(span.text)
                if used + size + mark <= columns {
                    kept.append(span)
                    used += size
                    continue
                }
                kept.append(Span(text: cutShort(span.text, to: columns - used), ink: span.ink))
                break
            }
        }
        while let last = kept.last, last.ink == nil {
            let bare = String(last.text.reversed().drop { $0 == " " }.reversed())
            kept.removeLast()
            guard bare.isEmpty else {
                kept.append(Span(text: bare, ink: nil))
                break
            }
        }
        return kept.map { painted($0.text, $0.ink) }.joined()
    }

    /// What follows is cut off, so the mark stands there also where this part alone would fit.
    private func cutShort(_ text: String, to columns: Int) -> String {
        let mark = style.ellipsis
        let room = columns - TerminalText.width(mark)
        return room <= 0
            ? TerminalText.prefix(mark, max(0, columns)) : TerminalText.prefix(text, room) + mark
    }

    private func painted(_ text: String, _ ink: Ink?) -> String {
        guard style.usesColor, let ink, !text.isEmpty else { return text }
        return "\u{1B}[\(ink.rawValue)m\(text)\u{1B}[0m"
    }
}
