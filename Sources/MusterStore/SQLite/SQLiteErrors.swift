import Foundation
import GRDB
import GRDBSQLite
import MusterCore

/// Turns what SQLite and the system report into errors that say what happened, where, and what to do.
struct SQLiteErrors: Sendable {
    let path: String

    /// `code` may be an extended code; `errno` is what the system said, 0 when it was not asked.
    func error(_ code: Int32, _ text: String, errno: Int32 = 0) -> StoreError {
        switch code & 0xFF {
        case SQLITE_CORRUPT, SQLITE_NOTADB: return corrupt(text)
        case SQLITE_FULL: return full(text)
        case SQLITE_IOERR where errno == ENOSPC || errno == EDQUOT: return full(text)
        case SQLITE_IOERR where errno == EROFS || errno == EACCES || errno == EPERM: return refused(text)
        case SQLITE_READONLY, SQLITE_CANTOPEN, SQLITE_PERM, SQLITE_AUTH: return refused(text)
        case SQLITE_BUSY, SQLITE_LOCKED: return busy(text)
        default:
            return StoreError(
                .failed,
                "the state in \(path) failed: \(text) (SQLite \(code)); nothing was half written"
            )
        }
    }

    /// For an error thrown by GRDB.
    func error(_ error: any Error) -> StoreError {
        switch error {
        case let error as StoreError: return error
        case let error as DatabaseError:
            return self.error(error.extendedResultCode.rawValue, error.message ?? "no message")
        default: return StoreError(.failed, "the state in \(path) failed: \(error)")
        }
    }

    /// For a file or folder that the system refused.
    func system(_ errno: Int32, doing what: String) -> StoreError {
        let text = "\(what): \(String(cString: strerror(errno)))"
        return errno == ENOSPC || errno == EDQUOT ? full(text) : refused(text)
    }

    func newer(schema: Int64, known: Int64) -> StoreError {
        StoreError(
            .newer,
            "\(path) was written by a newer Muster: its schema is \(schema), this version knows up to \(known). "
                + "Use that newer muster, or another folder with --state DIR; nothing in it was changed"
        )
    }

    func older(schema: Int64, known: Int64) -> StoreError {
        StoreError(
            .failed,
            "\(path) was written by an older Muster: its schema is \(schema), this version uses \(known). "
                + "A command that performs, such as `muster resume`, brings it up to date; one that only looks does not"
        )
    }

    func foreign() -> StoreError {
        StoreError(
            .corrupt,
            "\(path) is a database, but not one of Muster's; nothing in it was changed. "
                + "Name another folder with --state DIR"
        )
    }

    func readingOnly() -> StoreError {
        StoreError(.permission, "\(path) was opened for reading only, so nothing can be written to it")
    }

    private func corrupt(_ text: String) -> StoreError {
        StoreError(
            .corrupt,
            "\(path) is not a database that can be read: \(text). It was not touched. To keep a copy and begin anew, "
                + "move it, and \(name)-wal and \(name)-shm if they are there, to another folder and run the command "
                + "again; machines that it knew may still be up"
        )
    }

    private func full(_ text: String) -> StoreError {
        StoreError(
            .full,
            "no space is left for \(path): \(text). Nothing is lost: all that was decided before is stored. "
                + "Free some space and run the same command again"
        )
    }

    private func refused(_ text: String) -> StoreError {
        StoreError(
            .permission,
            "the state in \(path) cannot be opened or written: \(text). Check who owns it and its folder, or name a "
                + "folder that you may write with --state DIR (or MUSTER_STATE)"
        )
    }

    private func busy(_ text: String) -> StoreError {
        StoreError(
            .busy,
            "\(path) is held by another process for too long: \(text). `muster runs` says what is going on there; "
                + "run the command again when it has ended"
        )
    }

    private var name: String { String(path[(path.lastIndex(of: "/").map(path.index(after:)) ?? path.startIndex)...]) }
}
