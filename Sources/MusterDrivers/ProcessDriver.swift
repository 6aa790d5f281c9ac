package import Logging
package import MusterCore
import MusterSupervision
import NIOCore
import Synchronization

/// Nodes that are processes of this host, each with an address of its own and a supervisor that outlives Muster. Where
/// those are, on the host or in namespaces of their own, its place says.
///
/// `docs/formats/supervisor.md` describes what driver and supervisor say to each other and what stands in a node's
/// folder.
package final class ProcessDriver: Driver {
    /// Where its nodes are.
    package enum Place: String, Sendable {
        /// Beside all other processes, at addresses of the loopback network.
        case host = "process"
        /// Each in namespaces of its own, at an address of its own.
        case namespaces = "netns"
    }

    package let kind: String
    private let place: any NodePlace
    private let launcher: NodeLauncher
    private let events: @Sendable (DriverEvent) -> Void
    private let logger: Logger
    private let links = Mutex<[String: SupervisorLink]>([:])

    /// - Parameters:
    ///   - supervisor: path of the `muster-supervise` program.
    ///   - openFilesLimit: how many files commands on nodes may open; nil for as many as this process.
    package init(
        supervisor: String,
        openFilesLimit: UInt64? = nil,
        place: Place = .host,
        events: @escaping @Sendable (DriverEvent) -> Void,
        logger: Logger
    ) {
        kind = place.rawValue
        switch place {
        case .host: self.place = HostPlace()
        case .namespaces: self.place = NamespacePlace()
        }
        launcher = NodeLauncher(supervisor: supervisor, openFilesLimit: openFilesLimit)
        self.events = events
        self.logger = logger
    }

    // MARK: Making and destroying

    package func create(
        _ node: NodeHandle,
        operation: OperationID,
        server: Command?
    ) async throws(StepError) -> [String: String] {
        let link = link(to: node)
        let facts: SupervisorFacts
        do throws(LinkFailure) {
            facts = try await presentFacts(link, node, operation)
        } catch {
            throw stepError(error, node)
        }
        if let server {
            let spec = try checked(OperationSpec(server, operation, isServer: true))
            switch try await ask(node, .start(spec, waits: false)) {
            case .ended(let record):
                if let notStarted = record.notStarted { throw StepError(.notStarted, notStarted) }
            case .lost(let reason): throw StepError(.lost, "\(node.name): its server cannot be found: \(reason)")
            default: break
            }
        }
        return ["address": facts.address]
    }

    /// What the node's supervisor says of itself; one is launched where there is none.
    private func presentFacts(
        _ link: SupervisorLink,
        _ node: NodeHandle,
        _ operation: OperationID
    ) async throws(LinkFailure) -> SupervisorFacts {
        do throws(LinkFailure) {
            return try await link.facts(for: node.tenure)
        } catch {
            guard case .gone = error else { throw error }
        }
        guard await node.tenure.awaitLease() else { throw .cancelled }
        if OperationRecord.bootID(in: node.directory) != nil { await Leftovers.sweep(directory: node.directory) }
        try await place.launch(node, operation, launcher)
        return try await link.facts(for: node.tenure)
    }

    package func destroy(_ node: NodeHandle) async throws(StepError) {
        let link = link(to: node)
        link.unwatch()
        do throws(LinkFailure) {
            let supervisor = try await link.facts(for: node.tenure).identity
            let grace = Defaults.grace
            _ = try await link.request(.shutdown(grace: grace.clamped), for: node.tenure, within: grace + .seconds(30))
            // It has said that all is done; only then its address is free.
            _ = await offLoop { ProcessHandle(supervisor)?.waitForEnd(milliseconds: 10_000) }
        } catch {
            switch error {
            case .gone: try await sweep(node)
            case .broken(let reason), .silent(let reason):
                logger.warning("\(node.name): its supervisor does not end by itself (\(reason)) and is killed")
                try await sweep(node)
            case .cancelled, .refused, .unreachable: throw stepError(error, node)
            }
        }
        await place.vacate(node.directory)
        links.withLock { _ = $0.removeValue(forKey: node.directory) }
        link.release()
    }

    /// Ends leftovers that `Leftovers.find` has found, and returns those that are still there.
    package func remove(_ leftovers: [Leftover]) async -> [Leftover] {
        for directory in Set(leftovers.map(\.directory)) {
            links.withLock { $0.removeValue(forKey: directory) }?.release()
        }
        let left = await Leftovers.end(leftovers)
        for directory in Set(leftovers.map(\.directory)) { await place.vacate(directory) }
        return left
    }

    // MARK: Running

    package func run(
        _ command: Command,
        on node: NodeHandle,
        operation: OperationID
    ) async throws(StepError) -> ProcessExit {
        let spec = try checked(OperationSpec(command, operation, isServer: false))
        // The supervisor holds the deadline; this one is for supervisors that do not. A test may move its own.
        let within = command.controlLimit == nil ? command.timeout.map { $0 + command.grace + .seconds(60) } : nil
        do throws(LinkFailure) {
            switch try await link(to: node).request(.start(spec, waits: true), for: node.tenure, within: within) {
            case .ended(let record): return ProcessExit(record)
            case .lost(let reason):
                if let exit = OperationRecord.exit(of: operation, in: node.directory) { return exit }
                throw LinkFailure.refused(.malformed, reason)
            default: throw LinkFailure.broken("it answered something else")
            }
        } catch {
            switch error {
            case .gone:
                try await sweep(node)
                if let exit = OperationRecord.exit(of: operation, in: node.directory) { return exit }
                throw stepError(error, node)
            case .refused(.malformed, let reason):
                throw StepError(.lost, "\(node.name): how it ended is not known: \(reason)")
            case .broken, .silent, .refused, .unreachable, .cancelled: throw stepError(error, node)
            }
        }
    }

    package func status(
        of operation: OperationID,
        on node: NodeHandle
    ) async throws(StepError) -> OperationStatus {
        do throws(LinkFailure) {
            switch try await link(to: node).request(
                .attach(operation: operation.description, waits: false),
                for: node.tenure
            ) {
            case .ended(let record): return .ended(ProcessExit(record))
            case .started: return .running
            case .unknown, .lost: return OperationRecord.status(of: operation, in: node.directory)
            case .facts, .done, .watching, .refused: throw LinkFailure.broken("it answered something else")
            }
        } catch {
            guard case .gone = error else { throw stepError(error, node) }
            try await sweep(node)
            switch OperationRecord.status(of: operation, in: node.directory) {
            case .ended(let exit): return .ended(exit)
            case .neverStarted: return .neverStarted
            case .running, .unknown: throw stepError(error, node)
            }
        }
    }

    package func attach(to operation: OperationID, on node: NodeHandle) async throws(StepError) -> ProcessExit {
        do throws(LinkFailure) {
            let request = SupervisorRequest.Body.attach(operation: operation.description, waits: true)
            let answer = try await link(to: node).request(request, for: node.tenure, within: nil)
            if case .ended(let record) = answer { return ProcessExit(record) }
            if let exit = OperationRecord.exit(of: operation, in: node.directory) { return exit }
            throw LinkFailure.refused(.malformed, "its supervisor does not know \(operation)")
        } catch {
            switch error {
            case .gone:
                try await sweep(node)
                if let exit = OperationRecord.exit(of: operation, in: node.directory) { return exit }
                throw stepError(error, node)
            case .refused(.malformed, let reason): throw StepError(.unknown, "\(node.name): \(reason)")
            case .broken, .silent, .refused, .unreachable, .cancelled: throw stepError(error, node)
            }
        }
    }

    package func running(on node: NodeHandle) async throws(StepError) -> [OperationID] {
        let directory = node.directory
        do throws(LinkFailure) {
            let link = link(to: node)
            // From here on no older conductor starts anything: what its folder does not show is never started.
            _ = try await link.facts(for: node.tenure)
            var running: [OperationID] = []
            for operation in await offLoop({ OperationRecord.unended(in: directory) }) {
                let request = SupervisorRequest.Body.attach(operation: operation.description, waits: false)
                if case .started = try await link.request(request, for: node.tenure) { running.append(operation) }
            }
            return running
        } catch {
            // Without its supervisor nothing is told of it. What that one left behind ends when the node is destroyed
            // or replaced, not now: the node may just be in the making.
            guard case .gone = error else { throw stepError(error, node) }
            return []
        }
    }

    package func end(_ operation: OperationID, on node: NodeHandle, grace: Duration) async throws(StepError) {
        do throws(LinkFailure) {
            _ = try await link(to: node).request(
                .end(operation: operation.description, grace: grace.clamped),
                for: node.tenure,
                within: grace + .seconds(30)
            )
        } catch {
            if case .gone = error {
                try await sweep(node)
            } else {
                throw stepError(error, node)
            }
        }
    }

    /// Its commands run where ansible does.
    package func inventoryVariables(of node: NodeHandle) async throws(StepError) -> [String: String] {
        ["ansible_connection": "local", "ansible_python_interpreter": "{{ ansible_playbook_python }}"]
    }

    package func outputPath(of operation: OperationID, on node: NodeHandle) -> String {
        "\(node.directory)/\(SupervisorFiles.folder(of: operation.description))/\(SupervisorFiles.output)"
    }

    // MARK: Files and probes

    package func put(_ files: [FileContent], on node: NodeHandle) async throws(StepError) {
        _ = try await ask(node, .hello(version: Wire.version))
        guard await node.tenure.awaitLease() else { throw stepError(.cancelled, node) }
        let directory = node.directory
        let result: Result<Void, StepError> = await offLoop {
            do throws(StepError) {
                let folder = try NodeFiles(directory)
                for file in files { try folder.put(file) }
                return .success(())
            } catch {
                return .failure(error)
            }
        }
        try result.get()
    }

    /// Removes all that its users have left in the node's folder.
    func removeFiles(of node: NodeHandle) async throws(StepError) {
        guard await node.tenure.awaitLease() else { throw stepError(.cancelled, node) }
        let directory = node.directory
        let result: Result<Void, StepError> = await offLoop {
            do throws(StepError) {
                return .success(try NodeFiles(directory).removeAll())
            } catch {
                return .failure(error)
            }
        }
        try result.get()
    }

    package func probe(
        _ probe: ReadyCondition.Probe,
        on node: NodeHandle,
        within: Duration
    ) async throws(StepError) {
        switch probe {
        case .tcp(let port): try await Probes.tcp(try address(of: node), port, within: within)
        case .http(let port, let path): try await Probes.http(try address(of: node), port, path, within: within)
        case .file(let path):
            let directory = node.directory
            let result: Result<Void, StepError> = await offLoop {
                do throws(StepError) {
                    return .success(try NodeFiles(directory).require(path))
                } catch {
                    return .failure(error)
                }
            }
            try result.get()
        case .run: throw StepError(.notReady, "a command is no probe of the driver: run it")
        case .state: throw StepError(.notReady, "a state is no probe of the driver: the node says it")
        }
    }

    private func address(of node: NodeHandle) throws(StepError) -> String {
        guard let address = node.facts["address"] else { throw StepError(.lost, "\(node.name) has no address") }
        return address
    }

    // MARK: Power and loss

    package var rungs: Set<Rung> { [.soft, .hard, .powerCycle, .powerOn, .powerOff] }

    package func powerOff(_ node: NodeHandle, grace: Duration) async throws(StepError) {
        _ = try await ask(node, .powerOff(grace: grace.clamped), within: grace + .seconds(30))
    }

    package func powerOn(_ node: NodeHandle, operation: OperationID) async throws(StepError) {
        switch try await ask(node, .powerOn(operation: operation.description)) {
        case .ended(let record):
            if let notStarted = record.notStarted { throw StepError(.notStarted, notStarted) }
        case .lost(let reason): throw StepError(.lost, "\(node.name): its server cannot be found: \(reason)")
        default: break
        }
        do throws(LinkFailure) {
            try await link(to: node).rewatch()
        } catch {
            throw stepError(error, node)
        }
    }

    package func watch(_ node: NodeHandle) async throws(StepError) {
        let reason: String?
        do throws(LinkFailure) {
            reason = try await link(to: node).watch(node.id, for: node.tenure)
        } catch {
            if case .gone = error { try await sweep(node) }
            throw stepError(error, node)
        }
        if let reason { throw StepError(.lost, "\(node.name): \(reason)") }
    }

    // MARK: Asking

    /// Ends what a supervisor that is gone has left.
    private func sweep(_ node: NodeHandle) async throws(StepError) {
        guard await node.tenure.awaitLease() else { throw stepError(.cancelled, node) }
        await Leftovers.sweep(directory: node.directory)
    }

    private func link(to node: NodeHandle) -> SupervisorLink {
        links.withLock { links in
            if let link = links[node.directory] { return link }
            let link = SupervisorLink(directory: node.directory, events: events)
            links[node.directory] = link
            return link
        }
    }

    private func ask(
        _ node: NodeHandle,
        _ body: SupervisorRequest.Body,
        within: Duration = .seconds(30)
    ) async throws(StepError) -> SupervisorReply.Body {
        do throws(LinkFailure) {
            return try await link(to: node).request(body, for: node.tenure, within: within)
        } catch {
            throw stepError(error, node)
        }
    }

    private func checked(_ spec: OperationSpec) throws(StepError) -> OperationSpec {
        if let problem = spec.problem { throw StepError(.unresolved, problem) }
        return spec
    }

    private func stepError(_ failure: LinkFailure, _ node: NodeHandle) -> StepError {
        switch failure {
        case .gone: StepError(.lost, "\(node.name): \(Self.lossOfSupervisor(node.directory))")
        case .broken(let reason), .silent(let reason):
            StepError(.lost, "\(node.name): its supervisor does not answer: \(reason)")
        case .refused(_, let message), .unreachable(let message): StepError(.refused, "\(node.name): \(message)")
        case .cancelled: StepError(.cancelled, "\(node.name): nobody waits for it any more; it goes on")
        }
    }

    /// Why nobody supervises a node.
    static func lossOfSupervisor(_ directory: String) -> String {
        switch OperationRecord.bootID(in: directory) {
        case nil: "it has no supervisor"
        case ProcessTable.bootID(): "its supervisor is gone"
        default: "the host was restarted"
        }
    }
}
