package import MusterCore

/// Which tests of a lab change their mind: over its last runs, those that failed and passed by turns.
package struct FlakyHistory: Hashable, Sendable {
    /// How one test went.
    package struct Row: Hashable, Sendable {
        package let test: TestKey
        /// Runs in which it passed or failed; what was lost to machines, skipped or not run says nothing of it.
        package internal(set) var runs = 0
        /// Runs in which it failed, then passed.
        package internal(set) var flaky = 0
        /// Runs in which it failed to the end.
        package internal(set) var failures = 0
        /// How often an attempt went otherwise than the one before it, over all runs.
        package internal(set) var changes = 0
        /// The newest run in which an attempt failed, when that was, and what it said.
        package internal(set) var lastFailure: Failure?
        /// Its status in each run, the oldest first.
        package internal(set) var history: [TestStatus] = []
        fileprivate var lastWasGood: Bool?

        fileprivate init(test: TestKey) { self.test = test }

        /// The part of its runs that it passed in the end, 0 … 1.
        package var passRate: Double { runs == 0 ? 0 : Double(runs - failures) / Double(runs) }

        /// Once broken, or once mended, is not flaky.
        var isFlaky: Bool { flaky > 0 || changes > 1 }
    }

    /// An attempt that failed.
    package struct Failure: Hashable, Sendable {
        package let run: RunName
        package let at: Timestamp?
        package let note: String?
    }

    package let lab: String
    /// The runs that were looked at, the oldest first.
    package let runs: [RunName]
    /// How many tests they had.
    package let testCount: Int
    /// Those that are flaky: first what changed most often, then what failed most often.
    package let rows: [Row]

    /// - Parameter runs: runs of one lab, in any order.
    package init(lab: String, _ runs: [RunReport]) {
        self.lab = lab
        let ordered = runs.sorted { $0.run.plan < $1.run.plan }
        self.runs = ordered.map(\.run)
        var byTest: [TestKey: Row] = [:]
        for run in ordered {
            for test in run.suites.lazy.flatMap(\.tests) {
                let key = TestKey(test)
                byTest[key, default: Row(test: key)].add(test, of: run.run)
            }
        }
        testCount = byTest.count
        rows = byTest.values.filter(\.isFlaky).sorted { a, b in
            if a.changes != b.changes { return a.changes > b.changes }
            if a.failures + a.flaky != b.failures + b.flaky { return a.failures + a.flaky > b.failures + b.flaky }
            return a.test < b.test
        }
    }
}

extension FlakyHistory.Row {
    fileprivate mutating func add(_ test: TestReport, of run: RunName) {
        let status = test.status
        history.append(status)
        if status.isVerdict { runs += 1 }
        if status == .flaky { flaky += 1 }
        if status.fails { failures += 1 }
        for attempt in test.attempts where attempt.status.isVerdict {
            let isGood = attempt.status.passes
            if let lastWasGood, lastWasGood != isGood { changes += 1 }
            lastWasGood = isGood
            if !isGood { lastFailure = FlakyHistory.Failure(run: run, at: attempt.startedAt, note: attempt.note) }
        }
    }
}
