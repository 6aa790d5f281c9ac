import Foundation
import MusterCore
import Synchronization

/// What a container's own program prints, kept where the output of a server is.
enum PodmanOutput {
    /// How much is kept of the beginning and of the end, each.
    private static let limit = 8 << 20

    /// Writes it down as it comes, from its beginning, until the container ends or the task is cancelled.
    static func follow(_ podman: Podman, _ container: String, to path: String) async {
        guard (try? RemoteNodes.makeFolder((path as NSString).deletingLastPathComponent)) != nil else { return }
        let file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard file >= 0 else { return }
        defer { close(file) }
        let size = Mutex(0)
        _ = try? await podman.follow(["logs", "--follow", container]) { bytes in
            let room = size.withLock { size in
                defer { size += bytes.count }
                return max(0, limit - size)
            }
            return bytes.prefix(room).withUnsafeBytes { write(file, $0.baseAddress, $0.count) } == bytes.count
        }
    }

    /// Writes the whole of it down, but for what is too much: its beginning and its end.
    static func keep(_ podman: Podman, _ container: String, at path: String) async throws(StepError) {
        let kept = Mutex(HeadAndTail(limit: limit))
        do throws(ConnectionFailure) {
            let end = try await podman.follow(["logs", container]) { bytes in
                kept.withLock { $0.take(bytes) }
                return true
            }
            guard end.succeeded else { return }
        } catch {
            throw Podman.error(error, "podman logs \(container)")
        }
        try RemoteNodes.makeFolder((path as NSString).deletingLastPathComponent)
        try RemoteNodes.write(kept.withLock { $0.bytes }, path)
    }

    /// The last lines, for people.
    static func end(_ podman: Podman, _ container: String) async -> String {
        let kept = Mutex(HeadAndTail(limit: 2048))
        _ = try? await podman.follow(["logs", "--tail", "5", container]) { bytes in
            kept.withLock { $0.take(bytes) }
            return true
        }
        return String(decoding: kept.withLock { $0.bytes }, as: UTF8.self)
            .split(separator: "\n").suffix(5).joined(separator: "; ")
    }
}

/// The beginning and the end of what comes.
struct HeadAndTail {
    let limit: Int
    private var head: [UInt8] = []
    private var tail: [UInt8] = []
    private var dropped = 0

    init(limit: Int) { self.limit = limit }

    mutating func take(_ bytes: [UInt8]) {
        let room = limit - head.count
        head += bytes.prefix(room)
        tail += bytes.dropFirst(room)
        // Twice the limit at most, so that little is moved.
        if tail.count > 2 * limit { drop() }
    }

    private mutating func drop() {
        let count = max(0, tail.count - limit)
        dropped += count
        tail.removeFirst(count)
    }

    var bytes: [UInt8] {
        var copy = self
        copy.drop()
        let note = copy.dropped > 0 ? "\n[... \(copy.dropped) bytes are not kept ...]\n" : ""
        return copy.head + Array(note.utf8) + copy.tail
    }
}
