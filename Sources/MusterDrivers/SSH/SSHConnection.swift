import Foundation
package import MusterCore
import NIOCore
import NIOPosix
import Synchronization

/// One connection to a host by OpenSSH itself, over which all its programs run: a master process keeps it, and every
/// program is a session in it.
///
/// Configuration, agent, jump hosts and host keys are the user's own. Nothing is ever asked (`BatchMode`), and a host
/// whose key is not known, or another one, is refused. The master ends by itself a minute after its last program.
package final class SSHConnection: Connection {
    private struct State {
        var opening: Task<Result<Void, ConnectionFailure>, Never>?
        var isClosed = false
    }

    package let host: SSHHost
    package let controlPath: String
    private let openings: Gate
    private let sessions: Gate
    private let shells: KeptShells
    private let state = Mutex(State())

    package var title: String { "ssh://\(host.destination)" }

    /// - Parameters:
    ///   - controlPath: where the master listens: a short path in a folder of the user's alone.
    ///   - openings: how many connections may be made at once, to whatever hosts.
    ///   - sessions: how many programs that end soon run at once over this one; a server allows 10 by default.
    package init(_ host: SSHHost, controlPath: String, openings: Gate = Gate(16), sessions: Int = 6) {
        self.host = host
        self.controlPath = controlPath
        self.openings = openings
        self.sessions = Gate(sessions)
        shells = KeptShells { Self.command(ShellText.boot($0), host, controlPath) }
    }

    package func run(_ request: RemoteRequest) async throws(ConnectionFailure) -> RemoteEnd {
        try await open()
        // Those that wait for something need no turn: where the server has no session left, ssh connects by itself.
        if request.within != nil { await sessions.enter() }
        defer { if request.within != nil { sessions.leave() } }
        if !request.functions.isEmpty, request.input.isEmpty {
            let (end, isOver) = try await shells.run(request)
            return isOver ? try checked(end) : end
        }
        let program = ShellText.sent(request.wholeProgram)
        return try checked(
            await ChildProcess.run(
                ChildProcess.Request(
                    arguments: Self.command(ShellText.boot(program.count), host, controlPath),
                    input: [.bytes(program)] + request.input,
                    holdsInput: request.holdsInput,
                    outputLimit: request.outputLimit,
                    within: request.within,
                    onOutput: request.onOutput
                )
            )
        )
    }

    /// Tells ends of ssh itself from those of a program.
    private func checked(_ end: RemoteEnd) throws(ConnectionFailure) -> RemoteEnd {
        if end.status == nil { throw .broken("\(title): ssh was killed") }
        if end.status == 255, !end.error.hasSuffix(ShellText.status255 + "\n") {
            throw SSHFailure.classify(end.error, host, isOpen: true)
        }
        return end
    }

    /// Starts a program for `sh -c` over the master. By `exec` and in single quotes: the login shell of the user may be
    /// any, also one that is not like sh.
    private static func command(_ boot: String, _ host: SSHHost, _ controlPath: String) -> [String] {
        ["ssh"] + options(host, controlPath) + ["-o", "ControlMaster=no", "-T", "--", host.destination]
            + ["exec /bin/sh -c '\(boot)'"]
    }

    package func close() async {
        let opening = state.withLock { state in
            state.isClosed = true
            return state.opening
        }
        await shells.close()
        _ = await opening?.value
        _ = try? await ChildProcess.run(
            ChildProcess.Request(
                arguments: ["ssh"] + options + ["-O", "exit", "--", host.destination],
                within: .seconds(5)
            )
        )
        unlink(controlPath)
    }

    /// What stands before the destination in every call.
    private static func options(_ host: SSHHost, _ controlPath: String) -> [String] {
        host.arguments(["BatchMode=yes", "ControlPath=\(controlPath)", "RequestTTY=no"])
    }
    private var options: [String] { Self.options(host, controlPath) }

    // MARK: The master

    /// Sees to it that there is a master. Those who ask at once wait for the same one.
    private func open() async throws(ConnectionFailure) {
        if Self.accepts(controlPath) { return }
        let opening: Task<Result<Void, ConnectionFailure>, Never>? = state.withLock { state in
            if state.isClosed { return nil }
            if let present = state.opening { return present }
            // Awaited below by whoever wants the connection, and by `close`.
            let task = Task { await self.openMaster() }
            state.opening = task
            return task
        }
        guard let opening else { throw .cancelled }
        try await opening.value.get()
    }

    private func openMaster() async -> Result<Void, ConnectionFailure> {
        defer { state.withLock { $0.opening = nil } }
        if Self.accepts(controlPath) { return .success(()) }
        unlink(controlPath)
        await openings.enter()
        defer { openings.leave() }
        do throws(ConnectionFailure) {
            let end = try await ChildProcess.run(
                ChildProcess.Request(
                    arguments: ["ssh"] + options + ["-o", "ControlMaster=yes", "-o", "ControlPersist=60"]
                        + ["-f", "-N", "-T", "--", host.destination],
                    within: host.connectTimeout * 3 + .seconds(10)
                )
            )
            return end.status == 0 ? .success(()) : .failure(SSHFailure.classify(end.error, host, isOpen: false))
        } catch {
            return .failure(error)
        }
    }

    /// Whether somebody listens at a socket: a master that was killed leaves its socket behind.
    static func accepts(_ path: String) -> Bool {
        var place = sockaddr_un()
        place.sun_family = sa_family_t(AF_UNIX)
        let bytes = Array(path.utf8)
        guard bytes.count < MemoryLayout.size(ofValue: place.sun_path) else { return false }
        withUnsafeMutableBytes(of: &place.sun_path) { $0.copyBytes(from: bytes) }
        let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { return false }
        defer { Foundation.close(descriptor) }
        return withUnsafePointer(to: &place) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size)) == 0
            }
        }
    }
}

