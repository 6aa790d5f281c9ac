package import MusterCore

/// Which tests of a run are asked for.
package struct ResultsQuery: Sendable {
    /// A word for how tests went: an outcome, or what people say besides.
    package enum Word: Hashable, Sendable {
        case outcome(Outcome)
        case flaky, cancelled
        /// Without an outcome, whatever the reason.
        case pending

        /// nil for a word that means nothing here.
        package init?(_ text: String) {
            switch text {
            case "flaky": self = .flaky
            case "cancelled": self = .cancelled
            case "pending": self = .pending
            default:
                guard let outcome = Outcome(rawValue: text) else { return nil }
                self = .outcome(outcome)
            }
        }

        /// All words there are, for messages.
        package static let all = Outcome.allCases.map(\.rawValue) + ["flaky", "cancelled", "pending"]
    }

    /// How they went; empty for all.
    package var words: Set<Word> = []
    /// Which tests by name; nil for all.
    package var accepts: (@Sendable (TestKey) -> Bool)?
    /// A node that an attempt ran on, or a group of such nodes; nil for all.
    package var node: String?
    /// Whether parts that tests reported are listed. Then `words` are asked of them too.
    package var showsParts = false

    package init() {}

    /// The words of `--failed`: what `muster test --failed` runs again.
    package static let failed: Set<Word> = [.outcome(.fail), .outcome(.error), .outcome(.infra)]

    /// A test that was asked for, with the parts of its deciding attempt that were.
    package struct Row: Hashable, Sendable {
        package let test: TestReport
        package let parts: [TestResult]
    }

    /// What is asked for, failures first, then in the order of the run.
    package func rows(of report: RunReport) -> [Row] {
        let found = report.suites.lazy.flatMap(\.tests).compactMap { row($0) }
        let byStatus = Dictionary(grouping: found, by: \.test.status)
        return TestStatus.allCases.flatMap { byStatus[$0] ?? [] }
    }

    private func row(_ test: TestReport) -> Row? {
        if let accepts, !accepts(TestKey(test)) { return nil }
        if let node, !test.attempts.contains(where: { $0.node == node || $0.group == node }) { return nil }
        let all = showsParts ? test.decidingAttempt?.parts ?? [] : []
        guard !words.isEmpty else { return Row(test: test, parts: all) }
        let parts = all.filter { words.contains(.outcome($0.outcome)) }
        return words.contains(where: { test.isMeant(by: $0) }) || !parts.isEmpty ? Row(test: test, parts: parts) : nil
    }
}

extension TestReport {
    fileprivate func isMeant(by word: ResultsQuery.Word) -> Bool {
        switch word {
        case .outcome(let wanted): outcome == wanted
        case .flaky: status == .flaky
        case .cancelled: status == .cancelled
        case .pending: outcome == nil
        }
    }
}
