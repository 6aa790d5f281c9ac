import Foundation

/// The right to conduct a state: `flock` on its `conductor.lock`. The kernel frees it with the process, however that
/// ends.
package final class StateLock: Sendable {
    private let descriptor: Int32

    private init(descriptor: Int32) { self.descriptor = descriptor }

    /// Takes the lock; nil when another process holds it.
    ///
    /// - Throws: when the file cannot be opened.
    package static func take(_ state: StateDirectory) throws(StateError) -> StateLock? {
        // Not inherited: a supervisor that outlives its conductor must not keep the lock.
        let descriptor = open(state.lock, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else {
            throw StateError(
                "\(state.lock) cannot be opened: \(String(cString: strerror(errno))); name another folder with --state DIR"
            )
        }
        guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
            close(descriptor)
            return nil
        }
        return StateLock(descriptor: descriptor)
    }

    /// Whether some process conducts the state now.
    package static func isHeld(_ state: StateDirectory) -> Bool {
        let descriptor = open(state.lock, O_RDWR | O_CLOEXEC)
        guard descriptor >= 0 else { return false }
        defer { close(descriptor) }
        // Shared, so that two who look do not take each other for a conductor.
        guard flock(descriptor, LOCK_SH | LOCK_NB) == 0 else { return true }
        flock(descriptor, LOCK_UN)
        return false
    }

    package func release() { flock(descriptor, LOCK_UN) }

    deinit { close(descriptor) }
}
