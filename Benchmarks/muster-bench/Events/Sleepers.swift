import Foundation
import MusterCore
import MusterEngine
import Synchronization

/// Many who wait, each with a task of its own, and when each event happened and was heard of.
final class Sleepers: @unchecked Sendable {
    // Each place is written by one thread, and read after `allAreAwake`.
    private let begun: UnsafeMutablePointer<Int64>
    private let woken: UnsafeMutablePointer<Int64>
    private let count: Int
    private let awake = Atomic<Int>(0)
    private let tasks = Mutex<[Task<Void, Never>]>([])

    init(count: Int) {
        self.count = count
        begun = .allocate(capacity: count)
        woken = .allocate(capacity: count)
        begun.initialize(repeating: 0, count: count)
        woken.initialize(repeating: 0, count: count)
    }

    deinit {
        begun.deallocate()
        woken.deallocate()
    }

    /// Has a task wait for the end of what comes.
    func add(_ place: Int, _ updates: AsyncStream<StateWaits.Update>) {
        let task = Task { [self] in
            for await _ in updates where woken[place] == 0 { wake(place) }
        }
        tasks.withLock { $0.append(task) }
    }

    private func wake(_ place: Int) {
        woken[place] = Latencies.now()
        awake.add(1, ordering: .releasing)
    }

    /// Until this process has come to rest: all are waiting, and what a conductor begins with is done.
    static func rest() async {
        var before = -Double.infinity
        while Usage.cpu - before > 5000 {
            before = Usage.cpu
            try? await Task.sleep(for: .milliseconds(200))
        }
    }

    /// As long as an event takes to be decided. The threads that run tasks have begun to sleep by then.
    static func spin(for nanoseconds: Int64) {
        let end = Latencies.now() + nanoseconds
        while Latencies.now() < end {}
    }

    /// The event of this one happens now.
    func begin(_ place: Int) { begun[place] = Latencies.now() }

    /// How many are awake.
    var awakeCount: Int { awake.load(ordering: .acquiring) }

    /// What each waited for, when all are awake.
    func latencies() async -> Latencies {
        for task in tasks.withLock({ $0 }) { await task.value }
        return Latencies(nanoseconds: (0..<count).map { woken[$0] - begun[$0] })
    }
}
