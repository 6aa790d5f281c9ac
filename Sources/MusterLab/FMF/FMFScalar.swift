/// What plain YAML scalars are, by YAML 1.2 as fmf's loader reads it, or by 1.1 where a file begins with `%YAML 1.1`.
///
/// The forms are those of the YAML specifications' schemas, with what the loader adds: `_` between digits, `0b`, dates.
enum FMFScalar {
    /// Python reads and writes no longer numbers.
    private static let digitsMax = 4_300

    /// The value of a plain scalar.
    static func resolve(_ text: String, isOld: Bool) throws(FMFProblem) -> FMFValue {
        guard let first = text.utf8.first else { return .null }
        switch first {
        case UInt8(ascii: "~"): return text == "~" ? .null : .string(text)
        case UInt8(ascii: "="):
            guard text == "=" else { return .string(text) }
            throw FMFProblem("'=' alone has a meaning in YAML that is not read", hint: "put it in quotes")
        case UInt8(ascii: "<"):
            guard text == "<<" else { return .string(text) }
            throw FMFProblem("'<<' is a key that merges a mapping, and no value", hint: "put it in quotes")
        case UInt8(ascii: "n"), UInt8(ascii: "N"):
            if text == "null" || text == "Null" || text == "NULL" { return .null }
            return isOld ? oldFlag(text).map { .bool($0) } ?? .string(text) : .string(text)
        case UInt8(ascii: "t"), UInt8(ascii: "T"), UInt8(ascii: "f"), UInt8(ascii: "F"):
            switch text {
            case "true", "True", "TRUE": return .bool(true)
            case "false", "False", "FALSE": return .bool(false)
            default: return .string(text)
            }
        case UInt8(ascii: "y"), UInt8(ascii: "Y"), UInt8(ascii: "o"), UInt8(ascii: "O"):
            return isOld ? oldFlag(text).map { .bool($0) } ?? .string(text) : .string(text)
        case UInt8(ascii: "-"), UInt8(ascii: "+"), UInt8(ascii: "."), 0x30...0x39:
            if let number = try float(text, isOld: isOld) { return .float(number) }
            if first == UInt8(ascii: ".") { return .string(text) }
            if let number = try int(text, isOld: isOld) { return number }
            if first >= 0x30, let date = try FMFDate(text) { return .date(date) }
            return .string(text)
        default: return .string(text)
        }
    }

    /// The value of a scalar with one of YAML's own tags, such as `!!int`.
    static func resolve(_ text: String, tag: String, isOld: Bool) throws(FMFProblem) -> FMFValue {
        switch tag {
        case "str": return .string(text)
        case "null": return .null
        case "bool":
            if let flag = oldFlag(text.lowercased()) { return .bool(flag) }
        case "int":
            if let first = text.utf8.first, first != UInt8(ascii: "_"), let number = try int(text, isOld: isOld) {
                return number
            }
        case "float":
            if let number = try float(text, isOld: isOld) { return .float(number) }
            // A whole number will do; Double takes the same forms.
            let digits = text.filter { $0 != "_" }
            if digits.utf8.allSatisfy({ isDigit($0) || $0 == UInt8(ascii: "-") || $0 == UInt8(ascii: "+") }),
                let number = Double(digits)
            {
                return .float(number)
            }
        case "timestamp":
            if let date = try FMFDate(text, isExplicit: true) { return .date(date) }
        default: throw FMFProblem("the tag '!!\(tag)' is not read", hint: "leave it out")
        }
        throw FMFProblem("'\(text)' is no \(tag)", hint: "leave the tag '!!\(tag)' out, or give a value that it can be")
    }

    private static func oldFlag(_ text: String) -> Bool? {
        switch text {
        case "y", "Y", "yes", "Yes", "YES", "on", "On", "ON", "true": true
        case "n", "N", "no", "No", "NO", "off", "Off", "OFF", "false": false
        default: nil
        }
    }

    // MARK: Numbers

    private static func isDigit(_ byte: UInt8) -> Bool { (0x30...0x39).contains(byte) }

