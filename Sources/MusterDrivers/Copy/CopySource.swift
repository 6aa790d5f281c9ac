import Foundation
import MusterCore
import Synchronization

/// Reads what is to be copied to a node from this host, piece by piece: a file as it is, or a folder as an archive.
///
/// A folder is walked name by name from its open root and no symbolic link is followed, so that what changes while it
/// is read leads nowhere else.
final class CopySource: Sendable {
    /// What was given so far.
    struct Given: Sendable {
        var bytes: Int64 = 0
        var files = 0
        /// What cannot be copied, and why: devices, links that lead out of the folder.
        var leftOut: [String] = []
        var failure: StepError?
    }

    private struct Folder {
        var descriptor: Int32
        /// Relative to the root, empty or with `/` at the end.
        var path: [UInt8]
        var mode: UInt16
        var names: ArraySlice<[UInt8]>
    }

    private struct File {
        var descriptor: Int32
        var rest: Int
        var size: Int
        var title: String
    }

    private struct State {
        var folders: [Folder] = []
        var file: File?
        var isOver = false
        var written = 0
        var given = Given()
    }

    static let depthMax = 200
    /// The last entry, by which the other side knows that all have come.
    static let lastEntry = ".muster-whole"
    private static let chunk = 1 << 18

    let isFolder: Bool
    let size: Int
    let mode: UInt16
    private let title: String
    /// Whether the file that is read is an archive already.
    private let holdsArchive: Bool
    private let leftAside: Set<String>
    private let state: Mutex<State>

    var given: Given { state.withLock { $0.given } }

    /// - Parameter leftAside: what is not to be copied of a folder: paths relative to it.
    /// - Throws: `.file` when it cannot be read.
    init(_ path: String, leftAside: Set<String> = []) throws(StepError) {
        title = path
        // A link that the user names is followed.
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else { throw Self.error("'\(path)' cannot be read") }
        var status = stat()
        fstat(descriptor, &status)
        mode = UInt16(status.st_mode & 0o777)
        switch status.st_mode & S_IFMT {
        case S_IFREG:
            isFolder = false
            size = Int(status.st_size)
            holdsArchive = false
            self.leftAside = []
            let file = File(descriptor: descriptor, rest: size, size: size, title: path)
            state = Mutex(State(file: file))
        case S_IFDIR:
            isFolder = true
            size = 0
            holdsArchive = false
            self.leftAside = leftAside
            let names = try Self.names(in: descriptor, path)
            state = Mutex(State(folders: [Folder(descriptor: descriptor, path: [], mode: mode, names: names[...])]))
        default:
            close(descriptor)
            throw StepError(.file, "'\(path)' is neither a file nor a folder: devices and sockets are not copied")
        }
    }

