package import MusterCore
import MusterEngine
import Synchronization

/// A clock that stands still until a test moves it. A sleep ends when the clock has been moved past its end.
package final class ManualTime: TimeSource {
    private struct State {
        var now: Timestamp
        var sleepers: [(until: Timestamp, id: Int, continuation: CheckedContinuation<Void, any Error>)] = []
        var next = 0
    }
    private let state: Mutex<State>

    package init(_ start: Timestamp = Timestamp(rawValue: 1_000_000_000)) { state = Mutex(State(now: start)) }

    package func now() -> Timestamp { state.withLock { $0.now } }

    package func sleep(for length: Duration) async throws {
        let id = state.withLock { state in
            state.next += 1
            return state.next
        }
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                let isOver = state.withLock { state in
                    guard length > .zero, !Task.isCancelled else { return true }
                    state.sleepers.append((state.now + length, id, continuation))
                    return false
                }
                if isOver { continuation.resume() }
            }
        } onCancel: {
            let sleeper = state.withLock { state in
                state.sleepers.firstIndex { $0.id == id }.map { state.sleepers.remove(at: $0) }
            }
            sleeper?.continuation.resume(throwing: CancellationError())
        }
    }

    /// Moves the clock and wakes whoever has slept long enough, earliest first.
    package func advance(by length: Duration) {
        let due = state.withLock { state in
            state.now = state.now + length
            let now = state.now
            let due = state.sleepers.filter { $0.until <= now }.sorted { ($0.until, $0.id) < ($1.until, $1.id) }
            state.sleepers.removeAll { $0.until <= now }
            return due
        }
        for sleeper in due { sleeper.continuation.resume() }
    }
}
