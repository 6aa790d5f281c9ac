import GRDBSQLite
import MusterCore

/// The tables, as numbered migrations. One that was released is never changed: a change is a new one at the end.
enum SQLiteSchema {
    /// The newest schema this version knows; each migration raises it by one.
    static var newest: Int64 { Int64(migrations.count) }

    static let migrations: [String] = [
        """
        -- One row. These columns stay for ever: by them an older version sees that a state is too new for it.
        CREATE TABLE meta (
            id INTEGER PRIMARY KEY CHECK (id = 1), state TEXT NOT NULL, schema INTEGER NOT NULL
        ) STRICT;

        -- One row while a state has one conductor at a time. Its epoch fences: who has an older one writes nothing.
        CREATE TABLE conductors (
            id INTEGER PRIMARY KEY, epoch INTEGER NOT NULL, host TEXT NOT NULL, pid INTEGER NOT NULL,
            state INTEGER NOT NULL, registered_at INTEGER NOT NULL, renewed_at INTEGER NOT NULL,
            events_before INTEGER NOT NULL
        ) STRICT;

        CREATE TABLE plans (
            id INTEGER PRIMARY KEY, request TEXT NOT NULL UNIQUE, verb INTEGER NOT NULL, lab TEXT NOT NULL,
            state INTEGER NOT NULL, result INTEGER NOT NULL, phase INTEGER NOT NULL, is_cancelling INTEGER NOT NULL,
            reason TEXT, host TEXT NOT NULL, epoch INTEGER NOT NULL,
            created_at INTEGER NOT NULL, started_at INTEGER, ended_at INTEGER
        ) STRICT;
        CREATE INDEX plans_unfinished ON plans (id) WHERE state <> 6;
        CREATE INDEX plans_by_lab ON plans (lab, id);

        CREATE TABLE plan_specs (plan INTEGER PRIMARY KEY, spec TEXT NOT NULL) STRICT;

        CREATE TABLE steps (
            plan INTEGER NOT NULL, step INTEGER NOT NULL, action INTEGER NOT NULL,
            a INTEGER NOT NULL, b INTEGER NOT NULL, c INTEGER NOT NULL, node INTEGER, pool INTEGER NOT NULL,
            priority INTEGER NOT NULL, threshold INTEGER, starts_after_failure INTEGER NOT NULL, input TEXT,
            needs BLOB NOT NULL, state INTEGER NOT NULL, tries INTEGER NOT NULL, resource INTEGER,
            error_code INTEGER, error_message TEXT, started_at INTEGER, ended_at INTEGER,
            PRIMARY KEY (plan, step)
        ) STRICT, WITHOUT ROWID;

        CREATE TABLE nodes (
            id INTEGER PRIMARY KEY, lab TEXT NOT NULL, group_name TEXT NOT NULL, group_index INTEGER NOT NULL,
            driver TEXT NOT NULL, state INTEGER NOT NULL, created_by INTEGER NOT NULL, held_by INTEGER,
            replacements INTEGER NOT NULL, steps_started INTEGER NOT NULL, facts TEXT NOT NULL, reason TEXT,
            since INTEGER NOT NULL,
            lock_mode INTEGER, lock_holder TEXT, lock_token INTEGER
        ) STRICT;
        CREATE INDEX nodes_by_name ON nodes (lab, group_name, group_index, id);
        CREATE INDEX nodes_present ON nodes (lab, group_name, group_index, id) WHERE state <> 7;

        CREATE TABLE timers (
            plan INTEGER NOT NULL, step INTEGER NOT NULL, due_at INTEGER NOT NULL, PRIMARY KEY (plan, step)
        ) STRICT, WITHOUT ROWID;

        CREATE TABLE attempts (
            plan INTEGER NOT NULL, step INTEGER NOT NULL, number INTEGER NOT NULL, suite TEXT NOT NULL,
            test TEXT NOT NULL, outcome INTEGER NOT NULL, note TEXT, group_name TEXT, group_index INTEGER, node INTEGER,
            started_at INTEGER, ended_at INTEGER NOT NULL, reruns_spent INTEGER NOT NULL, infra_spent INTEGER NOT NULL,
            is_cancelled INTEGER NOT NULL, operation TEXT,
            PRIMARY KEY (plan, step, number)
        ) STRICT, WITHOUT ROWID;

        -- The newest duration of each test, kept beside the attempts so that no history has to be searched.
        CREATE TABLE durations (
            lab TEXT NOT NULL, suite TEXT NOT NULL, test TEXT NOT NULL, duration INTEGER NOT NULL,
            ended_at INTEGER NOT NULL, PRIMARY KEY (lab, suite, test)
        ) STRICT, WITHOUT ROWID;

        CREATE TABLE events (
            position INTEGER PRIMARY KEY, epoch INTEGER NOT NULL, n INTEGER NOT NULL, at INTEGER NOT NULL,
            kind INTEGER NOT NULL, plan INTEGER, step INTEGER, node INTEGER, detail TEXT
        ) STRICT;
        CREATE INDEX events_by_plan ON events (plan, position) WHERE plan IS NOT NULL;

        -- AUTOINCREMENT: a number is never used twice, so "those after number n" never misses one.
        CREATE TABLE inbox (
            id INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER NOT NULL, request TEXT NOT NULL
        ) STRICT;
        """,
        """
        -- Several conductors: each has a lease (NULL for the one that has the state to itself) and numbers its events.
        ALTER TABLE conductors ADD COLUMN lease INTEGER;
        ALTER TABLE conductors ADD COLUMN events INTEGER NOT NULL DEFAULT 0;
        ALTER TABLE conductors DROP COLUMN events_before;

        -- One row: the highest numbers given out.
        CREATE TABLE numbers (
            id INTEGER PRIMARY KEY CHECK (id = 1), epoch INTEGER NOT NULL, plan INTEGER NOT NULL, node INTEGER NOT NULL
        ) STRICT;
        INSERT INTO numbers (id, epoch, plan, node) SELECT 1, coalesce(max(epoch), 0), 0, 0 FROM conductors;

        -- Who decides the plans and nodes of a lab; no conductor when it is free. The epoch outlives its holder.
        CREATE TABLE claims (lab TEXT PRIMARY KEY, conductor INTEGER, epoch INTEGER NOT NULL) STRICT, WITHOUT ROWID;

        -- Whose owner answers it.
        ALTER TABLE inbox ADD COLUMN lab TEXT;
        """,
        """
        -- Which blocks of 256 events hold something of a plan: one small row for many events, in place of an index
        -- entry for each.
        CREATE TABLE event_blocks (
            plan INTEGER NOT NULL, block INTEGER NOT NULL, PRIMARY KEY (plan, block)
        ) STRICT, WITHOUT ROWID;
        INSERT INTO event_blocks SELECT DISTINCT plan, position >> 8 FROM events WHERE plan IS NOT NULL;
        DROP INDEX events_by_plan;
        """,
        """
        -- A commit costs by the pages it writes: what a plan is made of stands in its row, and what finds it by its lab
        -- or finds its events is written once for many.
        ALTER TABLE plans ADD COLUMN first_event INTEGER;
        ALTER TABLE plans ADD COLUMN spec TEXT;
        UPDATE plans SET spec = (SELECT spec FROM plan_specs WHERE plan_specs.plan = plans.id);
        DROP TABLE plan_specs;

        -- Which blocks of 256 plans hold one of a lab.
        CREATE TABLE plan_blocks (
            lab TEXT NOT NULL, block INTEGER NOT NULL, PRIMARY KEY (lab, block)
        ) STRICT, WITHOUT ROWID;
        INSERT INTO plan_blocks SELECT DISTINCT lab, id >> 8 FROM plans;
        DROP INDEX plans_by_lab;
        """,
        programs,
        """
        -- Whether a plan is cancelled by force.
        ALTER TABLE plans ADD COLUMN is_aborting INTEGER NOT NULL DEFAULT 0;
        -- Nobody wrote or read it.
        ALTER TABLE attempts DROP COLUMN operation;
        """,
        nodeStates,
        errands,
        """
        -- What tests have reported of themselves, as JSON: only who shows results reads it.
        CREATE TABLE test_results (
            plan INTEGER NOT NULL, step INTEGER NOT NULL, results TEXT NOT NULL, PRIMARY KEY (plan, step)
        ) STRICT, WITHOUT ROWID;
        """,
    ]

