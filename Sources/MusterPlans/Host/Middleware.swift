/// What is being done, for middleware and hooks.
public struct PlanCall: Sendable {
    /// Which part of an action's life it is; there may be more in later versions.
    public struct Phase: RawRepresentable, Hashable, Sendable {
        /// A stable word.
        public let rawValue: String
        /// The phase of a word.
        public init(rawValue: String) { self.rawValue = rawValue }
        /// A root action makes its plan.
        public static let plan = Phase(rawValue: "plan")
        /// The work itself.
        public static let run = Phase(rawValue: "run")
        /// An event for a suspended action, or its cancellation.
        public static let event = Phase(rawValue: "event")
        /// Sub-plans are made, or have ended.
        public static let children = Phase(rawValue: "children")
        /// The last part, when all has succeeded.
        public static let finalize = Phase(rawValue: "finalize")
        /// It is undone.
        public static let revert = Phase(rawValue: "revert")
        /// It is skipped.
        public static let skip = Phase(rawValue: "skip")
        /// It finds out what became of it.
        public static let reconcile = Phase(rawValue: "reconcile")
    }

    /// Which part of its life.
    public let phase: Phase
    /// The action's name.
    public let action: String
    /// The plan's name, as people type it; nil while it is planned by the process that starts it.
    public let plan: String?
    /// The step's place in its plan; nil while it is planned.
    public let step: Int?
    /// The try, from 1; 0 while it is planned.
    public let attempt: Int
}

/// Something around everything that actions do: the first of `Plans.Options.middleware` is the outermost.
///
/// What it throws counts as thrown by the action. It calls `next` once, or throws.
public protocol PlanMiddleware: Sendable {
    /// Around one call.
    func around(_ call: PlanCall, next: @Sendable () async throws -> Void) async throws
    /// What people see of an input or output: JSON, with secrets masked. What is stored stays as it is.
    func present(_ json: String, of action: String) -> String
}

extension PlanMiddleware {
    /// Nothing around it.
    public func around(_ call: PlanCall, next: @Sendable () async throws -> Void) async throws { try await next() }
    /// As it is.
    public func present(_ json: String, of action: String) -> String { json }
}

extension [any PlanMiddleware] {
    func around(_ call: PlanCall, _ body: @escaping @Sendable () async throws -> Void) async throws {
        var next = body
        for layer in reversed() {
            let inner = next
            next = { try await layer.around(call, next: inner) }
        }
        try await next()
    }

    func present(_ json: String, of action: String) -> String {
        reversed().reduce(json) { text, layer in layer.present(text, of: action) }
    }
}
