import Foundation
import Logging
package import MusterCore
import MusterSupervision

/// What is done in a machine, and to its power.
extension QEMUDriver {
    /// Does something in the machine, for as long as that lives: nobody waits for what is gone.
    private func inside<Value: Sendable>(
        _ node: NodeHandle,
        _ body: @escaping @Sendable (RemotePlace) async -> Result<Value, StepError>
    ) async throws(StepError) -> Value {
        let note = try note(of: node)
        let place = try place(of: node, note)
        let result: Result<Value, StepError> = await withTaskGroup { group in
            group.addTask { await body(place) }
            group.addTask { [self] in await lifeEnded(node, note) }
            let first = await group.next() ?? .failure(RemoteNodes.cancelled(node))
            group.cancelAll()
            return first
        }
        return try result.get()
    }

    /// Waits for the end of the machine.
    private func lifeEnded<Value>(_ node: NodeHandle, _ note: MachineNote) async -> Result<Value, StepError> {
        do throws(StepError) {
            let exit = try await keeper.attach(to: Self.machine(note.operation), on: node)
            return .failure(StepError(.lost, "\(node.name): \(ended(exit, node, note))"))
        } catch {
            return .failure(error.code == .unknown ? StepError(.lost, error.message) : error)
        }
    }

    package func run(
        _ command: Command,
        on node: NodeHandle,
        operation: OperationID
    ) async throws(StepError) -> ProcessExit {
        if let exit = OperationRecord.exit(of: operation, in: node.directory) { return exit }
        return try await inside(node) { [nodes] place in
            await caught { () async throws(StepError) in
                try await nodes.run(command, on: node, at: place, operation: operation)
            }
        }
    }

    package func status(of operation: OperationID, on node: NodeHandle) async throws(StepError) -> OperationStatus {
        if let exit = OperationRecord.exit(of: operation, in: node.directory) { return .ended(exit) }
        // Without a note no machine was asked for yet.
        guard let note = MachineNote.read(in: node.directory) else { return .neverStarted }
        // Without a server of its own, the node's server is the machine.
        if note.operation == operation.description {
            let machine = try await keeper.status(of: Self.machine(note.operation), on: node)
            if note.server == nil || machine == .neverStarted { return machine }
        }
        return try await inside(node) { [nodes] place in
            await caught { () async throws(StepError) in try await nodes.status(of: operation, on: node, at: place) }
        }
    }

    package func attach(to operation: OperationID, on node: NodeHandle) async throws(StepError) -> ProcessExit {
        if let exit = OperationRecord.exit(of: operation, in: node.directory) { return exit }
        return try await inside(node) { [nodes] place in
            await caught { () async throws(StepError) in try await nodes.attach(to: operation, on: node, at: place) }
        }
    }

    package func running(on node: NodeHandle) async throws(StepError) -> [OperationID] {
        guard let note = MachineNote.read(in: node.directory) else { return [] }
        // It also sees to it that no older conductor begins anything.
        _ = try await keeper.running(on: node)
        guard try await isOn(node, note) else { return [] }
        return try await inside(node) { [nodes] place in
            await caught { () async throws(StepError) in try await nodes.running(on: node, at: place) }
        }
    }

    package func end(_ operation: OperationID, on node: NodeHandle, grace: Duration) async throws(StepError) {
        guard let note = MachineNote.read(in: node.directory), try await isOn(node, note) else { return }
        try await inside(node) { [nodes] place in
            await caught { () async throws(StepError) in
                try await nodes.end(operation, on: node, at: place, grace: grace)
            }
        }
    }

    private func isOn(_ node: NodeHandle, _ note: MachineNote) async throws(StepError) -> Bool {
        do throws(StepError) {
            return try await keeper.status(of: Self.machine(note.operation), on: node) == .running
        } catch {
            guard error.code == .lost else { throw error }
            return false
        }
    }

    package func put(_ files: [FileContent], on node: NodeHandle) async throws(StepError) {
        try await inside(node) { [nodes] place in
            await caught { () async throws(StepError) in try await nodes.put(files, on: node, at: place) }
        }
    }

    package func shellPlace(of node: NodeHandle) async throws(StepError) -> RemotePlace {
        try place(of: node, try note(of: node))
    }

    package func unpack(_ archive: String, as folder: String, on node: NodeHandle) async throws(StepError) {
        try await inside(node) { [nodes] place in
            await caught { () async throws(StepError) in
                try await nodes.unpack(archive, as: folder, on: node, at: place)
            }
        }
    }

