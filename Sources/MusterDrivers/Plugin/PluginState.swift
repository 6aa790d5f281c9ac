import MusterCore
import Synchronization

/// What the driver remembers.
final class PluginState: Sendable {
    private struct Watched {
        var id: NodeID
        var isTold = false
        /// Follows what the plug-in itself sees.
        var task: Task<Void, Never>?
    }

    private struct Values {
        var descriptions: [[String]: PluginAnswer.Description] = [:]
        var gates: [String: Gate] = [:]
        /// By the nodes' folders.
        var watched: [String: Watched] = [:]
        /// Nodes that were watched when they were switched off.
        var paused: Set<String> = []
        var lastRequest = 0
    }

    private let values = Mutex(Values())

    func nextRequest() -> Int {
        values.withLock { values in
            values.lastRequest += 1
            return values.lastRequest
        }
    }

    func description(_ command: [String]) -> PluginAnswer.Description? {
        values.withLock { $0.descriptions[command] }
    }

    func note(_ description: PluginAnswer.Description, _ command: [String]) {
        values.withLock { $0.descriptions[command] = description }
    }

    func gate(_ directory: String) -> Gate {
        values.withLock { values in
            if let gate = values.gates[directory] { return gate }
            let gate = Gate(1)
            values.gates[directory] = gate
            return gate
        }
    }

    /// Whether a loss is to be told: once, and only while the node is watched.
    func tellsLoss(of id: NodeID) -> Bool {
        values.withLock { values in
            guard let directory = values.watched.first(where: { $0.value.id == id })?.key else { return false }
            if values.watched[directory]?.isTold == true { return false }
            values.watched[directory]?.isTold = true
            return true
        }
    }

    func watch(_ node: NodeHandle) {
        let former = values.withLock { $0.watched.updateValue(Watched(id: node.id), forKey: node.directory) }
        former?.task?.cancel()
    }

    func follow(_ node: NodeHandle, _ task: Task<Void, Never>) {
        let isWanted = values.withLock { values in
            guard values.watched[node.directory] != nil else { return false }
            values.watched[node.directory]?.task = task
            return true
        }
        if !isWanted { task.cancel() }
    }

    func unwatch(_ node: NodeHandle) {
        values.withLock { $0.watched.removeValue(forKey: node.directory) }?.task?.cancel()
    }

    /// A node that is switched off is not lost; it is watched again when it is switched on.
    func pause(_ node: NodeHandle) {
        values.withLock { if $0.watched[node.directory] != nil { $0.paused.insert(node.directory) } }
    }

    /// Whether it is to be watched again.
    func resumes(_ node: NodeHandle) -> Bool {
        values.withLock { $0.paused.remove(node.directory) != nil }
    }

    func close() {
        for watched in values.withLock({ $0.watched.values.map(\.self) }) { watched.task?.cancel() }
    }

    func closed() async {
        let tasks = values.withLock { values in
            defer { values.watched = [:] }
            return values.watched.values.compactMap(\.task)
        }
        for task in tasks { task.cancel() }
        for task in tasks { await task.value }
    }
}
