package import MusterCore

/// What a test counts as in a run: each test has exactly one.
///
/// The cases stand in the order in which people want to read them.
package enum TestStatus: String, Hashable, Sendable, CaseIterable {
    case failed, error, flaky, infra
    /// It was running when its run was interrupted, and has no outcome besides.
    case cancelled
    case notRun = "not run"
    case skipped, passed

    /// Told apart without colour.
    package var shape: String {
        switch self {
        case .failed: "✘"
        case .error: "‼"
        case .flaky: "↻"
        case .infra: "⚠"
        case .cancelled: "■"
        case .notRun: "○"
        case .skipped: "–"
        case .passed: "✔"
        }
    }

    /// The shape where a terminal has ASCII only.
    package var asciiShape: String {
        switch self {
        case .failed: "x"
        case .error: "E"
        case .flaky: "~"
        case .infra: "!"
        case .cancelled: "#"
        case .notRun: "o"
        case .skipped: "-"
        case .passed: "+"
        }
    }

    /// The word for people: what has not run is still to come while its run goes on.
    package func word(in report: RunReport) -> String {
        self == .notRun && report.isUnderway ? "pending" : rawValue
    }

    /// A word that is safe as a name in HTML.
    var identifier: String { self == .notRun ? "notrun" : rawValue }
}

extension TestReport {
    package var status: TestStatus {
        switch outcome {
        case .fail: .failed
        case .error: .error
        case .infra: .infra
        case .skip: .skipped
        case .pass, .info, .warn: isFlaky ? .flaky : .passed
        // A run that is cancelled leaves a record for tests that it never came to.
        case nil: hasRun ? .cancelled : .notRun
        }
    }

    /// Whether any attempt was started. A test may have an outcome without: its machines never got ready.
    package var hasRun: Bool { attempts.contains { $0.startedAt != nil } }

    /// The attempt whose outcome is the test's; the last one when all were cancelled.
    package var decidingAttempt: AttemptReport? { attempts.last { !$0.isCancelled } ?? attempts.last }

    /// The name people type and read: `api//tests/login`.
    package var fullName: String { name.hasPrefix("/") ? "\(suite)/\(name)" : "\(suite)//\(name)" }
}

extension AttemptReport {
    /// The word for its outcome. A cancelled attempt says nothing about its test, whatever its process did.
    package var outcomeWord: String { isCancelled ? "cancelled" : outcome.rawValue }

    var status: TestStatus { isCancelled ? .cancelled : outcome.status }

    var endedAt: Timestamp? { startedAt.map { $0 + duration } }
}

extension Outcome {
    /// What it counts as by itself.
    var status: TestStatus {
        switch self {
        case .fail: .failed
        case .error: .error
        case .infra: .infra
        case .skip: .skipped
        case .pass, .info, .warn: .passed
        }
    }
}

extension RunReport {
    /// Whether it goes on: neither ended nor paused.
    var isUnderway: Bool { state != .stopped && state != .paused }

    /// Its length; of a run that goes on, up to the last thing that is known of it.
    var took: Duration {
        let tests = suites.lazy.flatMap(\.tests).flatMap(\.attempts).compactMap(\.endedAt).max()
        let last = endedAt ?? [tests, groups.lazy.compactMap(\.endedAt).max()].compactMap(\.self).max()
        return max(.zero, (last ?? startedAt) - startedAt)
    }

    /// Why tests have no outcome, for formats that must say so.
    var whyNotRun: String {
        if result == .cancelled { return "the run was interrupted" }
        switch state {
        case .stopped: return problems.first ?? reason ?? "the machines it needs did not get ready"
        case .paused: return reason.map { "the run is paused: \($0)" } ?? "the run is paused"
        case .pending, .scheduled, .planning, .planned, .running: return "the run had not ended when this was written"
        }
    }
}
