/// Paints frames over each other at the bottom of what a terminal shows, and repaints only lines that have changed.
///
/// The cursor rests, hidden, on the line below the frame, so that what is typed does not spoil it. Lines are painted
/// with the terminal's wrapping off: text that is wider than was thought cannot push the others down.
struct TerminalPainter: Sendable {
    private let write: @Sendable (String) -> Void
    private var shown: [String] = []
    private var size: Terminal.Size?
    private var isPainting = false

    /// - Parameter write: sends text to the terminal; each call is one whole repaint.
    init(write: @escaping @Sendable (String) -> Void) { self.write = write }

    // Control sequences of ECMA-48 and DEC's private modes, as all terminals of today know them.
    private static let hideCursor = "\u{1B}[?25l"
    private static let showCursor = "\u{1B}[?25h"
    private static let wrapOff = "\u{1B}[?7l"
    private static let wrapOn = "\u{1B}[?7h"
    private static let clearLine = "\u{1B}[K"
    private static func up(_ lines: Int) -> String { lines > 0 ? "\u{1B}[\(lines)A" : "" }
    private static func down(_ lines: Int) -> String { lines > 0 ? "\u{1B}[\(lines)B" : "" }

    /// Clears so many lines from the cursor's on, and goes back. Clearing all that is below at once would, from the
    /// first line on, make tmux keep a copy of the screen in its history.
    private static func wipe(_ lines: Int) -> String {
        "\r" + String(repeating: clearLine + down(1), count: lines) + up(lines)
    }

    /// How many lines a frame may have: the cursor needs one for itself.
    static func height(in size: Terminal.Size) -> Int { max(1, size.rows - 1) }

    /// Shows a frame in place of the one before. Lines beyond what the terminal can hold are left out.
    mutating func paint(_ frame: [String], size: Terminal.Size) {
        let frame = Array(frame.prefix(Self.height(in: size)))
        var out = ""
        if let old = self.size, old != size, !shown.isEmpty {
            out += forget(in: size)
        }
        self.size = size
        out += changes(to: frame)
        guard !out.isEmpty else { return }
        if !isPainting {
            isPainting = true
            out = Self.hideCursor + out
        }
        write(out)
    }

    /// Puts lines above the frame, where they stay.
    mutating func print(_ lines: [String], size: Terminal.Size) {
        guard !lines.isEmpty else { return }
        let frame = Array(shown.prefix(Self.height(in: size)))
        var out = ""
        if let old = self.size, old != size {
            out += forget(in: size)
        } else {
            out += Self.up(shown.count) + Self.wipe(shown.count)
        }
        self.size = size
        for line in lines { out += line + "\r\n" }
        shown = []
        out += changes(to: frame)
        write(out)
    }

    /// Ends painting: the cursor shows again, on a line of its own.
    ///
    /// - Parameter keepsFrame: whether the last frame stays to be read.
    mutating func end(keepsFrame: Bool) {
        guard isPainting else { return }
        var out = ""
        if !keepsFrame { out += Self.up(shown.count) + Self.wipe(shown.count) }
        out += Self.showCursor
        shown = []
        isPainting = false
        write(out)
    }

    /// Wipes what is shown after the terminal has changed its size. Most terminals wrap lines anew that have become too
    /// long, so the frame may cover more rows than before.
    private mutating func forget(in size: Terminal.Size) -> String {
        let columns = max(1, size.columns)
        let needed = shown.reduce(0) { $0 + max(1, (Self.width($1) + columns - 1) / columns) }
        let rows = min(needed, max(0, size.rows - 1))
        shown = []
        return Self.up(rows) + Self.wipe(rows)
    }

    private mutating func changes(to frame: [String]) -> String {
        guard frame != shown else { return "" }
        var out = Self.wrapOff
        // From the line below the frame; lines that come and go do so at its end.
        var row = shown.count
        func move(to target: Int) -> String {
            defer { row = target }
            return target < row ? Self.up(row - target) : Self.down(target - row)
        }
        for index in frame.indices {
            if index < shown.count {
                guard frame[index] != shown[index] else { continue }
                // Cleared first: at the end of a line that fills its row, clearing would take the last character.
                out += move(to: index) + "\r" + Self.clearLine + frame[index]
            } else {
                // A line feed, and no cursor movement: it makes room at the bottom of the screen.
                out += move(to: index) + "\r" + Self.clearLine + frame[index] + "\r\n"
                row = index + 1
            }
        }
        out += move(to: frame.count) + "\r"
        if frame.count < shown.count { out += Self.wipe(shown.count - frame.count) }
        shown = frame
        return out + Self.wrapOn
    }

    /// The columns of a painted line: its control sequences take none.
    private static func width(_ line: String) -> Int {
        var text = ""
        var isSequence = false
        for scalar in line.unicodeScalars {
            if isSequence {
                isSequence = scalar == "[" || !(0x40...0x7E).contains(scalar.value)
            } else if scalar == "\u{1B}" {
                isSequence = true
            } else {
                text.unicodeScalars.append(scalar)
            }
        }
        return TerminalText.width(text)
    }
}
