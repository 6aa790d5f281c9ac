import Foundation
import GRDB
import GRDBSQLite
package import MusterCore
import Synchronization

/// The truth in one SQLite file: WAL, `synchronous=FULL`, one writer, readers beside it, any number of processes.
///
/// GRDB opens the file and lends its connections; the statements are Muster's own (`PreparedStatement`).
package final class SQLiteStore: Store {
    package struct Options: Sendable {
        package enum Access: Sendable {
            /// Opens the state, and makes it where there is none.
            case writing
            /// For commands that only look. Makes nothing, changes nothing.
            case reading
        }
        package var access: Access
        /// How long to wait while another process writes.
        package var busyTimeout: Duration
        /// How many threads may read at once.
        package var readersMax: Int
        /// The database may not grow beyond this many pages of 4 KiB; nil is no limit.
        package var pagesMax: Int64?
        /// From this many pages of 4 KiB on, the log is brought into the database, while commits go on.
        package var logPages: Int32 = 1000
        /// When the log is longer than this many pages, commits wait until it is in the database.
        package var logPagesMax: Int32 = 16_384
        /// Told when the log could not be brought into the database, and not again before it could. Commits go on, and
        /// with them it is tried again.
        package var checkpointFailed: @Sendable (StoreError) -> Void = { _ in }
        /// The name of a state that is made; nil draws one by chance.
        package var stateName: String?
        /// The store's own clock, by which leases end.
        package var clock: @Sendable () -> Timestamp

        package init(
            access: Access = .writing,
            busyTimeout: Duration = .seconds(5),
            readersMax: Int = 4,
            pagesMax: Int64? = nil,
            stateName: String? = nil,
            clock: @escaping @Sendable () -> Timestamp = { StoreClock.now() }
        ) {
            self.access = access
            self.busyTimeout = busyTimeout
            self.readersMax = readersMax
            self.pagesMax = pagesMax
            self.stateName = stateName
            self.clock = clock
        }
    }

    package let path: String
    package let stateName: String

    let errors: SQLiteErrors
    package let clock: @Sendable () -> Timestamp
    let counting = Counting()
    /// The newest request that was written, with its text.
    let lastSpec = Mutex<(spec: RunSpec, text: String)?>(nil)
    /// The mode tables of labs as they were read last, with their texts.
    let readModes = Mutex<[String: (text: String, set: ModeSet)]>([:])
    private let pool: DatabasePool?
    private let reader: any DatabaseReader
    /// For looks, beside the pool.
    private let looker: Looker?
    /// Nil in a store for reading.
    private let checkpointer: Checkpointer?
    // Used only inside `pool.writeWithoutTransaction`, which lets in one thread at a time.
    private nonisolated(unsafe) var turnWriter: TurnWriter?

    /// Opens the state in the file `path`; with access for writing, makes it and its folder where there is none.
    ///
    /// - Throws: `.newer`, `.corrupt`, `.permission`, `.full`, `.busy`; with access for reading `.failed` when there
    ///   is no state, which `reading(path:)` tells apart.
    package convenience init(path: String, options: Options = Options()) throws(StoreError) {
        switch options.access {
        case .writing: try self.init(writing: path, options)
        case .reading: try self.init(reading: path, options)
        }
    }

    /// The state in the file `path` for reading; nil when there is none. Makes nothing.
    package static func reading(path: String, options: Options = Options()) throws(StoreError) -> SQLiteStore? {
        guard StateFile.hasContent(path) else { return nil }
        var options = options
        options.access = .reading
        do {
            return try SQLiteStore(path: path, options: options)
        } catch  where !StateFile.hasContent(path) {
            return nil  // removed meanwhile
        }
    }

    private init(reading path: String, _ options: Options) throws(StoreError) {
        let errors = SQLiteErrors(path: path)
        guard StateFile.hasContent(path) else {
            throw StoreError(.failed, "there is no state in \(path); `muster up` or `muster test` makes one")
        }
        let reader: DatabaseQueue
        do {
            reader = try DatabaseQueue(path: path, configuration: SQLiteStore.configuration(options, readonly: true))
        } catch { throw errors.error(error) }
        let counting = counting
        let found = try SQLiteStore.lend(reader, errors, counting) { connection throws(StoreError) in
            try SQLiteSchema.version(connection)
        }
        guard let found else { throw StoreError(.failed, "there is no state in \(path) yet: the file is empty") }
        if found.schema > SQLiteSchema.newest {
            throw errors.newer(schema: found.schema, known: SQLiteSchema.newest)
        }
        if found.schema < SQLiteSchema.newest {
            throw errors.older(schema: found.schema, known: SQLiteSchema.newest)
        }
        self.path = path
        self.errors = errors
        clock = options.clock
        stateName = found.state
        pool = nil
        looker = nil
        checkpointer = nil
        self.reader = reader
    }

    private init(writing path: String, _ options: Options) throws(StoreError) {
        let errors = SQLiteErrors(path: path)
        let name = options.stateName ?? StateFile.randomName()
        try StateFile.makeFolder(of: path, errors)
        if StateFile.hasContent(path) {
            // Looked at before it is opened for writing: what is not ours, or too new, is not touched.
            try SQLiteStore.inspect(path, options, errors)
        } else {
            try SQLiteStore.create(path, name: name, options, errors)
        }
        let pool: DatabasePool
        do {
            pool = try DatabasePool(path: path, configuration: SQLiteStore.configuration(options, readonly: false))
        } catch { throw errors.error(error) }
        let counting = counting
        let opened = pool.writeWithoutTransaction { db in
            Result { () throws(StoreError) -> (String, TurnWriter) in
                let connection = try SQLiteStore.connection(db, errors, counting)
                // GRDB sets NORMAL on this connection when it opens it, so FULL can only be set here.
                try connection.run("PRAGMA synchronous = FULL")
                try connection.run("PRAGMA journal_size_limit = 67108864")
                if let pagesMax = options.pagesMax { try connection.run("PRAGMA max_page_count = \(pagesMax)") }
                let name = try SQLiteSchema.migrate(connection) { name }
                return (name, try TurnWriter(connection))
            }
        }
        let (stateName, turnWriter) = try opened.get()
        self.path = path
        self.errors = errors
        clock = options.clock
        self.stateName = stateName
        self.pool = pool
        self.turnWriter = turnWriter
        reader = pool
        looker = Looker(path: path, configuration: SQLiteStore.configuration(options, readonly: true))
        let checkpointer = Checkpointer(
            Checkpointer.Limits(pages: options.logPages, pagesMax: options.logPagesMax),
            pool: pool,
            errors: errors,
            counting: counting,
            report: options.checkpointFailed
        ) {
            try DatabaseQueue(path: path, configuration: SQLiteStore.configuration(options, readonly: false))
        }
        pool.writeWithoutTransaction { checkpointer.watch($0) }
        self.checkpointer = checkpointer
    }

    deinit {
        // Statements end before their connection closes, and the writer's closes last: it brings in the log and
        // removes it.
        pool?.writeWithoutTransaction { _ in turnWriter = nil }
        looker?.close()
        checkpointer?.close()
    }

    // MARK: Lending connections

    /// Runs `body` on a reader, in one snapshot.
    func read<Value>(_ body: (Connection) throws(StoreError) -> Value) throws(StoreError) -> Value {
        try SQLiteStore.lend(reader, errors, counting, body)
    }

    /// Runs `body` on a reader, for one statement: it sees one snapshot by itself, and no transaction is needed.
    func look<Value>(_ body: (Connection) throws(StoreError) -> Value) throws(StoreError) -> Value {
        let result: Result<Value, StoreError>
        do {
            let lent = try looker?.take()
            defer { if let lent { looker?.putBack(lent) } }
            result = try (lent ?? reader).unsafeRead { db in
                Result { () throws(StoreError) -> Value in
                    try body(try SQLiteStore.connection(db, errors, counting))
                }
            }
        } catch { throw errors.error(error) }
        return try result.get()
    }

    /// Runs `body` on the writer's thread of turns.
    func write<Value>(_ body: (TurnWriter) throws(StoreError) -> Value) throws(StoreError) -> Value {
        guard let pool else { throw errors.readingOnly() }
        let result = pool.writeWithoutTransaction { _ in
            Result { () throws(StoreError) -> Value in
                guard let turnWriter else { throw errors.readingOnly() }
                return try body(turnWriter)
            }
        }
        checkpointer?.holdBack()
        return try result.get()
    }

    private static func lend<Value>(
        _ reader: any DatabaseReader,
        _ errors: SQLiteErrors,
        _ counting: Counting,
        _ body: (Connection) throws(StoreError) -> Value
    ) throws(StoreError) -> Value {
        let result: Result<Value, StoreError>
        do {
            result = try reader.read { db in
                Result { () throws(StoreError) -> Value in
                    try body(try SQLiteStore.connection(db, errors, counting))
                }
            }
        } catch { throw errors.error(error) }
        return try result.get()
    }

    private static func connection(
        _ db: Database,
        _ errors: SQLiteErrors,
        _ counting: Counting
    ) throws(StoreError) -> Connection {
        guard let handle = db.sqliteConnection else { throw StoreError(.failed, "\(errors.path) is closed") }
        return Connection(handle: handle, database: db, errors: errors, counting: counting)
    }

    // MARK: Opening

    private static func configuration(_ options: Options, readonly: Bool) -> Configuration {
        var configuration = Configuration()
        configuration.label = "muster.store"
        configuration.readonly = readonly
        configuration.foreignKeysEnabled = false  // a turn is written whole, and plans are validated when they are read
        configuration.busyMode = .timeout(Double(options.busyTimeout.milliseconds) / 1000)
        configuration.maximumReaderCount = options.readersMax
        return configuration
    }

    /// Throws when the file is no state, or one of a newer version.
    private static func inspect(_ path: String, _ options: Options, _ errors: SQLiteErrors) throws(StoreError) {
        let reader: DatabaseQueue
        do {
            reader = try DatabaseQueue(path: path, configuration: configuration(options, readonly: true))
        } catch { throw errors.error(error) }
        let found = try lend(reader, errors, Counting()) { connection throws(StoreError) in
            try SQLiteSchema.version(connection)
        }
        if let found, found.schema > SQLiteSchema.newest {
            throw errors.newer(schema: found.schema, known: SQLiteSchema.newest)
        }
    }

    /// Makes a whole state beside `path` and puts it there in one step, so that nobody ever finds half of one.
    private static func create(
        _ path: String,
        name: String,
        _ options: Options,
        _ errors: SQLiteErrors
    ) throws(StoreError) {
        let draft = "\(path).new-\(StateFile.randomName())"
        try StateFile.makeFile(draft, errors)
        defer { StateFile.remove(draft) }
        do {
            var configuration = configuration(options, readonly: false)
            configuration.journalMode = .wal
            let database = try DatabaseQueue(path: draft, configuration: configuration)
            let result = database.writeWithoutTransaction { db in
                Result { () throws(StoreError) in
                    let connection = try connection(db, errors, Counting())
                    try connection.run("PRAGMA synchronous = FULL")
                    if let pagesMax = options.pagesMax { try connection.run("PRAGMA max_page_count = \(pagesMax)") }
                    _ = try SQLiteSchema.migrate(connection) { name }
                }
            }
            try result.get()
            try database.close()
        } catch { throw errors.error(error) }
        try StateFile.publish(draft, as: path, errors)
    }
}

// MARK: Looking inside

extension SQLiteStore {
    /// What the store has done since it was opened.
    package var counters: StoreCounters { counting.value }

    /// A setting of the writer's own connection, such as `synchronous` (2 is FULL); nil when it gives no row.
    package func writerPragma(_ name: String) throws(StoreError) -> String? {
        guard let pool else { throw errors.readingOnly() }
        return try pool.writeWithoutTransaction { db in
            Result { () throws(StoreError) -> String? in
                let connection = try SQLiteStore.connection(db, errors, counting)
                let pragma = try PreparedStatement(connection, "PRAGMA \(name)")
                defer { pragma.reset() }
                return try pragma.step() ? pragma.text(0) : nil
            }
        }.get()
    }
}
