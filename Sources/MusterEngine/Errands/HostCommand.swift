import Foundation
import MusterCore
import Synchronization

/// A program on the conductor's own host, run to its end: with a time limit, its output cut to a size, and no shell.
///
/// It gets a session of its own; what it has left in there is ended with it.
struct HostCommand: Sendable {
    var arguments: [String]
    var environment: [String: String]
    var directory: String
    /// What it reads on its standard input.
    var input: [UInt8] = []
    /// Where a file may be made that is taken away at once.
    var scratch: String
    var timeout: Duration
    /// Between TERM and KILL.
    var grace: Duration = Defaults.grace

    /// What is kept of its output.
    static let outputMax = 64 << 10

    struct Ending: Sendable {
        /// Why it counts as failed; nil when it ended with 0.
        var failure: String?
        var output: [UInt8] = []
        /// Whether there was more output than is kept.
        var isCut = false

        /// The failure with the last line that was printed, for people.
        var shown: String? {
            guard let failure else { return nil }
            let last = output.split(separator: UInt8(ascii: "\n")).last
            return last.map { "\(failure): \(ReportLine.short(String(decoding: $0, as: UTF8.self)))" } ?? failure
        }
    }

    /// Ends it when the task is cancelled.
    func run(_ time: any TimeSource) async -> Ending {
        let child: Child
        do throws(StepError) {
            child = try Child(self)
        } catch {
            return Ending(failure: error.message)
        }
        return await withTaskGroup(of: Ending?.self) { group in
            group.addTask { await child.end() }
            group.addTask {
                // Also when the task is cancelled, which ends the waiting.
                let isLate = (try? await time.sleep(for: timeout)) != nil
                child.interrupt(isLate ? "it took longer than \(timeout.shortText)" : "it was ended")
                return nil
            }
            var isAsked = false
            while let ending = await group.next() {
                guard let ending else {
                    if isAsked { continue }
                    // Asked to end: what does not is ended.
                    isAsked = true
                    group.addTask {
                        _ = try? await time.sleep(for: grace)
                        child.kill()
                        return nil
                    }
                    continue
                }
                group.cancelAll()
                return ending
            }
            return Ending(failure: "it was lost")
        }
    }

    /// The process, with one thread that reads what it prints and one that waits for its end.
    private final class Child: Sendable {
        private struct State {
            var reason: String?
            var hasEnded = false
        }

        private let pid: pid_t
        private let output: Int32
        /// A pipe; its end of file says that the program has ended.
        private let endRead: Int32
        private let endWrite: Int32
        private let state = Mutex(State())

        init(_ command: HostCommand) throws(StepError) {
            let input = try Self.input(command)
            defer { close(input) }
            var output: [Int32] = [-1, -1]
            var ends: [Int32] = [-1, -1]
            guard pipe(&output) == 0, pipe(&ends) == 0 else {
                let reason = String(cString: strerror(errno))
                for end in output + ends where end >= 0 { close(end) }
                throw StepError(.notStarted, "it cannot be started: \(reason)")
            }
            for end in output + ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
            defer { close(output[1]) }
            do throws(StepError) {
                pid = try Self.spawn(command, input: input, output: output[1])
            } catch {
                for end in [output[0]] + ends { close(end) }
                throw error
            }
            self.output = output[0]
            (endRead, endWrite) = (ends[0], ends[1])
            _ = fcntl(self.output, F_SETFL, O_NONBLOCK)
        }

        /// What it is to read, in a file without a name: nobody has to wait until it reads it.
        private static func input(_ command: HostCommand) throws(StepError) -> Int32 {
            if command.input.isEmpty { return open("/dev/null", O_RDONLY | O_CLOEXEC) }
            var path = Array((command.scratch + "/input.XXXXXX").utf8CString)
            let file = mkstemp(&path)
            guard file >= 0 else {
                throw StepError(.notStarted, "its input cannot be kept: \(String(cString: strerror(errno)))")
            }
            unlink(path)
            _ = fcntl(file, F_SETFD, FD_CLOEXEC)
            var written = 0
            while written < command.input.count {
                let count = command.input[written...].withUnsafeBytes { write(file, $0.baseAddress!, $0.count) }
                if count < 0, errno == EINTR { continue }
                guard count > 0 else {
                    let reason = String(cString: strerror(errno))
                    close(file)
                    throw StepError(.notStarted, "its input cannot be kept: \(reason)")
                }
                written += count
            }
            lseek(file, 0, SEEK_SET)
            return file
        }

