import Foundation
package import MusterCore
package import MusterDrivers
import Synchronization

/// What every driver must do. A driver is done when each of `checks` passes, each on a subject of its own.
package enum DriverConformance: ConformanceSuite {
    /// How the suite gets at one driver and at what it makes, from outside.
    package struct Subject: Sendable {
        package var driver: any Driver
        /// Another driver on the same nodes, as the next conductor has it; the first one lives on.
        package var successor: @Sendable () -> any Driver
        /// A node that nobody has made yet, with a folder of its own whose path contains the text.
        package var node: @Sendable (_ folder: String) -> NodeHandle
        /// The next event that the driver reports.
        package var nextEvent: @Sendable () async -> DriverEvent?
        /// Kills what an operation runs, from outside: Muster knows nothing of it.
        package var kill: @Sendable (OperationID, NodeHandle) async throws -> Void
        /// Kills what keeps the node (its supervisor) with SIGKILL.
        package var killKeeper: @Sendable (NodeHandle) async throws -> Void
        /// Processes, anywhere, whose command line contains the text.
        package var processes: @Sendable (_ containing: String) -> [Int32]
        /// Processes, supervisors too, that belong to nodes of this subject.
        package var belongings: @Sendable () async -> [Leftover]
        /// Serves one connection after the other at an address, each with this text, and returns the port.
        package var serve: @Sendable (_ address: String, _ answer: String) throws -> Int
        /// Where the node's commands run: a folder that the test program can read as well. Its handle's, where the node
        /// is on this host.
        package var place: @Sendable (NodeHandle) -> String = { $0.directory }
        /// How the loss of what keeps a node is said.
        package var lossOfKeeper = "supervisor"
        /// How the addresses of its nodes begin.
        package var addressPrefix = "127."
        /// A deadline that a command meets when it only has to say that it is under way to another one.
        package var shortTimeout = Duration.milliseconds(200)

        package init(
            driver: any Driver,
            successor: @escaping @Sendable () -> any Driver,
            node: @escaping @Sendable (_ folder: String) -> NodeHandle,
            nextEvent: @escaping @Sendable () async -> DriverEvent?,
            kill: @escaping @Sendable (OperationID, NodeHandle) async throws -> Void,
            killKeeper: @escaping @Sendable (NodeHandle) async throws -> Void,
            processes: @escaping @Sendable (_ containing: String) -> [Int32],
            belongings: @escaping @Sendable () async -> [Leftover],
            serve: @escaping @Sendable (_ address: String, _ answer: String) throws -> Int
        ) {
            self.driver = driver
            self.successor = successor
            self.node = node
            self.nextEvent = nextEvent
            self.kill = kill
            self.killKeeper = killKeeper
            self.processes = processes
            self.belongings = belongings
            self.serve = serve
        }
    }

    /// One demand on a driver.
    package struct Check: Sendable, CustomStringConvertible {
        package let name: String
        let body: @Sendable (Subject) async throws -> Void

        init(_ name: String, _ body: @escaping @Sendable (Subject) async throws -> Void) {
            self.name = name
            self.body = body
        }

        package var description: String { name }

        /// - Throws: `DriverConformance.Failure` when the driver does not do what it must, or the error it threw.
        package func run(on subject: Subject) async throws { try await body(subject) }
    }

    package static let checks: [Check] =
        nodeChecks + runChecks + outputChecks + endChecks + lossChecks + fileChecks
        + copyChecks + reportChecks

    // MARK: Demands

    /// The error that `body` must throw.
    @discardableResult
    static func refused(
        _ code: StepError.Code,
        _ what: String,
        file: StaticString = #fileID,
        line: UInt = #line,
        _ body: () async throws -> Void
    ) async throws -> StepError {
        do {
            try await body()
        } catch let error as StepError {
            try equal(error.code, code, "the error of \(what) (\(error))", file: file, line: line)
            try demand(!error.message.isEmpty, "\(what): the error says nothing", file: file, line: line)
            return error
        }
        throw Failure(description: "\(what) was not refused (\(file):\(line))")
    }
}

// MARK: - Commands

extension DriverConformance {
    static let path = ["PATH": "/usr/local/bin:/usr/bin:/bin"]

    static func shell(
        _ text: String,
        timeout: Duration = .seconds(120),
        grace: Duration = .seconds(60),
        leftovers: Command.Leftovers = .end,
        outputLimit: Int64 = 8 << 20
    ) -> Command {
        Command(
            .shell(text),
            environment: path,
            timeout: timeout,
            grace: grace,
            leftovers: leftovers,
            outputLimit: outputLimit
        )
    }

    static func program(_ arguments: String...) -> Command {
        Command(.arguments(arguments), environment: path, timeout: .seconds(120), leftovers: .end)
    }

    static func server(_ text: String) -> Command {
        Command(.shell(text), environment: path, timeout: nil, grace: .seconds(60), leftovers: .keep)
    }

    /// A text that no other process on this host has in its command line: seconds to sleep.
    package static func uniqueNap() -> String {
        let number = naps.add(1, ordering: .relaxed).newValue
        // Each part has a fixed length, so that none contains another.
        return "9\(10_000_000 + Int(getpid()))\(10_000 + number)"
    }
    private static let naps = Atomic<Int>(0)

    static func operation(_ name: String) -> OperationID { OperationID("conformance-\(name)") }
}

extension DriverConformance.Subject {
    /// Makes a node, and returns it with what is known of it.
    func made(_ folder: String = "node", server: Command? = nil) async throws -> NodeHandle {
        var node = node(folder)
        node.facts = try await driver.create(node, operation: DriverConformance.operation("create"), server: server)
        return node
    }

    /// Runs a shell command that must succeed.
    func sh(_ text: String, _ name: String, on node: NodeHandle) async throws {
        let exit = try await driver.run(
            DriverConformance.shell(text),
            on: node,
            operation: DriverConformance.operation(name)
        )
        try DriverConformance.demand(exit.succeeded, "'\(text)' did not succeed: \(exit)")
    }

    /// Begins a command that says `echo up > up` as soon as it is under way, and waits for that.
    ///
    /// - Parameters:
    ///   - pipes: named pipes that are there for it.
    ///   - driver: who begins it; nil for the subject's own.
    /// - Returns: its end, to be awaited.
    func begun(
        _ command: Command,
        _ name: String,
        on node: NodeHandle,
        pipes: String = "up",
        by driver: (any Driver)? = nil
    ) async throws -> Task<ProcessExit, any Error> {
        try await sh("mkfifo \(pipes)", "prepare", on: node)
        let driver = driver ?? self.driver
        // Awaited by the check that wanted it.
        let running = Task {
            try await driver.run(command, on: node, operation: DriverConformance.operation(name))
        }
        try await sh("cat up", "see", on: node)
        return running
    }
}
