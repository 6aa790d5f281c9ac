package import MusterCore
package import MusterStore

/// The turn of a conductor without its thread: what arrived is decided, committed in one transaction, and only then
/// performed.
///
/// It belongs to one thread at a time. Simulation and tests drive it by hand; `Conductor` drives it from the inbox.
///
/// Start-up, recovery and take-over are one routine: claim what nobody holds, load it, ask the drivers what is true, go
/// on. How several share a state is in `ConductorCore+Sharing.swift`.
package struct ConductorCore {
    package let store: any Store
    package internal(set) var director: Director
    package internal(set) var term: Term
    /// The position of the newest event that it has written or seen.
    package internal(set) var position: Int64
    /// Until when, by its own clock, acts may leave; nil when nobody else could act instead.
    package internal(set) var actsUntil: Timestamp?
    /// Counts how often it lost its term and began another: what it had under way before is not its own any more.
    package internal(set) var timesFenced = 0

    let identity: Identity
    let time: any TimeSource
    var lastRequest: Int64 = 0
    /// Runs that somebody wants to go on, also after what was decided had to be thrown away.
    var wanted: Set<PlanID> = []
    /// Labs whose plans it decides; nil for all.
    var labs: Set<String>?
    /// When it renews its lease and looks after the others; nil when it has the state to itself.
    var careDueAt: Timestamp?
    /// Labs that were taken and not yet gone on with.
    var adopted: Set<String> = []
    /// Whether requests are to be read though nobody said that some came.
    var hasRequests = false
    private var failures = 0
    /// Whether what earlier conductors may have begun was asked for.
    private var isSettled = false

    /// Who conducts, and with which chance.
    package struct Identity: Sendable {
        package var host: String
        package var pid: Int32
        package var seed: UInt64
        /// nil for one that has the state to itself, and is told by its users which runs to go on with. One of several
        /// goes on with all it takes.
        package var lease: Lease?
        /// How many labs it takes at once.
        package var labsAtOnce: Int

        package init(host: String, pid: Int32, seed: UInt64, lease: Lease? = nil, labsAtOnce: Int = .max) {
            self.host = host
            self.pid = pid
            self.seed = seed
            self.lease = lease
            self.labsAtOnce = labsAtOnce
        }
    }

    /// How often in a row a commit may fail before the conductor gives up.
    private static let failuresMax = 3

    /// Begins a term: the routine of every start, also after a crash. Nothing is performed yet.
    package init(store: any Store, identity: Identity, time: any TimeSource) throws(StoreError) {
        self.store = store
        self.identity = identity
        self.time = time
        let now = time.now()
        if let lease = identity.lease {
            term = try store.join(host: identity.host, pid: identity.pid, lease: lease.length)
            labs = []
            careDueAt = now
            actsUntil = now + (lease.length - lease.margin)
        } else {
            let epoch = try store.register(host: identity.host, pid: identity.pid, now: now)
            term = Term(conductor: .sole, epoch: epoch)
        }
        position = try store.position()
        director = Director(try store.load(labs, for: term.conductor), host: identity.host, seed: identity.seed)
        if identity.lease != nil {
            director.use(NumberBlock(plans: nil, nodes: nil))
            // It owns nothing yet; what it takes is settled when it is taken.
            isSettled = true
        }
    }

    package var epoch: Epoch { term.epoch }
    package func now() -> Timestamp { time.now() }

    /// How long until something is due by itself; nil when nothing is.
    package mutating func timeToNextTimer() -> Duration? {
        guard let due = [director.nextDue(), careDueAt].compactMap(\.self).min() else { return nil }
        return max(.zero, due - time.now())
    }

    /// Decides and commits one turn; returns what is to be performed.
    ///
    /// - Throws: what ended this conductor: it was fenced though it had the state to itself, the disk is full, or
    ///   commits fail again and again. Nothing is lost by it; the next conductor goes on from the store.
    package mutating func takeTurn(_ items: consuming [Inbox.Item]) throws(StoreError) -> [Directive] {
        do {
            try takeCare()
            if hasRequests { items.append(.requestsArrived) }
            hasRequests = false
            let requestsHaveArrived = items.contains { if case .requestsArrived = $0 { true } else { false } }
            if requestsHaveArrived { try takeLabsOfRequests() }
            var turn = Turn(now: time.now(), term: term)
            turn.reserve(outcomes: items.count)
            if !isSettled {
                director.settle(into: &turn)
                isSettled = true
            }
            try ensureNumbers(for: [], events: 0)
            goOnWithAdopted(into: &turn)
            var requests: [RequestRow] = []
            if requestsHaveArrived { requests = try newRequests(into: &turn) }
            try ensureNumbers(for: requests, events: items.count)
            // Each is let go of when it was handled: a plan of a million steps is not kept twice while it is written.
            items.reverse()
            while let item = items.popLast() {
                switch item {
                case .event(let event): director.handle(event, into: &turn)
                case .requestsArrived:
                    for row in requests { director.handle(.requested(row), into: &turn) }
                    requests = []
                case .stop: break
                }
            }
            for plan in turn.plans { wanted.insert(plan.id) }
            wanted.formUnion(turn.newSpecs.keys)
            director.handle(.woke, into: &turn)
            director.close(&turn)
            if turn.hasChanges { try commit(turn) }
            for plan in turn.plans where plan.state.isFinal { wanted.remove(plan.id) }
            return turn.directives
        } catch {
            return try recover(from: error)
        }
    }

    private mutating func commit(_ turn: Turn) throws(StoreError) {
        let begun = time.now()
        CrashPoint.reached(.beforeCommit)
        if let newest = try store.commit(turn) { position = newest }
        CrashPoint.reached(.afterCommit)
        renewed(at: begun)
        failures = 0
    }

    /// Requests that came since the last look and are its own to answer.
    ///
    /// One token is one run, however often it is asked for. That it was answered in an earlier turn, the store says by
    /// refusing this one; `recover` looks it up then.
    private mutating func newRequests(into turn: inout Turn) throws(StoreError) -> [RequestRow] {
        var tokens: Set<String> = []
        var own: [RequestRow] = []
        for row in try store.requests(after: lastRequest) {
            lastRequest = row.id
            guard row.lab.map(owns) != false else { continue }
            switch row.request {
            case .submit(let token, _):
                if !tokens.insert(token).inserted {
                    turn.requestsDone.append(row.id)
                    continue
                }
            case .resume(let id), .cancel(let id): wanted.insert(id)
            case .halt: break
            }
            own.append(row)
        }
        return own
    }

    /// A commit failed, or its answer was lost: what was decided is thrown away and read again from the store.
    private mutating func recover(from error: StoreError) throws(StoreError) -> [Directive] {
        failures += 1
        switch error.code {
        case .fenced: return try beginAnew(after: error)
        case .full, .corrupt, .newer, .permission: throw error
        case .busy, .failed: if failures > Self.failuresMax { throw error }
        }
        director = Director(try store.load(labs, for: term.conductor), host: identity.host, seed: identity.seed)
        if identity.lease != nil { director.use(NumberBlock(plans: nil, nodes: nil)) }
        lastRequest = 0
        wanted.formUnion(adoptedPlans())
        adopted = []
        var turn = Turn(now: time.now(), term: term)
        director.settle(into: &turn)
        isSettled = true
        var rows: [RequestRow] = []
        var answered: [Int64] = []
        var tokens: Set<String> = []
        for row in try store.requests(after: 0) {
            lastRequest = row.id
            guard row.lab.map(owns) != false else { continue }
            if case .submit(let token, _) = row.request {
                let isKnown = try store.plan(request: token) != nil
                if isKnown || !tokens.insert(token).inserted {
                    answered.append(row.id)
                    continue
                }
            }
            rows.append(row)
        }
        do {
            try ensureNumbers(for: rows, events: 0)
            goOn(with: wanted, into: &turn)
            turn.requestsDone += answered
            for row in rows {
                director.handle(.requested(row), into: &turn)
                switch row.request {
                case .resume(let id), .cancel(let id): wanted.insert(id)
                case .submit, .halt: break
                }
            }
            wanted.formUnion(turn.newSpecs.keys)
            director.close(&turn)
            if turn.hasChanges { try commit(turn) }
        } catch {
            return try recover(from: error)
        }
        return turn.directives + director.watchedNodes.map { .watch($0.id) }
    }

    /// Goes on with those that were interrupted.
    mutating func goOn(with plans: Set<PlanID>, into turn: inout Turn) {
        for id in plans.sorted() where director.run(id)?.isHeld == true { director.goOn(with: id, into: &turn) }
    }

    mutating func forgetEverything() {
        director = Director(Snapshot(), host: identity.host, seed: identity.seed)
        isSettled = true
        failures = 0
        lastRequest = 0
    }
}
