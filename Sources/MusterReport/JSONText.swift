/// JSON strings, written by hand: Foundation's encoder costs microseconds a value.
package enum JSONText {
    private static let hex = Array("0123456789abcdef".utf8)

    /// The text as a JSON string.
    ///
    /// Besides what JSON demands, everything is escaped at which some reader breaks a line or stops: DEL, C1 controls
    /// (U+0085 among them), U+2028, U+2029, U+FEFF, U+FFFE, U+FFFF. So a line stays a line everywhere, and the string
    /// is a YAML string too.
    package static func quoted(_ text: String) -> String {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(text.utf8.count + 2)
        bytes.append(UInt8(ascii: "\""))
        for scalar in text.unicodeScalars {
            switch scalar.value {
            case 0x22: bytes += [0x5C, 0x22]
            case 0x5C: bytes += [0x5C, 0x5C]
            case 0x0A: bytes += Array("\\n".utf8)
            case 0x0D: bytes += Array("\\r".utf8)
            case 0x09: bytes += Array("\\t".utf8)
            case 0x20..<0x7F: bytes.append(UInt8(scalar.value))
            case 0x00..<0x20, 0x7F...0x9F, 0x2028, 0x2029, 0xFEFF, 0xFFFE, 0xFFFF: escape(scalar.value, into: &bytes)
            default: bytes.append(contentsOf: UTF8.encode(scalar)!)
            }
        }
        bytes.append(UInt8(ascii: "\""))
        return String(decoding: bytes, as: UTF8.self)
    }

    /// The bytes as a JSON string; what is no UTF-8 becomes U+FFFD.
    package static func quoted(bytes: some Collection<UInt8>) -> String {
        quoted(String(decoding: bytes, as: UTF8.self))
    }

    /// The text as a JSON string, or `null`.
    package static func quoted(_ text: String?) -> String { text.map { quoted($0) } ?? "null" }

    private static func escape(_ unit: UInt32, into bytes: inout [UInt8]) {
        bytes += [0x5C, UInt8(ascii: "u")]
        for shift in [12, 8, 4, 0] as [UInt32] { bytes.append(hex[Int(unit >> shift & 15)]) }
    }
}
