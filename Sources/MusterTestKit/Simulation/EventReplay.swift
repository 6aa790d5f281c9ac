package import MusterCore

/// The states of plans, steps and nodes as the stored events alone tell them.
///
/// They are the same as the stored states, always: a state that changes without an event, or by an event that could
/// mean two things, is a defect of whoever decided it.
package struct EventReplay: Sendable {
    package struct Plan: Hashable, Sendable {
        package var state: PlanState = .pending
        /// By index; a step that no event has named is pending.
        package var steps: [StepState] = []

        package func state(of step: StepIndex) -> StepState {
            steps.indices.contains(Int(step)) ? steps[Int(step)] : .pending
        }
    }

    package private(set) var plans: [PlanID: Plan] = [:]
    package private(set) var nodes: [NodeID: NodeState] = [:]

    package init() {}

    /// Whether the state that events tell is the stored one. Of a plan that is being planned they tell that it was
    /// made, or that it is scheduled: nobody waits for a word of it before it begins.
    package static func agrees(_ told: PlanState?, _ stored: PlanState?) -> Bool {
        switch stored {
        case .planning, .planned: told == .pending || told == .scheduled
        default: told == stored
        }
    }

    /// Takes the next event; says what is wrong with it, when something is.
    @discardableResult
    package mutating func apply(_ event: EventRow) -> String? {
        switch event.kind {
        case .conductorStarted, .requestRefused, .planTeardown, .planHalted, .nodeReplaced, .attemptEnded,
            .planFinalizing, .planReverting, .stepEdited, .signalRejected, .nodeState, .nodeMode, .nodeInvalid,
            .nodeTrigger, .nodeTimeout, .nodeCommand, .nodeGivenUp, .nodeNotified,
            .nodeReportRefused, .nodeActionFailed, .noticeSent, .noticeFailed:
            return nil
        case .planCreated, .planStarted, .planPaused, .planResumed, .planCancelling, .planStopped, .planScheduled:
            return planEvent(event)
        case .stepStarted, .stepRetrying, .stepSucceeded, .stepFailed, .stepSkipped, .stepCancelled, .stepReopened,
            .stepReturned, .stepSuspended, .stepWoken, .stepSkipping:
            return stepEvent(event)
        case .nodeCreating: return move(event, to: .creating)
        case .nodeStarting: return move(event, to: .starting)
        case .nodeReady: return move(event, to: .ready)
        case .nodeLost: return move(event, to: .lost)
        case .nodeFailed: return move(event, to: .failed)
        case .nodeStopped: return move(event, to: .stopped)
        case .nodeGone: return move(event, to: .gone)
        }
    }

    private mutating func planEvent(_ event: EventRow) -> String? {
        guard let id = event.plan else { return "event \(event.position) (\(event.kind.rawValue)) names no plan" }
        let old = plans[id]?.state
        let new: PlanState
        switch event.kind {
        case .planCreated:
            guard old == nil else { return "event \(event.position) creates plan \(id.rawValue) again" }
            new = .pending
        case .planStarted: new = .running
        case .planScheduled: new = .scheduled
        case .planPaused: new = .paused
        // One that was interrupted goes on as what it was.
        case .planResumed, .planCancelling: new = old == .paused ? .running : old ?? .pending
        default: new = .stopped
        }
        plans[id, default: Plan()].state = new
        guard old != .stopped else { return "event \(event.position) (\(event.kind.rawValue)) comes after the stop" }
        return nil
    }

    private mutating func stepEvent(_ event: EventRow) -> String? {
        guard let id = event.plan, let step = event.step, step >= 0 else {
            return "event \(event.position) (\(event.kind.rawValue)) names no step"
        }
        guard plans[id] != nil else { return "event \(event.position) names plan \(id.rawValue), never created" }
        let old = plans[id]!.state(of: step)
        let new: StepState
        let isRight: Bool
        switch event.kind {
        case .stepStarted: (new, isRight) = (.running, old == .pending)
        case .stepRetrying, .stepReturned: (new, isRight) = (.pending, old == .running)
        case .stepSuspended: (new, isRight) = (.suspended, old == .running)
        case .stepWoken: (new, isRight) = (.running, old == .suspended)
        case .stepSkipping: (new, isRight) = (.skipping, old == .error)
        // Barriers never run.
        case .stepSucceeded: (new, isRight) = (.success, old == .running || old == .pending)
        case .stepFailed: (new, isRight) = (.error, !old.hasEnded)
        case .stepSkipped: (new, isRight) = (.skipped, !old.satisfiesNeeds)
        case .stepReopened: (new, isRight) = (.pending, old.hasEnded)
        // One that waited for a person may be given up.
        default: (new, isRight) = (.cancelled, !old.satisfiesNeeds)
        }
        while plans[id]!.steps.count <= Int(step) { plans[id]!.steps.append(.pending) }
        plans[id]!.steps[Int(step)] = new
        return isRight
            ? nil
            : "event \(event.position) (\(event.kind.rawValue)) moves step \(id.rawValue)/\(step) from \(old.rawValue)"
    }

    private mutating func move(_ event: EventRow, to state: NodeState) -> String? {
        guard let node = event.node else { return "event \(event.position) (\(event.kind.rawValue)) names no node" }
        let old = nodes[node]
        nodes[node] = state
        if old == .gone { return "event \(event.position) moves node \(node.rawValue) after it is gone" }
        if old == nil, state != .creating { return "event \(event.position) names node \(node.rawValue), never made" }
        return nil
    }
}

extension NodeState {
    /// What events can tell apart: there is one kind for both ways of being unusable.
    var asReplayed: NodeState { self == .quarantined ? .failed : self }
}
