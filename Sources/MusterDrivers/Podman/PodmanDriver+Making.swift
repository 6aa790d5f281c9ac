import Foundation
import Logging
package import MusterCore
import MusterSupervision
import NIOCore
import Synchronization

/// Containers made, found again, and removed.
extension PodmanDriver {
    package func create(
        _ node: NodeHandle,
        operation: OperationID,
        server: Command?
    ) async throws(StepError) -> [String: String] {
        guard case .podman(let container)? = node.machine else {
            throw StepError(.refused, "\(node.name): its step does not say which image it is made of")
        }
        try RemoteNodes.makeFolder(node.directory)
        try await act(node)
        let name = name(of: node)
        let report: ContainerReport
        let noted = PodmanNote.read(node)
        if let noted, noted.operation == operation, let found = try await adopted(node, operation) {
            report = found
        } else {
            let image = try await image(of: container, node)
            let role: PodmanNote.Role =
                server != nil
                ? .serves : container.command == [] || container.command == nil && image.waits ? .waits : .program
            try PodmanNote(container: name, operation: operation, started: operation, role: role).write(node)
            report = try await made(container, node, operation, waits: role != .program)
            if container.awaitsHealth, !image.checksHealth {
                throw StepError(.refused, "\(node.name): image \(container.image) has no health check to wait for")
            }
        }
        var note = try self.noted(node)
        note.startedAt = report.state.startedAt
        note.environment = Self.environment(report, container)
        try note.write(node)
        let address = report.address ?? "127.0.0.1"
        let place = place(of: node, address: address)
        // Whatever is wrong with its shell is said now.
        var facts = [
            "address": address, "id": report.id, "image": container.image, "container": name, "ports": report.ports,
        ]
        facts["digest"] = report.imageDigest
        do throws(StepError) {
            let reply = try await nodes.make(node, at: place, patience: options.patience)
            facts["directory"] = reply.value("directory")
            facts["hostname"] = reply.value("hostname")
        } catch {
            // The image's own program needs no shell; what is run on the node does, and will say so.
            guard note.role == .program, error.code == .refused, error.message.contains("/bin/sh") else {
                throw await ended(node, error)
            }
        }
        if let server {
            try await nodes.serve(note.prepared(server), on: node, at: place, operation: operation)
        }
        if container.awaitsHealth { try await awaitHealth(node) }
        return facts
    }

    /// The image, which is got where the step says so.
    private func image(of container: ContainerMachine, _ node: NodeHandle) async throws(StepError) -> ImageReport {
        let image = container.image
        if container.pull != .always, let found = try await podman.image(image) { return found }
        guard container.pull != .never else {
            throw StepError(
                .refused,
                """
                \(node.name): image '\(image)' is not on this host, and is only pulled with 'pull: missing'. \
                Build it (podman build -t \(image) .), load it (podman load -i FILE) or pull it (podman pull \(image))
                """
            )
        }
        let end = try await podman.call(["pull", "--quiet", "--", image], within: .seconds(3600))
        guard end.succeeded else { throw Podman.failed("pull \(image)", end) }
        guard let found = try await podman.image(image) else {
            throw StepError(.refused, "\(node.name): image '\(image)' was pulled and is not there")
        }
        return found
    }

    // MARK: Making

