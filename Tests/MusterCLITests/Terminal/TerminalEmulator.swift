@testable import MusterCLI

/// As much of a terminal as the painter needs: what is on the screen after the bytes it was sent.
struct TerminalEmulator {
    let columns: Int
    let rows: Int
    private var cells: [[Character?]]
    private(set) var row = 0
    private(set) var column = 0
    /// After a character in the last column the cursor stays on it; the next one wraps first.
    private var isWrapPending = false
    private var wraps = true
    private(set) var cursorIsVisible = true
    private(set) var scrollback: [String] = []
    /// Sequences it does not know: the painter must send none.
    private(set) var unknown: [String] = []
    /// Characters that were drawn: what repainting costs.
    private(set) var drawn = 0

    init(columns: Int, rows: Int) {
        self.columns = columns
        self.rows = rows
        cells = Array(repeating: Array(repeating: " ", count: columns), count: rows)
    }

    var screen: [String] { cells.map(Self.text) }
    /// All that was ever shown and not wiped, without empty lines at the end.
    var everything: [String] {
        var lines = scrollback + screen
        while lines.last?.isEmpty == true { lines.removeLast() }
        return lines
    }

    private static func text(_ row: [Character?]) -> String {
        var text = String(row.compactMap { $0 })
        while text.last == " " { text.removeLast() }
        return text
    }

    mutating func feed(_ text: String) {
        var rest = Substring(text)
        while let character = rest.popFirst() {
            switch character {
            case "\r\n":
                column = 0
                lineFeed()
            case "\r":
                column = 0
                isWrapPending = false
            case "\n": lineFeed()
            case "\u{1B}":
                guard rest.popFirst() == "[" else {
                    unknown.append("escape")
                    continue
                }
                let parameters = rest.prefix { $0.isNumber || $0 == "?" || $0 == ";" }
                rest = rest.dropFirst(parameters.count)
                if let final = rest.popFirst() { control(String(parameters), final) }
            default: draw(character)
            }
        }
    }

    private mutating func lineFeed() {
        isWrapPending = false
        guard row == rows - 1 else {
            row += 1
            return
        }
        scrollback.append(Self.text(cells.removeFirst()))
        cells.append(Array(repeating: " ", count: columns))
    }

    private mutating func draw(_ character: Character) {
        drawn += 1
        let width = TerminalText.width(character)
        if isWrapPending, wraps {
            column = 0
            lineFeed()
        }
        isWrapPending = false
        cells[row][column] = character
        if width == 2, column + 1 < columns { cells[row][column + 1] = nil }
        if column + width >= columns {
            column = columns - 1
            isWrapPending = true
        } else {
            column += width
        }
    }

    private mutating func control(_ parameters: String, _ final: Character) {
        switch (parameters, final) {
        case ("?25", "h"): cursorIsVisible = true
        case ("?25", "l"): cursorIsVisible = false
        case ("?7", "h"): wraps = true
        case ("?7", "l"): wraps = false
        case ("", "K"): for index in column..<columns { cells[row][index] = " " }
        case (_, "A"):
            row = max(0, row - (Int(parameters) ?? 1))
            isWrapPending = false
        case (_, "B"):
            row = min(rows - 1, row + (Int(parameters) ?? 1))
            isWrapPending = false
        case (_, "m"): break
        default: unknown.append("\(parameters)\(final)")
        }
    }
}
