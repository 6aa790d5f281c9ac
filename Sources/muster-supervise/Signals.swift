import Glibc

/// Turns signals into bytes of a pipe, so that one `poll` waits for everything.
enum Signals {
    /// The write end, for the handler: it may be called anywhere and does nothing but write.
    nonisolated(unsafe) private static var writeEnd: Int32 = -1

    /// Begins to listen, and returns the end to read from.
    static func install() throws(SystemError) -> Int32 {
        let (readEnd, writeEnd) = try makePipe()
        makeNonblocking(readEnd)
        makeNonblocking(writeEnd)
        Signals.writeEnd = writeEnd
        var action = sigaction()
        sigemptyset(&action.sa_mask)
        action.sa_flags = SA_RESTART | SA_NOCLDSTOP
        action.__sigaction_handler.sa_handler = { number in
            let error = errno
            var byte = UInt8(truncatingIfNeeded: number)
            _ = write(Signals.writeEnd, &byte, 1)  // a full pipe holds enough bytes to wake
            errno = error
        }
        for number in [SIGCHLD, SIGTERM, SIGINT] { sigaction(number, &action, nil) }
        action.__sigaction_handler.sa_handler = SIG_IGN
        for number in [SIGPIPE, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGTSTP, SIGTTIN, SIGTTOU] {
            sigaction(number, &action, nil)
        }
        return readEnd
    }

    /// The signals that have come since the last time.
    static func take(from readEnd: Int32) -> Set<Int32> {
        var numbers: Set<Int32> = []
        var bytes = [UInt8](repeating: 0, count: 256)
        while true {
            let count = read(readEnd, &bytes, bytes.count)
            guard count > 0 else { return numbers }
            for byte in bytes[..<count] { numbers.insert(Int32(byte)) }
        }
    }
}
