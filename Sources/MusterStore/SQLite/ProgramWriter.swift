import MusterCore

enum ProgramSQL {
    static let putSignal = """
        INSERT INTO signals (plan, number, step, payload, due_at, key, is_optional, token)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
        ON CONFLICT (plan, number) DO UPDATE SET step = excluded.step, payload = excluded.payload,
            due_at = excluded.due_at, key = excluded.key, is_optional = excluded.is_optional, token = excluded.token
        """
    static let clearSignal = "DELETE FROM signals WHERE plan = ?1 AND number = ?2"

    static let addChunk = """
        INSERT INTO chunks (plan, step, number, at, text)
        SELECT ?1, ?2, coalesce(max(number), 0) + 1, ?3, ?4 FROM chunks WHERE plan = ?1 AND step = ?2
        """

    /// One that is there keeps its place.
    static let ask = """
        INSERT INTO permits (name, plan, step, priority, is_held) VALUES (?1, ?2, ?3, ?4, 0)
        ON CONFLICT (plan, step, name) DO NOTHING
        """
    static let release = "DELETE FROM permits WHERE plan = ?1 AND step = ?2 RETURNING name"

    static let putLimit = """
        INSERT INTO limits (name, size, interval, burst) VALUES (?1, ?2, ?3, ?4)
        ON CONFLICT (name) DO UPDATE SET size = excluded.size, interval = excluded.interval, burst = excluded.burst
        """
    static let limit = "SELECT size, interval, burst, scheduled FROM limits WHERE name = ?1"
    static let schedule = "UPDATE limits SET scheduled = ?2 WHERE name = ?1"
    /// So many hold a limit, counted no further than says anything.
    static let held = "SELECT count(*) FROM (SELECT 1 FROM permits WHERE name = ?1 AND is_held = 1 LIMIT ?2)"
    /// Those that wait, in their order. Of plans whose rows are gone nobody would let go again.
    static let waiting = """
        SELECT id FROM permits WHERE name = ?1 AND is_held = 0
            AND EXISTS (SELECT 1 FROM plans WHERE plans.id = permits.plan)
        ORDER BY priority DESC, id
        """
    static let grant = "UPDATE permits SET is_held = 1 WHERE id = ?1"
    /// Limits with a rate for which somebody waits.
    static let ratesWaitedFor = """
        SELECT name FROM limits WHERE interval > 0
            AND EXISTS (SELECT 1 FROM permits WHERE permits.name = limits.name AND is_held = 0) ORDER BY name
        """
}

/// Writes what plans of programs store besides: signals, output, and who holds which limit. It counts its statements.
final class ProgramWriter {
    private let connection: Connection
    private var statements = 0

    private let putSignal: PreparedStatement
    private let clearSignal: PreparedStatement
    private let addChunk: PreparedStatement
    private let ask: PreparedStatement
    private let release: PreparedStatement
    private let putLimit: PreparedStatement
    private let schedule: PreparedStatement
    private let waiting: PreparedStatement
    private let grant: PreparedStatement
    private let limits: LimitReading

    init(_ connection: Connection) throws(StoreError) {
        func prepare(_ sql: String) throws(StoreError) -> PreparedStatement {
            try PreparedStatement(connection, sql, isKept: true)
        }
        self.connection = connection
        putSignal = try prepare(ProgramSQL.putSignal)
        clearSignal = try prepare(ProgramSQL.clearSignal)
        addChunk = try prepare(ProgramSQL.addChunk)
        ask = try prepare(ProgramSQL.ask)
        release = try prepare(ProgramSQL.release)
        putLimit = try prepare(ProgramSQL.putLimit)
        schedule = try prepare(ProgramSQL.schedule)
        waiting = try prepare(ProgramSQL.waiting)
        grant = try prepare(ProgramSQL.grant)
        limits = try LimitReading(connection)
    }

    private func counted(_ body: () throws(StoreError) -> Void) throws(StoreError) -> Int {
        statements = 0
        try body()
        return statements
    }

    private func run(_ statement: PreparedStatement) throws(StoreError) {
        statements += 1
        try statement.run()
    }

    // MARK: Turns

    /// Returns how many statements that took.
    func write(_ turn: Turn, now: Timestamp) throws(StoreError) -> Int {
        try counted { () throws(StoreError) in
            for signal in turn.signalsSet { try write(signal) }
            for signal in turn.signalsCleared {
                clearSignal.bind(1, signal.step.plan.rawValue)
                clearSignal.bind(2, signal.number)
                try run(clearSignal)
            }
            for chunk in turn.chunks {
                addChunk.bind(1, chunk.step.plan.rawValue)
                addChunk.bind(2, chunk.step.index)
                addChunk.bind(3, chunk.at.rawValue)
                addChunk.bind(4, chunk.text)
                try run(addChunk)
            }
            if turn.asks.isEmpty, turn.releases.isEmpty { return }
            var concerned: Set<String> = []
            for step in turn.releases { try letGo(step, &concerned) }
            for permit in turn.asks {
                ask.bind(1, permit.limit)
                ask.bind(2, permit.step.plan.rawValue)
                ask.bind(3, permit.step.index)
                ask.bind(4, permit.priority)
                try run(ask)
                concerned.insert(permit.limit)
            }
            try grant(concerned, now: now)
        }
    }

