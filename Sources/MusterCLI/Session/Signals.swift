@preconcurrency import Dispatch
import Foundation

/// What people tell a running command through signals.
enum UserSignal: Sendable {
    /// Ctrl-C or SIGTERM.
    case end
    /// The terminal is gone.
    case detach
    /// SIGUSR2: tell how it stands.
    case tell
}

/// Turns signals into values. From its making on they do not end the process by themselves.
final class Signals: Sendable {
    let stream: AsyncStream<UserSignal>
    private let sources: [any DispatchSourceSignal]

    init() {
        let (stream, continuation) = AsyncStream.makeStream(of: UserSignal.self)
        self.stream = stream
        let queue = DispatchQueue(label: "signals")
        let meanings: [(Int32, UserSignal)] = [
            (SIGINT, .end), (SIGTERM, .end), (SIGHUP, .detach), (SIGUSR2, .tell),
        ]
        sources = meanings.map { number, meaning in
            signal(number, SIG_IGN)
            let source = DispatchSource.makeSignalSource(signal: number, queue: queue)
            source.setEventHandler { continuation.yield(meaning) }
            source.resume()
            return source
        }
    }

    deinit { for source in sources { source.cancel() } }
}
