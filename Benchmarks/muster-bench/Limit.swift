import ArgumentParser
import Foundation
import GRDBSQLite

/// The rate at which SQLite itself takes steps: plain C calls, each step inserted and updated, `synchronous=FULL`.
struct Limit: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "The store's own rate, by plain C calls, with 1, 100 and 1,000 steps a commit."
    )
    @Option(help: "Only sqlite.") var store = "sqlite"
    @Option(help: "Seconds for each rate.") var seconds = 1.0
    @Option(help: "Where to write.") var folder: String?
    @Flag(help: "One JSON object.") var json = false

    func validate() throws {
        guard store == "sqlite" else { throw ValidationError("--store knows sqlite") }
        guard seconds > 0, seconds <= 600 else { throw ValidationError("--seconds wants 0 to 600") }
    }

    func run() throws {
        let scratch = try Scratch(in: folder)
        defer { scratch.remove() }
        let before = FlushProbe.median(in: scratch.path)
        let rates = try [1, 100, 1000].map { batch in
            (batch: batch, rate: try SQLiteLimit.rate(in: scratch.path, batch: batch, seconds: seconds))
        }
        let after = FlushProbe.median(in: scratch.path)
        var fields = rates.map { rate -> Fields.Element in ("steps_per_s_\(rate.batch)", Int(rate.rate)) }
        fields.append(("probe_us", Int(max(before, after))))
        MusterBench.report(
            asJSON: json,
            fields,
            rates.map { "\($0.batch) a commit: \(Int($0.rate)) steps/s" }
                + ["flush probe: \(Int(before)) µs before, \(Int(after)) µs after"]
        )
    }
}

enum SQLiteLimit {
    struct Failure: Error, CustomStringConvertible { let description: String }

    /// Steps per second, with `batch` steps inserted and updated in each commit.
    static func rate(in folder: String, batch: Int, seconds: Double) throws -> Double {
        let path = folder + "/limit-\(batch).db"
        var handle: OpaquePointer?
        guard sqlite3_open(path, &handle) == SQLITE_OK else { throw Failure(description: "\(path) cannot be opened") }
        defer {
            sqlite3_close(handle)
            for suffix in ["", "-wal", "-shm"] { unlink(path + suffix) }
        }
        func execute(_ sql: String) throws {
            guard sqlite3_exec(handle, sql, nil, nil, nil) == SQLITE_OK else {
                throw Failure(description: String(cString: sqlite3_errmsg(handle)))
            }
        }
        func prepare(_ sql: String) throws -> OpaquePointer? {
            var statement: OpaquePointer?
            guard sqlite3_prepare_v2(handle, sql, -1, &statement, nil) == SQLITE_OK else {
                throw Failure(description: String(cString: sqlite3_errmsg(handle)))
            }
            return statement
        }
        func step(_ statement: OpaquePointer?) throws {
            guard sqlite3_step(statement) == SQLITE_DONE else {
                throw Failure(description: String(cString: sqlite3_errmsg(handle)))
            }
            sqlite3_reset(statement)
        }
        try execute("pragma journal_mode=wal")
        try execute("pragma synchronous=full")
        try execute("create table step(plan int, id int, state int, out blob, primary key(plan,id)) without rowid")
        let insert = try prepare("insert into step values(1,?1,1,null)")
        let update = try prepare("update step set state=2,out=?2 where plan=1 and id=?1")
        let begin = try prepare("begin immediate")
        let commit = try prepare("commit")
        defer { for statement in [insert, update, begin, commit] { sqlite3_finalize(statement) } }
        let output = [UInt8](repeating: 0x78, count: 64)
        var count: Int64 = 0
        let start = ContinuousClock.now
        let limit = Duration.seconds(seconds)
        try output.withUnsafeBytes { output in
            while start.duration(to: .now) < limit {
                try step(begin)
                for offset in 0..<Int64(batch) {
                    sqlite3_bind_int64(insert, 1, count + offset)
                    try step(insert)
                }
                for offset in 0..<Int64(batch) {
                    sqlite3_bind_int64(update, 1, count + offset)
                    sqlite3_bind_blob(update, 2, output.baseAddress, 64, nil)
                    try step(update)
                }
                try step(commit)
                count += Int64(batch)
            }
        }
        return Double(count) / start.duration(to: .now).inSeconds
    }
}
