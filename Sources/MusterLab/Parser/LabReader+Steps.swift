internal import MusterCore

extension LabReader {
    /// What a group says for all its steps.
    struct StepDefaults {
        var timeout: Duration
        var retry: RetryPolicy
    }

    /// The steps of `provision`; those that `when` leaves out are read, checked and dropped.
    mutating func readSteps(_ entry: YamlNode.Entry, group: Int, _ defaults: StepDefaults) -> [ProvisionStep] {
        var steps: [ProvisionStep] = []
        var creator: Span?
        /// A configuring step that has no node to work on yet.
        var early: (kind: String, span: Span)?
        var kindsAreKnown = true
        for (index, node) in (list(entry) ?? []).enumerated() {
            let owner = "step \(index + 1) of group '\(groups[group].spec.name)'"
            if case .scalar(let word, _) = node.value, LabKeys.step.kinds.contains(word) {
                let hint = word == "process" || word == "netns" ? "write '\(word): {}'" : "write '\(word): …'"
                sink.add(node.span, "\(owner) wants a mapping, not a single value", hint: hint)
                kindsAreKnown = false
                continue
            }
            guard let fields = fields(node, LabKeys.step, of: owner) else {
                kindsAreKnown = false
                continue
            }
            let isUsed = fields["when"].map { readWhen($0) } ?? true
            let user = isUsed ? User.group(group, isProvision: true) : .nobody
            let step = readStep(fields, node, owner, user, group: group, defaults)
            guard let kind = kindWord(fields) else {
                kindsAreKnown = false
                continue
            }
            guard isUsed else { continue }
            let span = fields[kind]?.keySpan ?? node.span
            if LabKeys.creators.contains(kind) {
                if let creator {
                    sink.add(span, "\(owner) creates the node a second time", notes: [("it is created here", creator)])
                } else if let early {
                    let message = "a step that creates the node comes first; '\(early.kind)' stands before it"
                    sink.add(span, message, hint: "move it up", notes: [("this would have no node", early.span)])
                }
                creator = creator ?? span
            } else if creator == nil, early == nil {
                early = (kind, span)
            }
            if let step { steps.append(step) }
            if kind == "ansible", steps.contains(where: \.isPlugin) {
                let hint = "its own program, 'run' or 'script' can"
                sink.add(span, "ansible reaches no nodes of 'plugin'", hint: hint)
            }
        }
        if let early, creator == nil, kindsAreKnown {
            let hint = "begin 'provision' with '- process: {}'"
            sink.add(early.span, "'\(early.kind)' has no node to work on: no step creates one", hint: hint)
        }
        return steps
    }

    private func kindWord(_ fields: Fields) -> String? {
        let given = LabKeys.step.kinds.filter { fields[$0] != nil }
        return given.count == 1 ? given[0] : nil
    }

    private mutating func readStep(
        _ fields: Fields,
        _ node: YamlNode,
        _ owner: String,
        _ user: User,
        group: Int,
        _ defaults: StepDefaults
    ) -> ProvisionStep? {
        let kind = kind(fields, LabKeys.step, node, of: owner).flatMap { fields[$0] }.flatMap { readKind($0, user) }
        var step = ProvisionStep(kind ?? .process(run: nil))
        step.name = fields["name"].flatMap { text($0, wants: "a name") }
        step.timeout = fields["timeout"].flatMap { duration($0, example: "2m") } ?? defaults.timeout
        step.retry = fields["retry"].flatMap { readRetry($0) } ?? defaults.retry
        let undoUser = user == .nobody ? user : .group(group, isProvision: false)
        step.undo = fields["undo"].flatMap { command($0, undoUser) }
        step.onFailure = fields["on-failure"].flatMap { choice($0, FailurePolicy.self) }
        return kind == nil ? nil : step
    }

    private mutating func readKind(_ entry: YamlNode.Entry, _ user: User) -> ProvisionStep.Kind? {
        switch entry.key {
        case "process": return readProcess(entry, user)
        case "netns": return readNamespaces(entry, user)
        case "podman": return readPodman(entry, user)
        case "qemu": return readQEMU(entry, user)
        case "ssh": return readSSH(entry, user)
        case "plugin": return readPlugin(entry, user)
        case "run": return command(entry, user).map { .run($0) }
        case "template": return readTemplate(entry, user)
        case "script": return readScript(entry, user)
        case "ansible": return readAnsible(entry, user)
        default: return readFiles(entry, user).map { .files($0) }
        }
    }

    private mutating func readProcess(_ entry: YamlNode.Entry, _ user: User) -> ProvisionStep.Kind? {
        if entry.value.isNull { return .process(run: nil) }
        if case .scalar = entry.value.value {
            let hint = "write process: { run: \"…\" }"
            sink.add(entry.value.span, "'process' wants a mapping, not a single value", hint: hint)
            return nil
        }
        guard let fields = fields(entry.value, LabKeys.process, of: "'process'", at: entry.keySpan) else { return nil }
        guard let run = fields["run"] else { return .process(run: nil) }
        return command(run, user).map { .process(run: $0) }
    }

