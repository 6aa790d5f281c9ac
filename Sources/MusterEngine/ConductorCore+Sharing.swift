import MusterCore
import MusterStore

/// How several conductors share one state: leases that are renewed, labs that are claimed, others that are lost.
///
/// A conductor is fenced whole: its turns land only while the store knows its term. It trusts its lease from the moment
/// at which a renewal began, by its own clock, for the lease less a margin; others wait the margin longer.
extension ConductorCore {
    package func owns(_ lab: String) -> Bool { labs?.contains(lab) ?? true }

    /// Whether acts may leave now. Past that, whoever else has taken over may be acting.
    package func mayAct() -> Bool { actsUntil.map { time.now() < $0 } ?? true }

    mutating func renewed(at begun: Timestamp) {
        guard let lease = identity.lease else { return }
        actsUntil = begun + (lease.length - lease.margin)
    }

    /// Renews the lease, declares lost who has not renewed theirs, and takes what nobody holds; when that is due.
    mutating func takeCare() throws(StoreError) {
        guard let lease = identity.lease, let due = careDueAt, time.now() >= due else { return }
        let begun = time.now()
        careDueAt = begun + lease.care
        let term = term
        _ = try writing { store throws(StoreError) in try store.declareLost(by: term, margin: lease.margin) }
        try takeLabs()
        renewed(at: begun)
        // Another conductor's end of work may have granted what one of its own steps waits for, and its plans' ends may
        // let others begin.
        try lookAtPermits()
        for (plan, dependent) in director.awaitedElsewhere {
            answers.append(.prerequisiteFound(plan, try store.plan(plan), for: dependent))
        }
    }

    /// Takes the labs of requests that came, when nobody answers for them yet.
    mutating func takeLabsOfRequests() throws(StoreError) {
        // What was taken in this turn comes first: the limit of labs at once is one of each turn.
        guard identity.lease != nil, adopted.isEmpty else { return }
        let rows = try store.requests(after: lastRequest)
        if rows.contains(where: { $0.lab.map(owns) == false }) { try takeLabs() }
    }

    /// Takes labs that nobody holds, and loads them.
    private mutating func takeLabs() throws(StoreError) {
        let (former, limit) = (term, identity.labsAtOnce)
        let claim = try writing { store throws(StoreError) in try store.claim(by: former, limit: limit) }
        if claim.term != term {
            term = claim.term
            hasRisen = true
            director.beginTerm()
        }
        let taken = Set(claim.labs).subtracting(labs ?? [])
        guard !taken.isEmpty else { return }
        director.adopt(try store.load(taken, for: term.conductor))
        labs?.formUnion(taken)
        adopted.formUnion(taken)
        // Requests for them may have been passed over.
        lastRequest = 0
        hasRequests = true
    }

    /// What was taken is settled, and goes on without a person.
    mutating func goOnWithAdopted(into turn: inout Turn) {
        guard !adopted.isEmpty else { return }
        director.settle(adopted, into: &turn)
        wanted.formUnion(adoptedPlans())
        goOn(with: wanted, into: &turn)
        for node in director.watchedNodes where hasRisen || adopted.contains(node.lab) {
            turn.directives.append(.watch(node.id))
        }
        hasRisen = false
        adopted = []
    }

    /// The plans of the labs that were just taken.
    func adoptedPlans() -> [PlanID] {
        director.runIDs.filter { director.run($0).map { adopted.contains($0.spec.lab) } == true }
    }

    /// Sets numbers aside before a turn that could need more than there are.
    mutating func ensureNumbers(for requests: [RequestRow], events: Int) throws(StoreError) {
        guard identity.lease != nil, let wanted = director.numbersWanted(for: requests, events: events) else { return }
        let (plans, nodes) = (wanted.plans + Self.numbersAhead, wanted.nodes + Self.numbersAhead)
        let term = term
        let block = try writing { store throws(StoreError) in
            try store.reserve(plans: plans, nodes: nodes, by: term)
        }
        director.use(block)
    }

    private static let numbersAhead: Int64 = 64

    /// Another conductor has declared this one lost: nothing it decided lands, and all it knew may be another's now.
    mutating func forgetTerm() {
        timesFenced += 1
        forgetEverything()
        wanted = []
        labs = []
        adopted = []
        hasRisen = false
        // Those that came in the turn that was lost are still to be read.
        hasRequests = true
    }

    /// Begins the next term, which owns nothing yet.
    mutating func beginAnew(_ lease: Lease) throws(StoreError) {
        let begun = time.now()
        let identity = identity
        term = try writing { store throws(StoreError) in
            try store.join(host: identity.host, pid: identity.pid, lease: lease.length)
        }
        director.beginTerm()
        director.use(NumberBlock(plans: nil, nodes: nil))
        renewed(at: begun)
        careDueAt = begun
    }
}
