import Glibc

/// A hold on one process that cannot come to mean another: signals go to it or to nobody, and its end can be waited
/// for.
///
/// The calls for this are reached by number, since Swift's import of the C library does not have them.
package struct ProcessHandle: ~Copyable {
    package let identity: ProcessIdentity
    package let descriptor: Int32

    /// nil when the process has ended.
    package init?(_ identity: ProcessIdentity) {
        let descriptor = SystemCall.call(434, Int(identity.pid), 0)  // pidfd_open
        guard descriptor >= 0 else { return nil }
        guard ProcessTable.entry(identity.pid)?.identity == identity else {
            close(Int32(descriptor))
            return nil
        }
        _ = fcntl(Int32(descriptor), F_SETFD, FD_CLOEXEC)
        self.identity = identity
        self.descriptor = Int32(descriptor)
    }

    deinit { close(descriptor) }

    package func send(_ signal: Int32) { _ = SystemCall.call(424, Int(descriptor), Int(signal)) }  // pidfd_send_signal

    /// Blocks until it has ended, or so many milliseconds have passed. Returns whether it has ended.
    package func waitForEnd(milliseconds: Int32) -> Bool {
        var wait = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        while true {
            let count = poll(&wait, 1, milliseconds)
            if count >= 0 { return count > 0 }
            if errno != EINTR { return false }
        }
    }
}

private enum SystemCall {
    private typealias Function = @convention(c) (Int, Int, Int, Int, Int) -> Int

    static func call(_ number: Int, _ first: Int, _ second: Int) -> Int {
        guard let address = dlsym(nil, "syscall") else { return -1 }
        // `long syscall(long, ...)`: on Linux further integers are passed as if they were declared.
        return unsafeBitCast(address, to: Function.self)(number, first, second, 0, 0)
    }
}
