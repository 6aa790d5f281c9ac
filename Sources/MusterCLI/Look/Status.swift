import ArgumentParser
import MusterCore
import MusterEngine
import MusterStore

struct Status: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Show groups, nodes and unfinished runs.",
        discussion: """
              muster status             what is up
              muster status app         one group, or app/1 for one node
              muster status r-7f3k      the steps of a program's plan
              muster status --json
            """
    )
    @OptionGroup var options: GlobalOptions
    @Argument(help: "Groups or nodes.", completion: Completions.things) var things: [String] = []

    func run() async throws {
        let session = try StateSession.open(options, to: .read)
        let lookup = RunLookup(store: session.store)
        let isConducted = StateLock.isHeld(session.state)
        if things.count == 1, let run = RunName(things[0]), try showProgram(run, session, isConducted: isConducted) {
            return
        }
        let standings = try lookup.read { () throws(StoreError) in try GroupStandings.read(session.store) }
            .flatMap(\.all)
        let nodes = try lookup.read { () throws(StoreError) in
            try session.store.nodes(lab: nil, includingGone: false)
        }.filter { matches($0.name) }
        // What is gone is told to those who ask for it.
        let groups = standings.filter { standing in
            things.isEmpty
                ? standing.state != .gone
                : things.contains(standing.group) || standing.nodes.contains { matches($0.name) }
        }
        if !things.isEmpty, nodes.isEmpty, groups.isEmpty {
            throw CLIError("nothing that is up is called \(things.joined(separator: ", ")): muster status")
        }
        let runs = try lookup.read { () throws(StoreError) in try session.store.plans(lab: nil, limit: 50) }
            .filter { !$0.state.isFinal }
        let lifetimes = try lookup.read { () throws(StoreError) in try Lifetimes(session.store) }
        if options.json {
            Output.json(
                StatusShape(
                    conducted: isConducted,
                    lifetimes: lifetimes.ends.mapValues(\.rfc3339),
                    runs: runs.map { JSONShape.Run($0, isConducted: isConducted) },
                    groups: groups.map { JSONShape.Group($0, nodes: $0.nodes.filter { matches($0.name) }) }
                )
            )
            return
        }
        if !groups.isEmpty {
            Output.lines(table(of: groups).lines)
            Output.line("")
        }
        if nodes.isEmpty { Output.line("nothing is up") }
        var table = TextTable(header: ["NODE", "STATE", "ADDRESS", "SINCE", "RUN", "NOTE"])
        for node in nodes {
            table.add([
                node.name.description, node.state.rawValue, node.facts["address"] ?? "",
                String(node.since.rfc3339.prefix(19)) + "Z", node.heldBy.map { RunName($0).description } ?? "",
                printable(node.reason ?? ""),
            ])
        }
        if !nodes.isEmpty { Output.lines(table.lines) }
        for run in runs {
            let name = RunName(run.id)
            let next =
                run.isInterrupted(isConducted: isConducted) || run.state == .paused
                ? "; next: muster resume \(name)" : ""
            Output.line(
                "run \(name) (\(run.verb.rawValue)) is \(run.stateText(isConducted: isConducted))\(next)"
                    + (run.reason.map { ": " + printable($0) } ?? "")
            )
        }
        for (lab, end) in lifetimes.ends.sorted(by: { $0.key < $1.key }) {
            let left = end - HostTime().now()
            let when = String(end.rfc3339.prefix(19)) + "Z"
            Output.line(
                left > .zero
                    ? "lab \(lab) is gone at \(when), in \(SpanText.elapsed(left))"
                    : "the lifetime of lab \(lab) has ended at \(when)"
            )
        }
        if !isConducted, !nodes.isEmpty {
            Output.line("nobody conducts this state now; node states are as of their last event")
        }
    }

    /// Shows the steps of a program's plan; false when the run is none.
    private func showProgram(_ run: RunName, _ session: StateSession, isConducted: Bool) throws -> Bool {
        let lookup = RunLookup(store: session.store)
        let row = try lookup.find(run.description)
        guard let spec = try lookup.read({ () throws(StoreError) in try session.store.spec(of: row.id) }),
            spec.program != nil
        else {
            throw CLIError("run \(run) is one of a lab: muster why \(run), muster status")
        }
        let status = try ProgramStatus(row, spec, in: session, isConducted: isConducted)
        if options.json { Output.json(status.shape) } else { Output.lines(status.lines) }
        return true
    }

    private func matches(_ name: NodeName) -> Bool {
        things.isEmpty || things.contains(name.group) || things.contains(name.description)
    }

    private func table(of groups: [GroupStanding]) -> TextTable {
        var table = TextTable(header: ["GROUP", "STATE", "READY", "NOTE"])
        for group in groups {
            let count = group.wanted == 0 && group.nodes.isEmpty ? "" : "\(group.ready)/\(group.wanted)"
            table.add([group.group, group.state.rawValue, count, printable(group.reason ?? "")])
        }
        return table
    }

    private struct StatusShape: Encodable {
        var format = 1
        var conducted: Bool
        /// When each lab that has a lifetime is to be gone.
        var lifetimes: [String: String]
        var runs: [JSONShape.Run]
        var groups: [JSONShape.Group]
    }
}
