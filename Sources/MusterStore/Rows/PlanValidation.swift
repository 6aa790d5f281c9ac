package import MusterCore

/// What a conductor relies on when it takes a plan from the store. Linear in the plan's rows.
enum PlanValidation {
    /// What is wrong with the plan; nil when it is whole.
    static func problem(in plan: borrowing Snapshot.Plan) -> String? {
        let count = plan.steps.count
        for (place, step) in plan.steps.enumerated() {
            if Int(step.index) != place { return "step \(place) is missing" }
            for need in step.needs where need < 0 || Int(need) >= count || need == step.index {
                return "step \(place) needs step \(need) of \(count)"
            }
            if let threshold = step.spec.threshold, threshold < 0 {
                return "step \(place) has the threshold \(threshold)"
            }
            if step.tries < 0 { return "step \(place) was tried \(step.tries) times" }
        }
        for timer in plan.timers where timer.step.index < 0 || Int(timer.step.index) >= count {
            return "a timer belongs to step \(timer.step.index) of \(count)"
        }
        for attempt in plan.attempts where attempt.step < 0 || Int(attempt.step) >= count {
            return "an attempt of \(attempt.test) belongs to step \(attempt.step) of \(count)"
        }
        for signal in plan.signals where signal.step.index < 0 || Int(signal.step.index) >= count {
            return "what was sent to it is for step \(signal.step.index) of \(count)"
        }
        // The plan itself asks as step -1.
        for permit in plan.permits where permit.step.index < -1 || Int(permit.step.index) >= count {
            return "a permit of '\(permit.limit)' belongs to step \(permit.step.index) of \(count)"
        }
        return nil
    }
}

extension Store {
    /// What is wrong with an unfinished run, so that no conductor goes on with it; nil when a reader finds nothing.
    ///
    /// Linear in the run's rows. What broken rows of its machines do to it, only `load()` sees.
    package func flaw(of row: PlanRow) throws(StoreError) -> String? {
        guard !row.state.isFinal else { return nil }
        do throws(StoreError) {
            // Each is read by itself, while a conductor may go on. Plans only grow, so what belongs to steps is read
            // before the steps.
            let timers = try timers(of: row.id)
            let attempts = try attempts(of: row.id)
            let signals = try signals(of: row.id)
            guard let spec = try spec(of: row.id) else { return "its request is missing" }
            let steps = try steps(of: row.id)
            var plan = Snapshot.Plan(row: row, spec: spec, steps: steps, timers: timers, attempts: attempts)
            plan.signals = signals
            return PlanValidation.problem(in: plan) ?? plan.flaw
        } catch  where error.code == .corrupt {
            return error.message
        }
    }
}

extension AttemptRow {
    /// How long the test took, where that says something about the test; nil otherwise.
    ///
    /// Not counted: attempts that never ran, that were ended on request, or that were lost with their machine.
    package var testDuration: Duration? {
        guard let startedAt, !isCancelled, outcome != .infra, endedAt >= startedAt else { return nil }
        return endedAt - startedAt
    }
}
