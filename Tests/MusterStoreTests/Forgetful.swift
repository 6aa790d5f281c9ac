import MusterCore
import MusterStore

/// A store that says yes to every commit and forgets it: what the conformance suite must not let through.
final class Forgetful: Store {
    private let base = MemoryStore()
    var stateName: String { base.stateName }
    func register(host: String, pid: Int32, now: Timestamp) throws(StoreError) -> Epoch {
        try base.register(host: host, pid: pid, now: now)
    }
    func load(_ labs: Set<String>?, for conductor: ConductorID) throws(StoreError) -> Snapshot {
        try base.load(labs, for: conductor)
    }
    func join(host: String, pid: Int32, lease: Duration) throws(StoreError) -> Term {
        try base.join(host: host, pid: pid, lease: lease)
    }
    func declareLost(by term: Term, margin: Duration) throws(StoreError) -> [ConductorID] { [] }
    func claim(by term: Term, limit: Int) throws(StoreError) -> Claim { Claim(term: term, labs: []) }
    func reserve(plans: Int64, nodes: Int64, by term: Term) throws(StoreError) -> NumberBlock {
        NumberBlock(plans: nil, nodes: nil)
    }
    func leave(_ term: Term) throws(StoreError) {}
    func commit(_ turn: borrowing Turn) throws(StoreError) -> Int64? { nil }
    func submit(_ request: Request, at now: Timestamp) throws(StoreError) -> Int64 { 1 }
    func withdraw(request id: Int64) throws(StoreError) -> Bool { false }
    func requests(after id: Int64) throws(StoreError) -> [RequestRow] { [] }
    func plans(lab: String?, limit: Int) throws(StoreError) -> [PlanRow] { [] }
    func plan(_ id: PlanID) throws(StoreError) -> PlanRow? { nil }
    func plan(request token: String) throws(StoreError) -> PlanRow? { nil }
    func spec(of id: PlanID) throws(StoreError) -> RunSpec? { nil }
    func steps(of id: PlanID) throws(StoreError) -> [StepRow] { [] }
    func timers(of id: PlanID) throws(StoreError) -> [TimerRow] { [] }
    func testResults(of id: PlanID) throws(StoreError) -> [StepIndex: String] { try base.testResults(of: id) }
    func attempts(of id: PlanID) throws(StoreError) -> [AttemptRow] { [] }
    func nodes(lab: String?, includingGone: Bool) throws(StoreError) -> [NodeRow] { [] }
    func node(_ id: NodeID) throws(StoreError) -> NodeRow? { nil }
    func events(after position: Int64, plan: PlanID?, limit: Int) throws(StoreError) -> [EventRow] { [] }
    func position() throws(StoreError) -> Int64 { 0 }
    func durations(lab: String, suite: String) throws(StoreError) -> [String: Duration] { [:] }
    func define(_ limits: [LimitRow], by term: Term) throws(StoreError) {}
    func grantPermits(by term: Term) throws(StoreError) {}
    func permits(of labs: Set<String>?) throws(StoreError) -> Permits { Permits() }
    func nodeState(of node: NodeID) throws(StoreError) -> NodeStateRow? { nil }
    func nodeStates(lab: String?) throws(StoreError) -> [NodeStateRow] { [] }
    func modes(of lab: String) throws(StoreError) -> ModeSet? { nil }
    func events(of node: NodeID, after position: Int64, limit: Int) throws(StoreError) -> [EventRow] { [] }
    func line(for limit: String) throws(StoreError) -> [PermitRow] { [] }
    func signals(of id: PlanID) throws(StoreError) -> [SignalRow] { [] }
    func children(of step: StepID) throws(StoreError) -> ChildCounts { ChildCounts() }
    func chunks(of step: StepID, after number: Int64, limit: Int) throws(StoreError) -> [ChunkRow] { [] }
    func plans(matching query: PlanQuery) throws(StoreError) -> [PlanRow] { [] }
    func counts(matching query: PlanQuery) throws(StoreError) -> [PlanState: Int] { [:] }
    func cleanable(_ rule: CleaningRule) throws(StoreError) -> [PlanRow] { [] }
    func clean(_ rule: CleaningRule, by term: Term) throws(StoreError) -> [PlanID] { [] }
}
