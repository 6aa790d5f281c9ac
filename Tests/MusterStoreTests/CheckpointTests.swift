import Foundation
import GRDB
import MusterCore
import MusterStore
import Synchronization
import Testing

/// The log is brought into the database beside the writer: it stays short, and nobody notices when that fails.
@Suite struct CheckpointTests {
    private let folder = TemporaryFolder()

    /// A store that brings in its log from 50 pages on.
    private func open(
        pagesMax: Int32 = 200,
        failed: @escaping @Sendable (StoreError) -> Void = { Issue.record("\($0)") }
    ) throws -> SQLiteStore {
        var options = SQLiteStore.Options()
        options.logPages = 50
        options.logPagesMax = pagesMax
        options.checkpointFailed = failed
        return try SQLiteStore(path: folder.file(), options: options)
    }

    /// Commits plans of 40 steps: each changes five pages or more.
    private func write(_ plans: ClosedRange<Int64>, _ epoch: Epoch, to store: SQLiteStore) throws {
        for number in plans {
            var turn = Turn(now: Timestamp(rawValue: number), epoch: epoch)
            fill(&turn, plan: number, steps: 40)
            try store.commit(turn)
        }
    }

    private func register(_ store: SQLiteStore) throws -> Epoch {
        try store.register(host: "host", pid: 1, now: Timestamp(rawValue: 0))
    }

    /// The most that the log ever was, in pages.
    private var log: Int { (folder.content("state/muster.db-wal")?.count ?? 0) / (4096 + 24) }

    private func expectAll(_ count: Int64, in store: SQLiteStore) throws {
        let plans = try store.load().plans
        #expect(plans.map(\.row.id.rawValue) == Array(1...count))
        #expect(plans.allSatisfy { $0.steps.count == 40 })
        let check = try DatabaseQueue(path: folder.file()).read {
            try String.fetchAll($0, sql: "PRAGMA integrity_check")
        }
        #expect(check == ["ok"])
    }

    // MARK: Its length

    @Test func theLogStaysShortUnderLoad() throws {
        let store = try open()
        try write(1...2000, register(store), to: store)
        let pages = (folder.content()?.count ?? 0) / 4096
        #expect(pages > 700, "most of it is in the database: \(pages) pages")
        // One commit is the last that need not wait.
        #expect(log < 240, "pages of log")
        #expect(store.counters.checkpoints >= 2000 * 5 / 240)
        try expectAll(2000, in: store)
    }

    @Test func theLogIsBegunAnewBesideCommitsThatNeverPause() throws {
        // Nobody is held back: without the moment in which no commit runs, a few pages would always be left.
        let store = try open(pagesMax: .max)
        try write(1...2000, register(store), to: store)
        #expect(log < 4000, "pages of log, of more than 10,000 that were written")
        try expectAll(2000, in: store)
    }

    @Test func twoWritersOfOneStateKeepTheLogShort() throws {
        let (first, second) = (try open(), try open())
        for round in 0..<100 as Range<Int64> {
            try write(round * 10 + 1...round * 10 + 5, register(first), to: first)
            try write(round * 10 + 6...round * 10 + 10, register(second), to: second)
        }
        #expect(log < 300, "pages of log")
        try expectAll(1000, in: first)
    }

    @Test func commitsWaitWhenTheLogIsTooLong() throws {
        // From the first page on: each commit finds the log too long.
        let store = try open(pagesMax: 1)
        try write(1...100, register(store), to: store)
        #expect(log < 120, "pages of log")
        try expectAll(100, in: store)
    }

    @Test func whoReadsForLongHoldsUpTheLogAndNoCommit() throws {
        let store = try open()
        let epoch = try register(store)
        try write(1...1, epoch, to: store)
        let reader = try DatabaseQueue(path: folder.file())
        try reader.inTransaction(.deferred) { db in
            #expect(try Int.fetchOne(db, sql: "SELECT count(*) FROM plans") == 1)
            try write(2...200, epoch, to: store)
            #expect(log > 400, "what is read stays as it was")
            #expect(try Int.fetchOne(db, sql: "SELECT count(*) FROM plans") == 1)
            return .commit
        }
        let longest = log
        try write(201...1200, epoch, to: store)
        #expect(log < longest + 240, "and the log is begun anew when nobody reads")
        try expectAll(1200, in: store)
    }

    @Test func aStoreThatClosesLeavesNoLog() throws {
        for round in 0..<10 as Range<Int64> {
            do {
                let store = try open()
                try write(round * 50 + 1...round * 50 + 50, register(store), to: store)
                // A look has a connection of its own.
                #expect(try store.plan(request: "request-1") != nil)
            }
            #expect(folder.files == ["state", "state/muster.db"])
        }
        try expectAll(500, in: open())
    }

    // MARK: When it fails

    @Test func aFullDiskUnderTheDatabaseFailsNoCommitAndIsToldOnce() throws {
        let told = Mutex<[StoreError]>([])
        let store = try open(failed: { error in told.withLock { $0.append(error) } })
        let epoch = try register(store)
        try write(1...5, epoch, to: store)
        FullDisk.begin(folder.file())
        defer { FullDisk.end(folder.file()) }
        try write(6...200, epoch, to: store)
        // It was tried more than once, and told once.
        #expect(store.counters.checkpoints > 1)
        #expect(told.withLock { $0.map(\.code) } == [.full])
        #expect(told.withLock { $0.first?.message.contains("Nothing is lost") } == true)
        let longest = log
        #expect(longest > 800, "everything is in the log: \(longest) pages")
        try expectAll(200, in: store)

        FullDisk.end(folder.file())
        try write(201...1000, epoch, to: store)
        #expect(log < longest + 240, "and it is brought in")
        #expect(told.withLock { $0.count } == 1)
        try expectAll(1000, in: store)

        // The next time it is told again.
        FullDisk.begin(folder.file())
        try write(1001...1100, epoch, to: store)
        #expect(told.withLock { $0.count } == 2)
        FullDisk.end(folder.file())
    }

    @Test func aStoreThatClosesWithAFullDiskLosesNothing() throws {
        do {
            let store = try open(failed: { _ in })
            try write(1...5, register(store), to: store)
            FullDisk.begin(folder.file())
            try write(6...100, register(store), to: store)
        }
        FullDisk.end(folder.file())
        try expectAll(100, in: open())
        #expect(folder.files == ["state", "state/muster.db"])
    }
}
