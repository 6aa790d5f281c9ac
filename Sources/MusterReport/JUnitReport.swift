package import MusterCore

/// `junit.xml` in the shape of Maven Surefire's reports, which knows reruns and flaky tests.
///
/// The attempt that decided gives `<failure>` or `<error>`, so that the counts agree with the exit code; the other
/// failed attempts are `rerunFailure` and `rerunError`, or `flakyFailure` and `flakyError` when the test passed in
/// the end. Attempts lost to machines before a pass are no flakiness: they are counted in a property.
package struct JUnitReport {
    /// The end of an output file as a report shows it; nil when there is none.
    package typealias OutputTail = (_ file: String) -> [UInt8]?

    /// So many parts of a test are properties of it, bad ones before others.
    private static let partsMax = 200

    private let report: RunReport
    private let outputTail: OutputTail?
    private var bytes: [UInt8] = []
    private var tailsLeft = TextBounds.tailsInAll

    /// - Parameter outputTail: asked for the first file of the deciding attempt of tests that did not pass; at most
    ///   64 KiB of its answer are used, and 16 MiB in all.
    package static func render(_ report: RunReport, outputTail: OutputTail? = nil) -> [UInt8] {
        var writer = JUnitReport(report: report, outputTail: outputTail)
        writer.addRun()
        return writer.bytes
    }

    private init(report: RunReport, outputTail: OutputTail?) {
        self.report = report
        self.outputTail = outputTail
    }

    private mutating func add(_ line: String) {
        bytes.append(contentsOf: line.utf8)
        bytes.append(0x0A)
    }

    private mutating func addRun() {
        add("<?xml version=\"1.0\" encoding=\"UTF-8\"?>")
        let name = XMLText.attribute("\(report.lab) \(report.run)")
        add("<testsuites name=\"\(name)\" \(counts(report.tests)) time=\"\(TimeText.seconds(report.took))\">")
        for suite in report.suites { addSuite(suite) }
        add("</testsuites>")
    }

    private func counts(_ tests: [TestReport]) -> String {
        var failures = 0
        var errors = 0
        var skipped = 0
        for test in tests {
            switch verdict(test) {
            case .failure: failures += 1
            case .error: errors += 1
            case .skipped: skipped += 1
            case .passed: break
            }
        }
        return "tests=\"\(tests.count)\" failures=\"\(failures)\" errors=\"\(errors)\" skipped=\"\(skipped)\""
    }

    private enum Verdict { case passed, failure, error, skipped }

    /// A test without an outcome is an error when its run has ended without being asked to: its machines failed.
    private func verdict(_ test: TestReport) -> Verdict {
        switch test.status {
        case .passed, .flaky: .passed
        case .failed: .failure
        case .error, .infra: .error
        case .skipped: .skipped
        case .cancelled, .notRun: report.state == .stopped && report.result != .cancelled ? .error : .skipped
        }
    }

    private mutating func addSuite(_ suite: SuiteReport) {
        let attempts = suite.tests.flatMap(\.attempts)
        let startedAt = attempts.compactMap(\.startedAt).min()
        let endedAt = attempts.compactMap(\.endedAt).max()
        let took: Duration = if let startedAt, let endedAt { endedAt - startedAt } else { .zero }
        let timestamp = startedAt.map { " timestamp=\"\(TimeText.rfc3339($0))\"" } ?? ""
        let name = XMLText.attribute(suite.name)
        add("  <testsuite name=\"\(name)\" \(counts(suite.tests)) time=\"\(TimeText.seconds(took))\"\(timestamp)>")
        add("    <properties>")
        addProperty("run", report.run.description, indent: "      ")
        addProperty("lab", report.lab, indent: "      ")
        for problem in report.problems.prefix(20) {
            addProperty("problem", problem.bounded(to: TextBounds.noteLine), indent: "      ")
        }
        add("    </properties>")
        for test in suite.tests { addTest(test) }
        add("  </testsuite>")
    }

    private mutating func addProperty(_ name: String, _ value: String, indent: String) {
        add("\(indent)<property name=\"\(XMLText.attribute(name))\" value=\"\(XMLText.attribute(value))\"/>")
    }

    private mutating func addTest(_ test: TestReport) {
        let deciding = test.decidingAttempt
        let time = TimeText.seconds(deciding?.duration ?? .zero)
        let classname = XMLText.attribute(test.suite)
        add("    <testcase name=\"\(XMLText.attribute(test.name))\" classname=\"\(classname)\" time=\"\(time)\">")
        add("      <properties>")
        addProperty("run", report.run.description, indent: "        ")
        if let deciding {
            if let node = deciding.node { addProperty("node", node, indent: "        ") }
            addProperty("attempt", String(deciding.number), indent: "        ")
            let lost = test.attempts.count { !$0.isCancelled && $0.outcome == .infra }
            if lost > 0 { addProperty("infra-attempts", String(lost), indent: "        ") }
            let cancelled = test.attempts.count { $0.isCancelled }
            if cancelled > 0 { addProperty("cancelled-attempts", String(cancelled), indent: "        ") }
            addParts(of: deciding)
        }
        add("      </properties>")
        addResults(of: test)
        addOutput(of: test)
        add("    </testcase>")
    }

    // Test cases of their own would be counted, and a test that passed with a failed part would fail.
    private mutating func addParts(of attempt: AttemptReport) {
        if let status = attempt.own?.status {
            addProperty("status", status.bounded(to: TextBounds.noteLine), indent: "        ")
        }
        let parts = attempt.parts
        guard !parts.isEmpty else { return }
        addProperty("parts", String(parts.count), indent: "        ")
        for part in parts.bounded(to: Self.partsMax) {
            let name = "part:" + (part.name ?? "").bounded(to: TextBounds.noteLine)
            let note = part.note.map { ": " + $0.bounded(to: TextBounds.noteLine) } ?? ""
            addProperty(name, part.word.bounded(to: TextBounds.noteLine) + note, indent: "        ")
        }
    }

    // The schema wants this order: failures, rerunFailure, flakyFailure, skipped, error, rerunError, flakyError.
    private mutating func addResults(of test: TestReport) {
        let deciding = test.decidingAttempt
        let others = test.attempts.filter { !$0.isCancelled && $0.number != deciding?.number }
        let failures = others.filter { $0.outcome == .fail }
        switch verdict(test) {
        case .passed:
            for attempt in failures { addInterim("flakyFailure", attempt, of: test) }
            if test.status == .flaky {
                for attempt in others where attempt.outcome == .error { addInterim("flakyError", attempt, of: test) }
            }
            return
        case .failure: addFinal("failure", type: "fail", note: deciding?.note ?? "failed")
        case .error, .skipped: break
        }
        for attempt in failures { addInterim("rerunFailure", attempt, of: test) }
        switch verdict(test) {
        case .passed, .failure: break
        case .skipped:
            let reason = test.outcome == nil ? "not run: \(report.whyNotRun)" : deciding?.note ?? ""
            add("      <skipped message=\"\(XMLText.attribute(reason.bounded(to: TextBounds.noteLine)))\"/>")
        case .error:
            if test.outcome == nil {
                addFinal("error", type: "infra", note: "not run: \(report.whyNotRun)")
            } else {
                addFinal("error", type: test.status.rawValue, note: deciding?.note ?? test.status.rawValue)
            }
        }
        for attempt in others where attempt.outcome == .error || attempt.outcome == .infra {
            addInterim("rerunError", attempt, of: test)
        }
    }

    private mutating func addFinal(_ element: String, type: String, note: String) {
        let message = XMLText.attribute(note.bounded(to: TextBounds.noteLine))
        let content = XMLText.content(note.bounded(to: TextBounds.note))
        add("      <\(element) type=\"\(type)\" message=\"\(message)\">\(content)</\(element)>")
    }

    private mutating func addInterim(_ element: String, _ attempt: AttemptReport, of test: TestReport) {
        let note = attempt.note ?? attempt.outcome.rawValue
        let message = XMLText.attribute(note.bounded(to: TextBounds.noteLine))
        add("      <\(element) type=\"\(attempt.outcome.rawValue)\" message=\"\(message)\">")
        add("        <stackTrace>\(XMLText.content(note.bounded(to: TextBounds.noteShown)))</stackTrace>")
        add("        <system-out>\(XMLText.content(place(attempt, of: test)))</system-out>")
        add("      </\(element)>")
    }

    private func place(_ attempt: AttemptReport, of test: TestReport) -> String {
        let node = attempt.node.map { " on \($0)" } ?? ""
        let files = test.files(of: attempt).prefix(20).map { " \($0)" }.joined()
        return "attempt \(attempt.number)\(node), \(attempt.outcomeWord):\(files.isEmpty ? " no files" : files)"
    }

    private mutating func addOutput(of test: TestReport) {
        guard let deciding = test.decidingAttempt else { return }
        var text = place(deciding, of: test)
        if verdict(test) == .failure || verdict(test) == .error, let file = test.files(of: deciding).first,
            tailsLeft > 0, let tail = outputTail?(file), !tail.isEmpty
        {
            let kept = tail.suffix(min(TextBounds.tail, tailsLeft))
            tailsLeft -= kept.count
            let isCut = kept.count < tail.count
            text += isCut ? "\n--- end of \(file)\n" : "\n--- \(file)\n"
            // A cut may have left the end of a scalar behind.
            let orphans = isCut ? kept.prefix(3).prefix { $0 & 0xC0 == 0x80 }.count : 0
            text += String(decoding: kept.dropFirst(orphans), as: UTF8.self)
        }
        add("      <system-out>\(XMLText.content(text))</system-out>")
    }
}
