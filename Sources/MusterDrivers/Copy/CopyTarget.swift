import Foundation
import MusterCore

/// Writes what comes from a node to this host: beside its place first, and only whole under its name.
///
/// In a folder every path is walked name by name from the open root and no symbolic link is followed, so nothing that
/// an archive says leads out of it.
final class CopyTarget {
    private let folder: String
    private let parent: Int32
    private let name: String
    private let path: String
    private let draft: String
    private let replaces: Bool
    /// The draft: a file, or the root of a folder.
    private var root: Int32 = -1
    private var isFolder = false
    private var isPlaced = false
    /// The folder of the last entry, for those that follow in it.
    private var last: (names: [[UInt8]], descriptor: Int32)?
    /// Set when all is there: what may not be written to is filled first.
    private var modes: [(names: [[UInt8]], mode: UInt16)] = []
    private(set) var bytes: Int64 = 0
    private(set) var files = 0

    /// - Parameters:
    ///   - path: where it is to be; its folder is there.
    ///   - tag: tells drafts apart that are written at once.
    /// - Throws: `.file` when it cannot be written there.
    init(_ path: String, replaces: Bool, tag: String) throws(StepError) {
        self.path = path
        self.replaces = replaces
        let parts = path.split(separator: "/", omittingEmptySubsequences: false)
        name = String(parts.last ?? "")
        let above = parts.dropLast().joined(separator: "/")
        folder = above.isEmpty ? "/" : above
        draft = ".\(tag)-\(getpid()).muster-part"
        parent = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard parent >= 0 else {
            throw StepError(.file, "the folder '\(folder)' cannot be written to: \(String(cString: strerror(errno)))")
        }
    }

    deinit {
        abandon()
        close(parent)
    }

    /// Takes away what was begun, unless it is in its place. Nothing is written after it.
    func abandon() {
        if let last { close(last.descriptor) }
        last = nil
        if !isPlaced { discard() }
        if root >= 0 { close(root) }
        root = -1
        isPlaced = true
    }

    private func discard() {
        if isFolder {
            remove(draft)
        } else if root >= 0 {
            unlinkat(parent, draft, 0)
        }
    }

    /// Follows no link.
    private func remove(_ name: String) {
        try? FileManager.default.removeItem(atPath: "\(folder)/\(name)")
    }

    private func failure(_ what: String) -> StepError {
        StepError(.file, "\(what): \(String(cString: strerror(errno)))")
    }

    // MARK: A file

