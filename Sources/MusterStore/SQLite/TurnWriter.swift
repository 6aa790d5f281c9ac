import GRDBSQLite
import MusterCore

/// Writes turns by statements that are prepared once and live as long as the store.
///
/// It belongs to the writer's connection: used only inside `writeWithoutTransaction`, which serializes.
final class TurnWriter {
    let connection: Connection
    private var statements = 0
    private var eventBlocks = EventBlocks()
    /// The newest block of plans that is known to be noted for each lab.
    private var planBlocks: [String: Int64] = [:]

    /// How old the time may be at which a conductor that has the state to itself was last known to live. Nothing
    /// depends on it; a row that each turn writes costs each commit a page more.
    private static let renewalAge: Duration = .milliseconds(100)

    private let begin: PreparedStatement
    private let commit: PreparedStatement
    private let renew: PreparedStatement
    private let fenceOfSole: PreparedStatement
    private let renewSole: PreparedStatement
    private let addPlan: PreparedStatement
    private let changePlan: PreparedStatement
    private let addPlanBlock: PreparedStatement
    private let addStep: PreparedStatement
    private let changeStep: PreparedStatement
    private let addCall: PreparedStatement
    private let changeCall: PreparedStatement
    private let putNode: PreparedStatement
    private let setTimer: PreparedStatement
    private let clearTimer: PreparedStatement
    private let putAttempt: PreparedStatement
    private let putDuration: PreparedStatement
    private let putTestResults: PreparedStatement
    private let addEvent: PreparedStatement
    private let addEventBlock: PreparedStatement
    private let addRequest: PreparedStatement
    private let removeRequest: PreparedStatement
    let programs: ProgramWriter
    private let nodeStates: NodeStateWriter
    private let errands: ErrandWriter

    init(_ connection: Connection) throws(StoreError) {
        func prepare(_ sql: String) throws(StoreError) -> PreparedStatement {
            try PreparedStatement(connection, sql, isKept: true)
        }
        self.connection = connection
        // IMMEDIATE: it waits for another writer here, where nothing was read yet and waiting can succeed.
        begin = try prepare("BEGIN IMMEDIATE")
        commit = try prepare("COMMIT")
        renew = try prepare(TurnSQL.renew)
        fenceOfSole = try prepare(TurnSQL.fenceOfSole)
        renewSole = try prepare(TurnSQL.renewSole)
        addPlan = try prepare(TurnSQL.addPlan)
        changePlan = try prepare(TurnSQL.changePlan)
        addPlanBlock = try prepare(TurnSQL.addPlanBlock)
        addStep = try prepare(TurnSQL.addStep)
        changeStep = try prepare(TurnSQL.changeStep)
        addCall = try prepare(TurnSQL.addCall)
        changeCall = try prepare(TurnSQL.changeCall)
        putNode = try prepare(TurnSQL.putNode)
        setTimer = try prepare(TurnSQL.setTimer)
        clearTimer = try prepare(TurnSQL.clearTimer)
        putAttempt = try prepare(TurnSQL.putAttempt)
        putDuration = try prepare(TurnSQL.putDuration)
        putTestResults = try prepare(TurnSQL.putTestResults)
        addEvent = try prepare(TurnSQL.addEvent)
        addEventBlock = try prepare(TurnSQL.addEventBlock)
        addRequest = try prepare(TurnSQL.addRequest)
        removeRequest = try prepare(TurnSQL.removeRequest)
        programs = try ProgramWriter(connection)
        nodeStates = try NodeStateWriter(connection)
        errands = try ErrandWriter(connection)
    }

    // MARK: Transactions

    /// - Parameters:
    ///   - lab: of a new run.
    ///   - plan: that it concerns otherwise.
    func submit(_ request: String, at now: Timestamp, lab: String?, plan: PlanID?) throws(StoreError) -> Int64 {
        try transaction { () throws(StoreError) in
            addRequest.bind(1, now.rawValue)
            addRequest.bind(2, request)
            addRequest.bind(3, lab)
            addRequest.bind(4, plan?.rawValue)
            return try only(addRequest)
        }
    }

    func withdraw(_ request: Int64) throws(StoreError) -> Bool {
        try transaction { () throws(StoreError) in
            removeRequest.bind(1, request)
            try run(removeRequest)
            return connection.changes > 0
        }
    }

