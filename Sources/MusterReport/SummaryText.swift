package import MusterCore

/// The lines a command ends with: counts, failures first, machines, where the results are.
package struct SummaryText: Sendable {
    package var width: Int
    package var usesColor: Bool
    /// For terminals without UTF-8: every line is ASCII.
    package var isASCII: Bool
    /// How many tests each list names before it says how many more there are.
    package var listedMax = 20

    package init(width: Int, usesColor: Bool, isASCII: Bool = false) {
        self.width = max(40, width)
        self.usesColor = usesColor
        self.isASCII = isASCII
    }

    private static let labelWidth = 11
    private static let indent = 2 + labelWidth

    /// - Parameters:
    ///   - resultsPath: the folder of this run's results as the user would type it; nil when nothing was written.
    ///   - files: the files written there.
    package func lines(
        _ report: RunReport,
        summary: RunSummary,
        resultsPath: String? = nil,
        files: [String] = []
    ) -> [String] {
        var lines = countsLines(report, summary)
        var sections = testLines(report, summary, resultsPath)
        if summary[.notRun] > 0 { sections += notRunLines(report, summary[.notRun]) }
        for (index, problem) in report.problems.prefix(listedMax).enumerated() {
            sections += labelled(index == 0 ? "machines" : "", problem, .purple)
        }
        if report.problems.count > listedMax {
            sections += labelled("", "\(report.problems.count - listedMax) more", nil)
        }
        if let reason = report.reason { sections += labelled("reason", reason, nil) }
        if let resultsPath {
            let names = files.joined(separator: "  ")
            let isShort = DisplayWidth.of("\(resultsPath)   \(names)") <= width - Self.indent
            sections.append(lead("results", nil) + plain(isShort ? "\(resultsPath)   \(names)" : resultsPath))
            if !isShort { sections += labelled("", names, nil) }
        }
        if let first = summary.exitReasons.first {
            let others = summary.exitReasons.dropFirst().map { ", also \($0.code) (\($0.text))" }.joined()
            sections += labelled("exit", "\(first.code) (\(first.text))\(others)", nil)
        }
        if !sections.isEmpty { lines += [""] + sections }
        return lines
    }

    // MARK: Counts

    private func countsLines(_ report: RunReport, _ summary: RunSummary) -> [String] {
        let nodes = report.nodes == 0 ? "" : " on \(RunSummary.counted(report.nodes, "node"))"
        let replaced = report.nodesReplaced == 0 ? "" : ", \(report.nodesReplaced) replaced"
        let took = "\(TimeText.short(report.took))\(nodes)\(replaced)"
        guard summary.testCount > 0 else {
            let status: TestStatus = summary.exitCode == 0 ? .passed : .failed
            let how =
                if report.isUnderway { "running" } else if summary.exitCode == 0 { "done" } else {
                    report.state == .paused ? "paused" : report.result == .cancelled ? "cancelled" : "failed"
                }
            return ["  \(painted("\(shape(status)) \(report.verb.rawValue) \(how)", color(status)))   \(took)"]
        }
        let always: Set<TestStatus> = [.failed, .flaky, .infra, .passed]
        var rows: [(text: String, width: Int)] = [("", 0)]
        func place(_ text: String, _ width: Int) {
            let last = rows.count - 1
            if rows[last].width > 0, 2 + rows[last].width + 3 + width > self.width {
                rows.append((text, width))
            } else {
                rows[last] =
                    rows[last].width == 0
                    ? (text, width) : (rows[last].text + "   " + text, rows[last].width + 3 + width)
            }
        }
        for status in TestStatus.allCases where always.contains(status) || summary[status] > 0 {
            let text = "\(shape(status)) \(summary[status]) \(status.word(in: report))"
            place(painted(text, summary[status] > 0 ? color(status) : .dim), DisplayWidth.of(text))
        }
        place(took, DisplayWidth.of(took))
        return rows.map { "  " + $0.text }
    }

    // MARK: Tests

    /// All lists share their columns. Where a line has no room for the path of the output, no line has it.
    private func testLines(_ report: RunReport, _ summary: RunSummary, _ resultsPath: String?) -> [String] {
        let listed: [TestStatus] = [.failed, .error, .flaky, .infra, .cancelled]
        var rows: [TestStatus: [Row]] = [:]
        for test in report.suites.lazy.flatMap(\.tests) {
            let status = test.status
            guard listed.contains(status), rows[status, default: []].count < listedMax else { continue }
            rows[status, default: []].append(Row(test, resultsPath: resultsPath, plain: plain))
        }
        let all = rows.values.joined()
        let room = width - Self.indent
        let attemptsWidth = all.map { DisplayWidth.of($0.attempts) }.max() ?? 0
        let pathWidth = all.map { DisplayWidth.of($0.path) }.max() ?? 0
        let longest = all.map { DisplayWidth.of($0.name) }.max() ?? 0
        let fitsOneLine = longest + attemptsWidth + pathWidth + 6 <= room
        // A name gets what the attempts leave over, and never less than a third of the line.
        let nameWidth = min(longest, max(room - attemptsWidth - 3, room / 3))
        let under = String(repeating: " ", count: Self.indent + 2)
        var lines: [String] = []
        for status in listed {
            for (index, row) in rows[status, default: []].enumerated() {
                var text = DisplayWidth.shortened(row.name, to: nameWidth, ellipsis: ellipsis)
                text = DisplayWidth.padded(text, to: nameWidth) + "   "
                text += DisplayWidth.padded(row.attempts, to: attemptsWidth)
                if fitsOneLine, !row.path.isEmpty { text += "   " + row.path }
                lines.append(lead(index == 0 ? status.rawValue : "", color(status)) + cut(text, room))
                if !row.note.isEmpty { lines.append(under + cut(row.note, room - 2)) }
                // A path is for copying: it is never cut.
                if !fitsOneLine, !row.path.isEmpty { lines.append(under + painted(row.path, .dim)) }
            }
            let more = summary[status] - rows[status, default: []].count
            if more > 0 { lines += labelled("", "and \(more) more, all in the results", nil) }
        }
        return lines
    }

    private struct Row {
        let name: String
        let attempts: String
        let note: String
        let path: String

        init(_ test: TestReport, resultsPath: String?, plain: (String) -> String) {
            name = plain(test.fullName)
            var nodes: [String] = []
            for node in test.attempts.compactMap(\.node) where nodes.last != node { nodes.append(node) }
            let shown = nodes.prefix(5).joined(separator: " ") + (nodes.count > 5 ? " and \(nodes.count - 5) more" : "")
            let count = test.hasRun ? RunSummary.counted(test.attempts.count, "attempt") : "never ran"
            attempts = plain(count + (nodes.isEmpty ? "" : " on \(shown)"))
            // Of a flaky test, the last failure says more than the pass.
            let said =
                test.isFlaky ? test.attempts.last { $0.outcome.isFailure && !$0.isCancelled } : test.decidingAttempt
            note = plain((said?.note ?? "").bounded(to: TextBounds.noteShown).firstLine)
            path = plain(said?.files.first.map { file in resultsPath.map { "\($0)/\(file)" } ?? file } ?? "")
        }
    }

    private func notRunLines(_ report: RunReport, _ count: Int) -> [String] {
        let names = report.suites.lazy.flatMap(\.tests).filter { $0.status == .notRun }.prefix(3).map(\.fullName)
        let more = count > names.count ? " and \(count - names.count) more" : ""
        let text = "\(RunSummary.counted(count, "test")): \(names.joined(separator: ", "))\(more)"
        let lines = labelled(TestStatus.notRun.word(in: report), text, nil)
        // While the run goes on nothing is wrong with that; and what is said anyway is not said twice.
        let why = report.whyNotRun
        if report.isUnderway || report.problems.contains(why) || report.reason == why { return lines }
        return lines + labelled("", "because \(why)", nil)
    }

    // MARK: Pieces

    private typealias Color = TextInk.Color

    private var ink: TextInk { TextInk(width: width, usesColor: usesColor, isASCII: isASCII) }

    private func color(_ status: TestStatus) -> Color { ink.color(status) }
    private var ellipsis: String { ink.ellipsis }
    private func plain(_ text: String) -> String { ink.plain(text) }
    private func shape(_ status: TestStatus) -> String { ink.shape(status) }
    private func painted(_ text: String, _ color: Color?) -> String { ink.painted(text, color) }
    private func cut(_ text: String, _ room: Int) -> String { ink.cut(text, room) }

    private func lead(_ label: String, _ color: Color?) -> String {
        "  " + painted(label, color) + String(repeating: " ", count: max(0, Self.labelWidth - DisplayWidth.of(label)))
    }

    /// A label and a text that is wrapped beside it, never cut.
    private func labelled(_ label: String, _ text: String, _ color: Color?) -> [String] {
        let rows = DisplayWidth.wrapped(plain(text.bounded(to: TextBounds.noteLine)), to: width - Self.indent)
        return rows.enumerated().map { index, row in
            (index == 0 ? lead(label, color) : String(repeating: " ", count: Self.indent)) + row
        }
    }
}
