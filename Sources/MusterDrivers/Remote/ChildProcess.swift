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

        /// Takes what is there without waiting for it, and no more than about so much of it. False when nothing more
        /// will come.
        func take(atMost most: Int = .max, _ body: (ArraySlice<UInt8>) -> Void) -> Bool {
            var buffer = [UInt8](repeating: 0, count: 1 << 16)
            var taken = 0
            while taken < most {
                let count = read(reading, &buffer, buffer.count)
                if count < 0 {
                    if errno == EINTR { continue }
                    return errno == EAGAIN
                }
                if count == 0 { return false }
                taken += count
                body(buffer[..<count])
            }
            return true
        }

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

    /// Starts a program, or says why it cannot be.
    static func start(
        _ arguments: [String],
        environment: [String: String] = [:]
    ) throws(ConnectionFailure) -> StartedProgram {
        try StartedProgram(arguments, environment: environment) { code in
            if code == ENOENT { return .refused("'\(arguments[0])' is not installed on this host") }
            return failure(code, "a process of '\(arguments[0])'")
        }
    }

    static func failure(_ code: Int32, _ what: String) -> ConnectionFailure {
        .exhausted("\(what) cannot be made on this host: \(String(cString: strerror(code)))")
    }
}

/// A child of this process, and what is still to be done for it.
private final class Running {
    private static let errorLimit = 64 << 10

    private let request: ChildProcess.Request
    private let program: StartedProgram
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
        feed = InputFeed(request.input)
        deadline = request.within.map { NIODeadline.now() + .microseconds($0.microseconds) }
        program = try ChildProcess.start(request.arguments, environment: request.environment)
    }

    /// Serves it until it has ended.
    func follow() throws(ConnectionFailure) -> RemoteEnd {
        var isOver = false
        var sources = [program.output.reading, program.error.reading]
        while !isOver {
            if feed.isDone, !request.holdsInput { program.input.closeWriting() }
            var polls = sources.map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
            polls.append(pollfd(fd: failure == nil ? stop.reading : -1, events: Int16(POLLIN), revents: 0))
            polls.append(pollfd(fd: program.ending, events: Int16(POLLIN), revents: 0))
            polls.append(pollfd(fd: feed.isDone ? -1 : program.input.writingEnd, events: Int16(POLLOUT), revents: 0))
            let count = poll(&polls, nfds_t(polls.count), waitLength)
            if count < 0, errno != EINTR { break }
            let base = sources.count
            if polls[base].revents != 0 { stop(because: .cancelled) }
            if polls[base + 2].revents != 0 { feed.write(to: program.input) }
            isOver = polls[base + 1].revents != 0 || (program.ending < 0 && sources.isEmpty)
            sources = sources.filter { take($0) }
            if let deadline, failure == nil, NIODeadline.now() >= deadline {
                stop(because: .silent("no answer came within \(request.within!.shortText)"))
            }
            if let killAt, NIODeadline.now() >= killAt { kill(program.pid, SIGKILL) }
        }
        for source in sources { _ = take(source) }
        let status = program.wait().status
        if let failure { throw failure }
        end.status = status
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
        kill(program.pid, SIGTERM)
        killAt = .now() + .seconds(2)
    }

    /// Takes what is there. False when nothing more will come.
    private func take(_ source: Int32) -> Bool {
        if source == program.error.reading {
            return program.error.take { errorBytes += $0.prefix(Self.errorLimit - errorBytes.count) }
        }
        return program.output.take { bytes in
            if let onOutput = request.onOutput {
                if failure == nil, !onOutput(Array(bytes)) { stop(because: .cancelled) }
            } else {
                let kept = bytes.prefix(request.outputLimit - end.output.count)
                end.output += kept
                end.outputDropped += bytes.count - kept.count
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
    private var source: RemoteSource?
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
            if let source {
                guard let bytes = source.next() else {
                    self.source = nil
                    continue
                }
                buffer = bytes
                continue
            }
            switch parts.popFirst() {
            case .bytes(let bytes): buffer = bytes
            case .source(let next): source = next
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
        source = nil
        parts = []
        isDone = true
    }
}
