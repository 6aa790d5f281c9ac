import MusterCore

/// A piece of durable work. It is one of these, which say how it works:
///
/// - `Action`: runs from begin to end;
/// - `SuspendingAction`: waits for events between its calls;
/// - `PollingAction`: starts something elsewhere and asks after it;
/// - `SubPlansAction`: has plans of its own done;
/// - `RecurringAction`: has a plan done at times that a schedule says;
/// - `CompositeAction`: plans other actions.
///
/// It may be more: `FinalizingAction`, `RevertingAction`, `SkipHandlingAction`, `ReconcilingAction`,
/// `CancellableAction`.
///
/// An action is registered with `Plans.register` and made anew for each call, so it keeps nothing between them. What is
/// done twice with the same `RunContext.operationID` should do what once does.
public protocol PlanAction: Sendable {
    /// What it is given; stored as JSON.
    associatedtype Input: Codable & Sendable
    /// What it gives to others; stored as JSON.
    associatedtype Output: Codable & Sendable

    /// Under which name it is stored. A program that has lost the name cannot go on with its plans.
    static var name: String { get }
    /// How the engine treats its steps.
    static var options: ActionOptions { get }

    /// Not for programs: performs one call. One of the protocols above does it.
    func _perform(_ invocation: Invocation) async throws -> Invocation.End
    /// Not for programs: adds it to a plan.
    func _add(_ input: Input, to plan: PlanBuilder, after: [any PlannedStep]) throws -> Step<Self>
    /// Not for programs: whether it is told of a cancellation.
    static var _isCancellable: Bool { get }
}

extension PlanAction {
    /// The type's name.
    public static var name: String { String(describing: Self.self) }
    /// The defaults.
    public static var options: ActionOptions { ActionOptions() }
    /// Adds one step.
    public func _add(_ input: Input, to plan: PlanBuilder, after: [any PlannedStep]) throws -> Step<Self> {
        try plan.append(Self.self, input, after: after)
    }
    /// When it says so.
    public static var _isCancellable: Bool { Self.self is any CancellableAction.Type }
}

/// Work that runs from its begin to its end.
public protocol Action: RevertingAction {
    /// What it is given; stored as JSON.
    associatedtype Input
    /// What it gives to others; stored as JSON.
    associatedtype Output

    /// Does the work.
    func run(_ input: Input, in context: RunContext) async throws -> Output
}

extension Action {
    /// Runs it.
    public func _perform(_ invocation: Invocation) async throws -> Invocation.End {
        guard case .run = invocation.call.kind else { throw invocation.unexpected }
        return try invocation.done(try await run(invocation.input(Input.self), in: invocation.context))
    }
}

/// Work that can be undone.
public protocol RevertingAction: PlanAction {
    /// What it is given; stored as JSON.
    associatedtype Input
    /// What it gives to others; stored as JSON.
    associatedtype Output

    /// Undoes what `run` did, or what there is of it: a step that has failed is reverted too, without an output.
    func revert(_ input: Input, _ output: Output?, in context: RunContext) async throws
}

extension RevertingAction where Self: Action {
    /// There is nothing to undo.
    public func revert(_ input: Input, _ output: Output?, in context: RunContext) async throws {}
}

extension RevertingAction {
    func performRevert(_ invocation: Invocation) async throws -> Invocation.End {
        try await revert(
            invocation.input(Input.self),
            invocation.storedOutput(Output.self),
            in: invocation.context
        )
        return .unchanged
    }
}

/// Work with a last part for when all steps of the plan have succeeded: one after another, in the order of planning.
public protocol FinalizingAction: PlanAction {
    /// What it is given; stored as JSON.
    associatedtype Input
    /// What it gives to others; stored as JSON.
    associatedtype Output

    /// Does the last part. When a later one fails and the plan is resumed, it is done again.
    func finalize(_ input: Input, _ output: Output, in context: RunContext) async throws
}

extension FinalizingAction {
    func performFinalize(_ invocation: Invocation) async throws -> Invocation.End {
        guard let output = try invocation.storedOutput(Output.self) else {
            throw BadValueError("\(invocation.whose("output")) is not there, so it cannot be finalized")
        }
        try await finalize(invocation.input(Input.self), output, in: invocation.context)
        return .unchanged
    }
}

/// Work that does something when it is skipped.
public protocol SkipHandlingAction: PlanAction {
    /// What it is given; stored as JSON.
    associatedtype Input
    /// What it gives to others; stored as JSON.
    associatedtype Output

    /// It has failed and the plan goes on without it.
    func skipped(_ input: Input, error: String, in context: RunContext) async throws
}

extension SkipHandlingAction {
    func performSkip(_ invocation: Invocation, _ message: String) async throws -> Invocation.End {
        try await skipped(invocation.input(Input.self), error: message, in: invocation.context)
        return .unchanged
    }
}

/// What became of work that a crash has interrupted.
public enum Reconciliation<Output: Sendable>: Sendable {
    /// It was done.
    case done(Output)
    /// It never began, and is run again.
    case neverStarted
    /// Nobody can tell; the plan waits for a person, who reads the reason.
    case unknown(String)
}

/// Work that can find out what became of it. Its options say `recovery: .reconcile`.
public protocol ReconcilingAction: PlanAction {
    /// What it is given; stored as JSON.
    associatedtype Input
    /// What it gives to others; stored as JSON.
    associatedtype Output

    /// Finds out what became of a call with the same `operationID` that a crash has interrupted.
    func reconcile(_ input: Input, in context: RunContext) async throws -> Reconciliation<Output>
}

extension ReconcilingAction {
    func performReconcile(_ invocation: Invocation) async throws -> Invocation.End {
        switch try await reconcile(invocation.input(Input.self), in: invocation.context) {
        case .done(let output): return try invocation.done(output)
        case .neverStarted: return Invocation.End(CallEnd(.neverStarted))
        case .unknown(let reason): return Invocation.End(CallEnd(.failed(StepError(.unknown, reason), isFinal: true)))
        }
    }
}

/// Work that is told when its plan is cancelled: while a call runs its task is cancelled; while it is suspended this is
/// called.
public protocol CancellableAction: PlanAction {
    /// What it is given; stored as JSON.
    associatedtype Input
    /// What it gives to others; stored as JSON.
    associatedtype Output

    /// Its plan is being cancelled while it is suspended.
    ///
    /// - Parameter byForce: whether it should not wait for anything.
    /// - Returns: `.done` when it has ended well all the same, `.suspended` when its end is still to come.
    /// - Throws: `CancellationError` when it has ended without an output.
    func cancel(_ input: Input, byForce: Bool, in context: RunContext) async throws -> StepProgress<Output>
}

extension CancellableAction {
    /// Ends it.
    public func cancel(_ input: Input, byForce: Bool, in context: RunContext) async throws -> StepProgress<Output> {
        throw CancellationError()
    }

    func performCancel(_ invocation: Invocation, byForce: Bool) async throws -> Invocation.End {
        try invocation.end(
            try await cancel(invocation.input(Input.self), byForce: byForce, in: invocation.context)
        )
    }
}

/// How far a suspending action has come.
public enum StepProgress<Output: Sendable>: Sendable {
    /// It has ended, with this.
    case done(Output)
    /// It goes on when an event reaches it.
    case suspended
}
