package import MusterCore

extension SQLiteStore {
    /// Those whose rows are broken are left out.
    package func plans(matching query: PlanQuery) throws(StoreError) -> [PlanRow] {
        var sql = QuerySQL(query)
        let text = sql.page(query)
        return try read { connection throws(StoreError) in
            let statement = try PreparedStatement(connection, text)
            sql.bind(to: statement)
            var plans: [PlanRow] = []
            while try statement.step() {
                if let plan = try? statement.plan() { plans.append(plan) }
            }
            return plans
        }
    }

    package func counts(matching query: PlanQuery) throws(StoreError) -> [PlanState: Int] {
        let sql = QuerySQL(query)
        return try read { connection throws(StoreError) in
            let statement = try PreparedStatement(connection, sql.counts)
            sql.bind(to: statement)
            var counts: [PlanState: Int] = [:]
            while try statement.step() {
                if let state = PlanState.byNumber[statement.int(0)] { counts[state] = Int(statement.int(1)) }
            }
            return counts
        }
    }

    package func cleanable(_ rule: CleaningRule) throws(StoreError) -> [PlanRow] {
        try all(CleaningSQL.plans(PreparedStatement.planColumns, rule), "a run") {
            CleaningSQL.bind(rule, to: $0)
        } row: { statement throws(BrokenRow) in
            try? statement.plan()
        }.compactMap(\.self)
    }

    package func clean(_ rule: CleaningRule, by term: Term) throws(StoreError) -> [PlanID] {
        let now = clock()
        return try write { writer throws(StoreError) in try writer.clean(rule, by: term, now: now) }
    }
}

/// A query of plans as a statement.
private struct QuerySQL {
    private enum Value {
        case number(Int64)
        case text(String)
    }
    private var values: [Value] = []
    private var conditions: [String] = []
    private var source = "plans"
    private var isByBlocks = false

    init(_ query: PlanQuery) {
        func list(_ column: String, _ numbers: [Int64]?) {
            guard let numbers else { return }
            conditions.append("\(column) IN (\(numbers.sorted().map(String.init).joined(separator: ", ")))")
        }
        list("state", query.states?.map(\.number))
        // Said so that the index of unfinished plans can be used.
        if let states = query.states, !states.contains(.stopped) { conditions.append("state <> 6") }
        list("result", query.results?.map(\.number))
        list("verb", query.verbs?.map(\.number))
        if let lab = query.lab {
            add("lab = ?", .text(lab))
            // By the blocks in which the lab has plans.
            if case .children = query.kin {
            } else {
                values.append(.text(lab))
                source = """
                    (SELECT block FROM plan_blocks WHERE plan_blocks.lab = ?\(values.count)) AS blocks
                    CROSS JOIN plans ON id BETWEEN block << 8 AND (block << 8) + 255
                    """
                isByBlocks = true
            }
        }
        if let name = query.name { add("name = ?", .text(name)) }
        switch query.kin {
        case .any: break
        case .roots: conditions.append("parent_plan IS NULL")
        case .children(let parent): add("parent_plan = ?", .number(parent.rawValue))
        }
        if let from = query.createdFrom { add("created_at >= ?", .number(from.rawValue)) }
        if let before = query.createdBefore { add("created_at < ?", .number(before.rawValue)) }
    }

    private mutating func add(_ condition: String, _ value: Value) {
        values.append(value)
        conditions.append("\(condition)\(values.count)")
    }

    private var filter: String { conditions.isEmpty ? "" : "WHERE " + conditions.joined(separator: " AND ") }

    var counts: String { "SELECT state, count(*) FROM \(source) \(filter) GROUP BY state" }

    mutating func page(_ query: PlanQuery) -> String {
        let isNewest = query.order == .newest
        if let after = query.after { add(isNewest ? "id < ?" : "id > ?", .number(after.rawValue)) }
        let direction = isNewest ? "DESC" : "ASC"
        let order = isByBlocks ? "block \(direction), id \(direction)" : "id \(direction)"
        return """
            SELECT \(PreparedStatement.planColumns) FROM \(source) \(filter)
            ORDER BY \(order) LIMIT \(max(query.limit, 0))
            """
    }

