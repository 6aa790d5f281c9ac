package import MusterCore

/// The actions of a program, for the performer: who makes plans of them and calls them.
///
/// Called on tasks of the performer, many at once. It decides nothing about plans: what came of a call goes to the
/// Director.
package protocol ActionHost: Sendable {
    /// Makes the steps of a plan from its root action and `program.input`. Has no effects; may be called again.
    func plan(_ program: ProgramSpec, of id: PlanID) async -> Result<ChildPlan, StepError>

    /// Performs one call to its end. When its task is cancelled, the action is told so.
    func perform(_ call: ActionCall, in context: CallContext) async -> CallEnd
}

/// What a call may use besides its input.
package struct CallContext: Sendable {
    private let makeOperation: @Sendable () -> OperationID
    /// The conductor's clock.
    package let now: @Sendable () -> Timestamp
    /// Appends to the step's output chunks.
    package let write: @Sendable (String) -> Void

    /// - Parameter operation: made when somebody asks for it.
    package init(
        operation: @autoclosure @escaping @Sendable () -> OperationID,
        now: @escaping @Sendable () -> Timestamp,
        write: @escaping @Sendable (String) -> Void
    ) {
        makeOperation = operation
        self.now = now
        self.write = write
    }

    /// The same for every repetition of the same try of the same step, in this state and no other.
    package var operation: OperationID { makeOperation() }
}
