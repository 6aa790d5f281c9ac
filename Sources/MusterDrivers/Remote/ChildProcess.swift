import Foundation
import MusterCore
import MusterSupervision
import NIOCore
import Synchronization

/// A program of this host that is run to its end, with its standard streams in our hands.
///
/// By `posix_spawn`, each on a thread of its own that waits for all at once: for its end, its output, its appetite for
/// input, and for those who no longer want it. Where descriptors run out, that is an answer.
enum ChildProcess {
    struct Request: Sendable {
        var arguments: [String]
        /// Variables besides this process' own.
        var environment: [String: String] = [:]
        var input: [RemoteInput] = []
        var holdsInput = false
        var outputLimit = 1 << 20
        var within: Duration?
        var onOutput: (@Sendable ([UInt8]) -> Bool)?
    }

    /// Runs it. When the task is cancelled it gets TERM, and KILL when it does not heed it.
    static func run(_ request: Request) async throws(ConnectionFailure) -> RemoteEnd {
        let stop = try Pipe()
        let result: Result<RemoteEnd, ConnectionFailure> = await withTaskCancellationHandler {
            await withCheckedContinuation { done in
                // It is awaited by this continuation.
                Thread.detachNewThread {
                    do throws(ConnectionFailure) {
                        let child = try Running(request, stop: stop)
                        done.resume(returning: .success(try child.follow()))
                    } catch {
                        done.resume(returning: .failure(error))
                    }
                }
            }
        } onCancel: {
            stop.write()
        }
        return try result.get()
    }

    /// Two ends that no other child inherits even for a moment, which a pipe cannot be made with here: a program whose
    /// standard input somebody else holds open would never see its end.
    final class Pipe: Sendable {
        let reading: Int32
        private let writing: Mutex<Int32>

        init() throws(ConnectionFailure) {
            var ends: [Int32] = [-1, -1]
            let type = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
            guard socketpair(AF_UNIX, type, 0, &ends) == 0 else { throw ChildProcess.failure(errno, "a pipe") }
            reading = ends[0]
            writing = Mutex(ends[1])
        }

        func write() { writing.withLock { _ = send($0, "x", 1, Int32(MSG_NOSIGNAL)) } }
        var writingEnd: Int32 { writing.withLock { $0 } }

        func closeWriting() {
            writing.withLock { end in
                if end >= 0 { close(end) }
                end = -1
            }
        }

        deinit {
            closeWriting()
            close(reading)
        }
    }

    static func failure(_ code: Int32, _ what: String) -> ConnectionFailure {
        .exhausted("\(what) cannot be made on this host: \(String(cString: strerror(code)))")
    }
}

/// A child of this process, and what is still to be done for it.
private final class Running {
    private static let errorLimit = 64 << 10
    /// POSIX_SPAWN_SETSID, which Swift's import of the C library lacks.
    private static let setSession: Int32 = 0x80

    private let request: ChildProcess.Request
    private let pid: pid_t
    /// Becomes readable when the program has ended; -1 where that cannot be told.
    private let ending: Int32
    private let input: ChildProcess.Pipe
    private let output: ChildProcess.Pipe
    private let error: ChildProcess.Pipe
    private let stop: ChildProcess.Pipe
    private var feed: InputFeed
    private var end = RemoteEnd(status: nil, output: [], outputDropped: 0, error: "")
    private var errorBytes: [UInt8] = []
    private var failure: ConnectionFailure?
    private let deadline: NIODeadline?
    private var killAt: NIODeadline?

    init(_ request: ChildProcess.Request, stop: ChildProcess.Pipe) throws(ConnectionFailure) {
        self.request = request
        self.stop = stop
        input = try ChildProcess.Pipe()
        output = try ChildProcess.Pipe()
        error = try ChildProcess.Pipe()
        feed = InputFeed(request.input)
        deadline = request.within.map { NIODeadline.now() + .microseconds($0.microseconds) }
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_adddup2(&actions, input.reading, STDIN_FILENO)
        posix_spawn_file_actions_adddup2(&actions, output.writingEnd, STDOUT_FILENO)
        posix_spawn_file_actions_adddup2(&actions, error.writingEnd, STDERR_FILENO)
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var signals = sigset_t()
        sigemptyset(&signals)
        posix_spawnattr_setsigmask(&attributes, &signals)
        sigfillset(&signals)
        posix_spawnattr_setsigdefault(&attributes, &signals)
        // A session of its own: what is typed at the terminal is for Muster.
        let flags = Int32(POSIX_SPAWN_SETSIGMASK) | Int32(POSIX_SPAWN_SETSIGDEF) | Self.setSession
        posix_spawnattr_setflags(&attributes, Int16(flags))
        let strings: [UnsafeMutablePointer<CChar>?] = request.arguments.map { strdup($0) } + [nil]
        defer { for string in strings { free(string) } }
        let variables = Self.variables(request.environment)
        defer { for variable in variables { free(variable) } }
        var pid: pid_t = 0
        let code = posix_spawnp(&pid, request.arguments[0], &actions, &attributes, strings, variables)
        guard code == 0 else { throw Self.failure(code, request.arguments[0]) }
        self.pid = pid
        if let entry = ProcessTable.entry(pid), let handle = ProcessHandle(entry.identity) {
            ending = fcntl(handle.descriptor, F_DUPFD_CLOEXEC, 0)
        } else {
            ending = -1
        }
        output.closeWriting()
        error.closeWriting()
        for end in [input.writingEnd, output.reading, error.reading] {
            _ = fcntl(end, F_SETFL, fcntl(end, F_GETFL) | O_NONBLOCK)
        }
    }

