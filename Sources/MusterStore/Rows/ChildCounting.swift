import MusterCore

extension ChildCounts {
    /// Counts so many more that stand like this.
    mutating func add(_ number: Int, state: PlanState, result: PlanResult) {
        planned += number
        switch state {
        case .stopped where result == .success || result == .warning: succeeded += number
        case .stopped: failed += number
        case .paused: paused += number
        case .pending, .scheduled, .planning, .planned, .running: break
        }
    }
}
