import MusterCore
import MusterStore

/// What only the store can say, asked for after a turn and decided with in the next: how other plans ended, which
/// limits were granted.
extension ConductorCore {
    /// Asks the store what a turn wants to know; returns what is left to be performed.
    mutating func answering(_ turn: Turn) throws(StoreError) -> [Directive] {
        if !turn.asks.isEmpty || !turn.releases.isEmpty { try lookAtPermits() }
        guard turn.directives.contains(where: \.isQuestion) else { return turn.directives }
        var left: [Directive] = []
        for directive in turn.directives {
            guard case .lookUp(let plans, let dependent) = directive else {
                left.append(directive)
                continue
            }
            for plan in plans {
                answers.append(.prerequisiteFound(plan, try store.plan(plan), for: dependent))
            }
        }
        return left
    }

    /// Decides with what the store has answered, and has limits granted whose time has come.
    mutating func takeAnswers(into turn: inout Turn) throws(StoreError) {
        if let due = grantDueAt, due <= time.now() {
            grantDueAt = nil
            let term = term
            try writing { store throws(StoreError) in try store.grantPermits(by: term) }
            try lookAtPermits()
        }
        let events = answers
        answers = []
        for event in events { director.handle(event, into: &turn) }
    }

    /// Of several conductors another one's end of work may have granted what one of its own steps waits for.
    mutating func lookAtPermits() throws(StoreError) {
        guard director.asksForLimits else { return }
        let permits = try store.permits(of: labs)
        answers.append(.permitsFound(permits.rows))
        // The store's clock is another one: it is asked neither without end nor too late.
        let now = time.now()
        grantDueAt = permits.nextGrantAt.map { now + min(max($0 - now, Self.grantPauseMin), Self.grantPauseMax) }
    }

    private static let grantPauseMin: Duration = .milliseconds(50)
    private static let grantPauseMax: Duration = .seconds(1)
}

extension Directive {
    /// Whether the store answers it, and nobody performs it.
    fileprivate var isQuestion: Bool { if case .lookUp = self { true } else { false } }
}
