import ArgumentParser
import Foundation
import MusterCore
import MusterDrivers
import MusterEngine
import MusterStore

struct SSH: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "ssh",
        abstract: "Open a shell on a node, or run a command at your terminal.",
        usage: "muster ssh [<options>] <node> [-- <command> ...]",
        discussion: """
              muster ssh app/1                a shell in the node's folder
              muster ssh db -- top            a command; the group has one node
              muster ssh app/1 -- cat log | less

            By OpenSSH on hosts and virtual machines, with the options of the lab and the host keys
            checked; by podman exec in containers; in the node's namespaces or folder on this host.
            Variables are those of the node's commands (MUSTER_NODE, MUSTER_ADDRESS, …). Nothing is
            recorded and no lock is held: what is to be recorded, muster exec runs. Ends with the
            command's own status, 125 when Muster itself failed; --json prints what would be run.
            """
    )
    @OptionGroup var options: GlobalOptions
    @Argument(help: ArgumentHelp("A node, or a group that has one.", valueName: "node"), completion: Completions.nodes)
    var node: String?
    /// What stands after `--` (`Exec.separate`).
    @Option(name: .customLong("command-word"), parsing: .unconditionalSingleValue, help: .hidden)
    var command: [String] = []

    func run() async throws {
        do {
            try enter()
        } catch let error as CLIError {
            // The command's own status is given otherwise; this is Muster's.
            throw CLIError(error.message, exitCode: ExitCodes.execFailed)
        }
    }

    private func enter() throws {
        guard let node else { throw CLIError("ssh wants a node: muster ssh app/1, muster ssh app/1 -- COMMAND") }
        let session = try StateSession.open(options, to: .read)
        let row = try NodeLookup(store: session.store).one(node)
        let ways = NodeWays(session)
        let reach = try ways.reach(row)
        let shell: NodeShell
        do throws(StepError) {
            shell = try NodeShell(ways.handle(row), reach, try wish(row, reach, session))
        } catch {
            throw CLIError(error.message)
        }
        if options.json { return Output.json(SSHShape(row, shell)) }
        throw CLIError(HandOver.failure(of: shell))
    }

    private func wish(_ row: NodeRow, _ reach: NodeReach, _ session: StateSession) throws(StepError) -> NodeShell.Wish {
        let isHere = !reach.hasOwnFiles
        var environment: [String: String]
        do {
            let lookup = RunLookup(store: session.store)
            let spec = try lookup.read { () throws(StoreError) in try session.store.spec(of: row.createdBy) }
            let others = try lookup.read { () throws(StoreError) in
                try session.store.nodes(lab: row.lab, includingGone: false)
            }
            guard let spec else { throw CLIError("nothing is known of how \(row.name) was made") }
            environment = try CommandBuilder.environment(
                of: row,
                spec: spec,
                state: session.state,
                isRemote: !isHere,
                surroundings: Environment.forCommands,
                others: others
            )
        } catch let error as CLIError {
            throw StepError(.refused, error.message)
        } catch let error as StepError {
            throw error
        } catch {
            throw StepError(.refused, "\(error)")
        }
        if isHere {
            for name in ["TERM", "COLORTERM"] { environment[name] = Environment.value(name) }
        }
        var controlPath: String?
        if case .ssh(let host) = reach { controlPath = host.controlPath(in: Environment.runtimeFolder) }
        return NodeShell.Wish(
            command: command,
            isTerminal: Terminal.isTTY(STDIN_FILENO) && Terminal.isTTY(STDOUT_FILENO),
            environment: environment,
            shell: Environment.shell,
            controlPath: controlPath
        )
    }
}

/// Puts a program in the place of this one, with its terminal, its number and its end.
enum HandOver {
    /// Does not return but with a sentence that says why it could not be.
    static func failure(of shell: NodeShell) -> String {
        if let folder = shell.folder, chdir(folder) != 0 {
            return "the node's folder \(folder) cannot be entered: \(String(cString: strerror(errno)))"
        }
        // As the user has them, and not as Muster wants them for itself.
        signal(SIGPIPE, SIG_DFL)
        OpenFiles.lower()
        let words: [UnsafeMutablePointer<CChar>?] = shell.arguments.map { strdup($0) } + [nil]
        defer { for word in words { free(word) } }
        if let environment = shell.environment {
            clearenv()
            for (name, value) in environment { setenv(name, value, 1) }
        }
        guard let program = words[0] else { return "no program is named" }
        execvp(program, words)
        let reason = String(cString: strerror(errno))
        let hint = errno == ENOENT ? "; it is in no folder of PATH" : ""
        return "'\(shell.arguments[0])' cannot be started: \(reason)\(hint)"
    }
}

/// `{"format": 1, "node": …, "arguments": […], "folder": …}`
private struct SSHShape: Encodable {
    var format = 1
    var node: String
    var arguments: [String]
    var folder: String?

    init(_ row: NodeRow, _ shell: NodeShell) {
        node = row.name.description
        arguments = shell.arguments
        folder = shell.folder
    }
}
