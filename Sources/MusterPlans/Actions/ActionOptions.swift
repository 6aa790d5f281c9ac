import MusterCore

/// How the engine treats the steps of an action. Each has a default; an action says only what differs.
public struct ActionOptions: Hashable, Sendable {
    /// What becomes of the plan when the action has failed for good.
    public enum Rescue: String, Hashable, Sendable, CaseIterable {
        /// It goes on without the step and without all that uses its output.
        case skip
        /// It waits for a person, who retries, edits, skips, reverts or cancels.
        case pause
        /// It ends in error; what has not begun never does.
        case fail
        /// What was done is undone in reverse order, then it ends in error.
        case revert
    }

    /// How often a failed step is tried again by itself.
    public struct Retry: Hashable, Sendable {
        /// Retries after the first try.
        public var times: Int
        /// The delay before the first retry.
        public var every: Duration
        /// Each delay is this many times the one before, five minutes at most, ±10 % by chance.
        public var backoff: Double

        /// So many retries, with these delays.
        public init(times: Int, every: Duration = .seconds(1), backoff: Double = 2) {
            self.times = times
            self.every = every
            self.backoff = backoff
        }

        /// No retries.
        public static let never = Retry(times: 0)
        /// So many retries, after 1, 2, 4, … seconds.
        public static func times(_ times: Int) -> Retry { Retry(times: times) }
    }

    /// What becomes of a call that a crash has interrupted.
    public enum Recovery: String, Hashable, Sendable, CaseIterable {
        /// It is run again: twice does what once does, with the help of `RunContext.operationID`.
        case idempotent
        /// `ReconcilingAction.reconcile` finds out whether it was done.
        case reconcile
        /// It is not repeated by itself; the plan waits for a person.
        case never
    }

    /// That there is only one unfinished plan with this key. It counts for actions that plans are started with.
    public struct Singleton: Hashable, Sendable {
        /// What the key is; nil is the action's name.
        public var key: String?
        /// Whether a second plan waits for the first one's end; otherwise it ends in error at once.
        public var waits: Bool
        /// A second plan waits for the first one's end.
        public static func waits(key: String? = nil) -> Singleton { Singleton(key: key, waits: true) }
        /// A second plan ends in error at once.
        public static func refuses(key: String? = nil) -> Singleton { Singleton(key: key, waits: false) }
    }

    /// What becomes of the plan when the action has failed for good.
    public var rescue: Rescue
    /// How often it is tried again by itself.
    public var retry: Retry
    /// What becomes of a call that a crash has interrupted.
    public var recovery: Recovery
    /// The queue whose workers perform it; `Plans.Options.queues` says how many those are.
    public var queue: String
    /// Among those that wait for the same queue or limit the higher goes first.
    public var priority: Int
    /// Names of limits, which `Plans.Options.limits` declares, that it counts against while it runs or is suspended.
    public var limits: [String]
    /// From the begin of a try to its end, suspended or not; nil for none.
    public var timeout: Duration?
    /// Only one unfinished plan of a key.
    public var singleton: Singleton?

    /// The defaults, and what differs.
    public init(
        rescue: Rescue = .pause,
        retry: Retry = .never,
        recovery: Recovery = .idempotent,
        queue: String = "default",
        priority: Int = 0,
        limits: [String] = [],
        timeout: Duration? = nil,
        singleton: Singleton? = nil
    ) {
        self.rescue = rescue
        self.retry = retry
        self.recovery = recovery
        self.queue = queue
        self.priority = priority
        self.limits = limits
        self.timeout = timeout
        self.singleton = singleton
    }
}

extension ActionOptions.Singleton {
    /// The engine's keys are those of a whole state, shared with its limits.
    func spec(of action: String, program: String) -> SingletonSpec {
        SingletonSpec(key: "\(program)/\(key ?? action)", waits: waits)
    }
}

extension ActionOptions.Rescue {
    var strategy: RescueStrategy {
        switch self {
        case .skip: .skip
        case .pause: .pause
        case .fail: .fail
        case .revert: .revert
        }
    }
}

extension ActionOptions.Recovery {
    var policy: ActRecovery {
        switch self {
        case .idempotent: .idempotent
        case .reconcile: .reconcile
        case .never: .never
        }
    }
}
