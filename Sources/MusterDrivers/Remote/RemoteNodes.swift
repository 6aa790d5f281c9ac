import Foundation
package import Logging
package import MusterCore
import MusterSupervision
import MusterTestControl
import NIOCore
import Synchronization

/// Nodes on machines that are reached by connections: what all drivers of such nodes share. How a node comes by its
/// place is each driver's own.
///
/// `docs/formats/remote.md` describes what is done on the machine.
package final class RemoteNodes: Sendable {
    /// How long a machine may be out of reach before its nodes are lost.
    let patience: Duration
    let events: @Sendable (DriverEvent) -> Void
    /// What is masked in outputs, besides the secrets of their own commands.
    private let secrets: @Sendable () -> [String]
    let logger: Logger
    let watches = Mutex<[String: NodeWatch]>([:])

    package init(
        patience: Duration = .seconds(120),
        secrets: @escaping @Sendable () -> [String] = { [] },
        events: @escaping @Sendable (DriverEvent) -> Void,
        logger: Logger
    ) {
        self.patience = patience
        self.secrets = secrets
        self.events = events
        self.logger = logger
    }

    deinit { watches.withLock { for watch in $0.values { watch.task.cancel() } } }

    // MARK: Asking

    /// Asks, again where the connection breaks meanwhile: whatever is asked may be asked twice.
    ///
    /// - Throws: `.lost` when the machine is out of reach for longer than `patience`, or the node is not there.
    func ask(
        _ call: ShellCall,
        _ node: NodeHandle,
        at place: RemotePlace,
        patience: Duration? = nil
    ) async throws(StepError) -> ShellReply {
        let end = NIODeadline.now() + .microseconds((patience ?? self.patience).microseconds)
        var delay = Duration.milliseconds(100)
        while true {
            if Task.isCancelled || node.tenure.isOver { throw Self.cancelled(node) }
            if call.acts, await !node.tenure.awaitLease() { throw Self.cancelled(node) }
            let epoch = node.tenure.epoch
            let problem: String
            switch await send(call, epoch, place) {
            case .success(let reply?):
                if reply.word == "refused", reply.text.hasPrefix("epoch"), node.tenure.epoch > epoch { continue }
                if reply.word != "again" { return try checked(reply, node) }
                problem = "it does not make up its mind"
            case .success(nil): problem = "\(place.connection.title): the answer was cut off"
            case .failure(.cancelled): throw Self.cancelled(node)
            case .failure(.refused(let reason)), .failure(.exhausted(let reason)):
                throw StepError(.refused, "\(node.name): \(reason)")
            case .failure(.unreachable(let reason)), .failure(.broken(let reason)), .failure(.silent(let reason)):
                problem = reason
            }
            guard NIODeadline.now() < end else {
                throw StepError(.lost, "\(node.name): its machine is out of reach: \(problem)")
            }
            logger.debug("\(node.name): \(problem); asked again")
            await pause(delay)
            delay = min(delay * 2, .seconds(15))
        }
    }

    /// What the machine answers; nil when its answer was cut off.
    private func send(
        _ call: ShellCall,
        _ epoch: Epoch,
        _ place: RemotePlace
    ) async -> Result<ShellReply?, ConnectionFailure> {
        let request = RemoteRequest(
            functions: call.isForKeptShell ? ShellText.library : "",
            program: call.isForKeptShell ? call.text(at: place, epoch: epoch) : call.program(at: place, epoch: epoch),
            input: call.input,
            holdsInput: call.waits,
            outputLimit: ShellCall.inlineLimit + (1 << 20),
            within: call.within
        )
        do throws(ConnectionFailure) {
            let end = try await place.connection.run(request)
            if let reply = ShellReply(end.output) { return .success(reply) }
            // Its leash ends it with TERM.
            if end.status == nil || end.status == 0 || end.status == 143 { return .success(nil) }
            let said = end.error.split(separator: "\n").suffix(3).joined(separator: "; ")
            return .failure(.refused("sh on \(place.connection.title) fails with \(end.status ?? -1): \(said)"))
        } catch {
            return .failure(error)
        }
    }

    /// Answers that are errors of any request.
    private func checked(_ reply: ShellReply, _ node: NodeHandle) throws(StepError) -> ShellReply {
        switch reply.word {
        case "refused":
            if reply.text.hasPrefix("epoch") {
                throw StepError(.refused, "\(node.name): a newer conductor (\(reply.text)) has it in hand")
            }
            throw StepError(.refused, "\(node.name): \(reply.text.replacing("system ", with: "", maxReplacements: 1))")
        case "gone": throw Self.gone(node)
        case "restarted": throw StepError(.lost, "\(node.name): its machine was restarted")
        case "taken":
            throw StepError(
                .lost,
                "\(node.name): its machine was taken over, as the lease had ended: \(Self.holder(reply.text))"
            )
        case "file": throw StepError(.file, reply.text)
        default: return reply
        }
    }

    private static func gone(_ node: NodeHandle) -> StepError {
        StepError(.lost, "\(node.name): its folder is not on the machine any more")
    }

    static func cancelled(_ node: NodeHandle) -> StepError {
        StepError(.cancelled, "\(node.name): nobody waits for it any more; it goes on")
    }

    /// `expiry holder`, for people.
    static func holder(_ text: String) -> String {
        let words = text.split(separator: " ", maxSplits: 1)
        guard words.count == 2, let seconds = Int64(words[0]) else { return "by nobody who says so" }
        var time = time_t(seconds)
        var parts = tm()
        gmtime_r(&time, &parts)
        var text = [CChar](repeating: 0, count: 32)
        strftime(&text, text.count, "%Y-%m-%d %H:%M UTC", &parts)
        return "by \(words[1]), until \(text.withUnsafeBufferPointer { String(cString: $0.baseAddress!) })"
    }

    // MARK: Operations

    func start(
        _ command: Command,
        _ node: NodeHandle,
        at place: RemotePlace,
        operation: OperationID,
        isServer: Bool
    ) async throws(StepError) -> ShellReply {
        if let problem = OperationSpec(command, operation, isServer: isServer).problem ?? command.shellProblem {
            throw StepError(.unresolved, problem)
        }
        var call = ShellCall(.start, operation: operation)
        call.command = command
        call.isServer = isServer
        call.waits = !isServer
        // Whoever keeps it holds the deadline; this one is for machines that do not. A test may move its own.
        let within = command.controlLimit == nil ? command.timeout.map { $0 + command.grace + .seconds(60) } : nil
        call.within = isServer ? .seconds(60) : within
        return try await ask(call, node, at: place)
    }

    package func run(
        _ command: Command,
        on node: NodeHandle,
        at place: RemotePlace,
        operation: OperationID
    ) async throws(StepError) -> ProcessExit {
        if let exit = OperationRecord.exit(of: operation, in: node.directory) { return exit }
        let reply = try await start(command, node, at: place, operation: operation, isServer: false)
        switch reply.word {
        case "exit":
            let secrets = Array(command.secrets.values) + Array(command.masked)
            return try await keep(reply, of: operation, node, at: place, secrets: secrets)
        case "lost": throw StepError(.lost, "\(node.name): \(reply.text)")
        default: throw StepError(.lost, "\(node.name): its machine answers '\(reply.word)'")
        }
    }

    package func attach(
        to operation: OperationID,
        on node: NodeHandle,
        at place: RemotePlace
    ) async throws(StepError) -> ProcessExit {
        if let exit = OperationRecord.exit(of: operation, in: node.directory) { return exit }
        var call = ShellCall(.attach, operation: operation)
        call.waits = true
        call.within = nil
        let reply = try await ask(call, node, at: place)
        switch reply.word {
        case "exit": return try await keep(reply, of: operation, node, at: place)
        case "never": throw StepError(.unknown, "\(node.name): nothing of \(operation) is on its machine")
        default: throw StepError(.unknown, "\(node.name): \(reply.text)")
        }
    }

    package func status(
        of operation: OperationID,
        on node: NodeHandle,
        at place: RemotePlace
    ) async throws(StepError) -> OperationStatus {
        if let exit = OperationRecord.exit(of: operation, in: node.directory) { return .ended(exit) }
        let reply: ShellReply
        do throws(StepError) {
            reply = try await ask(ShellCall(.status, operation: operation), node, at: place)
        } catch {
            // Whoever was killed before the node's folder was there has begun nothing in it.
            if node.facts.isEmpty, error == Self.gone(node) { return .neverStarted }
            throw error
        }
        switch reply.word {
        case "exit": return .ended(try await keep(reply, of: operation, node, at: place))
        case "running": return .running
        case "never": return .neverStarted
        default: return .unknown("\(node.name): \(reply.text)")
        }
    }

    package func running(on node: NodeHandle, at place: RemotePlace) async throws(StepError) -> [OperationID] {
        do throws(StepError) {
            let reply = try await ask(ShellCall(.running), node, at: place)
            return reply.lines.filter { $0.word == "operation" }.map { OperationID($0.text) }.sorted {
                $0.description < $1.description
            }
        } catch {
            // On a machine that cannot be asked something may run.
            guard error.code == .lost, !error.message.contains("out of reach") else { throw error }
            return []
        }
    }

    package func end(
        _ operation: OperationID,
        on node: NodeHandle,
        at place: RemotePlace,
        grace: Duration
    ) async throws(StepError) {
        var call = ShellCall(.end, operation: operation)
        call.grace = grace
        call.within = grace + .seconds(60)
        do throws(StepError) {
            _ = try await ask(call, node, at: place)
        } catch {
            guard error.code == .lost, !error.message.contains("out of reach") else { throw error }
        }
    }

    // MARK: What is kept here

    /// Takes what an operation left to this host: its output, and then how it ended.
    private func keep(
        _ reply: ShellReply,
        of operation: OperationID,
        _ node: NodeHandle,
        at place: RemotePlace,
        secrets: [String] = []
    ) async throws(StepError) -> ProcessExit {
        guard let exit = reply.exit else {
            throw StepError(.lost, "\(node.name): its machine does not say how it ended")
        }
        let folder = "\(node.directory)/\(SupervisorFiles.folder(of: operation.description))"
        try Self.makeFolder(node.directory)
        try Self.makeFolder(folder)
        let path = "\(folder)/\(SupervisorFiles.output)"
        switch reply.output {
        case .inline(let bytes)?:
            var mask = SecretMask(self.secrets() + secrets)
            try Self.write(mask.take(bytes) + mask.end(), path)
        case .size(let size)?:
            let mask = SecretMask(self.secrets() + secrets)
            try await fetch(size, of: operation, SupervisorFiles.output, node, at: place, to: path, mask)
        case nil: break
        }
        if let size = reply.value(SupervisorFiles.control).flatMap({ Int($0) }) {
            let path = "\(folder)/\(SupervisorFiles.control)"
            try await fetch(size, of: operation, SupervisorFiles.control, node, at: place, to: path, SecretMask([]))
        }
        if reply.lines.contains(where: { $0.word == "goodbye" }),
            !Self.saysGoodbye("\(folder)/\(SupervisorFiles.control)")
        {
            throw StepError(
                .lost,
                "\(node.name): its machine was restarted, or what kept \(operation) there was killed"
            )
        }
        var record = ExitRecord(
            operation: operation.description,
            startedAt: exit.startedAt.rawValue,
            endedAt: exit.endedAt.rawValue
        )
        record.status = exit.status.map(Int32.init)
        record.signal = exit.signal.map(Int32.init)
        record.timedOut = exit.timedOut
        record.interrupted = exit.interrupted
        record.notStarted = exit.notStarted
        record.outputDropped = exit.outputDropped
        record.leftovers = Int32(clamping: exit.leftovers)
        try Self.write(Array(record.json.utf8), "\(folder)/\(SupervisorFiles.exit)")
        return exit
    }

    /// Whether a test has said that it goes away, by the words of its stream.
    private static func saysGoodbye(_ path: String) -> Bool {
        guard let stream = FileManager.default.contents(atPath: path) else { return false }
        var found = false
        var machine = ControlMachine()
        Array(stream).withUnsafeBufferPointer { bytes in
            machine.read(bytes.span) { event in
                switch event {
                case .disconnect, .reconnect: found = true
                default: break
                }
            }
        }
        return found
    }

    private func fetch(
        _ size: Int,
        of operation: OperationID,
        _ name: String,
        _ node: NodeHandle,
        at place: RemotePlace,
        to path: String,
        _ mask: SecretMask
    ) async throws(StepError) {
        let draft = Self.draft(of: path)
        let file = open(draft, O_RDWR | O_CREAT | O_APPEND | O_TRUNC | O_CLOEXEC, 0o600)
        guard file >= 0 else { throw Self.error("what \(operation) left cannot be written to \(path)") }
        defer { close(file) }
        var offset = 0
        var tries = 0
        let failure = Atomic<CInt>(0)
        while offset < size {
            var call = ShellCall(.fetch, operation: operation)
            call.offset = offset
            call.file = name
            tries += 1
            do throws(ConnectionFailure) {
                let request = RemoteRequest(
                    program: call.program(at: place, epoch: node.tenure.epoch),
                    within: .seconds(600),
                    onOutput: { bytes in
                        let count = bytes.withUnsafeBytes { Foundation.write(file, $0.baseAddress, $0.count) }
                        if count != bytes.count { failure.store(count < 0 ? errno : ENOSPC, ordering: .relaxed) }
                        return count == bytes.count
                    }
                )
                _ = try await place.connection.run(request)
            } catch {
                errno = failure.load(ordering: .relaxed)
                if errno != 0 { throw Self.error("what \(operation) left cannot be written to \(path)") }
                if case .cancelled = error { throw Self.cancelled(node) }
            }
            var status = stat()
            fstat(file, &status)
            let now = Int(status.st_size)
            guard now > offset || tries < 5 else {
                let place = "breaks off at \(now) of \(size) bytes"
                throw StepError(.lost, "\(node.name): the \(name) of \(operation) \(place)")
            }
            if now > offset { tries = 0 }
            offset = now
        }
        if !mask.isIdle { try Self.apply(mask, to: file, draft) }
        guard rename(draft, path) == 0 else { throw Self.error("\(path) cannot be written") }
    }

    /// Writes a file anew, without secrets.
    private static func apply(_ mask: SecretMask, to file: CInt, _ path: String) throws(StepError) {
        var mask = mask
        let masked = open(path + "-masked", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
        guard masked >= 0 else { throw error("\(path) cannot be written") }
        defer { close(masked) }
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        var offset: off_t = 0
        while true {
            let count = pread(file, &buffer, buffer.count, offset)
            if count < 0, errno == EINTR { continue }
            let shown = count > 0 ? mask.take(buffer[..<count]) : mask.end()
            let written = shown.withUnsafeBytes { Foundation.write(masked, $0.baseAddress, $0.count) }
            guard count >= 0, written == shown.count else { throw error("\(path) cannot be written") }
            if count == 0 { break }
            offset += off_t(count)
        }
        guard rename(path + "-masked", path) == 0 else { throw error("\(path) cannot be written") }
    }

    private static let drafts = Atomic(0)

    /// Two who wait for one operation may write its end at the same time, also from two processes.
    private static func draft(of path: String) -> String {
        "\(path).part-\(getpid())-\(drafts.wrappingAdd(1, ordering: .relaxed).newValue)"
    }

    static func makeFolder(_ path: String) throws(StepError) {
        do {
            try FileManager.default.createDirectory(
                atPath: path,
                withIntermediateDirectories: true,
                attributes: [.posixPermissions: 0o700]
            )
        } catch {
            throw StepError(.file, "the folder \(path) cannot be made: \(error)")
        }
    }

    static func write(_ bytes: [UInt8], _ path: String) throws(StepError) {
        let draft = draft(of: path)
        let file = open(draft, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
        guard file >= 0 else { throw error("\(path) cannot be written") }
        defer { close(file) }
        let count = bytes.withUnsafeBytes { Foundation.write(file, $0.baseAddress, $0.count) }
        guard count == bytes.count, rename(draft, path) == 0 else { throw error("\(path) cannot be written") }
    }

    private static func error(_ what: String) -> StepError {
        let code = errno
        let isFull = code == ENOSPC || code == EDQUOT || code == EROFS
        return StepError(isFull ? .refused : .file, "\(what): \(String(cString: strerror(code)))")
    }
}