    /// Nil when it is no float. Throws when it looks like one and has no digits.
    private static func float(_ text: String, isOld: Bool) throws(FMFProblem) -> Double? {
        var bytes = Array(text.utf8)[...]
        var sign = ""
        if let first = bytes.first, first == UInt8(ascii: "-") || first == UInt8(ascii: "+") {
            sign = first == UInt8(ascii: "-") ? "-" : ""
            bytes.removeFirst()
        }
        let isSigned = bytes.startIndex > 0
        switch String(decoding: bytes, as: UTF8.self) {
        case ".inf", ".Inf", ".INF": return sign.isEmpty ? .infinity : -.infinity
        case ".nan", ".NaN", ".NAN": return isSigned ? nil : .nan
        default: break
        }
        guard let first = bytes.first else { return nil }
        let whole = bytes.prefix { isDigit($0) || $0 == UInt8(ascii: "_") }
        bytes = bytes.dropFirst(whole.count)
        if bytes.first == UInt8(ascii: ":"), isOld { return try sexagesimalFloat(text, sign: sign) }
        var fraction: ArraySlice<UInt8> = []
        let hasPoint = bytes.first == UInt8(ascii: ".")
        if hasPoint {
            fraction = bytes.dropFirst().prefix { isDigit($0) || $0 == UInt8(ascii: "_") }
            bytes = bytes.dropFirst(1 + fraction.count)
        }
        if whole.isEmpty {
            guard hasPoint, !fraction.isEmpty, !(isOld && isSigned) else { return nil }
        } else {
            guard isDigit(first) else { return nil }
        }
        var exponent = ""
        if let letter = bytes.first, letter == UInt8(ascii: "e") || letter == UInt8(ascii: "E") {
            exponent = String(decoding: bytes.dropFirst(), as: UTF8.self)
            let isSigned = exponent.hasPrefix("+") || exponent.hasPrefix("-")
            let digits = isSigned ? exponent.dropFirst() : exponent[...]
            guard !digits.isEmpty, digits.utf8.allSatisfy(isDigit), isSigned || !whole.isEmpty else { return nil }
        } else {
            guard bytes.isEmpty, hasPoint else { return nil }
        }
        return try double(sign, Array(whole), Array(fraction), exponent, text)
    }

    private static func double(
        _ sign: String,
        _ whole: [UInt8],
        _ fraction: [UInt8],
        _ exponent: String,
        _ text: String
    ) throws(FMFProblem) -> Double {
        let whole = String(decoding: whole.filter(isDigit), as: UTF8.self)
        let fraction = String(decoding: fraction.filter(isDigit), as: UTF8.self)
        let power = exponent.isEmpty ? "" : "e" + exponent
        guard !whole.isEmpty || !fraction.isEmpty, let number = Double("\(sign)0\(whole).\(fraction)0\(power)") else {
            throw FMFProblem("'\(text)' looks like a number and is none", hint: "put it in quotes")
        }
        return number
    }

    /// `1:30.5` of YAML 1.1: minutes and seconds.
    private static func sexagesimalFloat(_ text: String, sign: String) throws(FMFProblem) -> Double? {
        guard let point = text.lastIndex(of: "."), let places = places(text[..<point]) else { return nil }
        let fraction = text[text.index(after: point)...].utf8
        guard fraction.allSatisfy({ isDigit($0) || $0 == UInt8(ascii: "_") }) else { return nil }
        var number = 0.0
        for place in places.dropLast() { number = (number + Double(place)) * 60 }
        let last = Array(String(places[places.count - 1]).utf8)
        number += try double("", last, Array(fraction), "", text)
        return sign.isEmpty ? number : -number
    }

    /// The parts of `[-+]1:30`; nil when it has none, or they are no digits.
    private static func places(_ text: Substring) -> [Int]? {
        let unsigned = text.hasPrefix("-") || text.hasPrefix("+") ? text.dropFirst() : text
        let parts = unsigned.split(separator: ":", omittingEmptySubsequences: false)
        guard parts.count > 1, let first = parts[0].utf8.first, isDigit(first) else { return nil }
        var places: [Int] = []
        for (index, part) in parts.enumerated() {
            guard let place = Int(index == 0 ? part.filter { $0 != "_" } : String(part)) else { return nil }
            if index > 0, part.utf8.count > 2 || !part.utf8.allSatisfy(isDigit) || place > 59 { return nil }
            places.append(place)
        }
        return places
    }

