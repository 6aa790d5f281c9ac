package import MusterCore

/// Which test is meant, in whatever run.
package struct TestKey: Hashable, Comparable, Sendable {
    package let suite: String
    package let name: String

    package init(_ test: TestReport) {
        suite = test.suite
        name = test.name
    }

    /// The name people type and read: `api//tests/login`.
    package var fullName: String { name.hasPrefix("/") ? "\(suite)/\(name)" : "\(suite)//\(name)" }

    package static func < (a: TestKey, b: TestKey) -> Bool { (a.suite, a.name) < (b.suite, b.name) }
}

/// How the tests of a lab went in its last runs: what a report shows beside each test.
package struct RunHistory: Hashable, Sendable {
    /// A run in which the test had a part.
    package struct Entry: Hashable, Sendable {
        package let run: RunName
        package let status: TestStatus
    }

    /// So many runs are shown.
    package static let runsMax = 10

    private var entries: [TestKey: [Entry]] = [:]

    /// Of a lab without earlier runs.
    package init() {}

    /// - Parameter runs: earlier runs of the same lab in any order; of more than `runsMax` the newest count.
    package init(_ runs: [RunReport]) {
        for run in runs.sorted(by: { $0.run.plan < $1.run.plan }).suffix(Self.runsMax) {
            for test in run.suites.lazy.flatMap(\.tests) {
                entries[TestKey(test), default: []].append(Entry(run: run.run, status: test.status))
            }
        }
    }

    /// How a test went, the oldest run first; runs without it are not there.
    package subscript(test: TestReport) -> [Entry] { entries[TestKey(test)] ?? [] }
}
