import MusterCore

/// A step of a plan that is being made, whatever its action.
public protocol PlannedStep: Sendable {
    /// Where it stands.
    var plannedPlace: PlannedPlace { get }
}

/// Where a step stands in the plan that is being made.
public struct PlannedPlace: Hashable, Sendable {
    let plan: UInt64
    /// What others that come after it need; nil when it came out empty.
    let end: StepIndex?
}

/// A step of a plan that is being made: what it will have as output can be used as the input of later steps.
///
/// `step.output` is the whole; `step.id` is the field `id` of it.
@dynamicMemberLookup
public struct Step<Of: PlanAction>: PlannedStep {
    /// Where it stands.
    public let plannedPlace: PlannedPlace
    /// Its output, once it has run.
    public let output: Value<Of.Output>

    /// A field of its output, once it has run.
    public subscript<Field: Codable & Sendable>(dynamicMember keyPath: KeyPath<Of.Output, Field>) -> Value<Field> {
        output[dynamicMember: keyPath]
    }
}
