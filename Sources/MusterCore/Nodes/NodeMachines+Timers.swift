// Timers of states and of commands. Each node has at most one of either kind, and neither disturbs the other.

extension NodeMachines {
    /// Handles what is due at `now`, at most `limit` of it, in the order of the deadlines; says how much that was.
    @discardableResult
    package mutating func advance(to now: Timestamp, limit: Int = .max, into sink: inout NodeSink) -> Int {
        var count = 0
        while count < limit, let due = timers.takeDue(at: now) {
            count += 1
            guard let place = places[due.key.node] else { continue }
            let i = Int(place)
            if due.key.isCommand {
                commandIsDue(i, at: due.at, now, &sink)
            } else {
                stateIsDue(i, at: due.at, now, &sink)
            }
            finish(i, now, &sink)
        }
        return count
    }

    // MARK: States

    /// Sets the timer of the node's state, in place of the one before.
    mutating func arm(_ i: Int, _ now: Timestamp) {
        if let timeout = table.timeout(nodes[i].mode, nodes[i].state) {
            arm(i, now, timeout)
        } else if nodes[i].deadline != nil {
            timers.clear(TimerKey(node: nodes[i].id, isCommand: false))
            nodes[i].deadline = nil
        }
    }

    mutating func arm(_ i: Int, _ from: Timestamp, _ timeout: ModeTable.Timeout) {
        let at = from + timeout.after
        let order = timers.set(TimerKey(node: nodes[i].id, isCommand: false), at: at)
        nodes[i].deadline = NodeDeadline(at: at, order: order)
    }

    /// A node was on its way while nobody looked: when the time that it may be in its state is over, it begins again.
    mutating func beginOverdueStateAnew(_ node: NodeID, now: Timestamp, into sink: inout NodeSink) {
        guard let place = places[node], let deadline = nodes[Int(place)].deadline, deadline.at <= now else { return }
        arm(Int(place), now)
        finish(Int(place), now, &sink)
    }

    private mutating func stateIsDue(_ i: Int, at: Timestamp, _ now: Timestamp, _ sink: inout NodeSink) {
        nodes[i].deadline = nil
        let (mode, state) = (nodes[i].mode, nodes[i].state)
        guard let timeout = table.timeout(mode, state) else { return }
        guard now - at <= Self.outdatedAge else {
            sink.note(.outdated(state: table.name(of: state), age: now - at), nodes[i].id, now)
            arm(i, now)
            return
        }
        nodes[i].timeouts += 1
        sink.note(
            .timedOut(
                mode: table.name(of: mode),
                state: table.name(of: state),
                action: timeout.action,
                count: Int(nodes[i].timeouts)
            ),
            nodes[i].id,
            now
        )
        switch timeout.action {
        case .notify:
            note(i, "it has been \(table.name(of: state)) for \(timeout.after.shortText)", now, &sink)
        case .state(let name):
            if let next = table.state(name) { _ = report(i, next, now, &sink) }
        case .reboot(let rungs):
            repair(i, rungs, now, &sink)
        case .retryCommand:
            if commands[nodes[i].id] != nil { tryCommandAgain(i, now, &sink) }
            arm(i, now)
        }
    }

    /// Has a node that has stood still rebooted, so many times.
    private mutating func repair(_ i: Int, _ rungs: [Rung], _ now: Timestamp, _ sink: inout NodeSink) {
        let state = table.name(of: nodes[i].state)
        func leave(_ reason: String) { sink.note(.leftAlone(state: state, reason: reason), nodes[i].id, now) }
        if nodes[i].flags.contains(.isLeftDown) { return leave("somebody has taken it down") }
        if nodes[i].flags.contains(.givenUp) { return leave("it was given up") }
        nodes[i].repairs += 1
        guard Int(nodes[i].repairs) <= max(table.repairs, rungs.count) else {
            return giveUp(i, "it stands still in \(state) again, and rebooting it has not helped", now, &sink)
        }
        if rungs.isEmpty {
            if commands[nodes[i].id] != nil {
                leave("a command to it is still under way")
            } else {
                _ = command(i, "reboot", from: nil, by: .system, now, &sink)
            }
        } else {
            let attempt = Int(nodes[i].repairs)
            send("reboot", i, rungs[min(attempt, rungs.count) - 1], attempt: attempt, now, &sink)
        }
        arm(i, now)
    }

    /// All that can be done was done. Said once, until the node is up again.
    mutating func giveUp(_ i: Int, _ reason: String, _ now: Timestamp, _ sink: inout NodeSink) {
        clearCommand(i)
        nodes[i].flags.remove(.isRebooting)
        guard !nodes[i].flags.contains(.givenUp) else { return }
        nodes[i].flags.insert(.givenUp)
        sink.note(.gaveUp(reason), nodes[i].id, now)
    }

    // MARK: Commands

    /// Begins a command. Whether it was begun.
    mutating func command(
        _ i: Int,
        _ name: String,
        from rung: Rung?,
        by requester: Requester,
        _ now: Timestamp,
        _ sink: inout NodeSink
    ) -> Bool {
        let node = nodes[i].id
        guard let spec = table.command(name) else {
            sink.note(.commandRefused(name, reason: "the mode table has no command '\(name)'"), node, now)
            return false
        }
        switch requester {
        case .system where nodes[i].flags.contains(.givenUp):
            sink.note(.commandRefused(spec.name, reason: "it was given up"), node, now)
            return false
        case .system: break
        case .person:
            if commands[node]?.name == spec.name {
                sink.note(.commandRefused(spec.name, reason: "it is under way already"), node, now)
                return false
            }
            // A person knows better than what was tried before.
            nodes[i].flags.subtract([.givenUp, .isLeftDown])
            nodes[i].repairs = 0
        }
        let state = table.name(of: nodes[i].state)
        let asked = rung.flatMap { rung in spec.rungs.firstIndex { $0.rung == rung } }
        guard let first = asked ?? spec.firstRung(from: 0, in: state) else {
            sink.note(.commandRefused(spec.name, reason: "there is no way to do it in \(state)"), node, now)
            return false
        }
        clearCommand(i)
        nodes[i].flags.insert(.isRebooting)
        if spec.leavesDown {
            nodes[i].flags.remove(.isRebooting)
            if requester == .person { nodes[i].flags.insert(.isLeftDown) }
        }
        begin(spec, i, rung: first, attempt: 1, now, &sink)
        return true
    }

