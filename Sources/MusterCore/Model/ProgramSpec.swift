/// A plan of actions that a program has written: what the engine decides with, besides the steps.
///
/// Steps name their action by its place in `actions`, so that ten thousand alike cost one description.
package struct ProgramSpec: Hashable, Sendable, Codable {
    /// What people see of the plan: its root action's name.
    package var name: String
    /// The descriptions that `StepSpec.a` of its calls points into.
    package var actions: [ActionSpec]
    /// Which steps belong together, outermost first. Each is a range of calls; they nest and never overlap otherwise.
    package var composites: [CompositeSpec]
    /// The root action's input, when the engine has it planned; nil when the steps come with the request.
    package var input: String?
    /// The step whose sub-plan this is.
    package var parent: StepID?
    /// Not begun before.
    package var startAt: Timestamp?
    /// Ended with an error when it could not be begun before.
    package var startBefore: Timestamp?
    /// Not begun until somebody says so.
    package var isFrozen: Bool
    /// Plans of the same program that end first.
    package var prerequisites: [PlanID]
    /// With which of their results it begins; with any other it ends in error.
    package var prerequisiteRule: PrerequisiteRule
    /// Only one unfinished plan of a state holds this key.
    package var singleton: SingletonSpec?
    /// Whether failures are dealt with as their actions say; otherwise every failure pauses.
    package var rescuesByItself: Bool
    /// What a cancelled plan does with what it has done.
    package var revertsWhenCancelled: Bool
    /// The tracing context of who started it, as its propagator wrote it.
    package var trace: [String: String]

    package init(name: String, actions: [ActionSpec] = [], input: String? = nil) {
        self.name = name
        self.actions = actions
        composites = []
        self.input = input
        parent = nil
        startAt = nil
        startBefore = nil
        isFrozen = false
        prerequisites = []
        prerequisiteRule = .succeeded
        singleton = nil
        rescuesByItself = true
        revertsWhenCancelled = false
        trace = [:]
    }

    /// Whether its steps are still to be made by its root action.
    package var wantsPlanning: Bool { input != nil }
    /// Whether anything has to come to pass before it begins.
    package var isDelayed: Bool { isFrozen || startAt != nil || !prerequisites.isEmpty }
}

/// Which results of prerequisites let a chained plan begin.
package enum PrerequisiteRule: String, Hashable, Sendable, Codable, CaseIterable {
    /// `success` or `warning`.
    case succeeded
    /// Whatever came of them, also when they were cancelled or halted.
    case ended

    package func allows(_ result: PlanResult) -> Bool {
        switch self {
        case .ended: true
        case .succeeded: result == .success || result == .warning
        }
    }
}

package struct SingletonSpec: Hashable, Sendable, Codable {
    package var key: String
    /// Whether it waits for the key; otherwise it ends in error at once when another plan has it.
    package var waits: Bool
    package init(key: String, waits: Bool) {
        self.key = key
        self.waits = waits
    }
}

/// Actions that one action has planned.
package struct CompositeSpec: Hashable, Sendable, Codable {
    package var name: String
    package var first: StepIndex
    /// One behind the last.
    package var end: StepIndex
    package init(name: String, first: StepIndex, end: StepIndex) {
        self.name = name
        self.first = first
        self.end = end
    }
}

/// How the engine treats the steps of one action.
package struct ActionSpec: Hashable, Sendable, Codable {
    package var name: String
    package var rescue: RescueStrategy
    package var retry: RetryPolicy
    /// Of a call that a crash has interrupted.
    package var recovery: ActRecovery
    /// The queue whose workers perform it.
    package var queue: String
    /// Among those that wait for the same queue or limit the higher goes first.
    package var priority: Int64
    /// Limits that it counts against while it runs or is suspended.
    package var limits: [String]
    /// From the begin of a try to its end, suspended or not; nil for none.
    package var timeout: Duration?
    package var finalizes: Bool
    package var reverts: Bool
    /// Whether it is called when it is skipped.
    package var handlesSkip: Bool
    /// Whether it is called when its plan is cancelled while it is suspended.
    package var isCancellable: Bool

    package init(name: String) {
        self.name = name
        rescue = .pause
        retry = .none
        recovery = .idempotent
        queue = "default"
        priority = 0
        limits = []
        timeout = nil
        finalizes = false
        reverts = false
        handlesSkip = false
        isCancellable = false
    }
}

/// What becomes of a plan one of whose actions has failed for good.
///
/// The rules for several failures are Dynflow's: all skip, skip; all alike, that; otherwise pause.
package enum RescueStrategy: String, Hashable, Sendable, Codable, CaseIterable {
    /// The failed step is skipped, with all that uses its output.
    case skip
    /// A person decides.
    case pause
    /// The plan ends in error; what has not begun never does.
    case fail
    /// What was done is undone in reverse order, then the plan ends in error.
    case revert

    package static func combined(_ strategies: some Sequence<RescueStrategy>) -> RescueStrategy {
        var first: RescueStrategy?
        for strategy in strategies {
            if let first, first != strategy { return .pause }
            first = strategy
        }
        return first ?? .pause
    }
}

/// How many sub-plans a step has, and what came of them so far: counted in the store.
package struct ChildCounts: Hashable, Sendable, Codable {
    package var planned: Int
    package var succeeded: Int
    /// Stopped otherwise than with `success` or `warning`.
    package var failed: Int
    /// Waiting for a person.
    package var paused: Int

    package init(planned: Int = 0, succeeded: Int = 0, failed: Int = 0, paused: Int = 0) {
        self.planned = planned
        self.succeeded = succeeded
        self.failed = failed
        self.paused = paused
    }

    package var going: Int { planned - succeeded - failed - paused }
}
