import MusterCore
import MusterEngine
import MusterPlans
import MusterStore
import MusterTestKit
import Synchronization

/// The conductor of a test: its core without a thread. Whoever puts something in takes the turn.
final class EngineRoom: PlanPerformer, Sendable {
    /// A call that was begun and has not ended.
    private struct UnderWay {
        let call: ActionCall
        var task: Task<Void, Never>?
        /// It was told to end before it had a task.
        var isCancelled = false
        /// It waits for its cancellation, and holds nobody up.
        var isHanging = false
    }

    private struct State {
        /// Rises with each crash: what is heard of earlier ones is dropped.
        var generation: UInt64 = 1
        var inbox: [Inbox.Item] = []
        var turns = 0
        var underWay: [ActionCall.ID: UnderWay] = [:]
        var waiting: [ActionCall.ID] = []
        /// Calls that are being made and hold the next ones up.
        var performing = 0
        var plannings: [PlanID: Task<Void, Never>?] = [:]
        var calls: [PlanCall] = []
        var failure: StoreError?
        var idlers: [CheckedContinuation<Void, Never>] = []

        var isBusy: Bool {
            turns > 0 || performing > 0 || !(inbox.isEmpty && waiting.isEmpty && plannings.isEmpty)
        }
    }

    private let store: any Store
    private let host: RegisteredActions
    private let bell: Bell
    private let time: ManualTime
    private let callsAtOnce: Int
    private let makeCore: @Sendable (UInt64) throws(StoreError) -> ConductorCore
    private let core: Mutex<ConductorCore>
    private let state = Mutex(State())

    init(_ plans: Plans, time: ManualTime, callsAtOnce: Int) throws(StoreError) {
        store = plans.store
        host = plans.host
        bell = plans.bell
        self.time = time
        self.callsAtOnce = callsAtOnce
        makeCore = { generation throws(StoreError) in
            // Chance is the same in each test: by it retries are scattered.
            let identity = plans.identity(host: "test", pid: 1, seed: generation)
            return try ConductorCore(store: plans.store, identity: identity, time: time)
        }
        core = Mutex(try makeCore(1))
    }

    // MARK: Asking

    func submit(_ plan: consuming PlanSubmission) { put(.event(.submitted(plan))) }
    func poke() { put(.requestsArrived) }
    /// It ends with its test.
    func stop() {}

    /// Time has passed.
    func wake() { turn(always: true) }

    /// When the next timer is due.
    func nextDue() -> Timestamp? { core.withLock { $0.timeToNextTimer() }.map { time.now() + $0 } }

    var calls: [PlanCall] { state.withLock { $0.calls } }
    var isBusy: Bool { state.withLock { $0.isBusy } }

    /// Waits until nothing goes on any more but what hangs.
    func idle() async throws(TestEngineError) {
        await withCheckedContinuation { continuation in
            let isIdle = state.withLock { state in
                if state.isBusy { state.idlers.append(continuation) }
                return !state.isBusy
            }
            if isIdle { continuation.resume() }
        }
        if let failure = state.withLock({ $0.failure }) { throw TestEngineError("the engine failed: \(failure)") }
    }

    // MARK: Turns

    /// - Parameter generation: of whom it is heard; nil for what comes from outside.
    private func put(_ item: Inbox.Item, of generation: UInt64? = nil) {
        state.withLock { state in
            if generation == nil || generation == state.generation { state.inbox.append(item) }
        }
        turn()
    }

    /// Takes turns until nothing is left to decide.
    private func turn(always: Bool = false) {
        change { $0.turns += 1 }
        let (tasks, position) = core.withLock { core in
            let tasks = turn(&core, always: always)
            return (tasks, core.position)
        }
        // What a cancelled call does at once may lead back here.
        for task in tasks { task.cancel() }
        bell.ring(position)
        change { $0.turns -= 1 }
    }

    /// - Returns: calls that are to be told to end.
    private func turn(_ core: inout ConductorCore, always: Bool) -> [Task<Void, Never>] {
        var isWanted = always
        var cancelled: [Task<Void, Never>] = []
        while true {
            let items = state.withLock { state in
                defer { state.inbox = [] }
                return state.inbox
            }
            guard isWanted || !items.isEmpty || core.timeToNextTimer() == .zero else { break }
            isWanted = false
            do throws(StoreError) {
                for directive in try core.takeTurn(items) {
                    if let task = perform(directive, core.director) { cancelled.append(task) }
                }
            } catch {
                state.withLock { $0.failure = error }
                break
            }
        }
        return cancelled
    }