        private static func spawn(
            _ command: HostCommand,
            input: Int32,
            output: Int32
        ) throws(StepError) -> pid_t {
            var actions = posix_spawn_file_actions_t()
            posix_spawn_file_actions_init(&actions)
            defer { posix_spawn_file_actions_destroy(&actions) }
            posix_spawn_file_actions_adddup2(&actions, input, STDIN_FILENO)
            posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO)
            posix_spawn_file_actions_adddup2(&actions, output, STDERR_FILENO)
            var attributes = posix_spawnattr_t()
            posix_spawnattr_init(&attributes)
            defer { posix_spawnattr_destroy(&attributes) }
            var none = sigset_t()
            sigemptyset(&none)
            posix_spawnattr_setsigmask(&attributes, &none)
            var all = sigset_t()
            sigfillset(&all)
            posix_spawnattr_setsigdefault(&attributes, &all)
            // A session of its own: 0x80 is POSIX_SPAWN_SETSID, which is not always told to Swift.
            posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK) | Int16(POSIX_SPAWN_SETSIGDEF) | 0x80)
            // A shell changes the folder, which spawning cannot, and becomes the program: what it is given are words.
            let words = ["/bin/sh", "-c", "cd \"$0\" && exec \"$@\"", command.directory] + command.arguments
            let argv: [UnsafeMutablePointer<CChar>?] = words.map { strdup($0) } + [nil]
            let variables = command.environment.sorted { $0.key < $1.key }
            let envp: [UnsafeMutablePointer<CChar>?] = variables.map { strdup("\($0.key)=\($0.value)") } + [nil]
            defer { for pointer in argv + envp { free(pointer) } }
            var pid: pid_t = 0
            let code = posix_spawn(&pid, "/bin/sh", &actions, &attributes, argv, envp)
            guard code == 0 else {
                throw StepError(.notStarted, "it cannot be started: \(String(cString: strerror(code)))")
            }
            return pid
        }

        /// Asks it to end, for this reason.
        func interrupt(_ reason: String) {
            state.withLock { state in
                guard !state.hasEnded else { return }
                state.reason = state.reason ?? reason
                Foundation.kill(-pid, SIGTERM)
            }
        }

        func kill() { state.withLock { if !$0.hasEnded { Foundation.kill(-pid, SIGKILL) } } }

        func end() async -> Ending {
            await withCheckedContinuation { done in
                // Ends when the program does, and with it the other one, which is awaited here.
                Thread.detachNewThread { [self] in
                    var status = siginfo_t()
                    // Not taken away yet: so long nobody else has its number.
                    while waitid(P_PID, id_t(pid), &status, WEXITED | WNOWAIT) < 0, errno == EINTR {}
                    state.withLock { state in
                        state.hasEnded = true
                        Foundation.kill(-pid, SIGKILL)
                    }
                    close(endWrite)
                }
                // Awaited by this continuation.
                Thread.detachNewThread { [self] in
                    var ending = talk()
                    var status: Int32 = 0
                    while waitpid(pid, &status, 0) < 0, errno == EINTR {}
                    let reason = state.withLock { $0.reason }
                    if let reason {
                        ending.failure = reason
                    } else if status & 0x7F != 0 {
                        ending.failure = "it was ended by signal \(status & 0x7F)"
                    } else if status != 0 {
                        ending.failure = "it ended with \(status >> 8 & 0xFF)"
                    }
                    done.resume(returning: ending)
                }
            }
        }

        /// Takes its output, until it has ended.
        private func talk() -> Ending {
            var ending = Ending()
            var buffer = [UInt8](repeating: 0, count: 16 << 10)
            var isReading = true
            while true {
                var waits = [
                    pollfd(fd: endRead, events: Int16(POLLIN), revents: 0),
                    pollfd(fd: isReading ? output : -1, events: Int16(POLLIN), revents: 0),
                ]
                guard poll(&waits, 2, -1) > 0 else { continue }
                if isReading, waits[0].revents != 0 || waits[1].revents != 0 {
                    isReading = readAll(&buffer, into: &ending)
                }
                guard waits[0].revents != 0 else { continue }
                close(output)
                close(endRead)
                return ending
            }
        }

        /// Reads what is there; false when nothing can come any more.
        private func readAll(_ buffer: inout [UInt8], into ending: inout Ending) -> Bool {
            while true {
                let count = Foundation.read(output, &buffer, buffer.count)
                if count < 0, errno == EINTR { continue }
                if count < 0 { return errno == EAGAIN }
                if count == 0 { return false }
                let room = HostCommand.outputMax - ending.output.count
                ending.output += buffer[..<min(count, room)]
                if count > room { ending.isCut = true }
            }
        }
    }
}
