internal import MusterCore

// What a mode, or all of them, say besides transitions; and single values.

extension ModesReader {
    mutating func readRules(_ fields: LabReader.Fields, mode: String?) -> ModeRules {
        var rules = ModeRules()
        for key in ["invalid", "ready", "failed", "reboot-from"] {
            spans[.rule(mode: mode, key)] = fields[key]?.value.span
        }
        rules.invalid = fields["invalid"].flatMap { readInvalid($0) }
        rules.triggersOnReentry = fields["triggers-on-reentry"].flatMap { boolean($0) }
        rules.ready = fields["ready"].map { names($0) }
        rules.failed = fields["failed"].map { names($0) }
        rules.rebootFrom = fields["reboot-from"].map { names($0) }
        for entry in fields["timeouts"].flatMap({ reader.named($0, "timeouts") }) ?? [] {
            guard checkName(entry.key, "state", entry.keySpan), let timeout = readTimeout(entry) else { continue }
            rules.timeouts.append(timeout)
            spans[.timeout(mode: mode, state: entry.key)] = entry.keySpan
        }
        for entry in fields["triggers"].flatMap({ reader.named($0, "triggers") }) ?? [] {
            guard checkName(entry.key, "state", entry.keySpan), let actions = texts(entry) else { continue }
            rules.triggers.append(StateTriggers(state: entry.key, actions: actions))
            spans[.trigger(mode: mode, state: entry.key)] = entry.keySpan
        }
        for entry in fields["sticky"].flatMap({ reader.named($0, "the states they are left to") }) ?? [] {
            guard checkName(entry.key, "state", entry.keySpan) else { continue }
            rules.sticky.append(StickyState(state: entry.key, leaves: names(entry)))
            spans[.sticky(mode: mode, state: entry.key)] = entry.keySpan
        }
        return rules
    }

    /// `accept-and-report`, `reject`, or `{ coerce: STATE }`.
    private mutating func readInvalid(_ entry: YamlNode.Entry) -> InvalidPolicy? {
        if case .mapping = entry.value.value {
            guard let fields = reader.fields(entry.value, ModesKeys.coerce, of: "'invalid'", at: entry.keySpan),
                let coerce = fields["coerce"]
            else { return nil }
            return name(coerce.value, "coerce").map { .coerce($0) }
        }
        guard let text = reader.scalar(entry.value, key: "invalid", wants: "a policy") else { return nil }
        switch text {
        case "accept-and-report": return .acceptAndReport
        case "reject": return .reject
        default:
            let known = reader.sink.suggestion(for: text, among: ModesKeys.invalidWords)
            let wants = "accept-and-report, reject or { coerce: STATE }"
            let hint = text == "coerce" ? "say to which state: { coerce: STATE }" : known
            reader.sink.add(entry.value.span, "'invalid' wants \(wants), not '\(text)'", hint: hint)
            return nil
        }
    }

    /// `none`, or `{ after: 2m, do: reboot }`.
    private mutating func readTimeout(_ entry: YamlNode.Entry) -> StateTimeout? {
        if case .scalar(let text, _) = entry.value.value {
            if text == "none" { return StateTimeout(state: entry.key, after: nil) }
            let hint = "such as { after: 2m, do: reboot }"
            reader.sink.add(entry.value.span, "a timeout is 'none' or a mapping, not '\(text)'", hint: hint)
            return nil
        }
        let owner = "the timeout of '\(entry.key)'"
        guard let fields = reader.fields(entry.value, ModesKeys.timeout, of: owner, at: entry.keySpan),
            let after = fields["after"].flatMap({ reader.duration($0, example: "2m") }),
            let kind = reader.kind(fields, ModesKeys.timeout, entry.value, of: owner)
        else { return nil }
        if kind == "state" {
            guard let state = fields["state"].flatMap({ name($0.value, "state") }) else { return nil }
            return StateTimeout(state: entry.key, after: after, action: .state(state))
        }
        guard let word = fields["do"].flatMap({ reader.choice($0.value, key: "do", ModesKeys.timeoutWords) })
        else { return nil }
        let action: TimeoutAction =
            switch word {
            case "reboot": .reboot(fields["by"].map { rungs($0) } ?? [])
            case "retry-command": .retryCommand
            default: .notify
            }
        if let by = fields["by"], word != "reboot" { reader.sink.add(by.keySpan, "'by' goes with 'do: reboot' only") }
        return StateTimeout(state: entry.key, after: after, action: action)
    }

    private mutating func rungs(_ entry: YamlNode.Entry) -> [Rung] {
        var rungs: [Rung] = []
        for node in reader.list(entry) ?? [] {
            guard let word = reader.choice(node, key: entry.key, Rung.allCases.map(\.rawValue)) else { continue }
            if let rung = Rung(rawValue: word) { rungs.append(rung) }
        }
        return rungs
    }

    // MARK: Single values

    mutating func boolean(_ entry: YamlNode.Entry) -> Bool? {
        reader.choice(entry.value, key: entry.key, ["true", "false"]).map { $0 == "true" }
    }

    /// Names of modes and states: no text that a condition or a table takes for something else.
    static func isName(_ text: String) -> Bool {
        guard let first = text.first, let last = text.last, first != " ", last != " ", text != "ready" else {
            return false
        }
        return text.utf8.count <= 64
            && !text.unicodeScalars.contains {
                $0.value < 0x20 || $0.value == 0x7F || "/>*,\"".unicodeScalars.contains($0)
            }
    }

    static let nameRule = "at most 64 bytes, without '/', '>', '*', ',', '\"' and blanks at its ends, and not 'ready'"

    mutating func checkName(_ name: String, _ what: String, _ span: Span) -> Bool {
        if Self.isName(name) { return true }
        reader.sink.add(span, "'\(name)' is no name for a \(what): \(Self.nameRule)")
        return false
    }

    /// The name of a state or mode.
    mutating func name(_ node: YamlNode, _ key: String) -> String? {
        guard let text = reader.scalar(node, key: key, wants: "a name") else { return nil }
        return checkName(text, "state or mode", node.span) ? text : nil
    }

    /// A list of names, or one alone.
    mutating func names(_ entry: YamlNode.Entry) -> [String] {
        if case .scalar = entry.value.value, !entry.value.isNull {
            return name(entry.value, entry.key).map { [$0] } ?? []
        }
        var names: [String] = []
        for node in reader.list(entry) ?? [] { if let name = name(node, entry.key) { names.append(name) } }
        return names
    }

    /// A list of texts, or one alone; nil when it is neither.
    mutating func texts(_ entry: YamlNode.Entry) -> [String]? {
        if case .scalar = entry.value.value, !entry.value.isNull {
            return reader.scalar(entry.value, key: entry.key, wants: "an action").map { [$0] }
        }
        guard let nodes = reader.list(entry) else { return nil }
        var texts: [String] = []
        for node in nodes {
            if let text = reader.scalar(node, key: entry.key, wants: "an action") { texts.append(text) }
        }
        return texts
    }
}
