public import Foundation
import Logging
import Metrics
import MusterCore
package import MusterEngine
package import MusterStore
import NIOPosix
import Synchronization
import Tracing

/// The durable plans of a program.
///
/// ```swift
/// let plans = try Plans(name: "orders", state: "/var/lib/orders")
/// plans.register(ChargeCard(client: client), ShipParcel())
/// async let performing: Void = plans.run()
/// let order = try await plans.start(PlaceOrder.self, .init(item: "book"))
/// print(try await order.result())
/// ```
///
/// What was started survives every crash: the next program that runs with the same name and state goes on with it.
/// Several processes may use one state; one of them performs, and when it ends another one takes over. `muster runs`,
/// `status`, `why`, `retry` and so on, with `--state`, show and steer the plans from outside.
public final class Plans: Sendable {
    /// Under which the plans are stored: a program's plans are performed by programs of its name.
    public let name: String
    package let host: RegisteredActions
    package let store: any Store
    let state: StateDirectory
    let options: Options
    let time: any TimeSource
    package let bell = Bell()
    let telemetry: Telemetry
    private let seat = Mutex(Seat())
    private let queue: StateLockQueue

    /// What this process does in its state.
    private struct Seat {
        var conductor: (any PlanPerformer)?
        var isRunning = false
        var isStopping = false
        /// Ends the wait for the state's lock.
        var stopWaiting: (@Sendable () -> Void)?
    }

    /// Opens a state, and makes it where there is none.
    ///
    /// - Parameters:
    ///   - name: `[a-z][a-z0-9-]*`, at most 32 characters.
    ///   - state: a folder of this program's own; readable by its owner only.
    /// - Throws: `PlanError` when the state cannot be used.
    public convenience init(name: String, state: URL, options: Options = Options()) throws {
        let directory = StateDirectory(path: state.standardizedFileURL.path)
        do {
            try directory.create()
            var storeOptions = SQLiteStore.Options()
            let logger = options.logger
            storeOptions.checkpointFailed = { logger.error("the log stays as it is for now: \($0)") }
            let store = try SQLiteStore(path: directory.database, options: storeOptions)
            try self.init(name: name, store: store, state: directory, options: options, time: HostTime())
        } catch let error as StoreError {
            throw PlanError(.state, error.message)
        } catch let error as StateError {
            throw PlanError(.state, error.description)
        }
    }

    /// Opens a state in the folder of a path, and makes it where there is none.
    public convenience init(name: String, state: String, options: Options = Options()) throws {
        try self.init(name: name, state: URL(fileURLWithPath: state), options: options)
    }

    /// - Parameter standIn: answers calls instead of the registered actions, in tests.
    package init(
        name: String,
        store: any Store,
        state: StateDirectory,
        options: Options,
        time: any TimeSource,
        standIn: RegisteredActions.StandIn? = nil
    ) throws {
        let letters = name.utf8
        guard (1...32).contains(letters.count), letters.first.map({ (97...122).contains($0) }) == true,
            letters.allSatisfy({ (97...122).contains($0) || (48...57).contains($0) || $0 == 45 })
        else {
            throw PlanError(.state, "a program is named [a-z][a-z0-9-]*, at most 32 characters, not '\(name)'")
        }
        self.name = name
        self.store = store
        self.state = state
        self.options = options
        self.time = time
        // What nobody listens to is not told.
        let metrics = options.metrics ?? MetricsSystem.factory
        let tracer = options.tracer ?? InstrumentationSystem.tracer
        telemetry = Telemetry(
            program: name,
            metrics: metrics is NOOPMetricsHandler ? nil : metrics,
            tracer: tracer is NoOpTracer ? nil : tracer,
            now: { time.now() }
        )
        var logger = options.logger
        logger[metadataKey: "program"] = "\(name)"
        host = RegisteredActions(
            RegisteredActions.Settings(
                program: name,
                valueSizeLimit: options.valueSizeLimit,
                middleware: options.middleware,
                logger: logger,
                telemetry: telemetry,
                standIn: standIn
            )
        )
        queue = StateLockQueue(state)
    }

    // MARK: Registering

    /// Registers actions, each under its name. Before `run()`.
    public func register<each Added: PlanAction>(_ actions: repeat each Added) {
        for action in repeat each actions { register(type(of: action)) { action } }
    }

