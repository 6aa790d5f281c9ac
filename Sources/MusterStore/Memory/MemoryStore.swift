package import MusterCore
import Synchronization

/// The store in memory: the same verbs, order and refusals as the others, for tests and for measuring without a disk.
///
/// Several objects may share one state, as several processes share a file.
package final class MemoryStore: Store {
    package let stateName: String
    private let shared: Shared
    let clock: @Sendable () -> Timestamp

    private final class Shared: Sendable {
        let rows = Mutex(MemoryRows())
    }

    /// - Parameter clock: the store's own, by which leases end.
    package init(
        stateName: String = "memory",
        clock: @escaping @Sendable () -> Timestamp = { StoreClock.now() }
    ) {
        self.stateName = stateName
        self.clock = clock
        shared = Shared()
    }

    /// Another object on the state of `other`.
    package init(sharing other: MemoryStore) {
        stateName = other.stateName
        shared = other.shared
        clock = other.clock
    }

    func withRows<Value: Sendable>(
        _ body: (inout sending MemoryRows) throws(StoreError) -> sending Value
    ) throws(StoreError) -> Value {
        try shared.rows.withLock { (rows: inout sending MemoryRows) throws(StoreError) -> sending Value in
            try body(&rows)
        }
    }

    // MARK: The conductor

    package func register(host: String, pid: Int32, now: Timestamp) throws(StoreError) -> Epoch {
        let now = clock()
        return try withRows { $0.conductors.register(host: host, now: now) }
    }

    package func load(_ labs: Set<String>?, for conductor: ConductorID) throws(StoreError) -> Snapshot {
        try withRows { $0.snapshot(of: labs, for: conductor) }
    }

    @discardableResult
    package func commit(_ turn: borrowing Turn) throws(StoreError) -> Int64? {
        let turn = copy turn
        let now = clock()
        return try withRows { rows throws(StoreError) in
            // All or nothing, as a transaction: what can be refused is looked at before the first row is written.
            try rows.check(turn)
            rows.write(turn, now: now)
            return turn.events.isEmpty ? nil : rows.position
        }
    }

    // MARK: Several conductors

    package func join(host: String, pid: Int32, lease: Duration) throws(StoreError) -> Term {
        let now = clock()
        return try withRows { $0.conductors.join(host: host, lease: lease, now: now) }
    }

    package func declareLost(by term: Term, margin: Duration) throws(StoreError) -> [ConductorID] {
        let now = clock()
        return try withRows { rows throws(StoreError) in
            try rows.conductors.declareLost(by: term, margin: margin, now: now)
        }
    }

    package func claim(by term: Term, limit: Int) throws(StoreError) -> Claim {
        let now = clock()
        return try withRows { rows throws(StoreError) in try rows.claim(by: term, limit: limit, now: now) }
    }

    package func reserve(plans: Int64, nodes: Int64, by term: Term) throws(StoreError) -> NumberBlock {
        try withRows { rows throws(StoreError) in
            try rows.conductors.reserve(
                plans: plans,
                nodes: nodes,
                by: term,
                lastPlan: rows.lastPlan,
                lastNode: rows.nodes.keys.max()?.rawValue ?? 0
            )
        }
    }

    package func leave(_ term: Term) throws(StoreError) { try withRows { $0.conductors.leave(term) } }

    // MARK: Clients

    package func submit(_ request: Request, at now: Timestamp) throws(StoreError) -> Int64 {
        try withRows { $0.submit(request) }
    }

    package func withdraw(request id: Int64) throws(StoreError) -> Bool {
        try withRows { $0.withdraw(id) }
    }

    package func requests(after id: Int64) throws(StoreError) -> [RequestRow] {
        try withRows { $0.inbox.filter { $0.id > id } }
    }

    // MARK: Readers

    package func plans(lab: String?, limit: Int) throws(StoreError) -> [PlanRow] {
        try withRows { rows in
            let plans = rows.plans.values.filter { lab == nil || $0.lab == lab }.sorted { $0.id > $1.id }
            return Array(plans.prefix(max(limit, 0)))
        }
    }

    package func plan(_ id: PlanID) throws(StoreError) -> PlanRow? { try withRows { $0.plans[id] } }

    package func plan(request token: String) throws(StoreError) -> PlanRow? {
        try withRows { rows in rows.byRequest[token].flatMap { rows.plans[$0] } }
    }

    package func spec(of id: PlanID) throws(StoreError) -> RunSpec? { try withRows { $0.specs[id] } }
    package func steps(of id: PlanID) throws(StoreError) -> [StepRow] { try withRows { $0.steps(of: id) } }
    package func timers(of id: PlanID) throws(StoreError) -> [TimerRow] { try withRows { $0.timers(of: id) } }
    package func testResults(of id: PlanID) throws(StoreError) -> [StepIndex: String] {
        try withRows { $0.testResults(of: id) }
    }

    package func attempts(of id: PlanID) throws(StoreError) -> [AttemptRow] { try withRows { $0.attempts(of: id) } }

    package func nodes(lab: String?, includingGone: Bool) throws(StoreError) -> [NodeRow] {
        try withRows { $0.nodes { (lab == nil || $0.lab == lab) && (includingGone || $0.state != .gone) } }
    }

    package func node(_ id: NodeID) throws(StoreError) -> NodeRow? { try withRows { $0.nodes[id] } }

    package func events(after position: Int64, plan: PlanID?, limit: Int) throws(StoreError) -> [EventRow] {
        try withRows { rows in
            var found: [EventRow] = []
            for event in rows.events[rows.place(ofEventAfter: position)...] where plan == nil || event.plan == plan {
                if found.count >= max(limit, 0) { break }
                found.append(event)
            }
            return found
        }
    }

    package func position() throws(StoreError) -> Int64 { try withRows { $0.position } }

    package func durations(lab: String, suite: String) throws(StoreError) -> [String: Duration] {
        try withRows { rows in rows.durations[MemoryRows.Suite(lab: lab, name: suite)]?.mapValues(\.length) ?? [:] }
    }
}
