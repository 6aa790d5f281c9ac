import Foundation
import MusterCore
import MusterSupervision
import NIOCore

/// A program of a plug-in that is run to its end: a request, or the way to a machine.
///
/// Unlike `ChildProcess` it is spoken with: what it is given may wait for what it says first, its standard error comes
/// as it is written, and its descendants can be ended with it. It is over when the program itself has ended, whoever
/// else still holds its output open.
enum PluginProcess {
    struct Request: Sendable {
        var arguments: [String]
        /// Added to this process' own environment, of which what `keepsVariable` refuses is left out.
        var environment: [String: String] = [:]
        var keepsVariable: @Sendable (Substring) -> Bool = { _ in true }
        var folder: String?
        /// What it reads first.
        var greeting: [UInt8] = []
        /// A line of its output for which the rest of its input waits; what comes before the line is no output.
        var awaitedLine: String?
        var input: [RemoteInput] = []
        var holdsInput = false
        var within: Duration?
        /// Whether whoever descends from it is ended with it when it is stopped.
        var endsDescendants = false
        /// The value of the variable `PLUGIN_CALL` by which its descendants are found.
        var mark: String?
        /// Is told of it before it is given anything. False ends it.
        var onStart: (@Sendable (ProcessIdentity) -> Bool)?
        /// Takes its output as it comes. False stops it.
        var onOutput: @Sendable ([UInt8]) -> Bool
        var onError: @Sendable ([UInt8]) -> Void = { _ in }
    }

    /// How it ended.
    struct End: Sendable {
        enum Stop: Sendable { case cancelled, deadline, output, notNoted }
        /// nil when a signal ended it.
        var status: Int?
        var signal: Int?
        /// Why it was stopped; nil when it ended by itself.
        var stop: Stop?
        /// Whether the line that was awaited came.
        var answered: Bool
        /// What it said instead of that line, at most 4 KiB.
        var before: [UInt8]
    }

    static let mark = "PLUGIN_CALL"

