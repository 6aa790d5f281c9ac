import Foundation
import MusterCore
import NIOCore
import NIOPosix
import Synchronization

/// A `sh` on a machine that is kept open: it was given functions once, and serves requests that call them, one at a
/// time.
///
/// To connect, to log in and to read the functions costs far more than most requests do.
final class KeptShell: Sendable {
    let functions: String
    private let program: StartedProgram
    /// How much of what it says is taken before its time, and who waits, are looked at again.
    private static let gulp = 4 << 20

    /// - Parameter arguments: what starts a program of so many bytes on the machine.
    init(_ functions: String, arguments: (_ count: Int) -> [String]) throws(ConnectionFailure) {
        self.functions = functions
        let boot = ShellText.sent(functions + ShellText.serving)
        program = try ChildProcess.start(arguments(boot.count))
        var feed = InputFeed([.bytes(boot)])
        feed.write(to: program.input)
        // More than a socket takes at once never stands here.
        guard feed.isDone else {
            end()
            throw .exhausted("what a shell is given at first is too long")
        }
    }

    /// Whether it still waits for requests, and has said nothing that nobody asked for.
    var isIdle: Bool {
        var polls = [program.output.reading, program.ending].map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
        return poll(&polls, nfds_t(polls.count), 0) == 0
    }

    /// Serves a request to its end. Blocks. After an error it serves no more, and is to be ended.
    ///
    /// - Parameters:
    ///   - isNew: whether this is its first one.
    ///   - word: what no program says by itself.
    ///   - stop: becomes readable when nobody waits any more.
    /// - Returns: the end of the request; or that of what leads to the machine, when it ended before, and is over.
    func serve(
        _ request: RemoteRequest,
        isNew: Bool,
        word: String,
        stop: ChildProcess.Pipe
    ) throws(ConnectionFailure) -> (end: RemoteEnd, isOver: Bool) {
        let text = ShellText.sent(request.program)
        let sent = InputFeed([.bytes(Array("\(word) \(text.count)\n".utf8) + text)])
        var isReady = !isNew
        var feed = isReady ? sent : InputFeed([])
        var heard = HeardShell(word: word)
        let deadline = request.within.map { NIODeadline.now() + .microseconds($0.microseconds) }
        var errors = program.error.reading
        while true {
            var polls = [
                pollfd(fd: program.output.reading, events: Int16(POLLIN), revents: 0),
                pollfd(fd: errors, events: Int16(POLLIN), revents: 0),
                pollfd(fd: stop.reading, events: Int16(POLLIN), revents: 0),
                pollfd(fd: feed.isDone ? -1 : program.input.writingEnd, events: Int16(POLLOUT), revents: 0),
                pollfd(fd: program.ending, events: Int16(POLLIN), revents: 0),
            ]
            let length = deadline.map { max(0, ($0 - .now()).nanoseconds / 1_000_000 + 1) } ?? -1
            if poll(&polls, nfds_t(polls.count), Int32(min(length, 3_600_000))) < 0, errno != EINTR { break }
            if polls[2].revents != 0 { throw .cancelled }
            if polls[3].revents != 0 { feed.write(to: program.input) }
            if polls[1].revents != 0, !program.error.take(atMost: Self.gulp, { heard.error($0) }) { errors = -1 }
            let isOpen = polls[0].revents == 0 || program.output.take(atMost: Self.gulp) { heard.output($0) }
            if !isReady, heard.dropReadiness() {
                isReady = true
                feed = sent
            }
            if let status = heard.status {
                if request.holdsInput {
                    // It waits to see that somebody is there, and is told that the answer has come.
                    var word = InputFeed([.bytes([UInt8(ascii: "\n")])])
                    word.write(to: program.input)
                }
                // Those above are signals that ended it.
                return (heard.end(status > 128 ? nil : status), false)
            }
            if heard.count > request.outputLimit + 256 { throw .broken("it says more than anybody wants to know") }
            // What it began may still hold its output.
            if !isOpen || polls[4].revents != 0 { break }
            if let deadline, NIODeadline.now() >= deadline {
                throw .silent("no answer came within \(request.within!.shortText)")
            }
        }
        let status = end()
        _ = program.error.take { heard.error($0) }
        return (heard.end(status), true)
    }

    /// Ends it, and what it serves with it. Blocks until it has ended; its status, where that was not a signal.
    @discardableResult func end() -> Int? {
        program.input.closeWriting()
        for signal in [0, SIGTERM, SIGKILL] {
            if signal != 0 { kill(program.pid, signal) }
            var ending = pollfd(fd: program.ending, events: Int16(POLLIN), revents: 0)
            if poll(&ending, 1, 1000) > 0 { break }
        }
        return program.wait().status
    }
}

/// What a kept shell says while it serves a request.
private struct HeardShell {
    private static let errorLimit = 64 << 10

    let word: [UInt8]
    private var output: [UInt8] = []
    private var errorBytes: [UInt8] = []

    init(word: String) { self.word = Array(word.utf8) }

    var count: Int { output.count }

    mutating func output(_ bytes: ArraySlice<UInt8>) { output += bytes }
    mutating func error(_ bytes: ArraySlice<UInt8>) { errorBytes += bytes.prefix(Self.errorLimit - errorBytes.count) }

    /// Forgets what came up to the word that the shell is ready. False when that has not come.
    mutating func dropReadiness() -> Bool {
        guard let word = output.firstRange(of: Array(ShellText.ready.utf8)) else { return false }
        output.removeSubrange(..<word.upperBound)
        return true
    }

