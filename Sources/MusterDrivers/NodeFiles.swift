import Glibc
import MusterCore
import MusterSupervision
import Synchronization

/// The files in a node's folder, as a lab may reach them: nothing outside of it, and nothing that is the supervisor's.
///
/// Every path is walked name by name from the open folder, and no symbolic link is followed, so none leads out.
struct NodeFiles: ~Copyable {
    private let root: CInt
    private static let drafts = Atomic<Int>(0)

    init(_ directory: String) throws(StepError) {
        root = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard root >= 0 else { throw Self.error("the node's folder \(directory) cannot be opened") }
    }

    deinit { close(root) }

    // MARK: Putting

    /// Writes a file beside its place and renames it: whoever reads it meanwhile sees the old or the new one.
    func put(_ file: FileContent) throws(StepError) {
        let names = try Self.names(of: file.to)
        let folder = try enter(names.dropLast(), making: true, path: file.to)
        defer { close(folder) }
        let number = Self.drafts.add(1, ordering: .relaxed).newValue
        let draft = ".\(getpid())-\(number).muster-part"
        unlinkat(folder, draft, 0)  // a process of the same number may have died here once
        let target = openat(folder, draft, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard target >= 0 else { throw Self.error("'\(file.to)' cannot be written") }
        defer { close(target) }
        do throws(StepError) {
            switch file.source {
            case .bytes(let bytes): try write(bytes, target, file)
            case .path(let path): try copy(path, to: target, file)
            }
            guard fchmod(target, mode_t(file.mode & 0o7777)) == 0, renameat(folder, draft, folder, names.last!) == 0
            else {
                throw Self.error("'\(file.to)' cannot be written")
            }
        } catch {
            unlinkat(folder, draft, 0)
            throw error
        }
    }

    private func copy(_ path: String, to target: CInt, _ file: FileContent) throws(StepError) {
        let source = open(path, O_RDONLY | O_CLOEXEC)
        guard source >= 0 else { throw Self.error("the file '\(path)' cannot be read") }
        defer { close(source) }
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 16, alignment: 16)
        defer { buffer.deallocate() }
        while true {
            let count = read(source, buffer.baseAddress, buffer.count)
            if count == 0 { return }
            if count < 0 {
                if errno == EINTR { continue }
                throw Self.error("the file '\(path)' cannot be read")
            }
            try write(Array(buffer[..<count]), target, file)
        }
    }

    private func write(_ bytes: [UInt8], _ target: CInt, _ file: FileContent) throws(StepError) {
        var written = 0
        while written < bytes.count {
            let count = bytes.withUnsafeBytes { Glibc.write(target, $0.baseAddress! + written, $0.count - written) }
            if count < 0 {
                if errno == EINTR { continue }
                throw Self.error("'\(file.to)' cannot be written")
            }
            written += count
        }
    }

    // MARK: Removing

    /// The name of a file as its folder has it: bytes, and not always text.
    private typealias RawName = [CChar]

