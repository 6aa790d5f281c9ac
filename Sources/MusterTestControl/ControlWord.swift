/// A control line, taken apart.
enum ControlWord: Hashable, Sendable {
    /// So many bytes of JSON follow.
    case result(byteCount: Int)
    /// All that needs nothing but its line.
    case event(ControlEvent)

    /// - Parameter line: without its newline.
    /// - Throws: a reason, with the place of the byte at fault in the line, 0 when it is the whole line.
    static func parse(_ line: Span<UInt8>) throws(ControlError.Reason) -> ControlWord {
        guard !line.isEmpty else { throw .emptyLine }
        // The word goes to the first space, and the argument is all behind that (ATEX, "Format").
        var end = 0
        while end < line.count, line[end] != UInt8(ascii: " ") { end += 1 }
        let word = 0..<end
        let argument = min(end + 1, line.count)..<line.count
        switch line[0] {
        case UInt8(ascii: "r") where matches(line, word, "result"):
            guard let count = integer(line, argument), count > 0 else { throw .badLength(text(line, argument)) }
            return .result(byteCount: count)
        case UInt8(ascii: "e") where matches(line, word, "exitcode"):
            guard !argument.isEmpty else { throw .argumentMissing(word: "exitcode") }
            guard let code = integer(line, argument) else { throw .badExitCode(text(line, argument)) }
            return .event(.exitCode(code))
        case UInt8(ascii: "d") where matches(line, word, "duration"):
            guard !argument.isEmpty else { throw .argumentMissing(word: "duration") }
            guard let change = DurationChange(line, argument) else { throw .badDuration(text(line, argument)) }
            return .event(.duration(change))
        case UInt8(ascii: "d") where matches(line, word, "disconnect"): return .event(.disconnect)
        case UInt8(ascii: "n") where matches(line, word, "noop"): return .event(.noop)
        case UInt8(ascii: "r") where matches(line, word, "reconnect"):
            if argument.isEmpty { return .event(.reconnect(.once)) }
            guard matches(line, argument, "always") else { throw .badReconnect(text(line, argument)) }
            return .event(.reconnect(.always))
        default: throw .unknownWord(text(line, word))
        }
    }

    /// Whether the range of the line is this text.
    static func matches(_ line: Span<UInt8>, _ range: Range<Int>, _ text: StaticString) -> Bool {
        text.withUTF8Buffer { letters in
            guard letters.count == range.count else { return false }
            for (index, place) in range.enumerated() where letters[index] != line[place] { return false }
            return true
        }
    }

    /// A whole number with or without a sign and blanks around it, which `wc` of some systems prints; nil when it is
    /// none, or too large.
    static func integer(_ line: Span<UInt8>, _ range: Range<Int>) -> Int? {
        var digits = range
        while let first = digits.first, isBlank(line[first]) { digits.removeFirst() }
        while let last = digits.last, isBlank(line[last]) { digits.removeLast() }
        var isNegative = false
        if let first = digits.first, line[first] == UInt8(ascii: "-") || line[first] == UInt8(ascii: "+") {
            isNegative = line[first] == UInt8(ascii: "-")
            digits.removeFirst()
        }
        guard !digits.isEmpty else { return nil }
        var value = 0
        for index in digits {
            guard (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(line[index]) else { return nil }
            let (tenfold, tooFar) = value.multipliedReportingOverflow(by: 10)
            let (sum, tooHigh) = tenfold.addingReportingOverflow(Int(line[index] - UInt8(ascii: "0")))
            guard !tooFar, !tooHigh else { return nil }
            value = sum
        }
        return isNegative ? -value : value
    }

    private static func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || (0x09...0x0D).contains(byte) }

    private static func text(_ line: Span<UInt8>, _ range: Range<Int>) -> String {
        line.extracting(range).withUnsafeBufferPointer { String(decoding: $0, as: UTF8.self) }
    }
}