    func bind(to statement: PreparedStatement) {
        for (place, value) in values.enumerated() {
            switch value {
            case .number(let number): statement.bind(Int32(place + 1), number)
            case .text(let text): statement.bind(Int32(place + 1), text)
            }
        }
    }
}

/// Which plans may go, and the deleting of one.
enum CleaningSQL {
    /// Sub-plans of an unfinished plan are counted by it for as long as it lives.
    static func plans(_ columns: String, _ rule: CleaningRule) -> String {
        var filter = rule.lab == nil ? "" : "AND lab = ?3"
        if let only = rule.only {
            filter += " AND id IN (\(only.sorted().map { String($0.rawValue) }.joined(separator: ", ")))"
        }
        return """
            SELECT \(columns) FROM plans
            WHERE state = 6 AND coalesce(ended_at, created_at) < ?1 \(filter)
                AND NOT EXISTS (SELECT 1 FROM plans AS child
                    WHERE child.parent_plan = plans.id AND child.state <> 6)
                AND NOT EXISTS (SELECT 1 FROM plans AS parent
                    WHERE parent.id = plans.parent_plan AND parent.state <> 6)
                AND id NOT IN (SELECT created_by FROM nodes WHERE state <> 7)
                AND id NOT IN (SELECT value FROM plans AS waiting,
                        json_each(CASE WHEN json_valid(waiting.spec) THEN waiting.spec ELSE '{}' END,
                            '$.program.prerequisites')
                    WHERE waiting.state <> 6 AND type = 'integer')
            ORDER BY id LIMIT ?2
            """
    }

    static func bind(_ rule: CleaningRule, to statement: PreparedStatement) {
        statement.bind(1, rule.endedBefore.rawValue)
        statement.bind(2, Int64(max(rule.limit, 0)))
        if let lab = rule.lab { statement.bind(3, lab) }
    }

    static let permits = "DELETE FROM permits WHERE plan = ?1 RETURNING name"

    /// The newest event stays: the next is numbered after it.
    static let rows = [
        """
        DELETE FROM events WHERE position IN (SELECT position FROM (\(ReaderSQL.eventsOfPlan)))
            AND position < (\(TurnSQL.lastEvent))
        """,
        "DELETE FROM event_blocks WHERE plan = ?2", "DELETE FROM steps WHERE plan = ?2",
        "DELETE FROM attempts WHERE plan = ?2", "DELETE FROM timers WHERE plan = ?2",
        "DELETE FROM signals WHERE plan = ?2", "DELETE FROM chunks WHERE plan = ?2",
        "DELETE FROM test_results WHERE plan = ?2",
        "UPDATE numbers SET deleted_plan = max(deleted_plan, ?2)",
        """
        DELETE FROM plan_blocks WHERE (lab, block) = (SELECT lab, id >> 8 FROM plans WHERE id = ?2)
            AND NOT EXISTS (SELECT 1 FROM plans WHERE plans.lab = plan_blocks.lab AND id <> ?2
                AND id BETWEEN block << 8 AND (block << 8) + 255)
        """,
        "DELETE FROM plans WHERE id = ?2",
    ]
}

extension TurnWriter {
    func clean(_ rule: CleaningRule, by term: Term, now: Timestamp) throws(StoreError) -> [PlanID] {
        try transaction { () throws(StoreError) in
            try renew(term, now: now)
            let plans = try numbers(CleaningSQL.plans("id", rule)) { CleaningSQL.bind(rule, to: $0) }
            if plans.isEmpty { return [] }
            var statements: [PreparedStatement] = []
            for sql in CleaningSQL.rows { statements.append(try PreparedStatement(connection, sql)) }
            var freed: Set<String> = []
            for plan in plans {
                freed.formUnion(try texts(CleaningSQL.permits) { $0.bind(1, plan) })
                for (place, statement) in statements.enumerated() {
                    if place == 0 {
                        statement.bind(1, Int64(0))
                        statement.bind(3, Int64.max)
                    }
                    statement.bind(2, plan)
                    noteStatement()
                    try statement.run()
                }
            }
            try programs.grant(freed, now: now)
            forget()
            return plans.map { PlanID($0) }
        }
    }
}
