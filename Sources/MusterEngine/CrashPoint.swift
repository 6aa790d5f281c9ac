import Foundation
import Synchronization

/// Places at which a test ends the process as `kill -9` would, named by `MUSTER_CRASH_AT=<point>:<n>` in debug builds.
package enum CrashPoint: String, CaseIterable, Sendable {
    case beforeCommit = "before-commit"
    case afterCommit = "after-commit"
    case beforeDirective = "before-directive"
    case afterDirective = "after-directive"

    #if DEBUG
    private static let target: (point: String, count: Int)? = {
        guard let text = ProcessInfo.processInfo.environment["MUSTER_CRASH_AT"] else { return nil }
        let parts = text.split(separator: ":")
        guard parts.count == 2, let count = Int(parts[1]) else { return nil }
        return (String(parts[0]), count)
    }()
    private static let passes = Mutex(0)
    #endif

    /// Marks that the process came by; ends it when this is the place it was asked to end at.
    package static func reached(_ point: CrashPoint) {
        #if DEBUG
        guard let target, target.point == point.rawValue else { return }
        let count = passes.withLock { passes in
            passes += 1
            return passes
        }
        if count == target.count { kill(getpid(), SIGKILL) }
        #endif
    }
}
