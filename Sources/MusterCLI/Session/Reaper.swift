import Foundation
import MusterCore
import MusterDrivers
import MusterEngine
import MusterStore
import Synchronization

/// Sees to it that labs with a `lifetime` are taken down when it ends, though nobody types anything: a process of its
/// own, detached, which conducts only then. There is one for a state, as long as one of its labs has a lifetime.
///
/// It is not what keeps the lifetime: whoever conducts does. Should it be killed, the next command does what was due.
struct Reaper {
    let session: StateSession

    /// After so long it tries again what has failed.
    static let pause: Duration = .seconds(300)
    /// So often it looks at the clock, which may have been set.
    private static let lookEvery: Duration = .seconds(3600)

    // MARK: From elsewhere

    /// Starts one, unless there is one already, which then looks again.
    ///
    /// - Returns: why it could not be started; nil when it was.
    static func start(for session: StateSession) -> String? {
        let own = (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? ""
        return DetachedProgram.start(
            own,
            ["reap", "--state", session.state.path],
            // A point at which a test ends this process is none of the other one's.
            keeps: { $0 != "MUSTER_CRASH_AT" },
            log: session.state.reaperLog
        )
    }

    /// Has the one there is look again, as something may be gone.
    static func wake(_ state: StateDirectory) {
        guard FileManager.default.fileExists(atPath: state.reaperLock) else { return }
        utimes(state.reaperLock, nil)
    }

    // MARK: The process

    /// Ends when no lab has a lifetime any more.
    func run() async throws {
        while try next() != nil {
            guard let right = try take() else { return Self.wake(session.state) }
            try await keepWatch()
            right.release()
            // Somebody may have found it taken since the last look.
        }
    }

    private func keepWatch() async throws {
        while true {
            // What changes from here on wakes.
            let watch = try FolderWatch(session.state.path)
            guard let next = try next() else { return }
            let left = next - HostTime().now()
            if left > .zero {
                await rest(min(left, Self.lookEvery), or: watch)
                continue
            }
            do {
                try await takeDown()
            } catch {
                Output.note("\(HostTime().now().rfc3339) \(error)")
            }
            if try isOver() { await rest(Self.pause, or: watch) }
        }
    }

    /// Conducts, or follows who does, until nothing is left of what is over, or nothing more is done about it.
    private func takeDown() async throws {
        let labs = try Lifetimes(session.store).over(at: HostTime().now())
        Output.note("\(HostTime().now().rfc3339) the lifetime has ended of: \(labs.joined(separator: ", "))")
        let hasBegun = Mutex(false)
        let follower = RunFollower(session) { Output.note("\(HostTime().now().rfc3339) \($0)") }
        try await follower.follow(
            resuming: { nil },
            resumesAtOnce: false,
            look: {
                guard try isOver() else { return .isOver }
                let isGoingOn = try session.store.plans(lab: nil, limit: 200).contains { row in
                    row.verb == .down && !row.state.isFinal && labs.contains(row.lab)
                }
                let hasEnded = hasBegun.withLock { hasBegun in
                    if isGoingOn { hasBegun = true }
                    return hasBegun && !isGoingOn
                }
                return hasEnded ? .isOver : .goesOn
            }
        )
    }

    private func next() throws -> Timestamp? { try Lifetimes(session.store).next }

    private func isOver() throws -> Bool { try next().map { $0 <= HostTime().now() } ?? false }

    private func take() throws -> StateLock? {
        do {
            return try StateLock.take(session.state, to: .reap)
        } catch {
            throw CLIError(error.description)
        }
    }

    /// Until so much time has passed, or a command says that something may have changed.
    private func rest(_ length: Duration, or watch: FolderWatch) async {
        await withTaskGroup { group in
            group.addTask { try? await Task.sleep(for: length) }
            group.addTask { try? await watch.change(of: [StateDirectory.reaperLockName]) }
            await group.next()
            group.cancelAll()
        }
    }
}
