internal import MusterCore

/// Reads the nodes of a file of modes into a `ModeSet`, and notes where everything stands.
struct ModesReader {
    var reader: LabReader
    var set = ModeSet()
    var extends: String?
    var spans: [ModeSubject: Span] = [:]

    init(_ sink: DiagnosticSink) {
        reader = LabReader(sink: sink, environment: [:], files: NoFiles(), overrides: [:])
    }

    /// A table of modes stands for itself: nothing in it refers to a file.
    private struct NoFiles: FileTree {
        func kind(of path: String) -> FileKind? { nil }
        func names(in folder: String) -> [String]? { nil }
    }

    mutating func readTop(_ root: YamlNode) {
        let top = Span(at: root.span.start)
        guard let fields = reader.fields(root, ModesKeys.top, of: "the file of modes", at: top) else { return }
        if let entry = fields["muster-modes"], let version = reader.integer(entry, 1...1_000), version != 1 {
            let hint = "a newer Muster may read this file"
            reader.sink.add(entry.value.span, "this Muster reads version 1 of it, not \(version)", hint: hint)
        }
        if let entry = fields["extends"] {
            extends = reader.choice(entry.value, key: entry.key, ModePresets.names)
            spans[.setting("extends")] = entry.keySpan
        }
        if let entry = fields["netboot-mode"] {
            set.netbootMode = name(entry.value, entry.key)
            spans[.setting("netboot-mode")] = entry.value.span
        }
        if let entry = fields["forced-modes"] {
            set.forcedModes = names(entry)
            spans[.setting("forced-modes")] = entry.value.span
        }
        set.repairs = fields["repairs"].flatMap { reader.integer($0, 0...ModesKeys.repairsMax) }
        set.unaskedShutdown = fields["unasked-shutdown"].flatMap { reader.choice($0, UnaskedShutdown.self) }
        if let entry = fields["defaults"],
            let rules = reader.fields(entry.value, ModesKeys.rules, of: "'defaults'", at: entry.keySpan)
        {
            set.defaults = readRules(rules, mode: nil)
        }
        if let entry = fields["modes"] { readModes(entry) }
        for entry in fields["commands"].flatMap({ reader.named($0, "commands") }) ?? [] { readCommand(entry) }
        for entry in fields["nodes"].flatMap({ reader.named($0, "nodes") }) ?? [] { readNode(entry) }
    }

    private mutating func readModes(_ entry: YamlNode.Entry) {
        for entry in reader.named(entry, "modes") ?? [] {
            guard checkName(entry.key, "mode", entry.keySpan) else { continue }
            spans[.mode(entry.key)] = entry.keySpan
            let owner = "mode '\(entry.key)'"
            if entry.value.isNull {
                set.modes.append(ModeSpec(name: entry.key))
            } else if let fields = reader.fields(entry.value, ModesKeys.mode, of: owner, at: entry.keySpan) {
                set.modes.append(readMode(entry.key, fields))
            }
        }
        let count = set.modes.count + set.allStates.count
        if count > ModeTable.namesMax {
            let message = "\(count) modes and states are more than the \(ModeTable.namesMax) that a table may have"
            reader.sink.add(entry.keySpan, message)
        }
    }

    private mutating func readMode(_ name: String, _ fields: LabReader.Fields) -> ModeSpec {
        var mode = ModeSpec(name: name)
        mode.rules = readRules(fields, mode: name)
        mode.states = fields["states"].map { names($0) } ?? []
        mode.stable = fields["stable"].map { names($0) } ?? []
        mode.stuck = fields["stuck"].map { names($0) } ?? []
        for key in ["stable", "stuck"] { spans[.rule(mode: name, key)] = fields[key]?.value.span }
        for entry in fields["transitions"].flatMap({ reader.named($0, "the states that follow") }) ?? [] {
            readTransitions(from: entry, &mode)
        }
        for entry in fields["events"].flatMap({ reader.named($0, "events") }) ?? [] {
            guard checkName(entry.key, "state", entry.keySpan) else { continue }
            for event in reader.named(entry, "the states they lead to") ?? [] {
                readEvent(event, from: entry.key, &mode)
            }
        }
        if let entry = fields["work"], let states = reader.named(entry, "what is done in them") {
            mode.work = states.compactMap { readWork($0, mode: name) }
        }
        for entry in fields["moves"].flatMap({ reader.named($0, "modes") }) ?? [] {
            guard checkName(entry.key, "state", entry.keySpan) else { continue }
            for target in reader.named(entry, "the states they begin in") ?? [] {
                guard checkName(target.key, "mode", target.keySpan) else { continue }
                readMoves(target, from: entry.key, mode: name)
            }
        }
        return mode
    }

