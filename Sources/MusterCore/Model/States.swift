/// Where a plan is. `stopped` is final.
package enum PlanState: String, Hashable, Sendable, Codable, CaseIterable {
    case pending, scheduled, planning, planned, running, paused, stopped

    package var isFinal: Bool { self == .stopped }

    /// Dynflow's transitions, which are ours (`reference/dynflow.md` A.2).
    package func mayBecome(_ next: PlanState) -> Bool {
        switch (self, next) {
        case (.pending, .stopped), (.pending, .scheduled), (.pending, .planning): true
        case (.scheduled, .planning), (.scheduled, .stopped): true
        case (.planning, .planned), (.planning, .stopped): true
        case (.planned, .running), (.planned, .stopped): true
        case (.running, .paused), (.running, .stopped): true
        case (.paused, .running), (.paused, .stopped): true
        case (.pending, _), (.scheduled, _), (.planning, _), (.planned, _), (.running, _), (.paused, _), (.stopped, _):
            false
        }
    }
}

/// What came of a plan. Derived from its steps: cancelled > error > warning > success > pending.
package enum PlanResult: String, Hashable, Sendable, Codable, CaseIterable {
    case pending, success, warning, error, cancelled
}

/// Where a step is. `success`, `skipped` and `cancelled` are final; `error` is until somebody resumes.
package enum StepState: String, Hashable, Sendable, Codable, CaseIterable {
    case pending, running, suspended, success, error, skipping, skipped, cancelled

    /// Whether the step will not change any more unless a person resumes its plan.
    package var hasEnded: Bool {
        switch self {
        case .success, .error, .skipped, .cancelled: true
        case .pending, .running, .suspended, .skipping: false
        }
    }

    /// Whether a step that needs this one may go on: it succeeded, or it was decided to go on without it.
    package var satisfiesNeeds: Bool { self == .success || self == .skipped }
}

/// The lifecycle of a node, which every node has whatever its mode table says. `gone` is final.
package enum NodeState: String, Hashable, Sendable, Codable, CaseIterable {
    case creating, starting, ready, lost, stopped, failed, quarantined, gone
}

/// Where a group of a lab is, derived from its nodes and from what it needs. `gone` is final.
package enum GroupState: String, Hashable, Sendable, Codable, CaseIterable {
    case waiting, blocked, working, ready, failed
    case tearingDown = "tearing-down"
    case gone
}

/// What came of one attempt of one test.
package enum Outcome: String, Hashable, Sendable, Codable, CaseIterable {
    case pass, fail, info, warn, skip, error, infra

    /// Whether a test with this outcome counts against the exit code 1.
    package var isFailure: Bool { self == .fail || self == .error }
}

/// When the machines of a run stay up after its end.
package enum Keep: String, Hashable, Sendable, Codable, CaseIterable {
    case never
    case onFailure = "on-failure"
    case always
}

/// What happens when a provisioning step of a node has failed for good.
package enum FailurePolicy: String, Hashable, Sendable, Codable, CaseIterable {
    /// The run stops where it is and waits for a person.
    case pause
    /// The node is destroyed and made anew, at most `NodeBudget.replacementsMax` times.
    case replace
    /// The run goes on without this node.
    case skip
    /// What needs the node is blocked; everything else goes on.
    case fail
}