    /// Equalities that must all hold; they can be decided while reading.
    private mutating func readWhen(_ entry: YamlNode.Entry) -> Bool {
        var equalities: [YamlNode.Entry] = []
        switch entry.value.value {
        case .mapping(let entries): equalities = entries
        case .sequence(let nodes):
            for node in nodes {
                if case .mapping(let entries) = node.value { equalities += entries } else { refuseWhen(node) }
            }
        case .scalar: refuseWhen(entry.value)
        }
        var holds = true
        for equality in equalities {
            guard
                let expected = scalar(equality.value, key: equality.key, wants: "a value").flatMap({
                    plainText($0, equality.value)
                })
            else { continue }
            let words = equality.key.split(separator: ".", omittingEmptySubsequences: false).map(String.init)
            switch (words.first, words.count) {
            case ("env", 2): holds = environment[words[1]] == expected && holds
            case ("vars", 2), (_, 1):
                let name = words[words.count - 1]
                if varNames.contains(name) {
                    holds = vars[name] == expected && holds
                } else {
                    let hint = sink.suggestion(for: name, among: varNames, otherwise: "'when' compares vars and env.X")
                    sink.add(equality.keySpan, "'\(equality.key)' in 'when': no such var", hint: hint)
                }
            default:
                let hint = "it compares vars.x and env.X with a value"
                sink.add(equality.keySpan, "'when' does not know '\(equality.key)'", hint: hint)
            }
        }
        return holds
    }

    private mutating func refuseWhen(_ node: YamlNode) {
        let hint = "such as [{ vars.size: large }]"
        sink.add(node.span, "'when' wants a list of 'key: value', not \(node.kindWord)", hint: hint)
    }

    // MARK: - Files

    /// `{ to: from }`, or a list of `{ from or text, to, mode }`.
    private mutating func readFiles(_ entry: YamlNode.Entry, _ user: User) -> [FileSpec]? {
        var files: [FileSpec] = []
        var isRight = true
        switch entry.value.value {
        case .mapping(let entries):
            let keys = Set(entries.map(\.key))
            if keys.contains("to"), keys.contains("from") || keys.contains("text") {
                let message = "'files' wants a list when its entries have 'to' and 'from' or 'text'"
                sink.add(entry.value.span, message, hint: "put '- ' before it")
                return nil
            }
            for entry in entries {
                let to = path(entry.key, "the target", entry.keySpan, mayLeave: false)
                let from = text(entry, wants: "a file of the lab").flatMap { source($0, entry.value.span) }
                if let to, let from { files.append(FileSpec(source: .lab(from), to: to)) } else { isRight = false }
            }
        case .sequence(let nodes):
            for node in nodes {
                if let file = readFile(node, user) { files.append(file) } else { isRight = false }
            }
        case .scalar:
            let hint = "such as { app.conf: conf/app.conf }"
            sink.add(entry.value.span, "'files' wants a mapping or a list, not \(entry.value.kindWord)", hint: hint)
            return nil
        }
        var seen: Set<String> = []
        for file in files where !seen.insert(file.to).inserted {
            sink.add(entry.keySpan, "two files go to '\(file.to)'")
            isRight = false
        }
        if files.isEmpty, isRight {
            sink.add(entry.value.span, "'files' names no file")
            return nil
        }
        return isRight ? files : nil
    }

    private mutating func readFile(_ node: YamlNode, _ user: User) -> FileSpec? {
        let owner = "a file"
        guard let fields = fields(node, LabKeys.file, of: owner) else { return nil }
        let kind = kind(fields, LabKeys.file, node, of: owner)
        var source: FileSpec.Source?
        if let entry = kind.flatMap({ fields[$0] }) {
            if entry.key == "from" {
                source = text(entry, wants: "a file of the lab").flatMap { self.source($0, entry.value.span) }
                    .map { .lab($0) }
            } else if let raw = scalar(entry.value, key: entry.key, wants: "the text of the file") {
                source = template(raw, entry.value, .text(user)).map { .text($0) }
            }
        }
        let to = fields["to"].flatMap { entry in
            text(entry, wants: "a path").flatMap { path($0, "the target", entry.value.span, mayLeave: false) }
        }
        let mode = fields["mode"].map { readMode($0) } ?? 0o644
        guard let source, let to, let mode else { return nil }
        return FileSpec(source: source, to: to, mode: mode)
    }

    mutating func readMode(_ entry: YamlNode.Entry) -> UInt16? {
        let wants = "permissions as octal digits, such as 0755"
        guard let text = text(entry, wants: wants) else { return nil }
        let digits = text.hasPrefix("0o") ? text.dropFirst(2) : text[...]
        guard (3...4).contains(digits.utf8.count), let mode = UInt16(digits, radix: 8), !digits.hasPrefix("+") else {
            sink.add(entry.value.span, "'mode' wants \(wants), not '\(text)'")
            return nil
        }
        return mode
    }

    /// A file of the lab that must be there.
    mutating func source(_ text: String, _ span: Span) -> String? {
        guard let path = path(text, "a file of the lab", span, mayLeave: true) else { return nil }
        switch files.kind(of: path) {
        case .file: return path
        case .folder:
            sink.add(span, "'\(path)' is a folder", hint: "list its files")
        case .other:
            sink.add(span, "'\(path)' is no regular file")
        case nil:
            let folder = path.split(separator: "/").dropLast().joined(separator: "/")
            let name = String(path.dropFirst(folder.isEmpty ? 0 : folder.utf8.count + 1))
            let near = sink.nearest(to: name, among: (files.names(in: folder) ?? []).sorted())
            let hint = near.map { "did you mean '\(folder.isEmpty ? $0 : folder + "/" + $0)'?" } ?? ""
            sink.add(span, "no file '\(path)' in the lab's folder", hint: hint)
        }
        return nil
    }
}

extension ProvisionStep {
    /// Whether a program of the user's makes the node.
    fileprivate var isPlugin: Bool { if case .machine(.plugin, _) = kind { true } else { false } }
}
