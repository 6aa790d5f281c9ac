import Glibc
import MusterSupervision

/// The folder of one operation: what was asked, what was started, how it ended.
struct OperationFolder {
    let descriptor: Int32
    /// Room for the exit record, written before the start: a disk that fills up later cannot keep it from being
    /// written.
    private let draft: Int32

    fileprivate static let recordLengthMax = 4096

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
                try Self.reserve(draft)
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

    fileprivate static func create(_ name: String, in folder: Int32) throws(SystemError) -> Int32 {
        let file = openat(folder, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard file >= 0 else { throw SystemError("the operation's \(name) cannot be made") }
        return file
    }

    fileprivate static func reserve(_ draft: Int32) throws(SystemError) {
        try fill(draft, String(repeating: " ", count: recordLengthMax))
    }

    fileprivate static func fill(_ file: Int32, _ text: String) throws(SystemError) {
        guard writeAll(file, text) else { throw SystemError("the operation's files cannot be written") }
    }

    /// Takes a folder that was made before anybody asked. nil when the operation has one already.
    ///
    /// - Throws: when the disk is full, or the like; the operation then has no folder.
    init?(_ spare: SpareFolder, as operation: String, in node: NodeFolder, spec: String) throws(SystemError) {
        let file = openat(spare.descriptor, SupervisorFiles.spec, O_WRONLY | O_TRUNC | O_CLOEXEC | O_NOFOLLOW)
        guard file >= 0 else { throw SystemError("the operation's files cannot be opened") }
        defer { close(file) }
        try Self.fill(file, spec)
        // Over a folder with something in it none is moved.
        let name = SupervisorFiles.folder(of: operation)
        if renameat(node.descriptor, SupervisorFiles.spare, node.descriptor, name) != 0 {
            if errno == EEXIST || errno == ENOTEMPTY { return nil }
            throw SystemError("the operation's folder cannot be made")
        }
        descriptor = spare.descriptor
        draft = spare.draft
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

/// The folder of the next operation, made while there is nothing else to do: to make files takes longer than to start a
/// program, and a node that runs tests is asked for the next one soon.
struct SpareFolder {
    fileprivate let descriptor: Int32
    fileprivate let draft: Int32

    /// Makes it, or goes on with one that a supervisor before this has left.
    init(in node: NodeFolder) throws(SystemError) {
        if mkdirat(node.descriptor, SupervisorFiles.spare, 0o700) != 0, errno != EEXIST {
            throw SystemError("a folder cannot be made")
        }
        let folder = openat(node.descriptor, SupervisorFiles.spare, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW)
        guard folder >= 0 else { throw SystemError("a folder cannot be opened") }
        var files: [Int32] = []
        for name in [SupervisorFiles.exitDraft, SupervisorFiles.spec, SupervisorFiles.output] {
            files.append(openat(folder, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0o600))
        }
        do throws(SystemError) {
            guard files.allSatisfy({ $0 >= 0 }) else { throw SystemError("a file cannot be made") }
            try OperationFolder.reserve(files[0])
        } catch {
            for file in files + [folder] where file >= 0 { close(file) }
            throw error
        }
        for file in files.dropFirst() { close(file) }
        descriptor = folder
        draft = files[0]
    }

    func closeAll() {
        close(draft)
        close(descriptor)
    }
}
