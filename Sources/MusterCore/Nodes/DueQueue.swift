import HeapModule

/// What is to come, earliest first; equal deadlines in the order they were set. What was replaced or cleared never
/// comes.
///
/// It holds at most twice as many entries as there are keys: what was replaced is swept out when it is more than that.
package struct DueQueue<Key: Hashable & Sendable>: Sendable {
    private struct Entry: Comparable, Sendable {
        let at: Timestamp
        let order: Int64
        let key: Key

        static func == (a: Entry, b: Entry) -> Bool { a.at == b.at && a.order == b.order }
        static func < (a: Entry, b: Entry) -> Bool { a.at != b.at ? a.at < b.at : a.order < b.order }
    }

    private var heap: Heap<Entry> = []
    private var current: [Key: Int64] = [:]
    /// The place that the next one takes among equal deadlines; above all that were ever given.
    package private(set) var nextOrder: Int64 = 1

    package init() {}

    package var count: Int { current.count }
    /// Entries it holds, with those that will never come.
    var entryCount: Int { heap.count }

    /// Sets a deadline in place of the one of the same key; gives the place it has among equal ones.
    @discardableResult
    package mutating func set(_ key: Key, at: Timestamp) -> Int64 {
        let order = nextOrder
        restore(key, at: at, order: order)
        return order
    }

    /// Sets a deadline with the place it was given before.
    package mutating func restore(_ key: Key, at: Timestamp, order: Int64) {
        nextOrder = max(nextOrder, order + 1)
        current[key] = order
        heap.insert(Entry(at: at, order: order, key: key))
        sweep()
    }

    package mutating func clear(_ key: Key) {
        current[key] = nil
        sweep()
    }

    /// When the next one is due; nil when there is none.
    package mutating func nextDue() -> Timestamp? {
        dropStale()
        return heap.min?.at
    }

    /// Takes out the next one that is due at `now`.
    package mutating func takeDue(at now: Timestamp) -> (key: Key, at: Timestamp)? {
        dropStale()
        guard let entry = heap.min, entry.at <= now else { return nil }
        heap.removeMin()
        current[entry.key] = nil
        return (entry.key, entry.at)
    }

    private mutating func dropStale() {
        while let entry = heap.min, current[entry.key] != entry.order { heap.removeMin() }
    }

    private mutating func sweep() {
        guard heap.count > 2 * current.count + 64 else { return }
        heap = Heap(heap.unordered.filter { current[$0.key] == $0.order })
    }
}
