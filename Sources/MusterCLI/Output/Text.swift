import MusterCore
import MusterReport

/// Rows with columns as wide as their longest entry.
struct TextTable {
    private var rows: [[String]] = []
    init(header: [String]) { rows = [header] }

    mutating func add(_ row: [String]) { rows.append(row) }

    /// The same without the columns of which there is only the header.
    var withoutEmptyColumns: TextTable {
        let kept = rows[0].indices.filter { column in rows.dropFirst().contains { !$0[column].isEmpty } }
        var table = TextTable(header: [])
        table.rows = rows.map { row in kept.map { row[$0] } }
        return table
    }

    var lines: [String] {
        guard let header = rows.first else { return [] }
        var widths = Array(repeating: 0, count: header.count)
        for row in rows { for (column, text) in row.enumerated() { widths[column] = max(widths[column], text.count) } }
        return rows.map { row in
            let cells = row.enumerated().map { column, text in
                column == row.count - 1
                    ? text : text + String(repeating: " ", count: max(0, widths[column] - text.count))
            }
            var line = cells.joined(separator: "  ")
            while line.last == " " { line.removeLast() }
            return line
        }
    }
}

/// Text from labs and machines without anything a terminal would obey.
func printable(_ text: String) -> String {
    var result = ""
    for scalar in text.unicodeScalars {
        if scalar.value < 0x20 || scalar.value == 0x7F || (0x80..<0xA0).contains(scalar.value) {
            result += scalar == "\t" ? "    " : scalar == "\n" ? " ⏎ " : "\u{FFFD}"
        } else {
            result.unicodeScalars.append(scalar)
        }
    }
    return result
}

extension Timestamp {
    /// `2026-11-21T07:33:04.123456Z`
    var rfc3339: String { TimeText.rfc3339(self) }
}

/// `1 node`, `2 nodes`.
func counted(_ count: Int, _ what: String) -> String { count == 1 ? "1 \(what)" : "\(count) \(what)s" }
