import Foundation
package import MusterCore
import MusterSupervision

/// The program that gives people a shell on a node, or runs a command of theirs there, at their terminal.
package struct NodeShell: Hashable, Sendable {
    /// The program, looked up in `PATH`, and its arguments.
    package var arguments: [String]
    /// Its whole environment; nil for that of the user.
    package var environment: [String: String]?
    /// Where it begins; nil for where the user is.
    package var folder: String?

    /// What is wanted.
    package struct Wish: Sendable {
        /// Nothing for a shell.
        package var command: [String]
        /// Whether the user's terminal is handed over.
        package var isTerminal: Bool
        /// What commands on the node find in their environment.
        package var environment: [String: String]
        /// The user's own shell on this host.
        package var shell: String
        /// Where the connection is kept for further shells on the same machine; nil for one that is not kept.
        package var controlPath: String?

        package init(
            command: [String],
            isTerminal: Bool,
            environment: [String: String],
            shell: String,
            controlPath: String?
        ) {
            self.command = command
            self.isTerminal = isTerminal
            self.environment = environment
            self.shell = shell
            self.controlPath = controlPath
        }
    }

    /// - Throws: `.refused` for a node that has no terminal, `.lost` for one that has no processes.
    package init(_ node: NodeHandle, _ reach: NodeReach, _ wish: Wish) throws(StepError) {
        let isShell = wish.command.isEmpty
        switch reach {
        case .here(let folder):
            arguments = isShell ? [wish.shell] : wish.command
            environment = wish.environment
            self.folder = folder
        case .namespaces(let folder):
            guard let supervisor = Self.supervisor(of: folder) else {
                throw StepError(.lost, "\(node.name): it has no processes: muster why \(node.name)")
            }
            // Its mounts begin at their root.
            arguments =
                ["nsenter", "--target", "\(supervisor)", "--net", "--mount", "--pid", "--"]
                + ["/bin/sh", "-c", "cd \"$0\" && exec \"$@\"", folder] + (isShell ? [wish.shell] : wish.command)
            environment = wish.environment
            self.folder = nil
        case .ssh(let host):
            var options = ["BatchMode=yes"]
            if let path = wish.controlPath {
                options += ["ControlPath=\(path)", "ControlMaster=auto", "ControlPersist=60"]
            } else {
                options += ["ControlPath=none"]
            }
            let text = Self.text(folder: node.facts["directory"], wish)
            // The login shell of the user may be any, also one that is not like sh.
            arguments =
                ["ssh"] + host.arguments(options) + [wish.isTerminal ? "-t" : "-T", "--", host.destination]
                + ["exec /bin/sh -c \(ShellText.quoted(text))"]
            environment = nil
            folder = nil
        case .container(let name, let podman):
            var words = podman + ["exec", "--interactive"]
            if wish.isTerminal { words.append("--tty") }
            if let folder = node.facts["directory"], folder.hasPrefix("/") { words += ["--workdir", folder] }
            for (variable, value) in Self.sorted(wish.environment) { words += ["--env", "\(variable)=\(value)"] }
            let shell = ["/bin/sh", "-c", "command -v bash >/dev/null 2>&1 && exec bash; exec /bin/sh"]
            arguments = words + [name] + (isShell ? shell : wish.command)
            environment = nil
            folder = nil
        case .streams(let title):
            throw StepError(
                .refused,
                """
                \(node.name): \(title) is reached by the streams of its plug-in's program, which have no terminal: \
                muster exec \(node.name) -- COMMAND runs a command, muster cp copies files
                """
            )
        }
    }

    /// What `sh` on a machine runs. Nothing in it is secret: others on the machine may read it.
    private static func text(folder: String?, _ wish: Wish) -> String {
        var lines: [String] = []
        if let folder, !folder.isEmpty { lines.append("cd \(ShellText.quoted(folder)) || exit 125") }
        for (name, value) in sorted(wish.environment) { lines.append("export \(name)=\(ShellText.quoted(value))") }
        if wish.command.isEmpty {
            lines.append("exec \"${SHELL:-/bin/sh}\"")
        } else {
            lines.append("exec \(wish.command.map(ShellText.quoted).joined(separator: " "))")
        }
        return lines.joined(separator: "; ")
    }

    private static func sorted(_ environment: [String: String]) -> [(key: String, value: String)] {
        environment.sorted { $0.key < $1.key }
    }

    /// The supervisor of the node that has this folder, which is the first process in its namespaces.
    private static func supervisor(of folder: String) -> Int32? {
        for process in ProcessTable.all() where !process.isDead {
            guard ProcessTable.variables([Markers.supervisor], of: process.pid)[Markers.supervisor] == folder else {
                continue
            }
            return process.pid
        }
        return nil
    }
}

extension SSHHost {
    /// Where a connection for people's shells is kept: the same for all of them to this host.
    ///
    /// - Parameter folder: a folder of the user's alone, with a short path; nil is returned where there is none.
    package func controlPath(in folder: String) -> String? {
        let folder = SSHDriver.owned(folder)
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325  // FNV-1a
        for word in arguments([]) + [destination] {
            for byte in Array(word.utf8) + [0] { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01B3 }
        }
        let path = "\(folder)/s\(String(hash, radix: 36))"
        return path.utf8.count < 90 ? path : nil
    }
}