    /// Makes the container and starts it, or finds the one that this operation has made.
    private func made(
        _ container: ContainerMachine,
        _ node: NodeHandle,
        _ operation: OperationID,
        waits: Bool
    ) async throws(StepError) -> ContainerReport {
        let name = name(of: node)
        for _ in 0..<8 {
            unlink(PodmanFiles.made(node))
            let known = quirks.withLock { $0 }
            let arguments = arguments(container, node, operation, waits: waits, known)
            let podman = podman
            let (names, lock, folder) = (container.environment, PodmanFiles.making(node), node.directory)
            // It is awaited here. A making is never cut off in its middle, also where nobody waits for it any more.
            let making = Task { () async -> Result<RemoteEnd, StepError> in
                do throws(StepError) {
                    return .success(
                        try await podman.call(
                            arguments,
                            environment: names,
                            lock: lock,
                            directory: folder,
                            within: .seconds(600)
                        )
                    )
                } catch {
                    return .failure(error)
                }
            }
            let end = try await making.value.get()
            if end.succeeded { return try await started(node) }
            let text = end.error
            if text.contains("already in use") || text.contains("already exists") {
                if let found = try await adopted(node, operation) { return found }
                // An earlier try's, or what a podman that was killed has left.
                try await removeOwn(node)
                continue
            }
            if !known.lacksInit, text.contains("container-init") || text.contains("init binary") {
                quirks.withLock { $0.lacksInit = true }
                try await removeOwn(node)
                continue
            }
            if !known.keepsLimits, text.contains("rlimit"), text.lowercased().contains("not permitted") {
                quirks.withLock { $0.keepsLimits = true }
                try await removeOwn(node)
                continue
            }
            throw Podman.notStarted(name, end) ?? Podman.failed("run \(container.image)", end)
        }
        throw StepError(.refused, "\(node.name): container \(name) cannot be made: its name is taken again and again")
    }

    private func arguments(
        _ container: ContainerMachine,
        _ node: NodeHandle,
        _ operation: OperationID,
        waits: Bool,
        _ quirks: Quirks
    ) -> [String] {
        var list = [
            "run", "--detach", "--name", name(of: node), "--cidfile", PodmanFiles.made(node), "--pull", "never",
        ]
        let labels = [
            "muster.state": options.state, "muster.lab": node.lab, "muster.node": "\(node.name)",
            "muster.number": "\(node.id.rawValue)", "muster.operation": "\(operation)",
        ]
        for (name, value) in labels.sorted(by: { $0.key < $1.key }) { list += ["--label", "\(name)=\(value)"] }
        list += ["--log-driver", "k8s-file", "--log-opt", "max-size=64mb"]
        if !quirks.lacksInit { list.append("--init") }
        if quirks.keepsLimits {
            // The second is RLIMIT_NPROC of Linux, which Swift's import of the C library lacks.
            for (name, kind) in [("nofile", RLIMIT_NOFILE.rawValue), ("nproc", 6)] {
                var limit = rlimit()
                guard getrlimit(__rlimit_resource_t(kind), &limit) == 0 else { continue }
                // podman lowers its own limit of processes to the highest number that one can have.
                let highest = FileManager.default.contents(atPath: "/proc/sys/kernel/pid_max").flatMap {
                    rlim_t(String(decoding: $0, as: UTF8.self).filter(\.isNumber))
                }
                let most = min(limit.rlim_max, name == "nproc" ? highest ?? 32768 : 1_048_576)
                list += ["--ulimit", "\(name)=\(most):\(most)"]
            }
        }
        let targets = container.volumes.compactMap { $0.split(separator: ":").dropFirst().first.map(String.init) }
        if !targets.contains(where: { options.root == $0 || options.root.hasPrefix($0 + "/") }) {
            let chown = container.user == nil ? "" : ",U=true"
            list += ["--mount", "type=volume,destination=\(options.root)\(chown)"]
        }
        // Names alone: podman takes their values from its own environment, which no list of processes shows.
        for name in container.environment.keys.sorted() { list += ["--env", name] }
        for volume in container.volumes { list += ["--volume", volume] }
        for port in container.ports { list += ["--publish", port] }
        if let network = container.network { list += ["--network", network] }
        if container.network != "host" { list += ["--hostname", Self.hostname(node)] }
        if let user = container.user { list += ["--user", user] }
        if let memory = container.memory { list += ["--memory", "\(memory)b"] }
        if let cpus = container.cpus { list += ["--cpus", "\(cpus)"] }
        if let pids = container.pids { list += ["--pids-limit", "\(pids)"] }
        if container.isPrivileged { list.append("--privileged") }
        guard waits else { return list + [container.image] + (container.command ?? []) }
        // It reaps what is left to it, and ends at once when it is told to.
        let text = "trap 'exit 0' TERM INT; while :; do sleep 86400 & wait $!; done"
        return list + ["--no-healthcheck"].filter { _ in !container.awaitsHealth }
            + ["--entrypoint", "/bin/sh", container.image, "-c", text]
    }

