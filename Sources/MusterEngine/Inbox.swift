import Dispatch
package import MusterCore
import Synchronization

/// What has arrived for the conductor and was not decided yet. Any thread puts in; the conductor's thread takes all at
/// once.
///
/// It is bounded by what is under way: an outcome for each running act, one loss for each node, and one wake-up for
/// however many requests; clients wait in the store's inbox table, not here.
package final class Inbox: Sendable {
    package enum Item: Sendable {
        case event(Director.Event)
        /// Requests have come into the store's inbox table.
        case requestsArrived
        /// Finish the turn and end.
        case stop
    }

    private struct Content {
        var items: [Item] = []
        var isPoked = false
        /// Whether the conductor's thread waits, and was not woken yet.
        var isAwaited = false
    }

    private let content = Mutex(Content())
    private let arrivals = DispatchSemaphore(value: 0)

    package init() {}

    package func put(_ item: Item) {
        let wakes = content.withLock { content in
            if case .requestsArrived = item {
                guard !content.isPoked else { return false }
                content.isPoked = true
            }
            content.items.append(item)
            defer { content.isAwaited = false }
            return content.isAwaited
        }
        if wakes { arrivals.signal() }
    }

    package func put(_ event: Director.Event) { put(.event(event)) }

    /// Drops what was heard of acts and nodes: they belong to another conductor now.
    package func dropReports() {
        content.withLock { content in
            content.items.removeAll { item in
                guard case .event(let event) = item else { return false }
                switch event {
                case .actEnded, .actFound, .nodeLost, .operationFound, .callEnded, .callFound, .wrote, .planned:
                    return true
                case .requested, .submitted, .woke, .prerequisiteFound, .permitsFound: return false
                }
            }
        }
    }

    /// Whether nothing has arrived that was not taken yet.
    package var isEmpty: Bool { content.withLock { $0.items.isEmpty } }

    /// Takes everything, in order of arrival; waits for something to arrive, or until `timeout` has passed.
    package func take(timeout: Duration?) -> [Item] {
        let taken = takeNow(orAwait: true)
        guard taken.isEmpty else { return taken }
        if let timeout {
            let microseconds = Int(clamping: max(0, timeout.microseconds))
            if arrivals.wait(timeout: .now() + .microseconds(microseconds)) == .timedOut, !stopAwaiting() {
                arrivals.wait()  // something came in that moment: its signal is on its way
            }
        } else {
            arrivals.wait()
        }
        return takeNow()
    }

    /// Waits, whatever arrives, and says whether somebody wants the conductor to end.
    package func awaitStop(for length: Duration) -> Bool {
        _ = DispatchSemaphore(value: 0).wait(timeout: .now() + .microseconds(Int(clamping: length.microseconds)))
        return content.withLock { content in
            content.items.contains { if case .stop = $0 { true } else { false } }
        }
    }

    /// Takes everything that is here now.
    package func takeNow() -> [Item] { takeNow(orAwait: false) }

    private func takeNow(orAwait: Bool) -> [Item] {
        content.withLock { content in
            let items = content.items
            content.items = []
            content.isPoked = false
            content.isAwaited = orAwait && items.isEmpty
            return items
        }
    }

    /// Whether nobody has signalled for the present wait, nor will.
    private func stopAwaiting() -> Bool {
        content.withLock { content in
            defer { content.isAwaited = false }
            return content.isAwaited
        }
    }
}
