package import MusterCore
import Synchronization

extension SQLiteStore {
    package func register(host: String, pid: Int32, now: Timestamp) throws(StoreError) -> Epoch {
        let now = clock()
        return try write { writer throws(StoreError) in try writer.register(host: host, pid: pid, now: now) }
    }

    @discardableResult
    package func commit(_ turn: borrowing Turn) throws(StoreError) -> Int64? {
        let turn = copy turn
        // Encoded before the transaction begins: others wait while it is open.
        var specs: [PlanID: String] = [:]
        for (plan, spec) in turn.newSpecs { specs[plan] = try text(of: spec, plan) }
        var facts: [String] = []
        for node in turn.nodes {
            facts.append(node.facts.isEmpty ? "{}" : try StoredJSON.encode(node.facts, "the facts of \(node.name)"))
        }
        let now = clock()
        return try write { writer throws(StoreError) in
            try writer.write(turn, specs: specs, facts: facts, now: now)
        }
    }

    /// A request as it is stored. A program that starts many plans starts most of them alike: the last is kept.
    private func text(of spec: RunSpec, _ plan: PlanID) throws(StoreError) -> String {
        if let last = lastSpec.withLock({ $0 }), last.spec == spec { return last.text }
        let text = try StoredJSON.encode(spec, "the request of \(RunName(plan))")
        lastSpec.withLock { $0 = (spec, text) }
        return text
    }

    // MARK: Several conductors

    package func join(host: String, pid: Int32, lease: Duration) throws(StoreError) -> Term {
        let now = clock()
        return try write { writer throws(StoreError) in
            try writer.join(host: host, pid: pid, lease: lease, now: now)
        }
    }

    package func declareLost(by term: Term, margin: Duration) throws(StoreError) -> [ConductorID] {
        let now = clock()
        return try write { writer throws(StoreError) in
            try writer.declareLost(by: term, margin: margin, now: now)
        }
    }

    package func claim(by term: Term, limit: Int) throws(StoreError) -> Claim {
        let now = clock()
        return try write { writer throws(StoreError) in try writer.claim(by: term, limit: limit, now: now) }
    }

    package func reserve(plans: Int64, nodes: Int64, by term: Term) throws(StoreError) -> NumberBlock {
        let now = clock()
        return try write { writer throws(StoreError) in
            try writer.reserve(plans: plans, nodes: nodes, by: term, now: now)
        }
    }

    package func leave(_ term: Term) throws(StoreError) {
        try write { writer throws(StoreError) in try writer.leave(term) }
    }

    // MARK: Clients

    package func submit(_ request: Request, at now: Timestamp) throws(StoreError) -> Int64 {
        let text = try StoredJSON.encode(request, "the request")
        let (lab, plan): (String?, PlanID?) =
            switch request {
            case .submit(_, let spec): (spec.lab, nil)
            case .cancel(let plan), .halt(let plan), .resume(let plan), .takeUp(let plan): (nil, plan)
            }
        return try write { writer throws(StoreError) in try writer.submit(text, at: now, lab: lab, plan: plan) }
    }

    package func withdraw(request id: Int64) throws(StoreError) -> Bool {
        try write { writer throws(StoreError) in try writer.withdraw(id) }
    }

    package func load(_ labs: Set<String>?, for conductor: ConductorID) throws(StoreError) -> Snapshot {
        try read { connection throws(StoreError) in
            var loading = SnapshotLoading(connection, labs: labs)
            return try loading.load(for: conductor)
        }
    }
}

/// Reads what a conductor begins with. Finished plans and gone nodes are never visited, however many there are.
private struct SnapshotLoading {
    private let connection: Connection
    private var snapshot = Snapshot()
    private var specs: [PlanID: RunSpec] = [:]
    /// nil for all.
    private let labs: Set<String>?

    init(_ connection: Connection, labs: Set<String>?) {
        self.connection = connection
        self.labs = labs
    }

    private func isWanted(_ lab: String) -> Bool { labs?.contains(lab) ?? true }

    mutating func load(for conductor: ConductorID) throws(StoreError) -> Snapshot {
        snapshot.lastPlan = try number("SELECT coalesce(max(id), 0) FROM plans")
        snapshot.lastNode = try number("SELECT coalesce(max(id), 0) FROM nodes")
        snapshot.lastEvent = try number(TurnSQL.eventsOfTerm(of: conductor))
        try loadPlans()
        try loadNodes()
        return snapshot
    }

