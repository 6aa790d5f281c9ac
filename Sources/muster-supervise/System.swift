import Glibc

/// What the system refused, in words.
struct SystemError: Error, CustomStringConvertible {
    let code: Int32
    let description: String

    init(_ what: String, _ code: Int32 = errno) {
        self.code = code
        description = "\(what): \(errorText(code))"
    }
}

func errorText(_ code: Int32) -> String { String(cString: strerror(code)) }

enum Clock {
    /// UTC, in microseconds since 1970: for people.
    static func utc() -> Int64 { read(CLOCK_REALTIME) }
    /// Microseconds that only go forward: for deadlines.
    static func monotonic() -> Int64 { read(CLOCK_MONOTONIC) }

    private static func read(_ clock: clockid_t) -> Int64 {
        var time = timespec()
        clock_gettime(clock, &time)
        return Int64(time.tv_sec) * 1_000_000 + Int64(time.tv_nsec) / 1000
    }
}

/// Two ends of a pipe that no child inherits. There is only one thread, so setting the flag afterwards loses no race.
func makePipe() throws(SystemError) -> (read: Int32, write: Int32) {
    var ends: [Int32] = [-1, -1]
    guard pipe(&ends) == 0 else { throw SystemError("no pipe can be made") }
    for end in ends { closeOnExec(end) }
    return (ends[0], ends[1])
}

func closeOnExec(_ descriptor: Int32) { _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC) }

func makeNonblocking(_ descriptor: Int32) {
    _ = fcntl(descriptor, F_SETFL, fcntl(descriptor, F_GETFL) | O_NONBLOCK)
}

/// Writes all of it, however often the system takes only a part. Returns how many bytes were taken.
@discardableResult
func writeAll(_ descriptor: Int32, _ bytes: UnsafeRawBufferPointer) -> Int {
    var written = 0
    while written < bytes.count {
        let count = write(descriptor, bytes.baseAddress! + written, bytes.count - written)
        if count < 0 {
            if errno == EINTR { continue }
            break
        }
        written += count
    }
    return written
}

@discardableResult
func writeAll(_ descriptor: Int32, _ text: String) -> Bool {
    let bytes = Array(text.utf8)
    return bytes.withUnsafeBytes { writeAll(descriptor, $0) } == bytes.count
}

/// Becomes the parent of whatever its descendants leave behind.
///
/// `prctl` takes a variable number of arguments, which Swift does not import; it is called by its address.
func becomeSubreaper() throws(SystemError) {
    typealias Call = @convention(c) (Int32, UInt, UInt, UInt, UInt) -> Int32
    guard let address = dlsym(nil, "prctl") else { throw SystemError("prctl is not there", ENOSYS) }
    // `int prctl(int, ...)`: on Linux further integers are passed as if they were declared.
    let call = unsafeBitCast(address, to: Call.self)
    guard call(36, 1, 0, 0, 0) == 0 else { throw SystemError("orphans cannot be adopted") }  // PR_SET_CHILD_SUBREAPER
}

/// Sets how many files this process and its descendants may open, up to what the system lets them raise it to.
func limitOpenFiles(to count: UInt64) {
    var limit = rlimit()
    guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return }
    limit.rlim_cur = min(rlim_t(count), limit.rlim_max)
    setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
}

/// Closes every descriptor from `first` on that this process was given.
func closeDescriptors(from first: Int32) {
    var open: [Int32] = []
    if let stream = opendir("/proc/self/fd") {
        while let entry = readdir(stream) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) { pointer in
                pointer.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if let number = Int32(name), number >= first, number != dirfd(stream) { open.append(number) }
        }
        closedir(stream)
    }
    for descriptor in open { close(descriptor) }
}

/// Calls `body` with a socket address of the unix family; nil when the name is too long for one.
func withSocketAddress<Result>(
    _ name: [UInt8],
    isAbstract: Bool,
    _ body: (UnsafePointer<sockaddr>, socklen_t) -> Result
) -> Result? {
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    let offset = MemoryLayout<sockaddr_un>.offset(of: \.sun_path)!
    let room = MemoryLayout<sockaddr_un>.size - offset
    let path = isAbstract ? [0] + name : name + [0]
    guard path.count <= room else { return nil }
    withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path) }
    return withUnsafePointer(to: &address) { pointer in
        pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, socklen_t(offset + path.count)) }
    }
}

func makeSocket() throws(SystemError) -> Int32 {
    let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
    guard descriptor >= 0 else { throw SystemError("no socket can be made") }
    closeOnExec(descriptor)
    return descriptor
}
