package import MusterCore

/// Asks a program's policies where the core asks its own, in the words of either.
private struct Deciding: MusterCore.OrderPolicy, MusterCore.SuccessPolicy, MusterCore.DestructivePolicy,
    MusterCore.RerunPolicy
{
    let policies: TestPolicies

    func priority(of test: TestSpec, attempt: Int, in suite: SuiteRules) -> Int64 {
        policies.order.priority(of: LabTest(test), attempt: attempt, in: LabSuite(suite))
    }

    func outcome(of attempt: MusterCore.EndedAttempt) -> Outcome {
        EndedAttempt(attempt).map { Outcome(policies.success.outcome(of: $0)) } ?? attempt.outcome
    }

    func usesUpNode(_ test: TestSpec, after attempt: MusterCore.EndedAttempt?) -> Bool {
        policies.destructive.usesUpNode(LabTest(test), after: attempt.flatMap { EndedAttempt($0) })
    }

    func place(after attempt: MusterCore.EndedAttempt) -> SuitePolicy.RerunPlace? {
        guard let attempt = EndedAttempt(attempt) else { return nil }
        return policies.rerun.place(after: attempt).map { SuitePolicy.RerunPlace($0) }
    }
}

extension TestPolicies {
    /// For the core.
    package var decided: MusterCore.TestPolicies {
        let deciding = Deciding(policies: self)
        return MusterCore.TestPolicies(order: deciding, success: deciding, destructive: deciding, rerun: deciding)
    }
}

extension LabTest {
    fileprivate init(_ spec: TestSpec) {
        self.init(
            spec.name,
            tags: spec.tags,
            priority: spec.priority,
            timeout: spec.timeout,
            isDestructive: spec.destructive,
            metadata: spec.frame?.metadata
        )
    }
}

extension LabSuite {
    fileprivate init(_ rules: SuiteRules) {
        self.init(
            rules.name,
            reruns: rules.reruns,
            rerunWhen: rules.policy.rerunWhen.compactMap { TestOutcome($0) },
            rerunOn: RerunPlace(rules.policy.rerunOn),
            renewAfter: rules.policy.renewAfter.compactMap { TestOutcome($0) }
        )
    }
}

extension EndedAttempt {
    /// nil for one whose node was lost: it has not come to an end of its own.
    fileprivate init?(_ attempt: MusterCore.EndedAttempt) {
        guard let outcome = TestOutcome(attempt.outcome) else { return nil }
        self.init(
            suite: LabSuite(attempt.suite),
            test: LabTest(attempt.test),
            outcome: outcome,
            failures: attempt.failures
        )
    }
}

extension TestOutcome {
    /// nil for `infra`.
    fileprivate init?(_ outcome: Outcome) {
        switch outcome {
        case .pass: self = .pass
        case .fail: self = .fail
        case .info: self = .info
        case .warn: self = .warn
        case .skip: self = .skip
        case .error: self = .error
        case .infra: return nil
        }
    }
}

extension Outcome {
    fileprivate init(_ outcome: TestOutcome) {
        switch outcome {
        case .pass: self = .pass
        case .fail: self = .fail
        case .info: self = .info
        case .warn: self = .warn
        case .skip: self = .skip
        case .error: self = .error
        }
    }
}

extension RerunPlace {
    fileprivate init(_ place: SuitePolicy.RerunPlace) {
        switch place {
        case .any: self = .any
        case .same: self = .same
        case .other: self = .other
        case .fresh: self = .fresh
        }
    }
}

extension SuitePolicy.RerunPlace {
    fileprivate init(_ place: RerunPlace) {
        switch place {
        case .any: self = .any
        case .same: self = .same
        case .other: self = .other
        case .fresh: self = .fresh
        }
    }
}