    private static func hostname(_ node: NodeHandle) -> String {
        let text = "\(node.name)".map { $0.isASCII && ($0.isLetter || $0.isNumber) ? $0 : "-" }
        return String(String(text).prefix(63).drop { $0 == "-" })
    }

    /// What commands on the node find: the image's variables, and the step's.
    private static func environment(_ report: ContainerReport, _ container: ContainerMachine) -> [String: String] {
        var environment: [String: String] = [:]
        for line in report.config.environment ?? [] {
            guard let sign = line.firstIndex(of: "=") else { continue }
            let name = String(line[..<sign])
            if name != "TERM" && name != "container" { environment[name] = String(line[line.index(after: sign)...]) }
        }
        return environment.merging(container.environment) { $1 }
    }

    /// The container of a node that was just started.
    func started(_ node: NodeHandle) async throws(StepError) -> ContainerReport {
        let name = name(of: node)
        guard let report = try await podman.container(name) else {
            throw StepError(.lost, "\(node.name): its container \(name) was made and is not there any more")
        }
        if report.state.isRunning { return report }
        throw await ended(node, StepError(.lost, "\(node.name): its container ended"), report)
    }

    /// An error of a container that should run, by what it is and what it said last.
    private func ended(_ node: NodeHandle, _ error: StepError, _ given: ContainerReport? = nil) async -> StepError {
        var report = given
        if report == nil { report = (try? await podman.container(name(of: node))) ?? nil }
        guard let report, !report.state.isRunning, error.code != .cancelled else { return error }
        let said = await PodmanOutput.end(podman, report.id)
        var program = "the program of its image"
        if case .podman(let container)? = node.machine, let command = container.command, !command.isEmpty {
            program = "'\(command.joined(separator: " "))'"
        }
        let last = said.isEmpty ? "" : "; it said: \(said)"
        return StepError(
            .notStarted,
            """
            \(node.name): \(program) ended at once: \(report.ending(of: node))\(last). \
            Give it a 'command' that goes on, a 'run', or 'command: []' for a container that only waits
            """
        )
    }

    /// Whether a node's container runs, when everybody who makes it has finished.
    func isMade(_ node: NodeHandle) async throws(StepError) -> Bool {
        try PodmanFiles.fence(node)
        try await podman.awaitLock(PodmanFiles.making(node))
        return try await podman.container(name(of: node))?.state.isRunning == true
    }

    /// The running container that an operation has made for a node. Nil when there is none, it is another's, or it does
    /// not run, and nothing was done in it that cannot be done in a new one.
    ///
    /// - Throws: `.lost` when its own program has ended.
    private func adopted(_ node: NodeHandle, _ operation: OperationID) async throws(StepError) -> ContainerReport? {
        let name = name(of: node)
        // Whoever is making it is let finish.
        try await podman.awaitLock(PodmanFiles.making(node))
        guard let found = try await podman.container(name) else { return nil }
        guard found.labels["muster.state"] == options.state else {
            throw StepError(
                .refused,
                "\(node.name): a container \(name) is there that is not of this state: remove or rename it"
            )
        }
        guard found.labels["muster.operation"] == "\(operation)" else { return nil }
        if found.state.isRunning { return found }
        guard PodmanNote.read(node)?.role == .program, found.exit != nil else { return nil }
        throw StepError(.lost, "\(node.name): its container ended: \(found.ending(of: node))")
    }

    // MARK: Health

    /// Waits until the image's own check says that it is healthy. It is asked here: by itself it is only asked where
    /// systemd runs, and then at its own pace.
    private func awaitHealth(_ node: NodeHandle) async throws(StepError) {
        let name = name(of: node)
        var delay = Duration.milliseconds(50)
        while true {
            if Task.isCancelled || node.tenure.isOver { throw RemoteNodes.cancelled(node) }
            if try await podman.checkHealth(name) { return }
            _ = try await started(node)
            await pause(delay)
            delay = min(delay * 2, .seconds(1))
        }
    }

    // MARK: Removing

