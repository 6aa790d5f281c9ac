import Synchronization

/// What a store has done since it was opened, for gates and benchmarks.
package struct StoreCounters: Hashable, Sendable {
    /// Transactions committed: turns, registrations and requests. In SQLite's WAL mode with `synchronous=FULL` each
    /// costs one sync of the log.
    package var commits = 0
    /// Statements run inside those transactions, without BEGIN and COMMIT.
    package var statements = 0
    /// Times that the log was brought into the database, or that it was tried.
    package var checkpoints = 0
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

    func addCheckpoint() { counters.withLock { $0.checkpoints += 1 } }

    func addCommit(statements count: Int) {
        counters.withLock {
            $0.commits += 1
            $0.statements += count
        }
    }
}
