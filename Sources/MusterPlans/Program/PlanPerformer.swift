package import MusterCore
import MusterEngine

/// Who performs plans in this process, as those see it who begin plans there and ask for things.
package protocol PlanPerformer: AnyObject, Sendable {
    /// Begins a plan that was built here. It is acknowledged by its row.
    func submit(_ plan: consuming PlanSubmission)
    /// A request lies in the store.
    func poke()
    /// Ends after the present turn.
    func stop()
}

extension Conductor: PlanPerformer {}
