import MusterCore

/// Reads what a conductor begins with. Finished plans and gone nodes are never visited, however many there are.
struct SnapshotLoading {
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
        snapshot.lastPlan = try number(
            "SELECT max(deleted_plan, (SELECT coalesce(max(id), 0) FROM plans)) FROM numbers"
        )
        snapshot.lastNode = try number("SELECT coalesce(max(id), 0) FROM nodes")
        snapshot.lastEvent = try number(TurnSQL.eventsOfTerm(of: conductor))
        try loadPlans()
        try loadNodes()
        try NodeStateReading.load(connection, labs: labs, into: &snapshot)
        try ErrandReading.load(connection, labs: labs, into: &snapshot)
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
        let programs = try ProgramLoading(connection)
        while try plans.step() {
            let id = PlanID(plans.int(0))
            guard isWanted(plans.text(PreparedStatement.planLabColumn)) else { continue }
            var readable: PlanRow?
            do {
                let row = try plans.plan()
                readable = row
                var plan = Snapshot.Plan(
                    row: row,
                    spec: try spec(of: id),
                    steps: try rows(steps, of: id) { statement throws(BrokenRow) in try statement.step(of: id) },
                    timers: try rows(timers, of: id) { statement throws(BrokenRow) in try statement.timer(of: id) },
                    attempts: try rows(attempts, of: id) { statement throws(BrokenRow) in try statement.attempt(of: id)
                    }
                )
                if plan.spec.program != nil { try programs.load(into: &plan) }
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
                if snapshot.specs[creator] == nil { snapshot.specs[creator] = try spec(of: creator) }
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

/// Reads what plans of programs store besides.
private struct ProgramLoading {
    private let signals: PreparedStatement
    private let permits: PreparedStatement
    private let children: PreparedStatement

    init(_ connection: Connection) throws(StoreError) {
        signals = try PreparedStatement(connection, ReaderSQL.signals)
        permits = try PreparedStatement(connection, ReaderSQL.permits)
        children = try PreparedStatement(connection, ReaderSQL.children)
    }

    /// Throws `BrokenRow` or `StoreError`.
    func load(into plan: inout Snapshot.Plan) throws {
        let id = plan.row.id
        defer {
            signals.reset()
            permits.reset()
            children.reset()
        }
        signals.bind(1, id.rawValue)
        while try signals.step() { plan.signals.append(try signals.signal(of: id)) }
        permits.bind(1, id.rawValue)
        while try permits.step() { plan.permits.append(try permits.permit()) }
        for step in plan.steps where step.call?.children != nil {
            children.bind(1, id.rawValue)
            children.bind(2, step.index)
            var counts = ChildCounts()
            while try children.step() { try children.count(into: &counts) }
            plan.children[step.index] = counts
        }
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
