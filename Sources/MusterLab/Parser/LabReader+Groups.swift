internal import MusterCore

extension LabReader {
    mutating func readVars(_ entry: YamlNode.Entry) {
        let entries = named(entry, "values") ?? []
        varNames = entries.map(\.key)
        for entry in entries {
            let isWord = entry.key.utf8.allSatisfy(Interpolation.isWordByte)
            if !isWord || !(entry.key.unicodeScalars.first?.properties.isAlphabetic ?? false) {
                sink.add(
                    entry.keySpan,
                    "'\(entry.key)' is no name for a var: a letter, then letters, digits, '_' and '-'"
                )
            }
            if let value = overrides[entry.key] {
                vars[entry.key] = value
            } else if entry.value.isNull {
                let hint = "give it one here, or with --var \(entry.key)=…"
                sink.add(entry.keySpan, "var '\(entry.key)' has no value", hint: hint)
                brokenVars.insert(entry.key)
            } else if let raw = scalar(entry.value, key: entry.key, wants: "a value"),
                let text = plainText(raw, entry.value)
            {
                vars[entry.key] = text
            } else {
                brokenVars.insert(entry.key)
            }
        }
    }

    /// `--var` of what is not declared.
    mutating func checkOverrides() {
        let declared = Set(varNames)
        for name in overrides.keys.sorted() where !declared.contains(name) {
            let known = varNames.isEmpty ? "it declares none" : "its vars are \(varNames.joined(separator: ", "))"
            let hint = sink.suggestion(for: name, among: varNames, otherwise: known)
            let file = "--var \(name)"
            sink.add(Diagnostic(file: file, message: "\(sink.source.file) declares no var '\(name)'", hint: hint))
        }
    }

    mutating func readGroups(_ entry: YamlNode.Entry) {
        guard let entries = named(entry, "groups") else { return }
        if entries.isEmpty { sink.add(entry.value.span, "a lab wants at least one group") }
        for entry in entries {
            checkName(entry.key, "group", entry.keySpan)
            if Self.scopes.contains(entry.key) {
                sink.add(entry.keySpan, "'\(entry.key)' means something else in '${…}' and cannot name a group")
            }
            groupIndex[entry.key] = groups.count
            groups.append(GroupDraft(spec: GroupSpec(name: entry.key), nameSpan: entry.keySpan))
            groups[groups.count - 1].spec.place = "\(sink.source.file):\(entry.keySpan.start.line)"
        }
        for (index, entry) in entries.enumerated() { readGroup(index, entry) }
    }

    private mutating func readGroup(_ index: Int, _ entry: YamlNode.Entry) {
        let owner = "group '\(entry.key)'"
        guard let fields = fields(entry.value, LabKeys.group, of: owner, at: entry.keySpan) else {
            groups[index].countIsKnown = false
            groups[index].stepsAreKnown = false
            return
        }
        if let entry = fields["count"] {
            if let count = integer(entry, 1...LabKeys.countMax) {
                groups[index].spec.count = count
            } else {
                groups[index].countIsKnown = false
            }
        }
        if let entry = fields["needs"] {
            let needs = readNeeds(entry)
            groups[index].spec.needs = needs.map(\.need)
            groups[index].needSpans = needs.map(\.span)
        }
        if let policy = fields["on-failure"].flatMap({ choice($0, FailurePolicy.self) }) {
            groups[index].spec.onFailure = policy
        }
        groups[index].spec.failedSetupsMax = fields["max-failed-setups"].flatMap {
            integer($0, 0...LabKeys.failedSetupsMax)
        }
        groups[index].spec.quarantine = fields["quarantine"].flatMap { readQuarantine($0) }
        if let entry = fields["mode"] {
            groups[index].spec.mode = text(entry, wants: "the name of a mode")
            groups[index].modeSpan = entry.value.span
        }
        groups[index].spec.failureAction = fields["failure-action"].flatMap { choice($0, FailureAction.self) }
        let defaults = StepDefaults(
            timeout: fields["timeout"].flatMap { duration($0, example: "2m") } ?? Defaults.stepTimeout,
            retry: fields["retry"].flatMap { readRetry($0) } ?? .none
        )
        if let entry = fields["provision"] {
            let errors = sink.errorCount
            groups[index].spec.steps = readSteps(entry, group: index, defaults)
            groups[index].stepsAreKnown = sink.errorCount == errors
        }
        if let entry = fields["ready"] {
            groups[index].spec.ready = readConditions(entry, group: index)
            if groups[index].stepsAreKnown, !groups[index].spec.hasNodes, !groups[index].spec.ready.isEmpty {
                let hint = "begin 'provision' with a step that creates them, such as 'process: {}'"
                sink.add(entry.keySpan, "\(owner) has no nodes that could be ready", hint: hint)
            }
        }
    }

    /// `[db, cache]`, or `{ db: { ready: 1 }, cache: {} }`.
    mutating func readNeeds(_ entry: YamlNode.Entry) -> [(need: Need, span: Span)] {
        var needs: [(need: Need, span: Span)] = []
        switch entry.value.value {
        case .sequence(let nodes):
            var seen: [String: Span] = [:]
            for node in nodes {
                guard let name = text(node, key: entry.key, wants: "names of groups") else { continue }
                if let first = seen[name] {
                    sink.add(node.span, "'\(name)' is needed twice", notes: [("it is already given", first)])
                    continue
                }
                seen[name] = node.span
                needs.append((Need(group: name), node.span))
            }
        case .mapping(let entries):
            for entry in entries {
                var need = Need(group: entry.key)
                if !entry.value.isNull,
                    let fields = fields(entry.value, LabKeys.need, of: "the need of '\(entry.key)'"),
                    let ready = fields["ready"]
                {
                    need.ready = integer(ready, 1...LabKeys.countMax)
                }
                needs.append((need, entry.keySpan))
            }
        case .scalar(let text, _):
            let hint = entry.value.isNull ? "" : "write [\(text)]"
            sink.add(entry.value.span, "'needs' wants a list of groups, not \(entry.value.kindWord)", hint: hint)
        }
        return needs
    }