    private mutating func begin(
        _ spec: CommandSpec,
        _ i: Int,
        rung place: Int,
        attempt: Int,
        _ now: Timestamp,
        _ sink: inout NodeSink
    ) {
        let rung = spec.rungs[place]
        send(spec.name, i, rung.rung, attempt: attempt, now, &sink)
        guard let within = rung.within else {
            commands[nodes[i].id] = nil
            return
        }
        let at = now + within
        let order = timers.set(TimerKey(node: nodes[i].id, isCommand: true), at: at)
        commands[nodes[i].id] = PendingCommand(
            name: spec.name,
            rung: place,
            attempt: attempt,
            deadline: NodeDeadline(at: at, order: order)
        )
    }

    private func send(
        _ name: String,
        _ i: Int,
        _ rung: Rung,
        attempt: Int,
        _ now: Timestamp,
        _ sink: inout NodeSink
    ) {
        sink.note(.commandSent(name, rung: rung, attempt: attempt), nodes[i].id, now)
        sink.directives.append(.command(name, node: nodes[i].id, rung: rung, attempt: attempt))
    }

    /// Nobody waits for the command any more. What it has begun at the node goes on, so that is still known to be on
    /// its way.
    mutating func withdrawCommand(_ i: Int) { clearCommand(i) }

    private mutating func clearCommand(_ i: Int) {
        guard commands.removeValue(forKey: nodes[i].id) != nil else { return }
        timers.clear(TimerKey(node: nodes[i].id, isCommand: true))
    }

    /// Whether the state that the node is in now is what its command was to bring about.
    mutating func lookAtCommand(_ i: Int, _ now: Timestamp, _ sink: inout NodeSink) {
        guard let pending = commands[nodes[i].id] else { return }
        let state = table.name(of: nodes[i].state)
        let spec = table.command(pending.name)
        let rung = spec.flatMap { $0.rungs.indices.contains(pending.rung) ? $0.rungs[pending.rung] : nil }
        let expected = rung.map { $0.expect.isEmpty ? spec?.expect ?? [] : $0.expect } ?? []
        guard expected.contains(state) else {
            sink.note(.commandUnexpected(pending.name, state: state), nodes[i].id, now)
            return
        }
        clearCommand(i)
        sink.note(.commandObeyed(pending.name, state: state), nodes[i].id, now)
    }

    private mutating func commandIsDue(_ i: Int, at: Timestamp, _ now: Timestamp, _ sink: inout NodeSink) {
        guard var pending = commands[nodes[i].id] else { return }
        guard now - at > Self.outdatedAge else { return tryCommandAgain(i, now, &sink) }
        sink.note(.outdated(state: pending.name, age: now - at), nodes[i].id, now)
        guard let spec = table.command(pending.name), spec.rungs.indices.contains(pending.rung),
            let within = spec.rungs[pending.rung].within
        else { return clearCommand(i) }
        pending.deadline.at = now + within
        pending.deadline.order = timers.set(TimerKey(node: nodes[i].id, isCommand: true), at: pending.deadline.at)
        commands[nodes[i].id] = pending
    }

    /// Whether it was the command under way that could not be sent.
    mutating func commandFailed(
        _ i: Int,
        _ rung: Rung,
        attempt: Int,
        _ reason: String,
        _ now: Timestamp,
        _ sink: inout NodeSink
    ) -> Bool {
        guard let pending = commands[nodes[i].id], pending.attempt == attempt,
            let spec = table.command(pending.name), spec.rungs.indices.contains(pending.rung),
            spec.rungs[pending.rung].rung == rung
        else { return false }
        sink.note(.commandFailed(pending.name, rung: rung, reason: reason), nodes[i].id, now)
        timers.clear(TimerKey(node: nodes[i].id, isCommand: true))
        tryCommandAgain(i, now, &sink)
        return true
    }

    /// The next try: by the same rung, or by the next one that is of use; after the last the node is given up.
    private mutating func tryCommandAgain(_ i: Int, _ now: Timestamp, _ sink: inout NodeSink) {
        guard let pending = commands[nodes[i].id] else { return }
        let state = table.name(of: nodes[i].state)
        guard let spec = table.command(pending.name), spec.rungs.indices.contains(pending.rung) else {
            return giveUp(i, "the mode table has no command '\(pending.name)' any more", now, &sink)
        }
        if pending.attempt < spec.rungs[pending.rung].attempts {
            begin(spec, i, rung: pending.rung, attempt: pending.attempt + 1, now, &sink)
        } else if let next = spec.firstRung(from: pending.rung + 1, in: state) {
            clearCommand(i)
            begin(spec, i, rung: next, attempt: 1, now, &sink)
        } else {
            giveUp(i, "'\(spec.name)' was not obeyed: it is still \(state)", now, &sink)
        }
    }
}

extension CommandSpec {
    /// The first rung at or after a place that is of use in a state.
    package func firstRung(from place: Int, in state: String) -> Int? {
        rungs.indices.dropFirst(place).first { rungs[$0].from.isEmpty || rungs[$0].from.contains(state) }
    }
}
