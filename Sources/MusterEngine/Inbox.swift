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
        /// Whether one of the items is to be looked at without delay.
        var isUrgent = false
        /// Whether the conductor's thread waits, and was not woken yet.
        var isAwaited = false

        var isDue: Bool { !items.isEmpty && (isUrgent || items.count >= Inbox.batch) }

        mutating func takeAll() -> [Item] {
            defer { (items, isPoked, isUrgent) = ([], false, false) }
            return items
        }
    }

    private let content = Mutex(Content())
    private let arrivals = DispatchSemaphore(value: 0)

    package init() {}

    /// So many items are looked at without delay, however much time they have.
    private static let batch = 32
    /// So long those wait at most that have time.
    private static let patience: Duration = .milliseconds(1)

    /// - Parameter mayWait: whether who puts it in is about to put in more: one look at many costs less than many
    ///   looks.
    package func put(_ item: Item, mayWait: Bool = false) {
        let wakes = content.withLock { content in
            if case .requestsArrived = item {
                guard !content.isPoked else { return false }
                content.isPoked = true
            }
            content.items.append(item)
            if !mayWait { content.isUrgent = true }
            // Who waits for the first one waits with patience from there on.
            guard content.isAwaited, content.isDue || content.items.count == 1 else { return false }
            content.isAwaited = false
            return true
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
                case .actEnded, .actFound, .nodeLost, .operationFound, .callEnded, .callFound, .wrote, .planned,
                    .commandFailed, .powered, .reportsWaiting, .reportsRead, .errandEnded:
                    return true
                case .requested, .submitted, .woke, .prerequisiteFound, .permitsFound, .reported: return false
                }
            }
        }
    }

    /// Whether nothing has arrived that was not taken yet.
    package var isEmpty: Bool { content.withLock { $0.items.isEmpty } }

    /// Takes everything, in order of arrival; waits for something to arrive, or until `timeout` has passed.
    package func take(timeout: Duration?) -> [Item] {
        var timeout = timeout
        while true {
            let (taken, isPatient) = content.withLock { content in
                if content.isDue { return (content.takeAll(), false) }
                content.isAwaited = true
                return ([], !content.items.isEmpty)
            }
            guard taken.isEmpty else { return taken }
            if isPatient { timeout = min(timeout ?? Self.patience, Self.patience) }
            guard awaitArrival(timeout), !isPatient else { return takeNow() }
        }
    }

    /// Whether something has arrived in time.
    private func awaitArrival(_ timeout: Duration?) -> Bool {
        guard let timeout else {
            arrivals.wait()
            return true
        }
        let microseconds = Int(clamping: max(0, timeout.microseconds))
        if arrivals.wait(timeout: .now() + .microseconds(microseconds)) == .success { return true }
        if stopAwaiting() { return false }
        arrivals.wait()  // something came in that moment: its signal is on its way
        return true
    }

    /// Waits, whatever arrives, and says whether somebody wants the conductor to end.
    package func awaitStop(for length: Duration) -> Bool {
        _ = DispatchSemaphore(value: 0).wait(timeout: .now() + .microseconds(Int(clamping: length.microseconds)))
        return content.withLock { content in
            content.items.contains { if case .stop = $0 { true } else { false } }
        }
    }

    /// Takes everything that is here now.
    package func takeNow() -> [Item] {
        content.withLock { content in
            content.isAwaited = false
            return content.takeAll()
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
