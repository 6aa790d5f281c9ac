import ArgumentParser
import Foundation
import MusterCore
import MusterEngine
import MusterLab
import MusterStore

struct Runs: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "List runs, newest first.",
        discussion: """
              muster runs            what ran, what runs, what waits for a person
              muster runs --in paused --lab shop
              muster runs --result error --since 2h
              muster runs --after r-7f3k   the next page
              muster runs --json     the same for programs
            """
    )
    @OptionGroup var options: GlobalOptions
    @Option(help: "How many at most.") var limit = 20
    @Option(name: .customLong("in"), help: "Only those that are running, paused, scheduled, stopped, …") var states:
        [PlanState] = []
    @Option(name: .customLong("result"), help: "Only those that ended with success, warning, error, cancelled.")
    var results: [PlanResult] = []
    @Option(help: "Only those of this lab or program.") var lab: String?
    @Option(help: "Only plans of this root action.") var action: String?
    @Option(help: "Only those made since: 2h, 7d.") var since: String?
    @Option(help: "Those after this one: the next page.") var after: String?
    @Flag(help: "Oldest first.") var oldest = false
    @Flag(help: "Sub-plans too.") var children = false

    func validate() throws {
        guard limit > 0 else { throw ValidationError("--limit wants a number above 0") }
        if let since, (try? DurationText.parse(since)) == nil {
            throw ValidationError("--since '\(since)' is no length of time: 2h, 7d, 90m")
        }
        if let after, RunName(after) == nil {
            throw ValidationError("--after '\(after)' is not the name of a run; they look like r-7f3k")
        }
    }

    private var query: PlanQuery {
        PlanQuery(
            states: states.isEmpty ? nil : Set(states),
            results: results.isEmpty ? nil : Set(results),
            lab: lab,
            name: action,
            kin: children ? .any : .roots,
            createdFrom: since.flatMap { (try? DurationText.parse($0)) }.map { HostTime().now() + (.zero - $0) },
            order: oldest ? .oldest : .newest,
            limit: limit,
            after: after.flatMap { RunName($0)?.plan }
        )
    }

    func run() async throws {
        let session = try StateSession.open(options, to: .read)
        let rows = try RunLookup(store: session.store).read { () throws(StoreError) in
            try session.store.plans(matching: query)
        }
        let isConducted = StateLock.isHeld(session.state)
        var flaws: [PlanID: String] = [:]
        for row in rows {
            flaws[row.id] = try RunLookup(store: session.store).read { () throws(StoreError) in
                try session.store.flaw(of: row)
            }
        }
        if options.json {
            let runs = rows.map { JSONShape.Run($0, isConducted: isConducted, flaw: flaws[$0.id]) }
            return Output.json(JSONShape.List(name: "runs", elements: runs))
        }
        guard !rows.isEmpty else {
            return Output.line(
                query == PlanQuery(kin: .roots, limit: limit) ? "no runs yet: muster up, muster test" : "no such runs"
            )
        }
        var table = TextTable(header: ["RUN", "VERB", "LAB", "STATE", "STARTED", "TOOK", "NOTE"])
        for row in rows {
            let took = row.endedAt.map { ($0 - (row.startedAt ?? row.createdAt)).shortText } ?? ""
            table.add([
                RunName(row.id).description, row.verb.rawValue, row.lab,
                row.stateText(isConducted: isConducted, flaw: flaws[row.id]),
                String(row.createdAt.rfc3339.prefix(19)) + "Z", took, printable(flaws[row.id] ?? row.reason ?? ""),
            ])
        }
        Output.lines(table.lines)
        if let row = rows.first(where: { $0.isInterrupted(isConducted: isConducted) && flaws[$0.id] == nil }) {
            Output.line("interrupted; next: muster resume \(RunName(row.id))")
        }
        if let row = rows.first(where: { flaws[$0.id] != nil }) {
            Output.line("broken; nothing can go on with it; to end it: muster halt \(RunName(row.id))")
        }
    }
}

extension PlanState: ExpressibleByArgument {}
extension PlanResult: ExpressibleByArgument {}