    private func write(_ signal: SignalRow) throws(StoreError) {
        putSignal.bind(1, signal.step.plan.rawValue)
        putSignal.bind(2, signal.number)
        putSignal.bind(3, signal.step.index)
        putSignal.bind(4, signal.payload)
        putSignal.bind(5, signal.dueAt?.rawValue)
        putSignal.bind(6, signal.key)
        putSignal.bind(7, signal.isOptional)
        putSignal.bind(8, signal.token)
        try run(putSignal)
    }

    private func letGo(_ step: StepID, _ concerned: inout Set<String>) throws(StoreError) {
        statements += 1
        release.bind(1, step.plan.rawValue)
        release.bind(2, step.index)
        while try release.step() { concerned.insert(release.text(0)) }
    }

    // MARK: Limits

    func define(_ rows: [LimitRow], now: Timestamp) throws(StoreError) -> Int {
        try counted { () throws(StoreError) in
            for limit in rows {
                putLimit.bind(1, limit.name)
                putLimit.bind(2, limit.size.map { Int64($0) })
                putLimit.bind(3, limit.interval.microseconds)
                putLimit.bind(4, Int64(limit.burst))
                try run(putLimit)
            }
            try grant(Set(rows.map(\.name)), now: now)
        }
    }

    /// Grants what only time has held back.
    func grantDue(now: Timestamp) throws(StoreError) -> Int {
        let dropped = try dropPermits(onlyHeld: true, now: now)
        return try counted { () throws(StoreError) in
            try grant(try names(ProgramSQL.ratesWaitedFor), now: now)
        } + dropped
    }

    /// Drops permits of plans whose rows are gone: nobody else lets go of them.
    func dropPermits(onlyHeld: Bool, now: Timestamp) throws(StoreError) -> Int {
        try counted { () throws(StoreError) in
            let condition = onlyHeld ? "is_held = 1 AND" : ""
            try grant(
                try names(
                    """
                    DELETE FROM permits WHERE \(condition) NOT EXISTS (SELECT 1 FROM plans WHERE id = permits.plan)
                    RETURNING name
                    """
                ),
                now: now
            )
        }
    }

    private func names(_ sql: String) throws(StoreError) -> Set<String> {
        statements += 1
        let statement = try PreparedStatement(connection, sql)
        var names: Set<String> = []
        while try statement.step() { names.insert(statement.text(0)) }
        return names
    }

    /// Grants these limits to those that wait, for as long as there is something to give.
    func grant(_ names: Set<String>, now: Timestamp) throws(StoreError) {
        for name in names.sorted() {
            var room = try limits.room(of: name)
            let before = room
            statements += 2
            waiting.bind(1, name)
            let granted = try room.grant(now: now) { () throws(StoreError) -> Int64? in
                try waiting.step() ? waiting.int(0) : nil
            }
            waiting.reset()
            for id in granted {
                grant.bind(1, id)
                try run(grant)
            }
            guard room.scheduled != before.scheduled else { continue }
            schedule.bind(1, name)
            schedule.bind(2, room.scheduled?.rawValue)
            try run(schedule)
        }
    }
}

/// Reads what limits have to give.
final class LimitReading {
    private let limit: PreparedStatement
    private let held: PreparedStatement

    init(_ connection: Connection) throws(StoreError) {
        limit = try PreparedStatement(connection, ProgramSQL.limit, isKept: true)
        held = try PreparedStatement(connection, ProgramSQL.held, isKept: true)
    }

    func room(of name: String) throws(StoreError) -> LimitRoom {
        limit.bind(1, name)
        var row = LimitRoom.undefined(name)
        var scheduled: Timestamp?
        if try limit.step() {
            row = LimitRow(
                name: name,
                size: limit.optionalInt(0).map { Int($0) },
                interval: .microseconds(limit.int(1)),
                burst: Int(limit.int(2))
            )
            scheduled = limit.optionalTime(3)
        }
        limit.reset()
        guard let size = row.size else { return LimitRoom(row, scheduled: scheduled) }
        held.bind(1, name)
        held.bind(2, Int64(size))
        defer { held.reset() }
        return LimitRoom(row, scheduled: scheduled, held: try held.step() ? Int(held.int(0)) : 0)
    }
}

extension Turn {
    /// Whether there is anything that only plans of programs store.
    var hasProgramRows: Bool {
        !(signalsSet.isEmpty && signalsCleared.isEmpty && chunks.isEmpty && asks.isEmpty && releases.isEmpty)
    }
}
