/// Text for XML 1.0. What no XML document may hold, even escaped, becomes U+FFFD.
enum XMLText {
    static func content(_ text: String) -> String { escaped(text, inAttribute: false) }

    /// For a value between double quotes; line breaks survive as references.
    static func attribute(_ text: String) -> String { escaped(text, inAttribute: true) }

    private static func escaped(_ text: String, inAttribute: Bool) -> String {
        var escaped = ""
        escaped.reserveCapacity(text.utf8.count)
        for scalar in text.unicodeScalars {
            switch scalar.value {
            case 0x26: escaped += "&amp;"
            case 0x3C: escaped += "&lt;"
            case 0x3E: escaped += "&gt;"
            case 0x22 where inAttribute: escaped += "&quot;"
            case 0x09 where inAttribute: escaped += "&#9;"
            case 0x0A where inAttribute: escaped += "&#10;"
            case 0x0D: escaped += "&#13;"
            case 0x09, 0x0A: escaped.unicodeScalars.append(scalar)
            case 0x00..<0x20, 0xFFFE, 0xFFFF: escaped += "\u{FFFD}"
            default: escaped.unicodeScalars.append(scalar)
            }
        }
        return escaped
    }
}
