/// What the store keeps of a plan. Everything but the request it came from may change in a turn.
package struct PlanRow: Hashable, Sendable {
    package var id: PlanID
    /// The request that asked for it, so that its author finds it: unique.
    package var request: String
    package var verb: Verb
    package var lab: String
    package var state: PlanState
    package var result: PlanResult
    package var phase: PlanPhase
    /// Somebody asked for it to end: what runs is ended, nothing new starts, then the machines go as `keep` says.
    package var isCancelling: Bool
    /// … by force: what is suspended and does not listen is not waited for.
    package var isAborting = false
    /// Why it is paused or how it ended, in words; nil when there is nothing to say.
    package var reason: String?
    /// The host whose supervisors and files it needs; only a conductor there may claim it.
    package var host: String
    /// The conductor's epoch that owns it.
    package var epoch: Epoch
    /// The step whose sub-plan it is.
    package var parent: StepID?
    /// A scheduled plan that does not begin until somebody says so.
    package var isFrozen: Bool
    package var createdAt: Timestamp
    package var startedAt: Timestamp?
    package var endedAt: Timestamp?

    package init(
        id: PlanID,
        request: String,
        verb: Verb,
        lab: String,
        host: String,
        epoch: Epoch,
        createdAt: Timestamp,
        parent: StepID? = nil,
        isFrozen: Bool = false
    ) {
        self.id = id
        self.parent = parent
        self.isFrozen = isFrozen
        self.request = request
        self.verb = verb
        self.lab = lab
        self.host = host
        self.epoch = epoch
        self.createdAt = createdAt
        state = .pending
        result = .pending
        phase = .main
        isCancelling = false
        reason = nil
        startedAt = nil
        endedAt = nil
    }
}

/// Which part of its work a plan does: what it was asked for, and what comes after it.
package enum PlanPhase: String, Hashable, Sendable, Codable, CaseIterable {
    case main
    /// A run takes its machines down.
    case teardown
    /// The actions of a program finalize, one after another.
    case finalize
    /// The actions of a program undo what they did.
    case revert
}

/// What a step is to do: the kind, and small numbers that say which one; their meaning depends on the kind.
package struct StepSpec: Hashable, Sendable {
    package var action: ActionKind
    /// provision, ready, undo, destroy, barrier: index of the group in the request of the plan that made the node ·
    /// before, after, attempt, member: index of the suite · exec, command, capability: index of the node in the
    /// request · pause: which · call, finalize, revert: index of the action in the program
    package var a: Int32
    /// provision, undo: index of the step · attempt, member: index of the test · barrier: 1 when it gates those who
    /// need the group · finalize, revert: the call that it belongs to · command: 1 when it is only waited for,
    /// as its host does the work · capability: its number, -1 for none
    package var b: Int32
    /// provision, ready, undo, destroy: index of the node in its group · attempt, member: its number, from 1 · call:
    /// how many of its needs, the first ones, are steps whose output it uses · capability: 1 when it is the last of its
    /// state
    package var c: Int32
    /// The node it concerns; nil for barriers and for steps that get their node from a pool.
    package var node: NodeID?
    /// The pool it takes a node from while it runs; -1 for none.
    package var pool: Int32
    /// Which of those that wait for the same pool goes first: the higher · member: which one it is, from 1, so that its
    /// attempt's step is found; it begins with that and waits for nothing itself
    package var priority: Int64
    /// How many predecessors must have succeeded; nil means all.
    package var threshold: Int32?
    /// A step of a teardown starts when what it needs has ended, however it ended.
    package var startsAfterFailure: Bool
    /// Opaque JSON: the input that an action of a program was planned with.
    package var input: String?

    package init(
        _ action: ActionKind,
        a: Int32 = 0,
        b: Int32 = 0,
        c: Int32 = 0,
        node: NodeID? = nil,
        pool: Int32 = -1,
        priority: Int64 = 0,
        threshold: Int32? = nil,
        startsAfterFailure: Bool = false,
        input: String? = nil
    ) {
        self.action = action
        self.a = a
        self.b = b
        self.c = c
        self.node = node
        self.pool = pool
        self.priority = priority
        self.threshold = threshold
        self.startsAfterFailure = startsAfterFailure
        self.input = input
    }
}

