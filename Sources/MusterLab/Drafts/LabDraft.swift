/// A lab file that was made of another program's file, for a person to go on with.
package struct LabDraft: Hashable, Sendable {
    /// Something that the draft does not have.
    package struct LeftOut: Hashable, Sendable {
        /// Where it stands, from 1; nil for what has no place of its own.
        package var line: Int?
        /// What it is: `services.db.networks`.
        package var what: String
        /// Why, and what to do instead.
        package var reason: String

        package init(line: Int?, what: String, reason: String) {
            self.line = line
            self.what = what
            self.reason = reason
        }
    }

    package var text: String
    package var leftOut: [LeftOut]
}

/// The lines of a draft.
struct DraftText {
    private(set) var lines: [String] = []

    mutating func add(_ indent: Int, _ text: String) {
        lines.append(text.isEmpty ? "" : String(repeating: "  ", count: indent) + text)
    }

    /// What is told to a person, as a comment.
    mutating func comment(_ indent: Int, _ text: String) {
        let line = String(text.map { $0.isNewline ? " " : $0 })
        add(indent, "# \(line)")
    }

    /// Drops what was added after so many lines.
    mutating func cut(to count: Int) { lines.removeLast(lines.count - count) }

    var text: String { lines.joined(separator: "\n") + "\n" }

    /// A text as a value of YAML that is that text: as it is where that is beyond doubt, else in double quotes.
    static func value(_ text: String) -> String {
        let first = text.unicodeScalars.first
        let isPlain =
            first.map { $0.isASCII && ($0.properties.isAlphabetic || $0 == "/" || $0 == ".") } == true
            && text.unicodeScalars.allSatisfy { scalar in
                scalar.isASCII
                    && (scalar.properties.isAlphabetic || ("0"..."9").contains(scalar)
                        || "_./-".unicodeScalars.contains(scalar))
            }
        let words: Set = ["true", "false", "yes", "no", "on", "off", "null", "y", "n"]
        if isPlain, !words.contains(text.lowercased()), text != ".", text != "..", !isNumber(text) { return text }
        return quoted(text)
    }

    private static func isNumber(_ text: String) -> Bool {
        Double(text) != nil || text.hasPrefix(".") && text.count < 5
    }

    static func quoted(_ text: String) -> String {
        var result = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": result += "\\\""
            case "\\": result += "\\\\"
            case "\n": result += "\\n"
            case "\r": result += "\\r"
            case "\t": result += "\\t"
            default:
                let isShown = scalar.value >= 0x20 && scalar.value != 0x7F && !(0x80..<0xA0).contains(scalar.value)
                if isShown, ![0x2028, 0x2029, 0xFEFF].contains(scalar.value) {
                    result.unicodeScalars.append(scalar)
                } else {
                    let hex = String(scalar.value, radix: 16)
                    result += "\\u" + String(repeating: "0", count: max(0, 4 - hex.count)) + hex
                }
            }
        }
        return result + "\""
    }

    static func list(_ texts: [String]) -> String { "[" + texts.map(quoted).joined(separator: ", ") + "]" }
}

/// Names for groups, each another one.
struct DraftNames {
    private var taken: Set<String> = []

    mutating func name(_ text: String, orElse fallback: String) -> String {
        let base = NameText.repaired(text) ?? fallback
        var name = base
        var number = 2
        while !taken.insert(name).inserted {
            let ending = "-\(number)"
            name = String(base.prefix(NameText.lengthMax - ending.count)) + ending
            number += 1
        }
        return name
    }
}
