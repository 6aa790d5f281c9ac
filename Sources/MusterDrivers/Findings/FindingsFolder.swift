import Glibc
import MusterCore

/// The files that a test has reported, as they are taken from its control stream: a folder of their own, made anew, in
/// which every path is walked name by name and no symbolic link is followed.
final class FindingsFolder {
    private let root: CInt
    private let path: String

    init(_ path: String) throws(StepError) {
        self.path = path
        guard mkdir(path, 0o700) == 0 || errno == EEXIST else { throw Self.error(path) }
        root = Glibc.open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW)
        guard root >= 0 else { throw Self.error(path) }
    }

    deinit { close(root) }

    /// Opens a file below the folder for writing at its end; the folders on the way are made.
    ///
    /// - Parameter isNew: what it had is gone.
    func open(_ file: String, isNew: Bool) throws(StepError) -> CInt {
        let names = file.split(separator: "/").map(String.init)
        guard let last = names.last, !names.contains(where: { $0 == "." || $0 == ".." }) else {
            throw StepError(.file, "'\(file)' is no name for a file of a test")
        }
        var folder = fcntl(root, F_DUPFD_CLOEXEC, 0)
        defer { close(folder) }
        for name in names.dropLast() {
            _ = mkdirat(folder, name, 0o700)
            let next = openat(folder, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW)
            guard next >= 0 else { throw Self.error("\(path)/\(file)") }
            close(folder)
            folder = next
        }
        let flags = O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW | (isNew ? O_TRUNC : 0)
        let opened = openat(folder, last, flags, 0o600)
        guard opened >= 0 else { throw Self.error("\(path)/\(file)") }
        return opened
    }

    /// Gives a file of this host a name below the folder; one that is there stays.
    func link(_ source: String, as file: String) throws(StepError) {
        // Makes the folders on the way, and says what cannot be.
        let opened = try open(file, isNew: false)
        var status = stat()
        let isThere = fstat(opened, &status) == 0 && status.st_size > 0
        close(opened)
        guard !isThere else { return }
        let target = "\(path)/\(file)"
        unlink(target)
        guard Glibc.link(source, target) == 0 || errno == ENOENT else { throw Self.error(target) }
    }

    static func error(_ path: String) -> StepError {
        StepError(.file, "what the test reported cannot be kept: \(path): \(String(cString: strerror(errno)))")
    }
}
