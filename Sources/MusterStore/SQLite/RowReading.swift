import MusterCore

/// Columns of each table in the order in which they are read, and the reading of one row.
///
/// A number that this version does not know, or bytes that are no such value, throws `BrokenRow`.
extension PreparedStatement {
    func value<Value: StoredAsNumber>(_ column: Int32, _ what: String) throws(BrokenRow) -> Value {
        guard let value = Value.byNumber[int(column)] else {
            throw BrokenRow("the \(what) \(int(column)) is not known to this version of Muster")
        }
        return value
    }

    func small<Small: FixedWidthInteger>(_ column: Int32, _ what: String) throws(BrokenRow) -> Small {
        guard let value = Small(exactly: int(column)) else {
            throw BrokenRow("the \(what) \(int(column)) is too large")
        }
        return value
    }

    func time(_ column: Int32) -> Timestamp { Timestamp(rawValue: int(column)) }
    func optionalTime(_ column: Int32) -> Timestamp? { optionalInt(column).map(Timestamp.init(rawValue:)) }

    // MARK: Plans

    static let planColumns = """
        id, request, verb, lab, host, epoch, created_at, state, result, phase, is_cancelling, reason, started_at,
        ended_at, parent_plan, parent_step, is_frozen, is_aborting
        """
    /// Where the lab stands in `planColumns` and `nodeColumns`.
    static let planLabColumn: Int32 = 3
    static let nodeLabColumn: Int32 = 1

    func plan() throws(BrokenRow) -> PlanRow {
        var plan = PlanRow(
            id: PlanID(int(0)),
            request: text(1),
            verb: try value(2, "verb"),
            lab: text(3),
            host: text(4),
            epoch: int(5),
            createdAt: time(6)
        )
        plan.state = try value(7, "state")
        plan.result = try value(8, "result")
        plan.phase = try value(9, "phase")
        plan.isCancelling = int(10) != 0
        plan.reason = optionalText(11)
        plan.startedAt = optionalTime(12)
        plan.endedAt = optionalTime(13)
        if let parent = optionalInt(14) {
            plan.parent = StepID(plan: PlanID(parent), index: try small(15, "parent's step"))
        }
        plan.isFrozen = int(16) != 0
        plan.isAborting = int(17) != 0
        return plan
    }

    // MARK: Steps

    static let stepColumns = """
        step, action, a, b, c, node, pool, priority, threshold, starts_after_failure, input, needs, state, tries,
        resource, error_code, error_message, started_at, ended_at, output, invocation, is_woken, is_rescued,
        children_total, children_limit
        """

    func step(of plan: PlanID) throws(BrokenRow) -> StepRow {
        do throws(BrokenRow) {
            let action: ActionKind = try value(1, "action")
            var spec = StepSpec(action)
            spec.a = try small(2, "column a")
            spec.b = try small(3, "column b")
            spec.c = try small(4, "column c")
            spec.node = optionalInt(5).map(NodeID.init(_:))
            spec.pool = try small(6, "pool")
            spec.priority = int(7)
            if optionalInt(8) != nil { spec.threshold = try small(8, "threshold") }
            spec.startsAfterFailure = int(9) != 0
            spec.input = optionalText(10)
            guard let needs = ints(11) else { throw BrokenRow("its needs are cut off") }
            var step = StepRow(
                plan: plan,
                index: try small(0, "index"),
                isNew: false,
                spec: spec,
                needs: needs,
                state: try value(12, "state"),
                tries: try small(13, "number of tries")
            )
            step.resource = optionalInt(14).map(NodeID.init(_:))
            if optionalInt(15) != nil {
                step.error = StepError(try value(15, "error code"), text(16))
            }
            step.startedAt = optionalTime(17)
            step.endedAt = optionalTime(18)
            if action.isCall { step.call = try call() }
            return step
        } catch {
            throw BrokenRow("step \(int(0)): \(error.message)")
        }
    }

    private func call() throws(BrokenRow) -> CallColumns {
        var call = CallColumns(input: nil, output: optionalText(19))
        call.invocation = try small(20, "number of calls")
        call.told = int(21)
        call.isRescued = int(22) != 0
        if let total = optionalInt(23) {
            call.children = CallColumns.Children(total: Int(total), limit: optionalInt(24).map { Int($0) })
        }
        return call
    }

