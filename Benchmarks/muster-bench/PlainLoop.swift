import ArgumentParser
import Foundation
import MusterCore
import MusterDrivers
import MusterTestKit

/// The floor of attempts: `true` is started and waited for on each node, as many at once as there are nodes, and
/// nothing is kept of it.
final class PlainLoop {
    /// What is started, for each node.
    private let commands: [[String]]
    /// What ends what was made for it.
    private var endings: [[String]] = []

    init(kind: Tests.Kind, remotes: Int, folder: String) throws {
        switch kind {
        case .process: commands = Array(repeating: ["/bin/true"], count: remotes)
        case .podman:
            let podman = try PodmanStore.shared.get().podman
            let name = "plain-\(getpid())"
            var commands: [[String]] = []
            for index in 0..<remotes {
                let limits = ["--ulimit", "nofile=512:512", "--ulimit", "nproc=512:512"]
                let made = podman + ["run", "--detach", "--quiet", "--name", "\(name)-\(index)"] + limits
                guard Self.run(made + ["--network", "none", PodmanStore.image, "sleep", "100000"]) == 0 else {
                    throw ValidationError("podman run fails")
                }
                endings.append(podman + ["rm", "--force", "--time", "0", "\(name)-\(index)"])
                commands.append(podman + ["exec", "\(name)-\(index)", "true"])
            }
            self.commands = commands
        case .ssh:
            let server = try SSHServer.shared.get()
            let control = try TestFolder.make("plain")
            var commands: [[String]] = []
            for index in 0..<remotes {
                let host = server.host(index, root: folder)
                let path = "\(control)/\(index)"
                let ssh = ["/usr/bin/ssh"] + host.arguments(["BatchMode=yes", "ControlPath=\(path)"])
                guard Self.run(ssh + ["-f", "-N", "-M", host.destination]) == 0 else {
                    throw ValidationError("ssh to \(host.destination) fails")
                }
                endings.append(ssh + ["-O", "exit", host.destination])
                commands.append(ssh + [host.destination, "true"])
            }
            self.commands = commands
        }
    }

    func end() { for ending in endings { _ = Self.run(ending) } }

    func millisecondsEach(count: Int) throws -> Double {
        var free = Array(commands.indices)
        var busy: [pid_t: Int] = [:]
        var begun = 0
        let start = ContinuousClock.now
        while begun < count || !busy.isEmpty {
            while begun < count, let slot = free.popLast() {
                busy[try Self.spawn(commands[slot])] = slot
                begun += 1
            }
            var status: Int32 = 0
            let pid = waitpid(-1, &status, 0)
            guard pid > 0 else { continue }
            guard status == 0 else { throw ValidationError("\(commands[0]) ends with \(status)") }
            if let slot = busy.removeValue(forKey: pid) { free.append(slot) }
        }
        return start.duration(to: .now).inMicroseconds / 1000 / Double(count)
    }

    private static func run(_ words: [String]) -> Int32 {
        guard let pid = try? spawn(words) else { return -1 }
        var status: Int32 = 0
        while waitpid(pid, &status, 0) < 0, errno == EINTR {}
        return status
    }

    private static func spawn(_ words: [String]) throws -> pid_t {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0)
        posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0)
        var arguments: [UnsafeMutablePointer<CChar>?] = words.map { strdup($0) } + [nil]
        defer { for argument in arguments { free(argument) } }
        var pid: pid_t = 0
        let error = posix_spawn(&pid, words[0], &actions, nil, &arguments, environ)
        guard error == 0 else { throw ValidationError("\(words[0]): \(String(cString: strerror(error)))") }
        return pid
    }
}
