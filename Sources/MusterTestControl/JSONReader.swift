/// What is wrong with bytes that should be JSON.
package struct JSONError: Error, Hashable, Sendable, CustomStringConvertible {
    /// Bytes before the one that cannot be.
    package let offset: Int
    /// What is there and what would be right, without the offset.
    package let reason: String

    /// The offset and the reason.
    package var description: String { "byte \(offset): \(reason)" }
}

/// Reads JSON strictly by RFC 8259: nothing behind the value, no comments, no `NaN`, no byte order mark; UTF-8 only.
///
/// Of several members with one key the last one counts, as in Python. An escape of half a surrogate pair, which Python
/// writes for names of files that are not UTF-8, becomes U+FFFD.
package struct JSONReader {
    /// Lists and objects within each other that are read at most, whatever the caller allows: reading recurses.
    package static let depthLimit = 1000

    private let depthMax: Int
    private var depth = 0
    private var position = 0

    private init(depthMax: Int) { self.depthMax = min(depthMax, Self.depthLimit) }

    /// The one value in `bytes`.
    ///
    /// - Parameter depthMax: lists and objects within each other; at most `depthLimit` counts.
    /// - Throws: `JSONError` at the first byte that cannot be.
    package static func value(of bytes: Span<UInt8>, depthMax: Int = 100) throws(JSONError) -> JSONValue {
        var reader = JSONReader(depthMax: depthMax)
        reader.skipSpace(bytes)
        let value = try reader.value(bytes)
        reader.skipSpace(bytes)
        guard reader.position == bytes.count else {
            throw reader.error("\(reader.seen(bytes)) after the value; one value is all there may be")
        }
        return value
    }

    /// The same for a text, which tests and messages have.
    package static func value(of text: String, depthMax: Int = 100) throws(JSONError) -> JSONValue {
        let bytes = Array(text.utf8)
        return try value(of: bytes.span, depthMax: depthMax)
    }

    // MARK: Values

    private mutating func value(_ bytes: Span<UInt8>) throws(JSONError) -> JSONValue {
        switch byte(bytes) {
        case UInt8(ascii: "{"): return .object(try object(bytes))
        case UInt8(ascii: "["): return .array(try array(bytes))
        case UInt8(ascii: "\""): return .text(try text(bytes))
        case UInt8(ascii: "-"), (UInt8(ascii: "0")...UInt8(ascii: "9"))?: return try number(bytes)
        case UInt8(ascii: "t"): return try word("true", .bool(true), bytes)
        case UInt8(ascii: "f"): return try word("false", .bool(false), bytes)
        case UInt8(ascii: "n"): return try word("null", .null, bytes)
        default: throw error("\(seen(bytes)) where a value should begin")
        }
    }

    private mutating func object(_ bytes: Span<UInt8>) throws(JSONError) -> JSONObject {
        try enter()
        var object = JSONObject()
        skipSpace(bytes)
        if take(UInt8(ascii: "}"), bytes) {
            depth -= 1
            return object
        }
        while true {
            guard byte(bytes) == UInt8(ascii: "\"") else {
                throw error("\(seen(bytes)) where a key in double quotes should begin")
            }
            let key = try text(bytes)
            skipSpace(bytes)
            guard take(UInt8(ascii: ":"), bytes) else { throw error("\(seen(bytes)) where ':' should follow a key") }
            skipSpace(bytes)
            object[key] = try value(bytes)
            skipSpace(bytes)
            if take(UInt8(ascii: "}"), bytes) { break }
            guard take(UInt8(ascii: ","), bytes) else {
                throw error("\(seen(bytes)) where ',' or '}' should follow a member")
            }
            skipSpace(bytes)
        }
        depth -= 1
        return object
    }

    private mutating func array(_ bytes: Span<UInt8>) throws(JSONError) -> [JSONValue] {
        try enter()
        var array: [JSONValue] = []
        skipSpace(bytes)
        if take(UInt8(ascii: "]"), bytes) {
            depth -= 1
            return array
        }
        while true {
            array.append(try value(bytes))
            skipSpace(bytes)
            if take(UInt8(ascii: "]"), bytes) { break }
            guard take(UInt8(ascii: ","), bytes) else {
                throw error("\(seen(bytes)) where ',' or ']' should follow an element")
            }
            skipSpace(bytes)
        }
        depth -= 1
        return array
    }

    /// Goes into a list or an object, whose first byte is here.
    private mutating func enter() throws(JSONError) {
        guard depth < depthMax else { throw error("lists and objects lie more than \(depthMax) deep in each other") }
        depth += 1
        position += 1
    }

    private mutating func word(
        _ word: StaticString,
        _ value: JSONValue,
        _ bytes: Span<UInt8>
    ) throws(JSONError)
        -> JSONValue
    {
        let start = position
        let isThere = word.withUTF8Buffer { letters in
            letters.indices.allSatisfy { start + $0 < bytes.count && bytes[start + $0] == letters[$0] }
        }
        guard isThere else { throw error("a word that is not '\(word)'; texts stand in double quotes") }
        position += word.utf8CodeUnitCount
        return value
    }

    private mutating func number(_ bytes: Span<UInt8>) throws(JSONError) -> JSONValue {
        let start = position
        let isNegative = take(UInt8(ascii: "-"), bytes)
        let digits = position
        var magnitude: Int64 = 0
        var fits = true
        while let digit = byte(bytes), Self.isDigit(digit) {
            // Built up below zero, where one number more fits.
            let (tenfold, tooFar) = magnitude.multipliedReportingOverflow(by: 10)
            let (sum, tooLow) = tenfold.subtractingReportingOverflow(Int64(digit - UInt8(ascii: "0")))
            fits = fits && !tooFar && !tooLow
            magnitude = sum
            position += 1
        }
        guard position > digits else { throw error("\(seen(bytes)) where a digit should follow '-'") }
        if position > digits + 1, bytes[digits] == UInt8(ascii: "0") {
            position = digits
            throw error("a number begins with a zero that nothing needs")
        }
        if take(UInt8(ascii: "."), bytes) {
            fits = false
            try self.digits(after: ".", bytes)
        }
        if take(UInt8(ascii: "e"), bytes) || take(UInt8(ascii: "E"), bytes) {
            fits = false
            if !take(UInt8(ascii: "+"), bytes) { _ = take(UInt8(ascii: "-"), bytes) }
            try self.digits(after: "e", bytes)
        }
        // -0 is kept as it is written, too.
        if fits, isNegative, magnitude < 0 { return .integer(magnitude) }
        if fits, !isNegative, magnitude > .min { return .integer(-magnitude) }
        let written = bytes.extracting(start..<position).withUnsafeBufferPointer { String(decoding: $0, as: UTF8.self) }
        return .number(written)
    }

    private mutating func digits(after before: StaticString, _ bytes: Span<UInt8>) throws(JSONError) {
        let start = position
        while let digit = byte(bytes), Self.isDigit(digit) { position += 1 }
        guard position > start else {
            throw error("\(seen(bytes)) where a digit should follow '\(before)' of a number")
        }
    }

    // MARK: Texts

    private mutating func text(_ bytes: Span<UInt8>) throws(JSONError) -> String {
        let start = position + 1
        var end = start
        while end < bytes.count {
            let byte = bytes[end]
            if byte == UInt8(ascii: "\"") {
                position = end + 1
                let text = bytes.extracting(start..<end).withUnsafeBufferPointer {
                    String(validating: $0, as: UTF8.self)
                }
                guard let text else { throw notUTF8(start..<end, bytes) }
                return text
            }
            if byte == UInt8(ascii: "\\") { return try escapedText(start, until: end, bytes) }
            guard byte >= 0x20 else {
                position = end
                throw error("\(seen(bytes)) in a text; control characters are written as \\n, \\t, \\u0007")
            }
            end += 1
        }
        position = bytes.count
        throw error("the end in a text; its closing quote is missing")
    }

    /// The rest of a text whose first escape is at `end`.
    private mutating func escapedText(
        _ start: Int,
        until end: Int,
        _ bytes: Span<UInt8>
    ) throws(JSONError)
        -> String
    {
        var unescaped: [UInt8] = []
        unescaped.reserveCapacity(end - start + 64)
        for index in start..<end { unescaped.append(bytes[index]) }
        position = end
        while let byte = byte(bytes) {
            switch byte {
            case UInt8(ascii: "\""):
                // Escapes are ASCII and stand for whole characters: the text is UTF-8 when its bytes are.
                guard let text = String(validating: unescaped, as: UTF8.self) else {
                    throw notUTF8(start..<position, bytes)
                }
                position += 1
                return text
            case UInt8(ascii: "\\"):
                try unescape(into: &unescaped, bytes)
            case 0..<0x20:
                throw error("\(seen(bytes)) in a text; control characters are written as \\n, \\t, \\u0007")
            default:
                unescaped.append(byte)
                position += 1
            }
        }
        throw error("the end in a text; its closing quote is missing")
    }

    /// One escape, whose backslash is here.
    private mutating func unescape(into text: inout [UInt8], _ bytes: Span<UInt8>) throws(JSONError) {
        position += 1
        switch byte(bytes) {
        case UInt8(ascii: "\""): text.append(UInt8(ascii: "\""))
        case UInt8(ascii: "\\"): text.append(UInt8(ascii: "\\"))
        case UInt8(ascii: "/"): text.append(UInt8(ascii: "/"))
        case UInt8(ascii: "b"): text.append(0x08)
        case UInt8(ascii: "f"): text.append(0x0C)
        case UInt8(ascii: "n"): text.append(0x0A)
        case UInt8(ascii: "r"): text.append(0x0D)
        case UInt8(ascii: "t"): text.append(0x09)
        case UInt8(ascii: "u"):
            position += 1
            let first = try hex(bytes)
            text.append(contentsOf: Character(try scalar(from: first, bytes)).utf8)
            return
        default: throw error("\(seen(bytes)) after a backslash; \" \\ / b f n r t and uXXXX may follow")
        }
        position += 1
    }

    /// The character of an escape, with the second half of a surrogate pair when there is one.
    private mutating func scalar(from first: UInt32, _ bytes: Span<UInt8>) throws(JSONError) -> Unicode.Scalar {
        if let scalar = Unicode.Scalar(first) { return scalar }
        let after = position
        if first < 0xDC00, take(UInt8(ascii: "\\"), bytes), take(UInt8(ascii: "u"), bytes) {
            let second = try hex(bytes)
            if (0xDC00...0xDFFF).contains(second) {
                return Unicode.Scalar(0x10000 + (first - 0xD800) << 10 + (second - 0xDC00)) ?? "\u{FFFD}"
            }
        }
        // What follows is no second half, and is read for itself.
        position = after
        return "\u{FFFD}"
    }

    private mutating func hex(_ bytes: Span<UInt8>) throws(JSONError) -> UInt32 {
        var value: UInt32 = 0
        for _ in 0..<4 {
            guard let byte = byte(bytes), let digit = Character(Unicode.Scalar(byte)).hexDigitValue, byte < 0x80 else {
                throw error("\(seen(bytes)) where four hexadecimal digits should follow \\u")
            }
            value = value << 4 | UInt32(digit)
            position += 1
        }
        return value
    }

    /// The error at the first byte of the range that UTF-8 does not have there.
    private mutating func notUTF8(_ range: Range<Int>, _ bytes: Span<UInt8>) -> JSONError {
        position = range.lowerBound
        while position < range.upperBound {
            var size = 1
            // The shortest piece that is a character of itself; of a broken one there is none.
            while size <= 4, position + size <= range.upperBound {
                let piece = bytes.extracting(position..<position + size)
                if piece.withUnsafeBufferPointer({ String(validating: $0, as: UTF8.self) }) != nil { break }
                size += 1
            }
            if size > 4 || position + size > range.upperBound { break }
            position += size
        }
        return error("\(seen(bytes)) that is no UTF-8")
    }

    // MARK: Bytes

    private func byte(_ bytes: Span<UInt8>) -> UInt8? { position < bytes.count ? bytes[position] : nil }

    private mutating func take(_ wanted: UInt8, _ bytes: Span<UInt8>) -> Bool {
        guard byte(bytes) == wanted else { return false }
        position += 1
        return true
    }

    private mutating func skipSpace(_ bytes: Span<UInt8>) {
        while let byte = byte(bytes), byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 { position += 1 }
    }

    private static func isDigit(_ byte: UInt8) -> Bool { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) }

    private func error(_ reason: String) -> JSONError { JSONError(offset: position, reason: reason) }

    private func seen(_ bytes: Span<UInt8>) -> String {
        byte(bytes).map(ControlText.name) ?? "the end"
    }
}
