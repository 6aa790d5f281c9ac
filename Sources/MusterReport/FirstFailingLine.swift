/// Finds the line of a test's output that says what went wrong.
package enum FirstFailingLine {
    /// The ends of an output, as far as they were read.
    package struct Ends: Sendable {
        /// Its beginning, or all of it.
        package var head: [UInt8]
        /// Its end, where the beginning is not all: there may be more between them.
        package var tail: [UInt8]
        package init(head: [UInt8], tail: [UInt8] = []) {
            self.head = head
            self.tail = tail
        }
    }

    /// The first line that looks like a failure, else the last that says anything; nil of an output that says nothing.
    ///
    /// Lines that tell of a pass are passed over: they may name an error that did not happen.
    package static func find(in output: Ends) -> String? {
        let head = lines(output.head, cutsFirst: false, cutsLast: !output.tail.isEmpty)
        let tail = lines(output.tail, cutsFirst: true, cutsLast: false)
        let found = failure(in: head) ?? failure(in: tail) ?? tail.last ?? head.last
        return found.map { String(decoding: $0, as: UTF8.self).bounded(to: TextBounds.noteLine) }
    }

    // Bytes, for a run of thousands of failures has its page written every second.
    private typealias Line = ArraySlice<UInt8>

    private static func failure(in lines: [Line]) -> Line? {
        for (index, line) in lines.enumerated() {
            // What Python raised stands below the indented places where it was raised.
            if line.starts(with: traceback) {
                return lines[(index + 1)...].first { $0.first != UInt8(ascii: " ") } ?? lines.last
            }
            let bare = line.drop(while: isBlank)
            if tellsOfFailure(bare), !tellsOfPass(bare) { return bare }
        }
        return nil
    }

    private static let traceback = Array("Traceback (most recent call last)".utf8)
    private static let passes = ["ok ", "PASS", ":: [   PASS   ]", "# ok", "+ ", "++ "].map { Array($0.utf8) }
    private static let excuses = ["# TODO", "# SKIP"].map { Array($0.utf8) }
    private static let failures = ["not ok ", ":: [   FAIL   ]"].map { Array($0.utf8) }
    private static let words = ["FAILURE", "FAILED", "FAIL"].map { Array($0.utf8) }
    private static let errors = ["Error:", "error:"].map { Array($0.utf8) }
    private static let beginnings = ["assert", "Assert", "panic", "Panic"].map { Array($0.utf8) }

    private static func tellsOfPass(_ line: Line) -> Bool {
        passes.contains { line.starts(with: $0) }
            || line.indices.contains { index in
                line[index] == UInt8(ascii: "#") && excuses.contains { line[index...].starts(with: $0) }
            }
    }

    private static func tellsOfFailure(_ line: Line) -> Bool {
        if failures.contains(where: { line.starts(with: $0) }) || line.elementsEqual("not ok".utf8) { return true }
        for index in line.indices {
            let rest = line[index...]
            switch line[index] {
            case UInt8(ascii: "F"):
                guard let word = words.first(where: { rest.starts(with: $0) }) else { continue }
                if isWord(rest.prefix(word.count), in: line) { return true }
            case UInt8(ascii: "E"), UInt8(ascii: "e"):
                guard let word = errors.first(where: { rest.starts(with: $0) }) else { continue }
                if !isZero(rest.dropFirst(word.count)) { return true }
            case UInt8(ascii: "A"), UInt8(ascii: "a"), UInt8(ascii: "P"), UInt8(ascii: "p"):
                guard beginnings.contains(where: { rest.starts(with: $0) }) else { continue }
                if index == line.startIndex || !isLetter(line[index - 1]) { return true }
            default: continue
            }
        }
        return false
    }

    /// Whether a word stands alone, and is no number of failures that is zero: `FAIL: 0`, `0 FAILED`.
    private static func isWord(_ word: Line, in line: Line) -> Bool {
        let before = line[..<word.startIndex]
        let after = line[word.endIndex...]
        if let letter = before.last, isLetter(letter) || letter == UInt8(ascii: "-") { return false }
        if let letter = after.first, isLetter(letter) { return false }
        if isZero(after) { return false }
        let digits = before.reversed().drop(while: isBlank).prefix(while: isDigit)
        return Array(digits) != [UInt8(ascii: "0")]
    }

    /// Whether what follows a word says that there were none: `: 0`, `=0`, ` 0`.
    private static func isZero(_ text: Line) -> Bool {
        let number = text.drop { $0 == UInt8(ascii: ":") || $0 == UInt8(ascii: "=") || $0 == UInt8(ascii: " ") }
        return number.first == UInt8(ascii: "0") && !(number.dropFirst().first.map(isDigit) ?? false)
    }

    private static func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || (0x09...0x0D).contains(byte) }
    private static func isDigit(_ byte: UInt8) -> Bool { (0x30...0x39).contains(byte) }

    /// What a word may go on with.
    private static func isLetter(_ byte: UInt8) -> Bool {
        (0x41...0x5A).contains(byte) || (0x61...0x7A).contains(byte) || byte >= 0x80 || byte == UInt8(ascii: "_")
    }

    /// The lines that say anything, as a terminal would show them. A line that was cut is none where there are others.
    private static func lines(_ bytes: [UInt8], cutsFirst: Bool, cutsLast: Bool) -> [Line] {
        var pieces = bytes.split(separator: 0x0A, omittingEmptySubsequences: false)[...]
        if cutsFirst, pieces.count > 1 { pieces = pieces.dropFirst() }
        if cutsLast, pieces.count > 1 { pieces = pieces.dropLast() }
        return pieces.compactMap { piece in
            let line = shown(piece)
            return line.allSatisfy(isBlank) ? nil : line
        }
    }

    private static func shown(_ bytes: Line) -> Line {
        var bytes = bytes
        while bytes.last == 0x0D { bytes.removeLast() }
        // What was written over is not to be seen.
        if let last = bytes.lastIndex(of: 0x0D) { bytes = bytes[(last + 1)...] }
        return bytes.contains(0x1B) ? withoutEscapes(bytes) : bytes
    }

    /// Leaves out `ESC [ … letter` and other sequences of terminals.
    private static func withoutEscapes(_ bytes: Line) -> Line {
        var kept: Line = []
        var rest = bytes
        while let byte = rest.popFirst() {
            guard byte == 0x1B else {
                kept.append(byte)
                continue
            }
            guard rest.popFirst() == UInt8(ascii: "[") else { continue }
            while let next = rest.popFirst(), !(0x40...0x7E).contains(next) {}
        }
        return kept
    }
}
