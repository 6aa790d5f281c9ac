import MusterCore
import MusterEngine
import MusterStore
import MusterTestKit

/// A program with these actions, each as `change` makes it.
func program(
    _ actions: String...,
    change: (inout ActionSpec) -> Void = { _ in },
    plan: (inout ProgramSpec) -> Void = { _ in }
) -> ProgramSpec {
    var made = ProgramSpec(
        name: "root",
        actions: actions.map { name in
            var action = ActionSpec(name: name)
            change(&action)
            return action
        }
    )
    plan(&made)
    return made
}

extension CallEnd {
    static let done = CallEnd(.succeeded, output: "{}")
    static let asleep = CallEnd(.suspended, output: "{}")
    static func fails(_ message: String = "broken", isFinal: Bool = false) -> CallEnd {
        CallEnd(.failed(StepError(.thrown, message), isFinal: isFinal))
    }
}

extension ProgramHarness {
    func error(_ id: PlanID, _ step: Int) throws -> String? { try store.steps(of: id)[step].error?.message }
}
