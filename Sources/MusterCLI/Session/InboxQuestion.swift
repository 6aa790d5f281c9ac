import Foundation
import MusterCore
import MusterEngine
import MusterStore
import NIOPosix

/// Asks the conductor something by its inbox, and waits for its answer.
struct InboxQuestion {
    let session: StateSession

    /// So long an answer is waited for. It comes with the conductor's next turn.
    private static let patience: Duration = .seconds(10)

    enum Answer: Sendable {
        case taken
        case refused(String)
        /// There is a conductor, and it says nothing.
        case silence
        /// Nobody conducts: the next one finds the question.
        case nobody
    }

    /// Puts the question, and waits for what comes of it.
    ///
    /// - Parameter token: what a refusal names it by; nil for its number.
    func ask(_ request: Request, token: String? = nil) async throws -> Answer {
        let lookup = RunLookup(store: session.store)
        let begin = try lookup.read { () throws(StoreError) in try session.store.position() }
        let number = try lookup.read { () throws(StoreError) in
            try session.store.submit(request, at: HostTime().now())
        }
        guard let link = await ConductorLink.connect(session.state, group: MultiThreadedEventLoopGroup.singleton) else {
            return .nobody
        }
        let answer = try await answer(to: number, token ?? Refusal.token(of: number), after: begin, from: link)
        await link.close()
        return answer
    }

    /// Waits until a turn has answered the request.
    private func answer(
        to number: Int64,
        _ token: String,
        after position: Int64,
        from link: ConductorLink
    ) async throws -> Answer {
        let store = session.store
        link.poke()
        return try await withThrowingTaskGroup(of: Answer.self) { group in
            group.addTask {
                // What happened before this was listened to is seen by the first look.
                if let answer = try Self.look(for: number, token, after: position, in: store) { return answer }
                for await _ in link.wakeUps {
                    if let answer = try Self.look(for: number, token, after: position, in: store) { return answer }
                }
                return .silence
            }
            group.addTask {
                try await HostTime().sleep(for: Self.patience)
                return .silence
            }
            defer { group.cancelAll() }
            return try await group.next() ?? .silence
        }
    }

    private static func look(
        for number: Int64,
        _ token: String,
        after position: Int64,
        in store: any Store
    ) throws -> Answer? {
        if try store.requests(after: number - 1).first?.id == number { return nil }
        let events = try store.events(after: position, plan: nil, limit: 100_000)
        for event in events where event.kind == .requestRefused {
            if let refusal = event.detail.flatMap({ Refusal($0) }), refusal.token == token {
                return .refused(refusal.message)
            }
        }
        return .taken
    }
}
