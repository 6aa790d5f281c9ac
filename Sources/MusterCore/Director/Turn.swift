/// What one turn of the conductor decided: rows and events for the store, directives for the performer.
///
/// Only `Store.commit` reads the rows and events, only the performer the directives, and that after the commit.
package struct Turn: Sendable {
    package let now: Timestamp
    package let epoch: Epoch
    package let conductor: ConductorID
    package var plans: [PlanRow] = []
    /// The request of each plan that this turn creates.
    package var newSpecs: [PlanID: RunSpec] = [:]
    package var steps: [StepRow] = []
    package var nodes: [NodeRow] = []
    package var timersSet: [TimerRow] = []
    /// Applied after `timersSet`.
    package var timersCleared: [StepID] = []
    /// How many timers were cleared before each that was set after some were.
    private var clearedBefore: [StepID: Int] = [:]
    package var attempts: [AttemptRow] = []
    package var events: [EventRow] = []
    /// Requests that this turn has answered; they leave the inbox with it.
    package var requestsDone: [Int64] = []
    package var signalsSet: [SignalRow] = []
    package var signalsCleared: [SignalRow] = []
    package var chunks: [ChunkRow] = []
    /// Steps that ask for a limit; granted in the store, in the order of their priorities and of asking.
    package var asks: [PermitRow] = []
    /// Steps that let go of what they held and waited for, before `asks`.
    package var releases: [StepID] = []
    /// Nodes whose mode or state, or what belongs to it, has changed: each once, as it is at the end.
    package private(set) var nodeStates: [NodeStateRow] = []
    private var nodeStatePlaces: [NodeID: Int] = [:]
    package var nodeStatesGone: [NodeID] = []
    /// Mode tables that labs take up.
    package var modeSets: [String: ModeSet] = [:]
    package var reportMarks: [ReportMark] = []
    /// How far files of reports are read by now.
    package var reportPositions: [NodeID: ReportPosition] = [:]
    /// What is to be done outside from now on, and what is done with. The latter goes after.
    package var errandsNew: [ErrandRow] = []
    package var errandsDone: [ErrandDone] = []
    /// Where notifications of labs go from now on.
    package var noticeSinks: [String: [NoticeSink]] = [:]
    /// What has happened to nodes' states and was not looked at yet by those who wait for it.
    var happenings: [NodeHappening] = []
    /// How many of `happenings` those have looked at who wait for commands to end.
    var happeningsSeen = 0
    package var directives: [Directive] = []
    /// How many of `directives` were looked through for those that the Director carries out itself.
    var directivesSeen = 0
    /// Whether a step has ended for which `directives` has a `.perform`.
    var hasWithdrawn = false

    package init(now: Timestamp, epoch: Epoch, conductor: ConductorID = .sole) {
        self.now = now
        self.epoch = epoch
        self.conductor = conductor
    }

    package init(now: Timestamp, term: Term) { self.init(now: now, epoch: term.epoch, conductor: term.conductor) }

    /// Makes room for what so many outcomes bring about: each ends a step and, on the whole, begins another.
    package mutating func reserve(outcomes count: Int) {
        events.reserveCapacity(2 * count)
        directives.reserveCapacity(count)
    }

    /// Sets a timer, also where this turn has cleared it before: what was said last counts.
    mutating func setTimer(_ step: StepID, at dueAt: Timestamp) {
        timersSet.append(TimerRow(step: step, dueAt: dueAt))
        if !timersCleared.isEmpty { clearedBefore[step] = timersCleared.count }
    }

    /// Leaves of what was set and cleared in turns what was said last.
    mutating func settleTimers() {
        guard !clearedBefore.isEmpty else { return }
        let cleared = timersCleared
        timersCleared = []
        for (place, step) in cleared.enumerated() where clearedBefore[step].map({ place >= $0 }) ?? true {
            timersCleared.append(step)
        }
        clearedBefore = [:]
    }

    /// Whether there is anything to commit.
    package var hasChanges: Bool {
        !(plans.isEmpty && steps.isEmpty && nodes.isEmpty && timersSet.isEmpty && timersCleared.isEmpty
            && attempts.isEmpty && events.isEmpty && requestsDone.isEmpty && signalsSet.isEmpty
            && signalsCleared.isEmpty && chunks.isEmpty && asks.isEmpty && releases.isEmpty && nodeStates.isEmpty
            && nodeStatesGone.isEmpty && modeSets.isEmpty && reportMarks.isEmpty && reportPositions.isEmpty
            && errandsNew.isEmpty && errandsDone.isEmpty && noticeSinks.isEmpty)
    }

    /// The node is so now, whatever it was before in this turn.
    package mutating func put(_ row: NodeStateRow) {
        if let place = nodeStatePlaces[row.node] {
            nodeStates[place] = row
        } else {
            nodeStatePlaces[row.node] = nodeStates.count
            nodeStates.append(row)
        }
    }
}

