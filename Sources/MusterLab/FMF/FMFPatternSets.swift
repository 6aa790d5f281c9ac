/// Characters of regular expressions: escapes, classes and sets.
extension FMFPatternTranslation {
    /// What `\w` stands for, inside of a set.
    static func word(_ flags: Flags) -> String { flags.isASCII ? "0-9A-Za-z_" : "\\p{L}\\p{N}_" }

    private static func space(_ flags: Flags) -> String {
        flags.isASCII ? "\\x{9}-\\x{d}\\x{20}" : "\\x{9}-\\x{d}\\x{1c}-\\x{20}\\x{85}\\p{Z}"
    }

    /// `\d`, `\W` and so on, as a part of a set; nil, with nothing taken, when it is none.
    mutating func category(_ flags: Flags) -> String? {
        let text: String
        switch next {
        case "d": text = flags.isASCII ? "0-9" : "\\p{Nd}"
        case "D": text = flags.isASCII ? "[^0-9]" : "\\P{Nd}"
        case "w": text = Self.word(flags)
        case "W": text = "[^\(Self.word(flags))]"
        case "s": text = Self.space(flags)
        case "S": text = "[^\(Self.space(flags))]"
        default: return nil
        }
        position += 1
        return text
    }

    /// The character that an escape stands for, behind its `\`.
    mutating func character(inSet: Bool) throws(FMFProblem) -> Unicode.Scalar {
        guard let letter = next else { throw wrong("a '\\' ends it") }
        position += 1
        if let escaped = Self.escapes[letter] { return escaped }
        switch letter {
        case "b" where inSet: return "\u{8}"
        case "x": return try hexadecimal(2)
        case "u": return try hexadecimal(4)
        case "U": return try hexadecimal(8)
        case "N":
            throw FMFProblem("the regular expression '\(source)' cannot be used here: it has a name of a character")
        case "0"..."7":
            position -= 1
            return try octal(inSet: inSet)
        default:
            guard !letter.isASCII || !(letter.properties.isAlphabetic || (0x30...0x39).contains(letter.value)) else {
                throw wrong("'\\\(Character(letter))' is no escape")
            }
            return letter
        }
    }

    private mutating func hexadecimal(_ count: Int) throws(FMFProblem) -> Unicode.Scalar {
        var digits = ""
        while digits.utf8.count < count, let scalar = next, scalar.isASCII, scalar.properties.isASCIIHexDigit {
            digits.unicodeScalars.append(scalar)
            position += 1
        }
        guard digits.utf8.count == count, let value = UInt32(digits, radix: 16), let scalar = Unicode.Scalar(value)
        else { throw wrong("an escape wants \(count) hexadecimal digits of a character") }
        return scalar
    }

    private mutating func octal(inSet: Bool) throws(FMFProblem) -> Unicode.Scalar {
        var (value, count): (UInt32, Int) = (0, 0)
        // Outside of sets only what begins with 0, or has three digits, comes here.
        while count < 3, let scalar = next, (0x30...0x37).contains(scalar.value) {
            value = value * 8 + scalar.value - 0x30
            (count, position) = (count + 1, position + 1)
        }
        guard value <= 255 else { throw wrong("an octal escape is at most '\\377'") }
        return Unicode.Scalar(UInt8(value))
    }

    /// A set behind its `[`.
    mutating func set(_ flags: Flags) throws(FMFProblem) -> String {
        var text = take("^") ? "[^" : "["
        var isFirst = true
        while true {
            guard let scalar = next else { throw wrong("a ']' is missing") }
            if scalar == "]", !isFirst { break }
            isFirst = false
            let low = try member(flags)
            guard next == "-", position + 1 < scalars.count, scalars[position + 1] != "]" else {
                text += low.text
                continue
            }
            position += 1
            let high = try member(flags)
            guard let from = low.scalar, let to = high.scalar, from <= to else {
                throw wrong("a range in a set goes from one character to a later one")
            }
            text += "\(low.text)-\(high.text)"
        }
        position += 1
        return text + "]"
    }

    /// A character of a set, or a class, whose `scalar` is nil.
    private mutating func member(_ flags: Flags) throws(FMFProblem) -> (text: String, scalar: Unicode.Scalar?) {
        var scalar = scalars[position]
        position += 1
        if scalar == "\\" {
            if let category = category(flags) { return (category, nil) }
            scalar = try character(inSet: true)
        }
        return (Self.literal(scalar), scalar)
    }
}
