import Foundation
import Logging
import MusterCore
import MusterDrivers
import MusterSupervision
import MusterTestKit
import Synchronization

/// The drivers of `Examples/plugin-driver`.
enum ExamplePlugin: String, CaseIterable, Sendable {
    case sh = "sh/driver"
    case python = "python/driver.py"

    static let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().appendingPathComponent("Examples/plugin-driver").path

    /// Why it cannot be run here; nil when it can.
    var absence: String? {
        self == .sh || TestProgram.path(of: "python3") != nil ? nil : "python3 is not installed"
    }

    static var present: [ExamplePlugin] {
        allCases.filter { plugin in
            if let absence = plugin.absence { print("skipped: \(plugin.rawValue): \(absence)") }
            return plugin.absence == nil
        }
    }

    var command: [String] { ["\(Self.folder)/\(rawValue)"] }
}

/// A state whose machines a plug-in makes. It leaves nothing behind: no files, no processes.
final class PluginHouse: Sendable {
    let folder: String
    let machine: PluginMachine
    let driver: PluginDriver
    let patience: Duration
    private let drivers = Mutex<[PluginDriver]>([])
    private let events: AsyncStream<DriverEvent>
    private let lastNode = Mutex<Int64>(0)

    var machines: String { "\(folder)/machines" }
    var nodes: String { "\(folder)/nodes" }

    /// Lends a house to `body` and takes it down after it, however that ends.
    static func with(_ plugin: ExamplePlugin, _ body: (PluginHouse) async throws -> Void) async throws {
        try await with(body) { _ in plugin.command }
    }

    /// One whose plug-in is this text for `sh`, which has read its request already and finds the folder in `$dir`.
    static func with(
        script: String,
        timeout: Duration = .seconds(90),
        _ body: (PluginHouse) async throws -> Void
    ) async throws {
        try await with(body, timeout: timeout) { folder in
            let path = "\(folder)/plugin"
            let text = """
                #!/bin/sh
                dir='\(folder)'
                read -r request || exit 1
                ok() { printf '{"id":"%s","ok":{%s}}\\n' "$PLUGIN_ID" "$1"; }
                describe() {
                    if [ $PLUGIN_REQUEST = describe ]; then
                        ok '"format":1,"name":"test","requests":["create","inspect","destroy","list"'"$1"']'
                        exit 0
                    fi
                }
                \(script)

                """
            try writeProgram(text, path)
            return [path]
        }
    }

    /// Nobody who is started meanwhile inherits the open file, which could not be executed then.
    static func writeProgram(_ text: String, _ path: String) throws {
        let file = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_TRUNC, 0o755)
        guard file >= 0 else { throw StepError(.file, "\(path) cannot be written") }
        defer { close(file) }
        let bytes = Array(text.utf8)
        guard write(file, bytes, bytes.count) == bytes.count else { throw StepError(.file, "\(path) is cut off") }
    }

    private static func with(
        _ body: (PluginHouse) async throws -> Void,
        timeout: Duration = .seconds(60),
        command: (String) throws -> [String]
    ) async throws {
        let folder = try temporaryFolder("plugin")
        let house = PluginHouse(folder, command: try command(folder), timeout: timeout)
        do {
            try await body(house)
        } catch {
            await house.takeDown()
            throw error
        }
        await house.takeDown()
    }

    private init(_ folder: String, command: [String], timeout: Duration) {
        self.folder = folder
        patience = .seconds(20)
        machine = PluginMachine(command: command, options: "{\"folder\":\"\(folder)/machines\"}", timeout: timeout)
        let (events, continuation) = AsyncStream.makeStream(of: DriverEvent.self)
        self.events = events
        driver = Self.driver(folder, events: { continuation.yield($0) })
    }

    private static func driver(
        _ folder: String,
        events: @escaping @Sendable (DriverEvent) -> Void = { _ in }
    ) -> PluginDriver {
        PluginDriver(
            options: PluginDriver.Options(
                state: "test",
                patience: .seconds(20),
                nodes: "\(folder)/nodes",
                secrets: { ["hunter2-hunter2"] }
            ),
            events: events,
            logger: Logger(label: "test")
        )
    }

    /// The driver of the next conductor.
    func another() -> PluginDriver {
        let made = Self.driver(folder)
        drivers.withLock { $0.append(made) }
        return made
    }

    private func takeDown() async {
        await driver.close()
        for driver in drivers.withLock({ $0 }) { await driver.close() }
        _ = await Leftovers.end(await Leftovers.find(nodes: folder))
        for pid in processes() { kill(pid, SIGKILL) }
        try? FileManager.default.removeItem(atPath: folder)
    }

    /// Processes of the plug-in and of its machines.
    func processes() -> [Int32] {
        ProcessTable.all().filter { entry in
            let option = "PLUGIN_OPTION_FOLDER"
            return !entry.isDead
                && (ProcessTable.command(of: entry.pid).contains(folder)
                    || ProcessTable.variables([option], of: entry.pid)[option] == machines)
        }.map(\.pid)
    }

    func node(_ label: String = "node", tenure: Tenure = Tenure(1)) -> NodeHandle {
        let number = lastNode.withLock { number in
            number += 1
            return number
        }
        return NodeHandle(
            id: NodeID(number),
            name: NodeName(group: "node", index: Int(number)),
            lab: "lab",
            driver: "plugin",
            machine: .plugin(machine),
            directory: "\(nodes)/\(label)-\(number)",
            facts: [:],
            tenure: tenure
        )
    }

    /// Makes a node, and returns it as all later calls know it.
    func made(_ label: String = "node", server: Command? = nil) async throws -> NodeHandle {
        var node = node(label)
        node.facts = try await driver.create(node, operation: OperationID("create"), server: server)
        node.machine = nil
        return node
    }

    func nextEvent() async -> DriverEvent? {
        for await event in events { return event }
        return nil
    }

    func read(_ name: String) -> String? { try? String(contentsOfFile: "\(folder)/\(name)", encoding: .utf8) }

    /// The node's folder on its machine.
    @Sendable func place(of node: NodeHandle) -> String { node.facts["directory"] ?? "\(folder)/none" }

    var subject: DriverConformance.Subject {
        var subject = DriverConformance.Subject(
            driver: driver,
            successor: { self.another() },
            node: { self.node($0) },
            nextEvent: { await self.nextEvent() },
            kill: { await killProcesses(of: $0, in: self.place(of: $1), below: self.folder) },
            killKeeper: { try await self.restartMachine(of: $0) },
            processes: ProcessHouse.processes(containing:),
            belongings: { await Leftovers.find(nodes: self.folder) },
            serve: serveForTest
        )
        subject.place = { self.place(of: $0) }
        subject.lossOfKeeper = "restarted"
        subject.shortTimeout = .seconds(5)
        return subject
    }

    /// What a restart of a machine leaves: files of another start of it, and no process.
    private func restartMachine(of node: NodeHandle) async throws {
        let folder = place(of: node)
        try Data("another-boot\n".utf8).write(to: URL(fileURLWithPath: folder + "/supervisor.boot"))
        for some in await Leftovers.find(nodes: self.folder) where some.directory == folder {
            kill(some.pid, SIGKILL)
        }
        for pid in SSHHouse.shells(in: folder) { kill(pid, SIGKILL) }
    }
}
