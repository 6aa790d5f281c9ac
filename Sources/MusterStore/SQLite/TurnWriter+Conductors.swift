import MusterCore

/// Terms, leases and claims: rare, so their statements are compiled when they are run.
extension TurnWriter {
    /// The term of a conductor that has the state to itself. Whoever else conducts is lost.
    func register(host: String, pid: Int32, now: Timestamp) throws(StoreError) -> Epoch {
        try transaction { () throws(StoreError) in
            try run("UPDATE conductors SET state = \(ConductorState.lost.rawValue)")
            try run("UPDATE claims SET conductor = NULL")
            let epoch = try begin(.sole, host: host, pid: pid, lease: nil, now: now).epoch
            noteStatement(try programs.dropPermits(onlyHeld: false, now: now))
            return epoch
        }
    }

    func join(host: String, pid: Int32, lease: Duration, now: Timestamp) throws(StoreError) -> Term {
        try transaction { () throws(StoreError) in
            try run(
                "UPDATE conductors SET state = \(ConductorState.lost.rawValue) WHERE id = \(ConductorID.sole.rawValue)"
            )
            let last = try number("SELECT max(coalesce(max(id), 0), \(ConductorID.sole.rawValue)) FROM conductors")
            return try begin(ConductorID(last + 1), host: host, pid: pid, lease: lease, now: now)
        }
    }

    private func begin(
        _ id: ConductorID,
        host: String,
        pid: Int32,
        lease: Duration?,
        now: Timestamp
    ) throws(StoreError) -> Term {
        let epoch = try nextEpoch()
        try run(
            """
            INSERT OR REPLACE INTO conductors (id, epoch, host, pid, state, lease, registered_at, renewed_at, events)
            VALUES (?1, ?2, ?3, ?4, \(ConductorState.alive.rawValue), ?5, ?6, ?6, 0)
            """
        ) {
            $0.bind(1, id.rawValue)
            $0.bind(2, epoch)
            $0.bind(3, host)
            $0.bind(4, pid)
            $0.bind(5, lease?.microseconds)
            $0.bind(6, now.rawValue)
        }
        return Term(conductor: id, epoch: epoch)
    }

    func declareLost(by term: Term, margin: Duration, now: Timestamp) throws(StoreError) -> [ConductorID] {
        try transaction { () throws(StoreError) in
            try renew(term, now: now)
            let lost = try numbers(
                """
                SELECT id FROM conductors WHERE id <> ?1 AND state = \(ConductorState.alive.rawValue)
                    AND lease IS NOT NULL AND renewed_at + lease + ?2 < ?3 ORDER BY id
                """
            ) {
                $0.bind(1, term.conductor.rawValue)
                $0.bind(2, margin.microseconds)
                $0.bind(3, now.rawValue)
            }.map { ConductorID($0) }
            for id in lost { try end(id) }
            return lost
        }
    }

    func leave(_ term: Term) throws(StoreError) {
        try transaction { () throws(StoreError) in
            let holds = try numbers("SELECT 1 FROM conductors WHERE id = ?1 AND epoch = ?2 AND state = 0") {
                $0.bind(1, term.conductor.rawValue)
                $0.bind(2, term.epoch)
            }
            if !holds.isEmpty { try end(term.conductor) }
        }
    }

    private func end(_ id: ConductorID) throws(StoreError) {
        let epoch = try nextEpoch()
        try run("UPDATE conductors SET epoch = ?2, state = \(ConductorState.lost.rawValue) WHERE id = ?1") {
            $0.bind(1, id.rawValue)
            $0.bind(2, epoch)
        }
        try run("UPDATE claims SET conductor = NULL WHERE conductor = ?1") { $0.bind(1, id.rawValue) }
    }

