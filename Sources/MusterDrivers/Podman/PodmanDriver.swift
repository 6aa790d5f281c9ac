import Foundation
package import Logging
package import MusterCore
import MusterSupervision
import Synchronization

/// Nodes that are containers, made by the `podman` command of this host, with root's rights or without.
///
/// A node's server is the image's own program, or a command that is run in a container which only waits. Operations are
/// kept in the container by shell programs, as on hosts that are reached by ssh. Decision 0037 says what follows.
package final class PodmanDriver: Driver {
    /// How it is set up.
    package struct Options: Sendable {
        /// The name of the state, which no other state of this host has: one word.
        package var state: String
        /// The program, and what stands before every verb.
        package var podman: [String]
        /// The folder in containers in which the node's own is: a volume of its own, or a part of one that the step
        /// names.
        package var root: String
        /// How long a container that runs may not be reached before its node is lost.
        package var patience: Duration
        /// What is masked in the outputs of its nodes, besides the secrets of their own commands.
        package var secrets: @Sendable () -> [String]

        package init(
            state: String,
            podman: [String] = ["podman"],
            root: String = "/muster",
            patience: Duration = .seconds(60),
            secrets: @escaping @Sendable () -> [String] = { [] }
        ) {
            self.state = state
            self.podman = podman
            self.root = root
            self.patience = patience
            self.secrets = secrets
        }
    }

    /// What is known of this host's podman by its refusals.
    struct Quirks: Sendable {
        /// There is no program for `--init`.
        var lacksInit = false
        /// It may not raise limits to what it gives to containers by itself.
        var keepsLimits = false
    }

    package let kind = "podman"
    package let sharesFiles = false
    let options: Options
    let podman: Podman
    let logger: Logger
    let nodes: RemoteNodes
    let watches: PodmanWatch
    let quirks = Mutex(Quirks())
    private let shortCalls = Gate(16)
    /// To the containers of nodes, by their names.
    private let connections = Mutex<[String: PodmanConnection]>([:])

    package init(
        options: Options,
        events: @escaping @Sendable (DriverEvent) -> Void,
        logger: Logger
    ) {
        self.options = options
        self.logger = logger
        podman = Podman(options.podman)
        let watch = PodmanWatch(podman, state: options.state, events: events, logger: logger)
        watches = watch
        nodes = RemoteNodes(
            patience: options.patience,
            secrets: options.secrets,
            // A node is lost once: whoever finds it out first says it.
            events: { event in
                guard case .lost(let id, let reason) = event else { return }
                watch.lost(id, reason: reason)
            },
            logger: logger
        )
    }

    deinit { watches.stop() }

    /// Ends what follows its nodes. The nodes live on.
    package func close() async {
        watches.stop()
        nodes.stopWatching()
        let connections = connections.withLock { connections in
            defer { connections = [:] }
            return Array(connections.values)
        }
        await withTaskGroup(of: Void.self) { group in
            for connection in connections { group.addTask { await connection.close() } }
        }
    }

    // MARK: Reaching a node

    func name(of node: NodeHandle) -> String { "muster-\(options.state)-n\(node.id.rawValue)" }

    func place(of node: NodeHandle, address: String? = nil) -> RemotePlace {
        RemotePlace(
            connection: connection(to: name(of: node)),
            root: options.root,
            folder: "\(options.state)-n\(node.id.rawValue)",
            address: address ?? node.facts["address"] ?? "127.0.0.1",
            lease: nil
        )
    }

    private func connection(to container: String) -> PodmanConnection {
        connections.withLock { connections in
            if let present = connections[container] { return present }
            let made = PodmanConnection(podman, container, gate: shortCalls)
            connections[container] = made
            return made
        }
    }

    /// Lets go of the connection to a container that is about to be removed.
    func disconnect(from container: String) async {
        await connections.withLock { $0.removeValue(forKey: container) }?.close()
    }

    /// The note of a node that has a container, or is about to get one.
    func noted(_ node: NodeHandle) throws(StepError) -> PodmanNote {
        guard let note = PodmanNote.read(node) else { throw StepError(.lost, "\(node.name) has no container") }
        return note
    }

    /// Does something in a node's container; where that fails, says what became of the container.
    func within<Value>(
        _ node: NodeHandle,
        _ body: (RemotePlace, PodmanNote) async throws(StepError) -> Value
    ) async throws(StepError) -> Value {
        let note = try noted(node)
        try PodmanFiles.fence(node)
        do throws(StepError) {
            return try await body(place(of: node), note)
        } catch {
            guard error.code == .lost || error.code == .refused else { throw error }
            throw await explained(error, node)
        }
    }

    /// An error of something that was asked of a container, by what the container is now.
    private func explained(_ error: StepError, _ node: NodeHandle) async -> StepError {
        do throws(StepError) {
            guard let report = try await podman.container(name(of: node)) else {
                return StepError(.lost, "\(node.name): its container \(name(of: node)) is not there any more")
            }
            if report.state.isRunning { return error }
            if PodmanFiles.isOff(node) {
                return StepError(.refused, "\(node.name) is off: muster power on \(node.name)")
            }
            return StepError(.lost, "\(node.name): its container ended: \(report.ending(of: node))")
        } catch {
            return error
        }
    }

    // MARK: Operations

    package func run(
        _ command: Command,
        on node: NodeHandle,
        operation: OperationID
    ) async throws(StepError) -> ProcessExit {
        if let exit = OperationRecord.exit(of: operation, in: node.directory) { return exit }
        return try await within(node) { place, note throws(StepError) in
            try await self.nodes.run(note.prepared(command), on: node, at: place, operation: operation)
        }
    }

    package func status(of operation: OperationID, on node: NodeHandle) async throws(StepError) -> OperationStatus {
        if let exit = OperationRecord.exit(of: operation, in: node.directory) { return .ended(exit) }
        // Without a note no container was asked for yet.
        guard let note = PodmanNote.read(node) else { return .neverStarted }
        if note.isMain(operation) { return try await mainStatus(node) }
        // Of a node whose making was cut off, nothing is lost yet: it is made to its end, or anew.
        if operation == note.operation, node.facts.isEmpty, try await !isMade(node) { return .neverStarted }
        return try await within(node) { place, _ throws(StepError) in
            try await self.nodes.status(of: operation, on: node, at: place)
        }
    }

    package func attach(to operation: OperationID, on node: NodeHandle) async throws(StepError) -> ProcessExit {
        if let exit = OperationRecord.exit(of: operation, in: node.directory) { return exit }
        if try noted(node).isMain(operation) {
            _ = try await podman.wait(name(of: node))
            if case .ended(let exit) = try await mainStatus(node) { return exit }
            throw StepError(.unknown, "\(node.name): nobody can tell how its container ended")
        }
        return try await within(node) { place, _ throws(StepError) in
            try await self.nodes.attach(to: operation, on: node, at: place)
        }
    }

    /// How the image's own program is.
    private func mainStatus(_ node: NodeHandle) async throws(StepError) -> OperationStatus {
        guard let report = try await podman.container(name(of: node)) else { return .neverStarted }
        if report.state.isRunning { return .running }
        return report.exit.map { .ended($0) } ?? .neverStarted
    }

    package func running(on node: NodeHandle) async throws(StepError) -> [OperationID] {
        guard PodmanNote.read(node) != nil else { return [] }
        do throws(StepError) {
            return try await within(node) { place, _ throws(StepError) in
                try await self.nodes.running(on: node, at: place)
            }
        } catch {
            // Nothing runs in a container that does not.
            if PodmanFiles.isOff(node) || error.code == .lost && !error.message.contains("out of reach") { return [] }
            throw error
        }
    }

    package func end(_ operation: OperationID, on node: NodeHandle, grace: Duration) async throws(StepError) {
        guard let note = PodmanNote.read(node) else { return }
        if note.isMain(operation) {
            try PodmanFiles.fence(node)
            return try await podman.stop(name(of: node), grace: grace)
        }
        do throws(StepError) {
            try await within(node) { place, _ throws(StepError) in
                try await self.nodes.end(operation, on: node, at: place, grace: grace)
            }
        } catch {
            if PodmanFiles.isOff(node) || error.code == .lost && !error.message.contains("out of reach") { return }
            throw error
        }
    }

    package func put(_ files: [FileContent], on node: NodeHandle) async throws(StepError) {
        try await within(node) { place, _ throws(StepError) in
            try await self.nodes.put(files, on: node, at: place)
        }
    }

    package func shellPlace(of node: NodeHandle) async throws(StepError) -> RemotePlace {
        _ = try noted(node)
        return place(of: node)
    }

    package func unpack(_ archive: String, as folder: String, on node: NodeHandle) async throws(StepError) {
        try await within(node) { place, _ throws(StepError) in
            try await self.nodes.unpack(archive, as: folder, on: node, at: place)
        }
    }

    package func probe(
        _ probe: ReadyCondition.Probe,
        on node: NodeHandle,
        within: Duration
    ) async throws(StepError) {
        if case .file = probe {
            return try await self.within(node) { place, _ throws(StepError) in
                try await self.nodes.probe(probe, on: node, at: place, within: within)
            }
        }
        try await nodes.probe(probe, on: node, at: place(of: node), within: within)
    }

    /// By the collection containers.podman, which has to be installed beside ansible.
    package func inventoryVariables(of node: NodeHandle) async throws(StepError) -> [String: String] {
        guard let note = PodmanNote.read(node) else { throw StepError(.lost, "\(node.name) has no container") }
        return ["ansible_connection": "containers.podman.podman", "ansible_host": note.container]
    }

    package func outputPath(of operation: OperationID, on node: NodeHandle) -> String {
        "\(node.directory)/\(SupervisorFiles.folder(of: operation.description))/\(SupervisorFiles.output)"
    }

    // MARK: Power

    package let rungs: Set<Rung> = [.soft, .hard, .powerCycle, .powerOn, .powerOff]

    package func powerOff(_ node: NodeHandle, grace: Duration) async throws(StepError) {
        let note = try noted(node)
        if note.role == .serves {
            return try await within(node) { place, _ throws(StepError) in
                try await self.nodes.powerOff(node, at: place, grace: grace)
            }
        }
        try await act(node)
        try PodmanFiles.touch(PodmanFiles.off(node))
        try await podman.stop(name(of: node), grace: grace)
    }

    package func powerOn(_ node: NodeHandle, operation: OperationID) async throws(StepError) {
        var note = try noted(node)
        if note.role == .serves {
            try await within(node) { place, _ throws(StepError) in
                try await self.nodes.powerOn(node, at: place, operation: operation)
            }
            note.started = operation
            return try note.write(node)
        }
        try await act(node)
        let name = name(of: node)
        let isWatched = watches.forget(node.id)
        note.started = operation
        note.startedAt = nil
        try note.write(node)
        unlink(PodmanFiles.outOfMemory(node))
        try await podman.start(name, in: node.directory)
        unlink(PodmanFiles.off(node))
        let report = try await started(node)
        note.startedAt = report.state.startedAt
        try note.write(node)
        if isWatched { try await self.watch(node) }
    }

    /// Waits until this conductor may act on a node, and refuses when a newer one has it.
    func act(_ node: NodeHandle) async throws(StepError) {
        guard await node.tenure.awaitLease() else { throw RemoteNodes.cancelled(node) }
        try PodmanFiles.fence(node)
    }

    // MARK: Nodes as a whole

    package var capabilities: Set<Capability> { RemoteNodes.capabilities }

    package func perform(
        _ capability: Capability,
        on node: NodeHandle,
        operation: OperationID
    ) async throws(StepError) -> [String: String] {
        guard capabilities.contains(capability) else { throw lacks(capability) }
        let note = try noted(node)
        if capability == .tearDown, note.role != .serves {
            try await powerOff(node, grace: Defaults.grace)
            return [:]
        }
        var facts = try await within(node) { place, _ throws(StepError) in
            try await self.nodes.perform(capability, on: node, at: place)
        }
        if capability == .inspect, let report = try await podman.container(name(of: node)) {
            facts["status"] = report.state.status
            facts["image"] = report.imageName
            facts["digest"] = report.imageDigest
            if let health = report.state.health?.status, !health.isEmpty { facts["health"] = health }
        }
        return facts
    }

    package func watch(_ node: NodeHandle) async throws(StepError) {
        let note = try noted(node)
        try PodmanFiles.fence(node)
        let name = name(of: node)
        watches.add(
            node,
            container: name,
            output: note.role == .program ? outputPath(of: note.operation, on: node) : nil
        )
        do throws(StepError) {
            if let reason = try await watches.ending(node, container: name, startedAt: note.startedAt) {
                throw StepError(.lost, "\(node.name): \(reason)")
            }
            await watches.confirm(node.id)
            guard note.role == .serves else { return }
            try await within(node) { place, _ throws(StepError) in try await self.nodes.watch(node, at: place) }
        } catch {
            // Where its loss was reported meanwhile, it is not said twice.
            if watches.forget(node.id) || error.code != .lost { throw error }
        }
    }
}

extension PodmanNote {
    /// Whether an operation is that of the container's own program.
    func isMain(_ operation: OperationID) -> Bool {
        role == .program && (operation == self.operation || operation == started)
    }
}
