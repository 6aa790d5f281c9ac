import Synchronization

/// What a store has done since it was opened, for gates and benchmarks.
package struct StoreCounters: Hashable, Sendable {
    /// Transactions committed: turns, registrations and requests. In SQLite's WAL mode with `synchronous=FULL` each
    /// costs one sync of the log; a checkpoint, every 1,000 pages, costs two more.
    package var commits = 0
    /// Statements run inside those transactions, without BEGIN and COMMIT.
    package var statements = 0
    /// Instructions of SQLite's virtual machine that finished statements needed: the work of a reader, the same on
    /// every computer.
    package var virtualMachineSteps = 0

    package init() {}
}

/// The counters of one store, for all its threads.
final class Counting: Sendable {
    private let counters = Mutex(StoreCounters())

    var value: StoreCounters { counters.withLock { $0 } }

    func add(virtualMachineSteps count: Int) {
        counters.withLock { $0.virtualMachineSteps += count }
    }

    func addCommit(statements count: Int) {
        counters.withLock {
            $0.commits += 1
            $0.statements += count
        }
    }
}
