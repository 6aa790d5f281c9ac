import Foundation
import Logging
package import MusterCore
import MusterSupervision
import NIOCore
import Synchronization

/// Commands, files and power: on machines that run commands, the same as for all nodes on machines.
extension PluginDriver {
    package func run(
        _ command: Command,
        on node: NodeHandle,
        operation: OperationID
    ) async throws(StepError) -> ProcessExit {
        try await nodes.run(command, on: node, at: place(of: node), operation: operation)
    }

    package func status(of operation: OperationID, on node: NodeHandle) async throws(StepError) -> OperationStatus {
        // Who was killed before it noted anything has asked no plug-in either.
        if PluginNote.read(node.directory) == nil { return .neverStarted }
        let note = try note(of: node)
        // A machine that was not made to the end, or runs no commands, has run none.
        guard note.created != nil, let place = try place(of: node, note) else { return .neverStarted }
        return try await nodes.status(of: operation, on: node, at: place)
    }

    package func attach(to operation: OperationID, on node: NodeHandle) async throws(StepError) -> ProcessExit {
        try await nodes.attach(to: operation, on: node, at: place(of: node))
    }

    package func running(on node: NodeHandle) async throws(StepError) -> [OperationID] {
        guard let note = PluginNote.read(node.directory), !note.isGone, note.created != nil else { return [] }
        try PluginFence.pass(node)
        guard let place = try place(of: node, note) else { return [] }
        return try await nodes.running(on: node, at: place)
    }

    package func end(_ operation: OperationID, on node: NodeHandle, grace: Duration) async throws(StepError) {
        guard let note = PluginNote.read(node.directory), !note.isGone, note.created != nil,
            let place = try place(of: node, note)
        else { return }
        try await nodes.end(operation, on: node, at: place, grace: grace)
    }

    package func put(_ files: [FileContent], on node: NodeHandle) async throws(StepError) {
        try await nodes.put(files, on: node, at: place(of: node))
    }

    package func shellPlace(of node: NodeHandle) async throws(StepError) -> RemotePlace { try place(of: node) }

    package func unpack(_ archive: String, as folder: String, on node: NodeHandle) async throws(StepError) {
        try await nodes.unpack(archive, as: folder, on: node, at: place(of: node))
    }

    package func probe(
        _ probe: ReadyCondition.Probe,
        on node: NodeHandle,
        within: Duration
    ) async throws(StepError) {
        let note = try note(of: node)
        if let place = try place(of: node, note) {
            return try await nodes.probe(probe, on: node, at: place, within: within)
        }
        let address = note.created?.address ?? ""
        switch probe {
        case .tcp(let port): try await Probes.tcp(address, port, within: within)
        case .http(let port, let path): try await Probes.http(address, port, path, within: within)
        case .file, .run, .state: throw StepError(.notReady, "\(node.name) is on a machine that runs no commands")
        }
    }

    package func outputPath(of operation: OperationID, on node: NodeHandle) -> String {
        "\(node.directory)/\(SupervisorFiles.folder(of: operation.description))/\(SupervisorFiles.output)"
    }

    // MARK: Power

    /// Its server may be asked to end and be started again. All else is the plug-in's, where it knows `power`.
    package var rungs: Set<Rung> { [.soft, .hard, .powerCycle, .powerOn, .powerOff] }

    package func powerOff(_ node: NodeHandle, grace: Duration) async throws(StepError) {
        var note = try note(of: node)
        let place = try place(of: node, note)
        if let place, grace > .zero { return try await nodes.powerOff(node, at: place, grace: grace) }
        guard try await description(note.machine).knows(.power) else {
            throw StepError(
                .refused,
                """
                \(node.name): plug-in \(program(note.machine).title) does not know 'power'; its machines can only be \
                asked to reboot (soft)
                """
            )
        }
        try PluginFence.pass(node)
        note.isOff = true
        try note.write(node.directory)
        state.pause(node)
        unwatch(node)
        if let place {
            // Its server ends as the machine does; what cannot be reached is off by its plug-in all the same.
            do throws(StepError) {
                try await farewells.powerOff(node, at: place, grace: .zero)
            } catch {
                if error.code == .cancelled { throw error }
                logger.debug("\(node.name): its server was not ended first: \(error.message)")
            }
        }
        let operation = OperationID("\(note.operation)-off")
        try await act(.power, note, node, operation: operation, power: .off, grace: grace)
    }

    package func powerOn(_ node: NodeHandle, operation: OperationID) async throws(StepError) {
        var note = try note(of: node)
        let place = try place(of: node, note)
        let wasOff = note.isOff
        if wasOff || place == nil {
            guard try await description(note.machine).knows(.power) else {
                throw StepError(.refused, "\(node.name): its plug-in does not know 'power'")
            }
            try await act(.power, note, node, operation: operation, power: .on)
        }
        if let place {
            // It was started anew at our own request, so that is no loss.
            if wasOff { _ = try await nodes.make(node, at: place, patience: options.patience) }
            try await nodes.powerOn(node, at: place, operation: operation)
        }
        if wasOff {
            note.isOff = false
            try note.write(node.directory)
        }
        if state.resumes(node) { try await watch(node) }
    }

