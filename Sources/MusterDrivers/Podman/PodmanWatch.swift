import Foundation
import Logging
import MusterCore
import MusterSupervision
import NIOCore
import Synchronization

/// Tells of containers that end, by one `podman events` for all of a state; and keeps what they print.
final class PodmanWatch: Sendable {
    private struct Entry {
        var node: NodeHandle
        var container: String
        /// It is only being looked at; that its container ended meanwhile is noted, and not said.
        var isPending = true
        var hasEnded = false
        var output: Task<Void, Never>?
    }

    private struct State {
        var entries: [NodeID: Entry] = [:]
        var follower: Task<Void, Never>?
        var isOver = false
    }

    private let podman: Podman
    private let stateName: String
    private let events: @Sendable (DriverEvent) -> Void
    private let logger: Logger
    private let state = Mutex(State())

    init(
        _ podman: Podman,
        state: String,
        events: @escaping @Sendable (DriverEvent) -> Void,
        logger: Logger
    ) {
        self.podman = podman
        stateName = state
        self.events = events
        self.logger = logger
    }

    func stop() {
        let tasks = state.withLock { state in
            state.isOver = true
            defer { (state.entries, state.follower) = ([:], nil) }
            return state.entries.values.map(\.output) + [state.follower]
        }
        for task in tasks { task?.cancel() }
    }

    // MARK: Nodes

    /// Nothing is reported of it until it is confirmed.
    ///
    /// - Parameter output: where what the container prints is kept; nil where that is nobody's.
    func add(_ node: NodeHandle, container: String, output: String?) {
        state.withLock { state in
            guard !state.isOver else { return }
            let old = state.entries[node.id]
            old?.output?.cancel()
            // Ended by `forget`, or with its container.
            let task = output.map { path in Task { await PodmanOutput.follow(self.podman, container, to: path) } }
            state.entries[node.id] = Entry(node: node, container: container, output: task)
            if state.follower == nil {
                // Ended with the last node, or by `stop`.
                state.follower = Task { await self.follow() }
            }
        }
    }

    /// A node that was added is there, and its loss is reported from now on.
    func confirm(_ id: NodeID) async {
        let ended: String? = state.withLock { state in
            guard let entry = state.entries[id] else { return nil }
            state.entries[id]?.isPending = false
            return entry.hasEnded ? entry.container : nil
        }
        if let ended { await self.ended(ended, isSaid: true) }
    }

    /// - Returns: whether it was watched: its loss was not yet reported.
    @discardableResult
    func forget(_ id: NodeID) -> Bool {
        let (entry, follower) = state.withLock { state in
            let entry = state.entries.removeValue(forKey: id)
            guard state.entries.isEmpty else { return (entry, nil as Task<Void, Never>?) }
            defer { state.follower = nil }
            return (entry, state.follower)
        }
        entry?.output?.cancel()
        follower?.cancel()
        return entry != nil
    }

    func lost(_ id: NodeID, reason: String) {
        let node = state.withLock { $0.entries[id]?.node }
        guard forget(id), let node, !node.tenure.isOver else { return }
        events(.lost(id, reason: reason))
    }

    /// Why a node is lost by what its container is now; nil when it is not.
    ///
    /// - Parameter startedAt: when it was started by Muster, where that is known.
    func ending(
        _ node: NodeHandle,
        container: String,
        startedAt: String?
    ) async throws(StepError) -> String? {
        guard let report = try await podman.container(container) else {
            return "its container \(container) is not there any more"
        }
        if PodmanFiles.isOff(node) { return nil }
        if !report.state.isRunning { return "its container ended: \(report.ending(of: node))" }
        if let startedAt, report.state.startedAt != startedAt { return "its container was restarted" }
        return nil
    }

    // MARK: Following

    private struct Event: Decodable { var Name: String? }

