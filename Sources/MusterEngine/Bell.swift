import Synchronization

/// Tells whoever listens in this process that the store has something new. It only wakes; listeners read the store.
package final class Bell: Sendable {
    private struct State {
        var listeners: [Int: AsyncStream<Int64>.Continuation] = [:]
        var next = 0
    }
    private let state = Mutex(State())

    package init() {}

    /// Positions as they are reached, newest only: a slow listener misses some and slows nobody.
    package func listen() -> AsyncStream<Int64> {
        let (stream, continuation) = AsyncStream.makeStream(of: Int64.self, bufferingPolicy: .bufferingNewest(1))
        let id = state.withLock { state in
            state.next += 1
            state.listeners[state.next] = continuation
            return state.next
        }
        continuation.onTermination = { [weak self] _ in
            _ = self?.state.withLock { $0.listeners.removeValue(forKey: id) }
        }
        return stream
    }

    package func ring(_ position: Int64) {
        let listeners = state.withLock { Array($0.listeners.values) }
        for listener in listeners { listener.yield(position) }
    }

    /// No more will come: the conductor has ended.
    package func fallSilent() {
        let listeners = state.withLock { state in
            defer { state.listeners = [:] }
            return Array(state.listeners.values)
        }
        for listener in listeners { listener.finish() }
    }
}
