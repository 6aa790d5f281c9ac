internal import MusterCore

// `${…}`: what is known while reading is put in, what is known later stays a segment of the template.

extension LabReader {
    /// Where a text stands, which decides what its references may be.
    enum Use {
        /// A shell command: each value becomes one quoted word.
        case shell(User)
        /// Text for a file.
        case text(User)
        /// Anything that must be known while reading.
        case plain

        var isShell: Bool { if case .shell = self { true } else { false } }
        var user: User? {
            switch self {
            case .shell(let user), .text(let user): user
            case .plain: nil
            }
        }
    }

    static let nodeFields = Machine.fieldsOfAll
    static let scopes = ["vars", "env", "secret"]

    /// A shell command.
    mutating func command(_ entry: YamlNode.Entry, _ user: User) -> Template? {
        guard let raw = scalar(entry.value, key: entry.key, wants: "a command") else { return nil }
        guard raw.contains(where: { !$0.isWhitespace }) else {
            sink.add(entry.value.span, "'\(entry.key)' wants a command, not an empty text")
            return nil
        }
        guard !raw.unicodeScalars.contains("\0") else {
            sink.add(entry.value.span, "'\(entry.key)' holds a NUL, which no command can")
            return nil
        }
        return template(raw, entry.value, .shell(user))
    }

    /// Text where only `vars` and `env` may stand.
    mutating func plainText(_ raw: String, _ node: YamlNode) -> String? {
        guard Interpolation.contains(raw) else { return raw }
        guard let template = template(raw, node, .plain) else { return nil }
        return template.segments.reduce(into: "") { text, segment in
            if case .literal(let literal) = segment { text += literal }
        }
    }

    /// The template of a text; nil when one of its values is wrong, each of which is reported.
    mutating func template(_ raw: String, _ node: YamlNode, _ use: Use) -> Template? {
        let pieces = Interpolation.pieces(of: raw)
        var segments: [Template.Segment] = []
        var literal = ""
        var isRight = true
        var quotes = ShellQuotes()
        let source = sink.source
        var marks: [Mark]?
        func flush() {
            if !literal.isEmpty { segments.append(.literal(literal)) }
            literal = ""
        }
        func span(_ occurrence: Int, _ length: Int) -> Span {
            let known = marks ?? Self.marks(in: node, source)
            marks = known
            return occurrence < known.count ? Span(at: known[occurrence], length: length) : node.span
        }
        for piece in pieces {
            switch piece {
            case .literal(let text):
                literal += text
                if use.isShell { quotes.read(text) }
            case .unterminated(let occurrence):
                sink.add(span(occurrence, 2), "'${' without '}'", hint: "write $${ for the text '${' itself")
                isRight = false
            case .foreign(let body, let occurrence):
                refuseForeign(body, span(occurrence, body.unicodeScalars.count + 3), isShell: use.isShell)
                isRight = false
            case .reference(let words, let occurrence):
                let length = words.joined(separator: ".").unicodeScalars.count + 3
                switch value(words, use, { span(occurrence, length) }) {
                case .literal(let text): literal += use.isShell ? Template.shellQuoted(text) : text
                case .some(let segment):
                    flush()
                    segments.append(segment)
                case nil: isRight = false
                }
                if use.isShell {
                    if quotes.context == .single || quotes.context == .double {
                        warnOfQuotes(words, quotes.context, span(occurrence, length))
                    }
                    quotes.readValue()
                }
            }
        }
        flush()
        return isRight ? Template(segments: segments) : nil
    }

    /// Where the `${` of a scalar stand; none when the source writes them otherwise, by escapes.
    private static func marks(in node: YamlNode, _ source: SourceText) -> [Mark] {
        var span = node.span
        let start = source.byte(of: span.start)
        if start < source.bytes.count, [UInt8(ascii: "|"), UInt8(ascii: ">")].contains(source.bytes[start]) {
            span.start = Mark(line: span.start.line + 1, column: 1)  // a comment may follow the indicator
        }
        guard span.start < span.end else { return [] }
        return source.dollarBraces(in: span, max: 10_000)
    }

