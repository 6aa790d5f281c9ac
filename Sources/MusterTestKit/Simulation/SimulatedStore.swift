import MusterCore
import MusterEngine
import MusterStore

/// The store of a simulated world: it keeps what it is given in memory, fails by chance, and notes what landed.
///
/// A fault is one of those that a real store has: nothing was written, all was written and the answer is lost, a read
/// fails. An error of code `.full` stands for `kill -9` at that very place: the world takes the conductor away.
// A world lives on one thread; nothing of it is ever shared.
final class SimulatedStore: Store, @unchecked Sendable {
    enum Fault { case none, before, after, answerLost, crashBefore, crashAfter }

    static let crash = StoreError(.full, "the conductor is killed here")

    let base: MemoryStore
    let ledger: SimulatedLedger
    let chance: SimulatedChance
    let mutation: SimulatedMutation?
    var trace = TraceHash()
    /// Whether anything fails by chance.
    var isFaulty = true
    /// Of a state that has one conductor at a time.
    private(set) var newestEpoch: Epoch = 0
    /// Who holds each lab, when a state has several.
    private(set) var owners: [String: Term] = [:]
    /// Until when each conductor counts as alive, by the store's clock.
    private var leases: [ConductorID: (length: Duration, end: Timestamp)] = [:]
    private let clock: @Sendable () -> Timestamp
    /// Events written in the newest term.
    private var eventsOfTerm: Int64 = 0
    private(set) var takenOver = 0
    private(set) var commits = 0
    /// How often permits were looked after because time had passed.
    private(set) var grants = 0
    private(set) var failures = 0
    /// Hears that limits may have been granted.
    var granted: (() -> Void)?
    /// What leaves before the commit when that is planted.
    var performEarly: (([Directive]) -> Void)?

    init(
        ledger: SimulatedLedger,
        chance: SimulatedChance,
        mutation: SimulatedMutation?,
        clock: @escaping @Sendable () -> Timestamp
    ) {
        self.clock = clock
        base = MemoryStore(stateName: "world0", clock: clock)
        self.ledger = ledger
        self.chance = chance
        self.mutation = mutation
    }

    /// Hears of each commit, when somebody reads along.
    var tell: ((@autoclosure () -> String) -> Void)?

    private func drawFault() -> Fault {
        guard isFaulty, chance.happens(perMille: 40) else { return .none }
        switch chance.below(8) {
        case 0, 1: return .before
        case 2: return .after
        case 3, 4: return .answerLost
        case 5, 6: return .crashBefore
        default: return .crashAfter
        }
    }

    private func readMayFail() throws(StoreError) {
        guard isFaulty, chance.happens(perMille: 8) else { return }
        failures += 1
        throw chance.oneIn(3) ? Self.crash : StoreError(.busy, "a fault of the world, while reading")
    }

    // MARK: The conductor

    func register(host: String, pid: Int32, now: Timestamp) throws(StoreError) -> Epoch {
        try readMayFail()
        newestEpoch = try base.register(host: host, pid: pid, now: now)
        eventsOfTerm = 0
        return newestEpoch
    }

    func load(_ labs: Set<String>?, for conductor: ConductorID) throws(StoreError) -> Snapshot {
        try readMayFail()
        let snapshot = try base.load(labs, for: conductor)
        return mutation.map { $0.planted(in: snapshot, using: chance) } ?? snapshot
    }

    func commit(_ turn: borrowing Turn) throws(StoreError) -> Int64? {
        commits += 1
        let turn = copy turn
        if mutation == .actsBeforeCommit { performEarly?(turn.directives) }
        let fault = drawFault()
        if fault != .none { failures += 1 }
        if let tell {
            tell("commit of epoch \(turn.epoch), fault: \(fault), events: \(turn.events.map(\.kind.rawValue))")
        }
        switch fault {
        case .before: throw StoreError(.failed, "a fault of the world, before the commit")
        case .crashBefore: throw Self.crash
        case .none, .after, .answerLost, .crashAfter: break
        }
        let planted = mutation.map {
            $0.planted(in: turn, newestEpoch: newestEpoch, last: eventsOfTerm, using: chance)
        }
        let position = try base.commit(planted ?? turn)
        eventsOfTerm += Int64(turn.events.count)
        checkOwner(of: turn)
        renewed(turn.conductor)
        granted?()
        ledger.land(planted ?? turn, into: &trace)
        switch fault {
        case .after: throw StoreError(.failed, "a fault of the world, after the commit")
        case .answerLost: throw StoreError(.busy, "a fault of the world: the answer was lost")
        case .crashAfter: throw Self.crash
        case .none, .before, .crashBefore: break
        }
        return position
    }

