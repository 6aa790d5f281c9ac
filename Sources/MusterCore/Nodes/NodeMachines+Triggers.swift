/// What a trigger may have a node do, and what the machine does of it itself.
package enum TriggerAction {
    /// Names that the machine or its conductor understands. `SCRIPT:` and `STATE:` take something behind the colon.
    package static let names = [
        "RESET", "PXEBOOT", "BOOTING", "ISUP", "CHECKGENISUP", "CHECKPORTREG", "SECUREBOOT", "PXERESET", "RELOADDONE",
        "RELOADDONEV2", "RELOADOLDMFS", "REBOOT", "POWERCYCLE", "POWERON", "POWEROFF", "EMAILNOTIFY", "NOTIFY",
    ]
    package static let prefixes = [script, "STATE:"]
    package static let script = "SCRIPT:"

    package static func isKnown(_ action: String) -> Bool {
        names.contains(action) || prefixes.contains { action.hasPrefix($0) && action.utf8.count > $0.utf8.count }
    }
}

extension NodeMachines {
    /// The node's own triggers come first, those for its mode before those for any; then the table's. An empty list of
    /// the node keeps the table's from running.
    mutating func runTriggers(_ i: Int, cameFrom from: StateID, _ now: Timestamp, _ sink: inout NodeSink) {
        let (mode, state) = (nodes[i].mode, nodes[i].state)
        if state == from, !table.triggersOnReentry(mode) { return }
        let own = takeOwnTriggers(i)
        for action in own.actions { run(action, i, cameFrom: from, now, &sink) }
        guard !own.suppresses else { return }
        for action in table.triggers(mode, state) { run(action, i, cameFrom: from, now, &sink) }
    }

    /// The node's own triggers for where it is now. Those for once are used up.
    private mutating func takeOwnTriggers(_ i: Int) -> (actions: [String], suppresses: Bool) {
        guard let all = ownTriggers[nodes[i].id] else { return ([], false) }
        let (mode, state) = (table.name(of: nodes[i].mode), table.name(of: nodes[i].state))
        let here =
            all.filter { $0.state == state && $0.mode == mode }
            + all.filter { $0.state == state && $0.mode == nil }
        guard !here.isEmpty else { return ([], false) }
        let left = all.filter { !($0.isOnce && $0.state == state && ($0.mode == nil || $0.mode == mode)) }
        ownTriggers[nodes[i].id] = left.isEmpty ? nil : left
        return (here.flatMap(\.actions), here.contains { $0.actions.isEmpty })
    }

    private mutating func run(
        _ action: String,
        _ i: Int,
        cameFrom from: StateID,
        _ now: Timestamp,
        _ sink: inout NodeSink
    ) {
        let node = nodes[i].id
        sink.note(.triggered(action), node, now)
        switch action {
        case "RESET": reset(i)
        case "PXEBOOT" where table.netbootMode != nil:
            if let mode = table.netbootMode { move(i, to: mode, isForced: true, now, &sink) }
        case "BOOTING": boot(i, cameFrom: from, now, &sink)
        case "CHECKGENISUP": checkUp(i, now, &sink)
        case "ISUP": queueReport("ISUP", i, now, &sink)
        case "REBOOT", "POWERCYCLE", "POWERON", "POWEROFF":
            if table.command(action) == nil {
                hand(over: action, i, &sink)
            } else {
                _ = command(i, action, from: nil, by: .system, now, &sink)
            }
        case "EMAILNOTIFY", "NOTIFY":
            let text = "it is in \(table.name(of: nodes[i].mode))/\(table.name(of: nodes[i].state))"
            note(i, text, now, &sink)
        case _ where action.hasPrefix("STATE:"):
            queueReport(String(action.dropFirst("STATE:".count)), i, now, &sink)
        default: hand(over: action, i, &sink)
        }
    }

    private func hand(over action: String, _ i: Int, _ sink: inout NodeSink) {
        let (mode, state) = (table.name(of: nodes[i].mode), table.name(of: nodes[i].state))
        sink.directives.append(.run(action, node: nodes[i].id, mode: mode, state: state))
    }

    private mutating func queueReport(_ name: String, _ i: Int, _ now: Timestamp, _ sink: inout NodeSink) {
        if let state = table.state(name) {
            reports.append(state)
        } else {
            sink.note(.unknownState(name), nodes[i].id, now)
        }
    }

    /// The node has come up: what went wrong before does not count any more.
    private mutating func reset(_ i: Int) {
        nodes[i].flags = []
        nodes[i].timeouts = 0
        nodes[i].notices = 0
        nodes[i].repairs = 0
    }

    /// The node boots: out of the network boot's mode into that of what it boots.
    private mutating func boot(_ i: Int, cameFrom from: StateID, _ now: Timestamp, _ sink: inout NodeSink) {
        guard let expected = nodes[i].bootMode, expected != nodes[i].mode else { return }
        let mode = nodes[i].mode
        if mode == table.netbootMode || table.isForced(expected) {
            move(i, to: expected, isForced: true, now, &sink)
        } else if let next = nodes[i].nextMode, table.isReady(mode, from) {
            // It has rebooted on its own while another mode was due.
            nodes[i].nextMode = nil
            move(i, to: next, isForced: false, now, &sink)
        } else {
            sink.note(
                .wrongMode(table.name(of: mode), expected: table.name(of: expected)),
                nodes[i].id,
                now
            )
        }
    }

    private func checkUp(_ i: Int, _ now: Timestamp, _ sink: inout NodeSink) {
        let node = nodes[i].id
        if nodes[i].features.contains(.reportsUp) {
            sink.note(.upCheck(.none), node, now)
        } else if nodes[i].features.contains(.answersPing) {
            sink.note(.upCheck(.ping), node, now)
            sink.directives.append(.pingUntilUp(node: node))
        } else {
            sink.note(.upCheck(.now), node, now)
            sink.directives.append(.report(node: node, state: "ISUP"))
        }
    }
}
