/// What a conductor begins with.
package struct Snapshot: Sendable {
    package struct Plan: Sendable {
        package var row: PlanRow
        package var spec: RunSpec
        package var steps: [StepRow]
        package var timers: [TimerRow]
        package var attempts: [AttemptRow]
        /// What was sent to its steps and is not delivered, by number.
        package var signals: [SignalRow] = []
        /// What came of its steps' sub-plans.
        package var children: [StepIndex: ChildCounts] = [:]
        /// What its steps hold and ask for.
        package var permits: [PermitRow] = []

        package init(row: PlanRow, spec: RunSpec, steps: [StepRow], timers: [TimerRow], attempts: [AttemptRow]) {
            self.row = row
            self.spec = spec
            self.steps = steps
            self.timers = timers
            self.attempts = attempts
        }

        /// What is wrong with its rows, when they do not fit its request or each other; nil when they can be gone on
        /// with.
        package var flaw: String? {
            let pools = Set(spec.suites.map(\.group)).intersection(spec.groups.map(\.name)).count
            for (position, step) in steps.enumerated() {
                guard Int(step.index) == position else { return "step \(position) is missing" }
                guard step.needs.allSatisfy({ $0 >= 0 && $0 < step.index }) else {
                    return "step \(position) needs a step that does not come before it"
                }
                guard fits(step.spec, pools: pools) else { return "step \(position) does not fit the request" }
            }
            for timer in timers where !steps.indices.contains(Int(timer.step.index)) {
                return "a timer is set for step \(timer.step.index), which is missing"
            }
            for attempt in attempts {
                guard steps.indices.contains(Int(attempt.step)), steps[Int(attempt.step)].spec.action == .attempt else {
                    return "an attempt of \(attempt.suite)//\(attempt.test) belongs to no step"
                }
            }
            return nil
        }

        private func fits(_ step: StepSpec, pools: Int) -> Bool {
            let (a, b, c) = (Int(step.a), Int(step.b), Int(step.c))
            guard step.pool >= -1, step.pool < Int32(pools) else { return false }
            switch step.action {
            case .provision, .ready:
                guard spec.groups.indices.contains(a) else { return false }
                let group = spec.groups[a]
                guard group.hasNodes, c >= 0, c < group.count, step.node != nil else { return false }
                return step.action == .ready || group.steps.indices.contains(b)
            case .barrier: return b != 1 || spec.groups.indices.contains(a)
            case .before, .after: return spec.suites.indices.contains(a)
            case .attempt: return spec.suites.indices.contains(a) && spec.suites[a].tests.indices.contains(b)
            case .exec, .noop, .undo, .destroy: return true
            case .call: return spec.program?.actions.indices.contains(a) == true && c >= 0 && step.pool == -1
            case .finalize, .revert: return spec.program?.actions.indices.contains(a) == true && b >= 0
            }
        }
    }

    /// Those that are not stopped, by number.
    package var plans: [Plan] = []
    /// Those that are not gone.
    package var nodes: [NodeRow] = []
    /// The request of every plan that made one of `nodes`.
    package var specs: [PlanID: RunSpec] = [:]
    /// The highest numbers in use, 0 when there is none.
    package var lastPlan: Int64 = 0
    package var lastNode: Int64 = 0
    /// How many events were written in the loading conductor's term.
    package var lastEvent: Int64 = 0
    /// Plans whose rows are broken, with what is wrong: they are left alone, and their users are told.
    package var broken: [PlanID: String] = [:]
    /// The rows of those among `broken` whose own row can be read: with it they can still be given up on.
    package var brokenRows: [PlanID: PlanRow] = [:]

    package init() {}
}
