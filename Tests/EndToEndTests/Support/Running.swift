import Foundation
import Synchronization
import Testing

/// A `muster` that is left running: its lines are awaited as they come, and it is sent signals.
final class Running: Sendable {
    struct Line: Sendable {
        let text: String
        /// When it was read, in microseconds since 1970.
        let at: Int64
    }

    private struct State {
        var lines: [Line] = []
        var hasEnded = false
        var status: Int32 = 0
        var signal: Int32?
        var waiters: [CheckedContinuation<Void, Never>] = []
    }

    let pid: pid_t
    private let state = Mutex(State())

    /// - Parameters:
    ///   - program: one that was built beside `muster`.
    ///   - shell: what a shell does before it becomes the program, such as `ulimit`.
    ///   - killAfter: it is ended by then; a test that waits for it fails with its lines.
    init(
        _ arguments: [String],
        in directory: String,
        environment: [String: String] = [:],
        shell: String = ":",
        program: String = "muster",
        killAfter: DispatchTimeInterval = .seconds(90)
    ) throws {
        var ends: [Int32] = [-1, -1]
        try #require(pipe(&ends) == 0)
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        posix_spawn_file_actions_adddup2(&actions, ends[1], 1)
        posix_spawn_file_actions_adddup2(&actions, ends[1], 2)
        // What another test writes just now must not be open in here: a script that is open for writing does not start.
        for descriptor in 3..<512 as Range<Int32> { posix_spawn_file_actions_addclose(&actions, descriptor) }
        var variables = ProcessInfo.processInfo.environment
        variables["MUSTER_STATE"] = nil
        variables["NO_COLOR"] = "1"
        variables.merge(environment) { $1 }
        let script = "cd \"$0\" && \(shell) && exec \"$@\""
        let words = ["/bin/sh", "-c", script, directory, "\(Program.folder)/\(program)"] + arguments
        let argv: [UnsafeMutablePointer<CChar>?] = words.map { strdup($0) } + [nil]
        let envp: [UnsafeMutablePointer<CChar>?] = variables.map { strdup("\($0.key)=\($0.value)") } + [nil]
        defer { for pointer in argv + envp { free(pointer) } }
        var child: pid_t = 0
        let code = posix_spawn(&child, "/bin/sh", &actions, nil, argv, envp)
        close(ends[1])
        try #require(code == 0, "\(String(cString: strerror(code)))")
        pid = child
        let reading = ends[0]
        Thread.detachNewThread { [self] in read(reading) }
        let alarm = child
        DispatchQueue.global().asyncAfter(deadline: .now() + killAfter) { [weak self] in
            if self?.state.withLock({ $0.hasEnded }) == false { kill(alarm, SIGKILL) }
        }
    }

    deinit { if !state.withLock({ $0.hasEnded }) { kill(pid, SIGKILL) } }

    private func read(_ descriptor: Int32) {
        var rest: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            let count = Foundation.read(descriptor, &buffer, buffer.count)
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { break }
            rest += buffer[..<count]
            let now = Self.now()
            var lines: [Line] = []
            while let end = rest.firstIndex(of: UInt8(ascii: "\n")) {
                lines.append(Line(text: String(decoding: rest[..<end], as: UTF8.self), at: now))
                rest.removeSubrange(...end)
            }
            change { $0.lines += lines }
        }
        close(descriptor)
        var status: Int32 = 0
        while waitpid(pid, &status, 0) < 0, errno == EINTR {}
        change { state in
            state.hasEnded = true
            state.signal = status & 0x7F == 0 ? nil : status & 0x7F
            state.status = status >> 8 & 0xFF
        }
    }

    private func change(_ body: (inout State) -> Void) {
        let waiters = state.withLock { state in
            body(&state)
            defer { state.waiters = [] }
            return state.waiters
        }
        for waiter in waiters { waiter.resume() }
    }

    /// Microseconds since 1970, as in events.
    static func now() -> Int64 {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return Int64(time.tv_sec) * 1_000_000 + Int64(time.tv_nsec) / 1000
    }

    var lines: [Line] { state.withLock { $0.lines } }
    var text: String { lines.map(\.text).joined(separator: "\n") }

    func send(_ signal: Int32) { kill(pid, signal) }

    /// The first line that has this in it, also one that came before.
    @discardableResult
    func line(_ part: String, sourceLocation: SourceLocation = #_sourceLocation) async throws -> Line {
        while true {
            let (found, count, hasEnded) = state.withLock { state in
                (state.lines.first { $0.text.contains(part) }, state.lines.count, state.hasEnded)
            }
            if let found { return found }
            try #require(!hasEnded, "it ended without '\(part)':\n\(text)", sourceLocation: sourceLocation)
            await more(than: count)
        }
    }

    /// Waits until the lines so far are as wanted.
    func until(_ holds: ([Line]) -> Bool, sourceLocation: SourceLocation = #_sourceLocation) async throws {
        while true {
            let (lines, hasEnded) = state.withLock { ($0.lines, $0.hasEnded) }
            if holds(lines) { return }
            try #require(!hasEnded, "it ended before:\n\(text)", sourceLocation: sourceLocation)
            await more(than: lines.count)
        }
    }

    /// How it ended, with all its lines as output.
    func ending() async -> Program.Ending {
        while true {
            let (count, hasEnded) = state.withLock { ($0.lines.count, $0.hasEnded) }
            if hasEnded { break }
            await more(than: count)
        }
        return state.withLock { state in
            let output = state.lines.map(\.text).joined(separator: "\n")
            return Program.Ending(status: state.status, signal: state.signal, output: output, errors: "")
        }
    }

    /// Waits for more lines, or the end.
    private func more(than count: Int) async {
        await withCheckedContinuation { continuation in
            let isNew = state.withLock { state in
                if state.lines.count != count || state.hasEnded { return true }
                state.waiters.append(continuation)
                return false
            }
            if isNew { continuation.resume() }
        }
    }
}
