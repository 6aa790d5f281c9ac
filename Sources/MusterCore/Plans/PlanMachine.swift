import DequeModule

/// Decides which steps of one plan run: a real DAG in flat arrays, changed in place.
///
/// A step starts when all it needs (or as many as its threshold says) have succeeded, a slot is free, and, when it
/// takes a node from a pool, a node is. A failed step blocks only what needs it. The machine knows neither machines nor
/// tests; what an outcome means, which steps are added, and when the plan is over is decided by `RunMachine` above it.
///
/// Each event costs time in proportion to the edges it crosses; `operations` counts them.
package struct PlanMachine: Sendable {
    package var row: PlanRow
    /// How many steps may run at once.
    package let slots: Int

    // The steps, one entry each.
    private(set) var specs: [StepSpec] = []
    var cells: [StepCell] = []
    var resources = CompactOptionals<NodeID>()
    var started = CompactOptionals<Timestamp>()
    var ended = CompactOptionals<Timestamp>()
    private(set) var graph = StepGraph()
    var errors: [StepIndex: StepError] = [:]
    /// Skipped steps that do not count where a number of nodes is asked for.
    private var uncounted: Set<StepIndex> = []
    /// How many steps were skipped because nothing needed them any more.
    private var unneeded = 0
    private var counts = StepCounts()

    // Scheduling.
    var ready: Deque<StepIndex> = []
    var pools: [NodePool] = []
    /// What steps that wait for a node may get; those that are not here get any.
    package var rules: [StepIndex: NodeRule] = [:]
    /// Which kind of work steps do that go best where such was done last; of those that are not here nothing is known.
    package var kin: [StepIndex: Int32] = [:]
    /// Steps that get several nodes at once, one for themselves and one for each of the members behind them.
    package var teams: [StepIndex: NodeTeam] = [:]
    var running = 0
    /// Steps whose retry is still to come, or that were postponed.
    var retrying: Set<StepIndex> = []
    /// A closed gate starts nothing: while pausing, cancelling, or held.
    package var gateIsOpen = false

    // What the next commit writes.
    private var dirty: [StepIndex] = []
    private var newNeeds: [[StepIndex]] = []
    private var storedCount = 0
    package var rowIsDirty = false

    /// Steps and edges touched so far: the measure of the linear-time tests.
    package private(set) var operations = 0

    package init(row: PlanRow, slots: Int) {
        precondition(slots > 0, "a plan needs a slot to run in")
        self.row = row
        self.slots = slots
    }

    package var count: Int { specs.count }
    package func state(of step: StepIndex) -> StepState { cells[Int(step)].state }
    package func spec(of step: StepIndex) -> StepSpec { specs[Int(step)] }
    package func tries(of step: StepIndex) -> Int32 { cells[Int(step)].tries }
    package func error(of step: StepIndex) -> StepError? { errors[step] }
    package func startedAt(_ step: StepIndex) -> Timestamp? { started[Int(step)] }
    /// The node a step concerns: its own, or the one it got.
    package func node(of step: StepIndex) -> NodeID? { specs[Int(step)].node ?? resources[Int(step)] }
    package func count(of state: StepState) -> Int { counts[state] }

    /// The steps in one state, in order. Costs nothing when there are none, and ends with the last one.
    package func steps(in state: StepState) -> [StepIndex] {
        let count = count(of: state)
        guard count > 0 else { return [] }
        var found: [StepIndex] = []
        found.reserveCapacity(count)
        for step in cells.indices where cells[step].state == state {
            found.append(StepIndex(step))
            if found.count == count { break }
        }
        return found
    }

    package func act(of step: StepIndex, isInDoubt: Bool = false) -> Act {
        Act(
            step: StepID(plan: row.id, index: step),
            number: cells[Int(step)].tries,
            spec: specs[Int(step)],
            node: node(of: step),
            isInDoubt: isInDoubt
        )
    }

    /// Nothing runs, nothing will by itself, and nothing could start.
    var isDrained: Bool {
        running == 0 && retrying.isEmpty && ready.isEmpty && !poolsCanStart
    }

    /// The result, by the precedence cancelled > error > warning > success > pending.
    package var result: PlanResult {
        if count(of: .cancelled) > 0 || count == 0 && row.isCancelling { return .cancelled }
        if count(of: .error) > 0 { return .error }
        if count(of: .skipped) + count(of: .skipping) > unneeded { return .warning }
        return count(of: .success) + unneeded == count ? .success : .pending
    }

    // MARK: Growing

    /// Makes room for more steps and edges at once, where their numbers are known.
    package mutating func reserve(steps: Int, edges: Int) {
        let count = count + steps
        specs.reserveCapacity(count)
        cells.reserveCapacity(count)
        resources.reserve(count)
        started.reserve(count)
        ended.reserve(count)
        dirty.reserveCapacity(count)
        newNeeds.reserveCapacity(count)
        graph.reserve(steps: count, edges: graph.edgeCount + edges)
    }

    /// Adds a step. It may need steps that have ended; those that succeeded count at once.
    @discardableResult
    package mutating func append(_ spec: consuming StepSpec, needs: consuming [StepIndex]) -> StepIndex {
        let step = add(spec, needs: needs, state: .pending)
        newNeeds.append(needs)
        mark(step)
        if cells[Int(step)].waiting <= 0 { enqueue(step) }
        return step
    }

    private mutating func add(_ spec: consuming StepSpec, needs: [StepIndex], state: StepState) -> StepIndex {
        let step = StepIndex(specs.count)
        let (threshold, startsAfterFailure) = (spec.threshold, spec.startsAfterFailure)
        specs.append(spec)
        resources.appendNil()
        started.appendNil()
        ended.appendNil()
        graph.addStep()
        counts[state] += 1
        var met: Int32 = 0
        for need in needs {
            precondition(need >= 0 && need < step, "a step needs only steps before it")
            graph.addEdge(from: need, to: step)
            let end = cells[Int(need)].state
            let counts = end.satisfiesNeeds && (threshold == nil || !uncounted.contains(need))
            if counts || (startsAfterFailure && end.hasEnded) { met += 1 }
        }
        operations += needs.count + 1
        cells.append(StepCell(state: state, waiting: (threshold ?? Int32(needs.count)) - met))
        if state == .running, specs[Int(step)].pool >= 0 { pools[Int(specs[Int(step)].pool)].running += 1 }
        return step
    }

    // MARK: Loading

    /// Takes a stored step back in, in order. Those that were running are in doubt; the caller performs them again.
    ///
    /// - Parameter countsForThresholds: as it was told to `finish`.
    package mutating func restore(_ stored: StepRow, countsForThresholds: Bool = true) {
        let step = add(stored.spec, needs: stored.needs, state: stored.state)
        let i = Int(step)
        cells[i].tries = stored.tries
        resources[i] = stored.resource
        started[i] = stored.startedAt
        ended[i] = stored.endedAt
        if let error = stored.error { errors[step] = error }
        if stored.state == .skipped && !countsForThresholds { uncounted.insert(step) }
        if stored.state == .skipped, stored.error == .unneeded { unneeded += 1 }
        cells[i].endWasTold = stored.state.hasEnded
        if stored.state.isBusy { running += 1 }
        storedCount = specs.count
    }

    /// A step that starts after failures waits for one more, whose end is not told again unless it is reopened.
    mutating func wait(_ step: StepIndex, for other: StepIndex) {
        graph.addEdge(from: other, to: step)
        if !cells[Int(other)].endWasTold { cells[Int(step)].waiting += 1 }
    }

    /// Finds again what is ready, after all steps and timers were restored.
    package mutating func restoreReady(timers: some Sequence<StepIndex>) {
        // A timer of a step that runs bounds it.
        retrying = Set(timers.filter { cells[Int($0)].state == .pending })
        for i in cells.indices
        where cells[i].state == .pending && cells[i].waiting <= 0 && !retrying.contains(StepIndex(i)) {
            enqueue(StepIndex(i))
        }
    }

    // MARK: Rows

    mutating func mark(_ step: StepIndex) {
        guard !cells[Int(step)].isDirty else { return }
        cells[Int(step)].isDirty = true
        dirty.append(step)
    }

    /// Puts the rows that changed since the last commit into the turn.
    package mutating func fillRows(into turn: inout Turn) {
        if rowIsDirty || !dirty.isEmpty {
            // Nothing has come of one whose steps are still to be made.
            let now = count == 0 && !row.state.isFinal ? .pending : result
            if row.result != now {
                row.result = now
                rowIsDirty = true
            }
        }
        if rowIsDirty {
            turn.plans.append(row)
            rowIsDirty = false
        }
        // Only the first of a turn: room for so many more, again and again, would be a copy again and again.
        if turn.steps.isEmpty { turn.steps.reserveCapacity(dirty.count) }
        for step in dirty {
            let i = Int(step)
            let isNew = i >= storedCount
            turn.steps.append(
                StepRow(
                    plan: row.id,
                    index: step,
                    isNew: isNew,
                    spec: specs[i],
                    needs: isNew ? newNeeds[i - storedCount] : [],
                    state: cells[i].state,
                    tries: cells[i].tries,
                    resource: resources[i],
                    error: errors.isEmpty ? nil : errors[step],
                    startedAt: started[i],
                    endedAt: ended[i]
                )
            )
            cells[i].isDirty = false
        }
        dirty.removeAll(keepingCapacity: true)
        newNeeds.removeAll(keepingCapacity: true)
        storedCount = specs.count
    }

    // MARK: Changing states

    mutating func set(_ step: StepIndex, _ state: StepState) {
        let i = Int(step)
        counts[cells[i].state] -= 1
        counts[state] += 1
        if specs[i].pool >= 0 {
            pools[Int(specs[i].pool)].running += (state == .running ? 1 : 0) - (cells[i].state == .running ? 1 : 0)
        }
        cells[i].state = state
        mark(step)
    }

    mutating func enqueue(_ step: StepIndex) {
        // Members begin with the step that they stand behind.
        guard !cells[Int(step)].isQueued, specs[Int(step)].action != .member else { return }
        cells[Int(step)].isQueued = true
        let pool = specs[Int(step)].pool
        if pool >= 0, let team = teams[step] {
            pools[Int(pool)].wait(step, priority: specs[Int(step)].priority, team: team)
        } else if pool >= 0 {
            pools[Int(pool)].wait(step, priority: specs[Int(step)].priority, rule: rules[step], kin: kin[step])
        } else {
            ready.append(step)
        }
    }

    /// A step may have ended, or begun to wait again, while it stood in a queue.
    func mayStart(_ step: StepIndex) -> Bool { cells[Int(step)].mayStart }

    /// Starts everything that may start now. A barrier that is reached is given back, to be decided by the caller.
    package mutating func startNext(into turn: inout Turn) -> StepIndex? {
        while let (step, node, others) = nextReady() {
            operations += 1
            if specs[Int(step)].action == .barrier { return step }
            start(step, on: node, into: &turn)
            for (place, node) in others.enumerated() { start(step + StepIndex(place) + 1, on: node, into: &turn) }
        }
        return nil
    }

    private mutating func start(_ step: StepIndex, on node: NodeID?, into turn: inout Turn) {
        resources[Int(step)] = node
        begin(step, into: &turn)
        perform(step, isInDoubt: false, into: &turn)
    }

    /// Counts another try of a step that waited, and has it running.
    mutating func begin(_ step: StepIndex, into turn: inout Turn) {
        let i = Int(step)
        cells[i].tries += 1
        if started[i] == nil { started[i] = turn.now }
        ended[i] = nil
        running += 1
        set(step, .running)
        turn.emit(.stepStarted, plan: row.id, step: step, node: node(of: step))
    }

    /// Ends a step and lets those that waited for it go on.
    ///
    /// - Parameter countsForThresholds: whether a skipped step counts where a number of nodes is asked for.
    package mutating func finish(
        _ step: StepIndex,
        _ state: StepState,
        error: StepError? = nil,
        countsForThresholds: Bool = true,
        into turn: inout Turn
    ) {
        precondition(state.hasEnded, "a step finishes in a state that has ended, not \(state)")
        let i = Int(step)
        guard cells[i].state != state else { return }
        // One that this turn touched already was begun by it: it is not performed any more.
        if cells[i].state == .running, cells[i].isDirty { turn.hasWithdrawn = true }
        if cells[i].state.isBusy { running -= 1 }
        set(step, state)
        ended[i] = turn.now
        setError(error, of: step)
        if state == .skipped && !countsForThresholds { uncounted.insert(step) }
        if state == .skipped, error == .unneeded { unneeded += 1 }
        let kind: EventRow.Kind =
            switch state {
            case .success: .stepSucceeded
            case .error: .stepFailed
            case .skipped: .stepSkipped
            case .cancelled, .pending, .running, .suspended, .skipping: .stepCancelled
            }
        turn.emit(kind, plan: row.id, step: step, node: node(of: step), detail: error?.message)
        release(step, satisfied: state.satisfiesNeeds, countsForThresholds: state == .success || countsForThresholds)
    }

    /// Most plans have no errors at all: then there is nothing to look up.
    mutating func setError(_ error: StepError?, of step: StepIndex) {
        if error != nil || !errors.isEmpty { errors[step] = error }
    }

    private mutating func release(_ step: StepIndex, satisfied: Bool, countsForThresholds: Bool) {
        let toldBefore = cells[Int(step)].endWasTold
        cells[Int(step)].endWasTold = true
        var edge = graph.firstEdge(of: step)
        while let current = edge {
            operations += 1
            edge = graph.edge(after: current)
            let successor = Int(graph.successor(at: current))
            let counts =
                if specs[successor].startsAfterFailure { !toldBefore } else {
                    satisfied && (countsForThresholds || specs[successor].threshold == nil)
                }
            guard counts else { continue }
            cells[successor].waiting -= 1
            guard cells[successor].waiting == 0, cells[successor].state == .pending else { continue }
            // What was postponed waits for its time as well.
            if retrying.isEmpty || !retrying.contains(StepIndex(successor)) { enqueue(StepIndex(successor)) }
        }
    }

    /// Puts a failed try back until its time comes.
    mutating func retry(_ step: StepIndex, after error: StepError, at due: Timestamp, into turn: inout Turn) {
        if cells[Int(step)].isDirty { turn.hasWithdrawn = true }
        running -= 1
        retrying.insert(step)
        set(step, .pending)
        errors[step] = error
        turn.setTimer(StepID(plan: row.id, index: step), at: due)
        turn.emit(.stepRetrying, plan: row.id, step: step, node: node(of: step), detail: error.message)
    }

    /// The time of a retry has come. A step that does not wait for one any more is left alone: a benign race.
    mutating func retryIsDue(_ step: StepIndex, into turn: inout Turn) {
        turn.timersCleared.append(StepID(plan: row.id, index: step))
        guard retrying.remove(step) != nil else { return }
        guard cells[Int(step)].state == .pending else { return }
        enqueue(step)
    }

    /// Takes back a start that came to nothing: the step waits as if it had never been started, for the same try.
    mutating func takeBack(_ step: StepIndex, into turn: inout Turn) {
        let i = Int(step)
        let state = cells[i].state
        precondition(state == .running, "only a running step is taken back, not one that is \(state)")
        turn.emit(.stepReturned, plan: row.id, step: step, node: node(of: step))
        running -= 1
        cells[i].tries -= 1
        resources[i] = nil
        if cells[i].tries == 0 { started[i] = nil }
        set(step, .pending)
        if cells[i].waiting <= 0 { enqueue(step) }
    }

    /// Makes a step that failed, or was ended on request, start again.
    mutating func reopen(_ step: StepIndex, into turn: inout Turn) {
        guard cells[Int(step)].state == .error || cells[Int(step)].state == .cancelled else { return }
        set(step, .pending)
        turn.emit(.stepReopened, plan: row.id, step: step, node: node(of: step))
        errors[step] = nil
        ended[Int(step)] = nil
        if cells[Int(step)].endWasTold {
            // Those that start after its end, however it ends, wait for it again.
            cells[Int(step)].endWasTold = false
            var edge = graph.firstEdge(of: step)
            while let current = edge {
                operations += 1
                edge = graph.edge(after: current)
                let successor = Int(graph.successor(at: current))
                if specs[successor].startsAfterFailure { cells[successor].waiting += 1 }
            }
        }
        if cells[Int(step)].waiting <= 0 { enqueue(step) }
    }

    /// Forgets what is ready or waits for a node, and says what it was: those steps stay pending.
    mutating func dismissReady() -> [StepIndex] {
        var dismissed = Array(ready)
        ready.removeAll()
        for i in pools.indices { dismissed += pools[i].dismissWaiters() }
        for step in dismissed { cells[Int(step)].isQueued = false }
        return dismissed.filter { mayStart($0) }
    }

    /// Ends the waiting for one retry, when there is one: its step is ready at once.
    mutating func dismissRetry(_ step: StepIndex, into turn: inout Turn) {
        if retrying.contains(step) { retryIsDue(step, into: &turn) }
    }

    /// Ends the waiting for retries that are still to come: their timers go with the turn, and they are ready at once.
    mutating func dismissRetries(into turn: inout Turn) {
        let dismissed = retrying.sorted()
        turn.timersCleared += dismissed.map { StepID(plan: row.id, index: $0) }
        retrying.removeAll()
        for step in dismissed where cells[Int(step)].state == .pending { enqueue(step) }
    }

    /// Takes back the plan's state changes that are legal; an illegal one is a bug of the caller.
    mutating func become(_ state: PlanState, into turn: inout Turn) {
        precondition(row.state.mayBecome(state), "a plan that is \(row.state) cannot become \(state)")
        row.state = state
        rowIsDirty = true
    }
}
