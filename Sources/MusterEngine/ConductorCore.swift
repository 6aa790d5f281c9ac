package import MusterCore
package import MusterStore

/// The turn of a conductor without its thread: what arrived is decided, committed in one transaction, and only then
/// performed.
///
/// It belongs to one thread at a time. Simulation and tests drive it by hand; `Conductor` drives it from the inbox.
package struct ConductorCore {
    package let store: any Store
    package private(set) var director: Director
    package private(set) var epoch: Epoch
    private let identity: Identity
    private let time: any TimeSource
    private var lastRequest: Int64 = 0
    /// Runs that somebody wants to go on, also after what was decided had to be thrown away.
    private var wanted: Set<PlanID> = []
    private var failures = 0
    /// Whether what earlier conductors may have begun was asked for.
    private var isSettled = false

    /// Who conducts, and with which chance.
    package struct Identity: Sendable {
        package var host: String
        package var pid: Int32
        package var seed: UInt64
        package init(host: String, pid: Int32, seed: UInt64) {
            self.host = host
            self.pid = pid
            self.seed = seed
        }
    }

    /// How often in a row a commit may fail before the conductor gives up.
    private static let failuresMax = 3

    /// Registers and loads: the routine of every start, also after a crash. Nothing is performed yet.
    package init(store: any Store, identity: Identity, time: any TimeSource) throws(StoreError) {
        self.store = store
        self.identity = identity
        self.time = time
        epoch = try store.register(host: identity.host, pid: identity.pid, now: time.now())
        director = Director(try store.load(), host: identity.host, seed: identity.seed)
    }

    package func now() -> Timestamp { time.now() }

    /// How long until something is due by itself; nil when nothing is.
    package mutating func timeToNextTimer() -> Duration? {
        director.nextDue().map { max(.zero, $0 - time.now()) }
    }

    /// Decides and commits one turn; returns what is to be performed.
    ///
    /// - Throws: what ended this conductor: it was fenced, the disk is full, or commits fail again and again. Nothing
    ///   is lost
    ///   by it; the next conductor goes on from the store.
    package mutating func takeTurn(_ items: [Inbox.Item]) throws(StoreError) -> [Directive] {
        var turn = Turn(now: time.now(), epoch: epoch)
        do {
            if !isSettled {
                director.settle(into: &turn)
                isSettled = true
            }
            for item in items {
                switch item {
                case .event(let event): director.handle(event, into: &turn)
                case .requestsArrived: try readRequests(into: &turn)
                case .stop: break
                }
            }
            director.handle(.woke, into: &turn)
            director.close(&turn)
            guard turn.hasChanges else { return turn.directives }
            CrashPoint.reached(.beforeCommit)
            try store.commit(turn)
            CrashPoint.reached(.afterCommit)
            failures = 0
            return turn.directives
        } catch {
            return try recover(from: error)
        }
    }

    private mutating func readRequests(into turn: inout Turn) throws(StoreError) {
        var tokens: Set<String> = []
        for row in try store.requests(after: lastRequest) {
            lastRequest = row.id
            // One token is one run, however often it is asked for. That it was answered in an earlier turn, the store
            // says by refusing this one; `recover` looks it up then.
            if case .submit(let token, _) = row.request, !tokens.insert(token).inserted {
                turn.requestsDone.append(row.id)
                continue
            }
            switch row.request {
            case .resume(let id), .cancel(let id): wanted.insert(id)
            case .submit, .halt: break
            }
            director.handle(.requested(row), into: &turn)
        }
        for plan in turn.plans { wanted.insert(plan.id) }
        wanted.formUnion(turn.newSpecs.keys)
    }

    /// A commit failed, or its answer was lost: what was decided is thrown away and read again from the store.
    private mutating func recover(from error: StoreError) throws(StoreError) -> [Directive] {
        failures += 1
        switch error.code {
        case .fenced, .full, .corrupt, .newer, .permission: throw error
        case .busy, .failed: if failures > Self.failuresMax { throw error }
        }
        director = Director(try store.load(), host: identity.host, seed: identity.seed)
        lastRequest = 0
        var turn = Turn(now: time.now(), epoch: epoch)
        director.settle(into: &turn)
        isSettled = true
        for id in wanted.sorted() where director.run(id)?.isHeld == true {
            director.handle(.requested(RequestRow(id: 0, request: .resume(id))), into: &turn)
        }
        turn.requestsDone.removeAll()
        var tokens: Set<String> = []
        for row in try store.requests(after: 0) {
            lastRequest = row.id
            if case .submit(let token, _) = row.request {
                let isKnown = try store.plan(request: token) != nil
                if isKnown || !tokens.insert(token).inserted {
                    turn.requestsDone.append(row.id)
                    continue
                }
            }
            director.handle(.requested(row), into: &turn)
        }
        director.close(&turn)
        var directives = turn.directives
        if turn.hasChanges {
            do {
                try store.commit(turn)
                failures = 0
            } catch {
                return try recover(from: error)
            }
        }
        directives += director.watchedNodes.map { .watch($0.id) }
        return directives
    }
}
