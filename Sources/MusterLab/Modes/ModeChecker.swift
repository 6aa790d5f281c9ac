internal import MusterCore

/// What is wrong or odd with a mode table.
package struct ModeFinding: Hashable, Sendable {
    package enum Code: String, Hashable, Sendable, CaseIterable {
        case ambiguousMove = "ambiguous_mode_transition"
        case moveUnknownMode = "modetrans_unknown_mode"
        case moveUnknownState = "modetrans_unknown_state"
        case sink = "sink_state"
        case sourceOnly = "source_only_state"
        case timeoutTarget = "timeout_target_not_a_valid_transition"
        case timeoutUnknownMode = "timeout_unknown_mode"
        case timeoutUnknownState = "timeout_unknown_state"
        case triggerUnknownState = "trigger_unknown_state"
        case triggerUnknownAction = "trigger_unknown_action"
        case triggerCircle = "trigger_circle"
        case unknownState = "unknown_state"
        case unknownMode = "unknown_mode"
        case commandMissing = "command_missing"
        case workLeadsNowhere = "work_leads_nowhere"

        /// What is an error cannot be meant; the rest may be.
        package var severity: Diagnostic.Severity {
            switch self {
            case .ambiguousMove, .moveUnknownMode, .moveUnknownState, .timeoutTarget, .timeoutUnknownMode,
                .timeoutUnknownState, .triggerUnknownAction, .triggerCircle, .unknownState, .unknownMode,
                .commandMissing, .workLeadsNowhere:
                .error
            case .sink, .sourceOnly, .triggerUnknownState: .warning
            }
        }
    }

    package var code: Code
    package var mode: String
    package var state: String
    /// What else belongs to it: the mode of a move, its landing states, the action of a trigger.
    package var details: [String]
    package var diagnostic: Diagnostic
}