    // MARK: Transitions

    /// `BOOTING: [ISUP, SHUTDOWN]`, or with labels `BOOTING: { ISUP: BootDone, SHUTDOWN: Error }`.
    private mutating func readTransitions(from entry: YamlNode.Entry, _ mode: inout ModeSpec) {
        let from = entry.key
        guard from == StateTransition.any || checkName(from, "state", entry.keySpan) else { return }
        func subject(_ to: String) -> ModeSubject { .transition(mode: mode.name, from: from, to: to) }
        if case .mapping(let targets) = entry.value.value {
            for target in targets where checkName(target.key, "state", target.keySpan) {
                let label =
                    target.value.isNull
                    ? "" : reader.scalar(target.value, key: target.key, wants: "a label") ?? ""
                mode.transitions.append(StateTransition(from: from, to: target.key, label: label))
                spans[subject(target.key)] = target.keySpan
            }
            return
        }
        if case .scalar = entry.value.value, !entry.value.isNull {
            if let to = name(entry.value, from) {
                mode.transitions.append(StateTransition(from: from, to: to))
                spans[subject(to)] = entry.value.span
            }
            return
        }
        for node in reader.list(entry) ?? [] {
            guard let to = name(node, from) else { continue }
            guard spans[subject(to)] == nil else {
                reader.sink.add(node.span, "'\(to)' follows '\(from)' twice")
                continue
            }
            mode.transitions.append(StateTransition(from: from, to: to))
            spans[subject(to)] = node.span
        }
    }

    private mutating func readEvent(_ entry: YamlNode.Entry, from: String, _ mode: inout ModeSpec) {
        spans[.event(mode: mode.name, from: from, event: entry.key)] = entry.keySpan
        if case .scalar = entry.value.value {
            guard let to = name(entry.value, entry.key) else { return }
            mode.events.append(EventTransition(from: from, event: entry.key, to: to))
            return
        }
        let owner = "event '\(entry.key)'"
        guard let fields = reader.fields(entry.value, ModesKeys.event, of: owner, at: entry.keySpan),
            let target = fields["to"], let to = name(target.value, "to")
        else { return }
        mode.events.append(
            EventTransition(
                from: from,
                event: entry.key,
                to: to,
                goal: fields["goal"].flatMap { name($0.value, "goal") },
                isVerb: fields["verb"].flatMap { boolean($0) } ?? false
            )
        )
    }

    /// `deploying: [deploy]`, or `deleting: { do: [tear-down], then: clean }`.
    private mutating func readWork(_ entry: YamlNode.Entry, mode: String) -> StateWork? {
        guard checkName(entry.key, "state", entry.keySpan) else { return nil }
        spans[.work(mode: mode, state: entry.key)] = entry.keySpan
        guard case .mapping = entry.value.value else { return StateWork(state: entry.key, capabilities(entry)) }
        let owner = "the work of '\(entry.key)'"
        guard let fields = reader.fields(entry.value, ModesKeys.work, of: owner, at: entry.keySpan),
            let parts = fields["do"]
        else { return nil }
        let then = fields["then"].flatMap { reader.scalar($0.value, key: "then", wants: "an event") }
        return StateWork(state: entry.key, capabilities(parts), then: then)
    }

    private mutating func capabilities(_ entry: YamlNode.Entry) -> [Capability] {
        let words = Capability.allCases.map(\.rawValue)
        return (reader.list(entry) ?? []).compactMap { node in
            reader.choice(node, key: entry.key, words).flatMap { Capability(rawValue: $0) }
        }
    }

