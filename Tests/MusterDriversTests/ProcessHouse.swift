import Foundation
import Logging
import MusterCore
import MusterDrivers
import MusterSupervision
import MusterTestKit
import Synchronization

/// A folder for nodes of the process driver, which leaves nothing behind: neither files nor processes.
final class ProcessHouse: Sendable {
    let folder: String
    let driver: ProcessDriver
    private let events: AsyncStream<DriverEvent>
    private let lastNode = Mutex<Int64>(0)

    private let place: ProcessDriver.Place

    /// Lends a house to `body` and takes it down after it, however that ends.
    static func with(
        _ place: ProcessDriver.Place = .host,
        _ body: (ProcessHouse) async throws -> Void
    ) async throws {
        let house = try ProcessHouse(place)
        do {
            try await body(house)
        } catch {
            await house.takeDown()
            throw error
        }
        await house.takeDown()
    }

    private init(_ place: ProcessDriver.Place) throws {
        self.place = place
        folder = try temporaryFolder("drivers")
        let (events, continuation) = AsyncStream.makeStream(of: DriverEvent.self)
        self.events = events
        driver = ProcessDriver(
            supervisor: try Self.supervisor(),
            place: place,
            events: { continuation.yield($0) },
            logger: Logger(label: "test")
        )
    }

    private func takeDown() async {
        _ = await driver.remove(await Leftovers.find(nodes: folder))
        try? FileManager.default.removeItem(atPath: folder)
    }

    /// The program under test: it is built into the folder of the test program.
    static func supervisor() throws -> String {
        let own = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
        let path = (own as NSString).deletingLastPathComponent + "/muster-supervise"
        guard FileManager.default.isExecutableFile(atPath: path) else {
            throw StepError(.file, "\(path) is not there: build the product muster-supervise")
        }
        return path
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
            directory: "\(folder)/\(label)-\(number)",
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

    var subject: DriverConformance.Subject {
        get throws {
            let supervisor = try Self.supervisor()
            let place = place
            var subject = DriverConformance.Subject(
                driver: driver,
                successor: {
                    ProcessDriver(supervisor: supervisor, place: place, events: { _ in }, logger: Logger(label: "test"))
                },
                node: { self.node($0) },
                nextEvent: { await self.nextEvent() },
                kill: { operation, node in
                    for some in await Leftovers.find(nodes: self.folder)
                    where some.operation == operation.description && some.directory == node.directory {
                        kill(some.pid, SIGKILL)
                    }
                },
                killKeeper: { try await self.killSupervisor(of: $0) },
                processes: Self.processes(containing:),
                belongings: { await Leftovers.find(nodes: self.folder) },
                serve: serveForTest
            )
            if place == .namespaces {
                subject.addressPrefix = "10.213."
                subject.serve = { try NamespaceInside.serve($0, $1) }
            }
            return subject
        }
    }

    func supervisor(of node: NodeHandle) async throws -> Leftover {
        let all = await Leftovers.find(nodes: folder)
        guard let found = all.first(where: { $0.kind == .supervisor && $0.directory == node.directory }) else {
            throw StepError(.lost, "\(node.directory) has no supervisor among \(all)")
        }
        return found
    }

    func killSupervisor(of node: NodeHandle) async throws {
        kill(try await supervisor(of: node).pid, SIGKILL)
    }

    @Sendable static func processes(containing text: String) -> [Int32] {
        ProcessTable.all().filter { !$0.isDead && ProcessTable.command(of: $0.pid).contains(text) }.map(\.pid).sorted()
    }
}

/// Answers every connection at an address with the same text, from a thread of its own, until the test program ends.
@Sendable func serveForTest(address: String, answer: String) throws -> Int {
    try serveForTest(address, answer, on: socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0))
}

func serveForTest(_ address: String, _ answer: String, on listener: CInt, port: Int = 0) throws -> Int {
    var place = sockaddr_in()
    place.sin_family = sa_family_t(AF_INET)
    place.sin_addr.s_addr = inet_addr(address)
    place.sin_port = UInt16(port).bigEndian
    var size = socklen_t(MemoryLayout<sockaddr_in>.size)
    let code = withUnsafeMutablePointer(to: &place) { pointer in
        pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { place in
            bind(listener, place, size) == 0 && listen(listener, 8) == 0 && getsockname(listener, place, &size) == 0
        }
    }
    guard listener >= 0, code else { throw StepError(.refused, "no server can be made at \(address)") }
    _ = fcntl(listener, F_SETFD, FD_CLOEXEC)
    Thread.detachNewThread {
        while true {
            let connection = accept(listener, nil, nil)
            guard connection >= 0 else { return }
            var bytes = [UInt8](repeating: 0, count: 4096)
            if answer.hasPrefix("HTTP") { _ = recv(connection, &bytes, bytes.count, 0) }
            let text = Array(answer.utf8)
            var sent = 0
            while sent < text.count {
                let count = text.withUnsafeBytes {
                    send(connection, $0.baseAddress! + sent, text.count - sent, Int32(MSG_NOSIGNAL))
                }
                guard count > 0 else { break }
                sent += count
            }
            close(connection)
        }
    }
    return Int(UInt16(bigEndian: place.sin_port))
}