    deinit { if ending >= 0 { close(ending) } }

    /// This process' variables but those of these names, and these.
    private static func variables(_ more: [String: String]) -> [UnsafeMutablePointer<CChar>?] {
        var own: [UnsafeMutablePointer<CChar>?] = []
        var next = environ
        while let variable = next.pointee {
            let name = String(cString: variable).prefix { $0 != "=" }
            if more[String(name)] == nil { own.append(strdup(variable)) }
            next += 1
        }
        return own + more.map { strdup("\($0)=\($1)") } + [nil]
    }

    private static func failure(_ code: Int32, _ program: String) -> ConnectionFailure {
        if code == ENOENT { return .refused("'\(program)' is not installed on this host") }
        return ChildProcess.failure(code, "a process of '\(program)'")
    }

    /// Serves it until it has ended.
    func follow() throws(ConnectionFailure) -> RemoteEnd {
        var isOver = false
        var sources = [output.reading, error.reading]
        while !isOver {
            if feed.isDone, !request.holdsInput { input.closeWriting() }
            var polls = sources.map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
            polls.append(pollfd(fd: failure == nil ? stop.reading : -1, events: Int16(POLLIN), revents: 0))
            polls.append(pollfd(fd: ending, events: Int16(POLLIN), revents: 0))
            polls.append(pollfd(fd: feed.isDone ? -1 : input.writingEnd, events: Int16(POLLOUT), revents: 0))
            let count = poll(&polls, nfds_t(polls.count), waitLength)
            if count < 0, errno != EINTR { break }
            let base = sources.count
            if polls[base].revents != 0 { stop(because: .cancelled) }
            if polls[base + 2].revents != 0 { feed.write(to: input) }
            isOver = polls[base + 1].revents != 0 || (ending < 0 && sources.isEmpty)
            sources = sources.filter { take($0) }
            if let deadline, failure == nil, NIODeadline.now() >= deadline {
                stop(because: .silent("no answer came within \(request.within!.shortText)"))
            }
            if let killAt, NIODeadline.now() >= killAt { kill(pid, SIGKILL) }
        }
        for source in sources { _ = take(source) }
        var status: Int32 = 0
        while waitpid(pid, &status, 0) < 0, errno == EINTR {}
        if let failure { throw failure }
        if status & 0x7F == 0 { end.status = Int(status >> 8 & 0xFF) }
        end.error = String(decoding: errorBytes, as: UTF8.self)
        return end
    }

    /// Milliseconds until something is due; -1 when nothing is.
    private var waitLength: Int32 {
        let next = [failure == nil ? deadline : nil, killAt].compactMap { $0 }.min()
        guard let next else { return -1 }
        return Int32(min(max((next - .now()).nanoseconds / 1_000_000 + 1, 0), 3_600_000))
    }

    private func stop(because reason: ConnectionFailure) {
        guard failure == nil else { return }
        failure = reason
        kill(pid, SIGTERM)
        killAt = .now() + .seconds(2)
    }

    /// Takes what is there. False when nothing more will come.
    private func take(_ source: Int32) -> Bool {
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            let count = read(source, &buffer, buffer.count)
            if count < 0 {
                if errno == EINTR { continue }
                return errno == EAGAIN
            }
            if count == 0 { return false }
            let bytes = buffer[..<count]
            if source == error.reading {
                errorBytes += bytes.prefix(Self.errorLimit - errorBytes.count)
            } else if let onOutput = request.onOutput {
                if failure == nil, !onOutput(Array(bytes)) { stop(because: .cancelled) }
            } else {
                let kept = bytes.prefix(request.outputLimit - end.output.count)
                end.output += kept
                end.outputDropped += count - kept.count
            }
        }
    }
}

/// What a program is still to be given.
struct InputFeed {
    private var parts: ArraySlice<RemoteInput>
    private var buffer: [UInt8] = []
    private var offset = 0
    /// The file that is being given, and how much of it is still missing.
    private var file: (descriptor: Int32, rest: Int)?
    private(set) var isDone = false
    private static let chunk = 1 << 18

    init(_ parts: [RemoteInput]) {
        self.parts = parts[...]
        refill()
    }

    mutating func write(to pipe: ChildProcess.Pipe) {
        while !isDone {
            let count = buffer.withUnsafeBytes {
                send(pipe.writingEnd, $0.baseAddress! + offset, $0.count - offset, Int32(MSG_NOSIGNAL))
            }
            if count < 0 {
                if errno == EINTR { continue }
                if errno != EAGAIN { finish() }  // it reads no more
                return
            }
            offset += count
            if offset == buffer.count { refill() }
        }
    }

    private mutating func refill() {
        buffer = []
        offset = 0
        while buffer.isEmpty {
            if let (descriptor, rest) = file {
                var chunk = [UInt8](repeating: 0, count: min(rest, Self.chunk))
                let count = rest == 0 ? 0 : max(0, read(descriptor, &chunk, chunk.count))
                if count == 0 {
                    // A file that became shorter meanwhile: the other side counts, and says so.
                    close(descriptor)
                    file = nil
                    if rest > 0 { return finish() }
                    continue
                }
                buffer = Array(chunk[..<count])
                file = (descriptor, rest - count)
                return
            }
            switch parts.popFirst() {
            case .bytes(let bytes): buffer = bytes
            case .file(let path, let size):
                let descriptor = open(path, O_RDONLY | O_CLOEXEC)
                if descriptor < 0 { return finish() }
                file = (descriptor, size)
            case nil: return finish()
            }
        }
    }

    private mutating func finish() {
        if let file { close(file.descriptor) }
        file = nil
        parts = []
        isDone = true
    }
}
