import Glibc
import MusterSupervision

/// A node's folder, held open: everything in it is reached by its descriptor, however deep it lies and whoever renames
/// it.
struct NodeFolder {
    let path: String
    let descriptor: Int32

    /// Opens the folder, and makes it and its parents where they are missing. Only its owner may enter.
    init(making path: String) throws(SystemError) {
        guard path.utf8.first == UInt8(ascii: "/") else {
            throw SystemError("'\(path)' is no absolute path", EINVAL)
        }
        // Step by step, so that no path is too long for the kernel.
        var descriptor = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        for component in path.split(separator: "/") {
            let name = String(component)
            if mkdirat(descriptor, name, 0o700) != 0, errno != EEXIST {
                let error = SystemError("the node's folder \(path) cannot be made")
                close(descriptor)
                throw error
            }
            let next = openat(descriptor, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
            let error = SystemError("the node's folder \(path) cannot be opened")
            close(descriptor)
            guard next >= 0 else { throw error }
            descriptor = next
        }
        fchmod(descriptor, 0o700)
        self.path = path
        self.descriptor = descriptor
    }

    /// A short path to the folder's socket: those of sockets may have 107 bytes only.
    var socketPath: [UInt8] { Array("/proc/self/fd/\(descriptor)/\(SupervisorFiles.socket)".utf8) }

    /// Replaces a small file by writing a new one and renaming it.
    func replace(_ name: String, _ text: String) throws(SystemError) {
        try replaceFile(in: descriptor, name, text)
    }

    /// The number in a small file; nil when there is none.
    func number(in name: String) -> Int64? {
        let file = openat(descriptor, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW)
        guard file >= 0 else { return nil }
        defer { close(file) }
        var bytes = [UInt8](repeating: 0, count: 32)
        let count = read(file, &bytes, bytes.count)
        guard count > 0 else { return nil }
        let digits = bytes[..<count].prefix { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
        return Int64(String(decoding: digits, as: UTF8.self))
    }
}

private func replaceFile(in folder: Int32, _ name: String, _ text: String) throws(SystemError) {
    let draft = name + ".part"
    let file = openat(folder, draft, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0o600)
    guard file >= 0 else { throw SystemError("\(name) cannot be written") }
    let isWritten = writeAll(file, text)
    let error = SystemError("\(name) cannot be written")
    close(file)
    guard isWritten, renameat(folder, draft, folder, name) == 0 else {
        unlinkat(folder, draft, 0)
        throw error
    }
}

/// The folder of one operation: what was asked, what was started, how it ended.
struct OperationFolder {
    let descriptor: Int32
    /// Room for the exit record, written before the start: a disk that fills up later cannot keep it from being
    /// written.
    private let draft: Int32

    private static let recordLengthMax = 4096

    /// nil when the operation has a folder already.
    ///
    /// - Throws: when the disk is full, or the like; then nothing is left of it.
    init?(making operation: String, in node: NodeFolder, spec: String) throws(SystemError) {
        let name = SupervisorFiles.folder(of: operation)
        if mkdirat(node.descriptor, name, 0o700) != 0 {
            if errno == EEXIST { return nil }
            throw SystemError("the operation's folder cannot be made")
        }
        let folder = openat(node.descriptor, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW)
        guard folder >= 0 else { throw SystemError("the operation's folder cannot be opened") }
        do throws(SystemError) {
            draft = try Self.create(SupervisorFiles.exitDraft, in: folder)
            do throws(SystemError) {
                try Self.fill(draft, String(repeating: " ", count: Self.recordLengthMax))
                let file = try Self.create(SupervisorFiles.spec, in: folder)
                defer { close(file) }
                try Self.fill(file, spec)
            } catch {
                close(draft)
                throw error
            }
        } catch {
            for file in [SupervisorFiles.exitDraft, SupervisorFiles.spec] { unlinkat(folder, file, 0) }
            close(folder)
            unlinkat(node.descriptor, name, AT_REMOVEDIR)
            throw error
        }
        descriptor = folder
    }

    private static func create(_ name: String, in folder: Int32) throws(SystemError) -> Int32 {
        let file = openat(folder, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard file >= 0 else { throw SystemError("the operation's \(name) cannot be made") }
        return file
    }

    private static func fill(_ file: Int32, _ text: String) throws(SystemError) {
        guard writeAll(file, text) else { throw SystemError("the operation's files cannot be written") }
    }

    /// Says which process was started; without it the process is found by its environment all the same.
    func write(started identity: ProcessIdentity, bootID: String) {
        var json = JSONText()
        json.add("format", 1)
        json.add("pid", identity.pid)
        json.add("start_time", identity.startTime)
        json.add("boot_id", bootID)
        guard let file = try? Self.create(SupervisorFiles.started, in: descriptor) else { return }
        writeAll(file, json.finished)
        close(file)
    }

    /// Says how it ended: all of it or nothing.
    func write(exit record: ExitRecord) throws(SystemError) {
        let text = record.json
        let bytes = Array(text.utf8)
        let written = bytes.withUnsafeBytes { pwrite(draft, $0.baseAddress, $0.count, 0) }
        guard written == bytes.count, ftruncate(draft, off_t(bytes.count)) == 0,
            renameat(descriptor, SupervisorFiles.exitDraft, descriptor, SupervisorFiles.exit) == 0
        else { throw SystemError("the exit of \(record.operation) cannot be written") }
    }

    func closeAll() {
        close(draft)
        close(descriptor)
    }
}
