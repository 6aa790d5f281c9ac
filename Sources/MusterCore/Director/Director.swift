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
        case callEnded(ActionCall.ID, CallEnd)
        /// The answer to `Directive.inquireCall`.
        case callFound(ActionCall.ID, isUnderWay: Bool)
        /// A call has appended to its step's output.
        case wrote(ActionCall.ID, String)
        /// The answer to `Directive.plan`.
        case planned(PlanID, Result<ChildPlan, StepError>)
        /// The answer to `Directive.lookUp`: a plan's row; nil when there is none.
        case prerequisiteFound(PlanID, PlanRow?, for: PlanID)
        /// What the plans in question hold, after a turn in which some asked or let go.
        case permitsFound([PermitRow])
        /// The answer to `Directive.survey`: this try of a step runs on the node.
        case operationFound(StepID, number: Int32, on: NodeID)
        /// What was said of a node.
        case reported(NodeReport)
        /// A node was brought into this state of its lifecycle by a command.
        case powered(NodeID, NodeState)
        /// A node may have written reports into its file.
        case reportsWaiting(NodeID)
        /// The answer to `NodeDirective.readReports`.
        case reportsRead(NodeID, ReportBatch)
        /// What became of a `Directive.errand`: why it failed, or nil.
        case errandEnded(Errand, failure: String?)
        /// A command to a node could not be sent.
        case commandFailed(NodeID, Rung, attempt: Int, reason: String)
        /// Time has passed: timers may be due.
        case woke
    }

    var runs = Shelf<RunMachine>()
    var programs = Shelf<ProgramMachine>()
    /// The sub-plans of each plan that have not ended.
    var subPlans: [PlanID: Set<PlanID>] = [:]
    var context: RunContext
    var errands = Errands()
    var shared: ProgramContext
    /// Whether it can have the actions of programs performed.
    let performsPrograms: Bool
    /// Scheduled plans that wait for the end of a plan.
    var dependents: [PlanID: Set<PlanID>] = [:]
    /// Plans of which something waits for a limit.
    var askers: Set<PlanID> = []
    /// Whether calls of programs' actions are left to the next conductor: this one ends.
    package var beginsNoCalls = false
    var timers = TimerQueue()
    var expiries = Expiries()
    /// Runs that wait for others to let go of their machines, in the order they came.
    var queue: [PlanID] = []
    var touched: Set<PlanID> = []
    var planNumbers: NumberRange
    /// Unfinished runs that do something to nodes as a whole.
    var ordering: Set<PlanID> = []
    /// Nodes to which a running step has sent a command.
    var commanded: [NodeID: Commanded] = [:]
    /// Nodes of which only their own word is missing to be ready.
    var reporting: [NodeID: Reporting] = [:]
    /// Events of the present term so far.
    private var lastEvent: Int64
    let host: String
    /// Plans whose rows are broken, with what is wrong: they are left alone, and their users are told.
    package internal(set) var broken: [PlanID: String] = [:]
    /// Rows of unfinished plans that are not its own to decide: broken ones, and those of other hosts.
    var rowsAside: [PlanID: PlanRow] = [:]
    /// Plans of programs that this conductor cannot have performed.
    var foreignPrograms: Set<PlanID> = []

    /// - Parameters:
    ///   - seed: for the jitter of retries.
    ///   - capabilities: what drivers can do to nodes as a whole, by their kind.
    ///   - rungs: how drivers can reboot and power nodes, by their kind.
    ///   - policies: how runs of tests are decided; the same for a run as long as it lasts.
    ///   - queues: how many calls of programs' actions may be performed at once, by queue; nil when none can be.
    package init(
        _ snapshot: Snapshot,
        host: String,
        seed: UInt64,
        queues: [String: Int]? = nil,
        capabilities: [String: Set<Capability>] = [:],
        rungs: [String: Set<Rung>] = [:],
        policies: TestPolicies = .declared
    ) {
        self.host = host
        performsPrograms = queues != nil
        shared = ProgramContext(queues: WorkQueues(sizes: queues ?? [:]), chance: SeededChance(seed: seed))
        planNumbers = NumberRange(after: snapshot.lastPlan)
        lastEvent = snapshot.lastEvent
        context = RunContext(
            nodes: NodeTable(lastNumber: snapshot.lastNode),
            chance: SeededChance(seed: seed),
            specs: [:]
        )
        context.capabilities = capabilities
        context.rungs = rungs
        context.policies = policies
        adopt(snapshot)
    }

    /// Takes in plans and nodes that were somebody else's, or nobody's, before. `settle` comes next.
    package mutating func adopt(_ snapshot: Snapshot) {
        context.nodes.add(snapshot.nodes)
        context.states.adopt(snapshot.modeSets, snapshot.nodeStates, snapshot.reportMarks) { [nodes = context.nodes] in
            nodes.lab(of: $0)
        }
        errands.adopt(snapshot.noticeSinks, snapshot.errands)
        context.states.reportPositions.merge(snapshot.reportPositions) { $1 }
        context.specs.merge(snapshot.specs) { $1 }
        for (plan, spec) in snapshot.specs { expiries.note(plan, spec) }
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
            if adoptProgram(stored) { continue }
            runs[stored.row.id] = RunMachine(restoring: stored, nodes: context.nodes, policies: context.policies)
            context.specs[stored.row.id] = stored.spec
            expiries.note(stored.row.id, stored.spec)
            if let run = runs[stored.row.id] { adoptOrders(of: run) }
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
    package mutating func nextDue() -> Timestamp? {
        [timers.nextDue(), context.states.nextDue(), errands.nextDue, expiries.nextDue].compactMap(\.self).min()
    }

    /// Whether a plan's rows are not its own to decide.
    func isAside(_ plan: PlanID) -> Bool { rowsAside[plan] != nil || broken[plan] != nil }

    // MARK: A turn

    package mutating func handle(_ event: Event, into turn: inout Turn) {
        switch event {
        case .requested(let row):
            if isOfForeignProgram(row.request) { break }
            turn.requestsDone.append(row.id)
            answer(row, into: &turn)
        case .submitted(let submission):
            submit(submission.token, submission.spec, steps: submission.steps, into: &turn)
        case .actEnded(let act, let outcome):
            if awaitsReport(act, outcome, into: &turn) { break }
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
        case .callEnded, .callFound, .wrote, .planned, .prerequisiteFound, .permitsFound:
            handleProgram(event, into: &turn)
        case .operationFound(let step, let number, let node): found(step, number, on: node, into: &turn)
        case .reported(let report): take(report, into: &turn)
        case .powered(let node, let state): context.states.powered(node, to: state, into: &turn)
        case .errandEnded(let errand, let failure): errandEnded(errand, failure, into: &turn)
        case .reportsWaiting(let node): lookForReports(of: node, into: &turn)
        case .reportsRead(let node, let batch): take(batch, of: node, into: &turn)
        case .commandFailed(let node, let rung, let attempt, let reason):
            context.states.handle(.commandFailed(rung, attempt: attempt, reason), of: node, into: &turn)
        case .woke: break
        }
        fireTimers(into: &turn)
        endLifetimes(into: &turn)
        context.states.advance(into: &turn)
        followOrders(into: &turn)
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
        var plans = Int64(events) + Int64(expiries.labCount)
        var nodes = Int64(events)
        for case .submit(_, let spec) in requests.map(\.request) {
            plans += 1
            nodes += spec.placeCount
        }
        for run in runs.values { nodes += run.spec.placeCount }
        // Each call of a program's action may have planned a batch of sub-plans.
        if !programs.isEmpty { plans += Int64(events * ProgramMachine.childrenAtOnce) }
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
        settleOrders(of: labs, into: &turn)
        goOnWithPrograms(into: &turn)
        context.states.settle(into: &turn)
        errands.goOn(labs, into: &turn)
        survey(context.nodes.all.filter { labs?.contains($0.lab) ?? true }, into: &turn)
    }

    private mutating func fireTimers(into turn: inout Turn) {
        while let key = timers.takeDue(at: turn.now) {
            touched.insert(key.plan)
            if case .step(let step) = key, runs[step.plan] != nil {
                if orderTimerIsDue(step, into: &turn) || reportIsOverdue(step, into: &turn) { continue }
                runs[step.plan]?.retryIsDue(step.index, in: &context, into: &turn)
            } else {
                programTimerIsDue(key, into: &turn)
            }
        }
    }

    /// Completes a turn: what changed becomes rows, events get their numbers, what has stopped is let go.
    package mutating func close(_ turn: inout Turn) {
        followNodes(into: &turn)
        letQueuedRunsIn(&turn)
        followOrders(into: &turn)
        settlePrograms(into: &turn)
        withdraw(from: &turn)
        var hasStoppedRuns = false
        for id in touched.sorted() {
            if closeProgram(id, into: &turn) { continue }
            // Changed in place: to take a run out of the dictionary, only to look at it, would copy it.
            guard runs[id]?.fillRows(into: &turn) == .some(true) else { continue }
            runs[id] = nil
            ordering.remove(id)
            timers.clear(plan: id)
            hasStoppedRuns = true
        }
        touched.removeAll(keepingCapacity: true)
        followNodes(into: &turn)
        makeErrands(into: &turn)
        context.nodes.fillRows(into: &turn)
        if hasStoppedRuns {
            let creators = Set(context.nodes.all.map(\.createdBy))
            context.specs = context.specs.filter { runs[$0.key] != nil || creators.contains($0.key) }
            expiries.keep { context.specs[$0] != nil }
        }
        turn.settleTimers()
        for timer in turn.timersSet { timers.set(timer) }
        for row in turn.signalsSet {
            if let dueAt = row.dueAt { timers.set(.signal(row.step, number: row.number), at: dueAt) }
        }
        for step in turn.timersCleared { timers.clear(step) }
        for index in turn.events.indices {
            lastEvent += 1
            turn.events[index].number = lastEvent
        }
    }

    /// What was begun and ended in this very turn, by a halt or by an outcome that was on its way, is not begun.
    private func withdraw(from turn: inout Turn) {
        if beginsNoCalls {
            turn.directives.removeAll { directive in
                switch directive {
                case .call, .plan: true
                case .perform, .inquire, .interrupt, .watch, .cancelCall, .inquireCall, .lookUp, .survey,
                    .node, .errand:
                    false
                }
            }
        }
        guard turn.hasWithdrawn else { return }
        turn.directives.removeAll { directive in
            switch directive {
            case .perform(let act):
                guard let plan = runs[act.step.plan]?.plan else { return true }
                return plan.state(of: act.step.index) != .running || plan.tries(of: act.step.index) != act.number
            case .call(let call): return programs[call.id.step.plan]?.isCurrent(call.id) != true
            case .inquire, .interrupt, .watch, .survey, .cancelCall, .inquireCall, .plan, .lookUp, .node, .errand:
                return false
            }
        }
    }
}

extension RunSpec {
    /// How many nodes there may be of it at once.
    fileprivate var placeCount: Int64 { groups.reduce(0) { $0 + Int64($1.places) } }
}
