package import MusterCore

/// `results.tap`: TAP version 14, one test point for each test that has an outcome.
///
/// The plan names all tests. Where some have no outcome, the stream ends with `Bail out!`: consumers then report the
/// run as broken off instead of guessing which points are missing. Such a file is also what a killed run leaves behind.
/// Comments before it name those tests. What tests reported of their parts are subtests.
package enum TAPReport {
    /// So many parts of a test are points of its subtest, bad ones before others; and so many tests without an outcome
    /// are named.
    static let partsMax = 1000
    static let namesMax = 1000

    package static func render(_ report: RunReport) -> [UInt8] {
        var lines = ["TAP version 14"]
        let tests = report.tests
        lines.append(tests.isEmpty ? "1..0 # SKIP this run has no tests" : "1..\(tests.count)")
        lines.append("# run \(report.run) of lab \(report.lab.onOneLine())")
        for problem in report.problems.prefix(20) {
            lines.append("# machines: \(problem.bounded(to: TextBounds.noteLine).onOneLine())")
        }
        for (index, test) in tests.enumerated() { add(test, number: index + 1, of: report, to: &lines) }
        addPending(report, tests, to: &lines)
        if let reason = bailOut(report, tests) { lines.append("Bail out! \(reason)") }
        return Array((lines.joined(separator: "\n") + "\n").utf8)
    }

    private static func addPending(_ report: RunReport, _ tests: [TestReport], to lines: inout [String]) {
        let pending = tests.filter { $0.outcome == nil }
        for test in pending.prefix(namesMax) {
            lines.append("# \(test.status.word(in: report)): \(test.fullName.onOneLine())")
        }
        if pending.count > namesMax { lines.append("# and \(pending.count - namesMax) more") }
    }

    /// The parts of a test, before its own point. A part that failed does not make a test fail that says it passed: it
    /// is a point whose failure is known of.
    private static func addParts(_ attempt: AttemptReport, name: String, isOK: Bool, to lines: inout [String]) {
        let parts = attempt.parts
        guard !parts.isEmpty else { return }
        let shown = parts.bounded(to: partsMax)
        lines.append("# Subtest: \(name)")
        lines.append("    1..\(shown.count)")
        for (index, part) in shown.enumerated() {
            let text = "\(index + 1) - \(description((part.name ?? "").bounded(to: TextBounds.noteLine)))"
            let said = (part.note ?? "").firstLine.bounded(to: TextBounds.noteLine)
            if part.outcome == .skip {
                lines.append("    ok \(text)\(directive("SKIP", said))")
            } else {
                let excuse = part.isBad && isOK ? directive("TODO", "the test itself did not fail") : ""
                lines.append("    \(part.isBad ? "not ok" : "ok") \(text)\(excuse)")
            }
            guard part.outcome != .pass || part.status != nil || part.note != nil else { continue }
            lines.append("      ---")
            lines.append("      outcome: \(part.outcome.rawValue)")
            if let status = part.status {
                lines.append("      status: \(JSONText.quoted(status.bounded(to: TextBounds.noteLine)))")
            }
            if let note = part.note {
                lines.append("      note: \(JSONText.quoted(note.bounded(to: TextBounds.noteShown)))")
            }
            lines.append("      ...")
        }
        if parts.count > shown.count { lines.append("    # and \(parts.count - shown.count) more parts") }
    }

    /// A directive ends its line, and its reason is escaped by some readers only: a number sign in it would begin
    /// another one.
    private static func directive(_ word: String, _ reason: String) -> String {
        guard !reason.isEmpty else { return " # \(word)" }
        let safe = reason.onOneLine().split(separator: "#", omittingEmptySubsequences: false).joined(separator: "♯")
        return " # \(word) \(safe)"
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
        let name = description(test.fullName)
        addParts(deciding, name: name, isOK: isOK, to: &lines)
        var line = "\(isOK ? "ok" : "not ok") \(number) - \(name)"
        if outcome == .skip {
            line += directive("SKIP", (deciding.note ?? "").firstLine.bounded(to: TextBounds.noteLine))
        }
        lines.append(line)
        lines.append("  ---")
        lines.append("  outcome: \(outcome.rawValue)")
        if test.isFlaky { lines.append("  flaky: true") }
        if let status = deciding.own?.status {
            lines.append("  status: \(JSONText.quoted(status.bounded(to: TextBounds.noteLine)))")
        }
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