    package func probe(
        _ probe: ReadyCondition.Probe,
        on node: NodeHandle,
        within: Duration
    ) async throws(StepError) {
        let machine = try note(of: node).machine
        if case .http(let port, _) = probe {
            guard MachineParts(machine: machine, directory: node.directory).forwards(port) else {
                throw StepError(
                    .notReady,
                    "nothing leads to port \(port): give the machine ports: [\"\(port):\(port)\"]"
                )
            }
        }
        try await inside(node) { [nodes] place in
            await caught { () async throws(StepError) in
                // QEMU accepts connections to a forwarded port whether anybody listens in the machine or not.
                if case .tcp(let port) = probe { return try await Self.listens(port, place, within) }
                try await nodes.probe(probe, on: node, at: place, within: within)
            }
        }
    }

    /// Asks the machine's own list of sockets.
    private static func listens(_ port: Int, _ place: RemotePlace, _ within: Duration) async throws(StepError) {
        let hex = String(port, radix: 16, uppercase: true)
        let pattern = ":" + String(repeating: "0", count: max(0, 4 - hex.utf8.count)) + hex + " [0-9A-F:]* 0A "
        let script = "cat /proc/net/tcp /proc/net/tcp6 2>/dev/null | grep -q '\(pattern)'"
        do throws(ConnectionFailure) {
            let end = try await place.connection.run(["sh", "-c", script], within: within + .seconds(5))
            guard end.succeeded else {
                throw ConnectionFailure.refused("nothing in the machine listens on port \(port)")
            }
        } catch {
            throw StepError(.notReady, error.reason)
        }
    }

    // MARK: Power

    package var rungs: Set<Rung> { [.soft, .hard, .powerCycle, .powerOn, .powerOff] }

    /// Asks the guest to shut down for so long as `grace`, and takes its power.
    package func powerOff(_ node: NodeHandle, grace: Duration) async throws(StepError) {
        let note = try note(of: node)
        nodes.unwatch(node)
        guard await node.tenure.awaitLease() else { throw RemoteNodes.cancelled(node) }
        if grace > .zero, try await isOn(node, note) {
            // An older conductor is refused before the guest hears of it.
            _ = try await keeper.running(on: node)
            if !(await MachineMonitor.shutDown(node.directory, grace: grace)) {
                logger.info("\(node.name): its guest has not shut down within \(grace.shortText)")
            }
        }
        try await keeper.powerOff(node, grace: .seconds(5))
        await disconnect(node)
    }

    package func powerOn(_ node: NodeHandle, operation: OperationID) async throws(StepError) {
        var note = try note(of: node)
        if !(try await isOn(node, note)) {
            note.operation = operation.description
            try note.write(in: node.directory)
            try await keeper.powerOn(node, operation: Self.machine(note.operation))
        }
        guard let address = OperationRecord.address(in: node.directory) else {
            throw StepError(.lost, "\(node.name) has no address")
        }
        _ = try await arrive(node, note, address)
        if losses.isWatched(node) { try await nodes.watch(node, at: place(of: node, note)) }
    }

    package var capabilities: Set<Capability> { [.verify, .inspect, .adopt, .deploy, .tearDown] }

    package func perform(
        _ capability: Capability,
        on node: NodeHandle,
        operation: OperationID
    ) async throws(StepError) -> [String: String] {
        switch capability {
        case .verify, .inspect, .adopt:
            return try await inside(node) { [nodes] place in
                await caught { () async throws(StepError) in
                    try await nodes.perform(capability, on: node, at: place)
                }
            }
        case .deploy:
            try await powerOn(node, operation: operation)
            return [:]
        case .tearDown:
            try await powerOff(node, grace: Defaults.grace)
            return [:]
        case .clean, .rescue, .unrescue, .service: throw lacks(capability)
        }
    }

    // MARK: Loss

    package func watch(_ node: NodeHandle) async throws(StepError) {
        let note = try note(of: node)
        losses.expect(node)
        try await keeper.watch(node)
        // One that is off is no loss, and says nothing.
        if try await isOn(node, note) { try await nodes.watch(node, at: place(of: node, note)) }
    }

    /// The console of a machine is the output of the operation that started it.
    package func inventoryVariables(of node: NodeHandle) async throws(StepError) -> [String: String] {
        guard let connection = try place(of: node, note(of: node)).connection as? SSHConnection else {
            throw StepError(.refused, "\(node.name) is not reached by ssh")
        }
        return connection.host.inventoryVariables
    }

    package func outputPath(of operation: OperationID, on node: NodeHandle) -> String {
        let own = keeper.outputPath(of: operation, on: node)
        let console = keeper.outputPath(of: Self.machine(operation.description), on: node)
        return access(own, F_OK) != 0 && access(console, F_OK) == 0 ? console : own
    }
}

/// What a throwing body does, as a value that a group of tasks can pass on.
private func caught<Value>(_ body: () async throws(StepError) -> Value) async -> Result<Value, StepError> {
    do throws(StepError) {
        return .success(try await body())
    } catch {
        return .failure(error)
    }
}
