/// Reads a JSON text only to write it again on one line: what it says is its sender's business.
struct JSONObject {
    /// Deeper nesting is not read: it is no harm to a reader of our own, but to some reader of the file.
    private static let depthMax = 64

    private var rest: Substring.UnicodeScalarView
    private var output = ""

    /// The text on one line when it is one JSON object, with strings escaped as ours are; nil otherwise.
    static func onOneLine(_ text: String) -> String? {
        var reader = JSONObject(text)
        reader.skipBlanks()
        guard reader.rest.first == "{", reader.takeValue(depth: 0) else { return nil }
        reader.skipBlanks()
        return reader.rest.isEmpty ? reader.output : nil
    }

    private init(_ text: String) { rest = Substring(text).unicodeScalars }

    private mutating func takeValue(depth: Int) -> Bool {
        guard depth < Self.depthMax, let first = rest.first else { return false }
        switch first {
        case "{": return takeList(end: "}", depth: depth, hasKeys: true)
        case "[": return takeList(end: "]", depth: depth, hasKeys: false)
        case "\"": return takeString()
        case "t": return take(word: "true")
        case "f": return take(word: "false")
        case "n": return take(word: "null")
        default: return takeNumber()
        }
    }

    private mutating func takeList(end: Unicode.Scalar, depth: Int, hasKeys: Bool) -> Bool {
        move()
        skipBlanks()
        if rest.first == end {
            move()
            return true
        }
        while true {
            if hasKeys {
                guard rest.first == "\"", takeString() else { return false }
                skipBlanks()
                guard rest.first == ":" else { return false }
                move()
                skipBlanks()
            }
            guard takeValue(depth: depth + 1) else { return false }
            skipBlanks()
            guard let next = rest.first, next == "," || next == end else { return false }
            move()
            if next == end { return true }
            skipBlanks()
        }
    }

    /// A string as it stands: escapes stay escapes, and what would break a line becomes one.
    private mutating func takeString() -> Bool {
        move()
        while let scalar = rest.first {
            switch scalar {
            case "\"":
                move()
                return true
            case "\\":
                move()
                guard let kind = rest.first else { return false }
                move()
                if kind == "u" {
                    for _ in 0..<4 {
                        guard let digit = rest.first, digit.properties.isASCIIHexDigit else { return false }
                        move()
                    }
                } else if !"\"\\/bfnrt".unicodeScalars.contains(kind) {
                    return false
                }
            case _ where scalar.value < 0x20: return false
            case _ where scalar.value < 0x7F: move()
            default:
                rest.removeFirst()
                output += JSONText.quoted(String(scalar)).dropFirst().dropLast()
            }
        }
        return false
    }

    private mutating func take(word: String) -> Bool {
        guard rest.starts(with: word.unicodeScalars) else { return false }
        rest.removeFirst(word.unicodeScalars.count)
        output += word
        return true
    }

    private mutating func takeNumber() -> Bool {
        if rest.first == "-" { move() }
        let first = rest.first
        let digits = takeDigits()
        guard digits > 0, first != "0" || digits == 1 else { return false }
        if rest.first == "." {
            move()
            guard takeDigits() > 0 else { return false }
        }
        if rest.first == "e" || rest.first == "E" {
            move()
            if rest.first == "+" || rest.first == "-" { move() }
            guard takeDigits() > 0 else { return false }
        }
        return true
    }

    private mutating func takeDigits() -> Int {
        var count = 0
        while let scalar = rest.first, "0"..."9" ~= scalar {
            move()
            count += 1
        }
        return count
    }

    private mutating func move() { output.unicodeScalars.append(rest.removeFirst()) }

    private mutating func skipBlanks() {
        while let scalar = rest.first, scalar == " " || scalar == "\n" || scalar == "\r" || scalar == "\t" {
            rest.removeFirst()
        }
    }
}
