import Foundation
import MusterCore
import MusterSupervision
import NIOCore

/// One conversation with QEMU's monitor (QMP), by a thread that may block.
///
/// The socket is the node's own (0600, in its folder of 0700), and whoever may talk there owns the machine.
final class MachineMonitor {
    struct Failure: Error { let message: String }

    /// The socket's name in the node's folder.
    static let socket = "supervisor.qmp"
    private static let answerLimit = 1 << 20

    private let descriptor: Int32
    private var buffer: [UInt8] = []
    /// Events that came while an answer was waited for.
    private var events: [String] = []

    /// Connects, and is greeted.
    init(directory: String, within: Duration) throws(Failure) {
        descriptor = Foundation.socket(AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        let folder = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        defer { if folder >= 0 { Foundation.close(folder) } }
        // The path of a socket may have 107 bytes only.
        let path = "/proc/self/fd/\(folder)/\(Self.socket)"
        chmod(path, 0o600)
        var place = sockaddr_un()
        place.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &place.sun_path) { $0.copyBytes(from: path.utf8) }
        let code = withUnsafePointer(to: &place) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        guard code == 0 else {
            throw Failure(message: "the machine's monitor cannot be reached: \(String(cString: strerror(errno)))")
        }
        let deadline = NIODeadline.now() + .microseconds(within.microseconds)
        guard try message(until: deadline)?["QMP"] != nil else {
            throw Failure(message: "the machine's monitor does not greet within \(within.shortText)")
        }
        _ = try execute("qmp_capabilities", within: within)
    }

    deinit { if descriptor >= 0 { close(descriptor) } }

    /// Asks for something, and returns the answer's members.
    @discardableResult
    func execute(
        _ command: String,
        _ arguments: [String: String] = [:],
        within: Duration
    ) throws(Failure) -> [String: Any] {
        var json = JSONText()
        json.add("execute", command)
        if !arguments.isEmpty { json.add("arguments", arguments.map { ($0.key, $0.value) }) }
        let bytes = Array(json.finished.utf8)
        let sent = bytes.withUnsafeBytes { send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
        guard sent == bytes.count else { throw Failure(message: "the machine's monitor takes no command") }
        let deadline = NIODeadline.now() + .microseconds(within.microseconds)
        while let message = try message(until: deadline) {
            if let event = message["event"] as? String {
                events.append(event)
            } else if let error = message["error"] as? [String: Any] {
                throw Failure(message: "\(command) is refused: \(error["desc"] as? String ?? "no reason is said")")
            } else {
                return message["return"] as? [String: Any] ?? [:]
            }
        }
        throw Failure(message: "\(command) is not answered within \(within.shortText)")
    }

    /// Waits for the first of these events. False when none came in time, or the machine ended.
    func wait(for wanted: Set<String>, within: Duration) throws(Failure) -> Bool {
        if !wanted.isDisjoint(with: events) { return true }
        let deadline = NIODeadline.now() + .microseconds(within.microseconds)
        while let message = try message(until: deadline) {
            if let event = message["event"] as? String, wanted.contains(event) { return true }
        }
        return false
    }

    // MARK: Reading

    /// The next whole line; nil when none came in time, or nothing will come.
    private func message(until deadline: NIODeadline) throws(Failure) -> [String: Any]? {
        while true {
            if let end = buffer.firstIndex(of: UInt8(ascii: "\n")) {
                let line = Data(buffer[..<end])
                buffer.removeFirst(end + 1)
                guard let value = try? JSONSerialization.jsonObject(with: line) as? [String: Any] else {
                    throw Failure(message: "the machine's monitor says what is no message")
                }
                return value
            }
            guard buffer.count < Self.answerLimit else {
                throw Failure(message: "the machine's monitor says more than \(Self.answerLimit >> 20) MiB at once")
            }
            let rest = (deadline - .now()).nanoseconds / 1_000_000
            guard rest > 0 else { return nil }
            var wait = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
            let count = poll(&wait, 1, Int32(min(rest, 3_600_000)))
            if count <= 0 { continue }
            var bytes = [UInt8](repeating: 0, count: 1 << 16)
            let got = recv(descriptor, &bytes, bytes.count, 0)
            if got < 0, errno == EINTR { continue }
            guard got > 0 else { return nil }
            buffer += bytes[..<got]
        }
    }
}

extension MachineMonitor {
    /// Asks the guest to shut down, as its power button does, and waits for that. The machine then stands still and is
    /// there to be ended: its end is asked for by whoever keeps it, and is no loss.
    ///
    /// - Returns: whether the guest did. One that does not listen to the button, or takes longer, is left as it is.
    static func shutDown(_ directory: String, grace: Duration) async -> Bool {
        await withCheckedContinuation { done in
            // Awaited by this continuation. A thread of its own, since guests take their time.
            Thread.detachNewThread {
                do throws(Failure) {
                    let answer = Duration.seconds(10)
                    let monitor = try MachineMonitor(directory: directory, within: answer)
                    try monitor.execute("set-action", ["shutdown": "pause"], within: answer)
                    if try monitor.execute("query-status", within: answer)["status"] as? String == "shutdown" {
                        return done.resume(returning: true)
                    }
                    try monitor.execute("system_powerdown", within: answer)
                    done.resume(returning: try monitor.wait(for: ["SHUTDOWN"], within: grace))
                } catch {
                    done.resume(returning: false)
                }
            }
        }
    }

    /// What the machine does, in QEMU's word: `running`, `paused`, `shutdown`.
    static func status(_ directory: String) async -> String? {
        await offLoop {
            guard let monitor = try? MachineMonitor(directory: directory, within: .seconds(10)) else { return nil }
            return try? monitor.execute("query-status", within: .seconds(10))["status"] as? String
        }
    }
}
