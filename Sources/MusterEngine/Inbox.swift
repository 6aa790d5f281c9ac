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
    }

    private let content = Mutex(Content())
    private let arrivals = DispatchSemaphore(value: 0)

    package init() {}

    package func put(_ item: Item) {
        let wasEmpty = content.withLock { content in
            if case .requestsArrived = item {
                guard !content.isPoked else { return false }
                content.isPoked = true
            }
            content.items.append(item)
            return content.items.count == 1
        }
        if wasEmpty { arrivals.signal() }
    }

    package func put(_ event: Director.Event) { put(.event(event)) }

    /// Takes everything, in order of arrival; waits for something to arrive, or until `timeout` has passed.
    package func take(timeout: Duration?) -> [Item] {
        let taken = takeNow()
        guard taken.isEmpty else { return taken }
        if let timeout {
            let microseconds = Int(clamping: max(0, timeout.microseconds))
            _ = arrivals.wait(timeout: .now() + .microseconds(microseconds))
        } else {
            arrivals.wait()
        }
        return takeNow()
    }

    /// Takes everything that is here now.
    package func takeNow() -> [Item] {
        content.withLock { content in
            let items = content.items
            content.items = []
            content.isPoked = false
            return items
        }
    }
}
