import Foundation
import Logging
package import MusterCore
import MusterSupervision
import NIOCore
import NIOPosix
import Synchronization

/// Nodes as a whole: made, watched, powered, filled with files, destroyed.
extension RemoteNodes {
    /// Makes the node's folder, under the lease where there is one.
    ///
    /// - Parameter patience: how long a machine may be out of reach.
    /// - Returns: what the machine says: `held` when it is another's; otherwise its folder and its name.
    func make(_ node: NodeHandle, at place: RemotePlace, patience: Duration) async throws(StepError) -> ShellReply {
        try await ask(ShellCall(.create), node, at: place, patience: patience)
    }

    /// Starts a node's server, or finds it started.
    package func serve(
        _ server: Command,
        on node: NodeHandle,
        at place: RemotePlace,
        operation: OperationID
    ) async throws(StepError) {
        if !server.files.isEmpty { try await put(server.files, on: node, at: place) }
        let reply = try await start(server, node, at: place, operation: operation, isServer: true)
        if let sentence = reply.exit?.notStarted { throw StepError(.notStarted, sentence) }
        if reply.word == "lost" { throw StepError(.lost, "\(node.name): \(reply.text)") }
    }

    /// Ends all that runs on the node, removes its folder and gives its lease back.
    package func destroy(
        _ node: NodeHandle,
        at place: RemotePlace,
        patience: Duration? = nil
    ) async throws(StepError) {
        unwatch(node)
        var call = ShellCall(.destroy)
        call.grace = Defaults.grace
        call.within = Defaults.grace + .seconds(120)
        _ = try await ask(call, node, at: place, patience: patience)
    }

    // MARK: Power

    package func powerOff(_ node: NodeHandle, at place: RemotePlace, grace: Duration) async throws(StepError) {
        var call = ShellCall(.powerOff)
        call.grace = grace
        call.within = grace + .seconds(60)
        _ = try await ask(call, node, at: place)
    }

    package func powerOn(_ node: NodeHandle, at place: RemotePlace, operation: OperationID) async throws(StepError) {
        let reply = try await ask(ShellCall(.powerOn, operation: operation), node, at: place)
        if let sentence = reply.exit?.notStarted { throw StepError(.notStarted, sentence) }
        if reply.word == "lost" { throw StepError(.lost, "\(node.name): \(reply.text)") }
        try await rewatch(node, at: place)
    }

    /// What can be done to any node that is a folder on a machine.
    package static let capabilities: Set<Capability> = [.verify, .inspect, .clean, .tearDown, .adopt]

    package func perform(
        _ capability: Capability,
        on node: NodeHandle,
        at place: RemotePlace
    ) async throws(StepError) -> [String: String] {
        switch capability {
        case .verify, .adopt, .inspect:
            let reply = try await ask(ShellCall(.facts), node, at: place)
            guard capability == .inspect else { return [:] }
            return Dictionary(reply.lines.dropLast().map { ($0.word, $0.text) }) { $1 }
        case .clean:
            try await powerOff(node, at: place, grace: Defaults.grace)
            _ = try await ask(ShellCall(.clean), node, at: place)
            return [:]
        case .tearDown:
            try await powerOff(node, at: place, grace: Defaults.grace)
            return [:]
        case .deploy, .rescue, .unrescue, .service:
            throw StepError(.refused, "\(node.name) cannot \(capability.rawValue)")
        }
    }

    // MARK: Files

    package func put(_ files: [FileContent], on node: NodeHandle, at place: RemotePlace) async throws(StepError) {
        var call = ShellCall(.put)
        call.within = .seconds(600)
        for file in files {
            let names = try NodeFiles.names(of: file.to)
            let input: RemoteInput
            let size: Int
            switch file.source {
            case .bytes(let bytes): (input, size) = (.bytes(bytes), bytes.count)
            case .path(let path): (input, size) = try Self.source(path)
            }
            let folder = names.dropLast().joined(separator: "/")
            call.words.append([folder, names.last!, String(file.mode & 0o7777, radix: 8), "\(size)"])
            call.input.append(input)
        }
        let reply = try await ask(call, node, at: place)
        guard reply.word == "done" else { throw StepError(.lost, "\(node.name): its machine answers '\(reply.word)'") }
    }

