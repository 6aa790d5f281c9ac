import Foundation
import MusterCore
import MusterEngine
import MusterStore

/// Asks something of a plan of a program's actions. Only the program can have them performed, so it is asked and not
/// done here: at once when the program runs, otherwise when it starts.
struct ProgramRequest {
    let session: StateSession
    let options: any VerbOptions

    /// The program of a plan; nil for runs of labs.
    static func program(of row: PlanRow, in session: StateSession) throws -> ProgramSpec? {
        try RunLookup(store: session.store).read { () throws(StoreError) in
            try session.store.spec(of: row.id)?.program
        }
    }

    func ask(_ request: Request, of row: PlanRow) async throws {
        let lookup = RunLookup(store: session.store)
        let answer = try await InboxQuestion(session: session).ask(request)
        switch answer {
        case .refused(let reason): throw CLIError(reason)
        case .taken:
            guard let now = try lookup.read({ () throws(StoreError) in try session.store.plan(row.id) }) else {
                throw CLIError("run \(RunName(row.id)) was deleted meanwhile")
            }
            if options.json {
                Output.json(Shape(run: JSONShape.Run(now, isConducted: true), answered: true))
            } else {
                Output.line("run \(RunName(row.id)) is \(now.stateText(isConducted: true))" + reason(now))
            }
        case .nobody, .silence:
            let isConducted = if case .silence = answer { true } else { false }
            if options.json {
                Output.json(Shape(run: JSONShape.Run(row, isConducted: isConducted), answered: false))
            } else {
                let when = isConducted ? "has not answered yet" : "does not run now; it does this when it starts"
                Output.line("asked; the program '\(row.lab)' \(when)")
            }
        }
    }

    private func reason(_ row: PlanRow) -> String { row.reason.map { ": " + printable($0) } ?? "" }

    private struct Shape: Encodable {
        var format = 1
        var run: JSONShape.Run
        /// Whether the program has taken it in.
        var answered: Bool
    }
}
