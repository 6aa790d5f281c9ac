import Foundation
import Synchronization

/// A right of one process at a time over a state, by `flock` on a file of it: to conduct it, unless said otherwise. The
/// kernel frees it with the process, however that ends.
package final class StateLock: Sendable {
    package enum Right: Sendable {
        case conduct
        /// To wait for the ends of its labs' lifetimes.
        case reap
    }

    private let descriptor: Int32

    fileprivate init(holding descriptor: Int32) { self.descriptor = descriptor }

    /// Takes the lock; nil when another process holds it.
    ///
    /// - Throws: when the file cannot be opened.
    package static func take(
        _ state: StateDirectory,
        to right: Right = .conduct
    ) throws(StateError) -> StateLock? {
        let descriptor = try open(state, right)
        guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
            close(descriptor)
            return nil
        }
        let lock = StateLock(holding: descriptor)
        lock.signHolder()
        return lock
    }

    fileprivate static func open(_ state: StateDirectory, _ right: Right = .conduct) throws(StateError) -> Int32 {
        let path =
            switch right {
            case .conduct: state.lock
            case .reap: state.reaperLock
            }
        // Not inherited: a supervisor that outlives its conductor must not keep the lock.
        let descriptor = Foundation.open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else {
            throw StateError(
                "\(path) cannot be opened: \(String(cString: strerror(errno))); name another folder with --state DIR"
            )
        }
        return descriptor
    }

    /// Whether some process conducts the state now.
    package static func isHeld(_ state: StateDirectory) -> Bool {
        let descriptor = Foundation.open(state.lock, O_RDWR | O_CLOEXEC)
        guard descriptor >= 0 else { return false }
        defer { close(descriptor) }
        // Shared, so that two who look do not take each other for a conductor.
        guard flock(descriptor, LOCK_SH | LOCK_NB) == 0 else { return true }
        flock(descriptor, LOCK_UN)
        return false
    }

    /// The pid of the process that took the lock last, for messages; nil when none is written there.
    package static func holder(_ state: StateDirectory) -> Int32? {
        let text = FileManager.default.contents(atPath: state.lock).map { String(decoding: $0, as: UTF8.self) }
        return text.flatMap { Int32($0.prefix { $0 != "\n" }) }
    }

    /// Writes who holds it, for people and messages; nothing depends on it.
    fileprivate func signHolder() {
        let text = "\(getpid())\n"
        ftruncate(descriptor, 0)
        _ = text.withCString { pwrite(descriptor, $0, text.utf8.count, 0) }
    }

    package func release() { flock(descriptor, LOCK_UN) }

    deinit { close(descriptor) }
}

/// A place in the kernel's queue for a state's lock: whoever stands in it gets the lock at the moment its holder is
/// gone, without asking again and again.
package final class StateLockQueue: Sendable {
    private struct Content {
        var isWanted = false
        /// Whether a thread stands in the queue.
        var isQueued = false
        var granted: StateLock?
        var onGrant: (@Sendable () -> Void)?
    }

    private let state: StateDirectory
    private let content = Mutex(Content())

    package init(_ state: StateDirectory) { self.state = state }

    /// Stands in the queue from now on; `onGrant` is called, on another thread, when the lock is there to be taken.
    ///
    /// - Throws: when the file cannot be opened.
    package func join(onGrant: @escaping @Sendable () -> Void) throws(StateError) {
        let isQueued = content.withLock { content in
            defer { content.isQueued = true }
            content.isWanted = true
            content.onGrant = onGrant
            return content.isQueued
        }
        guard !isQueued else { return }
        let descriptor: Int32
        do throws(StateError) {
            descriptor = try StateLock.open(state)
        } catch {
            content.withLock { $0.isQueued = false }
            throw error
        }
        // Nobody awaits it: nothing can call a thread back from `flock`. What it gets when nobody wants it any more is
        // free again at once, and the process does not wait for it to end.
        Thread.detachNewThread { [self] in
            var code: Int32 = -1
            repeat { code = flock(descriptor, LOCK_EX) } while code != 0 && errno == EINTR
            granted(StateLock(holding: descriptor), isHeld: code == 0)
        }
    }

    private func granted(_ lock: StateLock, isHeld: Bool) {
        let onGrant: (@Sendable () -> Void)? = content.withLock { content in
            content.isQueued = false
            guard content.isWanted, isHeld else { return nil }
            content.granted = lock
            return content.onGrant
        }
        onGrant?()
    }

    /// The lock, once it was granted; the caller holds it from then on.
    package func take() -> StateLock? {
        let lock = content.withLock { content in
            defer { content.granted = nil }
            return content.granted
        }
        lock?.signHolder()
        return lock
    }

    /// Wants it no more. What was granted and not taken is free again.
    package func leave() {
        content.withLock { content in
            content.isWanted = false
            content.onGrant = nil
            content.granted = nil
        }
    }
}
