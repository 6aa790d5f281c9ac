import Foundation
import MusterCore

/// The file of a state and its folder, which are for their owner's eyes only.
enum StateFile {
    /// Whether there is a file with anything in it. An empty one is a state that was never begun.
    static func hasContent(_ path: String) -> Bool {
        var status = stat()
        return stat(path, &status) == 0 && status.st_size > 0
    }

    /// Makes the folder of `path`, and those above it, with mode 0700; leaves those that are there as they are.
    static func makeFolder(of path: String, _ errors: SQLiteErrors) throws(StoreError) {
        guard let slash = path.lastIndex(of: "/"), slash != path.startIndex else { return }
        try makeFolder(String(path[..<slash]), errors)
    }

    private static func makeFolder(_ path: String, _ errors: SQLiteErrors) throws(StoreError) {
        if mkdir(path, 0o700) == 0 || errno == EEXIST { return }
        if errno == ENOENT, let slash = path.lastIndex(of: "/"), slash != path.startIndex {
            try makeFolder(String(path[..<slash]), errors)
            if mkdir(path, 0o700) == 0 || errno == EEXIST { return }
        }
        throw errors.system(errno, doing: "cannot make the folder \(path)")
    }

    /// Makes a new empty file with mode 0600. SQLite gives the same mode to the -wal and -shm beside it.
    ///
    /// Never on a file that is there: closing it would end the locks that this process' own connections hold on it.
    static func makeFile(_ path: String, _ errors: SQLiteErrors) throws(StoreError) {
        let descriptor = open(path, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0o600)
        if descriptor < 0 { throw errors.system(errno, doing: "cannot make \(path)") }
        fchmod(descriptor, 0o600)  // whatever the umask says
        close(descriptor)
    }

    /// Gives a finished file its name unless another process was faster; then that one's is used.
    static func publish(_ draft: String, as path: String, _ errors: SQLiteErrors) throws(StoreError) {
        var status = stat()
        if stat(path, &status) == 0, status.st_size == 0 { unlink(path) }  // nobody keeps anything in an empty file
        if link(draft, path) != 0, errno != EEXIST {
            // A file system without hard links.
            let code = errno
            guard code == EPERM || code == EOPNOTSUPP || code == ENOSYS, rename(draft, path) == 0 else {
                throw errors.system(code, doing: "cannot make \(path)")
            }
        }
        let folder = path.lastIndex(of: "/").map { String(path[...$0]) } ?? "."
        let descriptor = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        if descriptor >= 0 {
            fsync(descriptor)  // the name must outlive a power cut as the content does
            close(descriptor)
        }
    }

    static func remove(_ path: String) {
        for suffix in ["", "-wal", "-shm"] { unlink(path + suffix) }
    }

    /// 6 characters of `[0-9a-z]`.
    static func randomName() -> String {
        let characters = Array("0123456789abcdefghijklmnopqrstuvwxyz")
        return String((0..<6).map { _ in characters[Int.random(in: 0..<characters.count)] })
    }
}
