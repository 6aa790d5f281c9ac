import Foundation
package import MusterCore
import Synchronization

/// A real `sshd` on loopback addresses, with keys of its own, for the tests of this program; it ends with it.
package final class SSHServer: Sendable {
    package static let addresses = (1...24).map { "127.0.1.\($0)" }

    package let folder: String
    package let port: Int
    /// What keeps its processes alive.
    private let leashes: [Int32]

    /// One for all tests; a sentence where there can be none.
    package static let shared: Result<SSHServer, StepError> = {
        do throws(StepError) { return .success(try SSHServer()) } catch { return .failure(error) }
    }()

    /// Why there is no server here; nil when there is one.
    package static var absence: String? {
        switch shared {
        case .success: nil
        case .failure(let error): error.message
        }
    }

    static let program = ["/usr/sbin/sshd", "/usr/local/sbin/sshd"].first {
        FileManager.default.isExecutableFile(atPath: $0)
    }

    package var knownHosts: String { "\(folder)/known_hosts" }
    package var identity: String { "\(folder)/id" }

    private init() throws(StepError) {
        guard let program = Self.program else { throw StepError(.file, "no sshd is installed here: openssh-server") }
        let folder = try TestFolder.make("sshd")
        let port = try Self.freePort()
        self.folder = folder
        self.port = port
        try Self.sh(
            """
            cd \(folder) && ssh-keygen -q -t ed25519 -N '' -f host && ssh-keygen -q -t ed25519 -N '' -f id &&
                ssh-keygen -q -t ed25519 -N '' -f other && cp id.pub authorized_keys &&
                printf '[127.0.1.*]:\(port) %s\\n' "$(cut -d' ' -f1,2 host.pub)" > known_hosts &&
                printf '[127.0.1.*]:\(port) %s\\n' "$(cut -d' ' -f1,2 other.pub)" > wrong_hosts &&
                : > no_hosts && chmod 600 * && { [ "$(id -u)" != 0 ] || mkdir -p /run/sshd; }
            """
        )
        // One listens at no more than 16 addresses.
        leashes = try [Self.addresses.prefix(12), Self.addresses.dropFirst(12)].enumerated().map {
            number,
            addresses throws(StepError) in
            let settings = """
                \(addresses.map { "ListenAddress \($0):\(port)" }.joined(separator: "\n"))
                HostKey \(folder)/host
                AuthorizedKeysFile \(folder)/authorized_keys
                PidFile none
                StrictModes no
                UsePAM no
                PasswordAuthentication no
                KbdInteractiveAuthentication no
                PermitRootLogin prohibit-password
                MaxStartups 200
                LogLevel ERROR
                """
            let config = "\(folder)/config-\(number)"
            guard FileManager.default.createFile(atPath: config, contents: Data(settings.utf8)) else {
                throw StepError(.file, "\(folder) cannot be written")
            }
            // It ends when this program does: then its shell's standard input does.
            let text = """
                exec 3<&0
                { cat <&3 >/dev/null; kill $$; rm -rf \(folder); } >/dev/null 2>&1 &
                exec \(program) -D -e -f \(config) 2>>\(folder)/log
                """
            return try Self.start("/bin/sh", ["-c", text])
        }
        guard Self.accepts(Self.addresses[0], port), Self.accepts(Self.addresses[12], port) else {
            let log = FileManager.default.contents(atPath: "\(folder)/log").map { String(decoding: $0, as: UTF8.self) }
            throw StepError(.file, "sshd does not start here: \(log ?? "it says nothing")")
        }
    }

    package func host(_ index: Int, root: String, knownHosts: String? = nil) -> SSHHost {
        SSHHost(
            name: "host-\(index)",
            destination: Self.addresses[index % Self.addresses.count],
            port: port,
            identityFile: identity,
            configFile: "/dev/null",
            knownHostsFile: knownHosts ?? self.knownHosts,
            root: root
        )
    }

    private static func freePort() throws(StepError) -> Int {
        let listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(listener) }
        var place = sockaddr_in()
        place.sin_family = sa_family_t(AF_INET)
        place.sin_addr.s_addr = inet_addr(addresses[0])
        var size = socklen_t(MemoryLayout<sockaddr_in>.size)
        let code = withUnsafeMutablePointer(to: &place) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { place in
                bind(listener, place, size) == 0 && getsockname(listener, place, &size) == 0
            }
        }
        guard code else { throw StepError(.refused, "no port is free") }
        return Int(UInt16(bigEndian: place.sin_port))
    }

    /// Whether somebody accepts connections: asked again for ten seconds, as a foreign server says nothing of it.
    private static func accepts(_ address: String, _ port: Int) -> Bool {
        var nothing: [pollfd] = []
        for _ in 0..<200 {
            let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
            defer { close(descriptor) }
            var place = sockaddr_in()
            place.sin_family = sa_family_t(AF_INET)
            place.sin_addr.s_addr = inet_addr(address)
            place.sin_port = UInt16(port).bigEndian
            let code = withUnsafePointer(to: &place) { pointer in
                pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
                }
            }
            if code == 0 { return true }
            poll(&nothing, 0, 50)
        }
        return false
    }

    private static func sh(_ text: String) throws(StepError) {
        let pid = try spawn("/bin/sh", ["-c", text], input: nil)
        var status: Int32 = 0
        while waitpid(pid, &status, 0) < 0, errno == EINTR {}
        guard status == 0 else { throw StepError(.file, "sshd cannot be prepared: '\(text)' failed") }
    }

    /// Starts a program with a standard input that ends with this program.
    private static func start(_ program: String, _ arguments: [String]) throws(StepError) -> Int32 {
        var ends: [Int32] = [-1, -1]
        let type = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
        guard socketpair(AF_UNIX, type, 0, &ends) == 0 else { throw StepError(.refused, "no pipe can be made") }
        _ = try spawn(program, arguments, input: ends[0])
        close(ends[0])
        return ends[1]
    }

    private static func spawn(_ program: String, _ arguments: [String], input: Int32?) throws(StepError) -> pid_t {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        if let input { posix_spawn_file_actions_adddup2(&actions, input, STDIN_FILENO) }
        posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0)
        let strings: [UnsafeMutablePointer<CChar>?] = ([program] + arguments).map { strdup($0) } + [nil]
        defer { for string in strings { free(string) } }
        var pid: pid_t = 0
        let code = posix_spawn(&pid, program, &actions, nil, strings, environ)
        guard code == 0 else { throw StepError(.refused, "\(program): \(String(cString: strerror(code)))") }
        return pid
    }
}
