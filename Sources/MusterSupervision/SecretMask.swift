/// Puts `***` in the place of secrets in a stream of bytes, also where one comes in parts.
///
/// A secret is found as it is and as it stands in a string of JSON; of one with several lines each line is, too,
/// without the blanks around it. What is less than four bytes long stays: it would be found everywhere.
package struct SecretMask: Sendable {
    /// Longest first: of two that begin alike the longer one counts.
    private let secrets: [[UInt8]]
    /// Which bytes begin a secret.
    private var begins = [Bool](repeating: false, count: 256)
    /// What may be the beginning of a secret.
    private var held: [UInt8] = []

    package static let lengthMin = 4
    package static let mask = Array("***".utf8)

    package init(_ secrets: some Sequence<String>) {
        self.secrets = Set(secrets.flatMap { Self.forms(of: $0) }).sorted { $0.count > $1.count }
        for secret in self.secrets { begins[Int(secret[0])] = true }
    }

    /// The texts that give a secret away.
    private static func forms(of secret: String) -> [[UInt8]] {
        let scalars = Array(secret.unicodeScalars)
        var texts = [scalars]
        let isLineFeed: (Unicode.Scalar) -> Bool = { $0 == "\n" }
        if scalars.contains(where: isLineFeed) { texts += scalars.split(whereSeparator: isLineFeed).map(trimmed) }
        var forms: [[UInt8]] = []
        for text in texts {
            var bytes: [UInt8] = []
            for scalar in text { bytes += Array(String(scalar).utf8) }
            guard bytes.count >= lengthMin else { continue }
            forms += [bytes, json(text, isASCII: false), json(text, isASCII: true)]
        }
        return forms
    }

    private static func trimmed(_ line: ArraySlice<Unicode.Scalar>) -> [Unicode.Scalar] {
        let blanks: [Unicode.Scalar] = [" ", "\t", "\r"]
        var line = line
        while let first = line.first, blanks.contains(first) { line.removeFirst() }
        while let last = line.last, blanks.contains(last) { line.removeLast() }
        return Array(line)
    }

    /// What stands between the quotes of a string of JSON.
    ///
    /// - Parameter isASCII: whether all other characters are escaped, too: some programs do that.
    private static func json(_ text: [Unicode.Scalar], isASCII: Bool) -> [UInt8] {
        var escaped = ""
        for scalar in text {
            switch scalar {
            case "\"": escaped += "\\\""
            case "\\": escaped += "\\\\"
            case "\n": escaped += "\\n"
            case "\r": escaped += "\\r"
            case "\t": escaped += "\\t"
            case "\u{8}": escaped += "\\b"
            case "\u{C}": escaped += "\\f"
            default:
                guard scalar.value < 0x20 || (isASCII && scalar.value >= 0x80) else {
                    escaped.unicodeScalars.append(scalar)
                    continue
                }
                for unit in String(scalar).utf16 {
                    let hex = String(unit, radix: 16)
                    escaped += "\\u" + String(repeating: "0", count: 4 - hex.utf8.count) + hex
                }
            }
        }
        return Array(escaped.utf8)
    }

    /// Whether there is nothing to look for.
    package var isIdle: Bool { secrets.isEmpty }

    /// What can be shown by now.
    package mutating func take(_ bytes: some Sequence<UInt8>) -> [UInt8] {
        let all = held + bytes
        var shown: [UInt8] = []
        shown.reserveCapacity(all.count)
        var index = 0
        next: while index < all.count {
            if begins[Int(all[index])] {
                let rest = all[index...]
                for secret in secrets where secret[0] == all[index] {
                    if rest.starts(with: secret) {
                        shown += Self.mask
                        index += secret.count
                        continue next
                    }
                    if rest.count < secret.count, secret.starts(with: rest) {
                        held = Array(rest)
                        return shown
                    }
                }
            }
            shown.append(all[index])
            index += 1
        }
        held = []
        return shown
    }

    /// What was held back: nothing more comes, so it is no secret.
    package mutating func end() -> [UInt8] {
        defer { held = [] }
        // A shorter secret may stand in what was taken for the beginning of a longer one.
        guard held.count > 1 else { return held }
        var rest = SecretMask(held: held, secrets.filter { $0.count <= held.count })
        return rest.take([]) + rest.end()
    }

    private init(held: [UInt8], _ secrets: [[UInt8]]) {
        self.held = held
        self.secrets = secrets
        for secret in secrets { begins[Int(secret[0])] = true }
    }
}
