import Dispatch
import GRDB
import GRDBSQLite
import MusterCore
import Synchronization

/// Brings what is in the log into the database, beside the writer: a commit waits for the log alone.
///
/// The writer tells how long the log is after each commit. Above `Limits.pages` one thread goes over the log on a
/// connection of its own, while commits go on, and flushes the database. As new commits have come meanwhile, it goes
/// over it again, until few pages are left, and brings in those while no commit of this process runs: only of a log
/// that is in the database whole does SQLite write again from its beginning. See docs/decisions/0031.
final class Checkpointer: Sendable {
    struct Limits: Sendable {
        /// From this length on the log is brought into the database.
        let pages: Int32
        /// Above this, commits wait until it was.
        let pagesMax: Int32
        /// So few may be left for the moment in which no commit runs.
        var rest: Int32 { max(1, pages / 16) }
        /// How often the log is gone over while commits go on. Whoever writes faster than the disk can follow waits.
        static let passesMax = 4
    }

    private struct State {
        /// Of the log after the newest commit of this process.
        var length: Int32 = 0
        /// The length from which on there is something to do.
        var next: Int32
        var isUnderWay = false
        var isClosed = false
        var hasFailed = false
    }

    private let limits: Limits
    private let pool: DatabasePool
    private let open: @Sendable () throws -> DatabaseQueue
    private let errors: SQLiteErrors
    private let report: @Sendable (StoreError) -> Void
    private let counting: Counting
    private let queue = DispatchQueue(label: "muster.store.checkpoints")
    private let state: Mutex<State>
    private let connection = Mutex<DatabaseQueue?>(nil)

    /// - Parameters:
    ///   - open: makes a connection to the same file.
    ///   - report: told of a failure, and not again before it has succeeded. Nothing is lost by one.
    init(
        _ limits: Limits,
        pool: DatabasePool,
        errors: SQLiteErrors,
        counting: Counting,
        report: @escaping @Sendable (StoreError) -> Void,
        open: @escaping @Sendable () throws -> DatabaseQueue
    ) {
        self.limits = limits
        self.pool = pool
        self.errors = errors
        self.counting = counting
        self.report = report
        self.open = open
        state = Mutex(State(next: limits.pages))
    }

    // MARK: The writer

    /// Takes the place of SQLite's own checkpoints after the writer's commits.
    func watch(_ writer: Database) {
        // SQLite does not keep it alive: the store does, and has `close` take the hook away before it lets go.
        let place = Unmanaged.passUnretained(self).toOpaque()
        sqlite3_wal_hook(
            writer.sqliteConnection,
            { place, _, _, length in
                guard let place else { return SQLITE_OK }
                // What was given to SQLite just below; it gives it back as it is.
                Unmanaged<Checkpointer>.fromOpaque(place).takeUnretainedValue().note(length)
                return SQLITE_OK
            },
            place
        )
    }

    /// The log has this length after a commit.
    private func note(_ length: Int32) {
        let begins = state.withLock { state in
            // SQLite has begun at its beginning again.
            if length < state.length { state.next = limits.pages }
            state.length = length
            if length < state.next || state.isUnderWay || state.isClosed { return false }
            state.isUnderWay = true
            return true
        }
        if begins { queue.async { self.run() } }
    }

    /// Waits while the log is too long. For after a commit, when the writer is free.
    func holdBack() {
        let isTooLong = state.withLock { $0.isUnderWay && $0.length > limits.pagesMax }
        if isTooLong { queue.sync {} }
    }

    /// Ends what is under way, and begins nothing any more. The pool is to be closed after it.
    func close() {
        state.withLock { $0.isClosed = true }
        pool.writeWithoutTransaction { _ = sqlite3_wal_hook($0.sqliteConnection, nil, nil) }
        queue.sync {}
        connection.withLock { $0 = nil }
    }

    // MARK: The thread of its own

    private func run() {
        var goesOn = true
        while goesOn {
            let result = Result { try bringIn() }
            counting.addCheckpoint()
            var failure: StoreError?
            goesOn = state.withLock { state in
                switch result {
                case .success(let length):
                    state.hasFailed = false
                    // Where somebody still reads what was there before, the log goes on growing for now.
                    state.next = max(limits.pages, length + limits.pages)
                case .failure(let error):
                    if !state.hasFailed { failure = errors.error(error) }
                    state.hasFailed = true
                    state.next = state.length + max(1, limits.pages / 16)
                }
                state.isUnderWay = state.length >= state.next && !state.isClosed
                return state.isUnderWay
            }
            if let failure { report(failure) }
        }
    }

    /// - Returns: the length of the log that it has seen last.
    private func bringIn() throws -> Int32 {
        let own = try connection.withLock { connection in
            if let connection { return connection }
            let opened = try open()
            connection = opened
            return opened
        }
        var before: Int32 = 0
        for _ in 0..<Limits.passesMax {
            let (length, done) = try own.writeWithoutTransaction { db in
                let pass = try pass(db)
                if pass.done > before { try flush(db) }
                return pass
            }
            // Somebody reads what was there before, or another process is at it: later.
            if done <= before { return length }
            before = done
            let now = state.withLock { $0.length }
            if now < done { return now }
            if now - done <= limits.rest { break }
        }
        return try pool.writeWithoutTransaction { _ in try own.writeWithoutTransaction { try pass($0).length } }
    }

    /// Copies what may be copied without waiting for anybody.
    ///
    /// - Returns: how long the log was when it began, and how much of it is in the database now.
    private func pass(_ db: Database) throws -> (length: Int32, done: Int32) {
        var (length, done): (Int32, Int32) = (0, 0)
        let code = sqlite3_wal_checkpoint_v2(db.sqliteConnection, "main", SQLITE_CHECKPOINT_PASSIVE, &length, &done)
        // Another process does the same just now.
        if code & 0xFF == SQLITE_BUSY { return (state.withLock { $0.length }, 0) }
        if code != SQLITE_OK { throw error(db, code) }
        return (length, done)
    }

    /// Has the system write what was copied: SQLite itself does so only with the last page of a log.
    private func flush(_ db: Database) throws {
        var file: UnsafeMutablePointer<sqlite3_file>?
        let code = sqlite3_file_control(db.sqliteConnection, "main", SQLITE_FCNTL_FILE_POINTER, &file)
        guard code == SQLITE_OK, let file, let methods = file.pointee.pMethods else { return }
        let flushed = methods.pointee.xSync(file, SQLITE_SYNC_NORMAL)
        if flushed != SQLITE_OK { throw error(db, flushed) }
    }

    private func error(_ db: Database, _ code: Int32) -> StoreError {
        guard let handle = db.sqliteConnection else { return errors.error(code, "it is closed") }
        return errors.error(code, String(cString: sqlite3_errstr(code)), errno: sqlite3_system_errno(handle))
    }
}
