/// Where the files of an attempt are, relative to the folder of a run's results.
///
/// A plain test name is its own path: the files of the first attempt of `tests/login` in suite `api` are in
/// `files/api/tests/login/1/`. Everything else is spelled so that no name leaves its folder and two names never share
/// one:
///
/// - bytes beyond letters, digits and `_ - . + , @` are written `=20`; so is a dot that begins a component (`..` is
///   `=2E.`);
/// - a component of digits only has its first digit spelled so, which keeps tests apart from attempts;
/// - an empty component is `=`, and a slash that begins the name is `_/`; a first component `_` is `=5F`;
/// - a name that would get longer than file systems and archives bear keeps its beginning and ends with `=~` and a
///   hash.
package enum ResultsPath {
    private static let componentMax = 120
    private static let nameMax = 400

    /// `files/<suite>/<test>/<attempt>`, as components.
    package static func folder(suite: String, test: String, attempt: Int) -> [String] {
        ["files", single(suite)] + components(ofTest: test) + [String(attempt)]
    }

    /// The path of a file of an attempt: `files/api/tests/login/1/output.txt`.
    package static func file(suite: String, test: String, attempt: Int, name: String) -> String {
        (folder(suite: suite, test: test, attempt: attempt) + components(ofFile: name)).joined(separator: "/")
    }

    static func components(ofTest name: String) -> [String] {
        let isRooted = name.hasPrefix("/")
        var parts = (isRooted ? name.dropFirst() : name[...]).split(separator: "/", omittingEmptySubsequences: false)
            .map { spelled(String($0), keepsDigits: false) }
        if isRooted { parts.insert("_", at: 0) } else if parts[0] == "_" { parts[0] = "=5F" }
        return bounded(parts, of: name)
    }

    static func components(ofFile name: String) -> [String] {
        let parts = name.split(separator: "/", omittingEmptySubsequences: false).map {
            spelled(String($0), keepsDigits: true)
        }
        return bounded(parts, of: name)
    }

    private static func single(_ name: String) -> String {
        bounded([spelled(name, keepsDigits: true)], of: name)[0]
    }

    private static func spelled(_ component: String, keepsDigits: Bool) -> String {
        if component.isEmpty { return "=" }
        let isNumber = !keepsDigits && component.utf8.allSatisfy { $0 >= 0x30 && $0 <= 0x39 }
        var text = ""
        for (index, scalar) in component.unicodeScalars.enumerated() {
            if index == 0 && (isNumber || scalar == ".") || !isPlain(scalar) {
                for byte in UTF8.encode(scalar)! { text += "=" + hex(byte) }
            } else {
                text.unicodeScalars.append(scalar)
            }
        }
        return text
    }

    private static func isPlain(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar {
        case "a"..."z", "A"..."Z", "0"..."9", "_", "-", ".", "+", ",", "@": return true
        case _ where scalar.isASCII: return false
        default: break
        }
        switch scalar.properties.generalCategory {
        case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter: return true
        default: return false
        }
    }

    private static func bounded(_ parts: [String], of name: String) -> [String] {
        let length = parts.reduce(parts.count - 1) { $0 + $1.utf8.count }
        if length <= nameMax, parts.allSatisfy({ $0.utf8.count <= componentMax }) { return parts }
        let head = parts.joined(separator: "-").unicodeScalars.filter(\.isASCII).prefix(60)
        return [String(String.UnicodeScalarView(head)) + "=~" + hash(name)]
    }

    /// FNV-1a, 128 bits: apart for names that nobody chose in order to collide, the same on every machine.
    private static func hash(_ name: String) -> String {
        var hash: UInt128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d
        for byte in name.utf8 { hash = (hash ^ UInt128(byte)) &* 0x0000_0000_0100_0000_0000_0000_0000_013b }
        let digits = String(hash, radix: 16)
        return String(repeating: "0", count: 32 - digits.utf8.count) + digits
    }

    private static func hex(_ byte: UInt8) -> String {
        (byte < 16 ? "0" : "") + String(byte, radix: 16, uppercase: true)
    }
}