    /// A folder, of which `FolderArchive` wrote an archive before.
    init(archive path: String) throws(StepError) {
        title = path
        isFolder = true
        mode = 0o700
        size = 0
        holdsArchive = true
        leftAside = []
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw Self.error("'\(path)' cannot be read") }
        var status = stat()
        fstat(descriptor, &status)
        let length = Int(status.st_size)
        state = Mutex(State(file: File(descriptor: descriptor, rest: length, size: length, title: path)))
    }

    deinit {
        state.withLock { state in
            if let file = state.file { close(file.descriptor) }
            for folder in state.folders { close(folder.descriptor) }
        }
    }

    /// The next bytes; nil at the end, and when something failed.
    func next() -> [UInt8]? {
        state.withLock { state in
            guard !state.isOver, state.given.failure == nil else { return nil }
            do throws(StepError) {
                guard let bytes = try isFolder && !holdsArchive ? nextOfArchive(&state) : nextOfFile(&state) else {
                    state.isOver = true
                    return nil
                }
                state.written += bytes.count
                return bytes
            } catch {
                state.given.failure = error
                return nil
            }
        }
    }

    private func nextOfFile(_ state: inout State) throws(StepError) -> [UInt8]? {
        guard let bytes = try read(&state) else {
            state.given.files = 1
            return nil
        }
        return bytes
    }

    /// What comes next of the open file; nil at its end.
    private func read(_ state: inout State) throws(StepError) -> [UInt8]? {
        guard var file = state.file else { return nil }
        guard file.rest > 0 else {
            close(file.descriptor)
            state.file = nil
            return nil
        }
        var bytes = [UInt8](repeating: 0, count: min(file.rest, Self.chunk))
        var count = Foundation.read(file.descriptor, &bytes, bytes.count)
        while count < 0, errno == EINTR { count = Foundation.read(file.descriptor, &bytes, bytes.count) }
        guard count > 0 else {
            if count < 0 { throw Self.error("'\(file.title)' cannot be read") }
            throw StepError(.file, "'\(file.title)' became shorter while it was copied: copy it again")
        }
        bytes.removeLast(bytes.count - count)
        file.rest -= count
        state.given.bytes += Int64(count)
        state.file = file
        return bytes
    }

    // MARK: Folders

    private func nextOfArchive(_ state: inout State) throws(StepError) -> [UInt8]? {
        if let file = state.file {
            if let bytes = try read(&state) { return bytes }
            let padding = ArchiveHeader.padding(of: file.size)
            if !padding.isEmpty { return padding }
        }
        while let folder = state.folders.last {
            guard let name = folder.names.first else {
                close(folder.descriptor)
                state.folders.removeLast()
                if state.folders.isEmpty { return ending(state.written) }
                // What may not be written to is filled first.
                if folder.mode & 0o700 != 0o700 { return Self.header(folder.path, folder.mode) }
                continue
            }
            state.folders[state.folders.count - 1].names.removeFirst()
            if let bytes = try entry(name, in: folder, &state) { return bytes }
        }
        return nil
    }

    private static func header(_ path: [UInt8], _ mode: UInt16) -> [UInt8] {
        ArchiveHeader(name: path, type: ArchiveHeader.Kind.folder.rawValue, mode: mode).blocks
    }

    private func ending(_ written: Int) -> [UInt8] {
        var bytes = ArchiveHeader(
            name: Array(Self.lastEntry.utf8),
            type: ArchiveHeader.Kind.file.rawValue,
            mode: 0o600
        ).blocks
        bytes += [UInt8](repeating: 0, count: 2 * ArchiveHeader.blockSize)
        let rest = (written + bytes.count) % ArchiveHeader.recordSize
        return bytes + [UInt8](repeating: 0, count: rest == 0 ? 0 : ArchiveHeader.recordSize - rest)
    }

    /// The beginning of an entry; nil for one that is left out.
    private func entry(_ name: [UInt8], in folder: Folder, _ state: inout State) throws(StepError) -> [UInt8]? {
        let path = folder.path + name
        let shown = "\(title)/\(TreePath.text(path))"
        let raw = (name + [0]).map { CChar(bitPattern: $0) }
        var status = stat()
        guard fstatat(folder.descriptor, raw, &status, AT_SYMLINK_NOFOLLOW) == 0 else {
            if errno == ENOENT { return nil }  // it went meanwhile
            throw Self.error("'\(shown)' cannot be read")
        }
        if path.elementsEqual(Self.lastEntry.utf8) { return nil }
        if !leftAside.isEmpty, leftAside.contains(String(decoding: path, as: UTF8.self)) { return nil }
        let changed = Int(status.st_mtim.tv_sec)
        switch status.st_mode & S_IFMT {
        case S_IFLNK:
            var target = [UInt8](repeating: 0, count: 4096)
            let count = target.withUnsafeMutableBytes {
                readlinkat(folder.descriptor, raw, $0.baseAddress!.assumingMemoryBound(to: CChar.self), $0.count)
            }
            guard count > 0 else { throw Self.error("'\(shown)' cannot be read") }
            target.removeLast(target.count - count)
            guard TreePath.staysInside(target, depth: state.folders.count - 1) else {
                state.given.leftOut.append("\(shown): it is a link out of what is copied, to \(TreePath.text(target))")
                return nil
            }
            return ArchiveHeader(
                name: path,
                type: ArchiveHeader.Kind.link.rawValue,
                mode: 0o777,
                changed: changed,
                target: target
            ).blocks
        case S_IFREG, S_IFDIR:
            let descriptor = openat(folder.descriptor, raw, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK)
            guard descriptor >= 0, fstat(descriptor, &status) == 0 else {
                throw Self.error("'\(shown)' cannot be read")
            }
            let mode = UInt16(status.st_mode & 0o777)
            if status.st_mode & S_IFMT == S_IFDIR { return try enter(descriptor, path, mode, shown, &state) }
            guard status.st_mode & S_IFMT == S_IFREG else {
                close(descriptor)
                return nil
            }
            let size = Int(status.st_size)
            state.file = File(descriptor: descriptor, rest: size, size: size, title: shown)
            state.given.files += 1
            return ArchiveHeader(
                name: path,
                type: ArchiveHeader.Kind.file.rawValue,
                mode: mode,
                size: size,
                changed: changed
            ).blocks
        default:
            state.given.leftOut.append("\(shown): it is neither a file, a folder nor a link")
            return nil
        }
    }

    private func enter(
        _ descriptor: Int32,
        _ path: [UInt8],
        _ mode: UInt16,
        _ shown: String,
        _ state: inout State
    ) throws(StepError) -> [UInt8] {
        guard state.folders.count < Self.depthMax else {
            close(descriptor)
            throw StepError(.file, "'\(shown)' lies deeper than \(Self.depthMax) folders")
        }
        let names: [[UInt8]]
        do throws(StepError) {
            names = try Self.names(in: descriptor, shown)
        } catch {
            close(descriptor)
            throw error
        }
        let inside = path + [UInt8(ascii: "/")]
        state.folders.append(Folder(descriptor: descriptor, path: inside, mode: mode, names: names[...]))
        return Self.header(inside, mode | 0o700)
    }

    private static func names(in folder: Int32, _ shown: String) throws(StepError) -> [[UInt8]] {
        let copy = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard copy >= 0, let stream = fdopendir(copy) else { throw error("'\(shown)' cannot be read") }
        defer { closedir(stream) }
        var names: [[UInt8]] = []
        while let entry = readdir(stream) {
            let name = withUnsafeBytes(of: entry.pointee.d_name) { bytes in Array(bytes.prefix { $0 != 0 }) }
            if name != [46], name != [46, 46] { names.append(name) }
        }
        return names.sorted { $0.lexicographicallyPrecedes($1) }
    }

    private static func error(_ what: String) -> StepError {
        StepError(.file, "\(what): \(String(cString: strerror(errno)))")
    }
}
