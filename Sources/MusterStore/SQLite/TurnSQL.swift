import MusterCore

/// The statements of a turn. Each row that a turn writes is one of them.
enum TurnSQL {
    /// How many events the term of a conductor has that has the state to itself: its events are the newest. Others
    /// count theirs in their rows.
    static let eventsOfSoleTerm = """
        coalesce((SELECT n FROM events
            WHERE position = (SELECT max(position) FROM events) AND epoch = conductors.epoch), 0)
        """

    static func eventsOfTerm(of conductor: ConductorID) -> String {
        let count = conductor == .sole ? eventsOfSoleTerm : "events"
        return "SELECT \(count) FROM conductors WHERE id = \(conductor.rawValue)"
    }

    /// The fence of a conductor that has the state to itself, read while the write lock is held: no other can register
    /// before this turn has ended.
    static let fenceOfSole = """
        SELECT \(eventsOfSoleTerm), renewed_at, (\(lastEvent))
        FROM conductors WHERE id = ?1 AND epoch = ?2 AND state = 0
        """
    static let renewSole = "UPDATE conductors SET renewed_at = ?2 WHERE id = ?1"

    static let renew = """
        UPDATE conductors SET renewed_at = ?3, events = events + ?4 WHERE id = ?1 AND epoch = ?2 AND state = 0
        RETURNING events, (\(lastEvent))
        """

    /// Planning makes the request of a plan that is there whole.
    static let addPlan = """
        INSERT INTO plans (id, state, result, phase, is_cancelling, reason, host, epoch, started_at, ended_at,
            is_frozen, is_aborting, request, verb, lab, created_at, first_event, parent_plan, parent_step, name, spec)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21)
        ON CONFLICT (id) DO UPDATE SET state = excluded.state, result = excluded.result, phase = excluded.phase,
            is_cancelling = excluded.is_cancelling, reason = excluded.reason, host = excluded.host,
            epoch = excluded.epoch, started_at = excluded.started_at, ended_at = excluded.ended_at,
            is_frozen = excluded.is_frozen, is_aborting = excluded.is_aborting, name = excluded.name, spec = excluded.spec
        WHERE request = excluded.request
        """

    /// What is told of a plan when it is made never changes, nor what finds it.
    static let changePlan = """
        UPDATE plans SET state = ?2, result = ?3, phase = ?4, is_cancelling = ?5, reason = ?6, host = ?7, epoch = ?8,
            started_at = ?9, ended_at = ?10, is_frozen = ?11, is_aborting = ?12
        WHERE id = ?1
        """

    static let addPlanBlock = "INSERT INTO plan_blocks (lab, block) VALUES (?1, ?2) ON CONFLICT DO NOTHING"

    static let addStep = """
        INSERT INTO steps (plan, step, state, tries, resource, error_code, error_message, started_at, ended_at,
            action, a, b, c, node, pool, priority, threshold, starts_after_failure, input, needs)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20)
        """

    static let changeStep = """
        UPDATE steps SET state = ?3, tries = ?4, resource = ?5, error_code = ?6, error_message = ?7, started_at = ?8,
            ended_at = ?9
        WHERE plan = ?1 AND step = ?2
        """

    /// For steps that call a program's actions.
    static let addCall = """
        INSERT INTO steps (plan, step, state, tries, resource, error_code, error_message, started_at, ended_at,
            output, invocation, is_woken, is_rescued, children_total, children_limit, input,
            action, a, b, c, node, pool, priority, threshold, starts_after_failure, needs)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22,
            ?23, ?24, ?25, ?26)
        """

    static let changeCall = """
        UPDATE steps SET state = ?3, tries = ?4, resource = ?5, error_code = ?6, error_message = ?7, started_at = ?8,
            ended_at = ?9, output = ?10, invocation = ?11, is_woken = ?12, is_rescued = ?13, children_total = ?14,
            children_limit = ?15, input = coalesce(?16, input)
        WHERE plan = ?1 AND step = ?2
        """

    static let putNode = """
        INSERT INTO nodes (id, lab, group_name, group_index, driver, state, created_by, held_by, replacements,
            steps_started, facts, reason, since)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)
        ON CONFLICT (id) DO UPDATE SET lab = excluded.lab, group_name = excluded.group_name,
            group_index = excluded.group_index, driver = excluded.driver, state = excluded.state,
            created_by = excluded.created_by, held_by = excluded.held_by, replacements = excluded.replacements,
            steps_started = excluded.steps_started, facts = excluded.facts, reason = excluded.reason,
            since = excluded.since
        """

    static let setTimer = """
        INSERT INTO timers (plan, step, due_at) VALUES (?1, ?2, ?3)
        ON CONFLICT (plan, step) DO UPDATE SET due_at = excluded.due_at
        """

    static let clearTimer = "DELETE FROM timers WHERE plan = ?1 AND step = ?2"

    static let putAttempt = """
        INSERT INTO attempts (plan, step, number, suite, test, outcome, note, group_name, group_index, node, started_at,
            ended_at, reruns_spent, infra_spent, is_cancelled)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)
        ON CONFLICT (plan, step, number) DO UPDATE SET suite = excluded.suite, test = excluded.test,
            outcome = excluded.outcome, note = excluded.note, group_name = excluded.group_name,
            group_index = excluded.group_index, node = excluded.node, started_at = excluded.started_at,
            ended_at = excluded.ended_at, reruns_spent = excluded.reruns_spent, infra_spent = excluded.infra_spent,
            is_cancelled = excluded.is_cancelled
        """

    static let putTestResults = """
        INSERT INTO test_results (plan, step, results) VALUES (?1, ?2, ?3)
        ON CONFLICT (plan, step) DO UPDATE SET results = excluded.results
        """

    static let putDuration = """
        INSERT INTO durations (lab, suite, test, duration, ended_at) SELECT lab, ?2, ?3, ?4, ?5 FROM plans WHERE id = ?1
        ON CONFLICT (lab, suite, test) DO UPDATE SET duration = excluded.duration, ended_at = excluded.ended_at
            WHERE excluded.ended_at >= durations.ended_at
        """

    /// Positions follow one another: one writer at a time gives each the next.
    static let addEvent = """
        INSERT INTO events (epoch, n, at, kind, plan, step, node, detail) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
        """

    static let addEventBlock = "INSERT INTO event_blocks (plan, block) VALUES (?1, ?2) ON CONFLICT DO NOTHING"

    static let lastEvent = "SELECT coalesce(max(position), 0) FROM events"
    static let addRequest = """
        INSERT INTO inbox (at, request, lab) VALUES (?1, ?2, coalesce(?3, (SELECT lab FROM plans WHERE id = ?4)))
        RETURNING id
        """
    static let removeRequest = "DELETE FROM inbox WHERE id = ?1"
}
