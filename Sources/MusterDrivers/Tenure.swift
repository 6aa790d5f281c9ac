package import MusterCore
import Synchronization

/// A conductor's time in office: from the beginning of its term until it is declared lost or ends.
///
/// Its epoch may rise meanwhile, when it claims what others held, and its lease is renewed again and again. So whoever
/// reaches a node on its behalf looks here when a request leaves, not when the act was decided. A conductor that was
/// declared lost begins another tenure: nothing of the old one leaves any more, whatever the new one may do.
package final class Tenure: Sendable {
    private struct State {
        var epoch: Epoch
        var actsUntil: Timestamp?
        var isOver = false
        /// Whether the lease may still be renewed.
        var isRenewed = true
        var waiters: [Int: AsyncStream<Void>.Continuation] = [:]
        var lastWaiter = 0
    }

    private let state: Mutex<State>
    private let now: @Sendable () -> Timestamp

    /// - Parameter now: the clock by which its lease ends.
    package init(_ epoch: Epoch, now: @escaping @Sendable () -> Timestamp = { Timestamp(rawValue: 0) }) {
        state = Mutex(State(epoch: epoch))
        self.now = now
    }

    /// Supervisors refuse an older one than the newest they have seen.
    package var epoch: Epoch { state.withLock { $0.epoch } }
    package var isOver: Bool { state.withLock { $0.isOver } }
    /// Whether acts may leave now. Past the lease another conductor may be acting.
    package var mayAct: Bool { state.withLock { mayAct($0) } }

    private func mayAct(_ state: State) -> Bool { !state.isOver && state.actsUntil.map { now() < $0 } ?? true }

    /// Waits for the lease to be renewed, where it has ended.
    ///
    /// - Returns: whether acts may leave now. False when that will never be, or the task was cancelled.
    package func awaitLease() async -> Bool {
        if mayAct { return true }
        let (renewals, continuation) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
        let id: Int? = state.withLock { state in
            guard !state.isOver, state.isRenewed else { return nil }
            state.lastWaiter += 1
            state.waiters[state.lastWaiter] = continuation
            return state.lastWaiter
        }
        guard let id else { return mayAct }
        defer { state.withLock { _ = $0.waiters.removeValue(forKey: id) } }
        if mayAct { return true }
        for await _ in renewals where mayAct { return true }
        return false
    }

    /// The conductor's term as its last turn left it.
    ///
    /// - Parameter end: until when acts may leave; nil when nobody else could act instead.
    package func renew(_ epoch: Epoch, until end: Timestamp?) {
        let waiters = state.withLock { state in
            state.epoch = max(state.epoch, epoch)
            state.actsUntil = end
            return Array(state.waiters.values)
        }
        for waiter in waiters { waiter.yield() }
    }

    /// There will be no renewal: the conductor ends. What is within the lease may still leave.
    package func renewNoMore() {
        let waiters = state.withLock { state in
            state.isRenewed = false
            defer { state.waiters = [:] }
            return Array(state.waiters.values)
        }
        for waiter in waiters { waiter.finish() }
    }

    /// The conductor was declared lost: nothing leaves any more.
    package func end() {
        state.withLock { $0.isOver = true }
        renewNoMore()
    }
}

extension Tenure: Hashable {
    package static func == (a: Tenure, b: Tenure) -> Bool { a === b }
    package func hash(into hasher: inout Hasher) { hasher.combine(ObjectIdentifier(self)) }
}
