public import Logging
public import Metrics
import MusterCore
import MusterEngine
public import Tracing

extension Plans {
    /// How a program performs its plans.
    public struct Options: Sendable {
        /// How many calls of a queue are performed at once; 64 for those that are not named.
        public var queues: [String: Int]
        /// Limits that actions name in their options. They hold for the whole state, whoever performs.
        public var limits: [String: Limit]
        /// Around everything that actions do; the first is the outermost.
        public var middleware: [any PlanMiddleware]
        /// What is told of plans. Nothing that happens there changes a plan.
        public var hooks: [PlanHook]
        /// Which ended plans are deleted by whoever performs; nil for none.
        public var cleaning: Cleaning?
        /// So many bytes of JSON an input or output may have.
        public var valueSizeLimit: Int
        /// How long calls that are under way may go on when the program stops.
        public var stopGrace: Duration
        /// Where the engine and the actions log.
        public var logger: Logger
        /// Where counts go; the system's own by default.
        public var metrics: (any MetricsFactory)?
        /// Where spans go; the system's own by default.
        public var tracer: (any Tracer)?

        /// The defaults, and what differs.
        public init(
            queues: [String: Int] = [:],
            limits: [String: Limit] = [:],
            middleware: [any PlanMiddleware] = [],
            hooks: [PlanHook] = [],
            cleaning: Cleaning? = nil,
            valueSizeLimit: Int = 1 << 20,
            stopGrace: Duration = .seconds(5),
            logger: Logger = Logger(label: "muster.plans"),
            metrics: (any MetricsFactory)? = nil,
            tracer: (any Tracer)? = nil
        ) {
            self.queues = queues
            self.limits = limits
            self.middleware = middleware
            self.hooks = hooks
            self.cleaning = cleaning
            self.valueSizeLimit = valueSizeLimit
            self.stopGrace = stopGrace
            self.logger = logger
            self.metrics = metrics
            self.tracer = tracer
        }
    }

    /// Which ended plans are deleted, with everything that is kept of them. Those that others wait for, and sub-plans
    /// before their parents, stay.
    public struct Cleaning: Hashable, Sendable {
        /// Plans that ended longer ago go.
        public var olderThan: Duration
        /// A file that gets each plan's record as a line of JSON, synced before the plan goes; nil for none.
        public var backup: String?
        /// How long after one look the next one is.
        public var every: Duration

        /// - Parameter backup: its folder must exist. The file is readable by its owner only.
        public init(olderThan: Duration, backup: String? = nil, every: Duration = .seconds(600)) {
            self.olderThan = olderThan
            self.backup = backup
            self.every = every
        }

        var policy: Housekeeping.Policy { Housekeeping.Policy(age: olderThan, every: every, backup: backup) }
    }

    /// How many steps may do something at once, or how often.
    public struct Limit: Hashable, Sendable {
        var size: Int?
        var interval: Duration = .zero
        var burst = 1

        /// So many at once.
        public static func concurrency(_ size: Int) -> Limit { Limit(size: max(1, size)) }

        /// So many in a length of time, evenly; after a quiet time so many as `burst` at once.
        public static func rate(_ number: Int, per length: Duration, burst: Int = 1) -> Limit {
            Limit(size: nil, interval: length / max(1, number), burst: max(1, burst))
        }

        /// Both.
        public static func concurrency(_ size: Int, rate number: Int, per length: Duration, burst: Int = 1) -> Limit {
            Limit(size: max(1, size), interval: length / max(1, number), burst: max(1, burst))
        }

        func row(_ name: String) -> LimitRow { LimitRow(name: name, size: size, interval: interval, burst: burst) }
    }
}

/// What a program is told of its plans: called after the change is stored, in order, by the process that performs.
///
/// After a crash what nobody was told of is told then; so a change may be told twice, but none is left out. An error
/// that it throws is logged, and changes nothing.
public struct PlanHook: Sendable {
    let body: @Sendable (PlanChange) async throws -> Void

    /// On every change of a plan's state.
    public static func onChange(_ body: @escaping @Sendable (PlanChange) async throws -> Void) -> PlanHook {
        PlanHook(body: body)
    }

    /// When a plan has ended well, also with steps that were skipped.
    public static func onSuccess(_ body: @escaping @Sendable (PlanChange) async throws -> Void) -> PlanHook {
        PlanHook { change in
            guard change.kind == "plan.stopped", ["success", "warning"].contains(change.detail) else { return }
            try await body(change)
        }
    }

    /// When a plan has ended otherwise, or waits for a person.
    public static func onFailure(_ body: @escaping @Sendable (PlanChange) async throws -> Void) -> PlanHook {
        PlanHook { change in
            let hasFailed = change.kind == "plan.stopped" && !["success", "warning"].contains(change.detail)
            if hasFailed || change.kind == "plan.paused" { try await body(change) }
        }
    }
}

/// A change of a plan's state.
public struct PlanChange: Hashable, Sendable {
    /// The plan's name, as people type it.
    public let plan: String
    /// Its root action.
    public let action: String
    /// What happened, as events name it: `plan.started`, `plan.paused`, `plan.stopped`, …
    public let kind: String
    /// What people see of it besides: the reason of a pause, the result of an end.
    public let detail: String?
}
