import Glibc
import MusterSupervision

/// Brings up the supervisor of a node, or finds the one that is there, and ends when it is ready.
///
/// The supervisor is started in a session of its own and outlives the launcher, so it is nobody's child whom anybody
/// must wait for. A lock keeps two launchers of one node apart; it passes to the new supervisor until that is ready,
/// so that a launcher that is killed half-way leaves no gap.
enum Launch {
    /// Which descriptors the new supervisor is given, besides the three that every process has.
    static let readyDescriptor: Int32 = 3
    static let lockDescriptor: Int32 = 4

    /// Where the supervisor is to be, and all that it starts.
    enum Place {
        case host
        /// In namespaces of its own, at the first of these addresses that nobody has.
        case namespaces(addresses: [String])
    }

    /// Returns the node's address.
    static func run(directory: String, operation: String, place: Place) throws(SystemError) -> String {
        let fileMask = umask(0o077)
        let folder = try NodeFolder(making: directory)
        let lock = openat(
            folder.descriptor,
            SupervisorFiles.lock,
            O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW,
            0o600
        )
        guard lock >= 0 else { throw SystemError("\(SupervisorFiles.lock) in \(directory) cannot be opened") }
        while flock(lock, LOCK_EX) != 0 {
            guard errno == EINTR else { throw SystemError("\(SupervisorFiles.lock) in \(directory) cannot be locked") }
        }
        if let address = try presentAddress(folder) { return address }
        return try start(folder, operation: operation, place: place, lock: lock, fileMask: fileMask)
    }

    // MARK: The one that is there

    /// The address of a supervisor that answers; nil when there is none.
    private static func presentAddress(_ folder: NodeFolder) throws(SystemError) -> String? {
        let descriptor = try makeSocket()
        defer { close(descriptor) }
        let code = withSocketAddress(folder.socketPath, isAbstract: false) { connect(descriptor, $0, $1) }
        guard code == 0 else { return nil }
        var limit = timeval(tv_sec: 10, tv_usec: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        // The epoch is the driver's to show: this only looks. It is the greatest, and a greeting changes nothing.
        let request = SupervisorRequest(
            number: 1,
            epoch: folder.number(in: SupervisorFiles.epoch) ?? 0,
            body: .hello(version: Wire.version)
        )
        _ = request.frame.withUnsafeBytes { writeAll(descriptor, $0) }
        var buffer = FrameBuffer()
        var bytes = [UInt8](repeating: 0, count: 4096)
        while true {
            let count = read(descriptor, &bytes, bytes.count)
            if count < 0, errno == EINTR { continue }
            guard count > 0 else {
                throw SystemError("the node's supervisor does not answer", count == 0 ? ECONNRESET : errno)
            }
            buffer.append(bytes[..<count])
            do throws(WireError) {
                guard let payload = try buffer.next() else { continue }
                switch try SupervisorReply(payload: payload).body {
                case .facts(let facts): return facts.address
                case .refused(_, let message): throw WireError(message)
                default: throw WireError("it answered something else")
                }
            } catch {
                throw SystemError("the node's supervisor answers otherwise than asked: \(error)", EPROTO)
            }
        }
    }

    // MARK: A new one

    private static func start(
        _ folder: NodeFolder,
        operation: String,
        place: Place,
        lock: Int32,
        fileMask: mode_t
    ) throws(SystemError) -> String {
        let entered: Namespaces.Entered? =
            switch place {
            case .host: nil
            case .namespaces(let addresses): try Namespaces.enter(directory: folder.path, addresses: addresses)
            }
        let ready = try makePipe()
        let log = openat(
            folder.descriptor,
            SupervisorFiles.log,
            O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW,
            0o600
        )
        guard log >= 0 else { throw SystemError("\(SupervisorFiles.log) in \(folder.path) cannot be opened") }
        // Away from the numbers they are to get, so that none is overwritten before it is duplicated.
        let sources = ([ready.write, lock, log] + (entered.map { [$0.holder] } ?? [])).map {
            fcntl($0, F_DUPFD_CLOEXEC, 10)
        }
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0)
        posix_spawn_file_actions_adddup2(&actions, sources[2], STDOUT_FILENO)
        posix_spawn_file_actions_adddup2(&actions, sources[2], STDERR_FILENO)
        posix_spawn_file_actions_adddup2(&actions, sources[0], readyDescriptor)
        posix_spawn_file_actions_adddup2(&actions, sources[1], lockDescriptor)
        if entered != nil { posix_spawn_file_actions_adddup2(&actions, sources[3], Namespaces.addressDescriptor) }
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        var none = sigset_t()
        sigemptyset(&none)
        var all = sigset_t()
        sigfillset(&all)
        posix_spawnattr_setsigmask(&attributes, &none)
        posix_spawnattr_setsigdefault(&attributes, &all)
        posix_spawnattr_setflags(&attributes, Spawn.flags)
        let arguments =
            [
                "muster-supervise", "serve", folder.path, operation, String(fileMask, radix: 8),
            ] + (entered.map { [$0.address] } ?? [])
        let code = withCStrings(arguments) { arguments in
            withCStrings(environment(of: folder)) { environment in
                var pid: pid_t = 0
                return posix_spawn(&pid, "/proc/self/exe", &actions, &attributes, arguments, environment)
            }
        }
        guard code == 0 else { throw SystemError("the supervisor cannot be started", code) }
        for descriptor in sources + [ready.write] { close(descriptor) }
        return try answer(ready.read)
    }

    /// Its environment says whose it is. If the launcher itself runs on a node, the supervisor belongs to that node
    /// too.
    private static func environment(of folder: NodeFolder) -> [String] {
        var values = ["\(Markers.supervisor)=\(folder.path)", "PATH=/usr/local/bin:/usr/bin:/bin"]
        for name in [Markers.operation, Markers.node] {
            if let value = getenv(name) { values.append("\(name)=\(String(cString: value))") }
        }
        return values
    }

    /// What the new supervisor says: its address, or why it cannot work.
    private static func answer(_ descriptor: Int32) throws(SystemError) -> String {
        var text: [UInt8] = []
        var bytes = [UInt8](repeating: 0, count: 4096)
        while text.last != UInt8(ascii: "\n"), text.count < 16_384 {
            let count = read(descriptor, &bytes, bytes.count)
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { break }
            text += bytes[..<count]
        }
        let line = String(decoding: text, as: UTF8.self)
        guard line.hasSuffix("\n"), let word = line.first else {
            throw SystemError("the supervisor ended before it was ready; its log in the node's folder says why", ECHILD)
        }
        let rest = String(line.dropFirst().dropLast())
        if word == "=" { return rest }
        throw SystemError(rest, ECANCELED)
    }
}