    package func destroy(_ node: NodeHandle) async throws(StepError) {
        watches.forget(node.id)
        nodes.unwatch(node)
        let note = PodmanNote.read(node)
        let isKnown = FileManager.default.fileExists(atPath: node.directory)
        if isKnown { try await act(node) }
        if let note {
            try await keepOutput(node, note)
            if note.role == .serves { try await endServer(node) }
        }
        if isKnown {
            // No container is made from here on: podman finds its file there. One that is being made is waited for.
            try PodmanFiles.touch(PodmanFiles.made(node))
            try await podman.awaitLock(PodmanFiles.making(node))
        }
        do throws(StepError) {
            try await removeOwn(node)
        } catch {
            // Where nothing was ever made, it does not matter whether podman is there.
            guard note == nil, error.code == .refused, error.message.contains("is not installed") else { throw error }
        }
        PodmanNote.remove(node)
        unlink(PodmanFiles.off(node))
    }

    /// Ends a served command as gently as any, and asks the node itself whether this conductor may.
    private func endServer(_ node: NodeHandle) async throws(StepError) {
        do throws(StepError) {
            try await within(node) { place, _ throws(StepError) in
                try await self.nodes.destroy(node, at: place)
            }
        } catch {
            // A container that does not answer is removed all the same.
            if error.code == .cancelled || error.message.contains("newer conductor") { throw error }
            logger.debug("\(node.name): \(error.message); its container is removed")
        }
    }

    /// Removes all containers of a node, with their anonymous volumes, and nothing that is not this state's.
    private func removeOwn(_ node: NodeHandle) async throws(StepError) {
        await disconnect(from: name(of: node))
        let labels = ["muster.state": options.state, "muster.number": "\(node.id.rawValue)"]
        let found = try await podman.containers(labels: labels)
        if found.isEmpty {
            // What a podman that was killed has left of one has no labels, only its name.
            guard try await podman.container(name(of: node)) == nil else { return }
            return try await podman.remove([name(of: node)], grace: .zero)
        }
        try await podman.remove(found.map(\.id), grace: Defaults.grace)
    }

    /// Keeps what the node's server has printed.
    private func keepOutput(_ node: NodeHandle, _ note: PodmanNote) async throws(StepError) {
        guard note.role != .waits, let report = try await podman.container(name(of: node)) else { return }
        if note.role == .program {
            return try await PodmanOutput.keep(podman, report.id, at: outputPath(of: note.operation, on: node))
        }
        guard report.state.isRunning else { return }
        for operation in Set([note.operation, note.started]) {
            let kept = Mutex(HeadAndTail(limit: 8 << 20))
            let call = ShellCall(.fetch, operation: operation)
            let end = try? await place(of: node).connection.run(
                RemoteRequest(
                    program: call.program(at: place(of: node), epoch: node.tenure.epoch),
                    within: .seconds(60),
                    onOutput: { bytes in
                        kept.withLock { $0.take(bytes) }
                        return true
                    }
                )
            )
            guard end?.succeeded == true else { continue }
            let path = outputPath(of: operation, on: node)
            try RemoteNodes.makeFolder((path as NSString).deletingLastPathComponent)
            try RemoteNodes.write(kept.withLock { $0.bytes }, path)
        }
    }

    // MARK: What exists

    package func belongings() async -> Belongings {
        do throws(StepError) {
            let found = try await podman.containers(labels: ["muster.state": options.state])
            return Belongings(found: found.compactMap(belonging).sorted { $0.name < $1.name })
        } catch {
            return Belongings(problems: [error])
        }
    }

    private func belonging(_ found: ListedContainer) -> Belonging? {
        guard let number = found.labels?["muster.number"].flatMap({ Int64($0) }) else { return nil }
        return Belonging(
            driver: kind,
            name: found.names?.first ?? found.id,
            lab: found.labels?["muster.lab"] ?? "",
            node: NodeID(number),
            nodeName: found.labels?["muster.node"] ?? "",
            operation: found.labels?["muster.operation"].map { OperationID($0) },
            status: found.state ?? ""
        )
    }
}

extension RemoteNodes {
    func stopWatching() {
        let all = watches.withLock { watches in
            defer { watches = [:] }
            return Array(watches.values)
        }
        for watch in all { watch.task.cancel() }
    }
}
