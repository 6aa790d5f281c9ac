/// How lines for people are written: their width, with or without colour, ASCII only where a terminal knows no more.
struct TextInk: Sendable {
    var width: Int
    var usesColor: Bool
    var isASCII: Bool

    enum Color: String {
        case red = "31"
        case yellow = "33"
        case purple = "35"
        case green = "32"
        case dim = "2"
    }

    func color(_ status: TestStatus) -> Color {
        switch status {
        case .failed, .error: .red
        case .flaky: .yellow
        case .infra: .purple
        case .passed: .green
        case .cancelled, .notRun, .skipped: .dim
        }
    }

    var ellipsis: String { isASCII ? ".." : "…" }

    func plain(_ text: String) -> String { text.onOneLine(ascii: isASCII) }

    func shape(_ status: TestStatus) -> String { isASCII ? status.asciiShape : status.shape }

    func painted(_ text: String, _ color: Color?) -> String {
        guard usesColor, let color, !text.isEmpty else { return text }
        return "\u{1B}[\(color.rawValue)m\(text)\u{1B}[0m"
    }

    /// The text without blanks at its end, cut where it is wider than `room`.
    func cut(_ text: String, _ room: Int) -> String {
        let bare = String(text.reversed().drop(while: { $0 == " " }).reversed())
        return DisplayWidth.of(bare) <= room
            ? bare : DisplayWidth.prefix(bare, max(0, room - DisplayWidth.of(ellipsis))) + ellipsis
    }

    /// Rows with columns as wide as their widest entry; the last one gets what the line leaves over. A column that is
    /// wanted as `main` gives way, in its middle, where a line would get too wide.
    func table(_ rows: [Row], main: Int) -> [String] {
        guard let columns = rows.map(\.cells.count).max(), columns > 0 else { return [] }
        var widths = Array(repeating: 0, count: columns)
        for row in rows {
            for (column, cell) in row.cells.enumerated() where column < columns - 1 {
                widths[column] = max(widths[column], DisplayWidth.of(cell))
            }
        }
        let others = widths.enumerated().reduce(0) { $0 + ($1.offset == main ? 0 : $1.element + 2) }
        widths[main] = min(widths[main], max((width - 2) / 3, width - 2 - others - 2))
        return rows.map { row in
            var text = ""
            for (column, cell) in row.cells.enumerated().dropLast() {
                let fitting = DisplayWidth.shortened(cell, to: widths[column], ellipsis: ellipsis)
                text += DisplayWidth.padded(fitting, to: widths[column]) + "  "
            }
            text = cut(text + (row.cells.last ?? ""), max(0, width - 2))
            guard text.hasPrefix(row.cells[0]) else { return "  " + text }
            return "  " + painted(row.cells[0], row.color) + text.dropFirst(row.cells[0].count)
        }
    }

    /// A row of a table, whose first cell is in this colour.
    struct Row {
        var cells: [String]
        var color: Color?
        init(_ cells: [String], _ color: Color? = nil) {
            self.cells = cells
            self.color = color
        }
    }
}
