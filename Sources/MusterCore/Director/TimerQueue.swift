import HeapModule

/// What a timer is for.
enum TimerKey: Hashable, Sendable {
    /// A retry, or the timeout of a call.
    case step(StepID)
    /// An event that a step has sent to itself for later.
    case signal(StepID, number: Int64)
    /// The time at which a scheduled plan begins, or may not begin any more.
    case start(PlanID)

    var plan: PlanID {
        switch self {
        case .step(let step), .signal(let step, _): step.plan
        case .start(let plan): plan
        }
    }
}

/// What is to come, earliest first; equal deadlines in the order they were set. A replaced timer never fires.
struct TimerQueue: Sendable {
    private struct Entry: Comparable, Sendable {
        let dueAt: Timestamp
        let order: UInt64
        let key: TimerKey

        static func < (a: Entry, b: Entry) -> Bool {
            a.dueAt != b.dueAt ? a.dueAt < b.dueAt : a.order < b.order
        }
    }

    private var heap: Heap<Entry> = []
    /// By plan, so that one that ends takes its timers with it, however many others have.
    private var current: [PlanID: [TimerKey: UInt64]] = [:]
    private var nextOrder: UInt64 = 0

    mutating func set(_ timer: TimerRow) { set(.step(timer.step), at: timer.dueAt) }

    mutating func set(_ key: TimerKey, at dueAt: Timestamp) {
        nextOrder += 1
        current[key.plan, default: [:]][key] = nextOrder
        heap.insert(Entry(dueAt: dueAt, order: nextOrder, key: key))
    }

    mutating func clear(_ step: StepID) { clear(.step(step)) }
    mutating func clear(_ key: TimerKey) { current[key.plan]?[key] = nil }
    mutating func clear(plan: PlanID) { current[plan] = nil }

    /// When the next timer is due; nil when there is none.
    mutating func nextDue() -> Timestamp? {
        dropStale()
        return heap.min?.dueAt
    }

    /// Takes out the next timer that is due at `now`.
    mutating func takeDue(at now: Timestamp) -> TimerKey? {
        dropStale()
        guard let entry = heap.min, entry.dueAt <= now else { return nil }
        heap.removeMin()
        clear(entry.key)
        return entry.key
    }

    private mutating func dropStale() {
        while let entry = heap.min, current[entry.key.plan]?[entry.key] != entry.order { heap.removeMin() }
    }
}