extension Turn {
    /// Notes that something happened. The position is given when the turn is complete.
    mutating func emit(
        _ kind: EventRow.Kind,
        plan: PlanID? = nil,
        step: StepIndex? = nil,
        node: NodeID? = nil,
        detail: String? = nil
    ) {
        events.append(
            EventRow(
                position: 0,
                epoch: epoch,
                at: now,
                kind: kind,
                plan: plan,
                step: step,
                node: node,
                detail: detail
            )
        )
    }
}

/// One try of one step, for the performer.
package struct Act: Hashable, Sendable {
    package var step: StepID
    /// From 1.
    package var number: Int32
    package var spec: StepSpec
    /// The node it concerns, its own or the one it got from its pool.
    package var node: NodeID?
    /// Whether another conductor may have begun it. Such an act is inquired first; performed, its end is only waited
    /// for.
    package var isInDoubt: Bool

    package init(step: StepID, number: Int32, spec: StepSpec, node: NodeID?, isInDoubt: Bool) {
        self.step = step
        self.number = number
        self.spec = spec
        self.node = node
        self.isInDoubt = isInDoubt
    }
}

/// Something to do after the commit. Derived, never stored: after a crash it is derived again from the rows.
package enum Directive: Hashable, Sendable {
    case perform(Act)
    /// Ask the driver what is true of an act that may have been begun: `Director.Event.actFound` answers.
    case inquire(Act)
    /// End what this act runs: TERM, and KILL after the grace. Its outcome still arrives.
    case interrupt(Act)
    /// Watch a node for the loss of its server or supervisor.
    case watch(NodeID)
    /// Call an action of a program: `Director.Event.callEnded` answers.
    case call(ActionCall)
    /// Tell a call that it is to end. Its outcome still arrives.
    case cancelCall(ActionCall.ID, byForce: Bool)
    /// Say whether a call that was begun is under way: `Director.Event.callFound` answers.
    case inquireCall(ActionCall.ID)
    /// Have the root action of a plan make its steps: `Director.Event.planned` answers.
    case plan(PlanID)
    /// Look up how plans ended that are not among its own: `Director.Event.prerequisiteFound` answers.
    case lookUp([PlanID], for: PlanID)
    /// Ask the driver what runs on a node: `Director.Event.operationFound` tells of each.
    case survey(NodeID)
    /// What a node's mode and state have brought about.
    case node(NodeDirective)
    /// Do something outside: `Director.Event.errandEnded` answers.
    case errand(Errand)
}

/// What is true of an act that may have been begun by a conductor that is gone.
package enum ActStatus: Hashable, Sendable {
    case ended(ActOutcome)
    case running
    case neverStarted
    /// Nobody can tell, for this reason.
    case unknown(String)
}

/// What becomes of an act of which nobody can tell whether it was done.
package enum ActRecovery: String, Hashable, Sendable, Codable, CaseIterable {
    /// Performed again, which finds what is there and makes up only for what is missing.
    case reconcile
    /// Performed again: twice does what once does.
    case idempotent
    /// Not performed again unless a person says so: the run pauses with the reason.
    case never
    /// Counted as lost to infrastructure, and repeated under another number.
    case infra
}

/// What came of an act.
package enum ActOutcome: Hashable, Sendable {
    /// It is done; a node that was created has facts.
    case succeeded(facts: [String: String])
    /// A process ran and ended.
    case exited(ProcessExit)
    case failed(StepError)
}
