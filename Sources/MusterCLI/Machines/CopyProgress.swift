import Foundation
import MusterCore
import MusterEngine
import Synchronization

/// One line on a terminal that says how much has moved, a few times a second.
final class CopyProgress: Sendable {
    private struct State {
        var bytes: Int64 = 0
        var paintedAt: Timestamp?
        var width = 0
    }

    private static let pace = Duration.milliseconds(200)

    private let isShown: Bool
    private let state = Mutex(State())

    init(isShown: Bool) { self.isShown = isShown }

    func add(_ bytes: Int) {
        guard isShown else { return }
        let now = HostTime().now()
        state.withLock { state in
            state.bytes += Int64(bytes)
            guard let painted = state.paintedAt else {
                state.paintedAt = now
                return
            }
            guard now - painted >= Self.pace else { return }
            state.paintedAt = now
            paint("copied \(ByteText.short(state.bytes))", &state)
        }
    }

    /// Takes the line away.
    func clear() {
        guard isShown else { return }
        state.withLock { state in
            guard state.width > 0 else { return }
            paint("", &state)
            Output.write("\r", to: STDERR_FILENO)
        }
    }

    private func paint(_ text: String, _ state: inout State) {
        let blanks = String(repeating: " ", count: max(0, state.width - text.count))
        Output.write("\r\(text)\(blanks)", to: STDERR_FILENO)
        state.width = text.count
    }
}

/// Sizes for people.
enum ByteText {
    /// `17 B`, `1.5 KiB`, `12.0 MiB`
    static func short(_ bytes: Int64) -> String {
        var value = Double(bytes)
        var unit = "B"
        for next in ["KiB", "MiB", "GiB", "TiB"] where value >= 1024 {
            value /= 1024
            unit = next
        }
        if unit == "B" { return "\(bytes) B" }
        let tenths = Int64((value * 10).rounded())
        return "\(tenths / 10).\(tenths % 10) \(unit)"
    }
}
