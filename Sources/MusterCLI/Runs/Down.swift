import ArgumentParser
import MusterCore
import MusterStore

struct Down: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Take groups down, dependents first.",
        discussion: """
              muster down         everything
              muster down web     one group that nothing else needs

            Unfinished runs on what goes down are cancelled first. Only what was started is undone.
            """
    )
    @OptionGroup var options: GlobalOptions
    @OptionGroup var follow: FollowOptions
    @Argument(help: "Groups.") var groups: [String] = []

    func run() async throws {
        let session = try StateSession.open(options, creating: true)
        let lookup = RunLookup(store: session.store)
        let nodes = try lookup.read { () throws(StoreError) in
            try session.store.nodes(lab: nil, includingGone: false)
        }
        let unfinished = try lookup.read { () throws(StoreError) in try session.store.plans(lab: nil, limit: 50) }
            .filter { !$0.state.isFinal && $0.verb != .down }
        let up = Set(nodes.map(\.name.group))
        for group in groups where !up.contains(group) {
            let names = up.sorted().joined(separator: ", ")
            throw CLIError("no group '\(group)' is up" + (names.isEmpty ? "; nothing is" : "; up are: \(names)"))
        }
        guard let labName = nodes.first?.lab ?? unfinished.first?.lab else {
            if options.json {
                struct Shape: Encodable {
                    let format = 1
                    let down: [String] = []
                }
                Output.json(Shape())
            } else {
                Output.line("nothing is up")
            }
            return
        }
        if !options.json {
            for run in unfinished {
                Output.note("run \(RunName(run.id)) (\(run.verb.rawValue)) is cancelled, as its machines go down")
            }
        }
        var spec = RunSpec(
            verb: .down,
            lab: labName,
            labFile: options.labFile,
            labDirectory: options.labDirectory
        )
        spec.downGroups = groups
        follow.apply(to: &spec)
        try await RunSession(session: session, options: options, follow: follow).submit(spec)
    }
}
