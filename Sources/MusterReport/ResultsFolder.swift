#if canImport(Darwin)
import Darwin
#else
import Glibc
#endif

/// An open folder. Everything in it is reached from its descriptor and never through a symbolic link, so that nothing a
/// test leaves behind can lead a write elsewhere.
struct ResultsFolder: ~Copyable {
    let path: String
    let descriptor: Int32

    deinit { close(descriptor) }

    private init(path: String, descriptor: Int32) {
        self.path = path
        self.descriptor = descriptor
    }

    /// Opens a folder by its path, and makes it and its parents where they are missing.
    static func making(_ path: String) throws(ResultsError) -> ResultsFolder {
        if let folder = opening(path) { return folder }
        var prefix = path.hasPrefix("/") ? "/" : ""
        for part in path.split(separator: "/") {
            prefix += (prefix.isEmpty || prefix == "/" ? "" : "/") + part
            if mkdir(prefix, 0o777) != 0, errno != EEXIST, errno != EISDIR {
                throw .system("cannot make the folder", prefix, errno)
            }
        }
        let descriptor = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { throw .system("cannot open the folder", path, errno) }
        return ResultsFolder(path: path, descriptor: descriptor)
    }

    static func opening(_ path: String) -> ResultsFolder? {
        let descriptor = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        return descriptor < 0 ? nil : ResultsFolder(path: path, descriptor: descriptor)
    }

