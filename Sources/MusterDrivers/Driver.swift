import Foundation
package import MusterCore
import MusterSupervision

/// How machines of one kind are made, reached, powered and destroyed. Done when it passes `DriverConformance`
/// (MusterTestKit).
///
/// Every call that acts carries an operation id and may be repeated: the second call finds what the first one did. All
/// may be called at once for different nodes and operations. What acts leaves only while `NodeHandle.tenure` may act.
/// Errors have the code `.lost` exactly when the node, its supervisor or the connection is gone; the conductor then
/// replaces the node and blames no test.
package protocol Driver: Sendable {
    /// The word of its creating step: `process`.
    var kind: String { get }

    /// Whether its nodes have this host's files, so that commands find the lab's folder where it is.
    var sharesFiles: Bool { get }

    /// Makes the node, starts its server when it has one, and returns what is known of it: at least `address`.
    func create(
        _ node: NodeHandle,
        operation: OperationID,
        server: Command?
    ) async throws(StepError) -> [String: String]

    /// Runs a command on the node to its end, or finds the one that this operation started before, and returns how it
    /// ended.
    ///
    /// When the task is cancelled the command goes on; the caller has only stopped to wait.
    func run(_ command: Command, on node: NodeHandle, operation: OperationID) async throws(StepError) -> ProcessExit

    /// What is true of an operation that may have been started before, also by another conductor. Starts nothing.
    func status(of operation: OperationID, on node: NodeHandle) async throws(StepError) -> OperationStatus

    /// Waits for the end of an operation that was started before, and returns how it ended. Starts nothing.
    ///
    /// - Throws: `.unknown` when nobody can tell how it ended.
    func attach(to operation: OperationID, on node: NodeHandle) async throws(StepError) -> ProcessExit

    /// The operations that run on the node, its server aside. Whatever an older conductor asks for afterwards is
    /// refused. Nothing runs on a node that is gone.
    func running(on node: NodeHandle) async throws(StepError) -> [OperationID]

    /// Ends what an operation runs, with all its descendants: TERM, and KILL after `grace`. Nothing to end is no error.
    func end(_ operation: OperationID, on node: NodeHandle, grace: Duration) async throws(StepError)

    /// Puts files into the node's folder. Paths never lead out of it.
    func put(_ files: [FileContent], on node: NodeHandle) async throws(StepError)

    /// Makes a folder of the node's folder from an archive of this host, as `FolderArchive` writes them. One that is
    /// there already stays as it is.
    ///
    /// - Parameter folder: its name; it has that only when it is whole.
    func unpack(_ archive: String, as folder: String, on node: NodeHandle) async throws(StepError)

    /// The way to the node's folder for programs of `sh` that nobody keeps: they end with the connection.
    ///
    /// - Throws: `.lost` when the node is gone.
    func shellPlace(of node: NodeHandle) async throws(StepError) -> RemotePlace

    /// Asks once whether a condition holds; false, or an error that says what was seen instead. `.run` is not asked
    /// here.
    func probe(_ probe: ReadyCondition.Probe, on node: NodeHandle, within: Duration) async throws(StepError)

    /// How its nodes may be rebooted and powered; what is not among them it cannot do.
    var rungs: Set<Rung> { get }

    /// Stops the node's server, or starts it again; the node's files stay. Asked by TERM first, for so long as `grace`.
    func powerOff(_ node: NodeHandle, grace: Duration) async throws(StepError)
    func powerOn(_ node: NodeHandle, operation: OperationID) async throws(StepError)

    /// What it can do to a node as a whole; what is not among them is refused by name, and never only said to be done.
    var capabilities: Set<Capability> { get }

    /// Does it, and returns what is known of the node by it. May be repeated: what is done already is not done again.
    ///
    /// - Throws: `.refused` for what is not among `capabilities`.
    func perform(
        _ capability: Capability,
        on node: NodeHandle,
        operation: OperationID
    ) async throws(StepError) -> [String: String]

    /// Ends all its processes and forgets the node; its logs stay. Destroying what is gone succeeds.
    func destroy(_ node: NodeHandle) async throws(StepError)

    /// Reports the loss of the node, once, to the events given to the driver: its server ended, its supervisor is gone.
    func watch(_ node: NodeHandle) async throws(StepError)

    /// Ends what it keeps for itself, such as connections. What runs on nodes goes on.
    func close() async

    /// What exists outside of this host's processes, by its labels, that was made for the state: whatever its store
    /// may say.
    func belongings() async -> Belongings

    /// Removes what it has found and nobody owns: the node is gone, or was never on record.
    func remove(_ belonging: Belonging, of node: NodeHandle) async throws(StepError)

    /// How ansible reaches the node from this host: variables of its inventory.
    ///
    /// - Throws: `.refused` where it does not.
    func inventoryVariables(of node: NodeHandle) async throws(StepError) -> [String: String]

    /// Where the output of an operation is on this host, whether it runs or has ended.
    func outputPath(of operation: OperationID, on node: NodeHandle) -> String
}

/// What a driver knows of an operation.
package enum OperationStatus: Hashable, Sendable {
    case ended(ProcessExit)
    /// Its command runs; that of a server too, once it was started.
    case running
    case neverStarted
    /// It was begun, and nobody can tell what became of it, for this reason.
    case unknown(String)
}

