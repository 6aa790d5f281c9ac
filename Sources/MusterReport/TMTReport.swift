package import MusterCore

/// `results.yaml` in the shape of tmt's: one entry a test, with the outcome of the attempt that decided.
///
/// Strings are written as JSON strings, which are YAML strings too; so no name or note can end an entry.
package struct TMTReport {
    private let report: RunReport
    private var lines: [String] = []

    package static func render(_ report: RunReport) -> [UInt8] {
        var writer = TMTReport(report: report)
        for (index, test) in report.tests.enumerated() { writer.add(test, number: index + 1) }
        if writer.lines.isEmpty { writer.lines = ["[]"] }
        return Array((writer.lines.joined(separator: "\n") + "\n").utf8)
    }

    private init(report: RunReport) { self.report = report }

    private mutating func add(_ test: TestReport, number: Int) {
        let deciding = test.outcome == nil ? nil : test.decidingAttempt
        let word = deciding.map { Self.word($0.outcome) } ?? "pending"
        lines.append("- name: \(JSONText.quoted(Self.name(test)))")
        lines.append("  serial-number: \(number)")
        lines.append("  result: \(word)")
        lines.append("  original-result: \(word)")
        addList("note", notes(test, deciding), indent: "  ")
        addList("log", deciding.map { test.files(of: $0) } ?? [], indent: "  ")
        if let begin = deciding?.startedAt, let deciding {
            addTimes(from: begin, took: deciding.duration)
        }
        addGuest(test, deciding)
        lines.append("  context: {}")
        lines.append("  ids: {}")
        addParts(test, deciding)
        if let deciding, deciding.startedAt != nil {
            let folder = ResultsPath.folder(suite: test.suite, test: test.name, attempt: deciding.number)
            lines.append("  data-path: \(JSONText.quoted(folder.joined(separator: "/")))")
        }
    }

    /// tmt's names begin with a slash, and those of several phases with that of their phase.
    static func name(_ test: TestReport) -> String {
        "/\(test.suite)\(test.name.hasPrefix("/") ? "" : "/")\(test.name)"
    }

    /// Lost machines are an error there; what it was stands in a note.
    private static func word(_ outcome: Outcome) -> String {
        switch outcome {
        case .pass: "pass"
        case .fail: "fail"
        case .info: "info"
        case .warn: "warn"
        case .skip: "skip"
        case .error, .infra: "error"
        }
    }

    private func notes(_ test: TestReport, _ deciding: AttemptReport?) -> [String] {
        guard let deciding else {
            return [report.isUnderway ? "not run yet" : "not run: \(report.whyNotRun)"]
        }
        var notes: [String] = []
        if deciding.outcome == .infra { notes.append("infra: its machines failed, not the test") }
        if let note = deciding.note, !note.isEmpty { notes.append(note) }
        if let status = deciding.own?.status { notes.append("status: \(status)") }
        if test.isFlaky { notes.append("flaky: failed, then passed") }
        if test.attempts.count > 1 { notes.append("attempt \(deciding.number) of \(test.attempts.count)") }
        return notes
    }

    private mutating func addTimes(from begin: Timestamp, took: Duration) {
        lines.append("  start-time: \"\(TimeText.rfc3339(begin))\"")
        lines.append("  end-time: \"\(TimeText.rfc3339(begin + took))\"")
        lines.append("  duration: \"\(TimeText.clock(took))\"")
    }

    private mutating func addGuest(_ test: TestReport, _ deciding: AttemptReport?) {
        let group = report.suites.first { $0.name == test.suite }?.group
        guard let node = deciding?.node ?? group else { return }
        lines.append("  guest:")
        lines.append("    name: \(JSONText.quoted(node))")
        if let role = deciding?.group ?? group { lines.append("    role: \(JSONText.quoted(role))") }
    }

    private mutating func addParts(_ test: TestReport, _ deciding: AttemptReport?) {
        guard let deciding, !deciding.parts.isEmpty else {
            lines.append("  subresult: []")
            return
        }
        lines.append("  subresult:")
        for part in deciding.parts {
            lines.append("    - name: \(JSONText.quoted(part.name ?? ""))")
            lines.append("      result: \(Self.word(part.outcome))")
            lines.append("      original-result: \(Self.word(part.outcome))")
            let notes = [part.note, part.status.map { "status: \($0)" }].compactMap(\.self).filter { !$0.isEmpty }
            addList("note", notes, indent: "      ")
            addList("log", test.files(of: part, in: deciding), indent: "      ")
        }
    }

    private mutating func addList(_ key: String, _ texts: [String], indent: String) {
        guard !texts.isEmpty else {
            lines.append("\(indent)\(key): []")
            return
        }
        lines.append("\(indent)\(key):")
        for text in texts { lines.append("\(indent)  - \(JSONText.quoted(text.bounded(to: TextBounds.noteShown)))") }
    }
}

extension AttemptReport {
    /// The group of its node: `app` of `app/1`.
    var group: String? {
        node.flatMap { $0.split(separator: "/", omittingEmptySubsequences: false).first.map(String.init) }
    }
}
