import MusterCore
import MusterStore

/// A store that says yes to every commit and forgets it: what the conformance suite must not let through.
final class Forgetful: Store {
    private let base = MemoryStore()
    var stateName: String { base.stateName }
    func register(host: String, pid: Int32, now: Timestamp) throws(StoreError) -> Epoch {
        try base.register(host: host, pid: pid, now: now)
    }
    func load() throws(StoreError) -> Snapshot { try base.load() }
    func commit(_ turn: borrowing Turn) throws(StoreError) {}
    func submit(_ request: Request, at now: Timestamp) throws(StoreError) -> Int64 { 1 }
    func withdraw(request id: Int64) throws(StoreError) -> Bool { false }
    func requests(after id: Int64) throws(StoreError) -> [RequestRow] { [] }
    func plans(lab: String?, limit: Int) throws(StoreError) -> [PlanRow] { [] }
    func plan(_ id: PlanID) throws(StoreError) -> PlanRow? { nil }
    func plan(request token: String) throws(StoreError) -> PlanRow? { nil }
    func spec(of id: PlanID) throws(StoreError) -> RunSpec? { nil }
    func steps(of id: PlanID) throws(StoreError) -> [StepRow] { [] }
    func timers(of id: PlanID) throws(StoreError) -> [TimerRow] { [] }
    func attempts(of id: PlanID) throws(StoreError) -> [AttemptRow] { [] }
    func nodes(lab: String?, includingGone: Bool) throws(StoreError) -> [NodeRow] { [] }
    func node(_ id: NodeID) throws(StoreError) -> NodeRow? { nil }
    func events(after position: Int64, plan: PlanID?, limit: Int) throws(StoreError) -> [EventRow] { [] }
    func position() throws(StoreError) -> Int64 { 0 }
    func durations(lab: String, suite: String) throws(StoreError) -> [String: Duration] { [:] }
}
