/// A position in a text as the YAML scanner counts: line and Unicode scalar, both from 1.
struct Mark: Hashable, Comparable, Sendable {
    var line: Int
    var column: Int

    static func < (a: Mark, b: Mark) -> Bool { (a.line, a.column) < (b.line, b.column) }
}

/// From the first scalar to the one after the last.
struct Span: Hashable, Sendable {
    var start: Mark
    var end: Mark

    /// A span of one scalar, or of `length` on one line.
    init(at start: Mark, length: Int = 1) {
        self.start = start
        end = Mark(line: start.line, column: start.column + length)
    }
    init(start: Mark, end: Mark) {
        self.start = start
        self.end = end
    }
}

/// The text of a lab file with its lines, for messages that show them.
///
/// Lines end where YAML ends them: at LF, CR, CR LF, NEL, LS and PS. The bytes are valid UTF-8 without a byte order
/// mark.
struct SourceText: Sendable {
    /// The file as its user named it.
    let file: String
    let bytes: [UInt8]
    /// The offset of the first byte of each line.
    private let lineStarts: [Int]

    /// Longer lines are not shown, and their columns count scalars.
    static let lineBytesMax = 65_536
    /// As much of a line as a message shows.
    private static let excerptMax = 160

    init(file: String, bytes: [UInt8]) {
        self.file = file
        self.bytes = bytes
        lineStarts = Self.starts(of: bytes)
    }

    private static func starts(of bytes: [UInt8]) -> [Int] {
        var starts = [0]
        bytes.withUnsafeBufferPointer { bytes in
            var i = 0
            while i < bytes.count {
                let breaks = Self.breakLength(bytes, at: i)
                i += max(breaks, 1)
                if breaks > 0 { starts.append(i) }
            }
        }
        return starts
    }

    /// The number of bytes of the line break at `i`; 0 when there is none.
    private static func breakLength(_ bytes: UnsafeBufferPointer<UInt8>, at i: Int) -> Int {
        switch bytes[i] {
        case 0x0A: 1
        case 0x0D: i + 1 < bytes.count && bytes[i + 1] == 0x0A ? 2 : 1
        case 0xC2: i + 1 < bytes.count && bytes[i + 1] == 0x85 ? 2 : 0
        case 0xE2:
            i + 2 < bytes.count && bytes[i + 1] == 0x80 && (bytes[i + 2] == 0xA8 || bytes[i + 2] == 0xA9) ? 3 : 0
        default: 0
        }
    }

    var lineCount: Int { lineStarts.count }

    /// The bytes of a line without its break; empty for a line that is not there.
    func line(_ number: Int) -> ArraySlice<UInt8> {
        guard number >= 1, number <= lineStarts.count else { return [] }
        let start = lineStarts[number - 1]
        var end = number < lineStarts.count ? lineStarts[number] : bytes.count
        if number < lineStarts.count {
            switch bytes[end - 1] {
            case 0x0A: end -= end - 2 >= start && bytes[end - 2] == 0x0D ? 2 : 1
            case 0x0D: end -= 1
            case 0x85: end -= 2
            default: end -= 3
            }
        }
        return bytes[start..<end]
    }

    /// The mark of a byte.
    func mark(ofByte offset: Int) -> Mark {
        var low = 0
        var high = lineStarts.count - 1
        while low < high {
            let middle = (low + high + 1) / 2
            if lineStarts[middle] <= offset { low = middle } else { high = middle - 1 }
        }
        let prefix = bytes[lineStarts[low]..<min(max(offset, lineStarts[low]), bytes.count)]
        return Mark(line: low + 1, column: 1 + prefix.count { $0 & 0xC0 != 0x80 })
    }

    /// The offset of the byte at a mark, at most the end of its line.
    func byte(of mark: Mark) -> Int {
        let line = line(mark.line)
        var left = mark.column - 1
        var i = line.startIndex
        while i < line.endIndex {
            if line[i] & 0xC0 != 0x80 {
                if left == 0 { break }
                left -= 1
            }
            i += 1
        }
        return i
    }