    private func perform(_ directive: Directive, _ director: borrowing Director) -> Task<Void, Never>? {
        switch directive {
        case .call(let call): begin(call)
        case .cancelCall(let id, _): return cancel(id)
        case .inquireCall(let id):
            state.withLock { state in
                state.inbox.append(.event(.callFound(id, isUnderWay: state.underWay[id] != nil)))
            }
        case .plan(let id): if let program = director.program(id)?.program { plan(program, of: id) }
        // There are no machines, and the core asks the store.
        case .perform, .inquire, .interrupt, .watch, .survey, .lookUp, .node, .errand: break
        }
        return nil
    }

    /// Changes what goes on, and tells those who wait for nothing to go on.
    private func change(_ body: (inout State) -> Void) {
        let idlers = state.withLock { state -> [CheckedContinuation<Void, Never>] in
            body(&state)
            guard !state.isBusy else { return [] }
            defer { state.idlers = [] }
            return state.idlers
        }
        for idler in idlers { idler.resume() }
    }

    // MARK: Calls

    private func begin(_ call: ActionCall) {
        change { state in
            guard state.underWay[call.id] == nil else { return }
            state.underWay[call.id] = UnderWay(call: call)
            state.waiting.append(call.id)
            makeWay(&state)
        }
    }

    /// Begins calls while there is room.
    private func makeWay(_ state: inout State) {
        while state.performing < callsAtOnce, !state.waiting.isEmpty {
            let id = state.waiting.removeFirst()
            guard let waiting = state.underWay[id] else { continue }
            state.performing += 1
            state.calls.append(PlanCall(waiting.call))
            let (call, generation) = (waiting.call, state.generation)
            // Awaited in `idle()`, by its end.
            let task = Task { [self] in
                let end = await host.perform(call, in: context(of: call, generation))
                ended(id, end, generation)
            }
            state.underWay[id]?.task = task
            if waiting.isCancelled { task.cancel() }
        }
    }

    private func context(of call: ActionCall, _ generation: UInt64) -> CallContext {
        let operation = OperationID(state: store.stateName, step: call.id.step, attempt: Int(call.id.number))
        return CallContext(
            operation: operation,
            now: { [time] in time.now() },
            write: { [self] text in put(.event(.wrote(call.id, text)), of: generation) }
        )
    }

    private func ended(_ id: ActionCall.ID, _ end: CallEnd, _ generation: UInt64) {
        let holdsUp = state.withLock { state in
            guard state.generation == generation else { return false }
            return state.underWay.removeValue(forKey: id)?.isHanging == false
        }
        put(.event(.callEnded(id, end)), of: generation)
        change { state in
            guard holdsUp, state.generation == generation else { return }
            state.performing -= 1
            makeWay(&state)
        }
    }

    private func cancel(_ id: ActionCall.ID) -> Task<Void, Never>? {
        state.withLock { state in
            guard let call = state.underWay[id] else { return nil }
            state.underWay[id]?.isCancelled = true
            // From now on its end is waited for.
            if call.isHanging {
                state.underWay[id]?.isHanging = false
                state.performing += 1
            }
            return call.task
        }
    }

    /// A call that does nothing until it is cancelled. It holds no other up.
    func hang(_ id: ActionCall.ID) async throws {
        change { state in
            guard !Task.isCancelled, state.underWay[id]?.isCancelled == false else { return }
            state.underWay[id]?.isHanging = true
            state.performing -= 1
            makeWay(&state)
        }
        let (never, continuation) = AsyncStream.makeStream(of: Void.self)
        for await _ in never {}
        continuation.finish()
        throw CancellationError()
    }

    private func plan(_ program: ProgramSpec, of id: PlanID) {
        change { state in
            guard state.plannings[id] == nil else { return }
            let generation = state.generation
            // As above.
            state.plannings[id] = Task { [self] in
                let result = await host.plan(program, of: id)
                put(.event(.planned(id, result)), of: generation)
                change { if $0.generation == generation { $0.plannings[id] = nil } }
            }
        }
    }

    // MARK: Crashes

    /// All that only a process knows is lost, and another one begins.
    ///
    /// - Parameter down: what happens while nobody performs.
    func crash(down: () -> Void = {}) {
        change { $0.turns += 1 }
        let lost = core.withLock { core in
            let (generation, lost) = state.withLock { state in
                let lost = state.underWay.values.compactMap(\.task) + state.plannings.values.compactMap(\.self)
                state.generation += 1
                (state.underWay, state.waiting, state.plannings, state.inbox) = ([:], [], [:], [])
                state.performing = 0
                return (state.generation, lost)
            }
            down()
            do throws(StoreError) {
                core = try makeCore(generation)
            } catch {
                state.withLock { $0.failure = error }
            }
            return lost + turn(&core, always: true)
        }
        for task in lost { task.cancel() }
        bell.ring(core.withLock { $0.position })
        change { $0.turns -= 1 }
    }
}
