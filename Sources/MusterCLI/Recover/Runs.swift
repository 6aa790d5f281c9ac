import ArgumentParser
import Foundation
import MusterCore
import MusterEngine
import MusterStore

struct Runs: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "List runs, newest first.",
        discussion: """
              muster runs            what ran, what runs, what waits for a person
              muster runs --json     the same for programs
            """
    )
    @OptionGroup var options: GlobalOptions
    @Option(help: "How many at most.") var limit = 20

    func validate() throws {
        guard limit > 0 else { throw ValidationError("--limit wants a number above 0") }
    }

    func run() async throws {
        let session = try StateSession.open(options, creating: false)
        let rows = try RunLookup(store: session.store).read { () throws(StoreError) in
            try session.store.plans(lab: nil, limit: limit)
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
        guard !rows.isEmpty else { return Output.line("no runs yet: muster up, muster test") }
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
