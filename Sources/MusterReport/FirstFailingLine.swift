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
        return found.map { String($0).bounded(to: TextBounds.noteLine) }
    }

    private static func failure(in lines: [String]) -> String? {
        for (index, line) in lines.enumerated() {
            // What Python raised stands below the indented places where it was raised.
            if line.hasPrefix("Traceback (most recent call last)") {
                return lines[(index + 1)...].first { !$0.hasPrefix(" ") } ?? lines.last
            }
            let bare = line.drop(while: \.isWhitespace)
            if !tellsOfPass(bare), tellsOfFailure(bare) { return String(bare) }
        }
        return nil
    }

    private static func tellsOfPass(_ line: Substring) -> Bool {
        ["ok ", "PASS", ":: [   PASS   ]", "# ok", "+ ", "++ "].contains { line.hasPrefix($0) }
            || line.contains("# TODO") || line.contains("# SKIP")
    }

    private static func tellsOfFailure(_ line: Substring) -> Bool {
        if line == "not ok" || line.hasPrefix("not ok ") || line.hasPrefix(":: [   FAIL   ]") { return true }
        if ["FAIL", "FAILED", "FAILURE"].contains(where: { hasWord($0, in: line) }) { return true }
        if ["Error:", "error:"].contains(where: { isCounted($0, in: line) }) { return true }
        return ["assert", "Assert", "panic"].contains { begins($0, in: line) }
    }

    /// Whether a word stands alone, and is no number of failures that is zero.
    private static func hasWord(_ word: String, in line: Substring) -> Bool {
        line.ranges(of: word).contains { range in
            let before = line[..<range.lowerBound]
            let after = line[range.upperBound...]
            if let letter = before.last, letter.isLetter || letter == "_" || letter == "-" { return false }
            if let letter = after.first, letter.isLetter || letter == "_" { return false }
            return !isZero(after) && !(before.hasSuffix("0 ") && !before.dropLast(2).hasSuffix { $0.isNumber })
        }
    }

    private static func isCounted(_ word: String, in line: Substring) -> Bool {
        line.ranges(of: word).contains { !isZero(line[$0.upperBound...]) }
    }

    private static func begins(_ word: String, in line: Substring) -> Bool {
        line.ranges(of: word).contains { range in
            line[..<range.lowerBound].last.map { !$0.isLetter && $0 != "_" } ?? true
        }
    }

    /// Whether what follows a word says that there were none: `: 0`, `=0`, ` 0`.
    private static func isZero(_ text: Substring) -> Bool {
        let number = text.drop { $0 == ":" || $0 == "=" || $0 == " " }
        return number.first == "0" && !(number.dropFirst().first?.isNumber ?? false)
    }

    /// The lines that say anything, as a terminal would show them. A line that was cut is none where there are others.
    private static func lines(_ bytes: [UInt8], cutsFirst: Bool, cutsLast: Bool) -> [String] {
        var pieces = bytes.split(separator: 0x0A, omittingEmptySubsequences: false)[...]
        if cutsFirst, pieces.count > 1 { pieces = pieces.dropFirst() }
        if cutsLast, pieces.count > 1 { pieces = pieces.dropLast() }
        return pieces.compactMap { piece in
            let line = shown(piece)
            return line.contains { !$0.isWhitespace } ? line : nil
        }
    }

    private static func shown(_ bytes: ArraySlice<UInt8>) -> String {
        var bytes = bytes
        while bytes.last == 0x0D { bytes.removeLast() }
        // What was written over is not to be seen.
        if let last = bytes.lastIndex(of: 0x0D) { bytes = bytes[(last + 1)...] }
        let text = withoutEscapes(bytes)
        return String(decoding: text, as: UTF8.self)
    }

    /// Leaves out `ESC [ … letter` and other sequences of terminals.
    private static func withoutEscapes(_ bytes: ArraySlice<UInt8>) -> [UInt8] {
        guard bytes.contains(0x1B) else { return Array(bytes) }
        var kept: [UInt8] = []
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

extension Substring {
    fileprivate func hasSuffix(_ isWanted: (Character) -> Bool) -> Bool { last.map(isWanted) ?? false }
}
