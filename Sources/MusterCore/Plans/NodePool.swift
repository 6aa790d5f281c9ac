import DequeModule
import HeapModule

/// The nodes of one group that are free for work, and the steps that wait for one.
///
/// The node that was free longest goes first; of the steps the one with the highest priority, then the earliest.
struct NodePool: Sendable {
    private struct Waiter: Comparable, Sendable {
        let priority: Int64
        let step: StepIndex

        /// The heap gives its greatest first: the higher priority, then the lower index.
        static func < (a: Waiter, b: Waiter) -> Bool {
            a.priority != b.priority ? a.priority < b.priority : a.step > b.step
        }
    }

    private var free: Deque<NodeID> = []
    private var waiters: Heap<Waiter> = []

    var isIdle: Bool { waiters.isEmpty }
    var canStart: Bool { !free.isEmpty && !waiters.isEmpty }

    mutating func add(_ node: NodeID) {
        guard !free.contains(node) else { return }
        free.append(node)
    }

    /// Returns a node that was taken and not used: it stays the first.
    mutating func putBack(_ node: NodeID) { free.prepend(node) }

    mutating func remove(_ node: NodeID) {
        free.removeAll { $0 == node }
    }

    mutating func wait(_ step: StepIndex, priority: Int64) {
        waiters.insert(Waiter(priority: priority, step: step))
    }

    /// The next step with the node it gets; nil when nobody waits or no node is free.
    mutating func take() -> (step: StepIndex, node: NodeID)? {
        guard canStart, let waiter = waiters.popMax(), let node = free.popFirst() else { return nil }
        return (waiter.step, node)
    }

    /// Forgets everybody who waits and says who it was, in the order they would have had.
    mutating func dismissWaiters() -> [StepIndex] {
        var dismissed: [StepIndex] = []
        while let waiter = waiters.popMax() { dismissed.append(waiter.step) }
        return dismissed
    }
}
