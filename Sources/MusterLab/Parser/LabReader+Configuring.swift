internal import MusterCore

/// `template`, `script` and `ansible` of a step: files of the lab that configure a node.
extension LabReader {
    // MARK: - Templates

    mutating func readTemplate(_ entry: YamlNode.Entry, _ user: User) -> ProvisionStep.Kind? {
        guard let fields = fields(entry.value, LabKeys.template, of: "'template'", at: entry.keySpan) else {
            return nil
        }
        let from = fields["from"].flatMap { file($0) }
        let to = fields["to"].flatMap { entry in
            text(entry, wants: "a path").flatMap { path($0, "the target", entry.value.span, mayLeave: false) }
        }
        let mode = fields["mode"].map { readMode($0) } ?? .some(nil)
        guard let from, let to, let mode, let place = fields["from"]?.value.span else { return nil }
        var template = TemplateFile(from: from, to: to)
        guard fill(&template, place, user) else { return nil }
        let holdsSecrets = template.references.contains { if case .secret = $0.segment { true } else { false } }
        if holdsSecrets, let mode, mode & 0o077 != 0, let entry = fields["mode"] {
            let hint = "0600, or leave it out"
            sink.add(entry.value.span, "'\(from)' holds a secret: nobody but its owner may read it", hint: hint)
            return nil
        }
        template.mode = mode ?? (holdsSecrets ? 0o600 : 0o644)
        return .template(template)
    }

    /// Reads a template: what is known of its values, and what is known only later. Errors have its own lines.
    private mutating func fill(_ template: inout TemplateFile, _ place: Span, _ user: User) -> Bool {
        guard let bytes = files.contents(of: template.from, limit: TemplateFile.bytesMax) else {
            sink.add(place, "'\(template.from)' cannot be read")
            return false
        }
        guard bytes.count <= TemplateFile.bytesMax else {
            let hint = "'files' copies files of any size"
            sink.add(place, "'\(template.from)' is larger than \(TemplateFile.bytesMax >> 20) MiB", hint: hint)
            return false
        }
        guard let text = String(validating: bytes, as: UTF8.self) else {
            sink.add(place, "'\(template.from)' is not UTF-8", hint: "'files' copies files of any kind")
            return false
        }
        let errors = sink.errorCount
        let lab = sink.source
        let source = SourceText(file: template.from, bytes: bytes)
        sink.source = source
        defer { sink.source = lab }
        let first = references.count
        // The end of the last line, however long that is.
        let whole = Span(start: Mark(line: 1, column: 1), end: Mark(line: source.lineCount, column: bytes.count + 1))
        let marks = source.dollarBraces(in: whole, max: .max)
        var seen: Set<String> = []
        for piece in Interpolation.pieces(of: text) {
            switch piece {
            case .literal: break
            case .unterminated(let occurrence):
                let hint = "write $${ for the text '${' itself"
                sink.add(Span(at: marks[occurrence], length: 2), "'${' without '}'", hint: hint)
            case .foreign(let body, let occurrence):
                refuseForeign(body, Span(at: marks[occurrence], length: body.unicodeScalars.count + 3), isShell: false)
            case .reference(let words, let occurrence):
                let name = words.joined(separator: ".")
                guard seen.insert(name).inserted else { continue }
                let span = Span(at: marks[occurrence], length: name.unicodeScalars.count + 3)
                switch value(words, .text(user), { span }) {
                case .literal(let text): template.values[name] = text
                case .some(let segment):
                    template.references.append(TemplateFile.Reference(segment: segment, line: span.start.line))
                case nil: break
                }
            }
        }
        for index in first..<references.count {
            references[index].source = source
            references[index].needSpan = place
        }
        return sink.errorCount == errors
    }

    private mutating func file(_ entry: YamlNode.Entry) -> String? {
        text(entry, wants: "a file of the lab").flatMap { source($0, entry.value.span) }
    }

    // MARK: - Scripts

