/// What people and programs read of a node's happenings in the stream of events.
extension NodeHappening.Kind {
    /// The kind of event that it is stored as, and its detail; nil where it is not worth an event.
    var event: (kind: EventRow.Kind, detail: String)? {
        switch self {
        case .stateChanged(let mode, let from, let to):
            return (.nodeState, StateChange(mode: mode, state: to, formerState: from).text)
        case .modeChanged(let from, let to, let state, let cameFrom):
            return (.nodeMode, StateChange(mode: to, state: state, formerMode: from, formerState: cameFrom).text)
        case .invalid(let mode, let from, let to, let became):
            let outcome = became == to ? "taken all the same" : "it is \(became)"
            return (.nodeInvalid, "\(mode) has no way from \(from) to \(to); \(outcome)")
        case .invalidMode(let mode, let state, let to, let isApplied):
            let outcome = isApplied ? "taken all the same" : "not taken"
            return (.nodeInvalid, "\(mode)/\(state) has no way to mode \(to); \(outcome)")
        case .unknownState(let name): return (.nodeInvalid, "the mode table has no state \(name)")
        case .unknownMode(let name): return (.nodeInvalid, "the mode table has no mode \(name)")
        case .unknownNode: return (.nodeInvalid, "its mode and state are not known")
        case .refused(let event, let state, let legal):
            let others = legal.isEmpty ? "nothing is" : legal.joined(separator: ", ")
            return (.nodeInvalid, "\(event) is not possible in \(state); possible: \(others)")
        case .wrongMode(let mode, let expected):
            return (.nodeInvalid, "it boots in mode \(mode), not \(expected)")
        case .triggered(let action): return (.nodeTrigger, action)
        case .upCheck: return nil
        case .timedOut(let mode, let state, let action, let count):
            return (.nodeTimeout, "\(mode)/\(state): \(action.text), timeout \(count)")
        case .leftAlone(let state, let reason): return (.nodeTimeout, "\(state): nothing is done: \(reason)")
        case .outdated(let state, let age):
            return (.nodeTimeout, "\(state): nothing is done: it was due \(age.shortText) ago")
        case .commandSent(let name, let rung, let attempt):
            return (.nodeCommand, "\(name): \(rung.rawValue), attempt \(attempt)")
        case .commandObeyed(let name, let state): return (.nodeCommand, "\(name): obeyed, it is \(state)")
        case .commandUnexpected(let name, let state):
            return (.nodeCommand, "\(name): it is \(state), which is not what it was to bring about")
        case .commandRefused(let name, let reason): return (.nodeCommand, "\(name): refused: \(reason)")
        case .commandFailed(let name, let rung, let reason):
            return (.nodeCommand, "\(name): \(rung.rawValue) failed: \(reason)")
        case .gaveUp(let reason): return (.nodeGivenUp, reason)
        case .notified(let text): return (.nodeNotified, text)
        }
    }
}

extension NodeHappening.Kind {
    /// Why what was said of a node has changed nothing; nil where it has.
    var reasonNotTaken: String? {
        switch self {
        case .unknownState, .unknownMode, .unknownNode, .refused: event?.detail
        case .invalid(_, let from, let to, let became) where became == from && from != to: event?.detail
        default: nil
        }
    }
}

extension TimeoutAction {
    fileprivate var text: String {
        switch self {
        case .notify: "notify"
        case .reboot: "reboot"
        case .state(let state): "state \(state)"
        case .retryCommand: "retry-command"
        }
    }
}

/// A change of mode or state as its event tells it: `LINUX/ISUP < BOOTING`, `LINUX/SHUTDOWN < INSTALL/INSTALLED`.
package struct StateChange: Hashable, Sendable {
    package var mode: String
    package var state: String
    /// nil when it stays in its mode.
    package var formerMode: String?
    package var formerState: String

    private static let arrow = " < "

    package init(mode: String, state: String, formerMode: String? = nil, formerState: String) {
        self.mode = mode
        self.state = state
        self.formerMode = formerMode
        self.formerState = formerState
    }

    package var text: String {
        // Put together by hand: it is made for every change of a state.
        var text = ""
        text.reserveCapacity(
            mode.utf8.count + state.utf8.count + (formerMode?.utf8.count ?? 0) + formerState.utf8.count + 5
        )
        text += mode
        text += "/"
        text += state
        text += Self.arrow
        if let formerMode {
            text += formerMode
            text += "/"
        }
        text += formerState
        return text
    }

    /// Reads the detail of a `node.state` or `node.mode` event.
    package init?(_ text: String) {
        let parts = Self.split(text, at: Self.arrow)
        guard let parts, let now = Self.split(parts.0, at: "/") else { return nil }
        (mode, state) = now
        if let former = Self.split(parts.1, at: "/") {
            formerMode = former.0
            formerState = former.1
        } else {
            formerMode = nil
            formerState = parts.1
        }
    }

    /// What is before and behind the first place where the text has this.
    private static func split(_ text: String, at separator: String) -> (String, String)? {
        let (letters, wanted) = (text.utf8, separator.utf8)
        var start = letters.startIndex
        while start != letters.endIndex {
            if letters[start...].starts(with: wanted) {
                let next = letters.index(start, offsetBy: wanted.count)
                return (String(text[..<start]), String(text[next...]))
            }
            letters.formIndex(after: &start)
        }
        return nil
    }
}

extension NodeHappening {
    /// Why nobody needs to wait any more for a node that was destroyed.
    package static let gone = "it is gone"
}

extension EventRow {
    /// What those who wait for states see of an event; nil when it concerns no state of a node.
    package var happening: NodeHappening? {
        guard let node else { return nil }
        if self.kind == .nodeGone { return NodeHappening(node: node, at: at, kind: .gaveUp(NodeHappening.gone)) }
        guard let detail else { return nil }
        let kind: NodeHappening.Kind
        switch self.kind {
        case .nodeState:
            guard let change = StateChange(detail) else { return nil }
            kind = .stateChanged(mode: change.mode, from: change.formerState, to: change.state)
        case .nodeMode:
            guard let change = StateChange(detail), let former = change.formerMode else { return nil }
            kind = .modeChanged(from: former, to: change.mode, state: change.state, cameFrom: change.formerState)
        case .nodeGivenUp: kind = .gaveUp(detail)
        default: return nil
        }
        return NodeHappening(node: node, at: at, kind: kind)
    }
}
