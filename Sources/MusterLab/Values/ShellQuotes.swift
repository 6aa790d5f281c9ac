/// Follows the quotes of a shell command as far as needed to see whether a value would land inside them.
///
/// A value is inserted as a quoted word of its own; inside other quotes its own quotes become text or end the others.
/// Where reading on would need a real shell (substitutions in quotes, here-documents) it says no more.
struct ShellQuotes {
    enum Context { case bare, single, double, unknown }

    private(set) var context = Context.bare
    private var isEscaped = false
    private var isComment = false
    private var before: Unicode.Scalar = " "

    mutating func read(_ text: String) {
        for scalar in text.unicodeScalars { read(scalar) }
    }

    /// A value stands here.
    mutating func readValue() {
        isEscaped = false
        before = "x"
    }

    private mutating func read(_ scalar: Unicode.Scalar) {
        defer { before = scalar }
        if isComment {
            isComment = scalar != "\n"
            return
        }
        if isEscaped {
            isEscaped = false
            return
        }
        switch (context, scalar) {
        case (.unknown, _): return
        case (.bare, "\\"), (.double, "\\"): isEscaped = true
        case (.bare, "'"): context = .single
        case (.bare, "\""): context = .double
        case (.bare, "#"): isComment = " \t\n;&|(".unicodeScalars.contains(before)
        case (.bare, "<") where before == "<": context = .unknown
        case (.single, "'"), (.double, "\""): context = .bare
        case (.double, "`"): context = .unknown
        case (.double, "(") where before == "$": context = .unknown
        case (.bare, _), (.single, _), (.double, _): return
        }
    }
}
