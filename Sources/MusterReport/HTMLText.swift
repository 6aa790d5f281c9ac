/// Text for HTML, safe in content and between double quotes.
enum HTMLText {
    /// Control characters become pictures of themselves, except line breaks and tabs.
    static func escaped(_ text: String) -> String {
        var escaped = ""
        escaped.reserveCapacity(text.utf8.count + 16)
        for scalar in text.unicodeScalars {
            switch scalar.value {
            case 0x26: escaped += "&amp;"
            case 0x3C: escaped += "&lt;"
            case 0x3E: escaped += "&gt;"
            case 0x22: escaped += "&quot;"
            case 0x27: escaped += "&#39;"
            case 0x09, 0x0A: escaped.unicodeScalars.append(scalar)
            case 0x0D: break
            default: escaped.unicodeScalars.append(scalar.madeVisible)
            }
        }
        return escaped
    }

    /// A relative path as the value of `href`. The slashes stay, everything unusual is percent-encoded, and a path
    /// cannot be read as a URL with a scheme or a host.
    static func href(_ path: String) -> String {
        var href = path.hasPrefix("/") ? "." : ""
        for byte in path.utf8 {
            switch byte {
            case 0x41...0x5A, 0x61...0x7A, 0x30...0x39, 0x2D, 0x2E, 0x5F, 0x7E, 0x2F, 0x3D, 0x2B, 0x2C, 0x40:
                href.unicodeScalars.append(Unicode.Scalar(byte))
            default:
                let digits = String(byte, radix: 16, uppercase: true)
                href += byte < 16 ? "%0\(digits)" : "%\(digits)"
            }
        }
        return href
    }
}
