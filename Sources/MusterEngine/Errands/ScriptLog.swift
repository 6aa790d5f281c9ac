import Foundation
import MusterCore
import Synchronization

/// What scripts of triggers have printed: one file of the state, which is begun anew when it is long.
final class ScriptLog: Sendable {
    private let path: String
    private let turn = Mutex(())

    /// The former file is kept beside it as `scripts.log.1`.
    static let lengthMax = 4 << 20

    init(_ state: StateDirectory) { path = state.scriptLog }

    func add(_ title: String, _ ending: HostCommand.Ending) {
        var text = Array("--- \(title): \(ending.failure ?? "ended with 0")\n".utf8) + ending.output
        if text.last != UInt8(ascii: "\n") { text.append(UInt8(ascii: "\n")) }
        if ending.isCut {
            text += Array("--- more than \(HostCommand.outputMax >> 10) KiB; the rest is left out\n".utf8)
        }
        turn.withLock { _ in
            var status = stat()
            if stat(path, &status) == 0, Int(status.st_size) > Self.lengthMax { rename(path, path + ".1") }
            let file = open(path, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0o600)
            guard file >= 0 else { return }
            defer { close(file) }
            _ = text.withUnsafeBytes { write(file, $0.baseAddress!, $0.count) }
        }
    }
}
