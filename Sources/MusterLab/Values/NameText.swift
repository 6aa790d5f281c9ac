/// Names of labs, groups and suites: `[a-z][a-z0-9-]{0,31}`.
package enum NameText {
    package static let lengthMax = 32
    package static let rule = "a lower-case letter, then at most 31 of a-z, 0-9 and '-'"

    package static func isValid(_ text: String) -> Bool {
        let bytes = text.utf8
        guard let first = bytes.first, isLetter(first), bytes.count <= lengthMax else { return false }
        return bytes.allSatisfy { isLetter($0) || ($0 >= 0x30 && $0 <= 0x39) || $0 == UInt8(ascii: "-") }
    }

    /// A valid name that looks like the text; nil when nothing of it is left.
    package static func repaired(_ text: String) -> String? {
        var name = ""
        for scalar in text.lowercased().unicodeScalars {
            let isPart = scalar.isASCII && (isLetter(UInt8(scalar.value)) || ("0"..."9").contains(scalar))
            if isPart {
                if name.isEmpty, !isLetter(UInt8(scalar.value)) { continue }
                name.unicodeScalars.append(scalar)
            } else if !name.isEmpty, name.last != "-" {
                name.append("-")
            }
            if name.utf8.count == lengthMax { break }
        }
        while name.last == "-" { name.removeLast() }
        return isValid(name) ? name : nil
    }

    private static func isLetter(_ byte: UInt8) -> Bool { byte >= 0x61 && byte <= 0x7A }
}