    /// Registers an action that is made anew for each call.
    public func register<Added: PlanAction>(_ type: Added.Type, _ make: @escaping @Sendable () -> Added) {
        host.register(type, make)
    }

    // MARK: Performing

    /// Performs the plans of this name until `stop()` is called or the task is cancelled.
    ///
    /// While another process performs it waits, and takes over at the moment that one is gone.
    ///
    /// - Throws: `PlanError` when the state cannot be used any more. Nothing is lost by it.
    public func run() async throws {
        let isFirst = seat.withLock { seat in
            defer { seat.isRunning = true }
            return !seat.isRunning
        }
        guard isFirst else { throw PlanError(.refused, "the plans of '\(name)' are performed by this process already") }
        defer { seat.withLock { $0 = Seat() } }
        do {
            guard let lock = try await takeLock() else { return }
            defer { lock.release() }
            try await conduct()
        } catch let error as StoreError {
            throw PlanError(.state, error.message)
        } catch let error as StateError {
            throw PlanError(.state, error.description)
        }
    }

    /// Ends `run()`: nothing new begins, and what comes of calls that are under way is stored.
    ///
    /// Those that have not ended within `Options.stopGrace` are told to end by the cancellation of their tasks, and
    /// waited for; whoever runs next treats them as their `recovery` says, and goes on with what is left.
    public func stop() {
        let (conductor, stopWaiting) = seat.withLock { seat in
            seat.isStopping = seat.isRunning
            return (seat.conductor, seat.stopWaiting)
        }
        conductor?.stop()
        stopWaiting?()
    }

    /// The right to perform; nil when it is not wanted any more.
    private func takeLock() async throws -> StateLock? {
        if let lock = try StateLock.take(state) { return lock }
        options.logger.info("another process performs the plans of \(state.path); waiting for its end")
        let (grants, continuation) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
        try queue.join { continuation.yield() }
        defer { queue.leave() }
        let isStopping = seat.withLock { seat in
            seat.stopWaiting = { continuation.finish() }
            return seat.isStopping
        }
        if isStopping { return nil }
        for await _ in grants { if let lock = queue.take() { return lock } }
        return nil
    }

    private func conduct() async throws {
        let conductor = try Conductor(
            store: store,
            state: state,
            identity: identity(host: Surroundings.host, pid: getpid(), seed: Surroundings.seed()),
            bell: bell,
            surroundings: CommandBuilder.Surroundings(environment: [:], secret: { _ in nil }),
            time: time,
            host: host,
            cleaning: options.cleaning?.policy,
            grace: options.stopGrace,
            logger: options.logger,
            // A program's state has no machines.
            makeDrivers: { _ in [] }
        )
        host.starter.withLock { $0 = ConductingStarter(plans: self) }
        let isStopping = seat.withLock { seat in
            seat.conductor = conductor
            return seat.isStopping
        }
        if isStopping || Task.isCancelled { conductor.stop() }
        let follower = HookFollower(self)
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { await follower.run() }
            defer {
                seat.withLock { $0.conductor = nil }
                host.starter.withLock { $0 = nil }
                // Who began to listen since the conductor's end looks for another one.
                bell.fallSilent()
                group.cancelAll()
            }
            try await withTaskCancellationHandler {
                try await conductor.run(group: MultiThreadedEventLoopGroup.singleton)
            } onCancel: {
                conductor.stop()
            }
        }
    }

    /// How a conductor of these plans presents itself.
    package func identity(host: String, pid: Int32, seed: UInt64) -> ConductorCore.Identity {
        ConductorCore.Identity(
            host: host,
            pid: pid,
            seed: seed,
            queues: options.queues,
            limits: options.limits.sorted { $0.key < $1.key }.map { $0.value.row($0.key) }
        )
    }

    /// The conductor of this process, while there is one.
    var conductor: (any PlanPerformer)? { seat.withLock { $0.conductor } }

    /// Has these plans performed by something else than `run()`, for good: an engine of tests.
    package func give(to performer: any PlanPerformer) {
        seat.withLock { $0 = Seat(conductor: performer, isRunning: true) }
        host.starter.withLock { $0 = ConductingStarter(plans: self) }
    }
}
