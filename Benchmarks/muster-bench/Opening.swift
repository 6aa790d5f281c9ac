import ArgumentParser
import Foundation
import GRDBSQLite
import MusterCore
import MusterEngine
import MusterStore

/// A state with many finished plans is opened by another process, until its conductor could begin.
struct Opening: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "open",
        abstract: "Time and memory to open a state with many finished plans."
    )
    @Option(help: "How many finished plans.") var plans = 1_000_000
    @Option(help: "Where to write: about 1 GB for a million.") var folder: String?
    @OptionGroup var rounds: Rounds
    @Flag(help: "One JSON object.") var json = false

    func validate() throws {
        guard (1...10_000_000).contains(plans) else { throw ValidationError("--plans wants 1 to 10,000,000") }
    }

    func run() async throws {
        let scratch = try Scratch(in: folder)
        defer { scratch.remove() }
        let state = scratch.path + "/state"
        try fill(state)
        let measured = try await rounds.measure(in: scratch.path) {
            let begin = Child.time()
            let child = try Child(["open-look", "--folder", state])
            guard let record = child.next() else { throw Child.Failure(description: "the state was not opened") }
            try child.end()
            return (milliseconds: Double(record.at - begin) / 1000, megabytes: Double(record.position) / 1024)
        }
        let length = text(measured.median(\.milliseconds))
        let memory = text(measured.median(\.megabytes))
        measured.report(
            asJSON: json,
            ["plans": plans, "open_ms": length, "peak_rss_mb": memory],
            ["a state with \(plans) finished plans opens in \(length) ms with \(memory) MB at most"]
        )
    }

    /// Makes the state by the store, and its rows in bulk.
    private func fill(_ folder: String) throws {
        let path = StateDirectory(path: folder).database
        _ = try SQLiteStore(path: path)
        var handle: OpaquePointer?
        guard sqlite3_open(path, &handle) == SQLITE_OK else { throw Child.Failure(description: "\(path): no database") }
        defer { sqlite3_close(handle) }
        let numbers = """
            WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < \(plans))
            """
        let spec = #"{"groups":[],"keep":"onFailure","lab":"bench","labDirectory":"/bench","parallel":8,"verb":"plan"}"#
        for sql in [
            "PRAGMA synchronous = OFF", "PRAGMA cache_size = -200000", "BEGIN",
            """
            INSERT INTO plans (id, request, verb, lab, state, result, phase, is_cancelling, host, epoch, created_at,
                started_at, ended_at, first_event, spec)
            \(numbers) SELECT n, 'request-' || n, 4, 'bench', 6, 1, 0, 0, 'bench', 1, n, n, n, 5 * n - 4, '\(spec)'
                FROM numbers
            """,
            "INSERT INTO plan_blocks SELECT DISTINCT lab, id >> 8 FROM plans",
            """
            INSERT INTO steps (plan, step, action, a, b, c, pool, priority, starts_after_failure, needs, state, tries,
                started_at, ended_at)
            \(numbers) SELECT n, 0, 1, 0, 0, 0, -1, 0, 0, x'', 3, 1, n, n FROM numbers
            """,
            """
            INSERT INTO events (position, epoch, n, at, kind, plan, step)
            WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < 5 * \(plans))
            SELECT n, 1, n, n, CASE n % 5 WHEN 1 THEN 2 WHEN 2 THEN 3 WHEN 3 THEN 10 WHEN 4 THEN 12 ELSE 9 END,
                (n + 4) / 5, CASE n % 5 WHEN 3 THEN 0 WHEN 4 THEN 0 END FROM numbers
            """,
            "COMMIT",
        ] {
            guard sqlite3_exec(handle, sql, nil, nil, nil) == SQLITE_OK else {
                throw Child.Failure(description: String(cString: sqlite3_errmsg(handle)))
            }
        }
    }
}

/// What `open` measures. Its record carries its peak memory, in kilobytes.
struct OpenLook: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "open-look", shouldDisplay: false)
    @Option var folder: String

    func run() throws {
        let bench = try Workbench(in: folder)
        let at = Child.time()
        withExtendedLifetime(bench) {
            Child.Record(position: Int64(Usage.peakMemoryInMegabytes * 1024), at: at).write()
        }
    }
}
