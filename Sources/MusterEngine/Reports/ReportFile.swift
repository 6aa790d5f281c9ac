import Foundation
import MusterCore

/// The file in a node's folder into which the node writes its reports, read from where it was left.
///
/// It is the node's: it may be anything by now. It is opened without following links, below the folder of all nodes,
/// and only a plain file is read.
struct ReportFile {
    /// The folder of all nodes.
    let nodes: String
    /// The node's own folder there.
    let folder: String

    /// What of it is read at once.
    static let readMax = 64 << 10
    /// So many bytes before a place say whether a file is the same one.
    private static let printLength = 256

    /// Reads whole lines. What cannot be read is a flaw of the batch, which then stays where it was.
    func read(after position: ReportPosition?) -> ReportBatch {
        var batch = ReportBatch(from: position)
        do throws(ReportFlaw) {
            guard let descriptor = try open() else { return batch }
            defer { close(descriptor) }
            try read(descriptor, into: &batch)
        } catch {
            batch.flaws.append(error.message)
        }
        return batch
    }

    // MARK: Opening

    /// nil when there is none.
    private func open() throws(ReportFlaw) -> Int32? {
        let all = Foundation.open(nodes, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard all >= 0 else { return nil }
        defer { close(all) }
        let own = openat(all, folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
        guard own >= 0 else {
            if errno == ENOENT { return nil }
            throw ReportFlaw("the node's folder cannot be opened: \(Self.reason)")
        }
        defer { close(own) }
        // Without waiting: opening a pipe would wait for somebody who writes into it.
        let file = openat(own, StateDirectory.reportsName, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)
        guard file >= 0 else {
            switch errno {
            case ENOENT: return nil
            case ELOOP: throw ReportFlaw("\(StateDirectory.reportsName) is a link; it is not followed")
            default: throw ReportFlaw("\(StateDirectory.reportsName) cannot be opened: \(Self.reason)")
            }
        }
        return file
    }

    private static var reason: String { String(cString: strerror(errno)) }

    // MARK: Reading

    private func read(_ descriptor: Int32, into batch: inout ReportBatch) throws(ReportFlaw) {
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw ReportFlaw("it cannot be looked at: \(Self.reason)") }
        guard status.st_mode & S_IFMT == S_IFREG else {
            throw ReportFlaw("\(StateDirectory.reportsName) is no plain file")
        }
        guard status.st_nlink <= 1 else {
            throw ReportFlaw("\(StateDirectory.reportsName) has another name elsewhere; it is not read")
        }
        let number = Int64(bitPattern: UInt64(status.st_ino))
        let size = Int64(status.st_size)
        var offset: Int64 = 0
        if let from = batch.from {
            if try isSame(descriptor, number, size, from) {
                offset = from.offset
            } else {
                batch.flaws.append("the file is another one, or was cut: it is read from its beginning")
            }
        }
        let bytes = try Self.bytes(descriptor, from: offset, count: Self.readMax)
        let taken = take(bytes, isInsideLine: try isInsideLine(descriptor, offset), at: offset, into: &batch)
        offset += Int64(taken)
        // Whatever is written behind what was read is told of. The beginning of a line waits for its end.
        batch.isMore = bytes.count == Self.readMax
        batch.to = ReportPosition(file: number, offset: offset, print: try Self.print(descriptor, before: offset))
    }

    private func isSame(
        _ descriptor: Int32,
        _ number: Int64,
        _ size: Int64,
        _ position: ReportPosition
    ) throws(ReportFlaw) -> Bool {
        guard number == position.file, size >= position.offset else { return false }
        return try Self.print(descriptor, before: position.offset) == position.print
    }

    /// Whether what is before a place is the beginning of a line that was too long.
    private func isInsideLine(_ descriptor: Int32, _ offset: Int64) throws(ReportFlaw) -> Bool {
        guard offset > 0 else { return false }
        return try Self.bytes(descriptor, from: offset - 1, count: 1).first != UInt8(ascii: "\n")
    }

    /// Takes whole lines out of what was read; returns how many bytes they are.
    private func take(
        _ bytes: [UInt8],
        isInsideLine: Bool,
        at offset: Int64,
        into batch: inout ReportBatch
    ) -> Int {
        var taken = 0
        var isInsideLine = isInsideLine
        var flawCount = 0
        func note(_ flaw: String, _ place: Int) {
            flawCount += 1
            if flawCount == 1 { batch.flaws.append("the line at byte \(offset + Int64(place)): \(flaw)") }
        }
        while let end = bytes[taken...].firstIndex(of: UInt8(ascii: "\n")) {
            defer {
                taken = end + 1
                isInsideLine = false
            }
            // It was told of when its beginning was read.
            if isInsideLine { continue }
            if end - taken > ReportLine.lengthMax {
                note("it is longer than \(ReportLine.lengthMax) bytes", taken)
                continue
            }
            switch ReportLine.read(bytes[taken..<end]) {
            case .success(let line): batch.lines.append(line)
            case .failure(let flaw): note(flaw.message, taken)
            case nil: break
            }
        }
        // A line that is too long already is left out now, whatever its end will be.
        if isInsideLine {
            taken = bytes.count
        } else if bytes.count - taken > ReportLine.lengthMax {
            note("it is longer than \(ReportLine.lengthMax) bytes", taken)
            taken = bytes.count
        }
        if flawCount > 1 { batch.flaws.append("\(flawCount - 1) more lines after it are no reports") }
        return taken
    }

    /// A sum of the bytes before a place (FNV-1a).
    private static func print(_ descriptor: Int32, before offset: Int64) throws(ReportFlaw) -> Int64 {
        let count = min(offset, Int64(printLength))
        var sum: UInt64 = 0xCBF2_9CE4_8422_2325
        for byte in try bytes(descriptor, from: offset - count, count: Int(count)) {
            sum = (sum ^ UInt64(byte)) &* 0x100_0000_01B3
        }
        return Int64(bitPattern: sum)
    }

    private static func bytes(_ descriptor: Int32, from offset: Int64, count: Int) throws(ReportFlaw) -> [UInt8] {
        if count == 0 { return [] }
        var failure: String?
        let bytes = [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
            while filled < count {
                let got = pread(descriptor, buffer.baseAddress! + filled, count - filled, off_t(offset) + off_t(filled))
                if got < 0, errno == EINTR { continue }
                if got < 0 { failure = reason }
                guard got > 0 else { break }
                filled += got
            }
        }
        if let failure { throw ReportFlaw("it cannot be read: \(failure)") }
        return bytes
    }
}