    /// The status that its last line says, when that is the end of the request.
    var status: Int? {
        guard output.last == UInt8(ascii: "\n") else { return nil }
        let line = output.dropLast().suffix(word.count + 5)
        guard let begin = line.lastIndex(of: UInt8(ascii: "\n")) else { return nil }
        let words = line[(begin + 1)...].split(separator: UInt8(ascii: " "), maxSplits: 1)
        guard words.count == 2, words[0].elementsEqual(word) else { return nil }
        return Int(String(decoding: words[1], as: UTF8.self))
    }

    /// Its end; the line that says so is not its output.
    func end(_ status: Int?) -> RemoteEnd {
        var end = RemoteEnd(status: status, output: output, outputDropped: 0, error: "")
        if self.status != nil {
            let body = output.dropLast()
            end.output = Array(body[..<(body.lastIndex(of: UInt8(ascii: "\n")) ?? 0)])
        }
        end.error = String(decoding: errorBytes, as: UTF8.self)
        return end
    }
}

/// The kept shells of one machine. Where one is free it serves the next request; one that nobody uses for a while ends.
final class KeptShells: Sendable {
    /// How long one is kept for nothing: less than the connection itself.
    private static let patience = TimeAmount.seconds(20)
    /// How many are kept for nothing: each takes one of the programs that a server lets run at once.
    private static let spare = 2

    private struct State {
        var free: [(shell: KeptShell, since: NIODeadline)] = []
        var isClosed = false
        var isTimed = false
    }

    private let state = Mutex(State())
    private let arguments: @Sendable (_ count: Int) -> [String]
    private let prefix: String

    /// - Parameters:
    ///   - prefix: text that comes before the functions of all.
    ///   - arguments: what starts a program of so many bytes on the machine.
    init(prefix: String = "", arguments: @escaping @Sendable (_ count: Int) -> [String]) {
        self.prefix = prefix
        self.arguments = arguments
    }

    deinit { Self.end(state.withLock { $0.free.map(\.shell) }) }

    /// Serves a request that has functions and reads nothing.
    ///
    /// - Returns: the end of the request; or that of the program that leads to the machine, when that is over.
    func run(_ request: RemoteRequest) async throws(ConnectionFailure) -> (end: RemoteEnd, isOver: Bool) {
        let present = take(prefix + request.functions)
        let stop = try ChildProcess.Pipe()
        let result = await withTaskCancellationHandler {
            await withCheckedContinuation { done in
                // It is awaited by this continuation.
                Thread.detachNewThread { done.resume(returning: self.serve(request, present, stop)) }
            }
        } onCancel: {
            stop.write()
        }
        return try result.get()
    }

    /// Ends those that are free; the others end with what they serve.
    func close() async {
        let free = state.withLock { state in
            state.isClosed = true
            defer { state.free = [] }
            return state.free.map(\.shell)
        }
        await withCheckedContinuation { done in Self.end(free) { done.resume() } }
    }

    /// Ends some, on a thread of its own, as that blocks.
    private static func end(_ shells: [KeptShell], then: @escaping @Sendable () -> Void = {}) {
        if shells.isEmpty { return then() }
        Thread.detachNewThread {
            for shell in shells { shell.end() }
            then()
        }
    }

    private func serve(
        _ request: RemoteRequest,
        _ present: KeptShell?,
        _ stop: ChildProcess.Pipe
    ) -> Result<(end: RemoteEnd, isOver: Bool), ConnectionFailure> {
        // A test that prints ends of requests must not guess it.
        var chance = (UInt64(0), UInt64(0))
        _ = withUnsafeMutableBytes(of: &chance) { getentropy($0.baseAddress, $0.count) }
        let word = "m" + String(chance.0, radix: 36) + String(chance.1, radix: 36)
        do throws(ConnectionFailure) {
            let shell: KeptShell
            if let present {
                shell = present
            } else {
                shell = try KeptShell(prefix + request.functions, arguments: arguments)
            }
            do throws(ConnectionFailure) {
                let answer = try shell.serve(request, isNew: present == nil, word: word, stop: stop)
                if !answer.isOver {
                    // What has not ended by `m_over` may have left somebody who reads where the shell does.
                    if answer.end.status == 0 { give(back: shell) } else { Self.end([shell]) }
                }
                return .success(answer)
            } catch {
                shell.end()
                throw error
            }
        } catch {
            return .failure(error)
        }
    }

    private func take(_ functions: String) -> KeptShell? {
        state.withLock { state in
            while let last = state.free.popLast() {
                if last.shell.functions == functions, last.shell.isIdle { return last.shell }
                Self.end([last.shell])
            }
            return nil
        }
    }

    private func give(back shell: KeptShell) {
        let (isKept, starts) = state.withLock { state in
            if state.isClosed || state.free.count >= Self.spare { return (false, false) }
            state.free.append((shell, .now()))
            defer { state.isTimed = true }
            return (true, !state.isTimed)
        }
        if !isKept { shell.end() }
        if starts { endUnused(in: Self.patience) }
    }

    /// Ends those that nobody has used for long, at the time when there may be one.
    private func endUnused(in length: TimeAmount) {
        NIOSingletons.posixEventLoopGroup.next().scheduleTask(in: length) { [weak self] in
            guard let self else { return }
            let now = NIODeadline.now()
            let (old, next) = state.withLock { state in
                let old = state.free.filter { $0.since + Self.patience <= now }
                state.free.removeAll { $0.since + Self.patience <= now }
                let next = state.free.map { $0.since + Self.patience }.min()
                state.isTimed = next != nil
                return (old.map(\.shell), next)
            }
            Self.end(old)
            if let next { endUnused(in: next - now) }
        }
    }
}
