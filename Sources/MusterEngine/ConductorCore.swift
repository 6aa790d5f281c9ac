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
    /// Counts how often it threw away what it had decided: what it wanted ended may have been among that.
    package private(set) var timesDecidedAgain = 0

    /// Where people of this process wait for states of nodes.
    package var desk: WaitDesk?
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
    /// Why the last turn was given up; the next begins by deciding again from what is stored.
    private var outage: StoreError?
    /// Whether it is to end: calls of programs' actions are left to the next conductor.
    private var isEnding = false
    /// What the store has answered, for the next turn.
    var answers: [Director.Event] = []
    /// When a limit may be granted only because time has passed.
    var grantDueAt: Timestamp?
    /// Whether requests are to be read though nobody said that some came.
    var hasRequests = false
    /// Whether the term has risen since nodes were watched: supervisors are to know of it, also of nodes held before.
    var hasRisen = false
    /// How often in a row the store could not write.
    private var failedWrites = 0
    /// Whether the store has written what it was asked to write last.
    package var hasWritten: Bool { failedWrites == 0 }
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
        /// How many calls of programs' actions may be performed at once, by queue; nil for a conductor that has no
        /// actions, and leaves plans of programs alone.
        package var queues: [String: Int]?
        /// What its drivers can do to nodes as a whole, by their kind.
        package var capabilities: [String: Set<Capability>] = [:]
        /// How they can reboot and power nodes, by their kind.
        package var rungs: [String: Set<Rung>] = [:]
        /// How its runs of tests are decided: as the lab says, unless a program that conducts has its own way. The same
        /// for a run as long as it lasts, whoever goes on with it.
        package var policies = TestPolicies.declared
        /// Limits that its actions count against: the state is told of them when a term begins.
        package var limits: [LimitRow]

        package init(
            host: String,
            pid: Int32,
            seed: UInt64,
            lease: Lease? = nil,
            labsAtOnce: Int = .max,
            queues: [String: Int]? = nil,
            limits: [LimitRow] = []
        ) {
            self.host = host
            self.pid = pid
            self.seed = seed
            self.lease = lease
            self.labsAtOnce = labsAtOnce
            self.queues = queues
            self.limits = limits
        }
    }

    /// How often in a row the store may fail before the conductor gives up.
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
        if !identity.limits.isEmpty { try store.define(identity.limits, by: term) }
        position = try store.position()
        director = Self.director(of: try store.load(labs, for: term.conductor), identity)
        if identity.lease != nil {
            director.use(NumberBlock(plans: nil, nodes: nil))
            // It owns nothing yet; what it takes is settled when it is taken.
            isSettled = true
        }
    }

    private static func director(of snapshot: Snapshot, _ identity: Identity) -> Director {
        Director(
            snapshot,
            host: identity.host,
            seed: identity.seed,
            queues: identity.queues,
            capabilities: identity.capabilities,
            rungs: identity.rungs,
            policies: identity.policies
        )
    }

    /// Begins no calls of programs' actions any more: it is to end when those that are under way have.
    package mutating func beginNoCalls() {
        isEnding = true
        director.beginsNoCalls = true
    }

    package var epoch: Epoch { term.epoch }
    package func now() -> Timestamp { time.now() }

    /// How long until something is due by itself; nil when nothing is.
    package mutating func timeToNextTimer() -> Duration? {
        if !answers.isEmpty { return .zero }
        guard let due = [director.nextDue(), careDueAt, grantDueAt].compactMap(\.self).min() else { return nil }
        return max(.zero, due - time.now())
    }

    /// Decides and commits one turn; returns what is to be performed.
    ///
    /// - Throws: that it was fenced though it had the state to itself, that the disk is full, or that the store fails
    ///   again and again. Nothing is lost by it: the next conductor, or the next turn, goes on from the store.
    package mutating func takeTurn(_ items: consuming [Inbox.Item]) throws(StoreError) -> [Directive] {
        if let error = outage {
            // What was decided before is not to be believed.
            outage = nil
            return try recovered(from: error)
        }
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
            try takeAnswers(into: &turn)
            var requests: [RequestRow] = []
            if requestsHaveArrived { requests = try newRequests(areDoubtful: false, into: &turn) }
            try ensureNumbers(for: requests, events: items.count)
            // Each is let go of when it was handled: a plan of a million steps is not kept twice while it is written.
            items.reverse()
            while let item = items.popLast() {
                switch item {
                case .event(let event): director.handle(event, into: &turn)
                case .requestsArrived:
                    answer(requests, into: &turn)
                    requests = []
                case .stop: break
                }
            }
            director.handle(.woke, into: &turn)
            try complete(&turn)
            return try answering(turn)
        } catch {
            return try recovered(from: error)
        }
    }

    /// What was committed although its answer was lost is to be heard of too.
    private mutating func recovered(from error: StoreError) throws(StoreError) -> [Directive] {
        let directives = try recover(from: error)
        try? desk?.look()
        return directives
    }

    /// Commits what was decided. The runs that it began are gone on with, whatever has to be thrown away later.
    private mutating func complete(_ turn: inout Turn) throws(StoreError) {
        wanted.formUnion(turn.newSpecs.keys)
        director.close(&turn)
        if turn.hasChanges { try commit(turn) }
        for plan in turn.plans where plan.state.isFinal { wanted.remove(plan.id) }
    }

    private mutating func commit(_ turn: Turn) throws(StoreError) {
        let begun = time.now()
        CrashPoint.reached(.beforeCommit)
        let newest = try writing { store throws(StoreError) in try store.commit(turn) }
        if let newest { position = newest }
        CrashPoint.reached(.afterCommit)
        renewed(at: begun)
        // What cannot be read now is read with the next turn.
        if let newest { try? desk?.take(turn.events, upTo: newest) }
    }

    /// Asks the store to write, and counts how often in a row it could not.
    mutating func writing<Result>(_ write: (any Store) throws(StoreError) -> Result) throws(StoreError) -> Result {
        do throws(StoreError) {
            let result = try write(store)
            failedWrites = 0
            return result
        } catch {
            failedWrites += 1
            throw error
        }
    }

    // MARK: Requests

    /// Requests that came since the last look and are its own to answer.
    ///
    /// One token is one run, however often it is asked for. That it was answered in an earlier turn, the store says by
    /// refusing this one; after that they are `areDoubtful`, and each is looked up.
    private mutating func newRequests(areDoubtful: Bool, into turn: inout Turn) throws(StoreError) -> [RequestRow] {
        var tokens: Set<String> = []
        var own: [RequestRow] = []
        for row in try store.requests(after: lastRequest) {
            lastRequest = row.id
            guard row.lab.map(owns) != false else { continue }
            if case .submit(let token, _) = row.request {
                let isKnown = areDoubtful ? try store.plan(request: token) != nil : false
                if isKnown || !tokens.insert(token).inserted {
                    turn.requestsDone.append(row.id)
                    continue
                }
            }
            own.append(row)
        }
        return own
    }

    private mutating func answer(_ rows: [RequestRow], into turn: inout Turn) {
        for row in rows {
            switch row.request {
            case .resume(let id), .takeUp(let id), .cancel(let id): wanted.insert(id)
            case .submit, .halt, .pause, .retry, .skip, .abort, .revert, .signal, .freeze, .report, .useModes: break
            }
            director.handle(.requested(row), into: &turn)
        }
    }

    // MARK: Recovery

    /// The store failed, or its answer was lost: what was decided is thrown away and decided again, several times where
    /// that fails too. A term that is over is over for good, also when the next one is not to be had at once.
    private mutating func recover(from first: StoreError) throws(StoreError) -> [Directive] {
        var error = first
        var lease: Lease?
        var tries = 0
        while true {
            switch error.code {
            case .full, .corrupt, .newer, .permission: throw error
            case .fenced:
                guard let own = identity.lease else { throw error }
                if lease == nil {
                    forgetTerm()
                    tries = 0
                }
                lease = own
            case .busy, .failed: break
            }
            tries += 1
            if tries > Self.failuresMax || lease == nil && failedWrites > Self.failuresMax {
                outage = error
                failedWrites = Self.failuresMax
                throw error
            }
            do throws(StoreError) {
                guard let lease else { return try decideAgain() }
                try beginAnew(lease)
                return []
            } catch let next {
                error = next
            }
        }
    }

    /// From what the store has, and from what it did not answer yet.
    private mutating func decideAgain() throws(StoreError) -> [Directive] {
        timesDecidedAgain += 1
        director = Self.director(of: try store.load(labs, for: term.conductor), identity)
        director.beginsNoCalls = isEnding
        if identity.lease != nil { director.use(NumberBlock(plans: nil, nodes: nil)) }
        lastRequest = 0
        wanted.formUnion(adoptedPlans())
        adopted = []
        // What the store said before is asked for again.
        answers = []
        grantDueAt = nil
        var turn = Turn(now: time.now(), term: term)
        director.settle(into: &turn)
        isSettled = true
        let requests = try newRequests(areDoubtful: true, into: &turn)
        try ensureNumbers(for: requests, events: 0)
        goOn(with: wanted, into: &turn)
        answer(requests, into: &turn)
        try complete(&turn)
        hasRisen = false
        return try answering(turn) + director.watchedNodes.map { .watch($0.id) }
    }

    /// Goes on with those that were interrupted.
    mutating func goOn(with plans: Set<PlanID>, into turn: inout Turn) {
        for id in plans.sorted() where director.run(id)?.isHeld == true { director.goOn(with: id, into: &turn) }
    }

    mutating func forgetEverything() {
        director = Self.director(of: Snapshot(), identity)
        director.beginsNoCalls = isEnding
        answers = []
        grantDueAt = nil
        isSettled = true
        lastRequest = 0
    }
}
