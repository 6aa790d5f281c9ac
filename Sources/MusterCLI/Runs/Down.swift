import ArgumentParser
import MusterCore
import MusterLab
import MusterStore

struct Down: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Take groups down, dependents first.",
        discussion: """
              muster down                  everything
              muster down web              one group that nothing else needs
              muster down db --cascade     db, and before it what needs it
              muster down --except db      everything but db and what it needs
              muster down db --force       go on over errors, and over what needs db

            Unfinished runs on what goes down are cancelled first. Only what was started is undone, last things first. An undo
            that fails stops the teardown of its node, and of what the node needs; the same command tries again.
            """
    )
    @OptionGroup var options: GlobalOptions
    @OptionGroup var follow: FollowOptions
    @Flag(help: "Take down what needs the groups, too, before them.") var cascade = false
    @Flag(help: "Go on over errors, which are told, and over what needs the groups.") var force = false
    @Option(
        parsing: .upToNextOption,
        help: ArgumentHelp("Groups that stay, with what they need.", valueName: "group")
    )
    var except: [String] = []
    @Argument(help: "Groups.", completion: Completions.standing) var groups: [String] = []

    func validate() throws {
        if !groups.isEmpty, !except.isEmpty {
            throw ValidationError("name groups to take down, or groups to keep (--except), not both")
        }
    }

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
        // A mistyped name is told; one of the lab that is down already is no mistake.
        let isKnown = (groups + except).allSatisfy(up.contains)
        let declared = isKnown ? [] : declaredGroups()
        for group in groups + except where !up.contains(group) && !declared.contains(group) {
            throw CLIError(unknown(group, up))
        }
        let isDown = !groups.isEmpty && unfinished.isEmpty && groups.allSatisfy { !up.contains($0) }
        guard let lab, !(nodes.isEmpty && unfinished.isEmpty), !isDown else {
            if options.json {
                struct Shape: Encodable {
                    let format = 1
                    let down: [String] = []
                }
                Output.json(Shape())
            } else {
                Output.line(groups.isEmpty || nodes.isEmpty ? "nothing is up" : "nothing of that is up")
            }
            return
        }
        var spec = RunSpec(
            verb: .down,
            lab: lab,
            labFile: options.labFile,
            labDirectory: options.labDirectory
        )
        spec.downGroups = groups
        if cascade || force || !except.isEmpty {
            spec.downOptions = DownOptions(cascades: cascade, forces: force, kept: except)
        }
        if !options.json { try tellWhatElse(spec, nodes, unfinished, lookup) }
        follow.apply(to: &spec)
        try await RunSession(session: session, options: options, follow: follow).submit(spec)
    }

    private func unknown(_ group: String, _ up: Set<String>) -> String {
        "no group '\(group)' is up" + (up.isEmpty ? "; nothing is" : "; up are: \(up.sorted().joined(separator: ", "))")
    }

    /// The groups of the lab file; none when it cannot be read.
    private func declaredGroups() -> Set<String> {
        let lab = try? LabParser.load(path: options.labFile, environment: Environment.all)
        return Set(lab?.groups.map(\.name) ?? [])
    }

    /// Says what goes or ends besides the groups that were named.
    private func tellWhatElse(
        _ asked: RunSpec,
        _ nodes: [NodeRow],
        _ unfinished: [PlanRow],
        _ lookup: RunLookup
    ) throws {
        var specs: [PlanID: RunSpec] = [:]
        for id in Set(nodes.map(\.createdBy) + unfinished.map(\.id)) {
            specs[id] = try? lookup.store.spec(of: id)
        }
        let standing = StandingGroups(nodes) { specs[$0] }
        let spec = standing.settled(asked)
        // Then it is refused, and nothing of this happens.
        guard force || spec.downGroups.isEmpty || standing.dependents(on: Set(spec.downGroups)).isEmpty else { return }
        let more = spec.downGroups.filter { !asked.downGroups.contains($0) }
        if !more.isEmpty { Output.note("also down, as it needs what goes: \(more.joined(separator: ", "))") }
        let kept = standing.names.filter { !spec.takesDown($0) }
        if !except.isEmpty { Output.note("kept: \(kept.isEmpty ? "nothing" : kept.joined(separator: ", "))") }
        for run in unfinished where specs[run.id]?.groups.contains(where: { spec.takesDown($0.name) }) != false {
            Output.note("run \(RunName(run.id)) (\(run.verb.rawValue)) is cancelled, as its machines go down")
        }
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
