import ArgumentParser
import MusterCore
import MusterStore

struct Exec: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Run a command on nodes that are up, in their folders and with their environment.",
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
    @Argument(
        parsing: .remaining,
        help: ArgumentHelp("Nodes or groups, then -- and the command.", valueName: "node -- command")
    )
    var words: [String] = []

    func run() async throws {
        guard let split = words.firstIndex(of: "--"), split > 0, split + 1 < words.count else {
            throw CLIError(
                "exec wants nodes, then --, then a command: muster exec app/1 -- ls -l",
                exitCode: ExitCodes.usage
            )
        }
        guard let limit = DurationText.parse(timeout) else {
            throw CLIError("--timeout wants a duration with a unit, such as 30s or 5m, not '\(timeout)'")
        }
        let session = try StateSession.open(options, creating: true)
        let rows = try RunLookup(store: session.store).read { () throws(StoreError) in
            try session.store.nodes(lab: nil, includingGone: false)
        }
        var chosen: [NodeRow] = []
        for word in words[..<split] {
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
        spec.keep = .always
        spec.files = []
        spec.exec = ExecSpec(nodes: chosen.map(\.name), arguments: Array(words[(split + 1)...]), timeout: limit)
        follow.apply(to: &spec)
        try await RunSession(session: session, options: options, follow: follow).submit(spec)
    }
}
