/// How bytes and texts of a stream are shown in messages: short, and on one line.
enum ControlText {
    /// Most bytes of a foreign text that a message shows.
    static let shownMax = 60

    /// `'x'`, or `byte 0x07` for what cannot be shown.
    static func name(_ byte: UInt8) -> String {
        if (0x20..<0x7F).contains(byte) { return "'\(Character(Unicode.Scalar(byte)))'" }
        let hex = String(byte, radix: 16, uppercase: true)
        return "byte 0x" + (hex.utf8.count < 2 ? "0" : "") + hex
    }

    /// The text in single quotes, with control characters escaped, and cut off when it is long.
    static func quoted(_ text: String) -> String {
        var shown = "'"
        for scalar in text.unicodeScalars {
            if shown.utf8.count > shownMax { return shown + "…'" }
            if scalar.value < 0x20 || (0x7F...0x9F).contains(scalar.value) || (0x2028...0x2029).contains(scalar.value) {
                shown += "\\u{" + String(scalar.value, radix: 16) + "}"
            } else {
                shown.unicodeScalars.append(scalar)
            }
        }
        return shown + "'"
    }

    /// A count with its word: `1 byte`, `2 bytes`.
    static func count(_ count: Int, _ word: String) -> String { count == 1 ? "1 \(word)" : "\(count) \(word)s" }
}