    package func unpack(
        _ archive: String,
        as folder: String,
        on node: NodeHandle,
        at place: RemotePlace
    ) async throws(StepError) {
        if node.tenure.isOver { throw Self.cancelled(node) }
        let target = NodeCopy.Target(node: node, place: place, hasOwnFiles: true, path: folder)
        try await NodeCopy().unpack(archive, to: target)
    }

    /// A file of this host. What has no length of its own, as in /proc, is read at once.
    private static func source(_ path: String) throws(StepError) -> (RemoteInput, Int) {
        var status = stat()
        let isThere = stat(path, &status) == 0
        guard isThere, status.st_mode & S_IFMT == S_IFREG, access(path, R_OK) == 0 else {
            let reason = isThere ? "it is no file, or may not be read" : String(cString: strerror(errno))
            throw StepError(.file, "the file '\(path)' cannot be read: \(reason)")
        }
        if status.st_size > 0 { return (.file(path: path, size: Int(status.st_size)), Int(status.st_size)) }
        let bytes = ProcessTable.read(path, limit: 1 << 20) ?? []
        return (.bytes(bytes), bytes.count)
    }

    package func probe(
        _ probe: ReadyCondition.Probe,
        on node: NodeHandle,
        at place: RemotePlace,
        within: Duration
    ) async throws(StepError) {
        switch probe {
        case .tcp(let port): try await Probes.tcp(place.address, port, within: within)
        case .http(let port, let path): try await Probes.http(place.address, port, path, within: within)
        case .file(let path):
            let names = try NodeFiles.names(of: path)
            var call = ShellCall(.probe)
            call.words = [[names.dropLast().joined(separator: "/"), names.last!]]
            call.within = within + .seconds(10)
            let reply = try await ask(call, node, at: place, patience: within)
            guard reply.word == "yes" else { throw StepError(.notReady, reply.text) }
        case .run: throw StepError(.notReady, "a command is no probe of the driver: run it")
        case .state: throw StepError(.notReady, "a state is no probe of the driver: the node says it")
        }
    }
}

// MARK: - Watching

/// Somebody who is told of a node's loss.
struct NodeWatch: Sendable {
    /// Ends when the loss was reported, or nobody wants to know any more.
    let task: Task<Void, Never>
}

extension RemoteNodes {
    /// Reports the node's loss from now on.
    ///
    /// - Throws: `.lost` when it is lost already.
    package func watch(_ node: NodeHandle, at place: RemotePlace) async throws(StepError) {
        let (news, teller) = AsyncStream.makeStream(of: StepError?.self, bufferingPolicy: .bufferingOldest(1))
        let follower = WatchFollower(
            node: node,
            place: place,
            patience: patience,
            events: events,
            logger: logger,
            teller: teller
        )
        // Ended by `unwatch`, and with this object.
        let task = Task { await follower.follow() }
        watches.withLock { $0.updateValue(NodeWatch(task: task), forKey: node.directory) }?.task.cancel()
        let first = await withTaskCancellationHandler {
            for await error in news { return error }
            return RemoteNodes.cancelled(node)
        } onCancel: {
            teller.finish()
        }
        if let first { throw first }
    }

    func unwatch(_ node: NodeHandle) {
        watches.withLock { $0.removeValue(forKey: node.directory) }?.task.cancel()
    }

    /// Watches the server that was just started, where its node is watched.
    private func rewatch(_ node: NodeHandle, at place: RemotePlace) async throws(StepError) {
        guard watches.withLock({ $0[node.directory] != nil }) else { return }
        try await watch(node, at: place)
    }
}

/// Follows one node: by a program on its machine that ends when its server ends, and with the connection.
private final class WatchFollower: Sendable {
    let node: NodeHandle
    let place: RemotePlace
    let patience: Duration
    let events: @Sendable (DriverEvent) -> Void
    let logger: Logger
    /// Is told once: nil when it watches, or why the node is lost already.
    let teller: AsyncStream<StepError?>.Continuation
    private let isWatching = Mutex(false)

