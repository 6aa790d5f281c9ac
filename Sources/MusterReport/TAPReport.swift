package import MusterCore

/// `results.tap`: TAP version 14, one test point for each test that has an outcome.
///
/// The plan names all tests. Where some have no outcome, the stream ends with `Bail out!`: consumers then report the
/// run as broken off instead of guessing which points are missing. Such a file is also what a killed run leaves behind.
package enum TAPReport {
    package static func render(_ report: RunReport) -> [UInt8] {
        var lines = ["TAP version 14"]
        let tests = report.tests
        lines.append(tests.isEmpty ? "1..0 # SKIP this run has no tests" : "1..\(tests.count)")
        lines.append("# run \(report.run) of lab \(report.lab.onOneLine())")
        for problem in report.problems.prefix(20) {
            lines.append("# machines: \(problem.bounded(to: TextBounds.noteLine).onOneLine())")
        }
        for (index, test) in tests.enumerated() { add(test, number: index + 1, of: report, to: &lines) }
        if let reason = bailOut(report, tests) { lines.append("Bail out! \(reason)") }
        return Array((lines.joined(separator: "\n") + "\n").utf8)
    }

    private static func bailOut(_ report: RunReport, _ tests: [TestReport]) -> String? {
        let missing = tests.count { $0.outcome == nil }
        let why = report.whyNotRun.bounded(to: TextBounds.noteLine).onOneLine()
        if missing > 0 { return "\(missing) of \(tests.count) tests have no outcome: \(why)" }
        if tests.isEmpty, report.state == .stopped, report.result == .error || report.result == .cancelled {
            return why
        }
        return nil
    }

    private static func add(_ test: TestReport, number: Int, of report: RunReport, to lines: inout [String]) {
        guard let outcome = test.outcome, let deciding = test.decidingAttempt else { return }
        let isOK: Bool
        switch test.status {
        case .failed, .error, .infra: isOK = false
        case .flaky: isOK = !report.flakyFails
        case .passed, .skipped, .cancelled, .notRun: isOK = true
        }
        var line = "\(isOK ? "ok" : "not ok") \(number) - \(description(test.fullName))"
        if outcome == .skip {
            // A directive ends its line and knows no escapes: a number sign in it would begin another one.
            let reason = (deciding.note ?? "").firstLine.bounded(to: TextBounds.noteLine).onOneLine()
            line += " # SKIP"
            if !reason.isEmpty {
                line += " " + reason.split(separator: "#", omittingEmptySubsequences: false).joined(separator: "♯")
            }
        }
        lines.append(line)
        lines.append("  ---")
        lines.append("  outcome: \(outcome.rawValue)")
        if test.isFlaky { lines.append("  flaky: true") }
        lines.append("  attempts: \(test.attempts.count)")
        if let note = deciding.note {
            lines.append("  note: \(JSONText.quoted(note.bounded(to: TextBounds.noteShown)))")
        }
        if let node = deciding.node { lines.append("  node: \(JSONText.quoted(node))") }
        lines.append("  duration_ms: \(max(0, deciding.duration.milliseconds))")
        if test.attempts.count > 1 {
            lines.append("  history:")
            for attempt in test.attempts { lines.append("    - \(history(attempt))") }
        }
        lines.append("  ...")
    }

    private static func history(_ attempt: AttemptReport) -> String {
        var text = "{\"attempt\": \(attempt.number), \"outcome\": \"\(attempt.outcomeWord)\""
        if let node = attempt.node { text += ", \"node\": \(JSONText.quoted(node))" }
        if let note = attempt.note { text += ", \"note\": \(JSONText.quoted(note.bounded(to: TextBounds.noteLine)))" }
        return text + ", \"duration_ms\": \(max(0, attempt.duration.milliseconds))}"
    }

    /// A test's name on one line: `#` and `\` escaped as TAP 14 has it, control characters shown as `\n`, `\u0007`.
    private static func description(_ name: String) -> String {
        var text = ""
        for scalar in name.unicodeScalars {
            switch scalar {
            case "#": text += "\\#"
            case "\\": text += "\\\\"
            default:
                let quoted = JSONText.quoted(String(scalar))
                if quoted.hasPrefix("\"\\"), scalar != "\"" {
                    text += "\\" + quoted.dropFirst().dropLast()
                } else {
                    text.unicodeScalars.append(scalar)
                }
            }
        }
        return text
    }
}
