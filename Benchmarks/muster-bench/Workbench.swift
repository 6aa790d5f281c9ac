import Foundation
import Logging
import MusterCore
import MusterDrivers
import MusterEngine
import MusterStore
import NIOPosix

/// A conductor over a state, as a command has one, for plans whose steps do nothing.
struct Workbench {
    struct Failure: Error, CustomStringConvertible { let description: String }

    let store: any Store
    let sqlite: SQLiteStore?
    let bell = Bell()
    /// Where people of this process wait for states of nodes; nil when nobody does.
    private let desk: WaitDesk?
    let conductor: Conductor

    /// Opens the state in `folder`, or one in memory. Requests that are to be found at once are put in by `prepare`.
    init(
        in folder: String,
        inMemory: Bool = false,
        host: (any ActionHost)? = nil,
        queues: [String: Int] = [:],
        waits: Bool = false,
        prepare: (any Store) throws -> Void = { _ in }
    ) throws {
        let state = StateDirectory(path: folder)
        if inMemory {
            sqlite = nil
            store = MemoryStore()
        } else {
            let opened = try SQLiteStore(path: state.database)
            sqlite = opened
            store = opened
        }
        try prepare(store)
        desk = waits ? try WaitDesk(store: store) : nil
        conductor = try Conductor(
            store: store,
            state: state,
            identity: ConductorCore.Identity(
                host: "bench",
                pid: getpid(),
                seed: 1,
                queues: host == nil ? nil : queues
            ),
            bell: bell,
            surroundings: CommandBuilder.Surroundings(environment: [:], secret: { _ in nil }),
            time: HostTime(),
            host: host,
            desk: desk,
            logger: Logger(label: "bench"),
            makeDrivers: { _ in [NoDriver()] }
        )
    }

    /// Of the file: it keeps the size that it once had.
    static func logSize(in folder: String) throws -> Int {
        let log = StateDirectory(path: folder).database + "-wal"
        return try FileManager.default.attributesOfItem(atPath: log)[.size] as? Int ?? 0
    }

    var waitingDesk: WaitDesk {
        get throws {
            guard let desk else { throw Failure(description: "nobody can wait here") }
            return desk
        }
    }

    /// Conducts until `body` is done.
    func conducting<Value: Sendable>(_ body: () async throws -> Value) async throws -> Value {
        let conductor = conductor
        let running = Task { try await conductor.run(group: MultiThreadedEventLoopGroup.singleton) }
        do {
            let value = try await body()
            conductor.stop()
            try await running.value
            return value
        } catch {
            conductor.stop()
            _ = await running.result
            throw error
        }
    }

    static func submission(
        _ token: String,
        _ steps: [PlanSubmission.Step],
        parallel: Int = 1_000_000
    ) -> PlanSubmission {
        var spec = RunSpec(verb: .plan, lab: "bench", labDirectory: "/bench")
        spec.parallel = parallel
        return PlanSubmission(token: token, spec: spec, steps: steps)
    }

    /// Submits a plan and waits until its end is stored.
    func finish(_ plan: consuming PlanSubmission) async throws {
        let wakeUps = bell.listen()
        let token = plan.token
        conductor.submit(consume plan)
        try await awaitEnd(of: token, wakeUps)
    }

    func awaitEnd(of token: String, _ wakeUps: AsyncStream<Int64>) async throws {
        for await _ in wakeUps {
            guard let row = try store.plan(request: token), row.state == .stopped else { continue }
            guard row.result == .success else { throw Failure(description: "\(token) ended with \(row.result)") }
            return
        }
        throw Failure(description: "the conductor ended before \(token) did")
    }
}

/// For plans without machines.
struct NoDriver: Driver {
    let kind = "process"
    private static let none = StepError(.lost, "there are no machines here")
    func create(
        _ node: NodeHandle,
        operation: OperationID,
        server: Command?
    ) async throws(StepError) -> [String: String] {
        throw Self.none
    }
    func run(_ command: Command, on node: NodeHandle, operation: OperationID) async throws(StepError) -> ProcessExit {
        throw Self.none
    }
    func status(of operation: OperationID, on node: NodeHandle) async throws(StepError) -> OperationStatus {
        .neverStarted
    }
    func attach(to operation: OperationID, on node: NodeHandle) async throws(StepError) -> ProcessExit {
        throw Self.none
    }
    func running(on node: NodeHandle) async throws(StepError) -> [OperationID] { [] }
    func end(_ operation: OperationID, on node: NodeHandle, grace: Duration) async throws(StepError) {}
    func put(_ files: [FileContent], on node: NodeHandle) async throws(StepError) { throw Self.none }
    func probe(_ probe: ReadyCondition.Probe, on node: NodeHandle, within: Duration) async throws(StepError) {
        throw Self.none
    }
    var rungs: Set<Rung> { [] }
    func powerOff(_ node: NodeHandle, grace: Duration) async throws(StepError) { throw Self.none }
    func powerOn(_ node: NodeHandle, operation: OperationID) async throws(StepError) { throw Self.none }
    func destroy(_ node: NodeHandle) async throws(StepError) {}
    func watch(_ node: NodeHandle) async throws(StepError) {}
    func outputPath(of operation: OperationID, on node: NodeHandle) -> String { "" }
}

extension Conductor {
    /// Submits a run, and waits until it has stopped: how long that took.
    ///
    /// - Throws: when it did not succeed.
    func finish(_ token: String, _ spec: RunSpec, _ bell: Bell, _ store: any Store) async throws -> Duration {
        let wakeUps = bell.listen()
        let begin = ContinuousClock.now
        submit(PlanSubmission(token: token, spec: spec, steps: []))
        for await _ in wakeUps {
            guard let row = try store.plan(request: token), row.state == .stopped else { continue }
            guard row.result == .success else {
                throw Workbench.Failure(description: "\(token) ended with \(row.result)")
            }
            break
        }
        return begin.duration(to: .now)
    }
}