    /// Nil when it is no integer. Throws when it looks like one and has no digits, or too many.
    private static func int(_ text: String, isOld: Bool) throws(FMFProblem) -> FMFValue? {
        var bytes = Array(text.utf8)[...]
        var isNegative = false
        if let first = bytes.first, first == UInt8(ascii: "-") || first == UInt8(ascii: "+") {
            isNegative = first == UInt8(ascii: "-")
            bytes.removeFirst()
        }
        guard let first = bytes.first else { return nil }
        var radix = 10
        if first == 0x30, bytes.count > 1 {
            switch bytes[bytes.startIndex + 1] {
            case UInt8(ascii: "b"): radix = 2
            case UInt8(ascii: "x"): radix = 16
            case UInt8(ascii: "o") where !isOld: radix = 8
            default: break
            }
            if radix != 10 { bytes = bytes.dropFirst(2) }
        }
        if isOld, radix == 10 {
            if bytes.contains(UInt8(ascii: ":")) { return sexagesimalInt(text, isNegative: isNegative) }
            // Only octal numbers begin with 0, and `_` stands nowhere before another's first digit.
            if first == 0x30 || first == UInt8(ascii: "_") {
                guard bytes.allSatisfy({ (0x30...0x37).contains($0) || $0 == UInt8(ascii: "_") }) else { return nil }
                if first == 0x30 { radix = 8 }
            }
        }
        guard !bytes.isEmpty, bytes.allSatisfy({ $0 == UInt8(ascii: "_") || isDigit($0, radix: radix) }) else {
            return nil
        }
        let digits = bytes.filter { $0 != UInt8(ascii: "_") }
        guard !digits.isEmpty else {
            throw FMFProblem("'\(text)' looks like a number and is none", hint: "put it in quotes")
        }
        return try number(digits, radix: radix, isNegative: isNegative)
    }

    private static func isDigit(_ byte: UInt8, radix: Int) -> Bool {
        Unicode.Scalar(byte).properties.numericType == .decimal
            ? Int(byte) - 0x30 < radix
            : radix == 16 && ((0x41...0x46).contains(byte) || (0x61...0x66).contains(byte))
    }

    private static func sexagesimalInt(_ text: String, isNegative: Bool) -> FMFValue? {
        guard let places = places(text[...]), places[0] > 0 else { return nil }
        let number = places.reduce(0) { $0 &* 60 &+ $1 }
        return .int(isNegative ? -number : number)
    }

    private static func number(_ digits: [UInt8], radix: Int, isNegative: Bool) throws(FMFProblem) -> FMFValue {
        let text = String(decoding: digits, as: UTF8.self)
        if let number = Int((isNegative ? "-" : "") + text, radix: radix) { return .int(number) }
        let decimal = radix == 10 ? String(text.drop { $0 == "0" }) : Self.decimal(digits, radix: radix)
        guard let decimal, (radix == 10 ? text : decimal).utf8.count <= digitsMax else {
            throw FMFProblem("a number of more than \(digitsMax) digits", hint: "put it in quotes")
        }
        return .largeInt((isNegative ? "-" : "") + decimal)
    }

    /// A large number in decimal digits; nil when it has far too many.
    private static func decimal(_ digits: [UInt8], radix: Int) -> String? {
        guard digits.count <= digitsMax * 4 else { return nil }
        // From the lowest, nine decimal digits each.
        var parts: [Int] = [0]
        for digit in digits {
            var carry = Int(String(decoding: [digit], as: UTF8.self), radix: radix) ?? 0
            for i in parts.indices {
                let sum = parts[i] * radix + carry
                (parts[i], carry) = (sum % 1_000_000_000, sum / 1_000_000_000)
            }
            if carry > 0 { parts.append(carry) }
        }
        let rest = parts.dropLast().reversed().map { part in
            let text = String(part)
            return String(repeating: "0", count: 9 - text.count) + text
        }
        return String(parts[parts.count - 1]) + rest.joined()
    }
}
