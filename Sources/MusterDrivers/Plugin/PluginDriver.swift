import Foundation
package import Logging
package import MusterCore
import MusterSupervision
import NIOCore

/// Nodes on machines that a program of the user's makes: any executable that speaks the protocol of
/// `docs/formats/plugin.md`.
///
/// Each request is a process of its own. Operations are kept on the machine by `RemoteNodes`, over the way to it that
/// the plug-in says; a machine without one can only be made, powered and destroyed.
package final class PluginDriver: Driver {
    /// How it is set up.
    package struct Options: Sendable {
        /// The name of the state, which no other state has: one word of letters, digits, `.`, `_`, `-`.
        package var state: String
        /// How long a machine may be out of reach before its node is lost.
        package var patience: Duration
        /// The folder of all nodes of the state, in which it looks for plug-ins that were used.
        package var nodes: String
        /// Values that are shown nowhere.
        package var secrets: @Sendable () -> [String]

        package init(
            state: String,
            patience: Duration = .seconds(120),
            nodes: String,
            secrets: @escaping @Sendable () -> [String] = { [] }
        ) {
            self.state = state
            self.patience = patience
            self.nodes = nodes
            self.secrets = secrets
        }
    }

    package let kind = "plugin"
    package let sharesFiles = false
    let options: Options
    let nodes: RemoteNodes
    /// For the end of nodes: a machine that does not answer is destroyed all the same.
    let farewells: RemoteNodes
    let events: @Sendable (DriverEvent) -> Void
    let logger: Logger
    let state: PluginState

    package init(
        options: Options,
        events: @escaping @Sendable (DriverEvent) -> Void,
        logger: Logger
    ) {
        self.options = options
        self.logger = logger
        let state = PluginState()
        self.state = state
        let told: @Sendable (DriverEvent) -> Void = { event in
            guard case .lost(let id, _) = event else { return }
            if state.tellsLoss(of: id) { events(event) }
        }
        self.events = told
        nodes = RemoteNodes(
            patience: options.patience,
            secrets: options.secrets,
            events: told,
            logger: logger
        )
        farewells = RemoteNodes(patience: .seconds(5), events: { _ in }, logger: logger)
    }

    deinit { state.close() }

    /// Ends what watches. Machines stay.
    package func close() async { await state.closed() }

    // MARK: Asking

    func program(_ machine: PluginMachine) -> PluginProgram {
        PluginProgram(command: machine.command, logger: logger, secrets: options.secrets)
    }

    func request(
        _ verb: PluginRequest.Verb,
        _ machine: PluginMachine,
        of name: PluginName? = nil
    ) throws(StepError) -> PluginRequest {
        guard let value = PluginValue(json: machine.options.utf8), case .object = value else {
            throw StepError(.unresolved, "the options of plug-in \(machine.command.first ?? "") are no JSON object")
        }
        let id = "\(getpid())-\(state.nextRequest())-\(NIODeadline.now().uptimeNanoseconds)"
        var request = PluginRequest(verb: verb, id: id, state: options.state, timeout: machine.timeout)
        request.options = value
        request.machine = name
        return request
    }

    /// What the plug-in is and can do; it is asked once.
    func description(_ machine: PluginMachine) async throws(StepError) -> PluginAnswer.Description {
        if let known = state.description(machine.command) { return known }
        let program = program(machine)
        let heard = try await program.ask(try request(.describe, machine))
        let found = try program.read(heard, of: .describe) { object throws(PluginValueError) in
            try PluginAnswer.Description(object)
        }
        state.note(found, machine.command)
        return found
    }

    /// Asks for an act on a node's machine: one at a time, and none while that of a former conductor runs.
    @discardableResult
    func act(
        _ verb: PluginRequest.Verb,
        _ note: PluginNote,
        _ node: NodeHandle,
        operation: OperationID,
        power: PluginRequest.Power? = nil,
        grace: Duration = .zero
    ) async throws(StepError) -> PluginProgram.Heard {
        let gate = state.gate(node.directory)
        await gate.enter()
        defer { gate.leave() }
        guard await node.tenure.awaitLease() else { throw RemoteNodes.cancelled(node) }
        try PluginFence.pass(node)
        let directory = node.directory
        await offLoop { PluginCall.endFormer(in: directory, .acting) }
        var request = try request(verb, note.machine, of: note.pluginName)
        request.operation = operation
        request.epoch = node.tenure.epoch
        request.power = power
        request.grace = grace
        let id = request.id
        let output = PluginOutput(folder: "\(directory)/\(SupervisorFiles.folder(of: operation.description))")
        defer { PluginCall.remove(directory, .acting) }
        return try await program(note.machine).ask(
            request,
            onStart: { PluginCall($0, id: id).write(directory, .acting) },
            onLine: { output.take($0) }
        )
    }

    /// Says in errors whose they are.
    private func naming<Value>(
        _ node: NodeHandle,
        _ body: () async throws(StepError) -> Value
    ) async throws(StepError) -> Value {
        do {
            return try await body()
        } catch {
            let name = "\(node.name): "
            throw error.message.hasPrefix(name) ? error : StepError(error.code, name + error.message)
        }
    }

    // MARK: Places

    /// The node's note, when it has a machine or was about to have one.
    func note(of node: NodeHandle) throws(StepError) -> PluginNote {
        guard let note = PluginNote.read(node.directory), !note.isGone else {
            throw StepError(.lost, "\(node.name) has no machine")
        }
        return note
    }

    /// Where the node is; nil for one on a machine that runs no commands.
    func place(of node: NodeHandle, _ note: PluginNote) throws(StepError) -> RemotePlace? {
        guard let created = note.created else {
            throw StepError(.lost, "\(node.name): its machine was not made to the end")
        }
        guard let connect = created.connect else { return nil }
        return RemotePlace(
            connection: PluginConnection(title: note.name, command: connect, folder: program(note.machine).folder),
            root: created.root,
            folder: note.name,
            address: created.address,
            lease: nil
        )
    }

    /// Where the node runs commands.
    func place(of node: NodeHandle) throws(StepError) -> RemotePlace {
        let note = try note(of: node)
        guard let place = try place(of: node, note) else { throw runsNothing(node, note) }
        return place
    }

    private func runsNothing(_ node: NodeHandle, _ note: PluginNote) -> StepError {
        StepError(
            .refused,
            """
            \(node.name): the machines of plug-in \(program(note.machine).title) run no commands: its answer to \
            'create' has no 'connect' (docs/formats/plugin.md)
            """
        )
    }

    // MARK: Making and destroying

    package func create(
        _ node: NodeHandle,
        operation: OperationID,
        server: Command?
    ) async throws(StepError) -> [String: String] {
        try RemoteNodes.makeFolder(node.directory)
        var known = PluginNote.read(node.directory)
        if known?.isGone == true { known = nil }
        let machine: PluginMachine
        if case .plugin(let wanted)? = node.machine {
            machine = wanted
        } else if let known {
            machine = known.machine
        } else {
            throw StepError(.lost, "\(node.name): nobody says which plug-in makes it")
        }
        _ = try await naming(node) { () async throws(StepError) in try await description(machine) }
        var note = PluginNote(
            machine: machine,
            name: "\(options.state)-n\(node.id.rawValue)",
            lab: node.lab,
            node: node.name.description,
            nodeID: node.id.rawValue,
            operation: operation.description,
            created: known?.created
        )
        try PluginFence.pass(node)
        try note.write(node.directory)
        let intent = note
        let created = try await naming(node) { () async throws(StepError) in
            let heard = try await act(.create, intent, node, operation: operation)
            return try program(machine).read(heard, of: .create) { object throws(PluginValueError) in
                try PluginAnswer.Created(object)
            }
        }
        note.created = created
        try note.write(node.directory)
        guard let place = try place(of: node, note) else {
            if server != nil { throw runsNothing(node, note) }
            return created.nodeFacts
        }
        let reply = try await nodes.make(node, at: place, patience: options.patience)
        var facts = created.nodeFacts
        facts["directory"] = reply.value("directory") ?? ""
        facts["hostname"] = reply.value("hostname") ?? ""
        if let server {
            var node = node
            node.facts = facts
            try await nodes.serve(server, on: node, at: place, operation: operation)
        }
        return facts
    }

    package func destroy(_ node: NodeHandle) async throws(StepError) {
        unwatch(node)
        guard var note = PluginNote.read(node.directory) else {
            // Whoever forgot a machine for that would leave it for ever.
            let path = PluginNote.path(node.directory)
            guard FileManager.default.fileExists(atPath: path) else { return }
            throw StepError(.file, "\(node.name): \(path) cannot be read, which says what its machine is")
        }
        if note.isGone { return }
        try PluginFence.pass(node)
        // A create that a former conductor left must not make it anew behind our back.
        let directory = node.directory
        await offLoop { PluginCall.endFormer(in: directory, .acting) }
        if let place = note.created.flatMap({ _ in try? self.place(of: node, note) }) {
            do throws(StepError) {
                try await farewells.destroy(node, at: place)
            } catch {
                if error.code == .cancelled || error.message.contains("newer conductor") { throw error }
                logger.debug("\(node.name): destroyed without its machine's help: \(error.message)")
            }
        }
        let last = note
        try await naming(node) { () async throws(StepError) in
            _ = try await act(.destroy, last, node, operation: OperationID("\(last.operation)-destroy"))
        }
        note.isGone = true
        note.created = nil
        try note.write(node.directory)
    }
}