    /// - Parameters:
    ///   - specs: those of `turn.newSpecs`, encoded.
    ///   - facts: those of `turn.nodes`, encoded.
    ///   - texts: of its modes and states, encoded; nil when it has none.
    ///   - errandTexts: of its errands, likewise.
    ///   - now: by the store's clock.
    /// - Returns: the position of the newest event; nil when there is none.
    func write(
        _ turn: Turn,
        specs: [PlanID: String],
        facts: [String],
        nodeStates texts: NodeStateTexts? = nil,
        errands errandTexts: ErrandTexts? = nil,
        now: Timestamp
    ) throws(StoreError) -> Int64? {
        try transaction { () throws(StoreError) in
            // Before any row: the term of this turn must still hold.
            let term = Term(conductor: turn.conductor, epoch: turn.epoch)
            let standing = try renew(term, events: turn.events.count, now: now)
            // The row of a new plan tells where its events begin.
            var firstEvents: [PlanID: Int64] = [:]
            if !specs.isEmpty {
                try require(rowsOf: specs.keys, in: turn.plans)
                for (place, event) in turn.events.enumerated() {
                    guard let plan = event.plan, specs[plan] != nil, firstEvents[plan] == nil else { continue }
                    firstEvents[plan] = standing.position + 1 + Int64(place)
                }
            }
            for plan in turn.plans {
                let name = turn.newSpecs[plan.id]?.program?.name
                let isNew = try write(plan, spec: specs[plan.id], name: name, firstEvent: firstEvents[plan.id])
                if !isNew, !specs.isEmpty { firstEvents[plan.id] = nil }
            }
            let before = standing.events - Int64(turn.events.count)
            let position = try write(turn.events, before: before, first: firstEvents)
            for step in turn.steps { try write(step) }
            for place in turn.nodes.indices { try write(turn.nodes[place], facts: facts[place]) }
            for timer in turn.timersSet {
                setTimer.bind(1, timer.step.plan.rawValue)
                setTimer.bind(2, timer.step.index)
                setTimer.bind(3, timer.dueAt.rawValue)
                try run(setTimer)
            }
            for step in turn.timersCleared {
                clearTimer.bind(1, step.plan.rawValue)
                clearTimer.bind(2, step.index)
                try run(clearTimer)
            }
            for attempt in turn.attempts { try write(attempt) }
            // Before what is gone: the place of a node's reports goes with it.
            if let errandTexts { statements += try errands.write(turn, errandTexts) }
            if let texts { statements += try nodeStates.write(turn, texts) }
            if turn.hasProgramRows { statements += try programs.write(turn, now: now) }
            for request in turn.requestsDone {
                removeRequest.bind(1, request)
                try run(removeRequest)
                if connection.changes == 0 { throw StoreError.withdrawn(request) }
            }
            return position
        }
    }

    func transaction<Value>(_ body: () throws(StoreError) -> Value) throws(StoreError) -> Value {
        statements = 0
        try begin.run()
        do {
            let value = try body()
            try commit.run()
            connection.counting.addCommit(statements: statements)
            return value
        } catch {
            forget()
            if connection.isInTransaction { try? connection.run("ROLLBACK") }
            throw error
        }
    }

    func noteStatement(_ count: Int = 1) { statements += count }

    /// What is remembered of the rows that are there: plans were deleted.
    func forget() {
        eventBlocks = EventBlocks()
        planBlocks = [:]
    }

    private func run(_ statement: PreparedStatement) throws(StoreError) {
        statements += 1
        try statement.run()
    }

    /// The number in the one row that a statement gives.
    private func only(_ statement: PreparedStatement) throws(StoreError) -> Int64 {
        statements += 1
        guard try statement.step() else { throw StoreError(.failed, "\(connection.errors.path): no row was written") }
        let value = statement.int(0)
        try statement.run()  // an INSERT … RETURNING is done when it gives no more rows
        return value
    }

    // MARK: Rows

    /// Where the events are when a turn begins.
    struct Standing {
        /// How many the term has, with those of this turn.
        let events: Int64
        /// The newest before this turn; 0 when there is none.
        let position: Int64
    }

    /// Renews the lease of a term that must still hold.
    @discardableResult
    func renew(_ term: Term, events: Int = 0, now: Timestamp) throws(StoreError) -> Standing {
        if term.conductor == .sole { return try renewSole(term, events: events, now: now) }
        statements += 1
        renew.bind(1, term.conductor.rawValue)
        renew.bind(2, term.epoch)
        renew.bind(3, now.rawValue)
        renew.bind(4, Int64(events))
        guard try renew.step() else { throw StoreError.fenced(epoch: term.epoch, path: connection.errors.path) }
        let standing = Standing(events: renew.int(0), position: renew.int(1))
        try renew.run()
        return standing
    }

