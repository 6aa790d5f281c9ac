/// What a client asks of the conductor: a row in its inbox table, and a wake-up.
package enum Request: Hashable, Sendable, Codable {
    /// Begin a run. `token` is the client's own name for this request, found again as `PlanRow.request`.
    case submit(token: String, spec: RunSpec)
    case cancel(PlanID)
    case halt(PlanID)
    /// Go on with a run that was interrupted or is paused: what failed is tried again.
    case resume(PlanID)
    /// Go on with a run that was interrupted, as its followers ask. One that goes on already, or is paused, stays as it
    /// is: to go on after a pause is a person's to say.
    case takeUp(PlanID)
    /// Stop starting steps, and wait for a person.
    case pause(PlanID)
    /// Try one failed step of a paused plan again, with another input when there is one, and go on.
    case retry(StepID, input: String?)
    /// Go on without one failed step of a paused plan, and without what uses its output.
    case skip(StepID)
    /// Cancel, and end what is suspended without asking it.
    case abort(PlanID)
    /// Undo what a paused plan has done, and end it.
    case revert(PlanID)
    /// Send an event to a suspended step. `token` is the sender's name for it.
    case signal(StepID, payload: String, isOptional: Bool, token: String)
    /// Hold a scheduled plan back, or let it go.
    case freeze(PlanID, Bool)
    /// Take in what is said of a node.
    case report(NodeReport)
    /// Have the nodes of a lab be decided by this mode table.
    case useModes(lab: String, ModeSet)
}

extension Request {
    /// What a request is about: its owner answers it.
    package enum Subject: Hashable, Sendable {
        case lab(String)
        case plan(PlanID)
    }

    package var subject: Subject {
        switch self {
        case .submit(_, let spec): .lab(spec.lab)
        case .report(let report): .lab(report.lab)
        case .useModes(let lab, _): .lab(lab)
        case .cancel(let plan), .halt(let plan), .resume(let plan), .takeUp(let plan), .pause(let plan),
            .abort(let plan),
            .revert(let plan), .freeze(let plan, _):
            .plan(plan)
        case .retry(let step, _), .skip(let step), .signal(let step, _, _, _): .plan(step.plan)
        }
    }
}

/// A request as it lies in the inbox.
package struct RequestRow: Hashable, Sendable {
    package var id: Int64
    package var request: Request
    /// The lab whose owner answers it; nil when it concerns a plan that does not exist, which anybody may say.
    package var lab: String?
    package init(id: Int64, request: Request, lab: String? = nil) {
        self.id = id
        self.request = request
        self.lab = lab
    }
}
