import Foundation
import MusterCore
import MusterDrivers
import Synchronization

/// What calls of drivers have cost: which node, what for, from when to when.
final class CallLog: Sendable {
    struct Call: Sendable {
        let node: NodeName
        let work: String
        let begin: ContinuousClock.Instant
        let end: ContinuousClock.Instant
        var seconds: Double { begin.duration(to: end).inSeconds }
    }

    private struct State {
        var calls: [Call] = []
        var filesMax = 0
        var filesLooked = ContinuousClock.now
    }

    private let state = Mutex(State())

    var calls: [Call] { state.withLock { $0.calls } }
    /// The most descriptors that this process had open when a call had ended.
    var filesMax: Int { state.withLock { $0.filesMax } }

    func measure<Value>(
        _ node: NodeHandle,
        _ work: String,
        _ body: () async throws(StepError) -> Value
    ) async throws(StepError) -> Value {
        let begin = ContinuousClock.now
        defer { note(Call(node: node.name, work: work, begin: begin, end: .now)) }
        return try await body()
    }

    private func note(_ call: Call) {
        let looks = state.withLock { state in
            state.calls.append(call)
            guard state.filesLooked.duration(to: call.end) > .milliseconds(5) else { return false }
            state.filesLooked = call.end
            return true
        }
        // Not with every call: to look costs as much as a small one.
        guard looks else { return }
        let files = (try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd").count) ?? 0
        state.withLock { $0.filesMax = max($0.filesMax, files) }
    }
}

/// A driver whose calls that make nodes are measured.
struct MeasuredDriver: Driver {
    let inner: any Driver
    let log: CallLog

    var kind: String { inner.kind }
    var sharesFiles: Bool { inner.sharesFiles }
    var rungs: Set<Rung> { inner.rungs }
    var capabilities: Set<Capability> { inner.capabilities }

    func create(
        _ node: NodeHandle,
        operation: OperationID,
        server: Command?
    ) async throws(StepError) -> [String: String] {
        try await log.measure(node, "create") { () async throws(StepError) in
            try await inner.create(node, operation: operation, server: server)
        }
    }

    func run(_ command: Command, on node: NodeHandle, operation: OperationID) async throws(StepError) -> ProcessExit {
        try await log.measure(node, "run") { () async throws(StepError) in
            try await inner.run(command, on: node, operation: operation)
        }
    }

    func destroy(_ node: NodeHandle) async throws(StepError) {
        try await log.measure(node, "destroy") { () async throws(StepError) in try await inner.destroy(node) }
    }

    func status(of operation: OperationID, on node: NodeHandle) async throws(StepError) -> OperationStatus {
        try await inner.status(of: operation, on: node)
    }
    func attach(to operation: OperationID, on node: NodeHandle) async throws(StepError) -> ProcessExit {
        try await inner.attach(to: operation, on: node)
    }
    func running(on node: NodeHandle) async throws(StepError) -> [OperationID] { try await inner.running(on: node) }
    func end(_ operation: OperationID, on node: NodeHandle, grace: Duration) async throws(StepError) {
        try await inner.end(operation, on: node, grace: grace)
    }
    func put(_ files: [FileContent], on node: NodeHandle) async throws(StepError) {
        try await inner.put(files, on: node)
    }
    func probe(_ probe: ReadyCondition.Probe, on node: NodeHandle, within: Duration) async throws(StepError) {
        try await inner.probe(probe, on: node, within: within)
    }
    func powerOff(_ node: NodeHandle, grace: Duration) async throws(StepError) {
        try await inner.powerOff(node, grace: grace)
    }
    func powerOn(_ node: NodeHandle, operation: OperationID) async throws(StepError) {
        try await inner.powerOn(node, operation: operation)
    }
    func perform(
        _ capability: Capability,
        on node: NodeHandle,
        operation: OperationID
    ) async throws(StepError) -> [String: String] {
        try await inner.perform(capability, on: node, operation: operation)
    }
    func watch(_ node: NodeHandle) async throws(StepError) { try await inner.watch(node) }
    func close() async { await inner.close() }
    func belongings() async -> Belongings { await inner.belongings() }
    func remove(_ belonging: Belonging, of node: NodeHandle) async throws(StepError) {
        try await inner.remove(belonging, of: node)
    }
    func outputPath(of operation: OperationID, on node: NodeHandle) -> String {
        inner.outputPath(of: operation, on: node)
    }
}

/// The least time that calls can take which took so long each: those of a node one after the other, a group's when all
/// groups it needs are up, and so many at once.
struct CriticalPath {
    /// Each after all it needs.
    let groups: [GroupSpec]
    /// Seconds of each node's calls, in order.
    let work: [NodeName: [Double]]
    let parallel: Int

    private struct Task {
        let node: Int
        let end: Double
    }

    func seconds() -> Double {
        let nodes = groups.flatMap { group in (0..<group.count).map { NodeName(group: group.name, index: $0) } }
        let indices = Dictionary(uniqueKeysWithValues: groups.enumerated().map { ($1.name, $0) })
        let needs = groups.map { group in group.needs.compactMap { indices[$0.group] } }
        var left = groups.map(\.count)
        var next = [Int](repeating: 0, count: nodes.count)
        let home = nodes.map { indices[$0.group] ?? 0 }
        var isOpen = [Bool](repeating: false, count: groups.count)
        var waiting: [Int] = []
        var running: [Task] = []
        var now = 0.0
        func open() {
            for group in groups.indices where !isOpen[group] && needs[group].allSatisfy({ left[$0] == 0 }) {
                isOpen[group] = true
                waiting += nodes.indices.filter { home[$0] == group }
            }
        }
        open()
        while true {
            while running.count < parallel, !waiting.isEmpty {
                let node = waiting.removeFirst()
                let calls = work[nodes[node]] ?? []
                let length = next[node] < calls.count ? calls[next[node]] : 0
                running.append(Task(node: node, end: now + length))
            }
            guard let index = running.indices.min(by: { running[$0].end < running[$1].end }) else { return now }
            let task = running.remove(at: index)
            now = task.end
            next[task.node] += 1
            if next[task.node] < (work[nodes[task.node]] ?? []).count {
                waiting.insert(task.node, at: 0)
            } else {
                left[home[task.node]] -= 1
                if left[home[task.node]] == 0 { open() }
            }
        }
    }
}
