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
                for row in rows {
                    let columns = row.columnNames.joined(separator: ", ")
                    let places = row.columnNames.map { _ in "?" }.joined(separator: ", ")
                    try database.execute(
                        sql: "INSERT INTO \(table) (\(columns)) VALUES (\(places))",
                        arguments: StatementArguments(row.databaseValues)
                    )
                }
            }
        }
        try database.close()
    }
}
