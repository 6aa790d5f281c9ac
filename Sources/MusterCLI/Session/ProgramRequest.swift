import Foundation
import MusterCore
import MusterEngine
import MusterStore
import NIOPosix

/// Asks something of a plan of a program's actions. Only the program can have them performed, so it is asked and not
/// done here: at once when the program runs, otherwise when it starts.
struct ProgramRequest {
    let session: StateSession
    let options: any VerbOptions

    /// So long an answer is waited for. It comes with the program's next turn.
    private static let patience: Duration = .seconds(10)

    private enum Answer: Sendable {
        case taken
        case refused(String)
        case nobody
    }

    /// The program of a plan; nil for runs of labs.
    static func program(of row: PlanRow, in session: StateSession) throws -> ProgramSpec? {
        try RunLookup(store: session.store).read { () throws(StoreError) in
            try session.store.spec(of: row.id)?.program
        }
    }

    func ask(_ request: Request, of row: PlanRow) async throws {
        let lookup = RunLookup(store: session.store)
        let begin = try lookup.read { () throws(StoreError) in try session.store.position() }
        let number = try lookup.read { () throws(StoreError) in
            try session.store.submit(request, at: HostTime().now())
        }
        let link = await ConductorLink.connect(session.state, group: MultiThreadedEventLoopGroup.singleton)
        var answer = Answer.nobody
        if let link { answer = try await self.answer(to: number, after: begin, from: link) }
        await link?.close()
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
        case .nobody:
            if options.json {
                Output.json(Shape(run: JSONShape.Run(row, isConducted: link != nil), answered: false))
            } else {
                let when = link == nil ? "does not run now; it does this when it starts" : "has not answered yet"
                Output.line("asked; the program '\(row.lab)' \(when)")
            }
        }
    }

    private func reason(_ row: PlanRow) -> String { row.reason.map { ": " + printable($0) } ?? "" }

    /// Waits until a turn has answered the request.
    private func answer(to number: Int64, after position: Int64, from link: ConductorLink) async throws -> Answer {
        let store = session.store
        link.poke()
        return try await withThrowingTaskGroup(of: Answer.self) { group in
            group.addTask {
                // What happened before this was listened to is seen by the first look.
                if let answer = try Self.look(for: number, after: position, in: store) { return answer }
                for await _ in link.wakeUps {
                    if let answer = try Self.look(for: number, after: position, in: store) { return answer }
                }
                return .nobody
            }
            group.addTask {
                try await Task.sleep(for: Self.patience)
                return .nobody
            }
            defer { group.cancelAll() }
            return try await group.next() ?? .nobody
        }
    }

    private static func look(for number: Int64, after position: Int64, in store: any Store) throws -> Answer? {
        if try store.requests(after: number - 1).first?.id == number { return nil }
        let token = Refusal.token(of: number)
        let events = try store.events(after: position, plan: nil, limit: 100_000)
        for event in events where event.kind == .requestRefused {
            if let refusal = event.detail.flatMap({ Refusal($0) }), refusal.token == token {
                return .refused(refusal.message)
            }
        }
        return .taken
    }

    private struct Shape: Encodable {
        var format = 1
        var run: JSONShape.Run
        /// Whether the program has taken it in.
        var answered: Bool
    }
}
