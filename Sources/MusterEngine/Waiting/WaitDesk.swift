package import MusterCore
package import MusterStore
import Synchronization

/// Everybody in a process who waits for states of nodes, served by one reader of the stream of events.
///
/// Register first, act after: nothing that happens in between is missed. An event costs as much as there are waits for
/// its node; nobody polls: whoever hears that there is news calls `look`.
package final class WaitDesk: Sendable {
    private struct Content {
        var waits = StateWaits()
        var clients: [WaitID: AsyncStream<StateWaits.Update>.Continuation] = [:]
        var tables: [NodeID: ModeTable] = [:]
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
    /// - Throws: `WaitError` for what can never be; `StoreError`.
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
        var ready: Set<NodeID> = []
        var tables: [NodeID: ModeTable] = [:]
        var known: [String: ModeTable] = [:]
        for node in Set(nodes) {
            guard let row = try store.node(node) else { continue }
            if known[row.lab] == nil { known[row.lab] = try store.modes(of: row.lab).map { ModeTable($0) } }
            tables[node] = known[row.lab]
            guard let table = known[row.lab], let state = try store.nodeState(of: node),
                let mode = table.mode(state.mode), let id = table.state(state.state)
            else { continue }
            if table.isReady(mode, id) { ready.insert(node) }
        }
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
            content.tables.merge(tables) { $1 }
            content.clients[id] = continuation
            var told: [StateWaits.Update] = []
            try content.waits.register(wait, isReady: { ready.contains($0) }, into: &told)
            Self.tell(told, &content)
            // What was read already and this one has not seen; the others leave it out.
            if begin < content.position { try read(after: begin, upTo: content.position, &content) }
            return Ticket(id: id, updates: updates)
        }
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
            content.waits.cancel(id)
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
                guard let happening = event.happening, let table = content.tables[happening.node] else { continue }
                content.waits.observe(happening, at: event.position, table: table, into: &told)
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
            }
        }
    }
}
