import HeapModule

/// The retries that are to come, earliest first; equal deadlines in the order they were set. A replaced timer never
/// fires.
struct TimerQueue: Sendable {
    private struct Entry: Comparable, Sendable {
        let dueAt: Timestamp
        let order: UInt64
        let step: StepID

        static func < (a: Entry, b: Entry) -> Bool {
            a.dueAt != b.dueAt ? a.dueAt < b.dueAt : a.order < b.order
        }
    }

    private var heap: Heap<Entry> = []
    private var current: [StepID: UInt64] = [:]
    private var nextOrder: UInt64 = 0

    mutating func set(_ timer: TimerRow) {
        nextOrder += 1
        current[timer.step] = nextOrder
        heap.insert(Entry(dueAt: timer.dueAt, order: nextOrder, step: timer.step))
    }

    mutating func clear(_ step: StepID) { current[step] = nil }

    mutating func clear(plan: PlanID) {
        current = current.filter { $0.key.plan != plan }
    }

    /// When the next timer is due; nil when there is none.
    mutating func nextDue() -> Timestamp? {
        dropStale()
        return heap.min?.dueAt
    }

    /// Takes out the next timer that is due at `now`.
    mutating func takeDue(at now: Timestamp) -> StepID? {
        dropStale()
        guard let entry = heap.min, entry.dueAt <= now else { return nil }
        heap.removeMin()
        current[entry.step] = nil
        return entry.step
    }

    private mutating func dropStale() {
        while let entry = heap.min, current[entry.step] != entry.order { heap.removeMin() }
    }
}
