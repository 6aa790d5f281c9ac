import DequeModule
import HeapModule

/// Which node a step that waits for one may get.
package enum NodeRule: Hashable, Sendable {
    /// This one.
    case only(NodeID)
    /// None of these.
    case not([NodeID])

    func allows(_ node: NodeID) -> Bool {
        switch self {
        case .only(let wanted): node == wanted
        case .not(let refused): !refused.contains(node)
        }
    }
}

/// The nodes of some groups that are free for work, and the steps that wait for one.
///
/// The node that was free longest goes first; of the steps the one with the highest priority, then the earliest. Steps
/// with a rule stand beside the others: each takes its turn among them as soon as a node that it may have is free.
struct NodePool: Sendable {
    struct Waiter: Comparable, Sendable {
        let priority: Int64
        let step: StepIndex

        /// The heap gives its greatest first: the higher priority, then the lower index.
        static func < (a: Waiter, b: Waiter) -> Bool {
            a.priority != b.priority ? a.priority < b.priority : a.step > b.step
        }
    }

    private struct Place: Sendable {
        let node: NodeID
        let ticket: Int
    }

    /// How many of its nodes may be at work at once; nil for all of them.
    var limit: Int?
    /// How many of its steps run.
    var running = 0
    /// In the order of becoming free. Nodes that were removed since are still in it, with a ticket of before.
    private var queue: Deque<Place> = []
    private var free: [NodeID: Int] = [:]
    private var lastTicket = 0
    /// Those that only stand in for others.
    private var spares: Set<NodeID> = []
    private var waiters: Heap<Waiter> = []
    private var ruled: [(waiter: Waiter, rule: NodeRule)] = []

    var freeCount: Int { free.count }
    var waitingCount: Int { waiters.count + ruled.count }
    var hasRules: Bool { !ruled.isEmpty }
    var canStart: Bool { next != nil }

    /// - Parameter isSpare: it is taken only when no other is free.
    mutating func add(_ node: NodeID, isSpare: Bool = false) {
        guard free[node] == nil else { return }
        if isSpare { spares.insert(node) }
        lastTicket += 1
        free[node] = lastTicket
        queue.append(Place(node: node, ticket: lastTicket))
    }

    /// Returns a node that was taken and not used: it stays the first.
    mutating func putBack(_ node: NodeID) {
        guard free[node] == nil else { return }
        lastTicket += 1
        free[node] = lastTicket
        queue.prepend(Place(node: node, ticket: lastTicket))
    }

    mutating func remove(_ node: NodeID) { free[node] = nil }

    mutating func wait(_ step: StepIndex, priority: Int64, rule: NodeRule?) {
        let waiter = Waiter(priority: priority, step: step)
        if let rule { ruled.append((waiter, rule)) } else { waiters.insert(waiter) }
    }

    /// The step that goes next, when a node is free for it.
    var next: Waiter? {
        guard !free.isEmpty, limit.map({ running < $0 }) ?? true else { return nil }
        return [waiters.max, nextRuled.map { ruled[$0].waiter }].compactMap(\.self).max()
    }

    func isBehind(_ other: NodePool) -> Bool {
        guard let next, let others = other.next else { return next == nil }
        return next < others
    }

    private var nextRuled: Int? {
        ruled.indices.filter { index in free.keys.contains { ruled[index].rule.allows($0) } }
            .max { ruled[$0].waiter < ruled[$1].waiter }
    }

    /// The next step with the node it gets; nil when nobody waits or no node is free for anybody.
    mutating func take() -> (step: StepIndex, node: NodeID)? {
        guard let next else { return nil }
        if waiters.max == next {
            waiters.removeMax()
            return firstFree { _ in true }.map { (next.step, $0) }
        }
        guard let index = nextRuled else { return nil }
        let rule = ruled.remove(at: index).rule
        return firstFree(rule.allows).map { (next.step, $0) }
    }

    private mutating func firstFree(_ isWanted: (NodeID) -> Bool) -> NodeID? {
        while let first = queue.first, free[first.node] != first.ticket { queue.removeFirst() }
        var found: Int?
        for index in queue.indices where free[queue[index].node] == queue[index].ticket && isWanted(queue[index].node) {
            guard spares.contains(queue[index].node) else {
                found = index
                break
            }
            if found == nil { found = index }
        }
        guard let found else { return nil }
        let node = queue.remove(at: found).node
        free[node] = nil
        return node
    }

    /// Whether some step may be waiting for this very node.
    func awaits(_ node: NodeID) -> Bool { ruled.contains { $0.rule.allows(node) } }

    /// Has those with a rule take any node; only those who wait for one node alone, where it is named.
    mutating func relax(waitingFor node: NodeID? = nil) {
        for entry in ruled where node.map({ entry.rule == .only($0) }) ?? true { waiters.insert(entry.waiter) }
        ruled.removeAll { entry in node.map { entry.rule == .only($0) } ?? true }
    }

    /// Forgets everybody who waits and says who it was, in the order they would have had.
    mutating func dismissWaiters() -> [StepIndex] {
        relax()
        var dismissed: [StepIndex] = []
        while let waiter = waiters.popMax() { dismissed.append(waiter.step) }
        return dismissed
    }
}
