/// A plan that a program in this process has built: its steps come as they are, not from a lab.
package struct PlanSubmission: Sendable {
    package struct Step: Hashable, Sendable {
        package var spec: StepSpec
        /// Positions of earlier steps of the same plan.
        package var needs: [StepIndex]
        package init(_ spec: StepSpec, needs: [StepIndex] = []) {
            self.spec = spec
            self.needs = needs
        }
    }
    /// Its author's name for it, found again as `PlanRow.request`.
    package var token: String
    package var spec: RunSpec
    package var steps: [Step]

    package init(token: String, spec: RunSpec, steps: [Step]) {
        self.token = token
        self.spec = spec
        self.steps = steps
    }
}
