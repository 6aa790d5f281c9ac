import MusterCore

/// How the sub-plans of an action stand.
public struct SubPlanCounts: Hashable, Sendable {
    /// How many there are.
    public var total: Int
    /// Ended well, also with steps that were skipped.
    public var succeeded: Int
    /// Ended otherwise.
    public var failed: Int
    /// Waiting for a person.
    public var paused: Int

    /// These counts.
    public init(total: Int, succeeded: Int, failed: Int = 0, paused: Int = 0) {
        self.total = total
        self.succeeded = succeeded
        self.failed = failed
        self.paused = paused
    }
}

/// A plan of its own that an action has done: seen, cancelled and resumed like every other, and with its own end.
public struct SubPlan: Sendable {
    let make: @Sendable (RegisteredActions) throws -> ChildPlan

    /// One of an action.
    public init<Root: PlanAction>(_ type: Root.Type, _ input: Root.Input) {
        make = { host in try PlanBuilder.plan(host.instance(of: type), input, host: host) }
    }

    /// One of several steps, with a name for people.
    public init(named name: String, _ body: @escaping @Sendable (PlanBuilder) throws -> Void) {
        make = { host in
            let builder = PlanBuilder(host: host)
            try body(builder)
            return builder.finished(name: name)
        }
    }
}

/// Work that consists of many plans: they are planned in batches, counted in the store, and so many go at once as it
/// says. It waits for all of them, suspended.
public protocol SubPlansAction: PlanAction {
    /// What it is given; stored as JSON.
    associatedtype Input
    /// What it gives to others; stored as JSON.
    associatedtype Output

    /// How many sub-plans there are.
    func total(_ input: Input, in context: RunContext) async throws -> Int
    /// How many of them may go at once; nil for all.
    func concurrency(_ input: Input) -> Int?
    /// One of them, by its place from 0. Has no effects, and is the same whenever it is asked for.
    func child(at index: Int, of input: Input, in context: RunContext) async throws -> SubPlan
    /// What comes of it when all have ended and none has failed.
    func output(of counts: SubPlanCounts, _ input: Input, in context: RunContext) async throws -> Output
    /// Whether it fails for these counts; by default when any has failed or waits for a person.
    func fails(for counts: SubPlanCounts) -> Bool
}

private struct Total: Codable { var total: Int }

extension SubPlansAction {
    /// All.
    public func concurrency(_ input: Input) -> Int? { nil }
    /// When any has failed or waits for a person.
    public func fails(for counts: SubPlanCounts) -> Bool { counts.failed + counts.paused > 0 }

    /// Says how many, plans some of them, or ends.
    public func _perform(_ invocation: Invocation) async throws -> Invocation.End {
        let input = try invocation.input(Input.self)
        let context = invocation.context
        switch invocation.call.kind {
        case .run:
            let total = try await total(input, in: context)
            try context.keep(Total(total: total))
            return Invocation.End(
                CallEnd(.spawned(total: total, limit: concurrency(input)), output: context.kept, wakes: context.wakes)
            )
        case .children(let from, let to):
            var children: [ChildPlan] = []
            for index in from..<max(from, to) {
                try Task.checkCancellation()
                var child = try await child(at: index, of: input, in: context).make(context.host)
                child.program.trace = invocation.call.trace
                children.append(child)
            }
            return Invocation.End(CallEnd(.children(children)))
        case .childrenEnded(let counts):
            let all = SubPlanCounts(
                total: try context.state(Total.self)?.total ?? counts.planned,
                succeeded: counts.succeeded,
                failed: counts.failed,
                paused: counts.paused
            )
            guard !fails(for: all) else {
                var words = "\(all.failed) of \(all.total) sub-plans failed"
                if all.paused > 0 { words += ", \(all.paused) wait for a person" }
                return Invocation.End(CallEnd(.failed(StepError(.children, words), isFinal: true)))
            }
            return try invocation.done(try await output(of: all, input, in: context))
        case .event, .cancel, .skip, .finalize, .revert, .reconcile: throw invocation.unexpected
        }
    }
}

extension SubPlansAction where Output == SubPlanCounts {
    /// The counts.
    public func output(
        of counts: SubPlanCounts,
        _ input: Input,
        in context: RunContext
    ) async throws -> SubPlanCounts { counts }
}

extension SubPlanCounts: Codable {}
