import Foundation
import GRDBSQLite

/// What SQLite itself takes, by plain C calls and `synchronous=FULL`: the floor under stored events.
enum EventsLimit {
    /// Commits of one small row, one after another, for a second.
    static func commits(in folder: String) throws -> Latencies {
        let path = folder + "/commits.db"
        defer { for suffix in ["", "-wal", "-shm"] { unlink(path + suffix) } }
        let database = try PlainSQLite(path)
        try database.execute("CREATE TABLE row (id INTEGER PRIMARY KEY, at INTEGER NOT NULL, text TEXT)")
        let insert = try database.prepare("INSERT INTO row (at, text) VALUES (?1, 'LINUX/SHUTDOWN < ISUP')")
        var lengths: [Int64] = []
        let end = Latencies.now() + 1_000_000_000
        while Latencies.now() < end {
            let begun = Latencies.now()
            sqlite3_bind_int64(insert, 1, begun)
            try database.step(insert)
            lengths.append(Latencies.now() - begun)
        }
        return Latencies(nanoseconds: lengths)
    }

    /// Events a second, each a new row and a change of its node's, with `batch` of them a commit, for a second; in the
    /// database of a state.
    static func rate(in folder: String, batch: Int, nodes: Int) throws -> Double {
        let database = try PlainSQLite(folder + "/muster.db")
        let insert = try database.prepare(
            """
            INSERT INTO events (epoch, n, at, kind, node, detail) VALUES (9, ?1, ?2, ?3, ?4, 'LINUX/SHUTDOWN < ISUP')
            """
        )
        let kind = try database.number("SELECT kind FROM events ORDER BY position DESC LIMIT 1")
        let change = try database.prepare(
            """
            UPDATE node_states SET mode = 'LINUX', state = 'SHUTDOWN', since = ?2, mode_since = ?2, next_mode = NULL,
                boot_mode = NULL, goal = NULL, features = 1, flags = 0, timeouts = 0, notices = 0, repairs = 0,
                due_at = ?2, due_order = ?3, command = NULL, triggers = NULL
            WHERE node = ?1
            """
        )
        var count: Int64 = 0
        let start = ContinuousClock.now
        while start.duration(to: .now) < .seconds(1) {
            try database.execute("BEGIN IMMEDIATE")
            for _ in 0..<batch {
                let node = count % Int64(nodes) + 1
                count += 1
                sqlite3_bind_int64(insert, 1, count)
                sqlite3_bind_int64(insert, 2, Latencies.now())
                sqlite3_bind_int64(insert, 3, kind)
                sqlite3_bind_int64(insert, 4, node)
                try database.step(insert)
                sqlite3_bind_int64(change, 1, node)
                sqlite3_bind_int64(change, 2, Latencies.now())
                sqlite3_bind_int64(change, 3, count)
                try database.step(change)
            }
            try database.execute("COMMIT")
        }
        return Double(count) / start.duration(to: .now).inSeconds
    }
}

/// A database without anything of Muster's around it.
final class PlainSQLite {
    private var handle: OpaquePointer?
    private var statements: [OpaquePointer?] = []

    init(_ path: String) throws {
        guard sqlite3_open(path, &handle) == SQLITE_OK else {
            throw SQLiteLimit.Failure(description: "\(path) cannot be opened")
        }
        try execute("PRAGMA journal_mode = wal")
        try execute("PRAGMA synchronous = full")
    }

    deinit {
        for statement in statements { sqlite3_finalize(statement) }
        sqlite3_close(handle)
    }

    private var failure: SQLiteLimit.Failure {
        SQLiteLimit.Failure(description: String(cString: sqlite3_errmsg(handle)))
    }

    func execute(_ sql: String) throws {
        guard sqlite3_exec(handle, sql, nil, nil, nil) == SQLITE_OK else { throw failure }
    }

    func prepare(_ sql: String) throws -> OpaquePointer? {
        var statement: OpaquePointer?
        guard sqlite3_prepare_v2(handle, sql, -1, &statement, nil) == SQLITE_OK else { throw failure }
        statements.append(statement)
        return statement
    }

    func step(_ statement: OpaquePointer?) throws {
        guard sqlite3_step(statement) == SQLITE_DONE else { throw failure }
        sqlite3_reset(statement)
    }

    /// Reads each column of each row, and keeps nothing.
    func read(_ sql: String) throws {
        let statement = try prepare(sql)
        var bytes = 0
        while sqlite3_step(statement) == SQLITE_ROW {
            for column in 0..<sqlite3_column_count(statement) {
                switch sqlite3_column_type(statement, column) {
                case SQLITE_INTEGER: bytes &+= Int(sqlite3_column_int64(statement, column))
                case SQLITE_TEXT: bytes &+= String(cString: sqlite3_column_text(statement, column)).utf8.count
                default: break
                }
            }
        }
        withExtendedLifetime(bytes) {}
    }

    func number(_ sql: String) throws -> Int64 {
        let statement = try prepare(sql)
        guard sqlite3_step(statement) == SQLITE_ROW else { throw failure }
        defer { sqlite3_reset(statement) }
        return sqlite3_column_int64(statement, 0)
    }
}