    private func renewSole(_ term: Term, events: Int, now: Timestamp) throws(StoreError) -> Standing {
        statements += 1
        fenceOfSole.bind(1, term.conductor.rawValue)
        fenceOfSole.bind(2, term.epoch)
        guard try fenceOfSole.step() else { throw StoreError.fenced(epoch: term.epoch, path: connection.errors.path) }
        let (count, renewedAt) = (fenceOfSole.int(0), Timestamp(rawValue: fenceOfSole.int(1)))
        let position = fenceOfSole.int(2)
        fenceOfSole.reset()
        if now < renewedAt || now >= renewedAt + Self.renewalAge {
            renewSole.bind(1, term.conductor.rawValue)
            renewSole.bind(2, now.rawValue)
            try run(renewSole)
        }
        return Standing(events: count + Int64(events), position: position)
    }

    /// Whether the plan is new.
    private func write(
        _ plan: PlanRow,
        spec: String?,
        name: String?,
        firstEvent: Int64?
    ) throws(StoreError) -> Bool {
        if spec == nil {
            bind(plan, to: changePlan)
            try run(changePlan)
            if connection.changes > 0 { return false }
            throw StoreError.missing(plan)
        }
        bind(plan, to: addPlan)
        addPlan.bind(13, plan.request)
        addPlan.bind(14, plan.verb.number)
        addPlan.bind(15, plan.lab)
        addPlan.bind(16, plan.createdAt.rawValue)
        addPlan.bind(17, firstEvent)
        addPlan.bind(18, plan.parent?.plan.rawValue)
        addPlan.bind(19, plan.parent?.index)
        addPlan.bind(20, name)
        addPlan.bind(21, spec)
        connection.forgetLastRow()
        try run(addPlan)
        if connection.changes == 0 { throw StoreError.another(plan.id) }
        if connection.lastRow != plan.id.rawValue { return false }  // it was there, and is changed
        let block = plan.id.rawValue >> 8
        if planBlocks.count >= EventBlocks.plansMax { planBlocks = [:] }
        if planBlocks.updateValue(block, forKey: plan.lab) == block { return true }
        addPlanBlock.bind(1, plan.lab)
        addPlanBlock.bind(2, block)
        try run(addPlanBlock)
        return true
    }

    /// A request is stored with the row of the plan that it makes.
    private func require(rowsOf plans: some Sequence<PlanID>, in rows: [PlanRow]) throws(StoreError) {
        let made = Set(rows.map(\.id))
        for plan in plans where !made.contains(plan) { throw StoreError.withoutPlan(plan) }
    }

    private func bind(_ plan: PlanRow, to statement: PreparedStatement) {
        statement.bind(1, plan.id.rawValue)
        statement.bind(2, plan.state.number)
        statement.bind(3, plan.result.number)
        statement.bind(4, plan.phase.number)
        statement.bind(5, plan.isCancelling)
        statement.bind(6, plan.reason)
        statement.bind(7, plan.host)
        statement.bind(8, plan.epoch)
        statement.bind(9, plan.startedAt?.rawValue)
        statement.bind(10, plan.endedAt?.rawValue)
        statement.bind(11, plan.isFrozen)
        statement.bind(12, plan.isAborting)
    }

    private func write(_ step: StepRow) throws(StoreError) {
        if let call = step.call { return try write(step, call) }
        let statement = step.isNew ? addStep : changeStep
        bind(step, to: statement)
        if step.isNew {
            bind(step.spec, to: statement, from: 10)
            statement.bind(19, step.spec.input)
            statement.bind(20, step.needs)
        }
        try run(statement)
        if !step.isNew, connection.changes == 0 { throw StoreError.missing(step) }
    }

    private func write(_ step: StepRow, _ call: CallColumns) throws(StoreError) {
        let statement = step.isNew ? addCall : changeCall
        bind(step, to: statement)
        statement.bind(10, call.output)
        statement.bind(11, call.invocation)
        statement.bind(12, call.told)
        statement.bind(13, call.isRescued)
        statement.bind(14, call.children.map { Int64($0.total) })
        statement.bind(15, call.children?.limit.map { Int64($0) })
        statement.bind(16, call.input ?? (step.isNew ? step.spec.input : nil))
        if step.isNew {
            bind(step.spec, to: statement, from: 17)
            statement.bind(26, step.needs)
        }
        try run(statement)
        if !step.isNew, connection.changes == 0 { throw StoreError.missing(step) }
    }