    mutating func readRetry(_ entry: YamlNode.Entry) -> RetryPolicy? {
        if case .scalar(let text, _) = entry.value.value {
            let hint = Int(text) != nil ? "write { times: \(text) }" : "such as { times: 3, every: 2s, backoff: 2 }"
            sink.add(entry.value.span, "'retry' wants a mapping, not \(entry.value.kindWord)", hint: hint)
            return nil
        }
        guard let fields = fields(entry.value, LabKeys.retry, of: "'retry'", at: entry.keySpan) else { return nil }
        var policy = RetryPolicy(times: fields["times"].flatMap { integer($0, 0...LabKeys.retriesMax) } ?? 0)
        if let every = fields["every"].flatMap({ duration($0, example: "2s", mayBeZero: true) }) {
            policy.every = every
        }
        if let backoff = fields["backoff"].flatMap({ number($0, 1...100) }) { policy.backoff = backoff }
        return policy
    }

    private mutating func readQuarantine(_ entry: YamlNode.Entry) -> Quarantine? {
        if case .scalar = entry.value.value {
            let hint = "such as { after: 2, for: 10m }"
            sink.add(entry.value.span, "'quarantine' wants a mapping, not \(entry.value.kindWord)", hint: hint)
            return nil
        }
        guard let fields = fields(entry.value, LabKeys.quarantine, of: "'quarantine'", at: entry.keySpan),
            let length = fields["for"].flatMap({ duration($0, example: "10m") })
        else { return nil }
        let after = fields["after"].flatMap { integer($0, 1...Defaults.replacementsMax) }
        return Quarantine(after: after ?? 1, length: length)
    }

    mutating func readConditions(_ entry: YamlNode.Entry, group: Int) -> [ReadyCondition] {
        var conditions: [ReadyCondition] = []
        let owner = "a condition of 'ready'"
        for node in list(entry) ?? [] {
            guard let fields = fields(node, LabKeys.condition, of: owner) else { continue }
            let within = fields["within"].flatMap { duration($0, example: "30s") } ?? Defaults.readyWithin
            guard let kind = kind(fields, LabKeys.condition, node, of: owner), let entry = fields[kind] else {
                continue
            }
            guard let probe = readProbe(kind, entry, group: group) else { continue }
            conditions.append(ReadyCondition(probe, within: within))
        }
        return conditions
    }

    private mutating func readProbe(_ kind: String, _ entry: YamlNode.Entry, group: Int) -> ReadyCondition.Probe? {
        switch kind {
        case "tcp": return integer(entry, 1...LabKeys.portMax).map { .tcp(port: $0) }
        case "http": return readHTTP(entry)
        case "run": return command(entry, .group(group, isProvision: false)).map { .run($0) }
        case "state":
            guard let state = text(entry, wants: "the name of a state") else { return nil }
            groups[group].stateSpans.append((state, entry.value.span))
            return .state(state)
        default:
            guard let text = text(entry, wants: "a path in the node's folder") else { return nil }
            return path(text, "a file of a node", entry.value.span, mayLeave: false).map { .file($0) }
        }
    }

    /// `8080`, `:8080/healthz`, or `{ port: 8080, path: /healthz }`.
    private mutating func readHTTP(_ entry: YamlNode.Entry) -> ReadyCondition.Probe? {
        let wants = "a port, such as 8080, or a port and a path, such as :8080/healthz"
        if case .mapping = entry.value.value {
            guard let fields = fields(entry.value, LabKeys.http, of: "'http'", at: entry.keySpan) else { return nil }
            let port = fields["port"].flatMap { integer($0, 1...LabKeys.portMax) }
            var path: String? = "/"
            if let entry = fields["path"] {
                path = text(entry, wants: "a path that begins with '/'")
                if let text = path, !Self.isURLPath(text) {
                    sink.add(entry.value.span, "'path' wants a path that begins with '/', not '\(text)'")
                    path = nil
                }
            }
            guard let port, let path else { return nil }
            return .http(port: port, path: path)
        }
        guard let text = text(entry, wants: wants) else { return nil }
        let body = text.hasPrefix(":") ? text.dropFirst() : text[...]
        let digits = body.prefix { $0.isASCII && $0.isNumber }
        let path = body.dropFirst(digits.count)
        guard let port = Int(digits), (1...LabKeys.portMax).contains(port), path.isEmpty || Self.isURLPath(String(path))
        else {
            let hint = text.contains("://") ? "the address is the node's own" : ""
            sink.add(entry.value.span, "'http' wants \(wants), not '\(text)'", hint: hint)
            return nil
        }
        return .http(port: port, path: path.isEmpty ? "/" : String(path))
    }

    /// Printable ASCII without spaces, as it goes into the first line of a request.
    private static func isURLPath(_ text: String) -> Bool {
        text.hasPrefix("/") && text.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F }
    }
}
