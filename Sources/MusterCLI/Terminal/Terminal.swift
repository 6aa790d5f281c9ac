import Glibc

/// The one place that asks the system about the terminal.
enum Terminal {
    struct Size: Hashable, Sendable {
        var columns: Int
        var rows: Int
        static let fallback = Size(columns: 80, rows: 24)
    }

    static func isTTY(_ descriptor: Int32) -> Bool { isatty(descriptor) == 1 }

    /// The size that a terminal says it has; otherwise what `COLUMNS` and `LINES` say, or 80 by 24.
    static func size(of descriptor: Int32, environment: [String: String]) -> Size {
        var window = winsize()
        if ioctl(descriptor, UInt(TIOCGWINSZ), &window) == 0, window.ws_col > 0, window.ws_row > 0 {
            return Size(columns: Int(window.ws_col), rows: Int(window.ws_row))
        }
        return size(from: environment)
    }

    static func size(from environment: [String: String]) -> Size {
        func number(_ name: String, _ fallback: Int) -> Int {
            guard let value = environment[name].flatMap({ Int($0) }), (1...10_000).contains(value) else {
                return fallback
            }
            return value
        }
        return Size(
            columns: number("COLUMNS", Size.fallback.columns),
            rows: number("LINES", Size.fallback.rows)
        )
    }
}
