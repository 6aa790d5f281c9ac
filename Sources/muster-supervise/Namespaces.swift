import Glibc
import MusterSupervision

/// A network of its own for a node that is being launched, and namespaces of mounts and of processes.
///
/// The launcher enters them, and what it starts next is the first process there: the supervisor. When that one ends,
/// however it ends, the kernel ends every process in them and takes interfaces, routes and mounts away.
enum Namespaces {
    private static let mounts: Int32 = 0x0002_0000
    private static let processes: Int32 = 0x2000_0000
    private static let network: Int32 = 0x4000_0000

    /// Which descriptor the supervisor is given that holds its address.
    static let addressDescriptor: Int32 = 5
    /// Which one `ip` finds the host's network at.
    private static let hostDescriptor: Int32 = 6

    struct Entered {
        var address: String
        /// Whoever holds this socket has the address, whatever state it belongs to.
        var holder: Int32
    }

    /// Takes the first of these addresses that nobody has, makes the network and enters the namespaces.
    static func enter(directory: String, addresses: [String]) throws(SystemError) -> Entered {
        let entered = try take(addresses)
        let name = NodeNetwork.interface(of: number(entered.address))
        let host = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC)
        guard host >= 0 else { throw SystemError("the host's network cannot be opened") }
        defer { close(host) }
        // Whose address this was may have ended just now, and the kernel not have cleaned up after it yet.
        if access("/sys/class/net/\(name)", F_OK) == 0 { try? ip(["link", "delete", "dev", name]) }
        try unshare(network, "a network")
        let own = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC)
        guard own >= 0 else { throw SystemError("the node's network cannot be opened") }
        defer { close(own) }
        try ip(
            ["-batch", "-"],
            input: """
                link add name eth0 type veth peer name \(name) netns /proc/self/fd/\(hostDescriptor)
                address add \(entered.address)/32 peer \(NodeNetwork.hostAddress) dev eth0
                link set dev lo up
                link set dev eth0 up
                route add default via \(NodeNetwork.hostAddress) dev eth0

                """,
            host: host
        )
        try change(to: host)
        try ip(["link", "set", "dev", name, "alias", NodeNetwork.alias(of: directory)])
        try ip(
            ["-batch", "-"],
            input: """
                address add \(NodeNetwork.hostAddress)/32 peer \(entered.address) dev \(name)
                link set dev \(name) up

                """
        )
        try forward(from: name)
        try change(to: own)
        try unshare(mounts | processes, "namespaces of mounts and processes")
        return entered
    }

    /// What the first process in there does: sees only processes and interfaces of its own, and mounts for itself.
    static func settle() throws(SystemError) {
        let none = UInt(MS_REC) | UInt(MS_PRIVATE)
        guard mount("none", "/", nil, none, nil) == 0 else { throw SystemError("mounts cannot be made private") }
        let flags = UInt(MS_NOSUID) | UInt(MS_NODEV) | UInt(MS_NOEXEC)
        guard mount("proc", "/proc", "proc", flags, nil) == 0 else { throw SystemError("/proc cannot be mounted") }
        // Programs ask the kernel for interfaces; those that look here are few, and not every host lets it be mounted.
        mount("sysfs", "/sys", "sysfs", flags | UInt(MS_RDONLY), nil)
    }

    // MARK: Addresses

    private static func take(_ addresses: [String]) throws(SystemError) -> Entered {
        let holder = try makeSocket()
        for address in addresses {
            let name = Array(NodeAddress.socketName(address).utf8)
            let code = withSocketAddress(name, isAbstract: true) { bind(holder, $0, $1) }
            if code == 0 { return Entered(address: address, holder: holder) }
            guard errno == EADDRINUSE else { throw SystemError("the address \(address) cannot be taken") }
        }
        throw SystemError(NodeNetwork.allTaken, EADDRINUSE)
    }

    private static func number(_ address: String) -> UInt32 { UInt32(bigEndian: inet_addr(address)) }

    /// Lets a node's packets for other nodes pass; those that come in elsewhere are none of our business.
    private static func forward(from name: String) throws(SystemError) {
        let path = "/proc/sys/net/ipv4/conf/\(name)/forwarding"
        if ProcessTable.read(path, limit: 8)?.first == UInt8(ascii: "1") { return }
        let file = open(path, O_WRONLY | O_CLOEXEC)
        guard file >= 0 else { throw SystemError("forwarding cannot be allowed (\(path))") }
        defer { close(file) }
        guard writeAll(file, "1\n") else { throw SystemError("forwarding cannot be allowed (\(path))") }
    }

    // MARK: Calls

    // Swift's import of the C library does not have these two; they are called by their addresses.

    private static func unshare(_ what: Int32, _ name: String) throws(SystemError) {
        typealias Call = @convention(c) (Int32) -> Int32
        guard let address = dlsym(nil, "unshare") else { throw SystemError("unshare is not there", ENOSYS) }
        // `int unshare(int)`, as the C library's manual has it.
        guard unsafeBitCast(address, to: Call.self)(what) == 0 else {
            throw SystemError("\(name) of its own cannot be made for the node")
        }
    }

    private static func change(to network: Int32) throws(SystemError) {
        typealias Call = @convention(c) (Int32, Int32) -> Int32
        guard let address = dlsym(nil, "setns") else { throw SystemError("setns is not there", ENOSYS) }
        // `int setns(int, int)`, as the C library's manual has it.
        guard unsafeBitCast(address, to: Call.self)(network, Self.network) == 0 else {
            throw SystemError("the network cannot be changed")
        }
    }

    /// Runs `ip` to its end.
    ///
    /// - Parameters:
    ///   - input: what it reads; shorter than what a pipe holds.
    ///   - host: the host's network, which it finds at its own descriptor.
    private static func ip(_ arguments: [String], input: String = "", host: Int32? = nil) throws(SystemError) {
        let (inputEnd, feedEnd) = try makePipe()
        let (errorEnd, saysEnd) = try makePipe()
        writeAll(feedEnd, input)
        close(feedEnd)
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_adddup2(&actions, inputEnd, STDIN_FILENO)
        posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0)
        posix_spawn_file_actions_adddup2(&actions, saysEnd, STDERR_FILENO)
        if let host { posix_spawn_file_actions_adddup2(&actions, host, hostDescriptor) }
        let program = try path(of: "ip")
        let (code, pid) = withCStrings(["ip"] + arguments) { arguments in
            withCStrings(["PATH=\(folders)"]) { environment in
                var pid: pid_t = 0
                return (posix_spawn(&pid, program, &actions, nil, arguments, environment), pid)
            }
        }
        close(inputEnd)
        close(saysEnd)
        defer { close(errorEnd) }
        guard code == 0 else { throw SystemError("ip cannot be started", code) }
        var said: [UInt8] = []
        var bytes = [UInt8](repeating: 0, count: 4096)
        while true {
            let count = read(errorEnd, &bytes, bytes.count)
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { break }
            if said.count < 4096 { said += bytes[..<count] }
        }
        var status: Int32 = 0
        while waitpid(pid, &status, 0) < 0, errno == EINTR {}
        guard status != 0 else { return }
        let text = String(decoding: said, as: UTF8.self).split(separator: "\n").joined(separator: "; ")
        throw SystemError("the node's network cannot be made (ip \(arguments.joined(separator: " ")): \(text))", EPERM)
    }

    private static let folders = "/usr/sbin:/sbin:/usr/bin:/bin"

    private static func path(of program: String) throws(SystemError) -> String {
        do throws(Spawn.Failure) {
            return try Spawn.find(program, path: folders)
        } catch {
            throw SystemError(error.sentence, ENOENT)
        }
    }
}