    /// At most one owner's writes land.
    private func checkOwner(of turn: Turn) {
        let verdict = ledger.verdict
        guard turn.conductor != .sole else {
            verdict.expect(
                turn.epoch == newestEpoch,
                "a turn of epoch \(turn.epoch) landed after epoch \(newestEpoch) had begun"
            )
            return
        }
        let term = Term(conductor: turn.conductor, epoch: turn.epoch)
        var labs = Set(turn.plans.map(\.lab)).union(turn.nodes.map(\.lab))
        for step in turn.steps { if let lab = ledger.plans[step.plan]?.row.lab { labs.insert(lab) } }
        for lab in labs.sorted() {
            verdict.expect(
                owners[lab] == term,
                "a turn of conductor \(turn.conductor.rawValue) (epoch \(turn.epoch)) landed in \(lab), which is another's"
            )
        }
    }

    // MARK: Several conductors

    func join(host: String, pid: Int32, lease: Duration) throws(StoreError) -> Term {
        try readMayFail()
        let term = try base.join(host: host, pid: pid, lease: lease)
        leases[term.conductor] = (lease, clock() + lease)
        return term
    }

    private func renewed(_ conductor: ConductorID) {
        if let lease = leases[conductor] { leases[conductor] = (lease.length, clock() + lease.length) }
    }

    func declareLost(by term: Term, margin: Duration) throws(StoreError) -> [ConductorID] {
        try readMayFail()
        // Planted: others are given up on long before their leases end.
        let patience = mutation == .livingIsRobbed ? Duration.seconds(-6) : margin
        let lost = try base.declareLost(by: term, margin: patience)
        takenOver += lost.count
        renewed(term.conductor)
        for conductor in lost {
            ledger.verdict.expect(
                leases[conductor].map { $0.end + margin < clock() } == true,
                "conductor \(conductor.rawValue) is declared lost before its lease has ended"
            )
        }
        for lab in owners.keys where lost.contains(owners[lab]?.conductor ?? .sole) { owners[lab] = nil }
        return lost
    }

    func claim(by term: Term, limit: Int) throws(StoreError) -> Claim {
        try readMayFail()
        let claim = try base.claim(by: term, limit: limit)
        renewed(term.conductor)
        for lab in claim.labs {
            let holder = owners[lab]
            ledger.verdict.expect(
                holder == nil || holder?.conductor == term.conductor,
                "\(lab) is taken from conductor \(holder?.conductor.rawValue ?? 0), which holds it"
            )
            owners[lab] = claim.term
        }
        return claim
    }

    func reserve(plans: Int64, nodes: Int64, by term: Term) throws(StoreError) -> NumberBlock {
        try readMayFail()
        return try base.reserve(plans: plans, nodes: nodes, by: term)
    }

    func leave(_ term: Term) throws(StoreError) {
        try base.leave(term)
        for lab in owners.keys where owners[lab] == term { owners[lab] = nil }
    }

    func requests(after id: Int64) throws(StoreError) -> [RequestRow] {
        try readMayFail()
        let rows = try base.requests(after: id)
        return mutation?.planted(in: rows) ?? rows
    }

    func withdraw(request id: Int64) throws(StoreError) -> Bool { try base.withdraw(request: id) }

    // MARK: What goes through

