package import MusterCore
package import MusterStore
import Synchronization

/// Everybody in a process who waits for states of nodes, served by one reader of the stream of events.
///
/// Register first, act after: nothing that happens in between is missed. An event costs as much as there are waits for
/// its node; nobody polls: a conductor hands over what it has committed, and elsewhere whoever hears that there is news
/// calls `look`.
package final class WaitDesk: Sendable {
    fileprivate struct Content {
        var waits = StateWaits()
        var clients: [WaitID: AsyncStream<StateWaits.Update>.Continuation] = [:]
        /// Of the nodes that somebody waits for, and of their labs.
        var tables: [NodeID: ModeTable] = [:]
        var tablesOfLabs: [String: ModeTable] = [:]
        /// All up to here was read.
        var position: Int64
        var last: Int64 = 0
    }

    private let store: any Store
    private let content: Mutex<Content>

    /// As many events as are read at once.
    private static let page = 10_000

    package init(store: any Store) throws(StoreError) {
        self.store = store
        content = Mutex(Content(position: try store.position()))
    }

    /// What a client is given: what comes, until the wait is over.
    package struct Ticket: Sendable {
        package let id: WaitID
        package let updates: AsyncStream<StateWaits.Update>
    }

    /// Begins to wait.
    ///
    /// - Parameters:
    ///   - position: what came after it counts; nil for from now on. Who has lost its connection gives the one it
    ///     has seen last, and misses nothing.
    ///   - deadline: when the wait ends with what it has: `advance` ends it.
    /// - Throws: `WaitError` for what can never be, also for a node that there never was; `StoreError`.
    package func wait(
        for condition: StateCondition,
        of nodes: [NodeID],
        quorum: WaitQuorum = .all,
        since position: Int64? = nil,
        deadline: Timestamp? = nil
    ) throws -> Ticket {
        try look()
        // What happens from here on counts, also when somebody else reads it while this one is registered.
        let begin = position ?? content.withLock { $0.position }
        let found = try lookUp(nodes)
        let (updates, continuation) = AsyncStream.makeStream(of: StateWaits.Update.self)
        return try content.withLock { content in
            content.last += 1
            let id = WaitID(content.last)
            let wait = try StateWait(
                id: id,
                nodes: nodes,
                condition: condition,
                quorum: quorum,
                deadline: deadline,
                after: begin
            )
            var told: [StateWaits.Update] = []
            try content.waits.register(wait, isReady: { found.ready.contains($0) }, into: &told)
            content.tables.merge(found.tables) { $1 }
            content.clients[id] = continuation
            Self.tell(told, &content)
            // What was read already and this one has not seen; the others leave it out.
            if begin < content.position { try read(after: begin, upTo: content.position, &content) }
            told = []
            for node in found.gone { content.waits.fail(id, node: node, NodeHappening.gone, into: &told) }
            Self.tell(told, &content)
            return Ticket(id: id, updates: updates)
        }
    }

    /// What is to be known of nodes before somebody waits for them.
    private struct Found {
        var tables: [NodeID: ModeTable] = [:]
        var ready: Set<NodeID> = []
        /// Nothing will happen to these any more, in their order.
        var gone: [NodeID] = []
    }

    private func lookUp(_ nodes: [NodeID]) throws -> Found {
        var found = Found()
        var tables: [String: ModeTable] = [:]
        for node in nodes where found.tables[node] == nil {
            guard let row = try store.node(node) else { throw WaitError.unknownNode(node) }
            if tables[row.lab] == nil { tables[row.lab] = try table(of: row.lab) }
            guard let table = tables[row.lab] else { throw WaitError.noModes(lab: row.lab) }
            found.tables[node] = table
            if row.state == .gone {
                found.gone.append(node)
            } else if let state = try store.nodeState(of: node), let mode = table.mode(state.mode),
                let id = table.state(state.state), table.isReady(mode, id)
            {
                found.ready.insert(node)
            }
        }
        return found
    }

    /// The table of a lab, made anew only when another was stored.
    private func table(of lab: String) throws(StoreError) -> ModeTable? {
        guard let set = try store.modes(of: lab) else { return nil }
        if let known = content.withLock({ $0.tablesOfLabs[lab] }), known.source == set { return known }
        let table = ModeTable(set)
        content.withLock { $0.tablesOfLabs[lab] = table }
        return table
    }

    /// Somebody does not want to know about a node any more.
    package func cancel(_ id: WaitID, node: NodeID) {
        content.withLock { content in
            var told: [StateWaits.Update] = []
            content.waits.cancel(id, node: node, into: &told)
            Self.tell(told, &content)
        }
    }

    /// Somebody has gone.
    package func cancel(_ id: WaitID) {
        content.withLock { content in
            if let wait = content.waits.cancel(id) { content.forgetTables(of: wait) }
            content.clients.removeValue(forKey: id)?.finish()
        }
    }

    /// What a wait has seen so far; nil when it is over.
    package func standing(of id: WaitID) -> StateWait? { content.withLock { $0.waits[id] } }

    /// Takes in what is new in the stream.
    package func look() throws(StoreError) {
        try content.withLock { content throws(StoreError) in
            try read(after: content.position, upTo: nil, &content)
        }
    }

    /// Takes in events that were just committed, in their order; nobody has to read them then.
    ///
    /// - Parameter newest: the position of the last of them. Where others have written in between, the store is read.
    package func take(_ events: [EventRow], upTo newest: Int64) throws(StoreError) {
        try content.withLock { content throws(StoreError) in
            if newest <= content.position { return }
            let first = newest - Int64(events.count) + 1
            // As many places as events: they are theirs.
            guard content.position == first - 1 else { return try read(after: content.position, upTo: nil, &content) }
            content.position = newest
            if content.waits.count == 0 { return }
            var told: [StateWaits.Update] = []
            for (place, event) in events.enumerated() {
                content.observe(event, at: first + Int64(place), into: &told)
            }
            Self.tell(told, &content)
        }
    }

    /// Ends the waits whose time is over.
    package func advance(to now: Timestamp) {
        content.withLock { content in
            var told: [StateWaits.Update] = []
            content.waits.advance(to: now, into: &told)
            Self.tell(told, &content)
        }
    }

    /// When the next wait's time is over; nil when none has one.
    package var nextDeadline: Timestamp? { content.withLock { $0.waits.nextDue() } }

    private func read(after position: Int64, upTo end: Int64?, _ content: inout Content) throws(StoreError) {
        var position = position
        while true {
            let events = try store.events(after: position, plan: nil, limit: Self.page)
            var told: [StateWaits.Update] = []
            for event in events {
                if let end, event.position > end { break }
                content.observe(event, at: event.position, into: &told)
            }
            Self.tell(told, &content)
            guard let last = events.last else { break }
            position = last.position
            if let end, position >= end { break }
            if events.count < Self.page { break }
        }
        content.position = max(content.position, position)
    }

    private static func tell(_ updates: [StateWaits.Update], _ content: inout Content) {
        for update in updates {
            switch update {
            case .arrived(let id, _, _): content.clients[id]?.yield(update)
            case .over(let wait, _):
                content.clients[wait.id]?.yield(update)
                content.clients.removeValue(forKey: wait.id)?.finish()
                content.forgetTables(of: wait)
            }
        }
    }
}

extension WaitDesk.Content {
    fileprivate mutating func observe(_ event: EventRow, at position: Int64, into told: inout [StateWaits.Update]) {
        // Most events concern nobody here: they cost a look, and their text is not read.
        guard let node = event.node, waits.waiting(for: node) > 0, let table = tables[node],
            let happening = event.happening
        else { return }
        waits.observe(happening, at: position, table: table, into: &told)
    }

    fileprivate mutating func forgetTables(of wait: StateWait) {
        for node in wait.nodes where waits.waiting(for: node) == 0 { tables[node] = nil }
    }
}
