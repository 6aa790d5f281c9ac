import Foundation
import MusterCore
import MusterEngine

/// Waits where a state's lock is held and nobody listens on its socket: its holder is just starting or ending, could
/// not make its socket, or is stopped.
///
/// Both ends of that wake: the kernel gives the lock to who stands in its queue, and inotify tells of the socket.
final class HolderWait: Sendable {
    enum Wake: Sendable {
        /// The lock was granted, or the socket has changed: look.
        case changed
        /// It takes longer than any start or end.
        case late
        /// Nobody should wait longer for somebody who does not listen.
        case tooLate
    }

    static let lateAfter: Duration = .seconds(3)
    static let patience: Duration = .seconds(30)

    let wakes: AsyncStream<Wake>
    private let queue: StateLockQueue
    private let tasks: [Task<Void, Never>]

    init(_ state: StateDirectory, queue: StateLockQueue) throws {
        let (stream, continuation) = AsyncStream.makeStream(of: Wake.self, bufferingPolicy: .bufferingNewest(8))
        wakes = stream
        self.queue = queue
        let watch = try FolderWatch(state.path)
        do {
            try queue.join { continuation.yield(.changed) }
        } catch {
            throw CLIError(error.description)
        }
        // What happened before the watch was there is looked at once.
        continuation.yield(.changed)
        tasks = [
            // Both are cancelled in `end()` and hold nothing.
            Task {
                while (try? await watch.change(of: [StateDirectory.socketName])) != nil { continuation.yield(.changed) }
            },
            // As above.
            Task {
                guard (try? await Task.sleep(for: Self.lateAfter)) != nil else { return }
                continuation.yield(.late)
                while (try? await Task.sleep(for: Self.patience - Self.lateAfter)) != nil {
                    continuation.yield(.tooLate)
                }
            },
        ]
    }

    func end() {
        for task in tasks { task.cancel() }
        queue.leave()
    }
}

/// Who holds a state's lock, for people.
struct Holder {
    let pid: Int32?
    let isStopped: Bool

    init(of state: StateDirectory) {
        pid = StateLock.holder(state)
        isStopped = pid.flatMap { ProcessLook($0) }?.isStopped ?? false
    }

    private var name: String { pid.map { "the command with pid \($0)" } ?? "another command" }

    /// It has not been heard of for a while: who, since when, and what can be done.
    func silence(since: Timestamp) -> String {
        let begin = "\(name) conducts this state and has not answered since \(since.rfc3339.prefix(19))Z"
        guard let pid else { return begin }
        let wayOut = "or end it, and this command takes over: kill -9 \(pid)"
        guard isStopped else { return "\(begin); look at it: ps \(pid); \(wayOut)" }
        return "\(begin): it is stopped (SIGSTOP or Ctrl-Z); let it go on: kill -CONT \(pid); \(wayOut)"
    }

    /// It holds the lock, and nobody can connect to it.
    func deafness(since: Timestamp) -> String {
        guard !isStopped else { return silence(since: since) }
        let socket = StateDirectory.socketName
        return "\(name) conducts this state and cannot be reached: nobody listens on \(socket) in the state's folder; "
            + "wait for its end" + (pid.map { ", or end it: kill \($0)" } ?? "")
    }
}
