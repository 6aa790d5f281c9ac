/// One call of a program's action, for the performer.
package struct ActionCall: Hashable, Sendable {
    package enum Kind: Hashable, Sendable {
        case run
        /// What was sent to the step while it was suspended.
        case event(payload: String)
        /// Its plan is being cancelled.
        case cancel(byForce: Bool)
        /// It failed with this and is skipped.
        case skip(message: String)
        case finalize
        case revert
        /// Find out what became of a call that a crash has interrupted.
        case reconcile
        /// Plan the sub-plans from one number up to, but not including, another.
        case children(from: Int, to: Int)
        /// All sub-plans have come to an end.
        case childrenEnded(ChildCounts)
    }

    /// Tells it from every other call, also of the same step.
    package struct ID: Hashable, Sendable {
        package var step: StepID
        /// The try, from 1.
        package var number: Int32
        /// The call within all of the step's, from 1.
        package var invocation: Int32
        package init(step: StepID, number: Int32, invocation: Int32) {
            self.step = step
            self.number = number
            self.invocation = invocation
        }
    }

    package var id: ID
    package var kind: Kind
    package var action: String
    package var input: String?
    /// Outputs of the steps that `input` refers to.
    package var references: [StepIndex: String]
    /// What the step has stored so far.
    package var output: String?
    package var timeout: Duration?
    package var trace: [String: String]

    package init(id: ID, kind: Kind, action: String, input: String?, output: String?) {
        self.id = id
        self.kind = kind
        self.action = action
        self.input = input
        self.output = output
        references = [:]
        timeout = nil
        trace = [:]
    }
}

/// What came of one call.
package struct CallEnd: Hashable, Sendable {
    package enum Outcome: Hashable, Sendable {
        case succeeded
        /// It goes on when an event reaches it.
        case suspended
        /// It goes on when this many sub-plans have ended, so many of which may go at once (nil: all).
        case spawned(total: Int, limit: Int?)
        /// Of a `children` call.
        case children([ChildPlan])
        /// Of a `reconcile` call: it never began, and is run again.
        case neverStarted
        /// - Parameter isFinal: no retry can help.
        case failed(StepError, isFinal: Bool)
    }

    /// An event that the step sends to itself.
    package struct Wake: Hashable, Sendable {
        package var payload: String
        package var delay: Duration
        /// One with the same key that is still to come is replaced.
        package var key: String?
        package init(payload: String, delay: Duration, key: String? = nil) {
            self.payload = payload
            self.delay = delay
            self.key = key
        }
    }

    package var outcome: Outcome
    /// nil leaves what is stored.
    package var output: String?
    package var wakes: [Wake]

    package init(_ outcome: Outcome, output: String? = nil, wakes: [Wake] = []) {
        self.outcome = outcome
        self.output = output
        self.wakes = wakes
    }
}

/// A sub-plan, as its parent's action has planned it.
package struct ChildPlan: Hashable, Sendable {
    package var program: ProgramSpec
    package var steps: [PlanSubmission.Step]
    package init(program: ProgramSpec, steps: [PlanSubmission.Step]) {
        self.program = program
        self.steps = steps
    }
}

/// What a step of a program stores besides what every step does.
package struct CallColumns: Hashable, Sendable {
    /// Opaque JSON: the action's input with its references. It changes when a person edits it.
    package var input: String?
    /// Opaque JSON: its output, or what it keeps while it is suspended.
    package var output: String?
    /// Calls so far.
    package var invocation: Int32
    /// Whether the present call tells it something that it was suspended for.
    package var isWoken: Bool { told != 0 }
    /// What that is: the number of an event, -1 for anything else; 0 when it tells nothing.
    package var told: Int64
    /// Whether its present failure was dealt with already, so that it is not dealt with again.
    package var isRescued: Bool
    /// How many sub-plans it wants, and how many of them may go at once; nil when it has none.
    package var children: Children?

    package struct Children: Hashable, Sendable {
        package var total: Int
        package var limit: Int?
        package init(total: Int, limit: Int?) {
            self.total = total
            self.limit = limit
        }
    }

    package init(
        input: String?,
        output: String? = nil,
        invocation: Int32 = 0,
        told: Int64 = 0,
        isRescued: Bool = false,
        children: Children? = nil
    ) {
        self.input = input
        self.output = output
        self.invocation = invocation
        self.told = told
        self.isRescued = isRescued
        self.children = children
    }
}

/// Something for a suspended step: sent by somebody, or by itself for later.
package struct SignalRow: Hashable, Sendable {
    package var step: StepID
    /// From 1 in its plan, in the order they came.
    package var number: Int64
    package var payload: String
    /// When it is delivered at the earliest; nil for at once.
    package var dueAt: Timestamp?
    /// One with the same key that is still to come is replaced.
    package var key: String?
    /// Whether it is quietly dropped when the step has ended.
    package var isOptional: Bool
    /// Its sender's name for it, under which a rejection is told.
    package var token: String?

    package init(
        step: StepID,
        number: Int64,
        payload: String,
        dueAt: Timestamp? = nil,
        key: String? = nil,
        isOptional: Bool = false,
        token: String? = nil
    ) {
        self.step = step
        self.number = number
        self.payload = payload
        self.dueAt = dueAt
        self.key = key
        self.isOptional = isOptional
        self.token = token
    }
}

/// A piece of output that a step has appended.
package struct ChunkRow: Hashable, Sendable {
    package var step: StepID
    /// From 1 in its step: given by the store when it is written, 0 before.
    package var number: Int64
    package var at: Timestamp
    package var text: String
    package init(step: StepID, number: Int64, at: Timestamp, text: String) {
        self.step = step
        self.number = number
        self.at = at
        self.text = text
    }
}