    init(
        node: NodeHandle,
        place: RemotePlace,
        patience: Duration,
        events: @escaping @Sendable (DriverEvent) -> Void,
        logger: Logger,
        teller: AsyncStream<StepError?>.Continuation
    ) {
        self.node = node
        self.place = place
        self.patience = patience
        self.events = events
        self.logger = logger
        self.teller = teller
    }

    func follow() async {
        var unreachableSince: NIODeadline?
        var delay = Duration.milliseconds(100)
        while !Task.isCancelled, !node.tenure.isOver {
            let epoch = node.tenure.epoch
            let heard = HeardBytes { [self] in began() }
            var problem = "its machine ended the watch"
            do throws(ConnectionFailure) {
                let call = ShellCall(.watch)
                _ = try await place.connection.run(
                    RemoteRequest(
                        program: call.program(at: place, epoch: epoch),
                        holdsInput: true,
                        onOutput: { heard.take($0) }
                    )
                )
                if let reply = ShellReply(heard.bytes) {
                    if reply.word == "off" || (reply.word == "refused" && node.tenure.epoch > epoch) { continue }
                    return await over(reply)
                }
            } catch {
                switch error {
                case .cancelled: break
                case .refused(let reason), .exhausted(let reason), .unreachable(let reason), .broken(let reason),
                    .silent(let reason):
                    problem = reason
                }
            }
            if Task.isCancelled { break }
            if heard.began { (unreachableSince, delay) = (nil, .milliseconds(100)) }
            let since = unreachableSince ?? .now()
            unreachableSince = since
            if NIODeadline.now() - since >= .microseconds(patience.microseconds) {
                return lost("its machine is out of reach: \(problem)")
            }
            logger.debug("\(node.name): \(problem); watched again")
            await pause(delay)
            delay = min(delay * 2, .seconds(15))
        }
        teller.finish()
    }

    private func began() {
        isWatching.withLock { $0 = true }
        teller.yield(nil)
        teller.finish()
    }

    private func over(_ reply: ShellReply) async {
        switch reply.word {
        case "server":
            let how = reply.exit.map { exit in
                exit.notStarted ?? exit.signal.map { "signal \($0)" } ?? "exit \(exit.status ?? 0)"
            }
            lost("its server ended: \(how ?? "nobody knows how")")
        case "restarted": lost("its machine was restarted")
        case "gone": lost("its folder is not on the machine any more")
        case "lost": lost(reply.text)
        case "taken": lost("its machine was taken over, as the lease had ended: \(RemoteNodes.holder(reply.text))")
        case "refused" where reply.text.hasPrefix("epoch"):
            // It is a newer conductor's now.
            teller.yield(StepError(.refused, "\(node.name): a newer conductor has it in hand"))
            teller.finish()
        default: lost("its machine answers '\(reply.word) \(reply.text)'")
        }
    }

    private func lost(_ reason: String) {
        if isWatching.withLock({ $0 }) {
            if !node.tenure.isOver, !Task.isCancelled { events(.lost(node.id, reason: reason)) }
        } else {
            teller.yield(StepError(.lost, "\(node.name): \(reason)"))
        }
        teller.finish()
    }
}

/// What a watching program says, line by line.
private final class HeardBytes: Sendable {
    private let state = Mutex<(bytes: [UInt8], began: Bool)>(([], false))
    private let onBegin: @Sendable () -> Void

    init(onBegin: @escaping @Sendable () -> Void) { self.onBegin = onBegin }

    var bytes: [UInt8] { state.withLock { $0.bytes } }
    var began: Bool { state.withLock { $0.began } }

    /// False when it says more than it may.
    func take(_ bytes: [UInt8]) -> Bool {
        let (begins, isMuch) = state.withLock { state in
            state.bytes += bytes
            let isWatching = !state.began && state.bytes.starts(with: Array("watching\n".utf8))
            if isWatching {
                state.began = true
                state.bytes.removeFirst("watching\n".utf8.count)
            }
            return (isWatching, state.bytes.count > 1 << 20)
        }
        if begins { onBegin() }
        return !isMuch
    }
}