    /// Reports by files, and what is to be done outside because of nodes.
    private static let errands = """
        CREATE TABLE report_positions (
            node INTEGER PRIMARY KEY, file INTEGER NOT NULL, position INTEGER NOT NULL, print INTEGER NOT NULL
        ) STRICT;

        -- What is not known to be done: scripts with an empty sink, and what sinks are to be told.
        CREATE TABLE errands (
            lab TEXT NOT NULL, sink TEXT NOT NULL, number INTEGER NOT NULL, node INTEGER NOT NULL,
            group_name TEXT NOT NULL, group_index INTEGER NOT NULL, at INTEGER NOT NULL, text TEXT NOT NULL,
            folder TEXT, mode TEXT, state TEXT, PRIMARY KEY (lab, sink, number)
        ) STRICT, WITHOUT ROWID;

        CREATE TABLE notice_sinks (lab TEXT PRIMARY KEY, sinks TEXT NOT NULL) STRICT, WITHOUT ROWID;
        """

    /// Modes and states of nodes, and the tables by which they are decided.
    private static let nodeStates = """
        CREATE TABLE node_states (
            node INTEGER PRIMARY KEY, mode TEXT NOT NULL, state TEXT NOT NULL, since INTEGER NOT NULL,
            mode_since INTEGER NOT NULL, next_mode TEXT, boot_mode TEXT, goal TEXT, features INTEGER NOT NULL,
            flags INTEGER NOT NULL, timeouts INTEGER NOT NULL, notices INTEGER NOT NULL, repairs INTEGER NOT NULL,
            due_at INTEGER, due_order INTEGER, command TEXT, triggers TEXT
        ) STRICT;

        CREATE TABLE mode_sets (lab TEXT PRIMARY KEY, modes TEXT NOT NULL) STRICT, WITHOUT ROWID;

        -- Reports that were taken of late: one that comes twice counts once.
        CREATE TABLE report_marks (
            source TEXT NOT NULL, id TEXT NOT NULL, at INTEGER NOT NULL, PRIMARY KEY (source, id)
        ) STRICT, WITHOUT ROWID;
        CREATE INDEX report_marks_by_age ON report_marks (at);
        """

