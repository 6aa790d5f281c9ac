import Glibc

/// What a supervisor says: lines on its standard error, which is `supervisor.log` in the node's folder.
///
/// Only what is out of the ordinary is said, and no more than 1 MiB of it in all.
enum Log {
    /// The supervisor has one thread.
    nonisolated(unsafe) private static var written = 0
    private static let limit = 1 << 20

    static func say(_ text: String) {
        guard written < limit else { return }
        var seconds = time(nil)
        var parts = tm()
        gmtime_r(&seconds, &parts)
        var stamp = [CChar](repeating: 0, count: 32)
        strftime(&stamp, stamp.count, "%Y-%m-%dT%H:%M:%SZ", &parts)
        let line = stamp.withUnsafeBufferPointer { String(cString: $0.baseAddress!) } + " " + text + "\n"
        written += line.utf8.count
        writeAll(STDERR_FILENO, written < limit ? line : line + "(no more is said)\n")
    }
}
