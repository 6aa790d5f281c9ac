// What is told of a node, and what it makes of its mode and state.

extension NodeMachines {
    /// Decides what follows from one input. The order is always the same: the transition is checked, the policy of the
    /// mode applied, the state stored, a pending command looked at, the timer set anew, triggers run, and at last the
    /// next mode taken up where that is possible.
    package mutating func handle(_ input: NodeInput, of node: NodeID, now: Timestamp, into sink: inout NodeSink) {
        guard let place = places[node] else {
            if let row = strangers[node] {
                sink.note(table.mode(row.mode) == nil ? .unknownMode(row.mode) : .unknownState(row.state), node, now)
            } else {
                sink.note(.unknownNode, node, now)
            }
            return
        }
        let i = Int(place)
        guard take(input, i, now, &sink) else { return }
        finish(i, now, &sink)
    }

    /// Whether anything of the node has changed.
    private mutating func take(_ input: NodeInput, _ i: Int, _ now: Timestamp, _ sink: inout NodeSink) -> Bool {
        let node = nodes[i].id
        switch input {
        case .reported(let name):
            guard let state = table.state(name) else {
                sink.note(.unknownState(name), node, now)
                return false
            }
            return report(i, state, now, &sink)
        case .fired(let event, let goal):
            return fire(i, event, goal, now, &sink)
        case .nextModeSet(let name):
            guard let mode = known(name, node, now, &sink) else { return false }
            nodes[i].nextMode = mode
            return true
        case .bootModeSet(let name):
            guard let mode = known(name, node, now, &sink) else { return false }
            nodes[i].bootMode = mode
            return true
        case .featuresSet(let features):
            nodes[i].features = features
            return true
        case .triggersSet(let triggers):
            ownTriggers[node] = triggers.isEmpty ? nil : triggers
            return true
        case .commanded(let name, let rung, let requester):
            return command(i, name, from: rung, by: requester, now, &sink)
        case .commandFailed(let rung, let attempt, let reason):
            return commandFailed(i, rung, attempt: attempt, reason, now, &sink)
        case .commandWithdrawn:
            withdrawCommand(i)
            return true
        case .givenUp(let reason):
            giveUp(i, reason, now, &sink)
            return true
        }
    }

    /// `.some(nil)` for no mode; nil for a name that is no mode, which is noted.
    private func known(_ name: String?, _ node: NodeID, _ now: Timestamp, _ sink: inout NodeSink) -> ModeID?? {
        guard let name else { return .some(nil) }
        guard let mode = table.mode(name) else {
            sink.note(.unknownMode(name), node, now)
            return nil
        }
        return mode
    }

    /// Handles what the machine itself reports, and gives the node's row to the sink.
    mutating func finish(_ i: Int, _ now: Timestamp, _ sink: inout NodeSink) {
        var count = 0
        while !reports.isEmpty {
            let state = reports.removeFirst()
            count += 1
            guard count <= Self.reportsMax else {
                let text = "its triggers report states in a circle; \(table.name(of: state)) was not taken"
                note(i, text, now, &sink)
                reports.removeAll()
                break
            }
            _ = report(i, state, now, &sink)
        }
        sink.put(row(i))
    }

    mutating func note(_ i: Int, _ text: String, _ now: Timestamp, _ sink: inout NodeSink) {
        nodes[i].notices += 1
        sink.note(.notified(text), nodes[i].id, now)
    }

    // MARK: States

    /// A node is in a state, or says so. Whether that was taken.
    mutating func report(_ i: Int, _ to: StateID, _ now: Timestamp, _ sink: inout NodeSink) -> Bool {
        let (mode, from) = (nodes[i].mode, nodes[i].state)
        let landed = landing(mode, from, to)
        if landed.isInvalid {
            sink.note(
                .invalid(
                    mode: table.name(of: mode),
                    from: table.name(of: from),
                    to: table.name(of: to),
                    became: table.name(of: landed.state ?? from)
                ),
                nodes[i].id,
                now
            )
        }
        guard let state = landed.state else { return false }
        settle(i, state, now, &sink)
        return true
    }

