import MusterCore
import MusterPolicies
import Testing

/// Between a program's policies, which are public, and the core's, which are not.
@Suite struct OwnPolicyTests {
    private static func attempt(_ outcome: Outcome, _ test: TestSpec, _ suite: SuiteSpec) -> MusterCore.EndedAttempt {
        MusterCore.EndedAttempt(suite: SuiteRules(suite), test: test, outcome: outcome, failures: 1)
    }

    private static let test = TestSpec(name: "a", command: .file("a"))
    private static let suite = SuiteSpec(name: "api", group: "app")
    /// Of attempts that came to an end of their own.
    private static let outcomes = Outcome.allCases.filter { $0 != .infra }

    /// With policies that decide nothing, every question has the answer that it has without policies.
    @Test func whatAPolicyLeavesOutTheLabSays() {
        struct Nothing: MusterPolicies.OrderPolicy, MusterPolicies.SuccessPolicy, MusterPolicies.DestructivePolicy,
            MusterPolicies.RerunPolicy
        {}
        let nothing = Nothing()
        let own = [
            MusterPolicies.TestPolicies(),
            MusterPolicies.TestPolicies(order: nothing, success: nothing, destructive: nothing, rerun: nothing),
        ].map(\.decided)
        let lab = MusterCore.TestPolicies.declared
        let sets: [[Outcome]] = [[], [.fail], [.error], [.fail, .error], [.pass, .warn]]
        for (set, place) in sets.flatMap({ set in SuitePolicy.RerunPlace.allCases.map { (set, $0) } }) {
            var suite = Self.suite
            suite.policy = SuitePolicy()
            suite.policy?.rerunWhen = set
            suite.policy?.renewAfter = set
            suite.policy?.rerunOn = place
            for (outcome, destructive) in Self.outcomes.flatMap({ [($0, false), ($0, true)] }) {
                var test = Self.test
                test.destructive = destructive
                test.priority = 7
                let attempt = Self.attempt(outcome, test, suite)
                for own in own {
                    #expect(own.order.priority(of: test, attempt: 1, in: SuiteRules(suite)) == 7)
                    #expect(own.success.outcome(of: attempt) == lab.success.outcome(of: attempt))
                    let usesUp = lab.destructive.usesUpNode(test, after: attempt)
                    #expect(own.destructive.usesUpNode(test, after: attempt) == usesUp)
                    #expect(own.destructive.usesUpNode(test, after: nil) == destructive)
                    #expect(own.rerun.place(after: attempt) == lab.rerun.place(after: attempt))
                }
            }
        }
    }

    /// Says yes to what it expects, and to nothing else.
    private struct Sees: MusterPolicies.OrderPolicy, MusterPolicies.SuccessPolicy, MusterPolicies.DestructivePolicy,
        MusterPolicies.RerunPolicy
    {
        let attempt: MusterPolicies.EndedAttempt

        func priority(of test: LabTest, attempt: Int, in suite: LabSuite) -> Int64 {
            test == self.attempt.test && suite == self.attempt.suite && attempt == 3 ? 1 : 0
        }
        func outcome(of attempt: MusterPolicies.EndedAttempt) -> TestOutcome {
            attempt == self.attempt ? .warn : .error
        }
        func usesUpNode(_ test: LabTest, after attempt: MusterPolicies.EndedAttempt?) -> Bool {
            test == self.attempt.test && attempt == self.attempt
        }
        func place(after attempt: MusterPolicies.EndedAttempt) -> RerunPlace? { attempt == self.attempt ? .same : nil }
    }

    @Test func aPolicySeesWhatTheLabSays() {
        var test = Self.test
        test.tags = ["slow", "net"]
        test.priority = 5
        test.timeout = .seconds(9)
        test.destructive = true
        var suite = Self.suite
        suite.reruns = 4
        suite.policy = SuitePolicy()
        suite.policy?.rerunWhen = [.fail]
        suite.policy?.rerunOn = .other
        suite.policy?.renewAfter = [.error]
        let seen = MusterPolicies.EndedAttempt(
            suite: LabSuite("api", reruns: 4, rerunWhen: [.fail], rerunOn: .other, renewAfter: [.error]),
            test: LabTest("a", tags: ["slow", "net"], priority: 5, timeout: .seconds(9), isDestructive: true),
            outcome: .fail,
            failures: 1
        )
        let sees = Sees(attempt: seen)
        let own = MusterPolicies.TestPolicies(order: sees, success: sees, destructive: sees, rerun: sees).decided
        let attempt = Self.attempt(.fail, test, suite)
        #expect(own.order.priority(of: test, attempt: 3, in: SuiteRules(suite)) == 1)
        #expect(own.success.outcome(of: attempt) == .warn)
        #expect(own.destructive.usesUpNode(test, after: attempt))
        #expect(own.rerun.place(after: attempt) == .same)
    }

    private struct Says: MusterPolicies.SuccessPolicy, MusterPolicies.RerunPolicy {
        var outcome = TestOutcome.pass
        var place: RerunPlace?
        func outcome(of attempt: MusterPolicies.EndedAttempt) -> TestOutcome { outcome }
        func place(after attempt: MusterPolicies.EndedAttempt) -> RerunPlace? { place }
    }

    @Test func whatAPolicySaysIsUnderstood() {
        #expect(TestOutcome.allCases.map(\.rawValue) == Self.outcomes.map(\.rawValue))
        #expect(RerunPlace.allCases.map(\.rawValue) == SuitePolicy.RerunPlace.allCases.map(\.rawValue))
        let failed = Self.attempt(.fail, Self.test, Self.suite)
        for outcome in TestOutcome.allCases {
            let own = MusterPolicies.TestPolicies(success: Says(outcome: outcome)).decided
            #expect(own.success.outcome(of: failed).rawValue == outcome.rawValue)
        }
        for place in RerunPlace.allCases {
            let own = MusterPolicies.TestPolicies(rerun: Says(place: place)).decided
            #expect(own.rerun.place(after: failed)?.rawValue == place.rawValue)
        }
    }

    @Test func noPolicyHearsOfALostNode() {
        let own = MusterPolicies.TestPolicies(success: Says(), rerun: Says(place: .any)).decided
        let lost = Self.attempt(.infra, Self.test, Self.suite)
        #expect(own.success.outcome(of: lost) == .infra)
        #expect(own.rerun.place(after: lost) == nil)
    }
}
