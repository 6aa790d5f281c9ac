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
