import MusterCore

/// An action that plans others. It makes no step of its own.
///
/// ```swift
/// struct Provision: CompositeAction {
///     func plan(_ input: Input, in plan: PlanBuilder) throws -> Value<Output> {
///         let volume = try plan.add(CreateVolume.self, .init(gigabytes: input.gigabytes))
///         return try plan.add(StartMachine.self, .init(volume: volume.id)).output
///     }
/// }
/// ```
public protocol CompositeAction: PlanAction {
    /// What it is given; stored as JSON.
    associatedtype Input
    /// What it gives to others; stored as JSON.
    associatedtype Output

    /// Adds steps. It has no effects besides: it may be called again.
    ///
    /// - Returns: what others see as its output: a step's, a part of it, or a value that is known.
    func plan(_ input: Input, in plan: PlanBuilder) throws -> Value<Output>

    /// What becomes of the plan when an action that this one has planned fails, instead of what that one says itself.
    func rescue(of action: any PlanAction.Type, suggested: ActionOptions.Rescue) -> ActionOptions.Rescue
}

extension CompositeAction {
    /// What the action says itself.
    public func rescue(of action: any PlanAction.Type, suggested: ActionOptions.Rescue) -> ActionOptions.Rescue {
        suggested
    }

    /// It is no step, and never called.
    public func _perform(_ invocation: Invocation) async throws -> Invocation.End { throw invocation.unexpected }

    /// Adds what it plans.
    public func _add(_ input: Input, to plan: PlanBuilder, after: [any PlannedStep]) throws -> Step<Self> {
        try plan.append(composite: self, input, after: after)
    }
}
