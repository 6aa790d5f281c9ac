package import MusterCore

enum ReaderSQL {
    static let spec = "SELECT spec FROM plans WHERE id = ?1 AND spec IS NOT NULL"
    static let steps = "SELECT \(PreparedStatement.stepColumns) FROM steps WHERE plan = ?1 ORDER BY step"
    static let timers = "SELECT step, due_at FROM timers WHERE plan = ?1 ORDER BY step"
    static let testResults = "SELECT step, results FROM test_results WHERE plan = ?1"

    static let attempts =
        "SELECT \(PreparedStatement.attemptColumns) FROM attempts WHERE plan = ?1 ORDER BY step, number"
    static let events = """
        SELECT \(PreparedStatement.eventColumns) FROM events WHERE position > ?1 ORDER BY position LIMIT ?3
        """
    /// All events are looked at: nodes are few, and looked at seldom.
    static let eventsOfNode = """
        SELECT \(PreparedStatement.eventColumns) FROM events WHERE position > ?1 AND node = ?2
        ORDER BY position LIMIT ?3
        """
    /// By the blocks in which the plan has events: the first is told by its own row, the others by `event_blocks`.
    /// CROSS makes SQLite begin with those.
    static let eventsOfPlan = """
        SELECT \(PreparedStatement.eventColumns), position >> 8 AS block
        FROM (SELECT first_event AS first FROM plans WHERE id = ?2) CROSS JOIN events
            ON position BETWEEN max(first, ?1 + 1) AND first | 255
        WHERE plan = ?2
        UNION ALL
        SELECT \(PreparedStatement.eventColumns), block
        FROM (SELECT plan AS holder, block FROM event_blocks) CROSS JOIN events
            ON position BETWEEN block << 8 AND (block << 8) + 255
        WHERE holder = ?2 AND plan = ?2 AND position > ?1
            AND block >= max(?1 >> 8, coalesce((SELECT (first_event >> 8) + 1 FROM plans WHERE id = ?2), 0))
        ORDER BY block, position LIMIT ?3
        """
    static let plans = "SELECT \(PreparedStatement.planColumns) FROM plans ORDER BY id DESC LIMIT ?2"
    /// By the blocks in which the lab has plans, the newest first.
    static let plansOfLab = """
        SELECT \(PreparedStatement.planColumns)
        FROM (SELECT lab AS holder, block FROM plan_blocks) CROSS JOIN plans
            ON id BETWEEN block << 8 AND (block << 8) + 255
        WHERE holder = ?1 AND lab = ?1 ORDER BY block DESC, id DESC LIMIT ?2
        """
    static let nodesPresent = """
        SELECT \(PreparedStatement.nodeColumns) FROM nodes WHERE state <> 7 ORDER BY lab, group_name, group_index, id
        """
}

extension SQLiteStore {
    package func requests(after id: Int64) throws(StoreError) -> [RequestRow] {
        try look { connection throws(StoreError) in
            let statement = try connection.keptStatement(
                "SELECT id, request, lab FROM inbox WHERE id > ?1 ORDER BY id"
            )
            statement.bind(1, id)
            var rows: [RequestRow] = []
            while try statement.step() {
                // One that cannot be read is left where it is: it asks for nothing that this version could do.
                guard let request = try? StoredJSON.decode(Request.self, from: statement.text(1)) else { continue }
                rows.append(RequestRow(id: statement.int(0), request: request, lab: statement.optionalText(2)))
            }
            return rows
        }
    }

    /// Those whose rows are broken are left out of the list; asked for by number they throw.
    package func plans(lab: String?, limit: Int) throws(StoreError) -> [PlanRow] {
        try read { connection throws(StoreError) in
            let statement = try PreparedStatement(connection, lab == nil ? ReaderSQL.plans : ReaderSQL.plansOfLab)
            if let lab { statement.bind(1, lab) }
            statement.bind(2, Int64(max(limit, 0)))
            var plans: [PlanRow] = []
            while try statement.step() {
                if let plan = try? statement.plan() { plans.append(plan) }
            }
            return plans
        }
    }

    package func plan(_ id: PlanID) throws(StoreError) -> PlanRow? {
        try one("SELECT \(PreparedStatement.planColumns) FROM plans WHERE id = ?1", "run \(RunName(id))") {
            $0.bind(1, id.rawValue)
        } row: { statement throws(BrokenRow) in
            try statement.plan()
        }
    }

    package func plan(request token: String) throws(StoreError) -> PlanRow? {
        try one("SELECT \(PreparedStatement.planColumns) FROM plans WHERE request = ?1", "the run of request \(token)")
        {
            $0.bind(1, token)
        } row: { statement throws(BrokenRow) in
            try statement.plan()
        }
    }

