/// Texts of a compose file: variables in them, words, sizes and durations.
struct ComposeText {
    /// The text as a lab has it, in which `${` begins a value.
    var text: String
    /// Variables that have no default, which the lab gets as vars.
    var variables: [String]

    /// `$$` is a dollar; `$X` and `${X}` a variable, `${X:-text}` one with a default.
    init(_ raw: String) {
        var text = ""
        var variables: [String] = []
        var rest = Substring(raw)
        while let dollar = rest.firstIndex(of: "$") {
            text += rest[..<dollar]
            rest = rest[rest.index(after: dollar)...]
            if rest.hasPrefix("$") {
                rest = rest.dropFirst()
                // A lab writes a dollar before a brace as two.
                text += rest.hasPrefix("{") ? "$$" : "$"
            } else if rest.hasPrefix("{"), let end = rest.firstIndex(of: "}") {
                let body = rest[rest.index(after: rest.startIndex)..<end]
                rest = rest[rest.index(after: end)...]
                let name = body.prefix { $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "_") }
                let tail = body.dropFirst(name.count)
                if tail.hasPrefix(":-") || tail.hasPrefix("-") {
                    text += tail.drop { $0 == ":" }.dropFirst()
                } else {
                    text += "${vars.\(name)}"
                    variables.append(String(name))
                }
            } else {
                let name = rest.prefix { $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "_") }
                guard let first = name.first, !first.isNumber else {
                    text += "$"
                    continue
                }
                rest = rest.dropFirst(name.count)
                text += "${vars.\(name)}"
                variables.append(String(name))
            }
        }
        self.text = text + rest
        self.variables = variables.filter { !$0.isEmpty }
    }

    /// Words as compose splits them: by blanks, with quotes and backslashes; nil when a quote is not closed.
    static func words(_ text: String) -> [String]? {
        var words: [String] = []
        var word: String?
        var quote: Character?
        var isEscaped = false
        for character in text {
            if isEscaped {
                word = (word ?? "") + String(character)
                isEscaped = false
            } else if character == "\\", quote != "'" {
                isEscaped = true
            } else if let open = quote {
                if character == open { quote = nil } else { word = (word ?? "") + String(character) }
            } else if character == "\"" || character == "'" {
                quote = character
                word = word ?? ""
            } else if character.isWhitespace {
                if let done = word { words.append(done) }
                word = nil
            } else {
                word = (word ?? "") + String(character)
            }
        }
        if quote != nil || isEscaped { return nil }
        if let word { words.append(word) }
        return words
    }

    /// `512m`, `1.5gb`, `1073741824` as a lab has it; nil when it is no size.
    static func size(_ text: String) -> String? {
        let lower = text.lowercased()
        let digits = lower.prefix { $0.isASCII && ($0.isNumber || $0 == ".") }
        let powers = ["", "k", "m", "g"]
        let unit = lower.dropFirst(digits.count).prefix { $0 != "i" && $0 != "b" }
        let ending = lower.dropFirst(digits.count + unit.count)
        guard let number = Double(digits), let power = powers.firstIndex(of: String(unit)),
            ending.isEmpty || ending == "b" || ending == "ib" && power > 0
        else { return nil }
        var bytes = number
        for _ in 0..<power { bytes *= 1024 }
        guard bytes >= 1, bytes <= Double(1 << 49) else { return nil }
        let whole = Int64(bytes)
        for (unit, shift) in [("GiB", 30), ("MiB", 20), ("KiB", 10)] as [(String, Int64)]
        where whole % (1 << shift) == 0 {
            return "\(whole >> shift)\(unit)"
        }
        return "\(whole)B"
    }

    /// `1m30s`, `500ms` in seconds; nil when it is no duration.
    static func seconds(_ text: String) -> Double? {
        let units: [(String, Double)] = [("us", 0.000_001), ("ms", 0.001), ("h", 3600), ("m", 60), ("s", 1)]
        var rest = text[...]
        var sum = 0.0
        guard !rest.isEmpty else { return nil }
        while !rest.isEmpty {
            let digits = rest.prefix { $0.isASCII && ($0.isNumber || $0 == ".") }
            guard let number = Double(digits) else { return nil }
            rest = rest.dropFirst(digits.count)
            guard let unit = units.first(where: { rest.hasPrefix($0.0) }) else { return nil }
            rest = rest.dropFirst(unit.0.count)
            sum += number * unit.1
        }
        return sum < 1_000_000_000 ? sum : nil
    }

    /// Whether the value of a variable of this name is nobody's business.
    static func isSecret(_ name: String) -> Bool {
        let upper = name.uppercased()
        let parts = [
            "PASSWORD", "PASSWD", "PASSPHRASE", "SECRET", "TOKEN", "CREDENTIAL", "PRIVATE", "APIKEY", "API_KEY",
        ]
        if parts.contains(where: upper.contains) { return true }
        return upper.split { !$0.isLetter }.contains { ["KEY", "PASS", "PWD", "AUTH"].contains($0) }
    }

    /// Whether a value shows a password by itself: `postgres://ana:pw@db/shop`.
    static func showsPassword(_ value: String) -> Bool {
        guard let scheme = value.firstRange(of: "://") else { return false }
        let authority = value[scheme.upperBound...].prefix { $0 != "/" }
        guard let at = authority.lastIndex(of: "@") else { return false }
        return authority[..<at].contains(":")
    }
}
