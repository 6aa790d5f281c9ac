package import MusterCore

/// What has changed between two runs of tests.
///
/// A test fails when its outcome is `fail` or `error`. What was lost to machines, skipped, cancelled or not run has no
/// verdict: it is neither a failure nor a fix.
package struct ResultsComparison: Hashable, Sendable {
    /// What became of a test, in the order in which people want to read it.
    package enum Kind: String, Hashable, Sendable, CaseIterable, Encodable {
        /// It fails, and did not before; also when it was not there before.
        case newlyFailing = "newly_failing"
        case stillFailing = "still_failing"
        /// It failed, then passed, in the new run.
        case flaky
        /// It had a verdict, and has none now.
        case undecided
        /// It took more than twice as long, and at least a second more. It passed both times.
        case slower
        case fixed
        /// It is new, and does not fail.
        case new
        case gone

        /// For people.
        package var title: String {
            switch self {
            case .newlyFailing: "newly failing"
            case .stillFailing: "still failing"
            case .flaky: "flaky"
            case .undecided: "no verdict"
            case .slower: "slower"
            case .fixed: "fixed"
            case .new: "new"
            case .gone: "gone"
            }
        }
    }

    /// A test that is not as it was.
    package struct Change: Hashable, Sendable {
        package let kind: Kind
        package let test: TestKey
        /// nil where the run had no such test.
        package let was: TestStatus?
        package let now: TestStatus?
        package let took: Duration?
        package let tookBefore: Duration?
        /// What the deciding attempt of the new run said.
        package let note: String?
    }

    package let before: RunName
    package let after: RunName
    /// By kind in its order, then in the order of the runs. A test that is slower may stand under a second kind.
    package let changes: [Change]
    /// How many tests are as they were.
    package let same: Int

    package init(before: RunReport, after: RunReport) {
        self.before = before.run
        self.after = after.run
        var old: [TestKey: TestReport] = [:]
        for test in before.suites.lazy.flatMap(\.tests) { old[TestKey(test)] = test }
        var found: [Change] = []
        var same = 0
        var seen: Set<TestKey> = []
        for test in after.suites.lazy.flatMap(\.tests) {
            let key = TestKey(test)
            seen.insert(key)
            let kinds = Self.kinds(old[key], test)
            if kinds.isEmpty { same += 1 }
            for kind in kinds { found.append(Change(kind, key, old[key], test)) }
        }
        for test in before.suites.lazy.flatMap(\.tests) where !seen.contains(TestKey(test)) {
            found.append(Change(.gone, TestKey(test), test, nil))
        }
        changes = Kind.allCases.flatMap { kind in found.filter { $0.kind == kind } }
        self.same = same
    }

    package subscript(kind: Kind) -> [Change] { changes.filter { $0.kind == kind } }

    /// Whether something is broken that was not.
    package var hasNewFailures: Bool { changes.contains { $0.kind == .newlyFailing } }

    private static func kinds(_ old: TestReport?, _ new: TestReport) -> [Kind] {
        if new.status.fails { return [old?.status.fails == true ? .stillFailing : .newlyFailing] }
        guard let old else { return [new.status == .flaky ? .flaky : .new] }
        var kinds: [Kind] = []
        if new.status == .flaky {
            kinds.append(.flaky)
        } else if old.status.isVerdict, !new.status.isVerdict {
            kinds.append(.undecided)
        } else if old.status.fails, new.status == .passed {
            kinds.append(.fixed)
        }
        if isSlower(old, new) { kinds.append(.slower) }
        return kinds
    }

    private static func isSlower(_ old: TestReport, _ new: TestReport) -> Bool {
        guard old.status.passes, new.status.passes, let was = old.decidingAttempt?.duration,
            let now = new.decidingAttempt?.duration
        else { return false }
        return now > was * 2 && now - was >= .seconds(1)
    }
}

extension ResultsComparison.Change {
    fileprivate init(_ kind: ResultsComparison.Kind, _ test: TestKey, _ old: TestReport?, _ new: TestReport?) {
        self.kind = kind
        self.test = test
        was = old?.status
        now = new?.status
        took = new.flatMap { $0.hasRun ? $0.decidingAttempt?.duration : nil }
        tookBefore = old.flatMap { $0.hasRun ? $0.decidingAttempt?.duration : nil }
        note = new?.decidingAttempt?.note
    }
}

extension TestStatus {
    /// Whether the test itself went wrong.
    var fails: Bool {
        switch self {
        case .failed, .error: true
        case .flaky, .infra, .cancelled, .notRun, .skipped, .passed: false
        }
    }

    var passes: Bool {
        switch self {
        case .flaky, .passed: true
        case .failed, .error, .infra, .cancelled, .notRun, .skipped: false
        }
    }

    /// Whether it says how the test itself went.
    var isVerdict: Bool { fails || passes }
}
