/// Everybody who waits for states of nodes.
///
/// A happening costs as much as there are waits for its node that are not decided, whatever else waits. Register first,
/// act after: what happens in between is not missed.
package struct StateWaits: Sendable {
    private struct Place: Sendable {
        let wait: WaitID
        /// The node's place in the wait.
        let index: Int
    }

    private var waits: [WaitID: Entry] = [:]
    private var places: [NodeID: [Place]] = [:]
    private var deadlines = DueQueue<WaitID>()

    /// A wait with counts, so that nothing is counted anew for each happening.
    private struct Entry: Sendable {
        var wait: StateWait
        var pending: Int
        var finished: Int

        var isOver: Bool {
            switch wait.quorum {
            case .all: return pending == 0
            case .any, .count:
                let needed = wait.quorum.needed(of: wait.nodes.count)
                return finished >= needed || finished + pending < needed
            }
        }
    }

    /// What somebody who waits is told.
    package enum Update: Hashable, Sendable {
        case arrived(WaitID, node: NodeID, WaitStanding)
        /// The whole answer. Comes once, and the wait is gone.
        case over(StateWait, isTimeout: Bool)
    }

    package init() {}

    package var count: Int { waits.count }
    package subscript(id: WaitID) -> StateWait? { waits[id]?.wait }
    package var all: [StateWait] { waits.values.map(\.wait).sorted { $0.id < $1.id } }
    /// How many waits a happening of this node looks at.
    package func waiting(for node: NodeID) -> Int { places[node]?.count ?? 0 }

    /// Takes up a wait: a new one, or one that has seen something already.
    ///
    /// - Parameter isReady: whether a node is ready now; asked where `ready` is waited for.
    package mutating func register(
        _ wait: StateWait,
        isReady: (NodeID) -> Bool,
        into updates: inout [Update]
    ) throws(WaitError) {
        guard waits[wait.id] == nil else { throw .taken(wait.id) }
        let pending = wait.standings.count { $0.isPending }
        waits[wait.id] = Entry(wait: wait, pending: pending, finished: wait.standings.count { $0 == .finished })
        for (index, node) in wait.nodes.enumerated() where wait.standings[index].isPending {
            places[node, default: []].append(Place(wait: wait.id, index: index))
        }
        if let deadline = wait.deadline { deadlines.set(wait.id, at: deadline) }
        if wait.condition == .ready {
            for (index, node) in wait.nodes.enumerated() where wait.standings[index].isPending && isReady(node) {
                decide(Place(wait: wait.id, index: index), node, .finished, &updates)
                removePlace(of: wait.id, node)
            }
        }
        endIfOver(wait.id, &updates)
    }

    /// Somebody does not want to know about a node any more.
    package mutating func cancel(_ id: WaitID, node: NodeID, into updates: inout [Update]) {
        end(id, node, .cancelled, &updates)
    }

    /// A node of a wait will not get there, for a reason that no happening tells.
    package mutating func fail(_ id: WaitID, node: NodeID, _ reason: String, into updates: inout [Update]) {
        end(id, node, .failed(reason), &updates)
    }

    private mutating func end(_ id: WaitID, _ node: NodeID, _ standing: WaitStanding, _ updates: inout [Update]) {
        guard let index = waits[id]?.wait.nodes.firstIndex(of: node), waits[id]?.wait.standings[index].isPending == true
        else { return }
        decide(Place(wait: id, index: index), node, standing, &updates)
        removePlace(of: id, node)
        endIfOver(id, &updates)
    }

    /// Somebody has gone, or has lost interest.
    @discardableResult
    package mutating func cancel(_ id: WaitID) -> StateWait? {
        guard let entry = waits.removeValue(forKey: id) else { return nil }
        deadlines.clear(id)
        for (index, node) in entry.wait.nodes.enumerated() where entry.wait.standings[index].isPending {
            removePlace(of: id, node)
        }
        return entry.wait
    }

    // MARK: What happens

    /// Takes in a happening and the position it has in the stream. One that a wait has seen is left out.
    package mutating func observe(
        _ happening: NodeHappening,
        at position: Int64,
        table: ModeTable,
        into updates: inout [Update]
    ) {
        guard let sight = Sight(happening.kind, table),
            let waiting = places.removeValue(forKey: happening.node)
        else { return }
        // Those that are decided drop out of the list together: with many of them each cost would be that of all.
        var left: [Place] = []
        var decided: [WaitID] = []
        for place in waiting {
            guard let seenUpTo = waits[place.wait]?.wait.position else { continue }
            if position > seenUpTo {
                waits[place.wait]!.wait.position = position
                look(place, happening.node, sight, &updates)
            }
            if waits[place.wait]!.wait.standings[place.index].isPending {
                left.append(place)
            } else {
                decided.append(place.wait)
            }
        }
        if !left.isEmpty { places[happening.node] = left }
        for wait in decided { endIfOver(wait, &updates) }
    }

    /// What of a happening concerns those who wait.
    private struct Sight {
        var mode = ""
        var state = ""
        /// Whether the state is new, as against the mode alone.
        var isState = false
        var isReady = false
        var failure: String?

        init?(_ kind: NodeHappening.Kind, _ table: ModeTable) {
            switch kind {
            case .stateChanged(let mode, _, let to):
                self.mode = mode
                state = to
                isState = true
            case .modeChanged(_, let to, let state, let cameFrom):
                mode = to
                self.state = state
                isState = state != cameFrom
            case .gaveUp(let reason):
                failure = reason
                return
            case .invalid, .invalidMode, .unknownState, .unknownMode, .unknownNode, .refused, .wrongMode, .triggered,
                .upCheck, .timedOut, .leftAlone, .outdated, .commandSent, .commandObeyed, .commandUnexpected,
                .commandRefused, .commandFailed, .notified:
                return nil
            }
            guard let mode = table.mode(mode), let state = table.state(state) else { return }
            isReady = table.isReady(mode, state)
            if table.isFailed(mode, state) { failure = "it is \(self.state)" }
        }
    }

    private mutating func look(_ place: Place, _ node: NodeID, _ sight: Sight, _ updates: inout [Update]) {
        // Nothing that is changed below may be held here: a wait for many nodes would be copied.
        guard case .pending(let seen) = waits[place.wait]?.wait.standings[place.index],
            let condition = waits[place.wait]?.wait.condition
        else { return }
        switch condition {
        case .ready:
            if sight.isReady { return decide(place, node, .finished, &updates) }
        case .sequence(let patterns):
            let pattern = patterns[min(seen, patterns.count - 1)]
            // A move to another mode is seen by those who asked for that mode.
            if !sight.mode.isEmpty, sight.isState || pattern.mode != nil,
                pattern.matches(mode: sight.mode, state: sight.state)
            {
                let standing: WaitStanding = seen + 1 == patterns.count ? .finished : .pending(seen: seen + 1)
                return decide(place, node, standing, &updates)
            }
        }
        if let failure = sight.failure { decide(place, node, .failed(failure), &updates) }
    }

    private mutating func decide(
        _ place: Place,
        _ node: NodeID,
        _ standing: WaitStanding,
        _ updates: inout [Update]
    ) {
        waits[place.wait]!.wait.standings[place.index] = standing
        updates.append(.arrived(place.wait, node: node, standing))
        guard !standing.isPending else { return }
        waits[place.wait]!.pending -= 1
        if standing == .finished { waits[place.wait]!.finished += 1 }
    }

    private mutating func removePlace(of wait: WaitID, _ node: NodeID) {
        guard let index = places[node]?.firstIndex(where: { $0.wait == wait }) else { return }
        places[node]!.remove(at: index)
        if places[node]!.isEmpty { places[node] = nil }
    }

    private mutating func endIfOver(_ id: WaitID, _ updates: inout [Update]) {
        guard let entry = waits[id], entry.isOver else { return }
        cancel(id)
        updates.append(.over(entry.wait, isTimeout: false))
    }

    // MARK: Time

    package mutating func nextDue() -> Timestamp? { deadlines.nextDue() }

    /// Ends the waits whose time is over, with what they have.
    package mutating func advance(to now: Timestamp, into updates: inout [Update]) {
        while let due = deadlines.takeDue(at: now) {
            if let wait = cancel(due.key) { updates.append(.over(wait, isTimeout: true)) }
        }
    }
}
