import Foundation

/// What people tell a running command through signals.
enum UserSignal: Sendable {
    /// Ctrl-C or SIGTERM.
    case end
    /// The terminal is gone.
    case detach
    /// SIGUSR2: tell how it stands.
    case tell

    init?(_ number: UInt8) {
        switch Int32(number) {
        case SIGINT, SIGTERM: self = .end
        case SIGHUP: self = .detach
        case SIGUSR2: self = .tell
        default: return nil
        }
    }
}

/// The write end of the pipe that takes signals out of their handler; a handler may do no more than write a byte.
// Set once, before the first handler that reads it is installed.
private nonisolated(unsafe) var signalPipe: Int32 = -1

/// Turns signals into values. From its making on they do not end the process by themselves, and none is lost.
final class Signals: Sendable {
    let stream: AsyncStream<UserSignal>
    private static let numbers = [SIGINT, SIGTERM, SIGHUP, SIGUSR2]

    init() {
        let (stream, continuation) = AsyncStream.makeStream(of: UserSignal.self)
        self.stream = stream
        var ends: [Int32] = [-1, -1]
        guard pipe(&ends) == 0 else {
            continuation.finish()
            return
        }
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        signalPipe = ends[1]
        let readEnd = ends[0]
        // Nobody awaits it: it sleeps in `read` until the process ends.
        Thread.detachNewThread {
            // Whoever started this program may have had signals blocked, and threads inherit that: this one takes them.
            var wanted = sigset_t()
            sigemptyset(&wanted)
            for number in Signals.numbers { sigaddset(&wanted, number) }
            pthread_sigmask(SIG_UNBLOCK, &wanted, nil)
            var number: UInt8 = 0
            while true {
                let count = read(readEnd, &number, 1)
                if count < 0 && errno == EINTR { continue }
                guard count == 1 else { return }
                if let meaning = UserSignal(number) { continuation.yield(meaning) }
            }
        }
        for number in Signals.numbers {
            var action = sigaction()
            action.__sigaction_handler.sa_handler = { number in
                var byte = UInt8(truncatingIfNeeded: number)
                _ = write(signalPipe, &byte, 1)
            }
            action.sa_flags = SA_RESTART
            sigaction(number, &action, nil)
        }
    }
}