    /// The state that comes of a report; nil where it is not taken.
    private func landing(_ mode: ModeID, _ from: StateID, _ to: StateID) -> (state: StateID?, isInvalid: Bool) {
        if let leaves = table.leaves(mode, from), to != from {
            // A state that holds nodes lets go of them only to those.
            return leaves.contains(to) ? (to, !table.isLegal(mode, from: from, to: to)) : (from, true)
        }
        if table.isLegal(mode, from: from, to: to) { return (to, false) }
        switch table.invalidPolicy(mode) {
        case .acceptAndReport: return (to, true)
        case .reject: return (nil, true)
        case .coerce: return (table.coercedState(mode) ?? to, true)
        }
    }

    private mutating func fire(
        _ i: Int,
        _ event: String,
        _ goal: String?,
        _ now: Timestamp,
        _ sink: inout NodeSink
    ) -> Bool {
        let (mode, state) = (nodes[i].mode, nodes[i].state)
        guard let target = table.target(mode, state, event: event) else {
            let legal = table.events(mode, state)
            sink.note(.refused(event: event, state: table.name(of: state), legal: legal), nodes[i].id, now)
            return false
        }
        // A goal of one's own holds only where there is one at all.
        nodes[i].goal = target.goal == nil ? nil : goal.flatMap(table.state) ?? target.goal
        settle(i, target.state, now, &sink)
        return true
    }

    /// The node is in this state from now on.
    private mutating func settle(_ i: Int, _ state: StateID, _ now: Timestamp, _ sink: inout NodeSink) {
        let (mode, from) = (nodes[i].mode, nodes[i].state)
        nodes[i].state = state
        nodes[i].since = now
        sink.note(
            .stateChanged(mode: table.name(of: mode), from: table.name(of: from), to: table.name(of: state)),
            nodes[i].id,
            now
        )
        noteShutdown(i, from: from)
        lookAtCommand(i, now, &sink)
        arm(i, now)
        runTriggers(i, cameFrom: from, now, &sink)
        if let next = nodes[i].nextMode, table.isMovePoint(nodes[i].mode, nodes[i].state) {
            nodes[i].nextMode = nil
            move(i, to: next, isForced: false, now, &sink)
        }
    }

    /// A node that was up and goes down without having been asked to was taken down by somebody.
    private mutating func noteShutdown(_ i: Int, from: StateID) {
        guard table.unaskedShutdown == .leave, !nodes[i].flags.contains(.isRebooting), commands[nodes[i].id] == nil,
            table.isReady(nodes[i].mode, from), let reboot = table.command("reboot"),
            reboot.expect.contains(table.name(of: nodes[i].state))
        else { return }
        nodes[i].flags.insert(.isLeftDown)
    }

    // MARK: Modes

    /// Takes up another mode. Where the table has no such move, the policy of the mode decides, unless it is forced.
    mutating func move(_ i: Int, to mode: ModeID, isForced: Bool, _ now: Timestamp, _ sink: inout NodeSink) {
        let (old, state) = (nodes[i].mode, nodes[i].state)
        guard mode != old else { return }
        let landing = table.landing(old, state, in: mode)
        if landing == nil, !isForced {
            let isApplied = table.invalidPolicy(old) == .acceptAndReport
            sink.note(
                .invalidMode(
                    mode: table.name(of: old),
                    state: table.name(of: state),
                    to: table.name(of: mode),
                    isApplied: isApplied
                ),
                nodes[i].id,
                now
            )
            guard isApplied else { return }
        }
        nodes[i].mode = mode
        nodes[i].modeSince = now
        if let landing, landing != state {
            nodes[i].state = landing
            nodes[i].since = now
        }
        if nodes[i].nextMode == mode { nodes[i].nextMode = nil }
        sink.note(
            .modeChanged(
                from: table.name(of: old),
                to: table.name(of: mode),
                state: table.name(of: nodes[i].state),
                cameFrom: table.name(of: state)
            ),
            nodes[i].id,
            now
        )
        arm(i, now)
    }
}