    package func spec(of id: PlanID) throws(StoreError) -> RunSpec? {
        try one(ReaderSQL.spec, "run \(RunName(id))") {
            $0.bind(1, id.rawValue)
        } row: { statement throws(BrokenRow) in
            do throws(BrokenRow) {
                return try StoredJSON.decode(RunSpec.self, from: statement.text(0))
            } catch {
                throw BrokenRow("the text of its request \(error.message)")
            }
        }
    }

    package func steps(of id: PlanID) throws(StoreError) -> [StepRow] {
        try all(ReaderSQL.steps, "run \(RunName(id))") {
            $0.bind(1, id.rawValue)
        } row: { statement throws(BrokenRow) in
            try statement.step(of: id)
        }
    }

    package func timers(of id: PlanID) throws(StoreError) -> [TimerRow] {
        try all(ReaderSQL.timers, "run \(RunName(id))") {
            $0.bind(1, id.rawValue)
        } row: { statement throws(BrokenRow) in
            try statement.timer(of: id)
        }
    }

    package func attempts(of id: PlanID) throws(StoreError) -> [AttemptRow] {
        try all(ReaderSQL.attempts, "run \(RunName(id))") {
            $0.bind(1, id.rawValue)
        } row: { statement throws(BrokenRow) in
            try statement.attempt(of: id)
        }
    }

    package func testResults(of id: PlanID) throws(StoreError) -> [StepIndex: String] {
        let rows = try all(ReaderSQL.testResults, "results of \(RunName(id))") {
            $0.bind(1, id.rawValue)
        } row: { statement throws(BrokenRow) in
            (StepIndex(truncatingIfNeeded: statement.int(0)), statement.text(1))
        }
        return Dictionary(rows, uniquingKeysWith: { $1 })
    }

    package func nodes(lab: String?, includingGone: Bool) throws(StoreError) -> [NodeRow] {
        var conditions: [String] = []
        if lab != nil { conditions.append("lab = ?1") }
        if !includingGone { conditions.append("state <> 7") }
        let filter = conditions.isEmpty ? "" : "WHERE " + conditions.joined(separator: " AND ")
        let sql = """
            SELECT \(PreparedStatement.nodeColumns) FROM nodes \(filter) ORDER BY lab, group_name, group_index, id
            """
        return try all(sql, "a node") { statement in
            if let lab { statement.bind(1, lab) }
        } row: { statement throws(BrokenRow) in
            try statement.node()
        }
    }

    package func node(_ id: NodeID) throws(StoreError) -> NodeRow? {
        try one("SELECT \(PreparedStatement.nodeColumns) FROM nodes WHERE id = ?1", "node \(id.rawValue)") {
            $0.bind(1, id.rawValue)
        } row: { statement throws(BrokenRow) in
            try statement.node()
        }
    }

    package func events(after position: Int64, plan: PlanID?, limit: Int) throws(StoreError) -> [EventRow] {
        let sql = plan == nil ? ReaderSQL.events : ReaderSQL.eventsOfPlan
        return try all(sql, "an event") { statement in
            statement.bind(1, position)
            if let plan { statement.bind(2, plan.rawValue) }
            statement.bind(3, Int64(max(limit, 0)))
        } row: { statement throws(BrokenRow) in
            try statement.event()
        }
    }

    package func position() throws(StoreError) -> Int64 {
        try look { connection throws(StoreError) in
            let statement = try connection.keptStatement(TurnSQL.lastEvent)
            defer { statement.reset() }
            return try statement.step() ? statement.int(0) : 0
        }
    }

    package func durations(lab: String, suite: String) throws(StoreError) -> [String: Duration] {
        try read { connection throws(StoreError) in
            let statement = try PreparedStatement(
                connection,
                "SELECT test, duration FROM durations WHERE lab = ?1 AND suite = ?2"
            )
            statement.bind(1, lab)
            statement.bind(2, suite)
            var durations: [String: Duration] = [:]
            while try statement.step() { durations[statement.text(0)] = .microseconds(statement.int(1)) }
            return durations
        }
    }

    // MARK: Rows

    func all<Row>(
        _ sql: String,
        _ what: String,
        bind: (PreparedStatement) -> Void,
        row: (PreparedStatement) throws(BrokenRow) -> Row
    ) throws(StoreError) -> [Row] {
        try look { connection throws(StoreError) in
            let statement = try connection.keptStatement(sql)
            bind(statement)
            defer { statement.reset() }
            var rows: [Row] = []
            while try statement.step() {
                do throws(BrokenRow) {
                    rows.append(try row(statement))
                } catch {
                    throw StoreError(.corrupt, "\(path): a row of \(what) is broken: \(error.message)")
                }
            }
            return rows
        }
    }

    private func one<Row>(
        _ sql: String,
        _ what: String,
        bind: (PreparedStatement) -> Void,
        row: (PreparedStatement) throws(BrokenRow) -> Row
    ) throws(StoreError) -> Row? {
        try all(sql, what, bind: bind, row: row).first
    }
}
