import Foundation
import MusterCore
import MusterSupervision
import Synchronization

/// The way to a machine that a plug-in says: a program of this host that attaches its standard streams to a `sh` there.
///
/// The `sh` is told first to say a word, and is given the program only when the word has come: a shell that reads ahead
/// takes nothing that is not its own.
package struct PluginConnection: Connection {
    package let title: String
    private let command: [String]
    private let folder: String?
    private static let calls = Atomic(0)

    /// - Parameters:
    ///   - command: the program, and its arguments.
    ///   - folder: where it runs.
    package init(title: String, command: [String], folder: String?) {
        self.title = title
        self.command = command
        self.folder = folder
    }

    package func run(_ request: RemoteRequest) async throws(ConnectionFailure) -> RemoteEnd {
        let program = ShellText.sent(request.wholeProgram)
        let word = "muster-\(getpid())-\(Self.calls.add(1, ordering: .relaxed).newValue)"
        let heard = HeardOutput(limit: request.outputLimit, onOutput: request.onOutput)
        let end = try await PluginProcess.run(
            PluginProcess.Request(
                arguments: command,
                folder: folder,
                // Any login shell understands it.
                greeting: Array("exec /bin/sh -c 'echo \(word); \(ShellText.boot(program.count))'\n".utf8),
                awaitedLine: word,
                input: [.bytes(program)] + request.input,
                holdsInput: request.holdsInput,
                within: request.within,
                onOutput: { heard.take($0) },
                onError: { heard.takeError($0) }
            )
        )
        let (output, dropped, error) = heard.all
        let said = (String(decoding: end.before, as: UTF8.self) + "\n" + error).split(separator: "\n").suffix(3)
            .joined(separator: "; ").prefix(1000)
        switch end.stop {
        case .cancelled: throw .cancelled
        case .deadline: throw .silent("\(title): no answer came within \(request.within?.shortText ?? "its time")")
        case .output where end.answered: throw .cancelled
        case .output: throw .refused("\(title): '\(command[0])' says too much, and nothing of a sh: \(said)")
        case .notNoted, nil: break
        }
        guard end.answered else {
            let how = end.signal.map { "signal \($0)" } ?? "status \(end.status ?? 0)"
            throw .unreachable(
                "\(title): '\(command.joined(separator: " "))' ended with \(how), no sh answered: \(said)"
            )
        }
        if let signal = end.signal { throw .broken("\(title): '\(command[0])' was ended by signal \(signal)") }
        if end.status == 255, !error.hasSuffix(ShellText.status255 + "\n") { throw .broken("\(title): \(said)") }
        return RemoteEnd(status: end.status, output: output, outputDropped: dropped, error: error)
    }

    package func close() async {}
}

/// What a program says, to a limit.
private final class HeardOutput: Sendable {
    private struct State {
        var output: [UInt8] = []
        var dropped = 0
        var error: [UInt8] = []
    }

    private let limit: Int
    private let onOutput: (@Sendable ([UInt8]) -> Bool)?
    private let state = Mutex(State())

    init(limit: Int, onOutput: (@Sendable ([UInt8]) -> Bool)?) {
        self.limit = limit
        self.onOutput = onOutput
    }

    var all: (output: [UInt8], dropped: Int, error: String) {
        state.withLock { ($0.output, $0.dropped, String(decoding: $0.error, as: UTF8.self)) }
    }

    func take(_ bytes: [UInt8]) -> Bool {
        if let onOutput { return onOutput(bytes) }
        state.withLock { state in
            let kept = bytes.prefix(limit - state.output.count)
            state.output += kept
            state.dropped += bytes.count - kept.count
        }
        return true
    }

    func takeError(_ bytes: [UInt8]) {
        state.withLock { $0.error += bytes.prefix((64 << 10) - $0.error.count) }
    }
}