/// A node, for its driver.
package struct NodeHandle: Hashable, Sendable {
    package var id: NodeID
    package var name: NodeName
    package var lab: String
    /// The kind of its driver.
    package var driver: String
    /// What its creating step asks for, where it is to be made; nil where only the node is known.
    package var machine: Machine?
    /// Absolute path of the node's own folder, which the driver makes: `<state>/nodes/<number>-<group>-<index>`.
    package var directory: String
    /// What `create` returned; empty before.
    package var facts: [String: String]
    /// Whose conductor reaches it. Drivers look there when a request leaves: its epoch, and whether it may act.
    package var tenure: Tenure

    package init(
        id: NodeID,
        name: NodeName,
        lab: String,
        driver: String = "process",
        machine: Machine? = nil,
        directory: String,
        facts: [String: String],
        tenure: Tenure
    ) {
        self.id = id
        self.name = name
        self.lab = lab
        self.driver = driver
        self.machine = machine
        self.directory = directory
        self.facts = facts
        self.tenure = tenure
    }
}

/// A command for a node.
package struct Command: Hashable, Sendable {
    package enum Program: Hashable, Sendable {
        /// `/bin/sh -c <text>`.
        case shell(String)
        /// A program and its arguments; the first is an absolute path or is looked up in `PATH`.
        case arguments([String])
    }
    package enum Leftovers: Hashable, Sendable {
        /// Whatever still runs when the command has ended is ended too: tests.
        case end
        /// It lives on with the node: provisioning.
        case keep
    }
    package var program: Program
    /// The whole environment, besides what the supervisor adds (`MUSTER_OPERATION`).
    package var environment: [String: String]
    /// Values that must not be written anywhere: they go over the socket and into the process' environment only.
    package var secrets: [String: String]
    /// What is masked in its output besides the values of `secrets`: secrets that are only a part of one of those.
    package var masked: Set<String> = []
    /// nil for servers, which have none.
    package var timeout: Duration?
    package var grace: Duration
    package var leftovers: Leftovers
    /// How much output is kept at the beginning and at the end, in bytes each.
    package var outputLimit: Int64
    /// Most bytes that are kept of what it says on its control descriptor (`docs/formats/test-control.md`); nil when it
    /// has none.
    package var controlLimit: Int64?
    /// Files of the lab that it needs in the node's folder; none where nodes share this host's files.
    package var files: [FileContent] = []
    /// What it needs there besides, and others as well.
    package var kits: [NodeKit] = []

    package init(
        _ program: Program,
        environment: [String: String],
        secrets: [String: String] = [:],
        timeout: Duration?,
        grace: Duration = Defaults.grace,
        leftovers: Leftovers,
        outputLimit: Int64 = 8 << 20
    ) {
        self.program = program
        self.environment = environment
        self.secrets = secrets
        self.timeout = timeout
        self.grace = grace
        self.leftovers = leftovers
        self.outputLimit = outputLimit
    }
}

/// What commands need in a node's folder and is put there once, however many of them need it.
package enum NodeKit: Hashable, Sendable {
    case files([FileContent])
    /// A folder, from an archive at an absolute path of this host: see `Driver.unpack`.
    case folder(archive: String, to: String)
}

/// A file for a node's folder.
package struct FileContent: Hashable, Sendable {
    package enum Source: Hashable, Sendable {
        /// Absolute path on this host.
        case path(String)
        case bytes([UInt8])
    }
    package var source: Source
    /// Relative to the node's folder.
    package var to: String
    package var mode: UInt16
    package init(source: Source, to: String, mode: UInt16) {
        self.source = source
        self.to = to
        self.mode = mode
    }
}

/// What a driver reports by itself.
package enum DriverEvent: Hashable, Sendable {
    /// The node's server ended, or the node, its supervisor or the connection is gone.
    case lost(NodeID, reason: String)
}

extension Driver {
    /// Where what an operation has said on its control descriptor is on this host, once it has ended. Where there is no
    /// file it has said nothing.
    package func controlPath(of operation: OperationID, on node: NodeHandle) -> String {
        (outputPath(of: operation, on: node) as NSString).deletingLastPathComponent + "/" + SupervisorFiles.control
    }

    package var sharesFiles: Bool { true }
    package func close() async {}

    /// Runs a command when the files are on the node that it needs.
    package func runWithFiles(
        _ command: Command,
        on node: NodeHandle,
        operation: OperationID
    ) async throws(StepError) -> ProcessExit {
        if !command.files.isEmpty { try await put(command.files, on: node) }
        return try await run(command, on: node, operation: operation)
    }

    package func unpack(_ archive: String, as folder: String, on node: NodeHandle) async throws(StepError) {
        throw StepError(.refused, "\(node.name) has the files of this host: nothing is unpacked on it")
    }

    package func shellPlace(of node: NodeHandle) async throws(StepError) -> RemotePlace {
        var status = stat()
        guard stat(node.directory, &status) == 0 else { throw StepError(.lost, "\(node.name): its folder is gone") }
        return RemotePlace(
            connection: LocalConnection(),
            root: (node.directory as NSString).deletingLastPathComponent,
            folder: (node.directory as NSString).lastPathComponent,
            address: node.facts["address"] ?? "",
            lease: nil
        )
    }

    package var capabilities: Set<Capability> { [] }

    package func belongings() async -> Belongings { Belongings() }

    package func remove(_ belonging: Belonging, of node: NodeHandle) async throws(StepError) { try await destroy(node) }

    package func inventoryVariables(of node: NodeHandle) async throws(StepError) -> [String: String] {
        throw StepError(.refused, "ansible reaches no nodes of driver '\(kind)': use 'run' or 'script'")
    }

    package func perform(
        _ capability: Capability,
        on node: NodeHandle,
        operation: OperationID
    ) async throws(StepError) -> [String: String] {
        throw lacks(capability)
    }

    /// Why it does not do it.
    package func lacks(_ capability: Capability) -> StepError {
        StepError(.refused, "a node of driver '\(kind)' cannot \(capability.rawValue)")
    }

    package func powerOff(_ node: NodeHandle) async throws(StepError) {
        try await powerOff(node, grace: Defaults.grace)
    }
}
