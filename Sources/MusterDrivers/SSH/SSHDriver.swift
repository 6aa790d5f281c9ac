import Foundation
package import Logging
package import MusterCore
import MusterSupervision
import NIOCore
import NIOPosix
import Synchronization

/// Nodes that are hosts which exist already: each node is one host of a pool for as long as it lives.
///
/// A host is used under a lease that stands on the host itself, so that two states never share one. Operations are kept
/// there by shell programs alone; decision 0032 says what they do less than a supervisor.
package final class SSHDriver: Driver {
    /// How it is set up, besides its hosts.
    package struct Options: Sendable {
        /// The name of the state, which no other state has: one word.
        package var state: String
        /// For people who find the host in use: `lab shop of ana@build-1`.
        package var holder: String
        /// After this long a host whose lease nobody renews may be taken by others.
        package var lease: Duration
        /// How long a host may be out of reach before its node is lost.
        package var patience: Duration
        /// The folder of the nodes' folders: what was noted there says on which hosts something may be.
        package var nodes: String
        /// Hosts besides those, on which something may be.
        package var hosts: [SSHHost]
        /// A folder of the user's alone for the sockets of connections: a short path.
        package var controlFolder: String
        /// What is masked in the outputs of its nodes, besides the secrets of their own commands.
        package var secrets: @Sendable () -> [String]

        package init(
            state: String,
            holder: String,
            lease: Duration = .seconds(24 * 3600),
            patience: Duration = .seconds(120),
            nodes: String,
            hosts: [SSHHost] = [],
            controlFolder: String,
            secrets: @escaping @Sendable () -> [String] = { [] }
        ) {
            self.state = state
            self.holder = holder
            self.lease = lease
            self.patience = patience
            self.nodes = nodes
            self.hosts = hosts
            self.controlFolder = controlFolder
            self.secrets = secrets
        }
    }

    /// What is noted in a node's folder here before its host is asked for: where to look after a crash.
    struct Note: Codable {
        var format = 1
        var host: SSHHost
        /// Hosts of which it is not known whether they were taken before this one.
        var tried: [SSHHost]
    }

    private struct State {
        var connections: [String: any Connection] = [:]
        var lastConnection = 0
        /// The nodes, by their folders, that have a host or are trying one, by its name.
        var users: [String: String] = [:]
    }

    package let kind = "ssh"
    package let sharesFiles = false
    let options: Options
    private let hosts: @Sendable (NodeHandle) -> [SSHHost]
    private let connect: (@Sendable (SSHHost) -> any Connection)?
    let nodes: RemoteNodes
    private let logger: Logger
    private let state = Mutex(State())
    private let openings = Gate(16)

    /// - Parameters:
    ///   - hosts: the pool of a node, in the order in which hosts are tried. Names are unique among all of them.
    ///   - connect: how a host is reached; nil for OpenSSH.
    package init(
        options: Options,
        hosts: @escaping @Sendable (NodeHandle) -> [SSHHost] = SSHDriver.pool(of:),
        connect: (@Sendable (SSHHost) -> any Connection)? = nil,
        events: @escaping @Sendable (DriverEvent) -> Void,
        logger: Logger
    ) {
        self.options = options
        self.hosts = hosts
        self.connect = connect
        self.logger = logger
        nodes = RemoteNodes(
            patience: options.patience,
            secrets: options.secrets,
            events: events,
            logger: logger
        )
    }

    /// The hosts that the node's own step names.
    package static func pool(of node: NodeHandle) -> [SSHHost] {
        if case .ssh(let pool) = node.machine { pool.hosts } else { [] }
    }

    /// Ends its connections. What runs on hosts goes on.
    package func close() async {
        let connections = state.withLock { state in
            defer { state.connections = [:] }
            return Array(state.connections.values)
        }
        await withTaskGroup { group in
            for connection in connections { group.addTask { await connection.close() } }
        }
    }

    // MARK: Hosts

    private func connection(to host: SSHHost) -> any Connection {
        state.withLock { state in
            if let present = state.connections[host.name] { return present }
            state.lastConnection += 1
            // Two drivers of one process may share the folder.
            let folder = Self.owned(options.controlFolder)
            let path =
                "\(folder)/\(getpid())-\(UInt(bitPattern: ObjectIdentifier(self)) % 99_991)-"
                + "\(state.lastConnection)"
            let made: any Connection =
                connect?(host) ?? SSHConnection(host, controlPath: path, openings: openings)
            state.connections[host.name] = made
            return made
        }
    }

    /// A folder of this user's alone: the one that is wanted, or one beside it where that is another's.
    static func owned(_ folder: String) -> String {
        mkdir(folder, 0o700)
        var status = stat()
        let isOwned =
            lstat(folder, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR && status.st_uid == geteuid()
            && status.st_mode & 0o077 == 0
        if isOwned { return folder }
        var pattern = Array("/tmp/muster-XXXXXX".utf8CString)
        return mkdtemp(&pattern).map { String(cString: $0) } ?? folder
    }

    func place(of node: NodeHandle, on host: SSHHost, address: String? = nil) -> RemotePlace {
        RemotePlace(
            connection: connection(to: host),
            root: host.root,
            folder: "\(options.state)-n\(node.id.rawValue)",
            address: address ?? node.facts["address"] ?? host.destination,
            lease: RemotePlace.Lease(
                token: "\(options.state)/n\(node.id.rawValue)",
                holder: "\(options.holder), node \(node.name)",
                length: options.lease
            )
        )
    }

    static func notePath(_ node: NodeHandle) -> String { notePath(inFolder: node.directory) }
    private static func notePath(inFolder folder: String) -> String { "\(folder)/supervisor.host" }

    /// The host that the node has, or was about to get; nil when it never was given one.
    func notedHost(_ node: NodeHandle) -> SSHHost? { Self.note(of: node)?.host }

    static func note(of node: NodeHandle) -> Note? { note(inFolder: node.directory) }
    static func note(inFolder folder: String) -> Note? {
        let data = FileManager.default.contents(atPath: notePath(inFolder: folder))
        return data.flatMap { try? JSONDecoder().decode(Note.self, from: $0) }
    }

    func place(of node: NodeHandle) throws(StepError) -> RemotePlace {
        guard let host = notedHost(node) else { throw StepError(.lost, "\(node.name) has no host") }
        return place(of: node, on: host)
    }

    // MARK: Making and destroying

    package func create(
        _ node: NodeHandle,
        operation: OperationID,
        server: Command?
    ) async throws(StepError) -> [String: String] {
        var facts: [String: String]
        let host: SSHHost
        if let noted = notedHost(node), let found = try await take(noted, for: node, patience: options.patience) {
            (host, facts) = (noted, found)
        } else {
            (host, facts) = try await takeAny(for: node)
        }
        state.withLock { $0.users[host.name] = node.directory }
        if let server {
            var node = node
            node.facts = facts
            try await nodes.serve(server, on: node, at: place(of: node, on: host), operation: operation)
        }
        return facts
    }

    /// Takes the first free host of the pool; each node begins at another one.
    private func takeAny(for node: NodeHandle) async throws(StepError) -> (SSHHost, [String: String]) {
        let pool = hosts(node)
        guard !pool.isEmpty else { throw StepError(.refused, "\(node.name): its pool has no hosts") }
        let first = Int(node.id.rawValue.magnitude % UInt64(pool.count))
        var problems: [String] = []
        for host in pool[first...] + pool[..<first] {
            let user: String? = state.withLock { state in
                if let user = state.users[host.name], user != node.directory { return user }
                state.users[host.name] = node.directory
                return nil
            }
            if user != nil {
                problems.append("\(host.name) has another node of this run")
                continue
            }
            do throws(StepError) {
                if let facts = try await take(host, for: node, patience: .seconds(2), into: &problems) {
                    return (host, facts)
                }
            } catch {
                if error.code == .cancelled {
                    // The host may have been taken, and the note says so.
                    throw error
                }
                problems.append(error.message)
            }
            state.withLock { _ = $0.users.removeValue(forKey: host.name) }
        }
        throw StepError(
            .refused,
            "\(node.name): no host of its pool is free (\(pool.count)): \(problems.joined(separator: "; "))"
        )
    }

    private func take(
        _ host: SSHHost,
        for node: NodeHandle,
        patience: Duration
    ) async throws(StepError) -> [String: String]? {
        var problems: [String] = []
        return try await take(host, for: node, patience: patience, into: &problems)
    }

    /// Takes a host, and returns what is known of it; nil when it is another's.
    private func take(
        _ host: SSHHost,
        for node: NodeHandle,
        patience: Duration,
        into problems: inout [String]
    ) async throws(StepError) -> [String: String]? {
        try RemoteNodes.makeFolder(node.directory)
        var note = Note(host: host, tried: [])
        if let former = Self.note(of: node) {
            note.tried = (former.tried + [former.host]).filter { $0.name != host.name }
        }
        let bytes = (try? JSONEncoder().encode(note)) ?? Data()
        try RemoteNodes.write(Array(bytes), Self.notePath(node))
        let (address, user, port) = await Self.resolved(host)
        let reply = try await nodes.make(node, at: place(of: node, on: host, address: address), patience: patience)
        if reply.word == "held" {
            problems.append("\(host.name) is held \(RemoteNodes.holder(reply.text))")
            try forget(host, node)
            return nil
        }
        if let stale = reply.value("stale") {
            logger.warning(
                "\(node.name): the lease of \(host.name) had ended and was taken over; it was held \(RemoteNodes.holder(stale))"
            )
        }
        return [
            "address": address, "user": user, "port": port, "hostname": reply.value("hostname") ?? host.name,
            "directory": reply.value("directory") ?? "",
        ]
    }

    /// A host is another's: it is none of the node's.
    private func forget(_ host: SSHHost, _ node: NodeHandle) throws(StepError) {
        guard var note = Self.note(of: node), let last = note.tried.popLast() else {
            unlink(Self.notePath(node))
            return
        }
        note.host = last
        let bytes = (try? JSONEncoder().encode(note)) ?? Data()
        try RemoteNodes.write(Array(bytes), Self.notePath(node))
    }

    /// Where ssh goes when it is told the destination: the user's configuration may name another address.
    private static func resolved(_ host: SSHHost) async -> (address: String, user: String, port: String) {
        var values: [String: String] = [:]
        for setting in await host.settings() where values[setting.keyword] == nil {
            values[setting.keyword] = setting.value
        }
        let name = values["hostname"] ?? host.destination
        // Probes want an address. Behind a jump host the name may mean nothing here.
        let address = await offLoop { (try? SocketAddress.makeAddressResolvingHost(name, port: 22))?.ipAddress }
        let port = values["port"] ?? host.port.map(String.init) ?? "22"
        return (address ?? name, values["user"] ?? host.user ?? "", port)
    }

    package func destroy(_ node: NodeHandle) async throws(StepError) {
        nodes.unwatch(node)
        guard let note = Self.note(of: node) else { return }
        let host = note.host
        try await nodes.destroy(node, at: place(of: node, on: host))
        for host in note.tried {
            do throws(StepError) {
                try await nodes.destroy(node, at: place(of: node, on: host), patience: .seconds(2))
            } catch {
                logger.warning(
                    "\(node.name): \(host.name) may have been taken for it, and cannot be asked; its lease ends by itself: \(error.message)"
                )
            }
        }
        unlink(Self.notePath(node))
        state.withLock { state in
            if state.users[host.name] == node.directory { state.users[host.name] = nil }
        }
    }

    // MARK: The rest is the same for all nodes on machines

    package func run(
        _ command: Command,
        on node: NodeHandle,
        operation: OperationID
    ) async throws(StepError) -> ProcessExit {
        try await nodes.run(command, on: node, at: place(of: node), operation: operation)
    }

    package func status(of operation: OperationID, on node: NodeHandle) async throws(StepError) -> OperationStatus {
        // Without a note no host was asked for anything yet.
        guard let host = notedHost(node) else { return .neverStarted }
        return try await nodes.status(of: operation, on: node, at: place(of: node, on: host))
    }

    package func attach(to operation: OperationID, on node: NodeHandle) async throws(StepError) -> ProcessExit {
        try await nodes.attach(to: operation, on: node, at: place(of: node))
    }

    package func running(on node: NodeHandle) async throws(StepError) -> [OperationID] {
        guard let host = notedHost(node) else { return [] }
        return try await nodes.running(on: node, at: place(of: node, on: host))
    }

    package func end(_ operation: OperationID, on node: NodeHandle, grace: Duration) async throws(StepError) {
        guard let host = notedHost(node) else { return }
        try await nodes.end(operation, on: node, at: place(of: node, on: host), grace: grace)
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
        try await nodes.probe(probe, on: node, at: place(of: node), within: within)
    }

    /// Its server may be asked to end and be started again. The host's own power is not Muster's.
    package let rungs: Set<Rung> = [.soft]

    package func powerOff(_ node: NodeHandle, grace: Duration) async throws(StepError) {
        try await nodes.powerOff(node, at: place(of: node), grace: grace)
    }

    package func powerOn(_ node: NodeHandle, operation: OperationID) async throws(StepError) {
        try await nodes.powerOn(node, at: place(of: node), operation: operation)
    }

    package var capabilities: Set<Capability> { RemoteNodes.capabilities }

    package func perform(
        _ capability: Capability,
        on node: NodeHandle,
        operation: OperationID
    ) async throws(StepError) -> [String: String] {
        guard capabilities.contains(capability) else { throw lacks(capability) }
        return try await nodes.perform(capability, on: node, at: place(of: node))
    }

    package func watch(_ node: NodeHandle) async throws(StepError) {
        try await nodes.watch(node, at: place(of: node))
    }

    package func inventoryVariables(of node: NodeHandle) async throws(StepError) -> [String: String] {
        guard let host = notedHost(node) else { throw StepError(.lost, "\(node.name) has no host") }
        return host.inventoryVariables
    }

    package func outputPath(of operation: OperationID, on node: NodeHandle) -> String {
        "\(node.directory)/\(SupervisorFiles.folder(of: operation.description))/\(SupervisorFiles.output)"
    }
}
