import Foundation
import MusterSupervision

/// Runs a small program to its end and reads what it says on standard error.
///
/// By `posix_spawn`, and with one pipe: where descriptors run out, that is an answer and not the end of this process.
enum Launcher {
    /// - Throws: `.unreachable` when there are no descriptors for it, `.refused` with what it said when it failed.
    static func run(_ program: String, _ arguments: [String]) async throws(LinkFailure) {
        let result: Result<Void, LinkFailure> = await withCheckedContinuation { done in
            // It is awaited by this continuation. A thread of its own, as a launch may wait for another one.
            Thread.detachNewThread {
                do throws(LinkFailure) {
                    done.resume(returning: .success(try runBlocking(program, arguments)))
                } catch {
                    done.resume(returning: .failure(error))
                }
            }
        }
        try result.get()
    }

    private static let textMax = 65_536

    static func runBlocking(_ program: String, _ arguments: [String]) throws(LinkFailure) {
        var ends: [Int32] = [-1, -1]
        guard pipe(&ends) == 0 else { throw failure(errno, program) }
        defer { close(ends[0]) }
        // Another child that starts just now may get them for a moment: this program's children close what they are
        // given, so no end of file is waited for in vain.
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0)
        posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0)
        posix_spawn_file_actions_adddup2(&actions, ends[1], STDERR_FILENO)
        let strings: [UnsafeMutablePointer<CChar>?] = ([program] + arguments).map { strdup($0) } + [nil]
        defer { for string in strings { free(string) } }
        var pid: pid_t = 0
        let code = posix_spawn(&pid, program, &actions, nil, strings, environ)
        close(ends[1])
        guard code == 0 else { throw failure(code, program) }
        let text = read(ends[0])
        var status: Int32 = 0
        while waitpid(pid, &status, 0) < 0, errno == EINTR {}
        guard status != 0 else { return }
        let lines = text.split(separator: "\n").joined(separator: "; ")
        throw .refused(.system, lines.isEmpty ? "\(program) ended with status \(status >> 8 & 0xFF)" : lines)
    }

    private static func failure(_ code: Int32, _ program: String) -> LinkFailure {
        if code == EMFILE || code == ENFILE { return .opening(code) }
        return .refused(.system, "\(program) cannot be started: \(String(cString: strerror(code)))")
    }

    private static func read(_ descriptor: Int32) -> String {
        var text: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 4096)
        while true {
            let count = Foundation.read(descriptor, &buffer, buffer.count)
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { break }
            if text.count < textMax { text += buffer[..<count] }
        }
        return String(decoding: text, as: UTF8.self)
    }
}
