import Foundation
package import Logging
package import MusterCore
import MusterSupervision
import NIOCore
import Synchronization

/// Nodes that are virtual machines of this host, by QEMU.
///
/// A machine is the server of a supervised node of this host (`ProcessDriver`): so it outlives Muster, has an address
/// of its own, its console is that operation's output, and its end is the node's loss. Inside, operations are kept as
/// on any other machine (`RemoteNodes`), over ssh to a port at that address.
package final class QEMUDriver: Driver {
    /// How it is set up.
    package struct Options: Sendable {
        /// The name of the state, which no other state has: one word.
        package var state: String
        /// How long a machine that runs may be out of reach before its node is lost.
        package var patience: Duration
        /// A folder of the user's alone for the sockets of connections: a short path.
        package var controlFolder: String

        /// `PATH`, in which QEMU is looked for.
        package var path: String
        /// What is masked in the outputs of its nodes, besides the secrets of their own commands.
        package var secrets: @Sendable () -> [String]

        package init(
            state: String,
            patience: Duration = .seconds(120),
            controlFolder: String,
            path: String? = nil,
            secrets: @escaping @Sendable () -> [String] = { [] }
        ) {
            self.state = state
            self.path = path ?? MachineParts.folders
            self.patience = patience
            self.secrets = secrets
            self.controlFolder = controlFolder
        }
    }

    private struct State {
        var connections: [String: SSHConnection] = [:]
        var lastConnection = 0
        /// Values of secrets of servers, by the nodes' folders: they are written nowhere.
        var secrets: [String: [String: String]] = [:]
    }

    package let kind = "qemu"
    package let sharesFiles = false
    private let options: Options
    let keeper: ProcessDriver
    let nodes: RemoteNodes
    let losses: MachineLosses
    let logger: Logger
    private let openings = Gate(16)
    private let state = Mutex(State())

    /// - Parameters:
    ///   - supervisor: path of the `muster-supervise` program.
    ///   - openFilesLimit: how many files QEMU may open; nil for as many as this process.
    package init(
        supervisor: String,
        openFilesLimit: UInt64? = nil,
        options: Options,
        events: @escaping @Sendable (DriverEvent) -> Void,
        logger: Logger
    ) {
        self.options = options
        self.logger = logger
        let losses = MachineLosses(events)
        self.losses = losses
        keeper = ProcessDriver(
            supervisor: supervisor,
            openFilesLimit: openFilesLimit,
            events: { losses.take($0, "its machine: ") },
            logger: logger
        )
        nodes = RemoteNodes(
            patience: options.patience,
            secrets: options.secrets,
            events: { losses.take($0, "") },
            logger: logger
        )
    }

    /// Ends its connections. Machines go on.
    package func close() async {
        let connections = state.withLock { state in
            defer { state.connections = [:] }
            return Array(state.connections.values)
        }
        await withTaskGroup { group in
            for connection in connections { group.addTask { await connection.close() } }
        }
    }

    // MARK: The machine and the way to it

    /// The operation of the machine itself, beside that of the node's server inside of it.
    static func machine(_ operation: String) -> OperationID { OperationID(operation + ".machine") }

    func note(of node: NodeHandle) throws(StepError) -> MachineNote {
        guard let note = MachineNote.read(in: node.directory) else {
            throw StepError(.lost, "\(node.name) has no machine")
        }
        return note
    }

    func host(of node: NodeHandle, _ note: MachineNote) throws(StepError) -> SSHHost {
        guard let address = OperationRecord.address(in: node.directory) else {
            throw StepError(.lost, "\(node.name) has no address")
        }
        return SSHHost(
            name: node.directory,
            destination: address,
            user: note.machine.user,
            port: MachineParts.port,
            identityFile: MachineParts(machine: note.machine, directory: node.directory).identityFile,
            configFile: "/dev/null",
            knownHostsFile: "\(node.directory)/\(MachineParts.knownHosts)",
            options: ["StrictHostKeyChecking=accept-new", "HashKnownHosts=no"],
            connectTimeout: .seconds(10)
        )
    }

    func place(of node: NodeHandle, _ note: MachineNote) throws(StepError) -> RemotePlace {
        let host = try host(of: node, note)
        let connection = state.withLock { state in
            if let present = state.connections[node.directory], present.host == host { return present }
            state.lastConnection += 1
            let path =
                "\(SSHDriver.owned(options.controlFolder))/q\(getpid())-\(UInt(bitPattern: ObjectIdentifier(self)) % 99_991)-"
                + "\(state.lastConnection)"
            let made = SSHConnection(host, controlPath: path, openings: openings)
            state.connections[node.directory] = made
            return made
        }
        return RemotePlace(
            connection: connection,
            root: "~/.muster",
            folder: "\(options.state)-n\(node.id.rawValue)",
            address: host.destination,
            lease: nil
        )
    }

    /// Lets go of the connection: what is behind it will be another machine, or the same one started anew.
    func disconnect(_ node: NodeHandle) async {
        await state.withLock { $0.connections.removeValue(forKey: node.directory) }?.close()
    }

    // MARK: Making and destroying

    package func create(
        _ node: NodeHandle,
        operation: OperationID,
        server: Command?
    ) async throws(StepError) -> [String: String] {
        let noted = MachineNote.read(in: node.directory)
        let machine: VirtualMachine
        if case .qemu(let wanted) = node.machine { machine = wanted } else { machine = try note(of: node).machine }
        if noted == nil,
            let problem = MachineParts.problem(machine, has: { MachineParts.isInstalled($0, in: options.path) })
        {
            throw StepError(.refused, "\(node.name): \(problem). Nothing was made")
        }
        let note = MachineNote(
            machine: machine,
            server: server.map { MachineNote.Server($0) },
            operation: operation.description
        )
        try note.write(in: node.directory)
        state.withLock { $0.secrets[node.directory] = server?.secrets ?? [:] }
        let kept = try await keeper.create(node, operation: Self.machine(note.operation), server: nil)
        guard let address = kept["address"] else { throw StepError(.lost, "\(node.name) has no address") }
        let started = try await keeper.status(of: Self.machine(note.operation), on: node)
        if started == .neverStarted {
            let parts = MachineParts(machine: machine, directory: node.directory)
            try await parts.make(node: node, address: address, isNew: true)
            _ = try await keeper.create(
                node,
                operation: Self.machine(note.operation),
                server: Command(
                    .arguments(parts.arguments(name: "\(node.name)".replacing("/", with: "-"), address: address)),
                    environment: ["PATH": options.path],
                    timeout: nil,
                    leftovers: .keep
                )
            )
        }
        return try await arrive(node, note, address)
    }

    /// Waits until the machine lets us in, prepares the node in it and starts the node's server.
    func arrive(
        _ node: NodeHandle,
        _ note: MachineNote,
        _ address: String
    ) async throws(StepError) -> [String: String] {
        try await awaitGuest(node, note)
        let place = try place(of: node, note)
        let reply = try await nodes.make(node, at: place, patience: options.patience)
        var facts = [
            "address": address, "port": "\(MachineParts.port)", "user": note.machine.user,
            "hostname": reply.value("hostname") ?? "", "directory": reply.value("directory") ?? "",
        ]
        facts["identity"] = MachineParts(machine: note.machine, directory: node.directory).identityFile
        if let server = note.server {
            let secrets = state.withLock { $0.secrets[node.directory] } ?? [:]
            guard let command = server.command(secrets: secrets) else {
                throw StepError(
                    .missingSecret,
                    "\(node.name): its server needs \(server.secretNames.joined(separator: ", ")), which stand nowhere "
                        + "since the node was made by another process: take it down and bring it up again"
                )
            }
            try await nodes.serve(command, on: node, at: place, operation: OperationID(note.operation))
        }
        return facts
    }

    private static let delayMin = Duration.milliseconds(250)
    private static let delayMax = Duration.seconds(2)

    /// A foreign server tells nobody that it is ready, so it is asked again and again; and the machine, whether it
    /// lives.
    private func awaitGuest(_ node: NodeHandle, _ note: MachineNote) async throws(StepError) {
        let end = NIODeadline.now() + .microseconds(note.machine.bootTimeout.microseconds)
        let connection = try place(of: node, note).connection
        var delay = Self.delayMin
        while true {
            if Task.isCancelled || node.tenure.isOver { throw RemoteNodes.cancelled(node) }
            var problem: String
            do throws(ConnectionFailure) {
                let answer = try await connection.run(["true"], within: .seconds(30))
                if answer.succeeded { return }
                problem = "'true' fails in it: \(answer.error.suffix(200))"
            } catch {
                switch error {
                case .cancelled: throw RemoteNodes.cancelled(node)
                case .refused(let reason) where reason.contains("another host key"), .exhausted(let reason):
                    throw StepError(.refused, "\(node.name): \(reason)")
                case .refused, .unreachable, .broken, .silent: problem = error.reason
                }
            }
            switch try await keeper.status(of: Self.machine(note.operation), on: node) {
            case .running: break
            case .ended(let exit): throw StepError(.lost, "\(node.name): \(ended(exit, node, note))")
            case .neverStarted, .unknown: throw StepError(.lost, "\(node.name): its machine is not there")
            }
            guard NIODeadline.now() < end else {
                let length = note.machine.bootTimeout.shortText
                throw StepError(
                    .timedOut,
                    "\(node.name): its machine does not let ssh in within \(length): \(problem); \(console(node, note))"
                )
            }
            logger.debug("\(node.name): \(problem); asked again")
            await pause(delay)
            delay = min(delay * 2, Self.delayMax)
        }
    }

    /// Why a machine is not there any more.
    func ended(_ exit: ProcessExit, _ node: NodeHandle, _ note: MachineNote) -> String {
        let how = exit.notStarted ?? exit.signal.map { "by signal \($0)" } ?? "with exit \(exit.status ?? 0)"
        return "its machine ended \(how); \(console(node, note))"
    }

    private func console(_ node: NodeHandle, _ note: MachineNote) -> String {
        let path = keeper.outputPath(of: Self.machine(note.operation), on: node)
        let text = String(decoding: ProcessTable.read(path, limit: 8 << 20) ?? [], as: UTF8.self)
        let lines = text.split(whereSeparator: \.isNewline).suffix(3).map { String($0.prefix(200)) }
        return lines.isEmpty
            ? "its console says nothing" : "its console (\(path)) ends with: \(lines.joined(separator: " | "))"
    }

    package func destroy(_ node: NodeHandle) async throws(StepError) {
        nodes.unwatch(node)
        losses.forget(node)
        await disconnect(node)
        try await keeper.destroy(node)
        guard let note = MachineNote.read(in: node.directory) else { return }
        MachineParts(machine: note.machine, directory: node.directory).remove()
        unlink("\(node.directory)/\(MachineNote.file)")
        state.withLock { _ = $0.secrets.removeValue(forKey: node.directory) }
    }
}

/// Reports each loss once, though two watch: one the machine, one what is in it.
final class MachineLosses: Sendable {
    private let events: @Sendable (DriverEvent) -> Void
    private let watched = Mutex<Set<NodeID>>([])

    init(_ events: @escaping @Sendable (DriverEvent) -> Void) { self.events = events }

    func expect(_ node: NodeHandle) { watched.withLock { _ = $0.insert(node.id) } }
    func forget(_ node: NodeHandle) { watched.withLock { _ = $0.remove(node.id) } }
    func isWatched(_ node: NodeHandle) -> Bool { watched.withLock { $0.contains(node.id) } }

    func take(_ event: DriverEvent, _ prefix: String) {
        switch event {
        case .lost(let node, let reason):
            guard watched.withLock({ $0.remove(node) }) != nil else { return }
            events(.lost(node, reason: prefix + reason))
        }
    }
}