/// The kinds of steps that Muster itself knows how to perform.
package enum ActionKind: String, Hashable, Sendable, Codable, CaseIterable {
    /// A point that others wait for; succeeds by itself.
    case barrier
    /// Does nothing, durably: for measuring.
    case noop
    /// One entry of a group's `provision`, on one node.
    case provision
    /// Wait until a node's readiness conditions hold.
    case ready
    /// Undo one provisioning step of one node.
    case undo
    /// Destroy one node.
    case destroy
    case before, after
    case attempt
    /// What runs on one more node of an attempt that has several. Its steps follow that of the attempt, which is the
    /// first member's, at once; all begin and end together.
    case member
    case exec
    /// Send a command to a node's machine, and wait for what comes of it.
    case command
    /// Let some time go by.
    case pause
    /// Have a driver do what a verb of a node's mode table wants.
    case capability
    /// One action of a program.
    case call
    /// What an action does when all calls of its plan have succeeded.
    case finalize
    /// Undo one call.
    case revert

    /// Whether an action of a program performs it.
    package var isCall: Bool {
        switch self {
        case .call, .finalize, .revert: true
        case .barrier, .noop, .provision, .ready, .undo, .destroy, .before, .after, .attempt, .member, .exec, .command,
            .pause, .capability:
            false
        }
    }
}

/// What the store keeps of a step. `spec` and `needs` never change.
package struct StepRow: Hashable, Sendable {
    package var plan: PlanID
    package var index: StepIndex
    /// Whether this turn makes the step; otherwise only the changing columns are written.
    package var isNew: Bool
    package var spec: StepSpec
    package var needs: [StepIndex]
    package var state: StepState
    /// Tries so far.
    package var tries: Int32
    /// The node that it got from its pool; nil while it waits.
    package var resource: NodeID?
    package var error: StepError?
    package var startedAt: Timestamp?
    package var endedAt: Timestamp?
    /// What a call, finalize or revert stores besides; nil for other steps, and in what leaves it as it is.
    package var call: CallColumns?

    package init(
        plan: PlanID,
        index: StepIndex,
        isNew: Bool,
        spec: StepSpec,
        needs: [StepIndex],
        state: StepState = .pending,
        tries: Int32 = 0,
        resource: NodeID? = nil,
        error: StepError? = nil,
        startedAt: Timestamp? = nil,
        endedAt: Timestamp? = nil,
        call: CallColumns? = nil
    ) {
        self.plan = plan
        self.call = call
        self.index = index
        self.isNew = isNew
        self.spec = spec
        self.needs = needs
        self.state = state
        self.tries = tries
        self.resource = resource
        self.error = error
        self.startedAt = startedAt
        self.endedAt = endedAt
    }
}

/// What the store keeps of a node.
package struct NodeRow: Hashable, Sendable {
    package var id: NodeID
    package var lab: String
    package var name: NodeName
    package var driver: String
    package var state: NodeState
    /// The plan that made it; its `RunSpec` says how it was provisioned and is undone.
    package var createdBy: PlanID
    /// The unfinished plan that uses it; nil when free.
    package var heldBy: PlanID?
    /// How often a node of this name was replaced because its provisioning failed.
    package var replacements: Int32
    /// How many of its provisioning steps were ever started: those are undone when it goes.
    package var stepsStarted: Int32
    /// What its driver told of it: `address`, …
    package var facts: [String: String]
    /// Why it is in this state, in words; nil when there is nothing to say.
    package var reason: String?
    package var since: Timestamp

    package init(
        id: NodeID,
        lab: String,
        name: NodeName,
        driver: String,
        state: NodeState,
        createdBy: PlanID,
        heldBy: PlanID?,
        replacements: Int32 = 0,
        stepsStarted: Int32 = 0,
        facts: [String: String] = [:],
        reason: String? = nil,
        since: Timestamp
    ) {
        self.id = id
        self.lab = lab
        self.name = name
        self.driver = driver
        self.state = state
        self.createdBy = createdBy
        self.heldBy = heldBy
        self.replacements = replacements
        self.stepsStarted = stepsStarted
        self.facts = facts
        self.reason = reason
        self.since = since
    }
}

/// A point in time at which a step goes on. Setting one again for the same step replaces it.
package struct TimerRow: Hashable, Sendable {
    package var step: StepID
    package var dueAt: Timestamp
    package init(step: StepID, dueAt: Timestamp) {
        self.step = step
        self.dueAt = dueAt
    }
}

/// What the store keeps of one ended attempt of one test, or of a test that never ran.
package struct AttemptRow: Hashable, Sendable {
    package var plan: PlanID
    package var step: StepIndex
    package var suite: String
    package var test: String
    /// From 1.
    package var number: Int
    package var outcome: Outcome
    package var note: String?
    /// The node it ran on; nil when it never ran.
    package var node: NodeName?
    package var nodeID: NodeID?
    package var startedAt: Timestamp?
    package var endedAt: Timestamp
    /// Reruns of this test spent with this attempt, and attempts of it lost to infrastructure so far.
    package var rerunsSpent: Int
    package var infraSpent: Int
    /// Whether Muster ended it on request: it says nothing about the test and is repeated on resume.
    package var isCancelled: Bool
    /// What the test has reported, as in `TestFindings`. Written once, and read by itself.
    package var results: String?

    package init(
        plan: PlanID,
        step: StepIndex,
        suite: String,
        test: String,
        number: Int,
        outcome: Outcome,
        note: String? = nil,
        node: NodeName? = nil,
        nodeID: NodeID? = nil,
        startedAt: Timestamp? = nil,
        endedAt: Timestamp,
        rerunsSpent: Int = 0,
        infraSpent: Int = 0,
        isCancelled: Bool = false,
        results: String? = nil
    ) {
        self.plan = plan
        self.step = step
        self.suite = suite
        self.test = test
        self.number = number
        self.outcome = outcome
        self.note = note
        self.node = node
        self.nodeID = nodeID
        self.startedAt = startedAt
        self.endedAt = endedAt
        self.rerunsSpent = rerunsSpent
        self.infraSpent = infraSpent
        self.isCancelled = isCancelled
        self.results = results
    }
}

