// What a program that conducts runs of tests may decide in its own way. What the lab says is one implementation of it.
//
// Policies are asked in the middle of a decision, and again after a crash: they have to give the same answer to the
// same question for as long as a run lasts. So they look at nothing but their arguments: no clock, no chance, no files.

/// An attempt that has ended by itself, as policies see it.
package struct EndedAttempt: Hashable, Sendable {
    /// The suite of its test, without the suite's other tests.
    package let suite: SuiteRules
    package let test: TestSpec
    /// What it was worth: as judged, before `SuccessPolicy` was asked; afterwards as that said.
    package let outcome: Outcome
    /// How often the test has failed by itself, this time included.
    package let failures: Int

    package init(suite: SuiteRules, test: TestSpec, outcome: Outcome, failures: Int) {
        self.suite = suite
        self.test = test
        self.outcome = outcome
        self.failures = failures
    }
}

/// What policies are told of a suite.
package struct SuiteRules: Hashable, Sendable {
    package let name: String
    /// How often a test may run again; no policy allows more.
    package let reruns: Int
    package let policy: SuitePolicy

    package init(_ suite: SuiteSpec) {
        name = suite.name
        reruns = suite.reruns
        policy = suite.rules
    }
}

/// Which test is next.
package protocol OrderPolicy: Sendable {
    /// Of the tests that wait the one with the highest goes first, and of equal ones the first that was listed.
    ///
    /// - Parameter attempt: which attempt is to begin, from 1. Asked once for each, when it is planned, and stored.
    func priority(of test: TestSpec, attempt: Int, in suite: SuiteRules) -> Int64
}

/// What an attempt counts as.
package protocol SuccessPolicy: Sendable {
    /// Asked once for each attempt that came to an end of its own, and stored. An answer of `infra` changes nothing:
    /// that a node was lost is not a policy's to say.
    func outcome(of attempt: EndedAttempt) -> Outcome
}

/// Whether an attempt has used up its node, so that no other test may run there.
package protocol DestructivePolicy: Sendable {
    /// - Parameter attempt: nil when it was ended before its end, and nobody knows how far it came.
    func usesUpNode(_ test: TestSpec, after attempt: EndedAttempt?) -> Bool
}

/// Whether, and where, a test that has failed runs again.
package protocol RerunPolicy: Sendable {
    /// Asked after each failure for which the suite has a rerun left, and again after a crash while the next attempt
    /// waits; nil for no further attempt.
    func place(after attempt: EndedAttempt) -> SuitePolicy.RerunPlace?
}

/// As the lab file says: `order`, `destructive`, `renew-after`, `rerun-when`, `rerun-on`.
package struct DeclaredPolicy: OrderPolicy, SuccessPolicy, DestructivePolicy, RerunPolicy {
    package init() {}

    /// What the planner has put into the request for the suite's `order`.
    package func priority(of test: TestSpec, attempt: Int, in suite: SuiteRules) -> Int64 { test.priority }

    package func outcome(of attempt: EndedAttempt) -> Outcome { attempt.outcome }

    package func usesUpNode(_ test: TestSpec, after attempt: EndedAttempt?) -> Bool {
        test.destructive || attempt.map { $0.suite.policy.renewAfter.contains($0.outcome) } ?? false
    }

    package func place(after attempt: EndedAttempt) -> SuitePolicy.RerunPlace? {
        attempt.suite.policy.rerunWhen.contains(attempt.outcome) ? attempt.suite.policy.rerunOn : nil
    }
}

/// The policies of a conductor, for all runs of tests that it decides. One object, shared by all that ask it: values of
/// unknown size in every run would make each turn's copies dear.
package final class TestPolicies: Sendable {
    package let order: any OrderPolicy
    package let success: any SuccessPolicy
    package let destructive: any DestructivePolicy
    package let rerun: any RerunPolicy

    package init(
        order: any OrderPolicy = DeclaredPolicy(),
        success: any SuccessPolicy = DeclaredPolicy(),
        destructive: any DestructivePolicy = DeclaredPolicy(),
        rerun: any RerunPolicy = DeclaredPolicy()
    ) {
        self.order = order
        self.success = success
        self.destructive = destructive
        self.rerun = rerun
    }

    /// What the lab file says.
    package static let declared = TestPolicies()
}
