/// Decides everything a conductor owns: its runs, their nodes and timers. A value; it owns no clock, thread or
/// connection.
///
/// The conductor hands it what happened, one event after another, and then closes the turn; what the turn holds is
/// committed whole and only then performed. The Director's memory is a cache of rows: after a failed commit it is
/// thrown away and made again from the store.
package struct Director: Sendable {
    package enum Event: Sendable {
        /// A client asked for something.
        case requested(RequestRow)
        /// This process itself asked for something.
        case submitted(PlanSubmission)
        case actEnded(Act, ActOutcome)
        /// The answer to `Directive.inquire`.
        case actFound(Act, ActStatus)
        case nodeLost(NodeID, reason: String)
        /// The answer to `Directive.survey`: this try of a step runs on the node.
        case operationFound(StepID, number: Int32, on: NodeID)
        /// Time has passed: timers may be due.
        case woke
    }

    private(set) var runs: [PlanID: RunMachine] = [:]
    private(set) var context: RunContext
    private var timers = TimerQueue()
    /// Runs that wait for others to let go of their machines, in the order they came.
    private var queue: [PlanID] = []
    private var touched: Set<PlanID> = []
    private var planNumbers: NumberRange
    /// Events of the present term so far.
    private var lastEvent: Int64
    private let host: String
    /// Plans whose rows are broken, with what is wrong: they are left alone, and their users are told.
    package private(set) var broken: [PlanID: String] = [:]
    /// Rows of unfinished plans that are not its own to decide: broken ones, and those of other hosts.
    private var rowsAside: [PlanID: PlanRow] = [:]

    /// - Parameter seed: for the jitter of retries.
    package init(_ snapshot: Snapshot, host: String, seed: UInt64) {
        self.host = host
        planNumbers = NumberRange(after: snapshot.lastPlan)
        lastEvent = snapshot.lastEvent
        context = RunContext(
            nodes: NodeTable(lastNumber: snapshot.lastNode),
            chance: SeededChance(seed: seed),
            specs: [:]
        )
        adopt(snapshot)
    }

    /// Takes in plans and nodes that were somebody else's, or nobody's, before. `settle` comes next.
    package mutating func adopt(_ snapshot: Snapshot) {
        context.nodes.add(snapshot.nodes)
        context.specs.merge(snapshot.specs) { $1 }
        broken.merge(snapshot.broken) { $1 }
        rowsAside.merge(snapshot.brokenRows) { $1 }
        for stored in snapshot.plans.sorted(by: { $0.row.id < $1.row.id }) {
            guard stored.row.host == host else {
                rowsAside[stored.row.id] = stored.row
                continue
            }
            if let flaw = stored.flaw ?? stored.flaw(among: context) {
                broken[stored.row.id] = flaw
                rowsAside[stored.row.id] = stored.row
                continue
            }
            runs[stored.row.id] = RunMachine(restoring: stored, nodes: context.nodes)
            context.specs[stored.row.id] = stored.spec
            for timer in stored.timers.sorted(by: { $0.dueAt < $1.dueAt }) { timers.set(timer) }
            if stored.row.state == .pending { queue.append(stored.row.id) }
        }
    }

    // MARK: Looking

    package var runIDs: [PlanID] { runs.keys.sorted() }
    package func run(_ id: PlanID) -> RunMachine? { runs[id] }
    package func node(_ id: NodeID) -> NodeRow? { context.nodes[id] }
    package func node(lab: String, _ name: NodeName) -> NodeRow? { context.nodes.current(lab: lab, name) }
    package func nodes(lab: String) -> [NodeRow] { context.nodes.of(lab: lab) }
    /// Nodes whose servers and supervisors are to be watched.
    package var watchedNodes: [NodeRow] {
        context.nodes.all.filter { $0.state == .ready || $0.state == .starting }.sorted { $0.id < $1.id }
    }
    /// The request by which a node was made.
    package func spec(_ plan: PlanID) -> RunSpec? { context.specs[plan] }
    /// When something is due by itself; nil when nothing is.
    package mutating func nextDue() -> Timestamp? { timers.nextDue() }

    /// Whether a plan's rows are not its own to decide.
    func isAside(_ plan: PlanID) -> Bool { rowsAside[plan] != nil || broken[plan] != nil }

    // MARK: A turn

    package mutating func handle(_ event: Event, into turn: inout Turn) {
        switch event {
        case .requested(let row):
            turn.requestsDone.append(row.id)
            answer(row, into: &turn)
        case .submitted(let submission):
            submit(submission.token, submission.spec, steps: submission.steps, into: &turn)
        case .actEnded(let act, let outcome):
            touched.insert(act.step.plan)
            runs[act.step.plan]?.actEnded(act, outcome, in: &context, into: &turn)
        case .actFound(let act, let status):
            touched.insert(act.step.plan)
            runs[act.step.plan]?.actFound(act, status, in: &context, into: &turn)
        case .nodeLost(let node, let reason):
            guard let row = context.nodes[node], [.creating, .starting, .ready].contains(row.state) else { break }
            if let holder = row.heldBy, runs[holder] != nil {
                touched.insert(holder)
                runs[holder]?.nodeLost(node, reason: reason, in: &context, into: &turn)
            } else {
                context.nodes.move(node, to: .lost, reason: reason, plan: nil, into: &turn)
            }
        case .operationFound(let step, let number, let node): found(step, number, on: node, into: &turn)
        case .woke: break
        }
        fireTimers(into: &turn)
    }

    /// The events of a new term are numbered from 1.
    package mutating func beginTerm() { lastEvent = 0 }

    /// Makes new plans and nodes under these numbers from now on.
    package mutating func use(_ block: NumberBlock) {
        planNumbers = NumberRange(block.plans)
        context.nodes.numbers = NumberRange(block.nodes)
    }

    /// How many numbers a turn with these requests and this many other events may want, when there are too few left;
    /// nil when there are enough.
    ///
    /// A request or another submission makes at most one plan and its nodes; any event may replace the node in each
    /// place of each run.
    package func numbersWanted(for requests: [RequestRow], events: Int) -> (plans: Int64, nodes: Int64)? {
        var plans = Int64(events)
        var nodes = Int64(events)
        for case .submit(_, let spec) in requests.map(\.request) {
            plans += 1
            nodes += spec.placeCount
        }
        for run in runs.values { nodes += run.spec.placeCount }
        if plans <= planNumbers.left, nodes <= context.nodes.numbers.left { return nil }
        return (plans, nodes)
    }

    /// Asks what is true of all that may have been begun before it was taken in.
    ///
    /// - Parameter labs: whose plans were taken in just now; nil for all.
    package mutating func settle(_ labs: Set<String>? = nil, into turn: inout Turn) {
        for id in runs.keys.sorted() where runs[id].map({ labs?.contains($0.spec.lab) ?? true }) == true {
            touched.insert(id)
            runs[id]?.settle(in: &context, into: &turn)
        }
        survey(context.nodes.all.filter { labs?.contains($0.lab) ?? true }, into: &turn)
    }

    private mutating func fireTimers(into turn: inout Turn) {
        while let step = timers.takeDue(at: turn.now) {
            touched.insert(step.plan)
            runs[step.plan]?.retryIsDue(step.index, in: &context, into: &turn)
        }
    }

    /// Completes a turn: what changed becomes rows, events get their numbers, what has stopped is let go.
    package mutating func close(_ turn: inout Turn) {
        letQueuedRunsIn(&turn)
        // What was begun and ended in this very turn, by a halt or by an outcome that was on its way, is not begun.
        if turn.hasWithdrawn {
            turn.directives.removeAll { directive in
                guard case .perform(let act) = directive else { return false }
                guard let plan = runs[act.step.plan]?.plan else { return true }
                return plan.state(of: act.step.index) != .running || plan.tries(of: act.step.index) != act.number
            }
        }
        var hasStoppedRuns = false
        for id in touched.sorted() {
            // Changed in place: to take a run out of the dictionary, only to look at it, would copy it.
            guard runs[id]?.fillRows(into: &turn) == .some(true) else { continue }
            runs[id] = nil
            timers.clear(plan: id)
            hasStoppedRuns = true
        }
        touched.removeAll(keepingCapacity: true)
        context.nodes.fillRows(into: &turn)
        if hasStoppedRuns {
            let creators = Set(context.nodes.all.map(\.createdBy))
            context.specs = context.specs.filter { runs[$0.key] != nil || creators.contains($0.key) }
        }
        // What was both set and cleared in one turn ends cleared: `timersCleared` is applied last.
        for timer in turn.timersSet { timers.set(timer) }
        for step in turn.timersCleared { timers.clear(step) }
        for index in turn.events.indices {
            lastEvent += 1
            turn.events[index].number = lastEvent
        }
    }

    // MARK: Requests

    private mutating func answer(_ row: RequestRow, into turn: inout Turn) {
        switch row.request {
        case .submit(let token, let spec): submit(token, spec, into: &turn)
        case .resume(let id):
            if runs[id] == nil { return refuse(row, of: id, into: &turn) }
            resume(id, into: &turn)
        case .takeUp(let id):
            if runs[id] == nil { return refuse(row, of: id, into: &turn) }
            if runs[id]?.isHeld == true { resume(id, into: &turn) }
        case .cancel(let id):
            if runs[id] == nil { return refuse(row, of: id, into: &turn) }
            cancel(id, into: &turn)
        case .halt(let id):
            if broken[id] != nil, let aside = rowsAside[id], aside.host == host {
                return giveUp(aside, into: &turn)
            }
            if runs[id] == nil { return refuse(row, of: id, into: &turn) }
            touched.insert(id)
            runs[id]?.halt(nil, nodes: &context.nodes, into: &turn)
            queue.removeAll { $0 == id }
        }
    }

    /// Says why nothing is done about a run that is not among its own. Silence would leave the client waiting.
    private func refuse(_ row: RequestRow, of id: PlanID, into turn: inout Turn) {
        let reason: Refusal.Reason =
            if let aside = rowsAside[id], aside.host != host {
                .otherHost(id, host: aside.host)
            } else if let flaw = broken[id] {
                .broken(id, flaw: flaw)
            } else {
                .ended(id)
            }
        turn.emit(.requestRefused, plan: id, detail: Refusal(token: Refusal.token(of: row.id), reason: reason).text)
    }

    /// Ends a run whose rows cannot be gone on with: by its own row alone, as its steps cannot be believed. Its
    /// machines stay, and may be taken down.
    private mutating func giveUp(_ row: PlanRow, into turn: inout Turn) {
        let flaw = broken.removeValue(forKey: row.id) ?? ""
        rowsAside[row.id] = nil
        var row = row
        row.state = .stopped
        row.result = .cancelled
        row.reason = "halted; it was broken: \(flaw)"
        row.endedAt = turn.now
        turn.plans.append(row)
        for node in context.nodes.of(lab: row.lab) {
            if node.createdBy == row.id, node.state == .creating || node.state == .starting {
                let reason = "its run was broken and is halted"
                context.nodes.move(node.id, to: .failed, reason: reason, plan: row.id, into: &turn)
            }
            if node.heldBy == row.id { context.nodes.change(node.id) { $0.heldBy = nil } }
        }
        // What it has running nobody knows but the nodes.
        survey(context.nodes.of(lab: row.lab), into: &turn)
        turn.emit(.planHalted, plan: row.id, detail: flaw)
        turn.emit(.planStopped, plan: row.id, detail: row.result.rawValue)
    }

    /// Goes on with a run as if somebody had asked for it.
    package mutating func goOn(with id: PlanID, into turn: inout Turn) { resume(id, into: &turn) }

    private mutating func resume(_ id: PlanID, into turn: inout Turn) {
        // A run that has stopped in this very turn is still known.
        guard let run = runs[id], !run.plan.row.state.isFinal else { return }
        touched.insert(id)
        if run.isHeld {
            // What a waiting `down` cancelled was interrupted with it.
            if run.plan.row.state == .pending { cancelRivals(of: id, run.spec, into: &turn) }
        }
        runs[id]?.resume(in: &context, into: &turn)
    }

    private mutating func cancel(_ id: PlanID, into turn: inout Turn) {
        guard let run = runs[id] else { return }
        touched.insert(id)
        switch run.plan.row.state {
        case .pending: runs[id]?.halt("cancelled", nodes: &context.nodes, into: &turn)
        case .paused where run.keepsMachines(failed: true) || run.plan.row.phase == .teardown:
            runs[id]?.halt("cancelled", nodes: &context.nodes, into: &turn)
        case .running, .paused:
            runs[id]?.cancel(nodes: &context.nodes, into: &turn)
            // A run nobody went on with is taken up again to be ended properly.
            if run.isHeld { resume(id, into: &turn) }
        case .scheduled, .planning, .planned, .stopped: break
        }
        queue.removeAll { $0 == id }
    }

    private mutating func submit(
        _ token: String,
        _ spec: RunSpec,
        steps: [PlanSubmission.Step] = [],
        into turn: inout Turn
    ) {
        if let refusal = refusal(of: spec) {
            turn.emit(.requestRefused, detail: Refusal(token: token, reason: refusal).text)
            return
        }
        let id = PlanID(planNumbers.take())
        let row = PlanRow(
            id: id,
            request: token,
            verb: spec.verb,
            lab: spec.lab,
            host: host,
            epoch: turn.epoch,
            createdAt: turn.now
        )
        runs[id] = RunMachine(row: row, spec: spec)
        runs[id]?.plan.rowIsDirty = true
        context.specs[id] = spec
        touched.insert(id)
        turn.newSpecs[id] = spec
        turn.emit(.planCreated, plan: id)
        runs[id]?.append(steps)
        if spec.verb == .down {
            cancelRivals(of: id, spec, into: &turn)
            queue.append(id)
        } else {
            start(id, into: &turn)
        }
    }

    /// Ends what a `down` takes the machines of. Another `down` is waited for, unless nobody went on with it.
    private mutating func cancelRivals(of id: PlanID, _ spec: RunSpec, into turn: inout Turn) {
        for rival in rivals(of: id, spec) where runs[rival]?.spec.verb != .down || runs[rival]?.isHeld == true {
            cancel(rival, into: &turn)
        }
    }

    private mutating func start(_ id: PlanID, into turn: inout Turn) {
        guard let spec = runs[id]?.spec else { return }
        touched.insert(id)
        runs[id]?.begin(into: &turn)
        switch spec.verb {
        case .up, .test: runs[id]?.expand(in: &context, into: &turn)
        case .exec: runs[id]?.expandExec(in: context)
        case .plan: break
        case .down:
            let doomed = doomed(by: spec)
            for node in doomed { context.nodes.change(node.id) { $0.heldBy = id } }
            runs[id]?.appendTeardown(of: doomed, in: context)
        }
        runs[id]?.advance(nodes: &context.nodes, into: &turn)
    }

    /// Starts the runs that waited for machines which are free now.
    private mutating func letQueuedRunsIn(_ turn: inout Turn) {
        for id in queue.sorted(by: comesBefore) {
            guard let spec = runs[id]?.spec, runs[id]?.isHeld == false else { continue }
            let rivals = rivals(of: id, spec)
            for rival in rivals {
                guard let row = runs[rival]?.plan.row else { continue }
                touched.insert(rival)
                if row.state == .paused { runs[rival]?.halt("taken down", nodes: &context.nodes, into: &turn) }
            }
            guard self.rivals(of: id, spec).isEmpty else { continue }
            queue.removeAll { $0 == id }
            start(id, into: &turn)
        }
    }

    /// Other unfinished runs that hold, or are about to make, machines of the same groups.
    private func rivals(of id: PlanID?, _ spec: RunSpec) -> [PlanID] {
        let groups = Set(
            spec.verb == .down ? doomed(by: spec).map(\.name.group) + spec.downGroups : spec.groups.map(\.name)
        )
        return runs.values.filter { run in
            guard run.id != id, run.spec.lab == spec.lab, run.spec.verb != .exec, run.spec.verb != .plan,
                !run.plan.row.state.isFinal
            else {
                return false
            }
            // Of two that take down, the one that came later waits.
            let bothTakeDown = spec.verb == .down && run.spec.verb == .down
            if bothTakeDown, let id, run.plan.row.state == .pending, comesBefore(id, run.id) { return false }
            if spec.verb == .down && spec.downGroups.isEmpty { return true }
            return run.spec.groups.contains { groups.contains($0.name) }
                || run.spec.verb == .down
                    && (run.spec.downGroups.isEmpty || !groups.isDisjoint(with: run.spec.downGroups))
        }.map(\.id).sorted()
    }

    private func doomed(by spec: RunSpec) -> [NodeRow] {
        context.nodes.of(lab: spec.lab).filter { spec.downGroups.isEmpty || spec.downGroups.contains($0.name.group) }
    }

    private func refusal(of spec: RunSpec) -> Refusal.Reason? {
        switch spec.verb {
        case .up, .test:
            guard let rival = rivals(of: nil, spec).first, let run = runs[rival] else { return nil }
            let shared = run.spec.groups.map(\.name).filter { name in spec.groups.contains { $0.name == name } }
            return .inUse(by: rival, verb: run.spec.verb, groups: shared)
        case .down:
            guard !spec.downGroups.isEmpty else { return nil }
            for node in context.nodes.of(lab: spec.lab) where !spec.downGroups.contains(node.name.group) {
                let needs = self.spec(node.createdBy)?.machinesNeeded(by: node.name.group) ?? []
                if let needed = needs.first(where: { spec.downGroups.contains($0) }) {
                    return .needed(group: needed, by: node.name.group)
                }
            }
            return nil
        case .plan: return nil
        case .exec:
            for name in spec.exec?.nodes ?? [] {
                guard let node = context.nodes.current(lab: spec.lab, name) else { return .noNode(name, state: nil) }
                if node.state != .ready { return .noNode(name, state: node.state) }
            }
            return nil
        }
    }
}

extension RunSpec {
    /// How many nodes there may be of it at once.
    fileprivate var placeCount: Int64 { groups.reduce(0) { $0 + ($1.hasNodes ? Int64($1.count) : 0) } }

    /// The groups that a group needs, also through groups without machines, which only pass on what they wait for.
    fileprivate func machinesNeeded(by name: String) -> [String] {
        var found: [String] = []
        var open = [name]
        while let next = open.popLast() {
            for need in groups.first(where: { $0.name == next })?.needs ?? [] where !found.contains(need.group) {
                found.append(need.group)
                if groups.first(where: { $0.name == need.group })?.hasNodes == false { open.append(need.group) }
            }
        }
        return found
    }
}