    private func number(_ sql: String) throws(StoreError) -> Int64 {
        let statement = try PreparedStatement(connection, sql)
        defer { statement.reset() }
        return try statement.step() ? statement.int(0) : 0
    }

    private mutating func loadPlans() throws(StoreError) {
        let plans = try PreparedStatement(
            connection,
            "SELECT \(PreparedStatement.planColumns) FROM plans WHERE state <> 6 ORDER BY id"
        )
        let steps = try PreparedStatement(connection, ReaderSQL.steps)
        let timers = try PreparedStatement(connection, ReaderSQL.timers)
        let attempts = try PreparedStatement(connection, ReaderSQL.attempts)
        while try plans.step() {
            let id = PlanID(plans.int(0))
            guard isWanted(plans.text(PreparedStatement.planLabColumn)) else { continue }
            var readable: PlanRow?
            do {
                let row = try plans.plan()
                readable = row
                let plan = Snapshot.Plan(
                    row: row,
                    spec: try spec(of: id),
                    steps: try rows(steps, of: id) { statement throws(BrokenRow) in try statement.step(of: id) },
                    timers: try rows(timers, of: id) { statement throws(BrokenRow) in try statement.timer(of: id) },
                    attempts: try rows(attempts, of: id) { statement throws(BrokenRow) in try statement.attempt(of: id)
                    }
                )
                if let problem = PlanValidation.problem(in: plan) { throw BrokenRow(problem) }
                snapshot.plans.append(plan)
            } catch let error as BrokenRow {
                snapshot.broken[id] = error.message
                snapshot.brokenRows[id] = readable
            } catch let error as StoreError {
                throw error
            } catch {
                throw connection.errors.error(error)
            }
        }
    }

    private mutating func loadNodes() throws(StoreError) {
        let nodes = try PreparedStatement(connection, ReaderSQL.nodesPresent)
        while try nodes.step() {
            let creator = PlanID(nodes.int(6))
            guard isWanted(nodes.text(PreparedStatement.nodeLabColumn)) else { continue }
            do {
                let node = try nodes.node()
                snapshot.specs[creator] = try spec(of: creator)
                snapshot.nodes.append(node)
            } catch let error as BrokenRow {
                let message = "node \(nodes.text(2))/\(nodes.int(3)) (\(nodes.int(0))): \(error.message)"
                // Its maker's request says how it is undone, its holder works on it: neither can go on.
                leaveAlone(creator, message)
                if let holder = nodes.optionalInt(7) { leaveAlone(PlanID(holder), message) }
            } catch let error as StoreError {
                throw error
            } catch {
                throw connection.errors.error(error)
            }
        }
    }

    private mutating func leaveAlone(_ plan: PlanID, _ message: String) {
        if let place = snapshot.plans.firstIndex(where: { $0.row.id == plan }) {
            snapshot.brokenRows[plan] = snapshot.plans.remove(at: place).row
        }
        if snapshot.broken[plan] == nil { snapshot.broken[plan] = message }
    }

    private mutating func spec(of plan: PlanID) throws -> RunSpec {
        if let spec = specs[plan] { return spec }
        let spec = try connection.spec(of: plan)
        guard let spec else { throw BrokenRow("its request is missing") }
        specs[plan] = spec
        return spec
    }

    private func rows<Row>(
        _ statement: PreparedStatement,
        of plan: PlanID,
        _ row: (PreparedStatement) throws(BrokenRow) -> Row
    ) throws -> [Row] {
        defer { statement.reset() }
        statement.bind(1, plan.rawValue)
        var rows: [Row] = []
        while try statement.step() { rows.append(try row(statement)) }
        return rows
    }
}

extension Connection {
    /// The request of a plan; nil when there is none. Throws `BrokenRow` or `StoreError`.
    func spec(of plan: PlanID) throws -> RunSpec? {
        let statement = try PreparedStatement(self, ReaderSQL.spec)
        defer { statement.reset() }
        statement.bind(1, plan.rawValue)
        guard try statement.step() else { return nil }
        do throws(BrokenRow) {
            return try StoredJSON.decode(RunSpec.self, from: statement.text(0))
        } catch {
            throw BrokenRow("the text of its request \(error.message)")
        }
    }
}