/// What ssh means by what it says.
enum SSHFailure {
    static func classify(_ text: String, _ host: SSHHost, isOpen: Bool) -> ConnectionFailure {
        let said = text.split(separator: "\n").map { $0.trimmingCharacters(in: .whitespaces) }
            .filter { !$0.isEmpty && !$0.hasPrefix("@@@") }
        let short = said.suffix(3).joined(separator: "; ")
        func any(_ parts: String...) -> Bool { parts.contains { text.contains($0) } }
        if any("REMOTE HOST IDENTIFICATION HAS CHANGED") {
            return .refused(
                """
                \(host.destination) shows another host key than the known one: either the host was installed anew, or \
                somebody stands between. Nothing was sent. Compare the key with the host's own \
                (ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub there); if it is right, remove the old one with \
                ssh-keygen -R '\(Self.keyName(host))'\(Self.file(host)) and connect once by hand
                """
            )
        }
        if any("Host key verification failed", "No matching host key", "host key is known for") {
            return .refused(
                """
                the host key of \(host.destination) is not known: connect once by hand \
                (ssh \(host.port.map { "-p \($0) " } ?? "")\(host.destination)) and compare the key, or add it to \
                \(host.knownHostsFile ?? "~/.ssh/known_hosts") (ssh says: \(short))
                """
            )
        }
        if any("Permission denied", "Too many authentication failures", "no mutual signature") {
            return .refused(
                """
                \(host.destination) does not let \(host.user ?? "this user") in: is the public key in its \
                authorized_keys, and the private one in the agent or named in the configuration? (ssh says: \(short))
                """
            )
        }
        if any("Bad configuration option", "Bad owner or permissions", "command-line: line", "no such identity") {
            return .refused("ssh to \(host.destination) is not configured right: \(short)")
        }
        let message = "\(host.destination): \(short.isEmpty ? "ssh says nothing" : short)"
        let isNoWay = any(
            "Connection refused",
            "No route to host",
            "Network is unreachable",
            "Could not resolve",
            "timed out",
            "Name or service not known"
        )
        return isOpen && !isNoWay ? .broken(message) : .unreachable(message)
    }

    private static func keyName(_ host: SSHHost) -> String {
        host.port.map { $0 == 22 ? host.destination : "[\(host.destination)]:\($0)" } ?? host.destination
    }

    private static func file(_ host: SSHHost) -> String { host.knownHostsFile.map { " -f '\($0)'" } ?? "" }
}

/// Lets so many in at once.
package final class Gate: Sendable {
    private struct State {
        var free: Int
        var waiting: [CheckedContinuation<Void, Never>] = []
    }

    private let state: Mutex<State>

    package init(_ count: Int) { state = Mutex(State(free: count)) }

    func enter() async {
        await withCheckedContinuation { continuation in
            let isFree = state.withLock { state in
                guard state.free == 0 else {
                    state.free -= 1
                    return true
                }
                state.waiting.append(continuation)
                return false
            }
            if isFree { continuation.resume() }
        }
    }

    func leave() {
        let next: CheckedContinuation<Void, Never>? = state.withLock { state in
            guard state.waiting.isEmpty else { return state.waiting.removeFirst() }
            state.free += 1
            return nil
        }
        next?.resume()
    }
}

/// Lets time pass; returns early when the task is cancelled.
package func pause(_ length: Duration) async {
    let loop = NIOSingletons.posixEventLoopGroup.next()
    let promise = loop.makePromise(of: Void.self)
    let timer = loop.scheduleTask(in: .microseconds(length.microseconds)) { promise.succeed() }
    await withTaskCancellationHandler {
        try? await promise.futureResult.get()
    } onCancel: {
        timer.cancel()
        promise.succeed()
    }
}