    var stateName: String { base.stateName }
    func submit(_ request: Request, at now: Timestamp) throws(StoreError) -> Int64 {
        try base.submit(request, at: now)
    }
    func plans(lab: String?, limit: Int) throws(StoreError) -> [PlanRow] { try base.plans(lab: lab, limit: limit) }
    func plan(_ id: PlanID) throws(StoreError) -> PlanRow? { try base.plan(id) }
    func plan(request token: String) throws(StoreError) -> PlanRow? { try base.plan(request: token) }
    func spec(of id: PlanID) throws(StoreError) -> RunSpec? { try base.spec(of: id) }
    func steps(of id: PlanID) throws(StoreError) -> [StepRow] { try base.steps(of: id) }
    func timers(of id: PlanID) throws(StoreError) -> [TimerRow] { try base.timers(of: id) }
    func testResults(of id: PlanID) throws(StoreError) -> [StepIndex: String] { try base.testResults(of: id) }
    func attempts(of id: PlanID) throws(StoreError) -> [AttemptRow] { try base.attempts(of: id) }
    func nodes(lab: String?, includingGone: Bool) throws(StoreError) -> [NodeRow] {
        try base.nodes(lab: lab, includingGone: includingGone)
    }
    func node(_ id: NodeID) throws(StoreError) -> NodeRow? { try base.node(id) }
    func events(after position: Int64, plan: PlanID?, limit: Int) throws(StoreError) -> [EventRow] {
        try base.events(after: position, plan: plan, limit: limit)
    }
    func position() throws(StoreError) -> Int64 { try base.position() }
    func durations(lab: String, suite: String) throws(StoreError) -> [String: Duration] {
        try base.durations(lab: lab, suite: suite)
    }

    // MARK: Plans of programs

    func define(_ limits: [LimitRow], by term: Term) throws(StoreError) {
        try base.define(limits, by: term)
        renewed(term.conductor)
    }
    func grantPermits(by term: Term) throws(StoreError) {
        try readMayFail()
        grants += 1
        try base.grantPermits(by: term)
        granted?()
        renewed(term.conductor)
    }
    func permits(of labs: Set<String>?) throws(StoreError) -> Permits {
        try readMayFail()
        var permits = try base.permits(of: labs)
        if mutation == .limitIsIgnored {
            permits.rows = try base.load(labs, for: .sole).plans.flatMap(\.permits).map { permit in
                PermitRow(step: permit.step, limit: permit.limit, priority: permit.priority, isHeld: true)
            }
        }
        return permits
    }
    func nodeState(of node: NodeID) throws(StoreError) -> NodeStateRow? { try base.nodeState(of: node) }
    func nodeStates(lab: String?) throws(StoreError) -> [NodeStateRow] { try base.nodeStates(lab: lab) }
    func modes(of lab: String) throws(StoreError) -> ModeSet? { try base.modes(of: lab) }
    func events(of node: NodeID, after position: Int64, limit: Int) throws(StoreError) -> [EventRow] {
        try base.events(of: node, after: position, limit: limit)
    }
    func line(for limit: String) throws(StoreError) -> [PermitRow] { try base.line(for: limit) }
    func signals(of id: PlanID) throws(StoreError) -> [SignalRow] { try base.signals(of: id) }
    func children(of step: StepID) throws(StoreError) -> ChildCounts { try base.children(of: step) }
    func chunks(of step: StepID, after number: Int64, limit: Int) throws(StoreError) -> [ChunkRow] {
        try base.chunks(of: step, after: number, limit: limit)
    }
    func plans(matching query: PlanQuery) throws(StoreError) -> [PlanRow] { try base.plans(matching: query) }
    func counts(matching query: PlanQuery) throws(StoreError) -> [PlanState: Int] {
        try base.counts(matching: query)
    }
    func cleanable(_ rule: CleaningRule) throws(StoreError) -> [PlanRow] { try base.cleanable(rule) }
    func clean(_ rule: CleaningRule, by term: Term) throws(StoreError) -> [PlanID] {
        try base.clean(rule, by: term)
    }
}

/// A clock that differs from the world's by a constant, as clocks of hosts do; a process never sees it jump.
struct SimulatedClock: TimeSource {
    // A world lives on one thread; nothing of it is ever shared.
    final class Hands: @unchecked Sendable {
        var now: Int64 = 1_000_000_000_000
    }

    let hands: Hands
    let offset: Int64

    func now() -> Timestamp { Timestamp(rawValue: hands.now + offset) }

    func sleep(for length: Duration) async throws { throw CancellationError() }
}
