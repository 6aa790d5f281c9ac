import Foundation
import Logging
import MusterCore
import MusterTestKit
import Synchronization

@testable import MusterDrivers

/// A folder for virtual machines of a small Debian kernel, which leaves nothing behind: neither files nor processes.
final class QEMUHouse: Sendable {
    let folder: String
    let driver: QEMUDriver
    private let drivers = Mutex<[QEMUDriver]>([])
    private let events: AsyncStream<DriverEvent>
    private let lastNode = Mutex<Int64>(0)

    /// What `scripts/guest` has made: `MUSTER_TEST_GUEST`, or `.build/guest`.
    static let guest: String = {
        if let folder = ProcessInfo.processInfo.environment["MUSTER_TEST_GUEST"] { return folder }
        let root = #filePath.split(separator: "/").dropLast(3).joined(separator: "/")
        return "/\(root)/.build/guest"
    }()

    /// Why no machine can be made here; nil when one can.
    static let absence: String? = {
        let tools = ["qemu-system-x86_64", "qemu-img", "ssh", "ssh-keygen"]
        if let tool = tools.first(where: { !MachineParts.isInstalled($0) }) { return "there is no '\(tool)' in PATH" }
        if !FileManager.default.fileExists(atPath: guest + "/initrd") {
            return "there is no machine in \(guest): scripts/guest makes one"
        }
        return nil
    }()

    static func with(_ body: (QEMUHouse) async throws -> Void) async throws {
        let house = try QEMUHouse()
        do {
            try await body(house)
        } catch {
            await house.takeDown()
            throw error
        }
        await house.takeDown()
    }

    private init() throws {
        folder = try temporaryFolder("qemu")
        let (events, continuation) = AsyncStream.makeStream(of: DriverEvent.self)
        self.events = events
        driver = try Self.driver(folder) { continuation.yield($0) }
    }

    private static func driver(
        _ folder: String,
        events: @escaping @Sendable (DriverEvent) -> Void
    ) throws -> QEMUDriver {
        QEMUDriver(
            supervisor: try ProcessHouse.supervisor(),
            options: QEMUDriver.Options(state: "test", controlFolder: folder),
            events: events,
            logger: Logger(label: "test")
        )
    }

    /// Another driver on the same machines, as the next conductor has it.
    func another() throws -> QEMUDriver {
        let made = try Self.driver(folder) { _ in }
        drivers.withLock { $0.append(made) }
        return made
    }

    private func takeDown() async {
        await driver.close()
        for driver in drivers.withLock({ $0 }) { await driver.close() }
        _ = await Leftovers.end(await Leftovers.find(nodes: folder))
        try? FileManager.default.removeItem(atPath: folder)
    }

    /// The test machine. TCG, as tests must not depend on what the host's processor can do.
    static var machine: VirtualMachine {
        var machine = VirtualMachine()
        machine.kernel = guest + "/vmlinuz"
        machine.initrd = guest + "/initrd"
        machine.append = "console=ttyS0 panic=-1 quiet"
        machine.memory = 192 << 20
        machine.accelerator = .tcg
        machine.identityFile = guest + "/key"
        machine.bootTimeout = .seconds(240)
        return machine
    }

    func node(_ label: String, machine: VirtualMachine = QEMUHouse.machine) -> NodeHandle {
        let number = lastNode.withLock { number in
            number += 1
            return number
        }
        return NodeHandle(
            id: NodeID(number),
            name: NodeName(group: "node", index: Int(number)),
            lab: "lab",
            driver: "qemu",
            machine: .qemu(machine),
            directory: "\(folder)/\(label)-\(number)",
            facts: [:],
            tenure: Tenure(1)
        )
    }

    func nextEvent() async -> DriverEvent? {
        for await event in events { return event }
        return nil
    }

    /// The supervisor of a node, or the process of its machine.
    func process(_ kind: Leftover.Kind, of node: NodeHandle) async throws -> Int32 {
        let all = await Leftovers.find(nodes: folder)
        guard let found = all.first(where: { $0.kind == kind && $0.directory == node.directory }) else {
            throw StepError(.lost, "\(node.directory) has no \(kind.rawValue) among \(all)")
        }
        return found.pid
    }

    var subject: DriverConformance.Subject {
        var subject = DriverConformance.Subject(
            driver: driver,
            successor: { [self] in
                do { return try another() } catch { preconditionFailure("\(error)") }
            },
            node: { self.node($0) },
            nextEvent: { await self.nextEvent() },
            kill: { _, node in kill(try await self.process(.process, of: node), SIGKILL) },
            killKeeper: { kill(try await self.process(.supervisor, of: $0), SIGKILL) },
            processes: { _ in [] },
            belongings: { await Leftovers.find(nodes: self.folder) },
            serve: serveForTest
        )
        subject.place = { $0.facts["directory"] ?? "" }
        subject.shortTimeout = .seconds(5)
        return subject
    }
}
