package import MusterCore

extension ReaderSQL {
    static let signals = "SELECT \(PreparedStatement.signalColumns) FROM signals WHERE plan = ?1 ORDER BY number"
    static let permits = "SELECT \(PreparedStatement.permitColumns) FROM permits WHERE plan = ?1 ORDER BY id"
    static let children = """
        SELECT state, result, count(*) FROM plans WHERE parent_plan = ?1 AND parent_step = ?2 GROUP BY state, result
        """
}

/// What plans of programs store besides.
extension SQLiteStore {
    package func define(_ limits: [LimitRow], by term: Term) throws(StoreError) {
        let now = clock()
        try write { writer throws(StoreError) in
            try writer.transaction { () throws(StoreError) in
                try writer.renew(term, now: now)
                writer.noteStatement(try writer.programs.define(limits, now: now))
            }
        }
    }

    package func grantPermits(by term: Term) throws(StoreError) {
        let now = clock()
        try write { writer throws(StoreError) in
            try writer.transaction { () throws(StoreError) in
                try writer.renew(term, now: now)
                writer.noteStatement(try writer.programs.grantDue(now: now))
            }
        }
    }

    package func permits(of labs: Set<String>?) throws(StoreError) -> Permits {
        try read { connection throws(StoreError) in
            let held = try PreparedStatement(
                connection,
                """
                SELECT permits.plan, step, permits.name, priority, is_held, lab
                FROM permits CROSS JOIN plans ON plans.id = permits.plan
                WHERE is_held = 1 AND plans.state <> 6 ORDER BY permits.id
                """
            )
            var permits = Permits()
            while try held.step() {
                if let labs, !labs.contains(held.text(5)) { continue }
                do throws(BrokenRow) {
                    permits.rows.append(try held.permit())
                } catch {
                    throw StoreError(.corrupt, "\(path): a row of permits is broken: \(error.message)")
                }
            }
            let names = try PreparedStatement(connection, ProgramSQL.ratesWaitedFor)
            let limits = try LimitReading(connection)
            while try names.step() {
                guard let due = try limits.room(of: names.text(0)).nextGrantAt else { continue }
                permits.nextGrantAt = min(permits.nextGrantAt ?? due, due)
            }
            return permits
        }
    }

    package func line(for limit: String) throws(StoreError) -> [PermitRow] {
        let sql = """
            SELECT \(PreparedStatement.permitColumns) FROM permits
            WHERE name = ?1 AND EXISTS (SELECT 1 FROM plans WHERE plans.id = permits.plan AND plans.state <> 6)
            ORDER BY is_held DESC, CASE is_held WHEN 1 THEN 0 ELSE priority END DESC, id
            """
        return try all(sql, "limit '\(limit)'") {
            $0.bind(1, limit)
        } row: { statement throws(BrokenRow) in
            try statement.permit()
        }
    }

    package func signals(of id: PlanID) throws(StoreError) -> [SignalRow] {
        try all(ReaderSQL.signals, "run \(RunName(id))") {
            $0.bind(1, id.rawValue)
        } row: { statement throws(BrokenRow) in
            try statement.signal(of: id)
        }
    }

    package func children(of step: StepID) throws(StoreError) -> ChildCounts {
        var counts = ChildCounts()
        _ = try all(ReaderSQL.children, "sub-plans of \(RunName(step.plan))") {
            $0.bind(1, step.plan.rawValue)
            $0.bind(2, step.index)
        } row: { statement throws(BrokenRow) in
            try statement.count(into: &counts)
        }
        return counts
    }

    package func chunks(of step: StepID, after number: Int64, limit: Int) throws(StoreError) -> [ChunkRow] {
        let sql = """
            SELECT number, at, text FROM chunks WHERE plan = ?1 AND step = ?2 AND number > ?3 ORDER BY number LIMIT ?4
            """
        return try all(sql, "run \(RunName(step.plan))") {
            $0.bind(1, step.plan.rawValue)
            $0.bind(2, step.index)
            $0.bind(3, number)
            $0.bind(4, Int64(max(limit, 0)))
        } row: { statement throws(BrokenRow) in
            ChunkRow(step: step, number: statement.int(0), at: statement.time(1), text: statement.text(2))
        }
    }
}