    // MARK: Nodes

    static let nodeColumns = """
        id, lab, group_name, group_index, driver, state, created_by, held_by, replacements, steps_started,
        facts, reason, since
        """

    func node() throws(BrokenRow) -> NodeRow {
        NodeRow(
            id: NodeID(int(0)),
            lab: text(1),
            name: NodeName(group: text(2), index: Int(int(3))),
            driver: text(4),
            state: try value(5, "state"),
            createdBy: PlanID(int(6)),
            heldBy: optionalInt(7).map(PlanID.init(_:)),
            replacements: try small(8, "number of replacements"),
            stepsStarted: try small(9, "number of started steps"),
            facts: try facts(10),
            reason: optionalText(11),
            since: time(12)
        )
    }

    private func facts(_ column: Int32) throws(BrokenRow) -> [String: String] {
        let text = text(column)
        if text == "{}" { return [:] }
        if let facts = PlainFacts.read(text) { return facts }
        do throws(BrokenRow) {
            return try StoredJSON.decode([String: String].self, from: text)
        } catch {
            throw BrokenRow("the text of its facts \(error.message)")
        }
    }

    // MARK: The rest

    static let attemptColumns = """
        step, number, suite, test, outcome, note, group_name, group_index, node, started_at, ended_at, reruns_spent,
        infra_spent, is_cancelled
        """

    func attempt(of plan: PlanID) throws(BrokenRow) -> AttemptRow {
        do throws(BrokenRow) {
            return AttemptRow(
                plan: plan,
                step: try small(0, "index"),
                suite: text(2),
                test: text(3),
                number: Int(int(1)),
                outcome: try value(4, "outcome"),
                note: optionalText(5),
                node: optionalText(6).map { NodeName(group: $0, index: Int(int(7))) },
                nodeID: optionalInt(8).map(NodeID.init(_:)),
                startedAt: optionalTime(9),
                endedAt: time(10),
                rerunsSpent: Int(int(11)),
                infraSpent: Int(int(12)),
                isCancelled: int(13) != 0
            )
        } catch {
            throw BrokenRow("attempt \(int(1)) of step \(int(0)): \(error.message)")
        }
    }

    static let eventColumns = "position, epoch, at, kind, plan, step, node, detail, n"

    func event() throws(BrokenRow) -> EventRow {
        var event = EventRow(position: int(0), epoch: int(1), at: time(2), kind: try value(3, "kind"))
        event.plan = optionalInt(4).map(PlanID.init(_:))
        if optionalInt(5) != nil { event.step = try small(5, "step") as StepIndex }
        event.node = optionalInt(6).map(NodeID.init(_:))
        event.detail = optionalText(7)
        event.number = int(8)
        return event
    }

    func timer(of plan: PlanID) throws(BrokenRow) -> TimerRow {
        TimerRow(step: StepID(plan: plan, index: try small(0, "index")), dueAt: time(1))
    }

    // MARK: Plans of programs

    static let signalColumns = "step, number, payload, due_at, key, is_optional, token"

    func signal(of plan: PlanID) throws(BrokenRow) -> SignalRow {
        SignalRow(
            step: StepID(plan: plan, index: try small(0, "index")),
            number: int(1),
            payload: text(2),
            dueAt: optionalTime(3),
            key: optionalText(4),
            isOptional: int(5) != 0,
            token: optionalText(6)
        )
    }

    static let permitColumns = "plan, step, name, priority, is_held"

    func permit() throws(BrokenRow) -> PermitRow {
        PermitRow(
            step: StepID(plan: PlanID(int(0)), index: try small(1, "index")),
            limit: text(2),
            priority: int(3),
            isHeld: int(4) != 0
        )
    }

    /// Counts so many sub-plans: columns state, result and number.
    func count(into counts: inout ChildCounts) throws(BrokenRow) {
        counts.add(Int(int(2)), state: try value(0, "state"), result: try value(1, "result"))
    }
}
