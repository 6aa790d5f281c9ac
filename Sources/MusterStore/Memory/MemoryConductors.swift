import MusterCore

/// Who conducts a state in memory: terms, leases, and who holds which lab.
struct MemoryConductors {
    private struct Row {
        var epoch: Epoch
        var host: String
        var isAlive: Bool
        /// nil for one that has the state to itself.
        var lease: Duration?
        var renewedAt: Timestamp
        /// Events written in this term.
        var events: Int64
    }

    private struct Holder {
        /// nil when it is free.
        var conductor: ConductorID?
        /// The highest under which it was ever held.
        var epoch: Epoch
    }

    private var rows: [ConductorID: Row] = [:]
    private var holders: [String: Holder] = [:]
    private var lastEpoch: Epoch = 0
    private var lastPlan: Int64 = 0
    private var lastNode: Int64 = 0

    // MARK: Terms

    mutating func register(host: String, now: Timestamp) -> Epoch {
        for id in rows.keys { rows[id]?.isAlive = false }
        for lab in holders.keys { holders[lab]?.conductor = nil }
        return begin(.sole, host: host, lease: nil, now: now).epoch
    }

    mutating func join(host: String, lease: Duration, now: Timestamp) -> Term {
        rows[.sole]?.isAlive = false
        let id = ConductorID((rows.keys.max() ?? .sole).rawValue + 1)
        return begin(max(id, ConductorID(2)), host: host, lease: lease, now: now)
    }

    func host(of conductor: ConductorID) -> String? { rows[conductor]?.host }

    private mutating func begin(_ id: ConductorID, host: String, lease: Duration?, now: Timestamp) -> Term {
        lastEpoch += 1
        rows[id] = Row(epoch: lastEpoch, host: host, isAlive: true, lease: lease, renewedAt: now, events: 0)
        return Term(conductor: id, epoch: lastEpoch)
    }

    func holds(_ term: Term) -> Bool {
        rows[term.conductor].map { $0.isAlive && $0.epoch == term.epoch } == true
    }

    /// - Throws: `.fenced` when the term is over.
    func require(_ term: Term) throws(StoreError) {
        if !holds(term) { throw StoreError.fenced(epoch: term.epoch, path: "memory") }
    }

    mutating func renew(_ term: Term, events: Int, now: Timestamp) {
        rows[term.conductor]?.renewedAt = now
        rows[term.conductor]?.events += Int64(events)
    }

    func eventCount(of conductor: ConductorID) -> Int64 { rows[conductor]?.events ?? 0 }

    mutating func declareLost(by term: Term, margin: Duration, now: Timestamp) throws(StoreError) -> [ConductorID] {
        try require(term)
        renew(term, events: 0, now: now)
        let lost = rows.filter { id, row in
            guard id != term.conductor, row.isAlive, let lease = row.lease else { return false }
            return row.renewedAt + lease + margin < now
        }.keys.sorted()
        for id in lost { end(id) }
        return lost
    }

    mutating func leave(_ term: Term) {
        if holds(term) { end(term.conductor) }
    }

    private mutating func end(_ id: ConductorID) {
        lastEpoch += 1
        rows[id]?.epoch = lastEpoch
        rows[id]?.isAlive = false
        for lab in holders.keys where holders[lab]?.conductor == id { holders[lab]?.conductor = nil }
    }

    // MARK: Labs

    /// - Parameter wanted: labs that need an owner.
    mutating func claim(by term: Term, limit: Int, wanted: Set<String>, now: Timestamp) throws(StoreError) -> Claim {
        try require(term)
        let free = wanted.filter { holders[$0]?.conductor == nil }.sorted().prefix(max(limit, 0))
        var term = term
        if free.contains(where: { (holders[$0]?.epoch ?? 0) >= term.epoch }) {
            lastEpoch += 1
            term = Term(conductor: term.conductor, epoch: lastEpoch)
            rows[term.conductor]?.epoch = lastEpoch
            rows[term.conductor]?.events = 0
            for lab in holders.keys where holders[lab]?.conductor == term.conductor {
                holders[lab]?.epoch = lastEpoch
            }
        }
        for lab in free { holders[lab] = Holder(conductor: term.conductor, epoch: term.epoch) }
        renew(term, events: 0, now: now)
        let held = holders.filter { $0.value.conductor == term.conductor }.keys.sorted()
        return Claim(term: term, labs: held)
    }

    // MARK: Numbers

    /// - Parameters:
    ///   - lastPlan: the highest number that a plan has.
    ///   - lastNode: likewise.
    mutating func reserve(
        plans: Int64,
        nodes: Int64,
        by term: Term,
        lastPlan: Int64,
        lastNode: Int64
    ) throws(StoreError) -> NumberBlock {
        try require(term)
        let plan = max(self.lastPlan, lastPlan)
        let node = max(self.lastNode, lastNode)
        self.lastPlan = plan + plans
        self.lastNode = node + nodes
        return NumberBlock(
            plans: plans > 0 ? plan + 1...plan + plans : nil,
            nodes: nodes > 0 ? node + 1...node + nodes : nil
        )
    }
}
