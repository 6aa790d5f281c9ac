import Foundation
import Logging
import MusterCore
import MusterDrivers
import MusterSupervision
import MusterTestKit
import Synchronization

/// How machines are reached in tests.
enum RemoteWay: Sendable, CaseIterable {
    /// By the `sh` of this host.
    case local
    case ssh
}

/// Hosts and a state for tests of nodes on machines. It leaves nothing behind: no files, processes or connections.
final class SSHHouse: Sendable {
    let folder: String
    let server: SSHServer?
    let driver: SSHDriver
    let hosts: [SSHHost]
    private let drivers = Mutex<[SSHDriver]>([])
    private let events: AsyncStream<DriverEvent>
    private let lastNode = Mutex<Int64>(0)

    /// Lends a house to `body` and takes it down after it, however that ends.
    static func with(_ way: RemoteWay, hosts: Int = 24, _ body: (SSHHouse) async throws -> Void) async throws {
        let house = try SSHHouse(way, hosts)
        do {
            try await body(house)
        } catch {
            await house.takeDown()
            throw error
        }
        await house.takeDown()
    }

    private init(_ way: RemoteWay, _ count: Int) throws {
        let folder = try temporaryFolder("ssh")
        self.folder = folder
        let server: SSHServer? = way == .ssh ? try SSHServer.shared.get() : nil
        self.server = server
        var hosts: [SSHHost] = []
        for index in 0..<count {
            let root = "\(folder)/hosts/\(index)"
            if let server {
                hosts.append(server.host(index, root: root))
            } else {
                hosts.append(
                    SSHHost(name: "host-\(index)", destination: SSHServer.addresses[index % 24], root: root)
                )
            }
        }
        self.hosts = hosts
        let (events, continuation) = AsyncStream.makeStream(of: DriverEvent.self)
        self.events = events
        let isLocal = way == .local
        driver = Self.driver(folder, hosts, isLocal: isLocal, state: "test", events: { continuation.yield($0) })
    }

    private static func driver(
        _ folder: String,
        _ hosts: [SSHHost],
        isLocal: Bool,
        state: String = "test",
        known: [SSHHost] = [],
        events: @escaping @Sendable (DriverEvent) -> Void = { _ in }
    ) -> SSHDriver {
        let local: @Sendable (SSHHost) -> any Connection = { _ in LocalConnection() }
        return SSHDriver(
            options: SSHDriver.Options(
                state: state,
                holder: "state \(state)",
                lease: .seconds(600),
                patience: .seconds(20),
                nodes: "\(folder)/nodes",
                hosts: known,
                controlFolder: folder
            ),
            hosts: { _ in hosts },
            connect: isLocal ? local : nil,
            events: events,
            logger: Logger(label: "test")
        )
    }

    /// Another driver on the same hosts: of the next conductor, or of another state.
    func another(state: String = "test", hosts: [SSHHost]? = nil, known: [SSHHost] = []) -> SSHDriver {
        let made = Self.driver(folder, hosts ?? self.hosts, isLocal: server == nil, state: state, known: known)
        drivers.withLock { $0.append(made) }
        return made
    }

    private func takeDown() async {
        await driver.close()
        for driver in drivers.withLock({ $0 }) { await driver.close() }
        _ = await Leftovers.end(await Leftovers.find(nodes: folder))
        try? FileManager.default.removeItem(atPath: folder)
    }

    func node(_ label: String, tenure: Tenure = Tenure(1)) -> NodeHandle {
        let number = lastNode.withLock { number in
            number += 1
            return number
        }
        return NodeHandle(
            id: NodeID(number),
            name: NodeName(group: "node", index: Int(number)),
            lab: "lab",
            directory: "\(folder)/nodes/\(label)-\(number)",
            facts: [:],
            tenure: tenure
        )
    }

    func made(_ label: String = "node", server: Command? = nil) async throws -> NodeHandle {
        var node = node(label)
        node.facts = try await driver.create(node, operation: OperationID("create"), server: server)
        return node
    }

    func nextEvent() async -> DriverEvent? {
        for await event in events { return event }
        return nil
    }

    /// The node's folder on its machine.
    @Sendable func place(of node: NodeHandle) -> String { node.facts["directory"] ?? "\(folder)/none" }

    var subject: DriverConformance.Subject {
        var subject = DriverConformance.Subject(
            driver: driver,
            successor: { self.another() },
            node: { self.node($0) },
            nextEvent: { await self.nextEvent() },
            kill: { await killProcesses(of: $0, in: self.place(of: $1), below: self.folder) },
            killKeeper: { try await self.restartHost(of: $0) },
            processes: ProcessHouse.processes(containing:),
            belongings: { await Leftovers.find(nodes: self.folder) },
            serve: serveForTest
        )
        subject.place = { self.place(of: $0) }
        subject.lossOfKeeper = "restarted"
        subject.shortTimeout = .seconds(5)
        return subject
    }

    /// What a restart of a host leaves: files of another start of it, and no process.
    func restartHost(of node: NodeHandle) async throws {
        let folder = place(of: node)
        // No two starts have the same name.
        try Data("another-boot-\(UUID().uuidString)\n".utf8).write(
            to: URL(fileURLWithPath: folder + "/supervisor.boot")
        )
        for some in await Leftovers.find(nodes: self.folder) where some.directory == folder {
            kill(some.pid, SIGKILL)
        }
        // Sessions of the host end with it: here, what waits in the folder or watches it.
        for pid in Self.shells(in: folder) { kill(pid, SIGKILL) }
    }

    /// The shells that requests have started in a folder.
    static func shells(in folder: String) -> [Int32] {
        ProcessTable.all().map(\.pid).filter { pid in
            guard let cwd = try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/\(pid)/cwd") else {
                return false
            }
            return cwd == folder && ProcessTable.command(of: pid).contains("m_prog")
        }
    }
}
