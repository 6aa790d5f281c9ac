import Foundation
import MusterCore
import MusterEngine
import MusterStore

/// Another process of this program, and what it says: records of a position and the time it was reached.
struct Child {
    struct Failure: Error, CustomStringConvertible { let description: String }

    /// What a child says on its standard output, 16 bytes.
    struct Record {
        var position: Int64
        /// Of the clock that all processes share, in microseconds.
        var at: Int64

        static func now(_ position: Int64) -> Record { Record(position: position, at: Child.time()) }

        func write() {
            var words = (position, at)
            withUnsafeBytes(of: &words) { _ = Foundation.write(1, $0.baseAddress, $0.count) }
        }
    }

    let pid: pid_t
    private let output: Int32

    static func time() -> Int64 {
        var now = timespec()
        clock_gettime(CLOCK_MONOTONIC, &now)
        return Int64(now.tv_sec) * 1_000_000 + Int64(now.tv_nsec) / 1000
    }

    init(_ arguments: [String]) throws {
        var ends: [Int32] = [0, 0]
        guard pipe(&ends) == 0 else { throw Failure(description: "pipe: \(String(cString: strerror(errno)))") }
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        let own = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        posix_spawn_file_actions_adddup2(&actions, ends[1], 1)
        var words: [UnsafeMutablePointer<CChar>?] = ([own] + arguments).map { strdup($0) } + [nil]
        defer {
            for word in words { free(word) }
            posix_spawn_file_actions_destroy(&actions)
            close(ends[1])
        }
        var child: pid_t = 0
        let error = posix_spawn(&child, own, &actions, nil, &words, environ)
        guard error == 0 else {
            close(ends[0])
            throw Failure(description: "posix_spawn: \(String(cString: strerror(error)))")
        }
        pid = child
        output = ends[0]
    }

    /// The next record; nil when the child has closed its output.
    func next() -> Record? {
        var words: (Int64, Int64) = (0, 0)
        let count = withUnsafeMutableBytes(of: &words) { buffer in
            var filled = 0
            while filled < buffer.count {
                let got = read(output, buffer.baseAddress! + filled, buffer.count - filled)
                if got <= 0 { break }
                filled += got
            }
            return filled
        }
        return count == 16 ? Record(position: words.0, at: words.1) : nil
    }

    /// Waits for its end; throws unless it ended as `expected` says.
    func end(expecting expected: (Int32) -> Bool = { $0 == 0 }) throws {
        while next() != nil {}
        close(output)
        var status: Int32 = 0
        guard waitpid(pid, &status, 0) == pid, expected(status) else {
            throw Failure(description: "a child ended with the status \(status)")
        }
    }
}
