/// Limits on text that comes from tests and nodes.
enum TextBounds {
    /// Bytes of a note in a format for programs.
    static let note = 64 * 1024
    /// Bytes of a note where people read it among others.
    static let noteShown = 8 * 1024
    /// Bytes of a note in an attribute or on one line.
    static let noteLine = 1024
    /// Bytes of output that a report takes over from one attempt, and from all of them.
    static let tail = 64 * 1024
    static let tailsInAll = 16 * 1024 * 1024
    /// Bytes of output in which the first failing line of an attempt is looked for.
    static let failureHead = 16 * 1024
    static let failureTail = 32 * 1024
}

extension String {
    /// The text, or its beginning with a marker when it is longer than `limit` bytes. Never cuts a scalar in two.
    func bounded(to limit: Int) -> String {
        let count = utf8.count
        guard count > limit else { return self }
        var cut = utf8.index(utf8.startIndex, offsetBy: limit)
        while cut > startIndex, cut.samePosition(in: unicodeScalars) == nil { cut = utf8.index(before: cut) }
        return String(unicodeScalars[..<cut]) + " [… truncated, \(count) bytes in all]"
    }

    /// One line, without anything that could act on a terminal or change the direction of what follows.
    func onOneLine(ascii: Bool = false) -> String {
        var line = ""
        line.reserveCapacity(utf8.count)
        for scalar in unicodeScalars {
            switch scalar.value {
            case 0x09, 0x0A, 0x0D: line += " "
            case 0x20..<0x7F: line.unicodeScalars.append(scalar)
            case _ where ascii: line += "?"
            default: line.unicodeScalars.append(scalar.madeVisible)
            }
        }
        return line
    }

    /// The first line that says something.
    var firstLine: String {
        for line in split(whereSeparator: \.isNewline) {
            let bare = line.drop(while: \.isWhitespace)
            if !bare.isEmpty { return String(bare) }
        }
        return ""
    }
}

extension Unicode.Scalar {
    /// Itself, or a picture of it where it is a control character.
    var madeVisible: Unicode.Scalar {
        switch value {
        case 0x00...0x1F: Unicode.Scalar(0x2400 + value) ?? "\u{FFFD}"
        case 0x7F: "\u{2421}"
        case 0x80...0x9F, 0x061C, 0x200E, 0x200F, 0x2028...0x202E, 0x2066...0x2069, 0xFFFE, 0xFFFF: "\u{FFFD}"
        default: self
        }
    }
}