    package var capabilities: Set<Capability> { RemoteNodes.capabilities }

    package func perform(
        _ capability: Capability,
        on node: NodeHandle,
        operation: OperationID
    ) async throws(StepError) -> [String: String] {
        guard capabilities.contains(capability) else { throw lacks(capability) }
        let note = try note(of: node)
        let place = try place(of: node, note)
        switch capability {
        case .verify, .adopt, .inspect:
            let found = try await inspect(node, note)
            guard let place else { return capability == .inspect ? found : [:] }
            return try await found.merging(nodes.perform(capability, on: node, at: place)) { $1 }
        case .clean, .deploy, .tearDown, .rescue, .unrescue, .service:
            guard let place else {
                throw StepError(.refused, "\(node.name) runs no commands, and cannot \(capability.rawValue)")
            }
            return try await nodes.perform(capability, on: node, at: place)
        }
    }

    /// What the plug-in says of the machine.
    ///
    /// - Throws: `.lost` when it is gone.
    private func inspect(_ node: NodeHandle, _ note: PluginNote) async throws(StepError) -> [String: String] {
        let program = program(note.machine)
        let heard = try await program.ask(try request(.inspect, note.machine, of: note.pluginName))
        let found = try program.read(heard, of: .inspect) { object throws(PluginValueError) in
            try PluginAnswer.Inspected(object)
        }
        if found.state == .gone { throw StepError(.lost, "\(node.name): its plug-in says that its machine is gone") }
        return found.facts.merging(["state": found.state.rawValue]) { $1 }
    }

    // MARK: Watching

    package func watch(_ node: NodeHandle) async throws(StepError) {
        let note = try note(of: node)
        let place = try place(of: node, note)
        state.watch(node)
        do throws(StepError) {
            if let place { try await nodes.watch(node, at: place) } else { _ = try await inspect(node, note) }
            if try await description(note.machine).knows(.watch) { try await follow(node, note) }
        } catch {
            unwatch(node)
            throw error
        }
    }

    func unwatch(_ node: NodeHandle) {
        state.unwatch(node)
        nodes.unwatch(node)
    }

    /// Has the plug-in itself say when the machine is lost.
    private func follow(_ node: NodeHandle, _ note: PluginNote) async throws(StepError) {
        let directory = node.directory
        await offLoop { PluginCall.endFormer(in: directory, .watching) }
        let follower = PluginFollower(node: node, program: program(note.machine), logger: logger, events: events)
        let request = try request(.watch, note.machine, of: note.pluginName)
        let (news, teller) = AsyncStream.makeStream(of: StepError?.self, bufferingPolicy: .bufferingOldest(1))
        // Ended by `unwatch` and `close`, and with this object.
        let task = Task {
            await follower.follow(request, teller)
            teller.finish()
        }
        state.follow(node, task)
        let first = await withTaskCancellationHandler {
            for await error in news { return error }
            return RemoteNodes.cancelled(node)
        } onCancel: {
            teller.finish()
        }
        if let first { throw first }
    }
}

/// Keeps a plug-in watching one machine.
private struct PluginFollower: Sendable {
    let node: NodeHandle
    let program: PluginProgram
    let logger: Logger
    let events: @Sendable (DriverEvent) -> Void

    /// - Parameter teller: is told once: nil when it watches, or why it does not.
    func follow(_ request: PluginRequest, _ teller: AsyncStream<StepError?>.Continuation) async {
        var delay = Duration.milliseconds(200)
        let began = Mutex(false)
        let directory = node.directory
        while !Task.isCancelled, !node.tenure.isOver {
            let problem: String
            do throws(StepError) {
                let heard = try await program.ask(
                    request,
                    isEndless: true,
                    onStart: { PluginCall($0, id: request.id).write(directory, .watching) },
                    onLine: { line in
                        guard case .watching = line else { return }
                        began.withLock { $0 = true }
                        teller.yield(nil)
                        teller.finish()
                    }
                )
                let reason = try program.read(heard, of: .watch) { object throws(PluginValueError) in
                    try object.text("lost")
                }
                return lost(reason, began.withLock { $0 }, teller)
            } catch {
                if Task.isCancelled { break }
                if error.code == .lost { return lost(error.message, began.withLock { $0 }, teller) }
                guard began.withLock({ $0 }) else {
                    teller.yield(error)
                    return
                }
                problem = error.message
            }
            // That its watch fails does not say that the machine is lost.
            logger.warning("\(node.name): \(problem); watched again")
            await pause(delay)
            delay = min(delay * 2, .seconds(60))
        }
        PluginCall.remove(directory, .watching)
    }

    private func lost(_ reason: String, _ began: Bool, _ teller: AsyncStream<StepError?>.Continuation) {
        PluginCall.remove(node.directory, .watching)
        guard began else {
            teller.yield(StepError(.lost, "\(node.name): \(reason)"))
            return
        }
        if !node.tenure.isOver, !Task.isCancelled { events(.lost(node.id, reason: reason)) }
    }
}
