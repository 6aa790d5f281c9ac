import MusterPolicies

/// Tests with the tag `slow` go first. Who runs again goes last.
struct SlowFirst: OrderPolicy {
    func priority(of test: LabTest, attempt: Int, in suite: LabSuite) -> Int64 {
        attempt > 1 ? -1 : test.tags.contains("slow") ? 1 : 0
    }
}

/// The failure of a test that is known to fail is a warning, and ends no build.
struct KnownIssues: SuccessPolicy {
    func outcome(of attempt: EndedAttempt) -> TestOutcome {
        attempt.outcome == .fail && attempt.test.tags.contains("known-issue") ? .warn : attempt.outcome
    }
}

/// No test may run where another one has installed something. What else uses up a node the lab says.
struct CleanNodes: DestructivePolicy {
    func usesUpNode(_ test: LabTest, after attempt: EndedAttempt?) -> Bool {
        test.tags.contains("installs") || LabPolicy().usesUpNode(test, after: attempt)
    }
}

/// Only tests with the tag `flaky` run again: at first on the same node, then on others.
struct FlakyAgain: RerunPolicy {
    func place(after attempt: EndedAttempt) -> RerunPlace? {
        guard attempt.test.tags.contains("flaky") else { return nil }
        return attempt.failures == 1 ? .same : .other
    }
}

@main
struct OwnPolicies {
    /// All that `muster` does, but runs of tests are decided as above.
    static func main() async {
        await Muster.main(
            policies: TestPolicies(
                order: SlowFirst(),
                success: KnownIssues(),
                destructive: CleanNodes(),
                rerun: FlakyAgain()
            )
        )
    }
}