    /// It, as far as it is text.
    private static func text(_ name: RawName) -> String {
        String(decoding: name.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    /// Removes everything but what is the supervisor's.
    ///
    /// A folder is emptied by bringing what is in its folders up to the root, so that a tree of any depth costs two
    /// descriptors.
    func removeAll() throws(StepError) {
        var number = 0
        while true {
            let names = try Self.entries(of: root).filter { !SupervisorFiles.isReserved(Self.text($0)) }
            if names.isEmpty { return }
            for name in names {
                if unlinkat(root, name, 0) == 0 || errno == ENOENT { continue }
                let shown = Self.text(name)
                guard errno == EISDIR || errno == EPERM else { throw Self.error("'\(shown)' cannot be removed") }
                try raise(from: name, shown, &number)
                guard unlinkat(root, name, AT_REMOVEDIR) == 0 || errno == ENOENT else {
                    throw Self.error("'\(shown)' cannot be removed")
                }
            }
        }
    }

    /// Removes the files of a folder below the root, and moves its folders into the root under names of their own.
    private func raise(from name: RawName, _ shown: String, _ number: inout Int) throws(StepError) {
        let inner = openat(root, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW)
        guard inner >= 0 else { throw Self.error("'\(shown)' cannot be removed") }
        defer { close(inner) }
        for entry in try Self.entries(of: inner) where unlinkat(inner, entry, 0) != 0 && errno != ENOENT {
            let path = "\(shown)/\(Self.text(entry))"
            guard errno == EISDIR || errno == EPERM else { throw Self.error("'\(path)' cannot be removed") }
            if unlinkat(inner, entry, AT_REMOVEDIR) == 0 { continue }
            repeat {
                number += 1
                if renameat(inner, entry, root, ".removed-\(number)") == 0 { break }
                // Another one of that name that is not empty stands there from before.
                guard errno == ENOTEMPTY || errno == EEXIST || errno == ENOTDIR else {
                    throw Self.error("'\(path)' cannot be removed")
                }
            } while true
        }
    }

    private static func entries(of folder: CInt) throws(StepError) -> [RawName] {
        let copy = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard copy >= 0, let stream = fdopendir(copy) else { throw error("the node's folder cannot be read") }
        defer { closedir(stream) }
        var names: [RawName] = []
        while let entry = readdir(stream) {
            let name = withUnsafeBytes(of: entry.pointee.d_name) { bytes in
                bytes.prefix { $0 != 0 }.map { CChar(bitPattern: $0) } + [0]
            }
            if name != [46, 0], name != [46, 46, 0] { names.append(name) }
        }
        return names
    }

    // MARK: Probing

    /// - Throws: `.notReady` when there is no such file, or it is a link.
    func require(_ path: String) throws(StepError) {
        let names = try Self.names(of: path)
        let folder: CInt
        do throws(StepError) {
            folder = try enter(names.dropLast(), making: false, path: path)
        } catch {
            throw StepError(.notReady, error.message)
        }
        defer { close(folder) }
        var status = stat()
        guard fstatat(folder, names.last!, &status, AT_SYMLINK_NOFOLLOW) == 0 else {
            throw StepError(.notReady, "there is no file '\(path)' in the node's folder")
        }
        if status.st_mode & S_IFMT == S_IFLNK {
            throw StepError(.notReady, "'\(path)' is a symbolic link, which is not followed out of the node's folder")
        }
    }

    // MARK: Paths

    static func names(of path: String) throws(StepError) -> [String] {
        let names = path.split(separator: "/", omittingEmptySubsequences: false).map(String.init)
        let isInside = names.allSatisfy { !$0.isEmpty && $0 != "." && $0 != ".." && !$0.utf8.contains(0) }
        guard isInside, let first = names.first else {
            throw StepError(
                .file,
                "'\(path)' is no path inside the node's folder: name it relative, without '.' and '..'"
            )
        }
        guard !SupervisorFiles.isReserved(first) else {
            throw StepError(.file, "'\(path)' is a name the supervisor uses (op-…, supervisor.…): choose another")
        }
        return names
    }

    /// Opens a folder below the root. The caller closes it.
    private func enter(_ names: ArraySlice<String>, making: Bool, path: String) throws(StepError) -> CInt {
        var folder = fcntl(root, F_DUPFD_CLOEXEC, 0)
        for name in names {
            if making { mkdirat(folder, name, 0o700) }
            let next = openat(folder, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW)
            let error =
                errno == ELOOP || errno == ENOTDIR
                ? StepError(.file, "'\(path)' leads through '\(name)', which is a link or no folder")
                : Self.error("'\(path)' cannot be reached")
            close(folder)
            guard next >= 0 else { throw error }
            folder = next
        }
        guard folder >= 0 else { throw Self.error("'\(path)' cannot be reached") }
        return folder
    }

    private static func error(_ what: String) -> StepError {
        let code = errno
        let noSpace = code == ENOSPC || code == EDQUOT || code == EROFS
        return StepError(noSpace ? .refused : .file, "\(what): \(String(cString: strerror(code)))")
    }
}
