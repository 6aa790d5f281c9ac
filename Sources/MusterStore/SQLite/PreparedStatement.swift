import GRDB
import GRDBSQLite
import MusterCore

/// A connection of GRDB's, for statements of our own. Used only while GRDB lends it.
struct Connection {
    let handle: OpaquePointer
    let database: Database
    let errors: SQLiteErrors
    let counting: Counting

    /// A statement that GRDB keeps for as long as the connection lives: compiled once for all its uses.
    func keptStatement(_ sql: String) throws(StoreError) -> PreparedStatement {
        do {
            return PreparedStatement(self, kept: try database.cachedStatement(sql: sql))
        } catch { throw errors.error(error) }
    }

    /// The error that the connection reports last.
    func error(_ code: Int32) -> StoreError {
        errors.error(code, String(cString: sqlite3_errmsg(handle)), errno: sqlite3_system_errno(handle))
    }

    func run(_ sql: String) throws(StoreError) {
        let code = sqlite3_exec(handle, sql, nil, nil, nil)
        if code != SQLITE_OK { throw error(sqlite3_extended_errcode(handle)) }
    }

    /// Rows that the newest statement changed.
    var changes: Int32 { sqlite3_changes(handle) }
    /// The number of the row that was inserted last.
    var lastRow: Int64 { sqlite3_last_insert_rowid(handle) }
    /// Has `lastRow` be 0 until a row is inserted: an insertion that turns into a change leaves it alone.
    func forgetLastRow() { sqlite3_set_last_insert_rowid(handle, 0) }
    var isInTransaction: Bool { sqlite3_get_autocommit(handle) == 0 }
}

/// A compiled statement. Values are bound from 1, columns read from 0, as in SQLite.
///
/// GRDB's own statements cost about a microsecond more for each use; the turn's writes are what Muster does most.
final class PreparedStatement {
    private let handle: OpaquePointer
    private let connection: Connection
    private var bindFailure: Int32 = SQLITE_OK
    /// Whose statement it is, when it is only lent.
    private let owner: Statement?

    init(_ connection: Connection, kept statement: Statement) {
        handle = statement.sqliteStatement
        self.connection = connection
        owner = statement
    }

    /// - Parameter isKept: whether it is used for as long as the connection lives.
    init(_ connection: Connection, _ sql: String, isKept: Bool = false) throws(StoreError) {
        var handle: OpaquePointer?
        let flags = isKept ? UInt32(SQLITE_PREPARE_PERSISTENT) : 0
        let code = sqlite3_prepare_v3(connection.handle, sql, -1, flags, &handle, nil)
        guard code == SQLITE_OK, let handle else { throw connection.error(sqlite3_extended_errcode(connection.handle)) }
        self.handle = handle
        self.connection = connection
        owner = nil
    }

    deinit {
        connection.counting.add(virtualMachineSteps: Int(sqlite3_stmt_status(handle, SQLITE_STMTSTATUS_VM_STEP, 1)))
        if owner == nil {
            sqlite3_finalize(handle)
        } else {
            sqlite3_reset(handle)
            sqlite3_clear_bindings(handle)
        }
    }

    // MARK: Binding

    func bind(_ place: Int32, _ value: Int64) { note(sqlite3_bind_int64(handle, place, value)) }
    func bind(_ place: Int32, _ value: Int32) { note(sqlite3_bind_int(handle, place, value)) }
    func bind(_ place: Int32, _ value: Bool) { note(sqlite3_bind_int(handle, place, value ? 1 : 0)) }

    func bind(_ place: Int32, _ value: Int64?) {
        if let value { bind(place, value) } else { note(sqlite3_bind_null(handle, place)) }
    }

    func bind(_ place: Int32, _ value: Int32?) {
        if let value { bind(place, value) } else { note(sqlite3_bind_null(handle, place)) }
    }

    func bind(_ place: Int32, _ value: String) {
        var value = value
        let code = value.withUTF8 { bytes in
            bytes.withMemoryRebound(to: CChar.self) { characters in
                sqlite3_bind_text64(
                    handle,
                    place,
                    characters.baseAddress ?? PreparedStatement.nothing,
                    UInt64(bytes.count),
                    PreparedStatement.copied,
                    UInt8(SQLITE_UTF8)
                )
            }
        }
        note(code)
    }

    func bind(_ place: Int32, _ value: String?) {
        if let value { bind(place, value) } else { note(sqlite3_bind_null(handle, place)) }
    }

    /// As 4 bytes each, the lowest first.
    func bind(_ place: Int32, _ values: [Int32]) {
        if values.isEmpty {
            note(sqlite3_bind_zeroblob(handle, place, 0))
        } else if Int32(1).littleEndian == 1 {
            values.withUnsafeBytes { bind(place, $0) }
        } else {
            values.map(\.littleEndian).withUnsafeBytes { bind(place, $0) }
        }
    }

    private func bind(_ place: Int32, _ bytes: UnsafeRawBufferPointer) {
        note(sqlite3_bind_blob64(handle, place, bytes.baseAddress, UInt64(bytes.count), PreparedStatement.copied))
    }

    private func note(_ code: Int32) {
        if code != SQLITE_OK { bindFailure = code }
    }

    // MARK: Running

    /// Whether there is a row. When there is none, or it failed, the statement can be used again.
    func step() throws(StoreError) -> Bool {
        if bindFailure != SQLITE_OK {
            let code = bindFailure
            bindFailure = SQLITE_OK
            throw connection.error(code)
        }
        switch sqlite3_step(handle) {
        case SQLITE_ROW: return true
        case SQLITE_DONE:
            sqlite3_reset(handle)
            return false
        default:
            let error = connection.error(sqlite3_extended_errcode(connection.handle))
            sqlite3_reset(handle)
            throw error
        }
    }

    /// Runs a statement that gives no rows.
    func run() throws(StoreError) {
        while try step() {}
    }

    func reset() { sqlite3_reset(handle) }

    // MARK: Reading

    func int(_ column: Int32) -> Int64 { sqlite3_column_int64(handle, column) }

    func optionalInt(_ column: Int32) -> Int64? {
        sqlite3_column_type(handle, column) == SQLITE_NULL ? nil : sqlite3_column_int64(handle, column)
    }

    func text(_ column: Int32) -> String {
        guard let bytes = sqlite3_column_text(handle, column) else { return "" }
        let count = Int(sqlite3_column_bytes(handle, column))
        return String(decoding: UnsafeBufferPointer(start: bytes, count: count), as: UTF8.self)
    }

    func optionalText(_ column: Int32) -> String? {
        sqlite3_column_type(handle, column) == SQLITE_NULL ? nil : text(column)
    }

    /// Numbers of 4 bytes each, the lowest first; nil when the bytes do not divide so.
    func ints(_ column: Int32) -> [Int32]? {
        let count = Int(sqlite3_column_bytes(handle, column))
        guard count % 4 == 0 else { return nil }
        guard count > 0, let bytes = sqlite3_column_blob(handle, column) else { return [] }
        return (0..<count / 4).map {
            Int32(littleEndian: bytes.loadUnaligned(fromByteOffset: $0 * 4, as: Int32.self))
        }
    }

    /// SQLite's `SQLITE_TRANSIENT`: it copies the value before the call returns.
    private static let copied = unsafeBitCast(-1, to: sqlite3_destructor_type.self)
    /// What an empty text points to, for NULL would mean no text at all.
    private static let empty: StaticString = ""
    private static var nothing: UnsafePointer<CChar> {
        UnsafeRawPointer(empty.utf8Start).assumingMemoryBound(to: CChar.self)
    }
}
