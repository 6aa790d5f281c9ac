import ArgumentParser
import MusterCore
import MusterLab
import MusterStore

struct Exec: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "exec",
        abstract: "Run a command on nodes that are up.",
        usage: "muster exec [<options>] <node> ... -- <command> ...",
        discussion: """
              muster exec app/1 -- ls -l
              muster exec app -- uname -a         on each node of a group
              muster exec db/0 app/0 -- ./check   on several

            Ends with the command's own status, the highest of several; 125 when Muster itself failed.
            """
    )
    @OptionGroup var options: GlobalOptions
    @OptionGroup var follow: FollowOptions
    @Option(help: ArgumentHelp("How long it may take (30s, 5m).", valueName: "duration")) var timeout = "10m"
    @Argument(help: ArgumentHelp("Nodes or groups.", valueName: "node"), completion: Completions.nodes) var things:
        [String] = []
    /// What stands after `--`; `CommandLineTool` hands it over word by word, as the parser knows only one list of
    /// arguments.
    @Option(name: .customLong("command-word"), parsing: .unconditionalSingleValue, help: .hidden)
    var command: [String] = []

    /// The arguments of an `exec` or a `ssh` with what stands after `--` as options that the parser can tell from
    /// nodes.
    static func separate(_ arguments: [String]) -> [String] {
        let verbs = [configuration.commandName, SSH.configuration.commandName]
        guard let verb = arguments.first, verbs.contains(verb), let split = arguments.firstIndex(of: "--") else {
            return arguments
        }
        return arguments[..<split] + arguments[(split + 1)...].flatMap { ["--command-word", $0] }
    }

    func run() async throws {
        do {
            try await runCommand()
        } catch let error as CLIError {
            // The command's own status is given otherwise; this is Muster's.
            throw CLIError(error.message, exitCode: ExitCodes.execFailed)
        }
    }

    private func runCommand() async throws {
        guard !things.isEmpty, !command.isEmpty else {
            throw CLIError("exec wants nodes, then --, then a command: muster exec app/1 -- ls -l")
        }
        guard let limit = try? DurationText.parse(timeout) else {
            throw CLIError("--timeout wants a duration with a unit, such as 30s or 5m, not '\(timeout)'")
        }
        let session = try StateSession.open(options, to: .write)
        let rows = try RunLookup(store: session.store).read { () throws(StoreError) in
            try session.store.nodes(lab: nil, includingGone: false)
        }
        var chosen: [NodeRow] = []
        for word in things {
            let found = rows.filter { $0.name.description == word || $0.name.group == word }
            guard !found.isEmpty else {
                throw CLIError(
                    "there is no node '\(word)'; up are: \(rows.map(\.name.description).joined(separator: ", "))"
                )
            }
            chosen += found.filter { row in !chosen.contains { $0.id == row.id } }
        }
        guard let first = chosen.first, chosen.allSatisfy({ $0.lab == first.lab }),
            var spec = try RunLookup(store: session.store).read({ () throws(StoreError) in
                try session.store.spec(of: first.createdBy)
            })
        else { throw CLIError("exec takes nodes of one lab at a time") }
        spec.verb = .exec
        spec.suites = []
        spec.modes = nil
        spec.keep = .always
        spec.files = []
        spec.exec = ExecSpec(nodes: chosen.map(\.name), arguments: command, timeout: limit)
        follow.apply(to: &spec)
        try await RunSession(session: session, options: options, follow: follow).submit(spec)
    }
}
