/// The text of JSON, taken apart as far as an array of flat objects goes. What stands in them is passed over, not read.
struct JSONText {
    struct Member {
        let key: String
        /// As it stands in the text.
        let value: ArraySlice<UInt8>
    }

    struct Object {
        var members: [Member] = []

        /// The string of its name as it stands in the text; nil when it has none.
        var name: ArraySlice<UInt8>? {
            members.last { $0.key == "name" }.flatMap { $0.value.first == quote ? $0.value : nil }
        }
        var files: ArraySlice<UInt8>? { members.last { $0.key == "files" }?.value }
    }

    private static let quote = UInt8(ascii: "\"")
    private let bytes: ArraySlice<UInt8>
    private var place: Int

    private init(_ bytes: ArraySlice<UInt8>) {
        self.bytes = bytes
        place = bytes.startIndex
    }

    /// The objects of an array; nil when the text is no array of objects.
    static func objects(in text: String) -> [Object]? {
        var reader = JSONText(Array(text.utf8)[...])
        var objects: [Object] = []
        let isWhole = reader.elements { reader in
            guard let object = reader.object() else { return false }
            objects.append(object)
            return true
        }
        return isWhole && reader.next() == nil ? objects : nil
    }

    /// The strings of an array, as they stand in the text; nil when it is no array of strings.
    static func strings(in value: ArraySlice<UInt8>) -> [ArraySlice<UInt8>]? {
        var reader = JSONText(value)
        var strings: [ArraySlice<UInt8>] = []
        let isWhole = reader.elements { reader in
            guard let string = reader.string() else { return false }
            strings.append(string)
            return true
        }
        return isWhole ? strings : nil
    }

    /// A text as a JSON string.
    static func quoted(_ text: String) -> [UInt8] {
        var bytes = [quote]
        for byte in text.utf8 {
            switch byte {
            case quote, UInt8(ascii: "\\"): bytes += [UInt8(ascii: "\\"), byte]
            case 0..<0x20:
                let digits = Array("0123456789abcdef".utf8)
                bytes += Array(#"\u00"#.utf8) + [digits[Int(byte >> 4)], digits[Int(byte & 15)]]
            default: bytes.append(byte)
            }
        }
        return bytes + [quote]
    }

    /// Two strings as one, with a `/` between them.
    static func below(_ first: [UInt8], _ second: ArraySlice<UInt8>) -> [UInt8] {
        first.dropLast() + [UInt8(ascii: "/")] + second.dropFirst()
    }

    // MARK: Reading

    /// The next byte that is not blank.
    private mutating func next() -> UInt8? {
        while place < bytes.endIndex, [0x20, 0x09, 0x0A, 0x0D].contains(bytes[place]) { place += 1 }
        return place < bytes.endIndex ? bytes[place] : nil
    }

    private mutating func take(_ wanted: Unicode.Scalar) -> Bool {
        guard next() == UInt8(ascii: wanted) else { return false }
        place += 1
        return true
    }

    private mutating func elements(_ element: (inout JSONText) -> Bool) -> Bool {
        guard take("[") else { return false }
        if take("]") { return true }
        repeat { guard element(&self) else { return false } } while take(",")
        return take("]")
    }

    private mutating func object() -> Object? {
        var object = Object()
        guard take("{") else { return nil }
        if take("}") { return object }
        repeat {
            guard let key = string(), take(":"), let value = value() else { return nil }
            object.members.append(
                Member(key: String(decoding: key.dropFirst().dropLast(), as: UTF8.self), value: value)
            )
        } while take(",")
        return take("}") ? object : nil
    }

    /// A string with its quotes.
    private mutating func string() -> ArraySlice<UInt8>? {
        guard next() == Self.quote else { return nil }
        let start = place
        place += 1
        while place < bytes.endIndex, bytes[place] != Self.quote {
            place += bytes[place] == UInt8(ascii: "\\") ? 2 : 1
        }
        guard place < bytes.endIndex else { return nil }
        place += 1
        return bytes[start..<place]
    }

    private mutating func value() -> ArraySlice<UInt8>? {
        guard let first = next() else { return nil }
        if first == Self.quote { return string() }
        let start = place
        var depth = 0
        while place < bytes.endIndex {
            switch bytes[place] {
            case Self.quote:
                guard string() != nil else { return nil }
                continue
            case UInt8(ascii: "["), UInt8(ascii: "{"): depth += 1
            case UInt8(ascii: "]"), UInt8(ascii: "}"):
                if depth == 0 { return bytes[start..<place] }
                depth -= 1
            case UInt8(ascii: ",") where depth == 0: return bytes[start..<place]
            default: break
            }
            place += 1
        }
        return nil
    }
}
