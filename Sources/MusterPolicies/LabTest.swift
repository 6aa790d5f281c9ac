/// A test, as policies see it: what the lab, or its tree of fmf, says of it.
public struct LabTest: Hashable, Sendable {
    /// As in the results, without its suite.
    public var name: String
    /// Its tags, in their order. Those of a test of fmf are in `metadata` as well.
    public var tags: [String]
    /// By `order` of its suite: with `longest-first` how long it took the last time, in milliseconds, and `Int64.max`
    /// when nobody knows; with `priority` what the lab says; otherwise 0.
    public var priority: Int64
    /// How long it may take.
    public var timeout: Duration
    /// Whether the lab says that it uses up its node.
    public var isDestructive: Bool
    /// All keys of a test of a tree of fmf, as JSON; nil for others.
    public var metadata: String?

    /// A test, for tests of policies.
    public init(
        _ name: String,
        tags: [String] = [],
        priority: Int64 = 0,
        timeout: Duration = .seconds(600),
        isDestructive: Bool = false,
        metadata: String? = nil
    ) {
        self.name = name
        self.tags = tags
        self.priority = priority
        self.timeout = timeout
        self.isDestructive = isDestructive
        self.metadata = metadata
    }
}

/// What policies are told of a suite.
public struct LabSuite: Hashable, Sendable {
    /// As in the lab.
    public var name: String
    /// How often a test that has failed may run again (`reruns`); no policy allows more.
    public var reruns: Int
    /// After which outcomes the lab has a test run again (`rerun-when`).
    public var rerunWhen: [TestOutcome]
    /// Where the lab has it run again (`rerun-on`).
    public var rerunOn: RerunPlace
    /// After which outcomes the lab has the node made anew (`renew-after`).
    public var renewAfter: [TestOutcome]

    /// A suite, for tests of policies.
    public init(
        _ name: String,
        reruns: Int = 0,
        rerunWhen: [TestOutcome] = [.fail, .error],
        rerunOn: RerunPlace = .any,
        renewAfter: [TestOutcome] = []
    ) {
        self.name = name
        self.reruns = reruns
        self.rerunWhen = rerunWhen
        self.rerunOn = rerunOn
        self.renewAfter = renewAfter
    }
}

/// An attempt of a test that came to an end of its own.
public struct EndedAttempt: Hashable, Sendable {
    /// The suite of its test.
    public var suite: LabSuite
    /// The test that was tried.
    public var test: LabTest
    /// What it was worth: as judged, where `SuccessPolicy` is asked; for the others as that said.
    public var outcome: TestOutcome
    /// How often the test has failed by itself in this run, this time included.
    public var failures: Int

    /// An attempt, for tests of policies.
    public init(suite: LabSuite, test: LabTest, outcome: TestOutcome, failures: Int = 0) {
        self.suite = suite
        self.test = test
        self.outcome = outcome
        self.failures = failures
    }
}

/// What an attempt was worth. That a node was lost is none of these: then the test is repeated, and no policy asked.
public enum TestOutcome: String, Hashable, Sendable, CaseIterable {
    case pass, fail, info, warn, skip
    /// Something around the test is wrong, and not what it tests.
    case error
}

/// Where a test that has failed runs again.
public enum RerunPlace: String, Hashable, Sendable, CaseIterable {
    /// On the next free node.
    case any
    /// On the node on which it failed, as long as that is there.
    case same
    /// On a node on which it has not failed yet, as long as there is, or will be, one.
    case other
    /// On a node that is made anew: that on which it failed makes way.
    case fresh
}