    private func bind(_ step: StepRow, to statement: PreparedStatement) {
        statement.bind(1, step.plan.rawValue)
        statement.bind(2, step.index)
        statement.bind(3, step.state.number)
        statement.bind(4, step.tries)
        statement.bind(5, step.resource?.rawValue)
        statement.bind(6, step.error?.code.number)
        statement.bind(7, step.error?.message)
        statement.bind(8, step.startedAt?.rawValue)
        statement.bind(9, step.endedAt?.rawValue)
    }

    /// What never changes, but for its input and needs.
    private func bind(_ spec: StepSpec, to statement: PreparedStatement, from place: Int32) {
        statement.bind(place, spec.action.number)
        statement.bind(place + 1, spec.a)
        statement.bind(place + 2, spec.b)
        statement.bind(place + 3, spec.c)
        statement.bind(place + 4, spec.node?.rawValue)
        statement.bind(place + 5, spec.pool)
        statement.bind(place + 6, spec.priority)
        statement.bind(place + 7, spec.threshold)
        statement.bind(place + 8, spec.startsAfterFailure)
    }

    private func write(_ node: NodeRow, facts: String) throws(StoreError) {
        let put = putNode
        put.bind(1, node.id.rawValue)
        put.bind(2, node.lab)
        put.bind(3, node.name.group)
        put.bind(4, Int64(node.name.index))
        put.bind(5, node.driver)
        put.bind(6, node.state.number)
        put.bind(7, node.createdBy.rawValue)
        put.bind(8, node.heldBy?.rawValue)
        put.bind(9, node.replacements)
        put.bind(10, node.stepsStarted)
        put.bind(11, facts)
        put.bind(12, node.reason)
        put.bind(13, node.since.rawValue)
        try run(put)
    }

    private func write(_ attempt: AttemptRow) throws(StoreError) {
        let put = putAttempt
        put.bind(1, attempt.plan.rawValue)
        put.bind(2, attempt.step)
        put.bind(3, Int64(attempt.number))
        put.bind(4, attempt.suite)
        put.bind(5, attempt.test)
        put.bind(6, attempt.outcome.number)
        put.bind(7, attempt.note)
        put.bind(8, attempt.node?.group)
        put.bind(9, attempt.node.map { Int64($0.index) })
        put.bind(10, attempt.nodeID?.rawValue)
        put.bind(11, attempt.startedAt?.rawValue)
        put.bind(12, attempt.endedAt.rawValue)
        put.bind(13, Int64(attempt.rerunsSpent))
        put.bind(14, Int64(attempt.infraSpent))
        put.bind(15, attempt.isCancelled)
        try run(put)
        if let results = attempt.results {
            putTestResults.bind(1, attempt.plan.rawValue)
            putTestResults.bind(2, attempt.step)
            putTestResults.bind(3, results)
            try run(putTestResults)
        }
        guard let duration = attempt.testDuration else { return }
        putDuration.bind(1, attempt.plan.rawValue)
        putDuration.bind(2, attempt.suite)
        putDuration.bind(3, attempt.test)
        putDuration.bind(4, duration.microseconds)
        putDuration.bind(5, attempt.endedAt.rawValue)
        try run(putDuration)
    }

    /// - Parameters:
    ///   - before: how many events of the term there are already.
    ///   - first: where the events of plans begin that this turn makes.
    /// - Returns: the position of the newest event.
    private func write(
        _ events: [EventRow],
        before: Int64,
        first: [PlanID: Int64]
    ) throws(StoreError) -> Int64? {
        if events.isEmpty { return nil }
        var last = before
        var position: Int64 = 0
        for event in events {
            if event.number != last + 1 { throw StoreError.gap(event: event.number, last: last) }
            last = event.number
            addEvent.bind(1, event.epoch)
            addEvent.bind(2, event.number)
            addEvent.bind(3, event.at.rawValue)
            addEvent.bind(4, event.kind.number)
            addEvent.bind(5, event.plan?.rawValue)
            addEvent.bind(6, event.step)
            addEvent.bind(7, event.node?.rawValue)
            addEvent.bind(8, event.detail)
            try run(addEvent)
            position = connection.lastRow
            guard let plan = event.plan, let block = eventBlocks.add(position, of: plan) else { continue }
            if !first.isEmpty, first[plan] == position { continue }
            addEventBlock.bind(1, plan.rawValue)
            addEventBlock.bind(2, block)
            try run(addEventBlock)
        }
        return position
    }
}