    /// A place for a message: columns count characters as people see them. Of very long lines nothing is shown.
    func place(of span: Span) -> (line: Int, column: Int, length: Int, excerpt: Excerpt?) {
        let span = atLastText(span)
        let bytes = line(span.start.line)
        let endsHere = span.end.line == span.start.line
        guard bytes.count <= Self.lineBytesMax else {
            let length = endsHere ? max(span.end.column - span.start.column, 1) : 1
            return (span.start.line, span.start.column, length, nil)
        }
        let scalars = Array(String(decoding: bytes, as: UTF8.self).unicodeScalars)
        let start = min(span.start.column - 1, scalars.count)
        let end = endsHere ? min(max(span.end.column - 1, start), scalars.count) : scalars.count
        func characters(_ range: Range<Int>) -> Int {
            guard scalars.count < bytes.count else { return range.count }
            var text = String.UnicodeScalarView()
            text.append(contentsOf: scalars[range])
            return String(text).count
        }
        let before = characters(0..<start)
        let excerpt = Excerpt(line: bytes, from: before, max: Self.excerptMax)
        return (span.start.line, before + 1, max(characters(start..<end), 1), excerpt)
    }

    /// The end of a file lies on a line of its own, which has nothing to show: the end of the last text instead.
    private func atLastText(_ span: Span) -> Span {
        var last = min(span.start.line, lineCount)
        guard span.start.line >= lineCount, line(last).isEmpty else { return span }
        while last > 1, line(last).isEmpty { last -= 1 }
        guard line(last).count <= Self.lineBytesMax else { return Span(at: Mark(line: last, column: 1)) }
        return Span(at: Mark(line: last, column: line(last).count { $0 & 0xC0 != 0x80 } + 1))
    }

    /// Where `${` stands inside a span, in order, at most `max` of them.
    func dollarBraces(in span: Span, max: Int) -> [Mark] {
        let start = byte(of: span.start)
        let end = Swift.max(byte(of: span.end), start)
        return bytes.withUnsafeBufferPointer { bytes in
            var marks: [Mark] = []
            var mark = span.start
            var i = start
            while i < end, marks.count < max {
                let byte = bytes[i]
                if byte == UInt8(ascii: "$"), i + 1 < end, bytes[i + 1] == UInt8(ascii: "{") { marks.append(mark) }
                let breaks = Self.breakLength(bytes, at: i)
                if breaks > 0 {
                    mark = Mark(line: mark.line + 1, column: 1)
                    i += breaks
                } else {
                    if byte & 0xC0 != 0x80 { mark.column += 1 }
                    i += 1
                }
            }
            return marks
        }
    }
}

/// The part of a source line that a message shows.
struct Excerpt: Hashable, Sendable {
    /// Free of control characters but tabs.
    var text: String
    /// How many characters of the line stand before `text`.
    var dropped: Int

    init(text: String, dropped: Int) {
        self.text = text
        self.dropped = dropped
    }

    /// The line, or when it is longer than `length` the part of it around character `start`.
    init(line bytes: ArraySlice<UInt8>, from start: Int, max length: Int) {
        guard bytes.count > length else {
            self.init(text: printable(String(decoding: bytes, as: UTF8.self)), dropped: 0)
            return
        }
        let characters = Array(String(decoding: bytes, as: UTF8.self))
        let first = start < length / 2 ? 0 : min(start - length / 4, Swift.max(characters.count - length, 0))
        let part = characters[first..<min(first + length, characters.count)]
        self.init(text: printable(String(part)), dropped: first)
    }
}

/// Text without the control characters that would move a terminal's cursor; tabs stay.
func printable(_ text: String) -> String {
    guard text.unicodeScalars.contains(where: { isControl($0) }) else { return text }
    var shown = String.UnicodeScalarView()
    for scalar in text.unicodeScalars { shown.append(isControl(scalar) ? "\u{FFFD}" : scalar) }
    return String(shown)
}

private func isControl(_ scalar: Unicode.Scalar) -> Bool {
    guard scalar != "\t" else { return false }
    // Bidirectional overrides would show another line than the one that is read.
    return scalar.properties.generalCategory == .control || (0x202A...0x202E).contains(scalar.value)
        || (0x2066...0x2069).contains(scalar.value)
}
