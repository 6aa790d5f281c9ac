import GRDB
import Synchronization

/// A connection for one look at a time, beside the pool of readers.
///
/// The pool asks before each use whether the schema has changed, in a read transaction of its own: that takes longer
/// than most looks do. A look has one statement, which SQLite itself compiles anew when the schema has changed.
final class Looker: Sendable {
    private enum State {
        case unopened
        case idle(DatabaseQueue)
        case taken
    }

    private let path: String
    private let configuration: Configuration
    private let state = Mutex(State.unopened)

    init(path: String, configuration: Configuration) {
        self.path = path
        self.configuration = configuration
    }

    /// The connection, to be put back; nil while somebody else has it.
    func take() throws -> DatabaseQueue? {
        let before = state.withLock { state in
            defer { state = .taken }
            return state
        }
        switch before {
        case .idle(let connection): return connection
        case .taken: return nil
        case .unopened:
            do {
                return try DatabaseQueue(path: path, configuration: configuration)
            } catch {
                state.withLock { $0 = .unopened }
                throw error
            }
        }
    }

    func putBack(_ connection: DatabaseQueue) { state.withLock { $0 = .idle(connection) } }

    /// Lets go of the connection.
    func close() { state.withLock { $0 = .unopened } }
}