    /// A folder in this one; `name` is one component.
    func child(_ name: String, makes: Bool = true) throws(ResultsError) -> ResultsFolder {
        let child = path + "/" + name
        if makes, mkdirat(descriptor, name, 0o777) != 0, errno != EEXIST {
            throw .system("cannot make the folder", child, errno)
        }
        let opened = openat(descriptor, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
        guard opened >= 0 else { throw .system("cannot open the folder", child, errno) }
        return ResultsFolder(path: child, descriptor: opened)
    }

    /// The folder that a path of components leads to.
    func descendant(_ names: ArraySlice<String>, makes: Bool = true) throws(ResultsError) -> ResultsFolder {
        guard let first = names.first else {
            let copy = fcntl(descriptor, F_DUPFD_CLOEXEC, 0)
            guard copy >= 0 else { throw .system("cannot open the folder", path, errno) }
            return ResultsFolder(path: path, descriptor: copy)
        }
        return try child(first, makes: makes).descendant(names.dropFirst(), makes: makes)
    }

    /// Waits for the other writers of this folder, in this process or another; the kernel ends the lock with its
    /// holder. Where the file system knows no locks, writers are on their own.
    func lock() { while flock(descriptor, LOCK_EX) != 0 && errno == EINTR {} }

    func unlock() { _ = flock(descriptor, LOCK_UN) }

    /// Writes a file beside its place and renames it there. Not synced to the disk: results are a projection that can
    /// be written again, and a rename alone holds against the end of any process.
    func replace(_ name: String, with bytes: [UInt8]) throws(ResultsError) {
        try replace(name) { (file: Int32) in
            bytes.withUnsafeBytes { ResultsFolder.writeAll($0, to: file) }
        }
    }

    private func replace(_ name: String, writing: (Int32) -> Bool) throws(ResultsError) {
        let temporary = temporaryName(name)
        _ = unlinkat(descriptor, temporary, 0)
        let flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC
        let file = openat(descriptor, temporary, flags, 0o666)
        guard file >= 0 else { throw .system("cannot write", path + "/" + name, errno) }
        var failure: Int32 = writing(file) ? 0 : errno
        if close(file) != 0, failure == 0 { failure = errno }
        if failure == 0, renameat(descriptor, temporary, descriptor, name) != 0 { failure = errno }
        if failure != 0 {
            _ = unlinkat(descriptor, temporary, 0)
            throw .system("cannot write", path + "/" + name, failure)
        }
    }

    /// A name that `ResultsPath` never gives to a file. Fixed, so that a killed writer leaves at most one, which the
    /// next removes; the lock keeps two writers apart.
    private func temporaryName(_ name: String) -> String {
        name.utf8.count < 240 ? ".\(name).new" : ".\(String(name.prefix(60))).new"
    }

    /// Puts a regular file here: as another name of the same file where that can be, else as a copy.
    func take(_ source: String, as name: String) throws(ResultsError) {
        let file = open(source, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)
        guard file >= 0 else { throw .system("cannot read", source, errno, code: .notTaken) }
        defer { close(file) }
        var status = stat()
        guard fstat(file, &status) == 0 else { throw .system("cannot read", source, errno, code: .notTaken) }
        guard status.st_mode & S_IFMT == S_IFREG else {
            let message = "cannot take \(source) into the results: it is not a regular file"
            throw ResultsError(code: .notTaken, path: source, errno: 0, message: message)
        }
        if link(file, as: name) { return }
        let size = Int(status.st_size)
        try replace(name) { ResultsFolder.copy(from: file, to: $0, bytes: size) }
    }

    /// Links the very file that was opened and looked at, whatever its path has come to mean since.
    private func link(_ file: Int32, as name: String) -> Bool {
        let temporary = temporaryName(name)
        _ = unlinkat(descriptor, temporary, 0)
        guard linkat(AT_FDCWD, "/proc/self/fd/\(file)", descriptor, temporary, AT_SYMLINK_FOLLOW) == 0 else {
            return false
        }
        let isRenamed = renameat(descriptor, temporary, descriptor, name) == 0
        // Between two names of one file `rename` does nothing and leaves both.
        _ = unlinkat(descriptor, temporary, 0)
        return isRenamed
    }

    /// Points a symbolic link at a target, in one step for its readers.
    func point(_ name: String, at target: String) throws(ResultsError) {
        var status = stat()
        if fstatat(descriptor, name, &status, AT_SYMLINK_NOFOLLOW) == 0, status.st_mode & S_IFMT != S_IFLNK {
            let message =
                "\(path)/\(name) is not a link that Muster made; move it away, or write elsewhere with --results DIR"
            throw ResultsError(code: .inTheWay, path: path + "/" + name, errno: EEXIST, message: message)
        }
        let temporary = temporaryName(name)
        _ = unlinkat(descriptor, temporary, 0)
        guard symlinkat(target, descriptor, temporary) == 0,
            renameat(descriptor, temporary, descriptor, name) == 0
        else { throw .system("cannot make the link", path + "/" + name, errno) }
    }

    /// What a symbolic link here says; nil when there is none.
    func target(of name: String) -> String? {
        withUnsafeTemporaryAllocation(of: CChar.self, capacity: 1024) { buffer in
            let count = readlinkat(descriptor, name, buffer.baseAddress!, buffer.count)
            return count < 0 ? nil : String(decoding: UnsafeRawBufferPointer(buffer)[..<count], as: UTF8.self)
        }
    }

    /// The last bytes of a regular file here; nil when it cannot be read.
    func tail(of name: String, bytes limit: Int) -> [UInt8]? {
        let file = openat(descriptor, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)
        guard file >= 0 else { return nil }
        defer { close(file) }
        var status = stat()
        guard fstat(file, &status) == 0, status.st_mode & S_IFMT == S_IFREG else { return nil }
        // One byte more than wanted tells a caller that there was more.
        let start = max(0, Int(status.st_size) - limit - 1)
        return ResultsFolder.bytes(file, from: start, atMost: limit + 1)
    }

    /// The first and the last bytes of a regular file here; nil when it cannot be read.
    func ends(of name: String, head headMax: Int, tail tailMax: Int) -> FirstFailingLine.Ends? {
        let file = openat(descriptor, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)
        guard file >= 0 else { return nil }
        defer { close(file) }
        var status = stat()
        guard fstat(file, &status) == 0, status.st_mode & S_IFMT == S_IFREG else { return nil }
        let size = Int(status.st_size)
        let head = ResultsFolder.bytes(file, from: 0, atMost: min(size, headMax + tailMax))
        guard size > head.count else { return FirstFailingLine.Ends(head: head) }
        let tail = ResultsFolder.bytes(file, from: size - tailMax, atMost: tailMax)
        return FirstFailingLine.Ends(head: Array(head.prefix(headMax)), tail: tail)
    }

    private static func bytes(_ file: Int32, from start: Int, atMost limit: Int) -> [UInt8] {
        [UInt8](unsafeUninitializedCapacity: limit) { buffer, count in
            while count < limit {
                let got = pread(file, buffer.baseAddress! + count, limit - count, off_t(start + count))
                if got < 0, errno == EINTR { continue }
                guard got > 0 else { break }
                count += got
            }
        }
    }

    private static func writeAll(_ bytes: UnsafeRawBufferPointer, to file: Int32) -> Bool {
        var written = 0
        while written < bytes.count {
            let count = write(file, bytes.baseAddress! + written, bytes.count - written)
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { return false }
            written += count
        }
        return true
    }

    /// Copies at most what the file held when it was opened: one that still grows does not hold us.
    private static func copy(from source: Int32, to file: Int32, bytes: Int) -> Bool {
        var left = bytes
        return withUnsafeTemporaryAllocation(byteCount: 64 * 1024, alignment: 16) { buffer in
            while left > 0 {
                let count = read(source, buffer.baseAddress!, min(buffer.count, left))
                if count < 0, errno == EINTR { continue }
                if count < 0 { return false }
                if count == 0 { break }
                guard writeAll(UnsafeRawBufferPointer(rebasing: buffer[..<count]), to: file) else { return false }
                left -= count
            }
            return true
        }
    }
}

extension ResultsError {
    static func system(
        _ what: String,
        _ path: String,
        _ number: Int32,
        code: ResultsError.Code = .notWritten
    ) -> ResultsError {
        let reason = strerror(number).map { String(cString: $0) } ?? "error \(number)"
        let advice: String
        switch number {
        case ENOSPC, EDQUOT: advice = "free some space there, or write elsewhere with --results DIR"
        case EROFS: advice = "write elsewhere with --results DIR"
        case ENOTDIR, ELOOP: advice = "move away what stands there, or write elsewhere with --results DIR"
        case _ where code == .notTaken: advice = "the other files of the attempt are not affected"
        default: advice = "make it writable, or write elsewhere with --results DIR"
        }
        return ResultsError(code: code, path: path, errno: number, message: "\(what) \(path): \(reason); \(advice)")
    }
}