    private func follow() async {
        var since = NIODeadline.now()
        var delay = Duration.milliseconds(200)
        while !Task.isCancelled {
            let began = NIODeadline.now()
            let (names, teller) = AsyncStream.makeStream(of: String.self)
            let lines = EventLines { line in
                if let name = (try? JSONDecoder().decode(Event.self, from: Data(line)))?.Name { teller.yield(name) }
            }
            // What happens while podman starts is heard too; what is heard twice does no harm.
            let seconds = (began - since).nanoseconds / 1_000_000_000 + 5
            await withTaskGroup { group in
                group.addTask { for await name in names { await self.ended(name, isSaid: true) } }
                // What ended while nobody followed.
                for entry in state.withLock({ Array($0.entries.values) }) {
                    group.addTask { await self.ended(entry.container, isSaid: false) }
                }
                do throws(ConnectionFailure) {
                    let end = try await podman.follow(
                        [
                            "events", "--format", "json", "--since", "\(seconds)s", "--filter", "type=container",
                            "--filter", "event=died", "--filter", "label=muster.state=\(stateName)",
                        ],
                        onOutput: { lines.take($0) }
                    )
                    logger.debug("podman events ended with \(end.status ?? -1): \(lines.rest)")
                } catch {
                    logger.debug("podman events: \(error)")
                }
                teller.finish()
            }
            if Task.isCancelled { return }
            if NIODeadline.now() - began > .seconds(60) { delay = .milliseconds(200) }
            since = began
            await pause(delay)
            delay = min(delay * 2, .seconds(15))
        }
    }

    /// Decides by what is, not by what is said: an event may be an old one.
    ///
    /// - Parameter isSaid: whether podman has said that it ended, and it is not only looked at.
    private func ended(_ container: String, isSaid: Bool) async {
        let found: Entry? = state.withLock { state in
            guard let entry = state.entries.values.first(where: { $0.container == container }) else { return nil }
            if entry.isPending { state.entries[entry.node.id]?.hasEnded = true }
            return entry.isPending ? nil : entry
        }
        guard let node = found?.node else { return }
        do throws(StepError) {
            let startedAt = PodmanNote.read(node)?.startedAt
            if let reason = try await ending(node, container: container, startedAt: startedAt) {
                lost(node.id, reason: reason)
            }
        } catch {
            guard isSaid, error.code != .cancelled else { return }
            lost(node.id, reason: "its container ended, and podman cannot say how: \(error.message)")
        }
    }
}

/// Puts lines together out of what comes.
private final class EventLines: Sendable {
    private let buffer = Mutex<[UInt8]>([])
    private let onLine: @Sendable ([UInt8]) -> Void

    init(onLine: @escaping @Sendable ([UInt8]) -> Void) { self.onLine = onLine }

    var rest: String { buffer.withLock { String(decoding: $0.prefix(300), as: UTF8.self) } }

    /// False when a line is longer than any event.
    func take(_ bytes: [UInt8]) -> Bool {
        let (lines, isMuch) = buffer.withLock { buffer in
            buffer += bytes
            var lines: [[UInt8]] = []
            while let end = buffer.firstIndex(of: UInt8(ascii: "\n")) {
                lines.append(Array(buffer[..<end]))
                buffer.removeFirst(end + 1)
            }
            return (lines, buffer.count > 1 << 20)
        }
        for line in lines { onLine(line) }
        return !isMuch
    }
}

/// Points in time as podman writes them: `2026-01-31T23:10:42.247034235Z`, `…+01:00`.
enum Moment {
    static func microseconds(_ text: String) -> Int64? {
        // `2026-01-31T23:10:42` has 19 characters.
        let numbers = text.prefix(19).split { "-T:".contains($0) }.compactMap { Int32($0) }
        guard numbers.count == 6 else { return nil }
        var parts = tm()
        (parts.tm_year, parts.tm_mon, parts.tm_mday) = (numbers[0] - 1900, numbers[1] - 1, numbers[2])
        (parts.tm_hour, parts.tm_min, parts.tm_sec) = (numbers[3], numbers[4], numbers[5])
        var tail = text.dropFirst(19)
        var micros: Int64 = 0
        if tail.first == "." {
            let digits = tail.dropFirst().prefix(while: \.isNumber)
            micros = Int64((digits + "000000").prefix(6)) ?? 0
            tail = tail.dropFirst(1 + digits.count)
        }
        var offset: Int64 = 0
        if let sign = tail.first, sign == "+" || sign == "-" {
            let digits = tail.dropFirst().filter(\.isNumber)
            guard digits.count == 4, let number = Int64(digits) else { return nil }
            offset = (number / 100 * 3600 + number % 100 * 60) * (sign == "-" ? -1 : 1)
        }
        let seconds = Int64(timegm(&parts)) - offset
        return seconds * 1_000_000 + micros
    }
}
