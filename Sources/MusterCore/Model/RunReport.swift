/// A run with its results, as reports and summaries show it: a projection of the store.
package struct RunReport: Hashable, Sendable {
    package var run: RunName
    package var lab: String
    package var verb: Verb
    package var state: PlanState
    package var result: PlanResult
    /// Why it is paused or how it ended, in words.
    package var reason: String?
    package var startedAt: Timestamp
    /// nil while it runs.
    package var endedAt: Timestamp?
    /// How many nodes it used, and how many were replaced.
    package var nodes: Int
    package var nodesReplaced: Int
    /// Failures of machines and steps, each a sentence: what, which node, what to look at.
    package var problems: [String]
    package var suites: [SuiteReport]
    /// How its groups were set up, each after all it needs.
    package var groups: [GroupReport]
    package var flakyFails: Bool

    package init(
        run: RunName,
        lab: String,
        verb: Verb,
        state: PlanState,
        result: PlanResult,
        reason: String? = nil,
        startedAt: Timestamp,
        endedAt: Timestamp?,
        nodes: Int = 0,
        nodesReplaced: Int = 0,
        problems: [String] = [],
        suites: [SuiteReport] = [],
        groups: [GroupReport] = [],
        flakyFails: Bool = false
    ) {
        self.run = run
        self.lab = lab
        self.verb = verb
        self.state = state
        self.result = result
        self.reason = reason
        self.startedAt = startedAt
        self.endedAt = endedAt
        self.nodes = nodes
        self.nodesReplaced = nodesReplaced
        self.problems = problems
        self.suites = suites
        self.groups = groups
        self.flakyFails = flakyFails
    }

    package var tests: [TestReport] { suites.flatMap(\.tests) }
}

package struct SuiteReport: Hashable, Sendable {
    package var name: String
    /// The group that its tests run on; nil when that is not known.
    package var group: String?
    package var tests: [TestReport]
    package init(name: String, group: String? = nil, tests: [TestReport]) {
        self.name = name
        self.group = group
        self.tests = tests
    }
}

/// A test with all its attempts, in order. Without attempts it has not run yet.
package struct TestReport: Hashable, Sendable {
    package var suite: String
    package var name: String
    package var attempts: [AttemptReport]
    package init(suite: String, name: String, attempts: [AttemptReport]) {
        self.suite = suite
        self.name = name
        self.attempts = attempts
    }

    /// The outcome of its last attempt that was not cancelled; nil while there is none.
    package var outcome: Outcome? { attempts.last { !$0.isCancelled }?.outcome }

    /// Failed, then passed. A pass after lost machines only is not flaky.
    package var isFlaky: Bool {
        outcome == .pass && attempts.contains { !$0.isCancelled && $0.outcome.isFailure }
    }
}

package struct AttemptReport: Hashable, Sendable {
    /// From 1.
    package var number: Int
    package var outcome: Outcome
    package var note: String?
    /// `app/1`; nil when it never ran.
    package var node: String?
    package var startedAt: Timestamp?
    package var duration: Duration
    package var isCancelled: Bool
    /// Paths relative to the folder of the results: `files/api/tests/login/1/output.txt`.
    package var files: [String]
    /// What the test reported itself, in its order.
    package var results: [TestResult]

    package init(
        number: Int,
        outcome: Outcome,
        note: String? = nil,
        node: String? = nil,
        startedAt: Timestamp?,
        duration: Duration,
        isCancelled: Bool = false,
        files: [String] = [],
        results: [TestResult] = []
    ) {
        self.number = number
        self.outcome = outcome
        self.note = note
        self.node = node
        self.startedAt = startedAt
        self.duration = duration
        self.isCancelled = isCancelled
        self.files = files
        self.results = results
    }
}
