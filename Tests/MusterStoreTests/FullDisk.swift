import Foundation
import GRDBSQLite
import Synchronization

/// Has writes of SQLite to some files find no space, as on a full disk: those to other files go on.
enum FullDisk {
    static func begin(_ path: String) {
        _ = installed
        paths.withLock { _ = $0.insert(real(path)) }
    }

    static func end(_ path: String) { paths.withLock { _ = $0.remove(real(path)) } }

    private static func real(_ path: String) -> String {
        guard let real = realpath(path, nil) else { return path }
        defer { free(real) }
        return String(cString: real)
    }

    private static let paths = Mutex<Set<String>>([])

    /// SQLite writes by these two, whichever it was built with.
    private static let installed: Void = {
        let system = sqlite3_vfs_find(nil)
        let write: @convention(c) (CInt, UnsafeRawPointer?, Int, off_t) -> Int = { file, bytes, count, offset in
            if FullDisk.isFull(file) {
                errno = ENOSPC
                return -1
            }
            return pwrite(file, bytes, count, offset)
        }
        for name in ["pwrite", "pwrite64"] {
            // SQLite keeps it as a function of no type, and calls it as the C library's pwrite(2), which it is alike.
            let call = unsafeBitCast(write, to: sqlite3_syscall_ptr.self)
            _ = system?.pointee.xSetSystemCall(system, name, call)
        }
    }()

    private static func isFull(_ file: CInt) -> Bool {
        paths.withLock { paths in
            if paths.isEmpty { return false }
            var target = [CChar](repeating: 0, count: Int(PATH_MAX))
            let length = readlink("/proc/self/fd/\(file)", &target, target.count - 1)
            guard length > 0 else { return false }
            let path = String(decoding: target[..<length].map { UInt8(bitPattern: $0) }, as: UTF8.self)
            return paths.contains(path)
        }
    }
}
