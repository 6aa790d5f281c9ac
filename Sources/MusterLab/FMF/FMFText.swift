/// Values as Python writes them: `str`, `repr`, and numbers in JSON.
enum FMFText {
    /// Deeper values hold themselves, through merged aliases.
    static let depthMax = 400

    /// As `str` gives it: what filters and `-~` compare with.
    static func text(of value: FMFValue) throws(FMFProblem) -> String {
        switch value {
        case .string(let text): return text
        case .date(let date): return date.text
        default:
            var text = ""
            try append(value, to: &text, depth: 0)
            return text
        }
    }

    private static func append(_ value: FMFValue, to text: inout String, depth: Int) throws(FMFProblem) {
        guard depth < depthMax else { throw FMFProblem("a value contains itself, through aliases") }
        switch value {
        case .null: text += "None"
        case .bool(let flag): text += flag ? "True" : "False"
        case .int(let number): text += String(number)
        case .largeInt(let digits): text += digits
        case .float(let number): text += self.text(of: number)
        case .string(let string): text += representation(of: string)
        case .date(let date): text += date.representation
        case .list(let items):
            text += "["
            for (index, item) in items.enumerated() {
                if index > 0 { text += ", " }
                try append(item, to: &text, depth: depth + 1)
            }
            text += "]"
        case .map, .shared:
            text += "{"
            for (index, entry) in (value.map ?? FMFMap()).entries.enumerated() {
                if index > 0 { text += ", " }
                try append(entry.key.value, to: &text, depth: depth + 1)
                text += ": "
                try append(entry.value, to: &text, depth: depth + 1)
            }
            text += "}"
        }
    }

    /// `repr` of a float: the shortest digits that read back, with an exponent below 1e-4 and from 1e16 on.
    static func text(of number: Double) -> String {
        guard number.isFinite else { return number.isNaN ? "nan" : number < 0 ? "-inf" : "inf" }
        guard number != 0 else { return number.sign == .minus ? "-0.0" : "0.0" }
        var digits: [UInt8] = []
        var (point, exponent): (Int?, Int) = (nil, 0)
        var bytes = Array(abs(number).description.utf8)[...]
        while let byte = bytes.popFirst() {
            switch byte {
            case UInt8(ascii: "."): point = digits.count
            case UInt8(ascii: "e"):
                exponent = Int(String(decoding: bytes, as: UTF8.self)) ?? 0
                bytes = []
            default: digits.append(byte)
            }
        }
        // The number is 0.DIGITS times ten to the power of `scale`.
        var scale = (point ?? digits.count) + exponent
        while digits.first == 0x30 {
            digits.removeFirst()
            scale -= 1
        }
        while digits.count > 1, digits.last == 0x30 { digits.removeLast() }
        return (number < 0 ? "-" : "") + written(String(decoding: digits, as: UTF8.self), scale: scale)
    }

    private static func written(_ digits: String, scale: Int) -> String {
        let zeros = { String(repeating: "0", count: $0) }
        guard scale > -4, scale <= 16 else {
            let power = scale - 1
            let mantissa = digits.count == 1 ? digits : "\(digits.prefix(1)).\(digits.dropFirst())"
            return "\(mantissa)e\(power < 0 ? "-" : "+")\(abs(power) < 10 ? "0" : "")\(abs(power))"
        }
        if scale <= 0 { return "0." + zeros(-scale) + digits }
        if scale >= digits.count { return digits + zeros(scale - digits.count) + ".0" }
        return "\(digits.prefix(scale)).\(digits.dropFirst(scale))"
    }

    /// `repr` of text: in single quotes, or in double ones when only that spares an escape.
    static func representation(of text: String) -> String {
        let scalars = text.unicodeScalars
        let quote: Unicode.Scalar = scalars.contains("'") && !scalars.contains("\"") ? "\"" : "'"
        var shown = String.UnicodeScalarView()
        shown.append(quote)
        for scalar in scalars {
            switch scalar {
            case quote, "\\":
                shown.append("\\")
                shown.append(scalar)
            case "\n": shown.append(contentsOf: "\\n".unicodeScalars)
            case "\r": shown.append(contentsOf: "\\r".unicodeScalars)
            case "\t": shown.append(contentsOf: "\\t".unicodeScalars)
            default:
                if isPrintable(scalar) {
                    shown.append(scalar)
                } else {
                    let (letter, width) = scalar.value < 256 ? ("x", 2) : scalar.value < 65_536 ? ("u", 4) : ("U", 8)
                    let hex = String(scalar.value, radix: 16)
                    let escape = "\\\(letter)" + String(repeating: "0", count: width - hex.count) + hex
                    shown.append(contentsOf: escape.unicodeScalars)
                }
            }
        }
        shown.append(quote)
        return String(shown)
    }

    private static func isPrintable(_ scalar: Unicode.Scalar) -> Bool {
        guard scalar.value >= 127 else { return scalar.value >= 32 }
        switch scalar.properties.generalCategory {
        case .control, .format, .surrogate, .privateUse, .unassigned, .lineSeparator, .paragraphSeparator,
            .spaceSeparator:
            return false
        default: return true
        }
    }

    /// What `\s` and `str.strip` take for a blank.
    static func isBlank(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.value {
        case 0x09...0x0D, 0x1C...0x20, 0x85, 0xA0, 0x1680, 0x2000...0x200A, 0x2028, 0x2029, 0x202F, 0x205F, 0x3000:
            true
        default: false
        }
    }

    /// What `\w` takes for a part of a word.
    static func isWord(_ scalar: Unicode.Scalar) -> Bool {
        if scalar.value < 128 {
            return switch scalar.value {
            case 0x30...0x39, 0x41...0x5A, 0x5F, 0x61...0x7A: true
            default: false
            }
        }
        switch scalar.properties.generalCategory {
        case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter, .decimalNumber,
            .letterNumber, .otherNumber:
            return true
        default: return false
        }
    }

    /// `str.strip`.
    static func stripped(_ text: Substring.UnicodeScalarView) -> Substring.UnicodeScalarView {
        var text = text
        while let first = text.first, isBlank(first) { text.removeFirst() }
        while let last = text.last, isBlank(last) { text.removeLast() }
        return text
    }
}