    /// Plans of programs' actions: what their steps store, what is sent to them, limits, and sub-plans.
    private static let programs = """
        -- Made anew so that the request stays the last column: who lists plans does not read it.
        CREATE TABLE plans_new (
            id INTEGER PRIMARY KEY, request TEXT NOT NULL UNIQUE, verb INTEGER NOT NULL, lab TEXT NOT NULL,
            state INTEGER NOT NULL, result INTEGER NOT NULL, phase INTEGER NOT NULL, is_cancelling INTEGER NOT NULL,
            reason TEXT, host TEXT NOT NULL, epoch INTEGER NOT NULL,
            created_at INTEGER NOT NULL, started_at INTEGER, ended_at INTEGER, first_event INTEGER,
            parent_plan INTEGER, parent_step INTEGER, is_frozen INTEGER NOT NULL DEFAULT 0, name TEXT, spec TEXT
        ) STRICT;
        INSERT INTO plans_new (id, request, verb, lab, state, result, phase, is_cancelling, reason, host, epoch,
                created_at, started_at, ended_at, first_event, spec)
            SELECT id, request, verb, lab, state, result, phase, is_cancelling, reason, host, epoch,
                created_at, started_at, ended_at, first_event, spec FROM plans;
        DROP TABLE plans;
        ALTER TABLE plans_new RENAME TO plans;
        CREATE INDEX plans_unfinished ON plans (id) WHERE state <> 6;
        -- Sub-plans are counted here, without a look at their rows.
        CREATE INDEX plans_by_parent ON plans (parent_plan, parent_step, state, result)
            WHERE parent_plan IS NOT NULL;

        ALTER TABLE steps ADD COLUMN output TEXT;
        ALTER TABLE steps ADD COLUMN invocation INTEGER NOT NULL DEFAULT 0;
        ALTER TABLE steps ADD COLUMN is_woken INTEGER NOT NULL DEFAULT 0;
        ALTER TABLE steps ADD COLUMN is_rescued INTEGER NOT NULL DEFAULT 0;
        ALTER TABLE steps ADD COLUMN children_total INTEGER;
        ALTER TABLE steps ADD COLUMN children_limit INTEGER;

        CREATE TABLE signals (
            plan INTEGER NOT NULL, number INTEGER NOT NULL, step INTEGER NOT NULL, payload TEXT NOT NULL,
            due_at INTEGER, key TEXT, is_optional INTEGER NOT NULL, token TEXT, PRIMARY KEY (plan, number)
        ) STRICT, WITHOUT ROWID;

        CREATE TABLE chunks (
            plan INTEGER NOT NULL, step INTEGER NOT NULL, number INTEGER NOT NULL, at INTEGER NOT NULL,
            text TEXT NOT NULL, PRIMARY KEY (plan, step, number)
        ) STRICT, WITHOUT ROWID;

        CREATE TABLE limits (
            name TEXT PRIMARY KEY, size INTEGER, interval INTEGER NOT NULL, burst INTEGER NOT NULL, scheduled INTEGER
        ) STRICT, WITHOUT ROWID;

        -- By number: in the order of asking.
        CREATE TABLE permits (
            id INTEGER PRIMARY KEY, name TEXT NOT NULL, plan INTEGER NOT NULL, step INTEGER NOT NULL,
            priority INTEGER NOT NULL, is_held INTEGER NOT NULL, UNIQUE (plan, step, name)
        ) STRICT;
        CREATE INDEX permits_waiting ON permits (name, priority DESC, id) WHERE is_held = 0;
        CREATE INDEX permits_held ON permits (name) WHERE is_held = 1;

        -- The highest number of a plan that was deleted: it is never used again.
        ALTER TABLE numbers ADD COLUMN deleted_plan INTEGER NOT NULL DEFAULT 0;
        """

