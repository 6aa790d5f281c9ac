package import MusterCore

/// Writes a mode table as a file that reads back as the same table.
package enum ModesWriter {
    package static func write(_ set: ModeSet, comment: String = "") -> String {
        var text = comment.isEmpty ? "" : comment.split(separator: "\n").map { "# \($0)\n" }.joined()
        text += "muster-modes: 1\n"
        if let mode = set.netbootMode { text += "netboot-mode: \(quoted(mode))\n" }
        if !set.forcedModes.isEmpty { text += "forced-modes: \(list(set.forcedModes))\n" }
        if let repairs = set.repairs { text += "repairs: \(repairs)\n" }
        if let what = set.unaskedShutdown { text += "unasked-shutdown: \(what.rawValue)\n" }
        let defaults = rules(set.defaults, "  ")
        if !defaults.isEmpty { text += "defaults:\n" + defaults }
        if !set.modes.isEmpty { text += "modes:\n" }
        for mode in set.modes { text += write(mode, set.moves.filter { $0.mode == mode.name }) }
        if !set.commands.isEmpty { text += "commands:\n" }
        for command in set.commands { text += write(command) }
        if !set.nodeTriggers.isEmpty { text += "nodes:\n" }
        var nodes: [String] = []
        for trigger in set.nodeTriggers where !nodes.contains(trigger.node) { nodes.append(trigger.node) }
        for node in nodes {
            text += "  \(quoted(node)):\n    triggers:\n"
            for trigger in set.nodeTriggers where trigger.node == node {
                let place = (trigger.mode.map { $0 + "/" } ?? "") + trigger.triggers.state
                text += "      \(quoted(place)): \(list(trigger.triggers.actions))\n"
            }
        }
        return text
    }

    private static func write(_ mode: ModeSpec, _ moves: [ModeMove]) -> String {
        var body = rules(mode.rules, "    ")
        if !mode.states.isEmpty { body += "    states: \(list(mode.states))\n" }
        if !mode.stable.isEmpty { body += "    stable: \(list(mode.stable))\n" }
        if !mode.stuck.isEmpty { body += "    stuck: \(list(mode.stuck))\n" }
        if let work = mode.work, !work.isEmpty {
            body += "    work:\n"
            for part in work {
                let list = list(part.capabilities.map(\.rawValue))
                let value = part.then.map { "{ do: \(list), then: \(quoted($0)) }" } ?? list
                body += "      \(quoted(part.state)): \(value)\n"
            }
        }
        if !mode.transitions.isEmpty { body += "    transitions:\n" }
        for (from, targets) in grouped(mode.transitions, by: \.from) {
            let isBare = targets.allSatisfy(\.label.isEmpty)
            let items = targets.map { isBare ? quoted($0.to) : "\(quoted($0.to)): \(quoted($0.label))" }
            body += flow("      \(quoted(from)): ", items, isBare ? ("[", "]") : ("{ ", " }"))
        }
        if !mode.events.isEmpty { body += "    events:\n" }
        for (from, events) in grouped(mode.events, by: \.from) {
            body += "      \(quoted(from)):\n"
            for event in events {
                var value = quoted(event.to)
                if event.goal != nil || event.isVerb {
                    value =
                        "{ to: \(value)" + (event.goal.map { ", goal: \(quoted($0))" } ?? "")
                        + (event.isVerb ? ", verb: true }" : " }")
                }
                body += "        \(quoted(event.event)): \(value)\n"
            }
        }
        if !moves.isEmpty { body += "    moves:\n" }
        for (state, targets) in grouped(moves, by: \.state) {
            body += "      \(quoted(state)):\n"
            for (mode, landings) in grouped(targets, by: \.toMode) {
                let items = landings.map { landing in
                    landing.label.isEmpty
                        ? quoted(landing.toState)
                        : "{ state: \(quoted(landing.toState)), label: \(quoted(landing.label)) }"
                }
                let value = items.count == 1 ? items[0] : "[\(items.joined(separator: ", "))]"
                body += "        \(quoted(mode)): \(value)\n"
            }
        }
        return "  \(quoted(mode.name)):\n" + body
    }

    private static func rules(_ rules: ModeRules, _ indent: String) -> String {
        var text = ""
        switch rules.invalid {
        case nil: break
        case .acceptAndReport: text += "\(indent)invalid: accept-and-report\n"
        case .reject: text += "\(indent)invalid: reject\n"
        case .coerce(let state): text += "\(indent)invalid: { coerce: \(quoted(state)) }\n"
        }
        if let reentry = rules.triggersOnReentry { text += "\(indent)triggers-on-reentry: \(reentry)\n" }
        if let ready = rules.ready { text += "\(indent)ready: \(list(ready))\n" }
        if let failed = rules.failed { text += "\(indent)failed: \(list(failed))\n" }
        if let from = rules.rebootFrom { text += "\(indent)reboot-from: \(list(from))\n" }
        if !rules.timeouts.isEmpty { text += "\(indent)timeouts:\n" }
        for timeout in rules.timeouts { text += "\(indent)  \(quoted(timeout.state)): \(value(timeout))\n" }
        if !rules.triggers.isEmpty { text += "\(indent)triggers:\n" }
        for triggers in rules.triggers { text += "\(indent)  \(quoted(triggers.state)): \(list(triggers.actions))\n" }
        if !rules.sticky.isEmpty { text += "\(indent)sticky:\n" }
        for sticky in rules.sticky { text += "\(indent)  \(quoted(sticky.state)): \(list(sticky.leaves))\n" }
        return text
    }

    private static func value(_ timeout: StateTimeout) -> String {
        guard let after = timeout.after else { return "none" }
        let action =
            switch timeout.action {
            case .notify: "do: notify"
            case .reboot(let rungs) where rungs.isEmpty: "do: reboot"
            case .reboot(let rungs): "do: reboot, by: \(list(rungs.map(\.rawValue)))"
            case .state(let state): "state: \(quoted(state))"
            case .retryCommand: "do: retry-command"
            }
        return "{ after: \(DurationText.format(after)), \(action) }"
    }

    private static func write(_ command: CommandSpec) -> String {
        var text = "  \(quoted(command.name)):\n"
        if !command.expect.isEmpty { text += "    expect: \(list(command.expect))\n" }
        if command.leavesDown { text += "    leaves-down: true\n" }
        text += "    rungs:\n"
        for rung in command.rungs {
            var parts: [String] = []
            if let within = rung.within { parts.append("within: \(DurationText.format(within))") }
            if rung.attempts != 1 { parts.append("attempts: \(rung.attempts)") }
            if !rung.from.isEmpty { parts.append("from: \(list(rung.from))") }
            if !rung.expect.isEmpty { parts.append("expect: \(list(rung.expect))") }
            text +=
                "      - \(rung.rung.rawValue)" + (parts.isEmpty ? "\n" : ": { \(parts.joined(separator: ", ")) }\n")
        }
        return text
    }

    // MARK: Texts

    /// Items of a key, on one line where they fit.
    private static func flow(_ head: String, _ items: [String], _ brackets: (String, String)) -> String {
        let line = head + brackets.0 + items.joined(separator: ", ") + brackets.1
        guard line.count > 110 else { return line + "\n" }
        let indent = String(repeating: " ", count: head.prefix { $0 == " " }.count + 2)
        let first = brackets.0.prefix(1)
        let last = brackets.1.suffix(1)
        return "\(head)\(first)\n" + items.map { indent + $0 }.joined(separator: ",\n") + "\n"
            + indent.dropLast(2) + "\(last)\n"
    }

    private static func list(_ texts: [String]) -> String { "[" + texts.map(quoted).joined(separator: ", ") + "]" }

    private static func grouped<Item, Key: Hashable>(_ items: [Item], by key: (Item) -> Key) -> [(Key, [Item])] {
        var order: [Key] = []
        var groups: [Key: [Item]] = [:]
        for item in items {
            if groups[key(item)] == nil { order.append(key(item)) }
            groups[key(item), default: []].append(item)
        }
        return order.map { ($0, groups[$0] ?? []) }
    }

    /// A text as YAML reads it back, in quotes where it would be taken for something else.
    static func quoted(_ text: String) -> String {
        let words: Set = ["true", "false", "yes", "no", "on", "off", "null", "y", "n", "none", "~"]
        let isPlain =
            text.first.map { $0.isASCII && $0.isLetter } ?? false
            && text.last != " "
            && text.utf8.allSatisfy { byte in
                (byte >= 0x30 && byte <= 0x39) || (byte >= 0x41 && byte <= 0x5A) || (byte >= 0x61 && byte <= 0x7A)
                    || byte == 0x20 || byte == 0x2D || byte == 0x2E || byte == 0x5F || byte == 0x2F
            }
        if isPlain, !words.contains(text.lowercased()) { return text }
        var result = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": result += "\\\""
            case "\\": result += "\\\\"
            case "\n": result += "\\n"
            case "\t": result += "\\t"
            case _ where scalar.value < 0x20 || scalar.value == 0x7F:
                let hex = String(scalar.value, radix: 16)
                result += "\\x" + (hex.count < 2 ? "0" : "") + hex
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result + "\""
    }
}