    /// Runs it. When the task is cancelled it gets TERM, and KILL when it does not heed it.
    static func run(_ request: Request) async throws(ConnectionFailure) -> End {
        let stop = try ChildProcess.Pipe()
        let result: Result<End, ConnectionFailure> = await withTaskCancellationHandler {
            await withCheckedContinuation { done in
                // It is awaited by this continuation.
                Thread.detachNewThread {
                    do throws(ConnectionFailure) {
                        let child = try AttendedChild(request, stop: stop)
                        done.resume(returning: .success(child.follow()))
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

    /// Ends a process with all that descends from it, also what has left it: by its session and by its mark.
    static func endTree(_ identity: ProcessIdentity, mark: String?) {
        for _ in 0..<20 {
            var found = Set<ProcessIdentity>()
            if ProcessTable.isAlive(identity) {
                found.formUnion(ProcessTable.trees(under: [identity.pid]).map(\.identity))
            }
            for entry in ProcessTable.all() where !entry.isDead && entry.pid != getpid() {
                let isOfSession = entry.session == identity.pid && entry.identity.startTime >= identity.startTime
                if isOfSession
                    || mark.map({ ProcessTable.variables([Self.mark], of: entry.pid)[Self.mark] == $0 }) == true
                {
                    found.insert(entry.identity)
                }
            }
            if found.isEmpty { return }
            let handles = found
            // Stopped first: a shell whose child is killed before it would go on to its next line.
            for identity in handles { ProcessHandle(identity)?.send(SIGSTOP) }
            for identity in handles {
                guard let handle = ProcessHandle(identity) else { continue }
                handle.send(SIGKILL)
                // Its own parent may be this process, which asks for its end later.
                if identity.pid != 0 { _ = handle.waitForEnd(milliseconds: 1000) }
            }
        }
    }
}

/// A child of this process, and what is still to be done for it.
private final class AttendedChild {
    private static let termGrace: TimeAmount = .seconds(2)
    /// After its end so much of what it wrote is still read: others may write into its output for ever.
    private static let restLimit = 4 << 20
    private static let beforeLimit = 4 << 10

    private let request: PluginProcess.Request
    private let program: StartedProgram
    private let stop: ChildProcess.Pipe
    private var feed: InputFeed
    private var isAwaiting: Bool
    private var end = PluginProcess.End(answered: false, before: [])
    private let deadline: NIODeadline?
    private var killAt: NIODeadline?
    private var read = 0

    init(_ request: PluginProcess.Request, stop: ChildProcess.Pipe) throws(ConnectionFailure) {
        self.request = request
        self.stop = stop
        isAwaiting = request.awaitedLine != nil
        let greeting: [RemoteInput] = request.greeting.isEmpty ? [] : [.bytes(request.greeting)]
        feed = InputFeed(isAwaiting ? greeting : greeting + request.input)
        deadline = request.within.map { NIODeadline.now() + .microseconds($0.microseconds) }
        program = try StartedProgram(
            request.arguments,
            environment: request.environment,
            keeps: request.keepsVariable,
            folder: request.folder
        ) { Self.failure($0, request) }
    }

    private static func failure(_ code: Int32, _ request: PluginProcess.Request) -> ConnectionFailure {
        let program = request.arguments[0]
        let reason = String(cString: strerror(code))
        switch code {
        case ENOENT where program.contains("/"):
            return .refused("'\(program)' cannot be started: it, or the interpreter in its first line, is not there")
        case ENOENT: return .refused("'\(program)' is not installed on this host")
        case EACCES: return .refused("'\(program)' cannot be started: it is not executable (chmod +x)")
        case ENOEXEC: return .refused("'\(program)' cannot be started: its first line names no interpreter (#!/bin/sh)")
        case ENOTDIR, E2BIG: return .refused("'\(program)' cannot be started: \(reason)")
        default: return ChildProcess.failure(code, "a process of '\(program)'")
        }
    }

    /// Serves it until it has ended.
    func follow() -> PluginProcess.End {
        if let onStart = request.onStart, !(program.identity.map(onStart) ?? false) { stop(because: .notNoted) }
        var isOver = false
        var sources = [program.output.reading, program.error.reading]
        while !isOver {
            if feed.isDone, !isAwaiting, !request.holdsInput { program.input.closeWriting() }
            var polls = sources.map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
            polls.append(pollfd(fd: end.stop == nil ? stop.reading : -1, events: Int16(POLLIN), revents: 0))
            polls.append(pollfd(fd: program.ending, events: Int16(POLLIN), revents: 0))
            polls.append(
                pollfd(
                    fd: feed.isDone || end.stop != nil ? -1 : program.input.writingEnd,
                    events: Int16(POLLOUT),
                    revents: 0
                )
            )
            let count = poll(&polls, nfds_t(polls.count), waitLength)
            if count < 0, errno != EINTR { break }
            let base = sources.count
            if polls[base].revents != 0 { stop(because: .cancelled) }
            if polls[base + 2].revents != 0 { feed.write(to: program.input) }
            isOver = polls[base + 1].revents != 0 || (program.ending < 0 && sources.isEmpty)
            if !isOver { sources = sources.filter { take($0, most: 1 << 20) } }
            if let deadline, end.stop == nil, NIODeadline.now() >= deadline { stop(because: .deadline) }
            if let killAt, NIODeadline.now() >= killAt { killAll() }
        }
        for source in sources { _ = take(source, most: Self.restLimit) }
        if end.stop != nil { killAll() }
        (end.status, end.signal) = program.wait()
        return end
    }

    /// Milliseconds until something is due; -1 when nothing is.
    private var waitLength: Int32 {
        let next = [end.stop == nil ? deadline : nil, killAt].compactMap { $0 }.min()
        guard let next else { return -1 }
        return Int32(min(max((next - .now()).nanoseconds / 1_000_000 + 1, 0), 3_600_000))
    }

    private func stop(because reason: PluginProcess.End.Stop) {
        guard end.stop == nil else { return }
        end.stop = reason
        kill(program.pid, SIGTERM)
        killAt = .now() + Self.termGrace
    }

    /// It has not been waited for, so the pid is still its own.
    private func killAll() {
        if request.endsDescendants, let identity = program.identity {
            PluginProcess.endTree(identity, mark: request.mark)
        }
        kill(program.pid, SIGKILL)
        killAt = .now() + Self.termGrace
    }

    /// Takes what is there. False when nothing more will come.
    private func take(_ source: Int32, most: Int) -> Bool {
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        var taken = 0
        while taken < most {
            let count = Foundation.read(source, &buffer, buffer.count)
            if count < 0 {
                if errno == EINTR { continue }
                return errno == EAGAIN
            }
            if count == 0 { return false }
            taken += count
            let bytes = Array(buffer[..<count])
            if source == program.error.reading { request.onError(bytes) } else { heard(bytes) }
        }
        return true
    }

    private func heard(_ bytes: [UInt8]) {
        guard end.stop == nil else { return }
        var bytes = bytes
        if isAwaiting, let line = request.awaitedLine {
            end.before += bytes
            let wanted = Array((line + "\n").utf8)
            guard let place = end.before.firstRange(of: wanted) else {
                if end.before.count > 16 * Self.beforeLimit { stop(because: .output) }
                return
            }
            bytes = Array(end.before[place.upperBound...])
            end.before = Array(end.before[..<place.lowerBound].prefix(Self.beforeLimit))
            end.answered = true
            isAwaiting = false
            feed = InputFeed(request.input)
            if bytes.isEmpty { return }
        }
        if !request.onOutput(bytes) { stop(because: .output) }
    }
}