    /// The schema of the database and the state's name; nil for a database without any table.
    static func version(_ connection: Connection) throws(StoreError) -> (schema: Int64, state: String)? {
        let tables = try PreparedStatement(connection, "SELECT count(*) FROM sqlite_master")
        _ = try tables.step()
        let isEmpty = tables.int(0) == 0
        tables.reset()
        if isEmpty { return nil }
        let meta = try PreparedStatement(
            connection,
            "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = 'meta'"
        )
        _ = try meta.step()
        let hasMeta = meta.int(0) == 1
        meta.reset()
        guard hasMeta else { throw connection.errors.foreign() }
        let row: PreparedStatement
        do throws(StoreError) {
            row = try PreparedStatement(connection, "SELECT schema, state FROM meta WHERE id = 1")
        } catch  where error.code == .failed {
            throw connection.errors.foreign()  // another program's table of that name
        }
        guard try row.step() else { throw connection.errors.foreign() }
        defer { row.reset() }
        return (row.int(0), row.text(1))
    }

    /// Brings the database up to date in one transaction, whoever else does the same; returns the state's name.
    static func migrate(_ connection: Connection, newName: () -> String) throws(StoreError) -> String {
        if let found = try version(connection), found.schema == newest { return found.state }
        try connection.run("BEGIN IMMEDIATE")
        do throws(StoreError) {
            let found = try version(connection)
            let name = found?.state ?? newName()
            let schema = found?.schema ?? 0
            if schema > newest { throw connection.errors.newer(schema: schema, known: newest) }
            if schema < newest {
                for migration in migrations[Int(max(schema, 0))...] { try connection.run(migration) }
                let meta = try PreparedStatement(
                    connection,
                    """
                    INSERT INTO meta (id, state, schema) VALUES (1, ?1, ?2)
                    ON CONFLICT (id) DO UPDATE SET schema = excluded.schema
                    """
                )
                meta.bind(1, name)
                meta.bind(2, newest)
                try meta.run()
                // A conductor of the older version may still run: it must not write into tables it does not know.
                try connection.run(
                    """
                    UPDATE conductors SET epoch = epoch + 1, state = \(ConductorState.lost.rawValue);
                    UPDATE claims SET conductor = NULL;
                    """
                )
            }
            try connection.run("COMMIT")
            return name
        } catch {
            if connection.isInTransaction { try? connection.run("ROLLBACK") }
            throw error
        }
    }
}

/// The column `state` of `conductors`.
enum ConductorState: Int64 { case alive, draining, lost }
