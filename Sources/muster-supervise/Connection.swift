import Glibc
import MusterSupervision

/// One driver's connection: frames in, frames out, without ever blocking.
final class Connection {
    let descriptor: Int32
    private var buffer = FrameBuffer()
    private var outgoing: [UInt8] = []
    /// It is to be dropped: the other side closed it, sent something that is no message, or does not read its answers.
    private(set) var isFinished = false

    private static let outgoingLimit = 4 << 20

    init(descriptor: Int32) {
        self.descriptor = descriptor
        closeOnExec(descriptor)
        makeNonblocking(descriptor)
    }

    var wantsToWrite: Bool { !outgoing.isEmpty }

    /// Reads what has come, and returns the whole requests in it.
    func receive() -> [SupervisorRequest] {
        var bytes = [UInt8](repeating: 0, count: 1 << 16)
        var requests: [SupervisorRequest] = []
        while !isFinished {
            let count = read(descriptor, &bytes, bytes.count)
            if count < 0, errno == EINTR { continue }
            if count < 0, errno == EAGAIN { break }
            guard count > 0 else {
                isFinished = true
                break
            }
            do throws(WireError) {
                buffer.append(bytes[..<count])
                while let payload = try buffer.next() { requests.append(try SupervisorRequest(payload: payload)) }
            } catch {
                refuse(error)
            }
            if count < bytes.count { break }
        }
        return requests
    }

    /// After bytes that are no message nothing that follows can be trusted.
    private func refuse(_ error: WireError) {
        Log.say("a malformed message was refused: \(error)")
        send(SupervisorReply(number: 0, body: .refused(.malformed, message: "this is no request: \(error)")))
        isFinished = true
    }

    func send(_ reply: SupervisorReply) {
        outgoing += reply.frame
        flush()
        if outgoing.count > Self.outgoingLimit { isFinished = true }
    }

    func flush() {
        while !outgoing.isEmpty {
            let count = outgoing.withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
            if count < 0 {
                if errno == EINTR { continue }
                if errno != EAGAIN { isFinished = true }
                return
            }
            outgoing.removeFirst(count)
        }
    }

    func closeNow() { close(descriptor) }

    /// Whether the other side runs as the same user. Others cannot reach the socket; this is the second lock on the
    /// door.
    static func isOurs(_ descriptor: Int32) -> Bool {
        var credentials: [UInt32] = [0, .max, .max]  // struct ucred: pid, uid, gid
        var size = socklen_t(12)
        guard getsockopt(descriptor, SOL_SOCKET, SO_PEERCRED, &credentials, &size) == 0, size == 12 else {
            return false
        }
        return credentials[1] == geteuid() || credentials[1] == 0
    }
}