    /// `MINIMAL: SHUTDOWN`, `{ state: SHUTDOWN, label: … }`, or a list of such.
    private mutating func readMoves(_ entry: YamlNode.Entry, from state: String, mode: String) {
        let landings: [YamlNode] = if case .sequence(let nodes) = entry.value.value { nodes } else { [entry.value] }
        for node in landings {
            var landing: String?
            var label = ""
            if case .mapping = node.value {
                let owner = "the move to '\(entry.key)'"
                guard let fields = reader.fields(node, ModesKeys.landing, of: owner) else { continue }
                landing = fields["state"].flatMap { name($0.value, "state") }
                label = fields["label"].flatMap { reader.scalar($0.value, key: "label", wants: "a label") } ?? ""
            } else {
                landing = name(node, entry.key)
            }
            guard let landing else { continue }
            set.moves.append(
                ModeMove(mode: mode, state: state, toMode: entry.key, toState: landing, label: label)
            )
            spans[.move(mode: mode, state: state, toMode: entry.key, toState: landing)] = node.span
        }
    }

    // MARK: Commands and nodes

    private mutating func readCommand(_ entry: YamlNode.Entry) {
        let owner = "command '\(entry.key)'"
        spans[.command(entry.key)] = entry.keySpan
        guard checkName(entry.key, "command", entry.keySpan),
            let fields = reader.fields(entry.value, ModesKeys.command, of: owner, at: entry.keySpan)
        else { return }
        var command = CommandSpec(name: entry.key, rungs: [])
        command.expect = fields["expect"].map { names($0) } ?? []
        command.leavesDown = fields["leaves-down"].flatMap { boolean($0) } ?? false
        guard let list = fields["rungs"], let nodes = reader.list(list) else { return }
        if nodes.isEmpty { reader.sink.add(list.value.span, "\(owner) needs one rung at least") }
        for node in nodes { if let rung = readRung(node) { command.rungs.append(rung) } }
        set.commands.append(command)
    }

    /// `soft`, or `soft: { within: 30s, attempts: 2 }`.
    private mutating func readRung(_ node: YamlNode) -> RungSpec? {
        let words = Rung.allCases.map(\.rawValue)
        guard case .mapping(let entries) = node.value else {
            return reader.choice(node, key: "rungs", words).flatMap(Rung.init).map { RungSpec($0) }
        }
        guard entries.count == 1, let entry = entries.first else {
            let hint = "begin each with '- ', as in '- soft: { within: 30s }'"
            reader.sink.add(node.span, "a rung is a mapping with one key, its way", hint: hint)
            return nil
        }
        guard let way = Rung(rawValue: entry.key) else {
            let hint = reader.sink.suggestion(for: entry.key, among: words)
            reader.sink.add(entry.keySpan, "a rung is one of \(words.joined(separator: ", "))", hint: hint)
            return nil
        }
        guard let fields = reader.fields(entry.value, ModesKeys.rung, of: "rung '\(way.rawValue)'", at: entry.keySpan)
        else { return nil }
        return RungSpec(
            way,
            within: fields["within"].flatMap { reader.duration($0, example: "30s") },
            attempts: fields["attempts"].flatMap { reader.integer($0, 1...ModesKeys.attemptsMax) } ?? 1,
            from: fields["from"].map { names($0) } ?? [],
            expect: fields["expect"].map { names($0) } ?? []
        )
    }

    /// Triggers of one node: below `STATE` for any mode, below `MODE/STATE` for one.
    private mutating func readNode(_ entry: YamlNode.Entry) {
        let owner = "node '\(entry.key)'"
        guard let fields = reader.fields(entry.value, ModesKeys.node, of: owner, at: entry.keySpan),
            let triggers = fields["triggers"]
        else { return }
        for trigger in reader.named(triggers, "triggers") ?? [] {
            let parts = trigger.key.split(separator: "/", maxSplits: 1).map(String.init)
            let mode = parts.count == 2 && parts[0] != "*" ? parts[0] : nil
            let state = parts.last ?? ""
            guard checkName(state, "state", trigger.keySpan), let actions = texts(trigger) else { continue }
            let spec = StateTriggers(state: state, actions: actions)
            set.nodeTriggers.append(NodeTriggers(node: entry.key, mode: mode, triggers: spec))
            spans[.nodeTrigger(node: entry.key, mode: mode, state: state)] = trigger.keySpan
        }
    }
}
