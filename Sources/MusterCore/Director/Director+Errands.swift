/// What is to be done outside because of nodes.
extension Director {
    /// Makes errands of what has happened to nodes in a turn, and begins those whose time has come. Each is stored in
    /// the turn that it comes of.
    mutating func makeErrands(into turn: inout Turn) {
        if !turn.happenings.isEmpty {
            for happening in turn.happenings where happening.kind.asksForNotification {
                guard let node = context.nodes[happening.node], errands.hasSinks(node.lab),
                    let text = happening.kind.event?.detail
                else { continue }
                errands.notify(text, about: node, into: &turn)
            }
            makeScripts(into: &turn)
        }
        errands.advance(into: &turn)
    }

    /// Actions that the machines leave to others. What nobody does is told by its name, once.
    private mutating func makeScripts(into turn: inout Turn) {
        var actions: [(action: String, node: NodeRow, mode: String, state: String)] = []
        turn.directives.removeAll { directive in
            guard case .node(.run(let action, let id, let mode, let state)) = directive else { return false }
            if let node = context.nodes[id] { actions.append((action, node, mode, state)) }
            return true
        }
        for (action, node, mode, state) in actions {
            if action.hasPrefix(TriggerAction.script) {
                let path = String(action.dropFirst(TriggerAction.script.count))
                guard let spec = context.specs[node.createdBy] else { continue }
                errands.run(path, in: spec.labDirectory, for: node, mode: mode, state: state, into: &turn)
            } else if errands.isNews(missing: action, lab: node.lab) {
                let text = "\(action): no service does this here; it is left out, also for other nodes of \(node.lab)"
                turn.emit(.nodeActionFailed, node: node.id, detail: text)
            }
        }
    }

    mutating func errandEnded(_ errand: Errand, _ failure: String?, into turn: inout Turn) {
        switch errand {
        case .script(let row): errands.scriptEnded(row.lab, row.number, failure, into: &turn)
        case .notices(let message): errands.noticesEnded(message, failure, into: &turn)
        }
    }
}

extension NodeHappening.Kind {
    /// Whether somebody is to be told, where a lab says whom.
    fileprivate var asksForNotification: Bool {
        switch self {
        case .notified, .gaveUp, .invalid, .invalidMode, .unknownState, .unknownMode, .unknownNode, .refused,
            .wrongMode:
            true
        case .stateChanged, .modeChanged, .triggered, .upCheck, .timedOut, .leftAlone, .outdated, .commandSent,
            .commandObeyed, .commandUnexpected, .commandRefused, .commandFailed:
            false
        }
    }
}
