import ArgumentParser
import MusterCore
import MusterLab
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
        let session = try StateSession.open(options, to: .make)
        let lookup = RunLookup(store: session.store)
        let allNodes = try lookup.read { () throws(StoreError) in
            try session.store.nodes(lab: nil, includingGone: false)
        }
        let allUnfinished = try lookup.read { () throws(StoreError) in try session.store.plans(lab: nil, limit: 50) }
            .filter { !$0.state.isFinal && $0.verb != .down }
        let lab = try labName(among: Set(allNodes.map(\.lab) + allUnfinished.map(\.lab)))
        let nodes = allNodes.filter { $0.lab == lab }
        let unfinished = allUnfinished.filter { $0.lab == lab }
        let up = Set(nodes.map(\.name.group))
        for group in groups where !up.contains(group) {
            let names = up.sorted().joined(separator: ", ")
            throw CLIError("no group '\(group)' is up" + (names.isEmpty ? "; nothing is" : "; up are: \(names)"))
        }
        guard let lab, !(nodes.isEmpty && unfinished.isEmpty) else {
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
            lab: lab,
            labFile: options.labFile,
            labDirectory: options.labDirectory
        )
        spec.downGroups = groups
        follow.apply(to: &spec)
        try await RunSession(session: session, options: options, follow: follow).submit(spec)
    }

    /// The lab of the lab file; without one that can be read, the only lab that has anything here.
    private func labName(among known: Set<String>) throws -> String? {
        if let lab = try? LabParser.load(path: options.labFile, environment: Environment.all) { return lab.name }
        guard known.count > 1 else { return known.first }
        throw CLIError(
            "this state has machines of several labs (\(known.sorted().joined(separator: ", "))): name the lab file with -f"
        )
    }
}