    func beginFile() throws(StepError) {
        var status = stat()
        if fstatat(parent, name, &status, 0) == 0, status.st_mode & S_IFMT == S_IFDIR {
            throw StepError(.file, "'\(path)' is a folder")
        }
        unlinkat(parent, draft, 0)  // a process of the same number may have died here once
        root = openat(parent, draft, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard root >= 0 else { throw failure("'\(path)' cannot be written") }
    }

    func write(_ bytes: ArraySlice<UInt8>) throws(StepError) { try write(bytes, to: root, path) }

    private func write(_ bytes: ArraySlice<UInt8>, to file: Int32, _ shown: String) throws(StepError) {
        var rest = bytes
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Foundation.write(file, $0.baseAddress, $0.count) }
            if count < 0 {
                if errno == EINTR { continue }
                throw failure("'\(shown)' cannot be written")
            }
            rest = rest.dropFirst(count)
            self.bytes += Int64(count)
        }
    }

    func placeFile(mode: UInt16) throws(StepError) {
        guard fchmod(root, mode_t(mode & 0o777)) == 0, renameat(parent, draft, parent, name) == 0 else {
            throw failure("'\(path)' cannot be written")
        }
        isPlaced = true
        files = 1
    }

    // MARK: A folder

    func beginFolder() throws(StepError) {
        var status = stat()
        if fstatat(parent, name, &status, AT_SYMLINK_NOFOLLOW) == 0, !replaces { throw exists }
        isFolder = true
        remove(draft)
        guard mkdirat(parent, draft, 0o700) == 0 else {
            isFolder = false
            throw failure("'\(path)' cannot be written")
        }
        root = openat(parent, draft, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW)
        guard root >= 0 else { throw failure("'\(path)' cannot be written") }
    }

    private var exists: StepError {
        StepError(.file, "'\(path)' is there already: remove it, choose another place, or say --replace")
    }

    func placeFolder(mode: UInt16) throws(StepError) {
        for folder in modes.reversed() {
            let descriptor = try enter(folder.names[...], making: false)
            fchmod(descriptor, mode_t(folder.mode & 0o777))
            close(descriptor)
        }
        guard fchmod(root, mode_t(mode & 0o777)) == 0 else { throw failure("'\(path)' cannot be written") }
        var status = stat()
        let isThere = fstatat(parent, name, &status, AT_SYMLINK_NOFOLLOW) == 0
        if isThere, !replaces { throw exists }
        let old = "\(draft).old"
        if isThere, renameat(parent, name, parent, old) != 0 { throw failure("'\(path)' cannot be replaced") }
        guard renameat(parent, draft, parent, name) == 0 else {
            let problem = failure("'\(path)' cannot be written")
            if isThere { renameat(parent, old, parent, name) }
            throw problem
        }
        isPlaced = true
        if isThere { remove(old) }
    }

    // MARK: Entries of a folder

    func makeFolder(_ names: [[UInt8]], mode: UInt16) throws(StepError) {
        guard !names.isEmpty else { return }
        close(try enter(names[...], making: true))
        if mode & 0o777 != 0o700 { modes.append((names, mode)) }
    }

    /// A file of the folder, to be written to and closed by who asks for it.
    func makeFile(_ names: [[UInt8]], mode: UInt16) throws(StepError) -> Int32 {
        let (folder, name) = try place(of: names)
        unlinkat(folder, name, 0)
        let file = openat(folder, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard file >= 0, fchmod(file, mode_t(mode & 0o777)) == 0 else { throw unwritable(names) }
        files += 1
        return file
    }

    func write(_ bytes: ArraySlice<UInt8>, to file: Int32, _ names: [[UInt8]]) throws(StepError) {
        try write(bytes, to: file, "\(path)/\(TreePath.joined(names))")
    }

    /// - Parameter target: one that stays inside.
    func makeLink(_ names: [[UInt8]], to target: [UInt8]) throws(StepError) {
        let (folder, name) = try place(of: names)
        unlinkat(folder, name, 0)
        let text = (target + [0]).map { CChar(bitPattern: $0) }
        guard symlinkat(text, folder, name) == 0 else { throw unwritable(names) }
    }

    /// Another name of a file that was written before.
    func makeHardLink(_ names: [[UInt8]], to target: [[UInt8]]) throws(StepError) {
        guard let last = target.last else { throw unwritable(names) }
        let former = try enter(target.dropLast(), making: false)
        defer { close(former) }
        let (folder, name) = try place(of: names)
        unlinkat(folder, name, 0)
        guard linkat(former, Self.raw(last), folder, name, 0) == 0 else { throw unwritable(names) }
        files += 1
    }

    private func unwritable(_ names: [[UInt8]]) -> StepError {
        failure("'\(path)/\(TreePath.joined(names))' cannot be written")
    }

    private static func raw(_ name: [UInt8]) -> [CChar] { (name + [0]).map { CChar(bitPattern: $0) } }

    private func place(of names: [[UInt8]]) throws(StepError) -> (Int32, [CChar]) {
        guard let name = names.last else { throw StepError(.file, "an entry without a name") }
        let folder = Array(names.dropLast())
        if let last, last.names == folder { return (last.descriptor, Self.raw(name)) }
        if let last { close(last.descriptor) }
        last = nil
        let descriptor = try enter(folder[...], making: true)
        last = (folder, descriptor)
        return (descriptor, Self.raw(name))
    }

    private func enter(_ names: ArraySlice<[UInt8]>, making: Bool) throws(StepError) -> Int32 {
        var folder = fcntl(root, F_DUPFD_CLOEXEC, 0)
        for name in names {
            if making { mkdirat(folder, Self.raw(name), 0o700) }
            let next = openat(folder, Self.raw(name), O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW)
            let problem = failure("'\(path)/\(TreePath.joined(Array(names)))' cannot be reached")
            close(folder)
            guard next >= 0 else { throw problem }
            folder = next
        }
        return folder
    }
}
