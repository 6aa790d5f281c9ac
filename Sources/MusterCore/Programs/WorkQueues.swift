import HeapModule

/// The queues in which calls wait for a worker: each with a size, fair to the plans that use it.
///
/// Among equal priorities plans take turns, however many calls each has waiting: a call's place is the count of calls
/// of its plan before it, from the moment's front on (start-time fair queueing, Goyal, Vin and Cheng 1996).
package struct WorkQueues: Sendable {
    fileprivate struct Entry: Comparable, Sendable {
        let priority: Int64
        let place: UInt64
        let order: UInt64
        let step: StepID

        /// The heap gives its greatest first: the higher priority, then the lower place, then who came first.
        static func < (a: Entry, b: Entry) -> Bool {
            if a.priority != b.priority { return a.priority < b.priority }
            return a.place != b.place ? a.place > b.place : a.order > b.order
        }
    }

    fileprivate struct Queue: Sendable {
        var size: Int
        var busy = 0
        var front: UInt64 = 0
        var lastPlace: [PlanID: UInt64] = [:]
        var waiting: Heap<Entry> = []
    }

    private var queues: [String: Queue] = [:]
    private let sizes: [String: Int]
    private var nextOrder: UInt64 = 0
    /// Queues in which something could begin.
    private var candidates: Set<String> = []

    /// How many calls of a queue are performed at once where nobody says otherwise.
    package static let sizeDefault = 64

    package init(sizes: [String: Int] = [:]) { self.sizes = sizes }

    /// A worker of a queue performs something that was begun before the queues were there.
    mutating func occupy(_ name: String) {
        queues[name, default: Queue(size: max(1, sizes[name] ?? Self.sizeDefault))].busy += 1
    }

    mutating func add(_ step: StepID, to name: String, priority: Int64) {
        var queue = queues.removeValue(forKey: name) ?? Queue(size: max(1, sizes[name] ?? Self.sizeDefault))
        let place = max(queue.lastPlace[step.plan].map { $0 + 1 } ?? 0, queue.front)
        queue.lastPlace[step.plan] = place
        nextOrder += 1
        queue.waiting.insert(Entry(priority: priority, place: place, order: nextOrder, step: step))
        queues[name] = queue
        candidates.insert(name)
    }

    /// The next call that a worker is free for. It is busy from here on, until `ended`.
    mutating func take() -> (step: StepID, queue: String)? {
        while let name = candidates.min() {
            // Nobody keeps a copy of it meanwhile: all that wait would be copied with each that is taken.
            guard queues[name]?.canBegin == true, let step = queues[name]?.take() else {
                candidates.remove(name)
                continue
            }
            return (step, name)
        }
        return nil
    }

    /// A call has ended, or what was taken did not begin after all.
    mutating func ended(_ name: String) {
        queues[name]?.busy -= 1
        candidates.insert(name)
    }
}

extension WorkQueues.Queue {
    fileprivate var canBegin: Bool { busy < size && !waiting.isEmpty }

    fileprivate mutating func take() -> StepID? {
        guard let entry = waiting.popMax() else { return nil }
        busy += 1
        front = max(front, entry.place)
        // Nobody waits: the turns that were taken do not matter any more.
        if waiting.isEmpty { lastPlace.removeAll(keepingCapacity: lastPlace.count < 1000) }
        return entry.step
    }
}
