package import MusterCore
import Synchronization

/// The store in memory: the same verbs, order and refusals as the others, for tests and for measuring without a disk.
///
/// Several objects may share one state, as several processes share a file.
package final class MemoryStore: Store {
    package let stateName: String
    private let shared: Shared
    private let clock: @Sendable () -> Timestamp

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

    private func withRows<Value: Sendable>(
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
            return turn.events.isEmpty ? nil : Int64(rows.events.count)
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
                lastPlan: rows.plans.keys.max()?.rawValue ?? 0,
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
    package func attempts(of id: PlanID) throws(StoreError) -> [AttemptRow] { try withRows { $0.attempts(of: id) } }

    package func nodes(lab: String?, includingGone: Bool) throws(StoreError) -> [NodeRow] {
        try withRows { $0.nodes { (lab == nil || $0.lab == lab) && (includingGone || $0.state != .gone) } }
    }

    package func node(_ id: NodeID) throws(StoreError) -> NodeRow? { try withRows { $0.nodes[id] } }

    package func events(after position: Int64, plan: PlanID?, limit: Int) throws(StoreError) -> [EventRow] {
        try withRows { rows in
            // Positions have no gaps, so the place of one is known.
            let begin = Int(min(max(position, 0), Int64(rows.events.count)))
            var found: [EventRow] = []
            for event in rows.events[begin...] where plan == nil || event.plan == plan {
                if found.count >= max(limit, 0) { break }
                found.append(event)
            }
            return found
        }
    }

    package func position() throws(StoreError) -> Int64 { try withRows { Int64($0.events.count) } }

    package func durations(lab: String, suite: String) throws(StoreError) -> [String: Duration] {
        try withRows { rows in rows.durations[MemoryRows.Suite(lab: lab, name: suite)]?.mapValues(\.length) ?? [:] }
    }
}

/// The rows of a `MemoryStore`.
private struct MemoryRows {
    struct Suite: Hashable { var lab: String, name: String }
    struct TestDuration { var length: Duration, endedAt: Timestamp }

    var conductors = MemoryConductors()
    private(set) var plans: [PlanID: PlanRow] = [:]
    private(set) var byRequest: [String: PlanID] = [:]
    private(set) var specs: [PlanID: RunSpec] = [:]
    private var unfinished: Set<PlanID> = []
    private var steps: [PlanID: [StepIndex: StepRow]] = [:]
    private(set) var nodes: [NodeID: NodeRow] = [:]
    private var timers: [PlanID: [StepIndex: TimerRow]] = [:]
    private var attempts: [PlanID: [AttemptRow]] = [:]
    private(set) var durations: [Suite: [String: TestDuration]] = [:]
    private(set) var events: [EventRow] = []
    private(set) var inbox: [RequestRow] = []
    private var lastRequest: Int64 = 0

    mutating func submit(_ request: Request) -> Int64 {
        lastRequest += 1
        let lab: String? =
            switch request {
            case .submit(_, let spec): spec.lab
            case .cancel(let plan), .halt(let plan), .resume(let plan), .takeUp(let plan): plans[plan]?.lab
            }
        inbox.append(RequestRow(id: lastRequest, request: request, lab: lab))
        return lastRequest
    }

    mutating func claim(by term: Term, limit: Int, now: Timestamp) throws(StoreError) -> Claim {
        var wanted = Set(unfinished.compactMap { plans[$0]?.lab })
        for node in nodes.values where node.state != .gone { wanted.insert(node.lab) }
        wanted.formUnion(inbox.compactMap(\.lab))
        let host = conductors.host(of: term.conductor)
        for plan in unfinished.compactMap({ plans[$0] }) where plan.host != host { wanted.remove(plan.lab) }
        let claim = try conductors.claim(by: term, limit: limit, wanted: wanted, now: now)
        for id in unfinished {
            guard let lab = plans[id]?.lab, claim.labs.contains(lab) else { continue }
            plans[id]?.epoch = claim.term.epoch
        }
        return claim
    }

    mutating func withdraw(_ request: Int64) -> Bool {
        guard let place = inbox.firstIndex(where: { $0.id == request }) else { return false }
        inbox.remove(at: place)
        return true
    }

    // MARK: Writing

    func check(_ turn: Turn) throws(StoreError) {
        try conductors.require(Term(conductor: turn.conductor, epoch: turn.epoch))
        var requests: [String: PlanID] = [:]
        for plan in turn.plans {
            let known = byRequest[plan.request] ?? requests[plan.request]
            if let known, known != plan.id { throw StoreError.taken(plan) }
            requests[plan.request] = plan.id
        }
        for (plan, _) in turn.newSpecs where specs[plan] != nil {
            throw StoreError.twice("the request of \(RunName(plan))")
        }
        let made = Set(turn.newSpecs.isEmpty ? [] : turn.plans.map(\.id))
        for (plan, _) in turn.newSpecs where !made.contains(plan) { throw StoreError.withoutPlan(plan) }
        var added: Set<StepID> = []
        for step in turn.steps {
            let id = StepID(plan: step.plan, index: step.index)
            let isThere = steps[step.plan]?[step.index] != nil || added.contains(id)
            if step.isNew {
                if isThere { throw StoreError.twice("step \(step.index) of \(RunName(step.plan))") }
                added.insert(id)
            } else if !isThere {
                throw StoreError.missing(step)
            }
        }
        if !turn.requestsDone.isEmpty {
            var open = Set(inbox.map(\.id))
            for request in turn.requestsDone where open.remove(request) == nil { throw StoreError.withdrawn(request) }
        }
        var last = conductors.eventCount(of: turn.conductor)
        for event in turn.events {
            if event.number != last + 1 { throw StoreError.gap(event: event.number, last: last) }
            last = event.number
        }
    }

    mutating func write(_ turn: Turn, now: Timestamp) {
        let term = Term(conductor: turn.conductor, epoch: turn.epoch)
        conductors.renew(term, events: turn.events.count, now: now)
        for plan in turn.plans { write(plan) }
        for (plan, spec) in turn.newSpecs { specs[plan] = spec }
        for step in turn.steps { write(step) }
        for node in turn.nodes { nodes[node.id] = node }
        for timer in turn.timersSet { timers[timer.step.plan, default: [:]][timer.step.index] = timer }
        for step in turn.timersCleared { timers[step.plan]?[step.index] = nil }
        for attempt in turn.attempts { write(attempt) }
        for var event in turn.events {
            event.position = Int64(events.count) + 1
            events.append(event)
        }
        if !turn.requestsDone.isEmpty {
            let done = Set(turn.requestsDone)
            inbox.removeAll { done.contains($0.id) }
        }
    }

    private mutating func write(_ plan: PlanRow) {
        var plan = plan
        if let old = plans[plan.id] { plan.request = old.request }  // never changes
        plans[plan.id] = plan
        byRequest[plan.request] = plan.id
        if plan.state == .stopped { unfinished.remove(plan.id) } else { unfinished.insert(plan.id) }
    }

    private mutating func write(_ step: StepRow) {
        var step = step
        if !step.isNew, let old = steps[step.plan]?[step.index] {
            step.spec = old.spec
            step.needs = old.needs
        }
        step.isNew = false
        steps[step.plan, default: [:]][step.index] = step
    }

    private mutating func write(_ attempt: AttemptRow) {
        var list = attempts[attempt.plan] ?? []
        let place = list.firstIndex { ($0.step, $0.number) >= (attempt.step, attempt.number) } ?? list.count
        if place < list.count, list[place].step == attempt.step, list[place].number == attempt.number {
            list[place] = attempt
        } else {
            list.insert(attempt, at: place)
        }
        attempts[attempt.plan] = list
        guard let length = attempt.testDuration, let lab = plans[attempt.plan]?.lab else { return }
        let suite = Suite(lab: lab, name: attempt.suite)
        if let old = durations[suite]?[attempt.test], old.endedAt > attempt.endedAt { return }
        durations[suite, default: [:]][attempt.test] = TestDuration(length: length, endedAt: attempt.endedAt)
    }

    // MARK: Reading

    func steps(of plan: PlanID) -> [StepRow] { (steps[plan] ?? [:]).values.sorted { $0.index < $1.index } }

    func timers(of plan: PlanID) -> [TimerRow] { (timers[plan] ?? [:]).values.sorted { $0.step.index < $1.step.index } }

    func attempts(of plan: PlanID) -> [AttemptRow] { attempts[plan] ?? [] }

    func nodes(_ isWanted: (NodeRow) -> Bool) -> [NodeRow] {
        nodes.values.filter(isWanted).sorted { a, b in
            (a.lab, a.name.group, a.name.index, a.id.rawValue) < (b.lab, b.name.group, b.name.index, b.id.rawValue)
        }
    }

    func snapshot(of labs: Set<String>?, for conductor: ConductorID) -> Snapshot {
        func isWanted(_ lab: String?) -> Bool { labs.map { labs in lab.map(labs.contains) == true } ?? true }
        var snapshot = Snapshot()
        snapshot.lastPlan = plans.keys.max()?.rawValue ?? 0
        snapshot.lastNode = nodes.keys.max()?.rawValue ?? 0
        snapshot.lastEvent = conductors.eventCount(of: conductor)
        for id in unfinished.sorted() where isWanted(plans[id]?.lab) {
            guard let row = plans[id] else { continue }
            guard let spec = specs[id] else {
                snapshot.broken[id] = "its request is missing"
                snapshot.brokenRows[id] = row
                continue
            }
            let plan = Snapshot.Plan(
                row: row,
                spec: spec,
                steps: steps(of: id),
                timers: timers(of: id),
                attempts: attempts(of: id)
            )
            if let problem = PlanValidation.problem(in: plan) {
                snapshot.broken[id] = problem
                snapshot.brokenRows[id] = row
            } else {
                snapshot.plans.append(plan)
            }
        }
        for node in nodes({ $0.state != .gone && isWanted($0.lab) }) {
            if let spec = specs[node.createdBy] {
                snapshot.specs[node.createdBy] = spec
                snapshot.nodes.append(node)
            } else {
                let message = "node \(node.name) (\(node.id.rawValue)): its request is missing"
                for plan in [node.createdBy, node.heldBy].compactMap(\.self) {
                    if let place = snapshot.plans.firstIndex(where: { $0.row.id == plan }) {
                        snapshot.brokenRows[plan] = snapshot.plans.remove(at: place).row
                    }
                    if snapshot.broken[plan] == nil { snapshot.broken[plan] = message }
                }
            }
        }
        return snapshot
    }
}
