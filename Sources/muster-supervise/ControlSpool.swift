import Glibc
import MusterSupervision
import MusterTestControl

/// Keeps what a test says on its control descriptor, whole and in a file, for whoever reads it later; and does at once
/// what cannot wait: it moves the test's deadline, and closes the descriptor when the test says that it goes away.
///
/// Beyond its limit nothing more is taken and the writer is told so by a closed pipe; the reader finds a stream that
/// breaks off.
struct ControlSpool {
    private let folder: Int32
    /// Opened when something is said; most tests say nothing.
    private var file: Int32 = -1
    private let limit: Int64
    private var size: Int64 = 0
    /// Where it comes from; -1 when there is no more.
    private(set) var pipe: Int32
    private var machine = ControlMachine(limits: ControlLimits())
    /// By which the test's deadline goes; nil for a test without one.
    var clock: DurationClock?

    init(pipe: Int32, folder: Int32, limit: Int64) {
        self.pipe = pipe
        self.folder = folder
        self.limit = limit
        makeNonblocking(pipe)
    }

    /// Takes what has been said, at most some, so that a flood does not keep others waiting.
    mutating func drain(now: Int64, atMost most: Int = 4 << 20) {
        var rest = most
        while pipe >= 0, rest > 0 {
            let count = read(pipe, Spool.buffer.baseAddress, min(Spool.buffer.count, rest))
            if count > 0 {
                rest -= count
                take(UnsafeRawBufferPointer(rebasing: Spool.buffer[..<count]), now: now)
            } else if count < 0, errno == EINTR {
                continue
            } else {
                if count == 0 || errno != EAGAIN { closePipe() }
                return
            }
        }
    }

    /// Takes all that is there: nobody writes any more.
    mutating func drainAll(now: Int64) {
        while pipe >= 0 {
            let before = size
            drain(now: now)
            if size == before { return }
        }
    }

    private mutating func take(_ bytes: UnsafeRawBufferPointer, now: Int64) {
        let room = Int(min(Int64(bytes.count), limit - size))
        let part = UnsafeRawBufferPointer(rebasing: bytes.prefix(room))
        if file < 0 {
            let name = SupervisorFiles.control
            file = openat(folder, name, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0o600)
            if file < 0 { Log.say("\(name) cannot be written: \(errorText(errno))") }
        }
        let written = file < 0 ? 0 : writeAll(file, part)
        size += Int64(written)
        act(on: part.bindMemory(to: UInt8.self), now: now)
        // What is not kept must not seem to be: the test is told by its pipe, the reader by an end that is too early.
        if written < bytes.count { closePipe() }
    }

    private mutating func act(on bytes: UnsafeBufferPointer<UInt8>, now: Int64) {
        var position = 0
        while let event = machine.next(in: bytes.span, from: &position) {
            switch event {
            case .duration(let change): clock?.apply(change, now: now)
            case .disconnect: closePipe()
            // Of nonsense too the whole is kept: whoever reads it says what is wrong.
            case .fileBegan, .fileData, .result, .exitCode, .noop, .partialLine, .reconnect, .error: break
            }
        }
    }

    private mutating func closePipe() {
        if pipe >= 0 { close(pipe) }
        pipe = -1
    }

    mutating func closeAll() {
        closePipe()
        if file >= 0 { close(file) }
    }
}
