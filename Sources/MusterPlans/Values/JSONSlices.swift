/// Finds parts of a JSON text without taking it apart: what is put together again is the same text, also where a number
/// has more digits than any type holds.
///
/// The text is JSON that an encoder wrote, or that was checked: of any other, nothing is found.
struct JSONSlices {
    let bytes: [UInt8]

    init(_ bytes: [UInt8]) { self.bytes = bytes }
    init(_ text: String) { bytes = Array(text.utf8) }

    /// One child of an object or array.
    struct Child {
        /// Its key, or its place in decimal.
        let key: String
        let range: Range<Int>
    }

    var whole: Range<Int>? {
        var i = skipSpace(0)
        let start = i
        return skipValue(&i) ? start..<i : nil
    }

    /// Where the value of a path is; nil when there is none.
    func find(_ path: some Sequence<String>, in root: Range<Int>? = nil) -> Range<Int>? {
        guard var range = root ?? whole else { return nil }
        for key in path {
            var found: Range<Int>?
            forEachChild(of: range) { child in
                if child.key == key { found = child.range }
                return found == nil
            }
            guard let found else { return nil }
            range = found
        }
        return range
    }

    func text(_ range: Range<Int>) -> String { String(decoding: bytes[range], as: UTF8.self) }

    /// Calls `body` with each child of an object or array until it returns false.
    func forEachChild(of range: Range<Int>, _ body: (Child) -> Bool) {
        guard !range.isEmpty else { return }
        let isObject = bytes[range.lowerBound] == UInt8(ascii: "{")
        guard isObject || bytes[range.lowerBound] == UInt8(ascii: "[") else { return }
        var i = range.lowerBound + 1
        var place = 0
        while true {
            i = skipSpace(i)
            if i < bytes.count, bytes[i] == UInt8(ascii: ",") { i = skipSpace(i + 1) }
            guard i < range.upperBound - 1 else { return }
            var key = String(place)
            if isObject {
                guard let name = readKey(&i) else { return }
                key = name
            }
            let start = i
            guard skipValue(&i), i > start else { return }
            if !body(Child(key: key, range: start..<i)) { return }
            place += 1
        }
    }

    /// The text with parts of it replaced. The ranges do not overlap.
    func replacing(_ parts: [(range: Range<Int>, with: [UInt8])]) -> [UInt8] {
        var result: [UInt8] = []
        result.reserveCapacity(bytes.count + parts.reduce(0) { $0 + $1.with.count })
        var last = 0
        for part in parts.sorted(by: { $0.range.lowerBound < $1.range.lowerBound }) where part.range.lowerBound >= last
        {
            result += bytes[last..<part.range.lowerBound]
            result += part.with
            last = part.range.upperBound
        }
        return result + bytes[last...]
    }

    /// A string as JSON writes it.
    static func quoted(_ text: String) -> String {
        var result = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": result += "\\\""
            case "\\": result += "\\\\"
            case "\n": result += "\\n"
            case "\t": result += "\\t"
            case "\r": result += "\\r"
            case _ where scalar.value < 0x20:
                let digits = String(scalar.value, radix: 16)
                result += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result + "\""
    }

    // MARK: Scanning

    private func skipSpace(_ start: Int) -> Int {
        var i = start
        while i < bytes.count, bytes[i] == 0x20 || bytes[i] == 0x0A || bytes[i] == 0x0D || bytes[i] == 0x09 { i += 1 }
        return i
    }

    /// The string at `i`, quotes included.
    private func skipString(_ i: inout Int) -> Bool {
        guard i < bytes.count, bytes[i] == UInt8(ascii: "\"") else { return false }
        i += 1
        while i < bytes.count {
            switch bytes[i] {
            case UInt8(ascii: "\\"): i += 2
            case UInt8(ascii: "\""):
                i += 1
                return true
            default: i += 1
            }
        }
        return false
    }

    /// The key at `i`, and the colon behind it.
    private func readKey(_ i: inout Int) -> String? {
        let start = i
        guard skipString(&i) else { return nil }
        let key = Self.unquoted(bytes[(start + 1)..<(i - 1)])
        i = skipSpace(i)
        guard i < bytes.count, bytes[i] == UInt8(ascii: ":") else { return nil }
        i = skipSpace(i + 1)
        return key
    }

    private func skipValue(_ i: inout Int) -> Bool {
        guard i < bytes.count else { return false }
        switch bytes[i] {
        case UInt8(ascii: "\""): return skipString(&i)
        case UInt8(ascii: "{"), UInt8(ascii: "["):
            var depth = 0
            while i < bytes.count {
                switch bytes[i] {
                case UInt8(ascii: "\""):
                    guard skipString(&i) else { return false }
                    continue
                case UInt8(ascii: "{"), UInt8(ascii: "["): depth += 1
                case UInt8(ascii: "}"), UInt8(ascii: "]"): depth -= 1
                default: break
                }
                i += 1
                if depth == 0 { return true }
            }
            return false
        default:
            let start = i
            let ends: [UInt8] = [0x20, 0x0A, 0x0D, 0x09, UInt8(ascii: ","), UInt8(ascii: "}"), UInt8(ascii: "]")]
            while i < bytes.count, !ends.contains(bytes[i]) { i += 1 }
            return i > start
        }
    }

    /// What stands between the quotes of a JSON string.
    static func unquoted(_ raw: ArraySlice<UInt8>) -> String {
        guard raw.contains(UInt8(ascii: "\\")) else { return String(decoding: raw, as: UTF8.self) }
        var units: [UInt16] = []
        var i = raw.startIndex
        while i < raw.endIndex {
            guard raw[i] == UInt8(ascii: "\\"), i + 1 < raw.endIndex else {
                let start = i
                while i < raw.endIndex, raw[i] != UInt8(ascii: "\\") { i += 1 }
                units += Array(String(decoding: raw[start..<i], as: UTF8.self).utf16)
                if i == start { i += 1 }
                continue
            }
            switch raw[i + 1] {
            case UInt8(ascii: "n"): units.append(10)
            case UInt8(ascii: "t"): units.append(9)
            case UInt8(ascii: "r"): units.append(13)
            case UInt8(ascii: "b"): units.append(8)
            case UInt8(ascii: "f"): units.append(12)
            case UInt8(ascii: "u") where i + 5 < raw.endIndex:
                units.append(UInt16(String(decoding: raw[(i + 2)...(i + 5)], as: UTF8.self), radix: 16) ?? 0xFFFD)
                i += 4
            default: units.append(UInt16(raw[i + 1]))
            }
            i += 2
        }
        return String(decoding: units, as: UTF16.self)
    }
}
