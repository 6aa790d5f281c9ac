package import MusterCore

/// What a run comes to: how many tests of each status, and the exit code with its reasons.
package struct RunSummary: Hashable, Sendable {
    /// Why a command ends with something else than 0. When several apply, the first in this order is the exit code.
    package enum ExitReason: Hashable, Sendable, CaseIterable {
        case interrupted, machinesFailed, paused, testsFailed, flakyTests

        package var code: Int32 {
            switch self {
            case .interrupted: 130
            case .machinesFailed: 3
            case .paused: 5
            case .testsFailed: 1
            case .flakyTests: 6
            }
        }

        package var text: String {
            switch self {
            case .interrupted: "interrupted"
            case .machinesFailed: "machines or infrastructure failed"
            case .paused: "paused, needs a person"
            case .testsFailed: "tests failed"
            case .flakyTests: "flaky tests, which count as failure here"
            }
        }
    }

    /// Each test is counted once.
    package private(set) var counts: [TestStatus: Int] = [:]
    package let flakyFails: Bool
    /// In order of precedence; empty when the run passed, or has not failed so far.
    package private(set) var exitReasons: [ExitReason] = []

    /// - Parameter interrupted: whether the command that followed the run was asked to end before the run did.
    package init(_ report: RunReport, interrupted: Bool = false) {
        flakyFails = report.flakyFails
        for suite in report.suites {
            for test in suite.tests { counts[test.status, default: 0] += 1 }
        }
        let summary = self
        exitReasons = ExitReason.allCases.filter { reason in
            switch reason {
            case .interrupted: interrupted || report.result == .cancelled
            case .machinesFailed: summary.machinesFailed(report)
            case .paused: report.state == .paused
            case .testsFailed: summary[.failed] + summary[.error] > 0
            case .flakyTests: report.flakyFails && summary[.flaky] > 0
            }
        }
    }

    package subscript(status: TestStatus) -> Int { counts[status, default: 0] }

    package var testCount: Int { counts.values.reduce(0, +) }

    /// Tests that count as passed: flaky ones too, unless they count as failure.
    package var passedInAll: Int { self[.passed] + (flakyFails ? 0 : self[.flaky]) }

    package var exitCode: Int32 { exitReasons.first?.code ?? 0 }

    /// A test was lost to machines; or the run ended, unasked, with tests that never ran; or it ended in error and
    /// that is said of its machines, or cannot be said of its tests.
    private func machinesFailed(_ report: RunReport) -> Bool {
        if self[.infra] > 0 { return true }
        guard report.state == .stopped, report.result != .cancelled else { return false }
        if self[.notRun] + self[.cancelled] > 0 { return true }
        guard report.result == .error else { return false }
        return !report.problems.isEmpty || self[.failed] + self[.error] == 0
    }

    /// One phrase for a title: `1 of 12 tests failed`.
    package func headline(_ report: RunReport) -> String {
        if report.isUnderway { return "Running: \(testCount - self[.notRun]) of \(testCount) tests done" }
        let bad = self[.failed] + self[.error]
        let failed = bad == 0 ? nil : "\(bad) of \(RunSummary.counted(testCount, "test")) failed"
        switch exitReasons.first {
        case .interrupted: return ["Interrupted", failed].compactMap(\.self).joined(separator: ", ")
        case .machinesFailed: return ["Machines failed", failed].compactMap(\.self).joined(separator: ", ")
        case .paused: return ["Paused", failed].compactMap(\.self).joined(separator: ", ")
        case .testsFailed: return failed ?? "Failed"
        case .flakyTests: return "\(RunSummary.counted(self[.flaky], "flaky test")), counted as failure"
        case nil:
            if testCount == 0 { return "Succeeded" }
            let skipped = self[.skipped] > 0 ? ", \(self[.skipped]) skipped" : ""
            let flaky = self[.flaky] > 0 ? ", \(self[.flaky]) flaky" : ""
            let all = self[.skipped] == 0
            return (all ? "All \(RunSummary.counted(testCount, "test")) passed" : "\(passedInAll) passed") + flaky
                + skipped
        }
    }

    static func counted(_ number: Int, _ noun: String) -> String { "\(number) \(noun)\(number == 1 ? "" : "s")" }
}
