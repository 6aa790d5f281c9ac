/// What a terminal, or what stands in for one, can show.
struct TerminalStyle: Hashable, Sendable {
    /// Whether lines may be repainted: a terminal that knows how to move its cursor.
    var isLive: Bool
    var usesColor: Bool
    /// Only ASCII is shown; other characters are replaced.
    var isASCII: Bool

    static let plain = TerminalStyle(isLive: false, usesColor: false, isASCII: false)

    /// Decides from what the process was given. Nothing else is asked: no terminal database, no escape sequences.
    ///
    /// - Parameters:
    ///   - isTTY: whether the stream that is written to is a terminal.
    ///   - noColorFlag: whether `--no-color` was given.
    static func detect(isTTY: Bool, environment: [String: String], noColorFlag: Bool) -> TerminalStyle {
        let term = environment["TERM"] ?? ""
        let isLive = isTTY && !term.isEmpty && term != "dumb"
        let forbidsColor = noColorFlag || !(environment["NO_COLOR"] ?? "").isEmpty
        return TerminalStyle(
            isLive: isLive,
            usesColor: isLive && !forbidsColor,
            isASCII: !speaksUTF8(environment)
        )
    }

    /// The first of these that is set and not empty decides, as in POSIX; without any the locale is `C`.
    private static func speaksUTF8(_ environment: [String: String]) -> Bool {
        for name in ["LC_ALL", "LC_CTYPE", "LANG"] {
            guard let value = environment[name]?.lowercased(), !value.isEmpty else { continue }
            let charset = value.split(separator: "@")[0].split(separator: ".").dropFirst().last
            return charset == "utf-8" || charset == "utf8"
        }
        return false
    }

    // MARK: Shapes

    var barFull: Character { isASCII ? "#" : "█" }
    var barEmpty: Character { isASCII ? "." : "░" }
    var ellipsis: String { isASCII ? "..." : "…" }
    /// Between the parts of a headline.
    var dot: String { isASCII ? "|" : "·" }
    var failure: String { isASCII ? "x" : "✘" }
    var again: String { isASCII ? "~" : "↻" }
    var warning: String { isASCII ? "!" : "⚠" }
    var pause: String { isASCII ? "=" : "‖" }
    var stop: String { isASCII ? "#" : "■" }
}

/// The few colours there are. Each only underlines what a word or a shape says already.
enum Ink: String, Hashable, Sendable {
    case bold = "1"
    case dim = "2"
    case red = "31"
    case green = "32"
    case yellow = "33"
    case purple = "35"
    case cyan = "36"
}