    mutating func readScript(_ entry: YamlNode.Entry, _ user: User) -> ProvisionStep.Kind? {
        guard let fields = fields(entry.value, LabKeys.script, of: "'script'", at: entry.keySpan) else { return nil }
        let errors = sink.errorCount
        var script = ScriptCall(file: fields["file"].flatMap { file($0) } ?? "")
        for node in fields["arguments"].flatMap({ list($0) }) ?? [] {
            guard let raw = scalar(node, key: "arguments", wants: "a list of arguments") else { continue }
            guard !raw.isEmpty else {
                sink.add(node.span, "'arguments' holds an empty text")
                continue
            }
            guard let template = argument(raw, node, user) else { continue }
            if let secret = template.secrets.first {
                let hint = "give it by 'env'"
                sink.add(node.span, "everybody on the machine reads arguments: '\(secret)' is a secret", hint: hint)
            }
            script.arguments.append(template)
        }
        for entry in fields["env"].flatMap({ named($0, "values") }) ?? [] {
            guard isVariable(entry) else { continue }
            if entry.value.isNull {
                script.environment[entry.key] = Template("")
            } else if let raw = scalar(entry.value, key: entry.key, wants: "a value") {
                script.environment[entry.key] = argument(raw, entry.value, user)
            }
        }
        guard sink.errorCount == errors, !script.file.isEmpty else { return nil }
        return .script(script)
    }

    private mutating func argument(_ raw: String, _ node: YamlNode, _ user: User) -> Template? {
        guard !raw.unicodeScalars.contains("\0") else {
            sink.add(node.span, "this holds a NUL, which no argument or variable can")
            return nil
        }
        return template(raw, node, .text(user))
    }

    /// Whether a key can be the name of a variable; one that cannot is reported.
    private mutating func isVariable(_ entry: YamlNode.Entry) -> Bool {
        let isName = entry.key.utf8.enumerated().allSatisfy { index, byte in
            switch byte {
            case 0x41...0x5A, 0x61...0x7A, UInt8(ascii: "_"): true
            case 0x30...0x39: index > 0
            default: false
            }
        }
        if isName, !entry.key.isEmpty, !entry.key.hasPrefix("m_") { return true }
        let hint = "letters, digits and '_'; none begins with 'm_'"
        sink.add(entry.keySpan, "'\(entry.key)' is no name for a variable", hint: hint)
        return false
    }

    // MARK: - Playbooks

    mutating func readAnsible(_ entry: YamlNode.Entry, _ user: User) -> ProvisionStep.Kind? {
        guard let fields = fields(entry.value, LabKeys.ansible, of: "'ansible'", at: entry.keySpan) else { return nil }
        let errors = sink.errorCount
        var play = AnsiblePlay(playbook: fields["playbook"].flatMap { file($0) } ?? "")
        for entry in fields["vars"].flatMap({ named($0, "values") }) ?? [] {
            guard isVariable(entry) else { continue }
            if entry.value.isNull {
                play.variables[entry.key] = AnsiblePlay.Variable(value: Template("null"), isJSON: true)
            } else if let raw = scalar(entry.value, key: entry.key, wants: "a value") {
                guard let template = template(raw, entry.value, .text(user)) else { continue }
                let isJSON = if case .scalar(_, true) = entry.value.value { Self.isJSON(raw) } else { false }
                play.variables[entry.key] = AnsiblePlay.Variable(value: template, isJSON: isJSON)
            }
        }
        let tags = fields["tags"].map { texts($0, wants: "a tag", mayBeSingle: false) } ?? []
        for (tag, span) in tags {
            if tag.contains(",") || tag.hasPrefix("-") {
                sink.add(span, "'\(tag)' is no tag", hint: "one tag an entry")
            }
            play.tags.append(tag)
        }
        guard sink.errorCount == errors, !play.playbook.isEmpty else { return nil }
        return .ansible(play)
    }

    /// Whether a plain word is the same in JSON: `true`, a whole number without a leading zero.
    private static func isJSON(_ raw: String) -> Bool {
        if raw == "true" || raw == "false" { return true }
        let digits = raw.hasPrefix("-") ? raw.dropFirst() : raw[...]
        return Int(raw) != nil && !digits.hasPrefix("+") && (digits.count == 1 || digits.first != "0")
    }
}
