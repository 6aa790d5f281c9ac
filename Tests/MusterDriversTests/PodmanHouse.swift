import Foundation
import Logging
import MusterCore
import MusterSupervision
import MusterTestKit
import Synchronization
import Testing

@testable import MusterDrivers

/// A state whose nodes are containers. Its tests fail when one of them is left.
final class PodmanHouse: Sendable {
    let folder: String
    let store: PodmanStore
    /// The name of the state.
    let name: String
    let driver: PodmanDriver
    private let drivers = Mutex<[PodmanDriver]>([])
    private let events: AsyncStream<DriverEvent>
    private let lastNode = Mutex<Int64>(0)

    /// Lends a house to `body` and takes it down after it, however that ends.
    static func with(_ body: (PodmanHouse) async throws -> Void) async throws {
        let house = try PodmanHouse()
        do {
            try await body(house)
        } catch {
            _ = try? await house.takeDown()
            throw error
        }
        let left = try await house.takeDown()
        #expect(left.isEmpty, "containers are left: \(left)")
    }

    private init() throws {
        store = try PodmanStore.shared.get()
        folder = try temporaryFolder("pod")
        name = folder.split(separator: "-").last.map { $0.lowercased() + "\(getpid())" } ?? "test"
        mkdir("\(folder)/inside", 0o777)
        let (events, continuation) = AsyncStream.makeStream(of: DriverEvent.self)
        self.events = events
        driver = Self.driver(name, folder, store.podman) { continuation.yield($0) }
    }

    private static func driver(
        _ name: String,
        _ folder: String,
        _ podman: [String],
        events: @escaping @Sendable (DriverEvent) -> Void = { _ in }
    ) -> PodmanDriver {
        PodmanDriver(
            options: PodmanDriver.Options(
                state: name,
                podman: podman,
                root: "\(folder)/inside",
                patience: .seconds(30)
            ),
            events: events,
            logger: Logger(label: "test")
        )
    }

    /// Another driver on the same containers: the next conductor's.
    func another(podman: [String]? = nil) -> PodmanDriver {
        let made = Self.driver(name, folder, podman ?? store.podman)
        drivers.withLock { $0.append(made) }
        return made
    }

    @discardableResult
    private func takeDown() async throws -> [Belonging] {
        await driver.close()
        for driver in drivers.withLock({ $0 }) { await driver.close() }
        let left = await driver.belongings().found
        try await driver.podman.remove(left.map(\.name), grace: .zero)
        try? FileManager.default.removeItem(atPath: folder)
        return left
    }

    /// A container whose folder of nodes the test program can read.
    func container(_ image: String = PodmanStore.image) -> ContainerMachine {
        var container = ContainerMachine(image: image)
        container.volumes = ["\(folder)/inside:\(folder)/inside"]
        container.network = PodmanStore.network
        return container
    }

    func node(_ label: String, _ container: ContainerMachine? = nil, tenure: Tenure = Tenure(1)) -> NodeHandle {
        let number = lastNode.withLock { number in
            number += 1
            return number
        }
        return NodeHandle(
            id: NodeID(number),
            name: NodeName(group: "node", index: Int(number)),
            lab: "lab",
            driver: "podman",
            machine: .podman(container ?? self.container()),
            directory: "\(folder)/nodes/\(label)-\(number)",
            facts: [:],
            tenure: tenure
        )
    }

    func made(
        _ label: String = "node",
        _ container: ContainerMachine? = nil,
        server: Command? = nil
    ) async throws -> NodeHandle {
        var node = node(label, container)
        node.facts = try await driver.create(node, operation: OperationID("create"), server: server)
        // What comes later knows the node alone.
        node.machine = nil
        return node
    }

    func nextEvent() async -> DriverEvent? {
        for await event in events { return event }
        return nil
    }

    /// Runs podman on the store of the tests.
    func podman(_ arguments: String...) async throws -> RemoteEnd { try await driver.podman.call(arguments) }

    func place(of node: NodeHandle) -> String { node.facts["directory"] ?? "\(folder)/none" }

    var subject: DriverConformance.Subject {
        var subject = DriverConformance.Subject(
            driver: driver,
            successor: { self.another() },
            node: { self.node($0) },
            nextEvent: { await self.nextEvent() },
            kill: { await killProcesses(of: $0, in: self.place(of: $1), below: self.folder) },
            killKeeper: { _ = try await self.podman("kill", self.driver.name(of: $0)) },
            processes: ProcessHouse.processes(containing:),
            belongings: { await Leftovers.find(nodes: self.folder) },
            serve: PodmanStore.serve
        )
        subject.place = { self.place(of: $0) }
        subject.addressPrefix = "10."
        subject.lossOfKeeper = "its container ended: signal 9"
        subject.shortTimeout = .seconds(5)
        return subject
    }
}
