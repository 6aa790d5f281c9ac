/// Which test is next.
///
/// Like all policies it is asked in the middle of a decision, and again after a crash. So it looks at its arguments,
/// and at what it was made with, and at nothing else: no clock, no chance, no files. What it leaves out, the lab says.
public protocol OrderPolicy: Sendable {
    /// Of the tests that wait the one with the highest goes first, and of equal ones the first that was listed.
    ///
    /// - Parameters:
    ///   - test: is to run.
    ///   - attempt: which attempt is to begin, from 1. Asked once for each, when it is planned, and stored.
    ///   - suite: that of the test.
    func priority(of test: LabTest, attempt: Int, in suite: LabSuite) -> Int64
}

/// What an attempt counts as.
///
/// It looks at its arguments, and at what it was made with, and at nothing else.
public protocol SuccessPolicy: Sendable {
    /// Asked once for each attempt that came to an end of its own, and stored.
    ///
    /// Reports, the exit code and reruns go by the answer: `fail` and `error` are failures, other outcomes none.
    func outcome(of attempt: EndedAttempt) -> TestOutcome
}

/// Whether an attempt has used up its node, so that no other test may run there, and it is made anew.
///
/// It looks at its arguments, and at what it was made with, and at nothing else.
public protocol DestructivePolicy: Sendable {
    /// Asked at the end of each attempt.
    ///
    /// - Parameters:
    ///   - test: has run on the node.
    ///   - attempt: nil when it was ended before its end, and nobody knows how far it came.
    func usesUpNode(_ test: LabTest, after attempt: EndedAttempt?) -> Bool
}

/// Whether, and where, a test that has failed runs again.
///
/// It looks at its arguments, and at what it was made with, and at nothing else.
public protocol RerunPolicy: Sendable {
    /// Asked after each failure for which the suite has a rerun left, and again after a crash while the next attempt
    /// waits; nil for no further attempt.
    func place(after attempt: EndedAttempt) -> RerunPlace?
}

extension OrderPolicy {
    /// As the suite's `order` says.
    public func priority(of test: LabTest, attempt: Int, in suite: LabSuite) -> Int64 { test.priority }
}

extension SuccessPolicy {
    /// As it was judged: by exit code, signal or time, or by what the test has reported.
    public func outcome(of attempt: EndedAttempt) -> TestOutcome { attempt.outcome }
}

extension DestructivePolicy {
    /// As `destructive` of the test and `renew-after` of its suite say.
    public func usesUpNode(_ test: LabTest, after attempt: EndedAttempt?) -> Bool {
        test.isDestructive || attempt.map { $0.suite.renewAfter.contains($0.outcome) } ?? false
    }
}

extension RerunPolicy {
    /// As `rerun-when` and `rerun-on` of the suite say.
    public func place(after attempt: EndedAttempt) -> RerunPlace? {
        attempt.suite.rerunWhen.contains(attempt.outcome) ? attempt.suite.rerunOn : nil
    }
}

/// As the lab says. A policy that decides some cases of its own asks this one for the others.
public struct LabPolicy: OrderPolicy, SuccessPolicy, DestructivePolicy, RerunPolicy {
    /// It has nothing of its own.
    public init() {}
}

/// One policy of each kind, for all runs of tests that a program performs.
public struct TestPolicies: Sendable {
    /// Says which test is next.
    public let order: any OrderPolicy
    /// Says what an attempt counts as.
    public let success: any SuccessPolicy
    /// Says what uses up a node.
    public let destructive: any DestructivePolicy
    /// Says whether and where a failed test runs again.
    public let rerun: any RerunPolicy

    /// Policies; what is not given the lab says.
    public init(
        order: any OrderPolicy = LabPolicy(),
        success: any SuccessPolicy = LabPolicy(),
        destructive: any DestructivePolicy = LabPolicy(),
        rerun: any RerunPolicy = LabPolicy()
    ) {
        self.order = order
        self.success = success
        self.destructive = destructive
        self.rerun = rerun
    }
}
