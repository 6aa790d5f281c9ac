package import MusterCore
package import MusterDrivers
import MusterEngine
import Synchronization

/// A driver of machines that do not exist. It answers at once, as its script says, remembers operations as a supervisor
/// does, and knows whether anything was done twice or in a wrong order.
package final class ScriptedDriver: Driver {
    package let kind = "process"

    /// What a command comes to; by its text and how often it was asked before.
    package typealias Script = @Sendable (_ command: String, _ time: Int) -> ProcessExit

    private struct State {
        var ended: [OperationID: ProcessExit] = [:]
        var nodes: [NodeID: String] = [:]
        var runs: [OperationID: Int] = [:]
        var times: [String: Int] = [:]
        var log: [String] = []
        var watched: Set<NodeID> = []
        /// Commands that do not end yet, and who waits for the end of one.
        var held: Set<String> = []
        var waiting: [OperationID: [Int: CheckedContinuation<Void, Never>]] = [:]
        var running: [OperationID: String] = [:]
        /// Where each operation was begun.
        var places: [OperationID: NodeID] = [:]
        var lastWaiter = 0
        /// Commands of which it does not tell what became of them.
        var doubted: Set<String> = []
        /// How many ends it refuses.
        var endsRefused = 0
    }
    private let state = Mutex(State())
    private let changed = Bell()
    private let script: Script

    /// What it cannot do to nodes as a whole.
    private let lacking: Set<Capability>

    package static let allRungs: Set<Rung> = [.soft, .hard, .powerCycle, .powerOn, .powerOff]

    package init(
        lacking: Set<Capability> = [],
        rungs: Set<Rung> = ScriptedDriver.allRungs,
        script: @escaping Script = { _, _ in ScriptedDriver.exit(0) }
    ) {
        self.lacking = lacking
        self.rungs = rungs
        self.script = script
    }

    package static func exit(_ status: Int) -> ProcessExit {
        ProcessExit(status: status, startedAt: Timestamp(rawValue: 0), endedAt: Timestamp(rawValue: 0))
    }

    /// What was done, in order: `create app/0`, `run ./x on app/0`, `destroy app/0`.
    package var log: [String] { state.withLock { $0.log } }

    /// Waits until the log is as wanted. What a driver does follows the turn that decided it, so the conductor's bell
    /// does not tell of it.
    package func logged(_ isWanted: @Sendable ([String]) -> Bool) async {
        let changes = changed.listen()
        if isWanted(log) { return }
        for await _ in changes where isWanted(log) { return }
    }
    /// Nodes that exist.
    package var nodes: [String] { state.withLock { $0.nodes.values.sorted() } }
    /// A command of this text goes on until it is released.
    package func hold(_ text: String) {
        state.withLock { state in _ = state.held.insert(text) }
    }

    package func release(_ text: String) {
        let waiters = state.withLock { state in
            state.held.remove(text)
            let ended = state.running.filter { $0.value == text }.map(\.key)
            for operation in ended { state.running[operation] = nil }
            return ended.flatMap { state.waiting.removeValue(forKey: $0)?.values.map { $0 } ?? [] }
        }
        for waiter in waiters { waiter.resume() }
    }

    /// From now on nobody can tell what became of commands of this text, until it is begun again.
    package func doubt(_ text: String) {
        state.withLock { state in _ = state.doubted.insert(text) }
    }

    /// Ends nothing the next times that it is asked to.
    package func refuseEnds(_ count: Int) { state.withLock { $0.endsRefused = count } }

    /// Waits until an operation does not run any more, or the task is cancelled.
    private func end(of operation: OperationID) async {
        let number = state.withLock { state in
            state.lastWaiter += 1
            return state.lastWaiter
        }
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let isOver = state.withLock { state in
                    guard state.running[operation] != nil, !Task.isCancelled else { return true }
                    state.waiting[operation, default: [:]][number] = continuation
                    return false
                }
                if isOver { continuation.resume() }
            }
        } onCancel: {
            state.withLock { $0.waiting[operation]?.removeValue(forKey: number) }?.resume()
        }
    }

    /// An operation has ended like this, also one that this driver never began.
    package func record(_ exit: ProcessExit, of operation: OperationID) {
        state.withLock { $0.ended[operation] = exit }
    }

    /// Operations whose command was really started more than once.
    package var startedTwice: [OperationID] {
        state.withLock { state in state.runs.filter { $0.value > 1 }.map(\.key) }
    }

    package func create(
        _ node: NodeHandle,
        operation: OperationID,
        server: Command?
    ) async throws(StepError) -> [String: String] {
        state.withLock { state in
            if state.nodes[node.id] == nil { state.log.append("create \(node.name)") }
            state.nodes[node.id] = node.name.description
        }
        changed.ring(0)
        return ["address": "127.64.0.\(node.id.rawValue)"]
    }

    package func run(
        _ command: Command,
        on node: NodeHandle,
        operation: OperationID
    ) async throws(StepError) -> ProcessExit {
        let text =
            switch command.program {
            case .shell(let text): text
            case .arguments(let words): words.joined(separator: " ")
            }
        let exit: ProcessExit? = state.withLock { state in
            guard state.nodes[node.id] != nil else { return nil }
            if let exit = state.ended[operation] { return exit }
            let time = state.times[text, default: 0]
            state.times[text] = time + 1
            state.runs[operation, default: 0] += 1
            state.log.append("run \(text) on \(node.name)")
            state.places[operation] = node.id
            state.doubted.remove(text)
            let exit = script(text, time)
            state.ended[operation] = exit
            if state.held.contains(text) { state.running[operation] = text }
            return exit
        }
        changed.ring(0)
        guard let exit else { throw StepError(.lost, "\(node.name) does not exist") }
        await end(of: operation)
        if Task.isCancelled { throw StepError(.cancelled, "nobody waits for it any more") }
        return state.withLock { $0.ended[operation] } ?? exit
    }

    package func status(
        of operation: OperationID,
        on node: NodeHandle
    ) async throws(StepError) -> OperationStatus {
        state.withLock { state in
            if let text = state.running[operation] {
                return state.doubted.contains(text) ? .unknown("nobody can tell") : .running
            }
            return state.ended[operation].map { .ended($0) } ?? .neverStarted
        }
    }

    package func attach(to operation: OperationID, on node: NodeHandle) async throws(StepError) -> ProcessExit {
        guard let exit = state.withLock({ $0.ended[operation] }) else {
            throw StepError(.unknown, "\(operation) was never started")
        }
        await end(of: operation)
        if Task.isCancelled { throw StepError(.cancelled, "nobody waits for it any more") }
        return state.withLock { $0.ended[operation] } ?? exit
    }

    package func running(on node: NodeHandle) async throws(StepError) -> [OperationID] {
        state.withLock { state in
            state.running.keys.filter { state.places[$0] == node.id }.sorted { $0.description < $1.description }
        }
    }

    package func end(_ operation: OperationID, on node: NodeHandle, grace: Duration) async throws(StepError) {
        let waiters: [CheckedContinuation<Void, Never>]? = state.withLock { state in
            if state.endsRefused > 0 {
                state.endsRefused -= 1
                return nil
            }
            guard let text = state.running.removeValue(forKey: operation) else { return [] }
            state.log.append("end \(text) on \(node.name)")
            state.ended[operation] = ProcessExit(
                signal: 15,
                interrupted: true,
                startedAt: Timestamp(rawValue: 0),
                endedAt: Timestamp(rawValue: 0)
            )
            return state.waiting.removeValue(forKey: operation)?.values.map { $0 } ?? []
        }
        guard let waiters else { throw StepError(.refused, "it ends nothing now") }
        for waiter in waiters { waiter.resume() }
        changed.ring(0)
    }
    package func put(_ files: [FileContent], on node: NodeHandle) async throws(StepError) {}
    package func probe(
        _ probe: ReadyCondition.Probe,
        on node: NodeHandle,
        within: Duration
    ) async throws(StepError) {}
    package let rungs: Set<Rung>

    /// It comes to what the script says of `power off` and `power on`.
    package func powerOff(_ node: NodeHandle, grace: Duration) async throws(StepError) {
        try power("power off", node)
    }

    package func powerOn(_ node: NodeHandle, operation: OperationID) async throws(StepError) {
        try power("power on", node)
    }

    private func power(_ text: String, _ node: NodeHandle) throws(StepError) {
        let exit = state.withLock { state in
            let time = state.times[text, default: 0]
            state.times[text] = time + 1
            state.log.append("\(text) \(node.name)")
            return script(text, time)
        }
        changed.ring(0)
        if let error = exit.error { throw StepError(.refused, "\(text): \(error.message)") }
    }

    package var capabilities: Set<Capability> { Set(Capability.allCases).subtracting(lacking) }

    /// It comes to what the script says of a command of the capability's name.
    package func perform(
        _ capability: Capability,
        on node: NodeHandle,
        operation: OperationID
    ) async throws(StepError) -> [String: String] {
        guard capabilities.contains(capability) else { throw lacks(capability) }
        let command = Command(.shell(capability.rawValue), environment: [:], timeout: nil, leftovers: .end)
        if let error = try await run(command, on: node, operation: operation).error { throw error }
        return capability == .inspect ? ["cpus": "4"] : [:]
    }

    package func destroy(_ node: NodeHandle) async throws(StepError) {
        state.withLock { state in
            if state.nodes.removeValue(forKey: node.id) != nil { state.log.append("destroy \(node.name)") }
        }
        changed.ring(0)
    }

    package func belongings() async -> Belongings {
        let nodes = state.withLock { $0.nodes }
        return Belongings(
            found: nodes.sorted { $0.key < $1.key }.map { id, name in
                Belonging(
                    driver: kind,
                    name: "machine-\(id.rawValue)",
                    lab: "",
                    node: id,
                    nodeName: name,
                    operation: nil,
                    status: "running"
                )
            }
        )
    }

    package func watch(_ node: NodeHandle) async throws(StepError) {
        state.withLock { state in _ = state.watched.insert(node.id) }
    }

    package func outputPath(of operation: OperationID, on node: NodeHandle) -> String { "" }
}