    func claim(by term: Term, limit: Int, now: Timestamp) throws(StoreError) -> Claim {
        try transaction { () throws(StoreError) in
            try renew(term, now: now)
            let labs = try texts(
                """
                SELECT lab FROM (
                    SELECT lab FROM plans WHERE state <> \(PlanState.stopped.number)
                    UNION SELECT lab FROM nodes WHERE state <> \(NodeState.gone.number)
                    UNION SELECT lab FROM inbox WHERE lab IS NOT NULL)
                EXCEPT SELECT lab FROM claims WHERE conductor IS NOT NULL
                EXCEPT SELECT lab FROM plans WHERE state <> \(PlanState.stopped.number)
                    AND host <> (SELECT host FROM conductors WHERE id = ?2)
                ORDER BY lab LIMIT ?1
                """
            ) {
                $0.bind(1, Int64(max(limit, 0)))
                $0.bind(2, term.conductor.rawValue)
            }
            noteStatement(try programs.dropPermits(onlyHeld: false, now: now))
            var term = term
            var highest: Epoch = 0
            for lab in labs {
                let held = try numbers("SELECT epoch FROM claims WHERE lab = ?1") { $0.bind(1, lab) }
                highest = max(highest, held.first ?? 0)
            }
            if highest >= term.epoch { term = try rise(term) }
            for lab in labs {
                try run("INSERT OR REPLACE INTO claims (lab, conductor, epoch) VALUES (?1, ?2, ?3)") {
                    $0.bind(1, lab)
                    $0.bind(2, term.conductor.rawValue)
                    $0.bind(3, term.epoch)
                }
                try run("UPDATE plans SET epoch = ?2 WHERE lab = ?1 AND state <> \(PlanState.stopped.number)") {
                    $0.bind(1, lab)
                    $0.bind(2, term.epoch)
                }
            }
            let held = try texts("SELECT lab FROM claims WHERE conductor = ?1 ORDER BY lab") {
                $0.bind(1, term.conductor.rawValue)
            }
            return Claim(term: term, labs: held)
        }
    }

    /// The same conductor under a higher epoch, whose events are numbered from 1.
    private func rise(_ term: Term) throws(StoreError) -> Term {
        let next = Term(conductor: term.conductor, epoch: try nextEpoch())
        try run("UPDATE conductors SET epoch = ?2, events = 0 WHERE id = ?1") {
            $0.bind(1, next.conductor.rawValue)
            $0.bind(2, next.epoch)
        }
        try run("UPDATE claims SET epoch = ?2 WHERE conductor = ?1") {
            $0.bind(1, next.conductor.rawValue)
            $0.bind(2, next.epoch)
        }
        return next
    }

    func reserve(plans: Int64, nodes: Int64, by term: Term, now: Timestamp) throws(StoreError) -> NumberBlock {
        try transaction { () throws(StoreError) in
            try renew(term, now: now)
            let plan = try number(
                """
                UPDATE numbers SET plan = max(plan, deleted_plan, (SELECT coalesce(max(id), 0) FROM plans)) + ?1
                RETURNING plan
                """
            ) { $0.bind(1, plans) }
            let node = try number(
                """
                UPDATE numbers SET node = max(node, (SELECT coalesce(max(id), 0) FROM nodes)) + ?1 RETURNING node
                """
            ) { $0.bind(1, nodes) }
            return NumberBlock(
                plans: plans > 0 ? plan - plans + 1...plan : nil,
                nodes: nodes > 0 ? node - nodes + 1...node : nil
            )
        }
    }

    private func nextEpoch() throws(StoreError) -> Epoch {
        try number("UPDATE numbers SET epoch = epoch + 1 RETURNING epoch")
    }

    // MARK: Statements

    typealias Binding = (PreparedStatement) -> Void

    func run(_ sql: String, _ bind: Binding = { _ in }) throws(StoreError) {
        let statement = try prepare(sql, bind)
        try statement.run()
    }

    func numbers(_ sql: String, _ bind: Binding = { _ in }) throws(StoreError) -> [Int64] {
        let statement = try prepare(sql, bind)
        var found: [Int64] = []
        while try statement.step() { found.append(statement.int(0)) }
        return found
    }

    func number(_ sql: String, _ bind: Binding = { _ in }) throws(StoreError) -> Int64 {
        guard let number = try numbers(sql, bind).first else {
            throw StoreError(.failed, "\(connection.errors.path): a row that must be there is missing")
        }
        return number
    }

    func texts(_ sql: String, _ bind: Binding) throws(StoreError) -> [String] {
        let statement = try prepare(sql, bind)
        var found: [String] = []
        while try statement.step() { found.append(statement.text(0)) }
        return found
    }

    private func prepare(_ sql: String, _ bind: Binding) throws(StoreError) -> PreparedStatement {
        noteStatement()
        let statement = try PreparedStatement(connection, sql)
        bind(statement)
        return statement
    }
}
