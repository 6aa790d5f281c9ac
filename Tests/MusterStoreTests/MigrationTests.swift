import GRDB
import MusterCore
import MusterTestKit
import Testing

@testable import MusterStore

/// What becomes of a state that an older version has written.
@Suite struct MigrationTests {
    let folder = TemporaryFolder()

    /// A migration ends all terms: a lab that stayed claimed by one of them would be nobody's for ever.
    @Test func labsAreFreeAfterAMigration() throws {
        let clock = StoreConformance.Clock()
        let options = SQLiteStore.Options { clock.now }
        do {
            let store = try SQLiteStore(path: folder.file(), options: options)
            _ = try store.submit(
                .submit(token: "t", spec: RunSpec(verb: .up, lab: "shop", labDirectory: "/lab")),
                at: clock.now
            )
            let term = try store.join(host: "here", pid: 1, lease: .seconds(5))
            #expect(try store.claim(by: term, limit: .max).labs == ["shop"])
            try older(store.stateName)
        }
        let store = try SQLiteStore(path: folder.file(), options: options)
        let next = try store.join(host: "here", pid: 2, lease: .seconds(5))
        #expect(try store.claim(by: next, limit: .max).labs == ["shop"])
    }

    /// Makes of a state what the version before plans of programs would have made.
    static let backToFour = """
        DROP TABLE test_results;
        DROP TABLE report_positions;
        DROP TABLE errands;
        DROP TABLE notice_sinks;
        DROP TABLE node_states;
        DROP TABLE mode_sets;
        DROP TABLE report_marks;
        ALTER TABLE plans DROP COLUMN is_aborting;
        ALTER TABLE attempts ADD COLUMN operation TEXT;
        DROP INDEX plans_by_parent;
        ALTER TABLE plans DROP COLUMN parent_plan;
        ALTER TABLE plans DROP COLUMN parent_step;
        ALTER TABLE plans DROP COLUMN is_frozen;
        ALTER TABLE plans DROP COLUMN name;
        ALTER TABLE steps DROP COLUMN output;
        ALTER TABLE steps DROP COLUMN invocation;
        ALTER TABLE steps DROP COLUMN is_woken;
        ALTER TABLE steps DROP COLUMN is_rescued;
        ALTER TABLE steps DROP COLUMN children_total;
        ALTER TABLE steps DROP COLUMN children_limit;
        DROP TABLE signals;
        DROP TABLE chunks;
        DROP TABLE limits;
        DROP TABLE permits;
        ALTER TABLE numbers DROP COLUMN deleted_plan;
        UPDATE meta SET schema = 4;

        """

    @Test func aStateWithoutPlansOfProgramsIsBroughtUpToDate() throws {
        let path = folder.file()
        let before = try {
            let store = try SQLiteStore(path: path)
            try commit(to: store) { turn in
                for number in 1...3 as ClosedRange<Int64> {
                    fill(&turn, plan: number, steps: 2, state: number == 2 ? .running : .stopped)
                }
                turn.plans[1].reason = "a reason"
                turn.plans[2].endedAt = turn.now
                turn.events = [EventRow(position: 0, epoch: turn.epoch, number: 1, at: turn.now, kind: .planCreated)]
                turn.events[0].plan = PlanID(2)
            }
            let rows = try (1...3).map { try store.steps(of: PlanID($0)) }
            return (try store.plans(lab: "shop", limit: 9), rows, try store.spec(of: PlanID(2)))
        }()
        let old = try DatabaseQueue(path: path)
        try old.write { try $0.execute(sql: Self.backToFour) }
        try old.close()
        let store = try SQLiteStore(path: path)
        #expect(try store.plans(lab: "shop", limit: 9) == before.0)
        #expect(try (1...3).map { try store.steps(of: PlanID($0)) } == before.1)
        #expect(try store.spec(of: PlanID(2)) == before.2)
        #expect(try store.plan(request: "request-3") == before.0[0])
        #expect(try store.events(after: 0, plan: PlanID(2), limit: 9).count == 1)
        #expect(try store.load().plans.map(\.row.id) == [PlanID(2)])
        // And goes on with a plan of a program.
        try commit(to: store) { turn in
            fill(&turn, plan: 4)
            turn.newSpecs[PlanID(4)]?.program = ProgramSpec(name: "root", actions: [ActionSpec(name: "act")])
            turn.plans[0].parent = StepID(plan: PlanID(2), index: 1)
        }
        #expect(try store.children(of: StepID(plan: PlanID(2), index: 1)).planned == 1)
        #expect(try store.plans(matching: PlanQuery(name: "root")).map(\.id) == [PlanID(4)])
        #expect(throws: DatabaseError.self, "a request makes one run") {
            try DatabaseQueue(path: path).write {
                try $0.execute(sql: "UPDATE plans SET request = 'request-1' WHERE id = 3")
            }
        }
    }

    /// Puts the rows of conductors, claims and requests into a state of the schema before the newest.
    private func older(_ name: String) throws {
        let database = try DatabaseQueue(path: folder.file())
        let kept = ["conductors", "claims", "inbox", "numbers"]
        let rows = try database.read { database in
            try kept.map { table in try Row.fetchAll(database, sql: "SELECT * FROM \(table)") }
        }
        try database.writeWithoutTransaction { database in
            try database.execute(sql: "PRAGMA foreign_keys = OFF")
            let tables = try String.fetchAll(
                database,
                sql: "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%'"
            )
            for table in tables { try database.execute(sql: "DROP TABLE \(table)") }
            for migration in SQLiteSchema.migrations.dropLast() { try database.execute(sql: migration) }
            try database.execute(
                sql: "INSERT INTO meta (id, state, schema) VALUES (1, ?, ?)",
                arguments: [name, SQLiteSchema.newest - 1]
            )
            for (table, rows) in zip(kept, rows) {
                try database.execute(sql: "DELETE FROM \(table)")
                let known = try database.columns(in: table).map(\.name)
                for row in rows {
                    let columns = row.columnNames.filter(known.contains)
                    let places = columns.map { _ in "?" }.joined(separator: ", ")
                    try database.execute(
                        sql: "INSERT INTO \(table) (\(columns.joined(separator: ", "))) VALUES (\(places))",
                        arguments: StatementArguments(columns.map { row[$0] as DatabaseValue })
                    )
                }
            }
        }
        try database.close()
    }
}