    mutating func refuseForeign(_ body: String, _ span: Span, isShell: Bool) {
        let shown = body.count > 40 ? body.prefix(39) + "…" : body[...]
        let what = body.isEmpty ? "names no value" : "is an expansion of the shell, not a value of the lab"
        let hint = isShell ? "write $${\(shown)} to leave it to the shell" : "write $${\(shown)} for the text itself"
        sink.add(span, "'${\(shown)}' \(what)", hint: hint)
    }

    private mutating func warnOfQuotes(_ words: [String], _ context: ShellQuotes.Context, _ span: Span) {
        let kind = context == .single ? "single" : "double"
        let shown = "${\(words.joined(separator: "."))}"
        sink.warn(
            span,
            "\(shown) is put in as one quoted word; here it stands inside \(kind) quotes",
            hint: "close the quotes before it"
        )
    }

    mutating func value(
        _ words: [String],
        _ use: Use,
        _ span: () -> Span
    ) -> Template.Segment? {
        let shown = "${\(words.joined(separator: "."))}"
        switch (words[0], words.count) {
        case (let name, 1): return bare(name, use, span)
        case ("vars", 2): return declared(words[1], shown, span)
        case ("env", 2):
            if let value = environment[words[1]] { return .literal(value) }
            let hint = "set it, or use a var with a value of its own"
            sink.add(span(), "'\(shown)': the environment variable \(words[1]) is not set", hint: hint)
            return nil
        case ("secret", 2):
            guard use.user != nil else { return notKnownYet(shown, span()) }
            return .secret(words[1])
        case ("vars", _), ("env", _), ("secret", _):
            sink.add(span(), "'\(shown)' has too many parts", hint: "such as ${\(words[0]).\(words[1])}")
            return nil
        case (_, 3): return node(words, shown, use, span)
        default:
            let isField = words.count == 2 && Self.nodeFields.contains(words[1])
            let hint =
                isField
                ? "did you mean ${\(words[0]).0.\(words[1])}?"
                : "values are ${vars.x}, ${env.X}, ${secret.x} and ${group.index.field}"
            sink.add(span(), "'\(shown)' names no value", hint: hint)
            return nil
        }
    }

    private mutating func declared(_ name: String, _ shown: String, _ span: () -> Span) -> Template.Segment? {
        if let value = vars[name] { return .literal(value) }
        if brokenVars.contains(name) { return nil }
        if varNames.contains(name) {
            sink.add(span(), "'\(shown)' stands further down", hint: "a var may use those above it")
            return nil
        }
        let known = varNames.isEmpty ? "no vars are declared" : "the vars are \(varNames.joined(separator: ", "))"
        sink.add(span(), "'\(shown)': no such var", hint: sink.suggestion(for: name, among: varNames, otherwise: known))
        return nil
    }

    /// `${NAME}`: a var, or somebody meant the shell's variable.
    private mutating func bare(_ name: String, _ use: Use, _ span: () -> Span) -> Template.Segment? {
        if varNames.contains(name) { return declared(name, "${\(name)}", span) }
        let shell =
            use.isShell ? "write $\(name) or $${\(name)} for the shell's" : "write $${\(name)} for the text itself"
        let hint = sink.nearest(to: name, among: varNames).map { "did you mean ${\($0)}? Otherwise \(shell)" } ?? shell
        sink.add(span(), "'${\(name)}' is no var of this lab", hint: hint)
        return nil
    }

    private mutating func node(
        _ words: [String],
        _ shown: String,
        _ use: Use,
        _ span: () -> Span
    ) -> Template.Segment? {
        guard let user = use.user else { return notKnownYet(shown, span()) }
        guard let index = Int(words[1]), String(index) == words[1] else {
            sink.add(span(), "'\(shown)': '\(words[1])' is no index of a node", hint: "nodes count from 0")
            return nil
        }
        let node = NodeName(group: words[0], index: index)
        references.append(Reference(node: node, field: words[2], span: span(), user: user))
        return .node(node, field: words[2])
    }

    private mutating func notKnownYet(_ shown: String, _ span: Span) -> Template.Segment? {
        sink.add(
            span,
            "'\(shown)' is known only while the lab runs and cannot stand here",
            hint: "commands and the text of files may hold it"
        )
        return nil
    }
}
