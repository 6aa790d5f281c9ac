import Glibc
import MusterSupervision

/// Keeps what an operation prints: the first `limit` bytes in `output`; of the rest the last `limit` bytes, in two
/// files that are overwritten in turns and put together at the end, with a line between that says how much is missing.
///
/// A full disk ends nothing: what could not be written is counted as dropped.
struct Spool {
    private let folder: Int32
    private let limit: Int64
    /// Where the operation's output comes from; -1 when there is no more.
    private(set) var pipe: Int32
    private let head: Int32
    private var headSize: Int64 = 0
    private var segment: Int32 = -1
    private var segmentSize: Int64 = 0
    /// Which of the two files is being written, and whether the other one is full of what came before.
    private var turn = 0
    private var hasOther = false
    private var total: Int64 = 0
    /// Of what is in neither file: no space, or overwritten.
    private(set) var dropped: Int64 = 0
    private var failed: Int32 = 0
    private var mask: SecretMask

    var kept: Int64 { total - dropped }

    /// - Parameter secrets: what is not kept, whoever prints it.
    init(pipe: Int32, folder: Int32, limit: Int64, secrets: [String] = []) {
        mask = SecretMask(secrets)
        self.pipe = pipe
        self.folder = folder
        self.limit = limit
        head = openat(folder, SupervisorFiles.output, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0o600)
        if head < 0 { failed = errno }
        makeNonblocking(pipe)
    }

    /// Shared by all: there is one thread.
    nonisolated(unsafe) static let buffer = UnsafeMutableRawBufferPointer.allocate(
        byteCount: 1 << 16,
        alignment: 16
    )

    /// Takes what has been printed, at most `most` bytes, so that a flood does not keep others waiting.
    mutating func drain(atMost most: Int = 1 << 20) {
        var rest = most
        while pipe >= 0, rest > 0 {
            let count = read(pipe, Self.buffer.baseAddress, Self.buffer.count)
            if count > 0 {
                rest -= count
                let bytes = UnsafeRawBufferPointer(rebasing: Self.buffer[..<count])
                if mask.isIdle { take(bytes) } else { mask.take(bytes).withUnsafeBytes { take($0) } }
            } else if count < 0, errno == EINTR {
                continue
            } else {
                if count == 0 || errno != EAGAIN { closePipe() }
                return
            }
        }
    }

    mutating func closePipe() {
        if pipe >= 0 {
            close(pipe)
            mask.end().withUnsafeBytes { take($0) }
        }
        pipe = -1
    }

    private mutating func take(_ bytes: UnsafeRawBufferPointer) {
        total += Int64(bytes.count)
        var rest = bytes
        if headSize < limit {
            let part = UnsafeRawBufferPointer(rebasing: rest.prefix(Int(min(limit - headSize, Int64(rest.count)))))
            headSize += Int64(part.count)
            write(part, to: head)
            rest = UnsafeRawBufferPointer(rebasing: rest[part.count...])
        }
        while !rest.isEmpty {
            guard limit > 0 else {
                dropped += Int64(rest.count)
                return
            }
            if segment < 0 || segmentSize == limit { nextSegment() }
            let part = UnsafeRawBufferPointer(rebasing: rest.prefix(Int(min(limit - segmentSize, Int64(rest.count)))))
            let written = write(part, to: segment)
            segmentSize += Int64(written)
            if written < part.count, segmentSize > 0 || hasOther {
                // The disk is full. What comes later is worth more than what came before.
                dropped += segmentSize + (hasOther ? limit : 0)
                removeSegments()
            }
            rest = UnsafeRawBufferPointer(rebasing: rest[part.count...])
        }
    }

    /// Writes, counts what is not taken as dropped, and returns what is.
    @discardableResult
    private mutating func write(_ bytes: UnsafeRawBufferPointer, to file: Int32) -> Int {
        let written = file < 0 ? 0 : writeAll(file, bytes)
        if written < bytes.count {
            if file >= 0 { failed = errno }
            dropped += Int64(bytes.count - written)
        }
        return written
    }

    private mutating func nextSegment() {
        if segment >= 0 {
            close(segment)
            if hasOther { dropped += limit }
            hasOther = true
            turn = 1 - turn
        }
        segment = openat(
            folder,
            SupervisorFiles.segments[turn],
            O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW,
            0o600
        )
        if segment < 0 { failed = errno }
        segmentSize = 0
    }

    private mutating func removeSegments() {
        if segment >= 0 { close(segment) }
        segment = -1
        segmentSize = 0
        hasOther = false
        for name in SupervisorFiles.segments { unlinkat(folder, name, 0) }
    }

    /// Puts the end of the output behind its beginning. May be called again when more has come since.
    mutating func assemble() {
        guard dropped > 0 || segment >= 0 else { return }
        let fromOther = hasOther ? limit - segmentSize : 0
        if hasOther { dropped += segmentSize }
        if dropped > reported {
            let reason = failed == 0 ? "only the first and last \(limit) are kept" : errorText(failed)
            writeAll(head, "\n[muster: \(dropped - reported) bytes of output are missing here: \(reason)]\n")
            reported = dropped
        }
        if hasOther { append(SupervisorFiles.segments[1 - turn], last: fromOther) }
        if segment >= 0 { append(SupervisorFiles.segments[turn], last: segmentSize) }
        removeSegments()
    }

    private var reported: Int64 = 0

    private mutating func append(_ name: String, last count: Int64) {
        let file = openat(folder, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW)
        defer { if file >= 0 { close(file) } }
        var rest = count
        guard file >= 0, lseek(file, off_t(-count), SEEK_END) >= 0 else {
            dropped += count
            return
        }
        while rest > 0 {
            let got = read(file, Self.buffer.baseAddress, Int(min(rest, Int64(Self.buffer.count))))
            guard got > 0 else { break }
            rest -= Int64(got)
            write(UnsafeRawBufferPointer(rebasing: Self.buffer[..<got]), to: head)
        }
        dropped += rest
    }

    mutating func closeAll() {
        closePipe()
        if head >= 0 { close(head) }
        if segment >= 0 { close(segment) }
    }
}