/// Reads a mode table as its author should have.
package struct ModeChecker {
    private let source: ModeSource
    private let set: ModeSet
    private let table: ModeTable
    private let known: [String: [String]]
    private var findings: [ModeFinding] = []
    private var comparisonsLeft = 100_000

    private init(_ source: ModeSource) {
        self.source = source
        set = source.set
        table = ModeTable(source.set)
        known = Dictionary(set.modes.map { ($0.name, $0.knownStates) }, uniquingKeysWith: { first, _ in first })
    }

    /// Everything there is to find, in the order of the table.
    package static func findings(in source: ModeSource) -> [ModeFinding] {
        var checker = ModeChecker(source)
        for mode in checker.set.modes { checker.check(mode) }
        checker.checkRules(checker.set.defaults, mode: nil)
        checker.checkMoves()
        checker.checkRest()
        return checker.findings
    }

    private mutating func find(
        _ code: ModeFinding.Code,
        at subject: ModeSubject,
        _ mode: String,
        _ state: String = "",
        _ details: [String] = [],
        _ message: String,
        hint: String = ""
    ) {
        let diagnostic = source.diagnostic(code.severity, at: subject, message, hint: hint)
        findings.append(
            ModeFinding(code: code, mode: mode, state: state, details: details, diagnostic: diagnostic)
        )
    }

    private mutating func suggestion(_ word: String, _ candidates: [String]) -> String {
        let nearest = Nearest.word(to: word, among: candidates, comparisonsLeft: &comparisonsLeft)
        return nearest.map { "did you mean '\($0)'?" } ?? ""
    }

    // MARK: Modes

    private mutating func check(_ mode: ModeSpec) {
        let name = mode.name
        checkRules(mode.rules, mode: mode)
        for (key, states) in [("stable", mode.stable), ("stuck", mode.stuck)] {
            for state in states where known[name]?.contains(state) != true {
                unknown(state, in: mode, at: .rule(mode: name, key), "'\(key)'")
            }
        }
        for work in mode.work ?? [] {
            let subject = ModeSubject.work(mode: name, state: work.state)
            guard known[name]?.contains(work.state) == true else {
                unknown(work.state, in: mode, at: subject, "'work'")
                continue
            }
            let events = mode.events.filter { $0.from == work.state }.map(\.event)
            guard !events.contains(work.successEvent) else { continue }
            let message = "the work of '\(work.state)' ends with '\(work.successEvent)', which leads nowhere from there"
            let hint = events.isEmpty ? "" : "possible there: \(events.joined(separator: ", "))"
            find(.workLeadsNowhere, at: subject, name, work.state, message, hint: hint)
        }
        let sources = Set(mode.transitions.map(\.from))
        let targets = Set(mode.transitions.map(\.to))
        var seen: Set<String> = []
        for transition in mode.transitions where seen.insert(transition.to).inserted {
            let state = transition.to
            guard !sources.contains(state) else { continue }
            let subject = ModeSubject.transition(mode: name, from: transition.from, to: state)
            find(.sink, at: subject, name, state, "nothing leads out of \(name)/\(state)")
        }
        for transition in mode.transitions where transition.from != StateTransition.any {
            let state = transition.from
            guard !targets.contains(state), seen.insert(state).inserted else { continue }
            let subject = ModeSubject.transition(mode: name, from: state, to: transition.to)
            find(.sourceOnly, at: subject, name, state, "nothing leads to \(name)/\(state)")
        }
    }

    private mutating func find(
        _ code: ModeFinding.Code,
        at subject: ModeSubject,
        _ mode: String,
        _ state: String,
        _ message: String,
        hint: String = ""
    ) {
        find(code, at: subject, mode, state, [], message, hint: hint)
    }

    private mutating func unknown(_ state: String, in mode: ModeSpec?, at subject: ModeSubject, _ what: String) {
        let states = mode.map { known[$0.name] ?? [] } ?? set.modes.flatMap(\.knownStates)
        let place = mode.map { "mode \($0.name)" } ?? "no mode"
        let message =
            mode == nil ? "\(what) names '\(state)', which \(place) has" : "\(what): \(place) has no '\(state)'"
        find(.unknownState, at: subject, mode?.name ?? "", state, message, hint: suggestion(state, states))
    }

    // MARK: Rules

    /// - Parameter mode: nil for the rules of all modes, whose states must be those of one at least.
    private mutating func checkRules(_ rules: ModeRules, mode: ModeSpec?) {
        let name = mode?.name
        let states = Set(mode.map { known[$0.name] ?? [] } ?? set.modes.flatMap(\.knownStates))
        for (key, names) in [
            ("ready", rules.ready), ("failed", rules.failed), ("reboot-from", rules.rebootFrom),
            ("invalid", rules.invalid?.coercedState.map { [$0] }),
        ] {
            for state in names ?? [] where !states.contains(state) {
                unknown(state, in: mode, at: .rule(mode: name, key), "'\(key)'")
            }
        }
        for sticky in rules.sticky {
            for state in [sticky.state] + sticky.leaves where !states.contains(state) {
                // A state that is left to may be one of another mode.
                guard state == sticky.state || !set.modes.contains(where: { known[$0.name]!.contains(state) }) else {
                    continue
                }
                unknown(state, in: mode, at: .sticky(mode: name, state: sticky.state), "'sticky'")
            }
        }
        for timeout in rules.timeouts { check(timeout, mode, states) }
        for triggers in rules.triggers {
            let subject = ModeSubject.trigger(mode: name, state: triggers.state)
            if !states.contains(triggers.state), let mode {
                let actions = triggers.actions.joined(separator: ", ")
                let message =
                    "\(actions.isEmpty ? "an empty list" : actions) waits for '\(triggers.state)', which mode \(mode.name) does not have"
                let hint = "right where it catches a node that leaves its way"
                find(.triggerUnknownState, at: subject, mode.name, triggers.state, [actions], message, hint: hint)
            }
            checkActions(triggers, at: subject, mode: name ?? "*")
        }
    }

    private mutating func check(_ timeout: StateTimeout, _ mode: ModeSpec?, _ states: Set<String>) {
        let subject = ModeSubject.timeout(mode: mode?.name, state: timeout.state)
        if let mode, states.isEmpty {
            let message = "a timeout for mode '\(mode.name)', which has no transitions"
            let hint = suggestion(mode.name, set.modes.filter { !$0.transitions.isEmpty }.map(\.name))
            return find(.timeoutUnknownMode, at: subject, mode.name, timeout.state, message, hint: hint)
        }
        guard states.contains(timeout.state) else {
            let place = mode.map { "mode \($0.name) does not have" } ?? "no mode has"
            let message = "a timeout for '\(timeout.state)', which \(place)"
            let hint = suggestion(timeout.state, states.sorted())
            return find(.timeoutUnknownState, at: subject, mode?.name ?? "*", timeout.state, message, hint: hint)
        }
        if case .reboot(let rungs) = timeout.action, rungs.isEmpty, timeout.after != nil,
            table.command("reboot") == nil
        {
            let message = "the timeout of '\(timeout.state)' reboots, but there is no command 'reboot'"
            find(.commandMissing, at: subject, mode?.name ?? "*", timeout.state, message, hint: "add it to 'commands'")
        }
        guard case .state(let target) = timeout.action, let mode, let id = table.mode(mode.name),
            let from = table.state(timeout.state), let to = table.state(target)
        else { return }
        guard !table.isLegal(id, from: from, to: to) else { return }
        let message = "the timeout of \(mode.name)/\(timeout.state) leads to '\(target)', which no transition does"
        let hint = "add it to 'transitions'"
        find(.timeoutTarget, at: subject, mode.name, timeout.state, [target], message, hint: hint)
    }

    private mutating func checkActions(_ triggers: StateTriggers, at subject: ModeSubject, mode: String) {
        for action in triggers.actions {
            if !TriggerAction.isKnown(action) {
                let hint = suggestion(action, TriggerAction.names)
                let others = "known are \(TriggerAction.names.joined(separator: ", ")), SCRIPT:<path> and STATE:<state>"
                let message = "there is no trigger '\(action)'"
                find(
                    .triggerUnknownAction,
                    at: subject,
                    mode,
                    triggers.state,
                    [action],
                    message,
                    hint: hint.isEmpty ? others : hint
                )
            }
            let reported = action == "ISUP" ? "ISUP" : action.hasPrefix("STATE:") ? String(action.dropFirst(6)) : nil
            guard let reported else { continue }
            if table.state(reported) == nil {
                find(
                    .unknownState,
                    at: subject,
                    mode,
                    reported,
                    "the trigger '\(action)' reports '\(reported)', which no mode has",
                    hint: suggestion(reported, table.states)
                )
            } else if reported == triggers.state {
                let message = "'\(action)' reports the state that triggers it"
                find(.triggerCircle, at: subject, mode, triggers.state, [action], message)
            }
        }
    }

    // MARK: Moves and the rest

    private mutating func checkMoves() {
        var landings: [[String]: [String]] = [:]
        for move in set.moves { landings[[move.mode, move.state, move.toMode], default: []].append(move.toState) }
        var told: Set<[String]> = []
        for move in set.moves {
            let subject = ModeSubject.move(
                mode: move.mode,
                state: move.state,
                toMode: move.toMode,
                toState: move.toState
            )
            let text = "\(move.mode)/\(move.state)->\(move.toMode)/\(move.toState)"
            for (mode, state) in [(move.mode, move.state), (move.toMode, move.toState)] {
                guard let states = known[mode], !states.isEmpty else {
                    let hint = suggestion(mode, set.modes.map(\.name))
                    find(.moveUnknownMode, at: subject, mode, state, [text], "there is no mode '\(mode)'", hint: hint)
                    continue
                }
                guard !states.contains(state) else { continue }
                let message = "mode \(mode) has no '\(state)', in the move \(text)"
                let hint = suggestion(state, states)
                find(.moveUnknownState, at: subject, mode, state, ["in \(text)"], message, hint: hint)
            }
            let key = [move.mode, move.state, move.toMode]
            guard let states = landings[key], states.count > 1, told.insert(key).inserted else { continue }
            let message =
                "\(move.mode)/\(move.state) leads to mode \(move.toMode) in \(states.sorted().joined(separator: " and in ")); it cannot be both"
            find(.ambiguousMove, at: subject, move.mode, move.state, [move.toMode] + states.sorted(), message)
        }
    }

    private mutating func checkRest() {
        let modes = set.modes.map(\.name)
        for (key, names) in [("netboot-mode", set.netbootMode.map { [$0] } ?? []), ("forced-modes", set.forcedModes)] {
            for name in names where known[name] == nil {
                find(
                    .unknownMode,
                    at: .setting(key),
                    name,
                    "'\(key)' names the mode '\(name)', which there is not",
                    hint: suggestion(name, modes)
                )
            }
        }
        let states = set.modes.flatMap(\.knownStates)
        for command in set.commands {
            let named = command.expect + command.rungs.flatMap { $0.from + $0.expect }
            for state in Set(named).subtracting(states).sorted()
            where command.rungs.contains(where: { $0.within != nil }) {
                unknown(state, in: nil, at: .command(command.name), "command '\(command.name)'")
            }
        }
        for trigger in set.nodeTriggers {
            let subject = ModeSubject.nodeTrigger(node: trigger.node, mode: trigger.mode, state: trigger.triggers.state)
            checkActions(trigger.triggers, at: subject, mode: trigger.mode ?? "*")
            if let mode = trigger.mode, known[mode] == nil {
                let message = "node \(trigger.node) has triggers in mode '\(mode)', which there is not"
                find(.unknownMode, at: subject, mode, message, hint: suggestion(mode, modes))
            } else if !states.contains(trigger.triggers.state) {
                unknown(trigger.triggers.state, in: nil, at: subject, "node \(trigger.node)")
            }
        }
    }

    private mutating func find(
        _ code: ModeFinding.Code,
        at subject: ModeSubject,
        _ mode: String,
        _ message: String,
        hint: String
    ) {
        find(code, at: subject, mode, "", [], message, hint: hint)
    }
}