/// Something that happened. Numbered by its writer without gaps; never changed.
package struct EventRow: Hashable, Sendable {
    package enum Kind: String, Hashable, Sendable, Codable, CaseIterable {
        case conductorStarted = "conductor.started"
        case requestRefused = "request.refused"
        case planCreated = "plan.created"
        case planStarted = "plan.started"
        case planPaused = "plan.paused"
        case planResumed = "plan.resumed"
        case planCancelling = "plan.cancelling"
        case planTeardown = "plan.teardown"
        /// It waits for a time, for other plans, or for somebody.
        case planScheduled = "plan.scheduled"
        case planFinalizing = "plan.finalizing"
        case planReverting = "plan.reverting"
        case planHalted = "plan.halted"
        case planStopped = "plan.stopped"
        case stepStarted = "step.started"
        case stepRetrying = "step.retrying"
        /// It was taken for started, and never was: it waits again.
        case stepReturned = "step.returned"
        case stepSucceeded = "step.succeeded"
        case stepFailed = "step.failed"
        case stepSkipped = "step.skipped"
        case stepCancelled = "step.cancelled"
        /// A step that had failed, or was ended on request, is to run again.
        case stepReopened = "step.reopened"
        /// It waits for an event, for sub-plans, or for a time.
        case stepSuspended = "step.suspended"
        /// Something for it has come: it runs again.
        case stepWoken = "step.woken"
        /// It failed, and is told that it is skipped.
        case stepSkipping = "step.skipping"
        /// A person has given it another input.
        case stepEdited = "step.edited"
        /// What was sent to it was not delivered.
        case signalRejected = "signal.rejected"
        case nodeCreating = "node.creating"
        case nodeStarting = "node.starting"
        case nodeReady = "node.ready"
        case nodeLost = "node.lost"
        case nodeFailed = "node.failed"
        case nodeStopped = "node.stopped"
        case nodeGone = "node.gone"
        case nodeReplaced = "node.replaced"
        case attemptEnded = "attempt.ended"
        /// It is in another state of its mode, or says again that it is in this one.
        case nodeState = "node.state"
        /// It is in another mode.
        case nodeMode = "node.mode"
        /// Something was reported that its mode table does not have.
        case nodeInvalid = "node.invalid"
        /// What its mode table has it do in a state is done.
        case nodeTrigger = "node.trigger"
        /// It was in a state for too long.
        case nodeTimeout = "node.timeout"
        /// How a command to it goes.
        case nodeCommand = "node.command"
        /// All was tried, and nothing has helped.
        case nodeGivenUp = "node.given-up"
        /// Somebody is to know this of it.
        case nodeNotified = "node.notified"
        /// What it has written as a report is none, or its file of reports cannot be read.
        case nodeReportRefused = "node.report-refused"
        /// What a trigger has it do was not done.
        case nodeActionFailed = "node.action-failed"
        /// Somebody was told of nodes.
        case noticeSent = "notice.sent"
        /// Somebody could not be told.
        case noticeFailed = "notice.failed"
    }

    /// Its place in the stream: given by the store when it is written, 0 before.
    package var position: Int64
    package var epoch: Epoch
    /// Its number within its epoch, from 1 without gaps.
    package var number: Int64
    package var at: Timestamp
    package var kind: Kind
    package var plan: PlanID?
    package var step: StepIndex?
    package var node: NodeID?
    /// What people see of it besides its kind: an error, an outcome, the holder of what was refused.
    package var detail: String?

    package init(
        position: Int64,
        epoch: Epoch,
        number: Int64 = 0,
        at: Timestamp,
        kind: Kind,
        plan: PlanID? = nil,
        step: StepIndex? = nil,
        node: NodeID? = nil,
        detail: String? = nil
    ) {
        self.position = position
        self.epoch = epoch
        self.number = number
        self.at = at
        self.kind = kind
        self.plan = plan
        self.step = step
        self.node = node
        self.detail = detail
    }
}
