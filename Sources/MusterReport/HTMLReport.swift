package import MusterCore

/// `report.html`: one file without outside resources, readable without scripts, in light and dark, on paper and a
/// phone.
///
/// It leads with what went wrong: machines, failed tests, flaky and infra ones with all their attempts side by side;
/// then when what ran where; then the rest, collapsed.
package struct HTMLReport {
    /// The ends of an output file that the page tells the first failing line of; nil when there is none.
    package typealias OutputEnds = (_ file: String) -> FirstFailingLine.Ends?

    let report: RunReport
    let summary: RunSummary
    /// Each test's anchor, in the order of the run: `t1`, `t2` …
    let tests: [(id: String, test: TestReport)]
    let timeline: HTMLTimeline
    let history: RunHistory
    let outputEnds: OutputEnds?
    /// What may still be read of outputs, and shown of parts of tests.
    var outputLeft = TextBounds.tailsInAll
    var partsLeft = HTMLReport.partsMax
    var page = ""

    /// - Parameters:
    ///   - otherFiles: names of files beside the page that it links to.
    ///   - history: how the tests went in earlier runs.
    ///   - outputEnds: asked for the first file of attempts that did not pass; at most 16 MiB of its answers are used.
    package static func render(
        _ report: RunReport,
        otherFiles: [String] = [],
        history: RunHistory = RunHistory(),
        outputEnds: OutputEnds? = nil
    ) -> [UInt8] {
        var writer = HTMLReport(report, history, outputEnds)
        writer.addPage(otherFiles)
        return Array(writer.page.utf8)
    }

    private init(_ report: RunReport, _ history: RunHistory, _ outputEnds: OutputEnds?) {
        self.report = report
        self.history = history
        self.outputEnds = outputEnds
        summary = RunSummary(report)
        tests = report.tests.enumerated().map { ("t\($0.offset + 1)", $0.element) }
        timeline = HTMLTimeline(report, tests: tests)
    }

    mutating func add(_ line: String) {
        page += line
        page += "\n"
    }

    // MARK: The page

    private mutating func addPage(_ otherFiles: [String]) {
        let headline = summary.headline(report)
        let (mark, tone) = verdict
        add("<!doctype html>")
        add("<html lang=\"en\">")
        add("<head>")
        add("<meta charset=\"utf-8\">")
        add("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">")
        add("<meta name=\"color-scheme\" content=\"light dark\">")
        add("<title>\(mark) \(headline) · \(HTMLText.escaped(report.lab)) \(report.run)</title>")
        add("<link rel=\"icon\" href=\"data:,\">")
        add("<style>\n\(HTMLStyle.sheet)</style>")
        add("</head>")
        add("<body>")
        addHeader(headline, mark: mark, tone: tone)
        add("<main>")
        addSummary()
        addProblems()
        for status in [.failed, .error, .flaky, .infra, .cancelled] as [TestStatus] { addDetailed(status) }
        addNotRun()
        addTimeline()
        addGroups()
        for status in [.skipped, .passed] as [TestStatus] { addCompact(status) }
        add("<p id=\"nomatch\" hidden>No test matches the filter.</p>")
        add("</main>")
        addFooter(otherFiles)
        add("<script>\n\(HTMLStyle.script)</script>")
        add("</body>")
        add("</html>")
    }

    private var verdict: (mark: String, tone: String) {
        if report.isUnderway { return ("…", "running") }
        return switch summary.exitReasons.first {
        case .interrupted: ("■", "notrun")
        case .machinesFailed: ("⚠\u{FE0E}", "infra")
        case .paused: ("‖", "notrun")
        case .testsFailed: ("✘", "failed")
        case .flakyTests: ("↻", "flaky")
        case nil: ("✔\u{FE0E}", "passed")
        }
    }

    private mutating func addHeader(_ headline: String, mark: String, tone: String) {
        add("<header class=\"\(tone)\">")
        add("<div class=\"mark\" aria-hidden=\"true\">\(mark)</div>")
        add("<div><h1>\(headline)</h1>")
        // That tests failed stands in the headline.
        let also = summary.exitReasons.dropFirst().filter { $0 != .testsFailed }.map(\.text).joined(separator: ", ")
        let reasons = [report.reason ?? "", also.isEmpty ? "" : "also: \(also)"].filter { !$0.isEmpty }
        for reason in reasons { add("<p class=\"reason\">\(note(reason, limit: TextBounds.noteLine))</p>") }
        add("<dl class=\"facts\">")
        addFact("Lab", "<bdi>\(HTMLText.escaped(report.lab))</bdi>")
        addFact("Run", "<code>\(report.run)</code>")
        addFact("Command", "<code>muster \(report.verb.rawValue)</code>")
        addFact(
            "Started",
            "<time datetime=\"\(TimeText.rfc3339(report.startedAt))\">\(TimeText.spoken(report.startedAt))</time>"
        )
        addFact(report.endedAt == nil ? "So far" : "Took", TimeText.short(report.took))
        addFact("Nodes", "\(report.nodes)" + (report.nodesReplaced > 0 ? ", \(report.nodesReplaced) replaced" : ""))
        if !report.isUnderway { addFact("Exit code", "\(summary.exitCode)") }
        add("</dl></div>")
        add("</header>")
    }

    private mutating func addFact(_ name: String, _ value: String) {
        add("<div><dt>\(name)</dt><dd>\(value)</dd></div>")
    }

    private mutating func addSummary() {
        guard summary.testCount > 0 else {
            add("<p class=\"empty\">This run has no tests.</p>")
            return
        }
        let present = TestStatus.allCases.filter { summary[$0] > 0 }
        add("<section class=\"summary\" aria-label=\"Tests by outcome\">")
        add("<div class=\"strip\" aria-hidden=\"true\">")
        for status in present {
            add(
                "<i class=\"\(status.identifier)\" style=\"flex-grow:\(summary[status])\""
                    + " title=\"\(summary[status]) \(status.word(in: report))\"></i>"
            )
        }
        add("</div>")
        add("<ul class=\"counts\">")
        for status in TestStatus.allCases
        where summary[status] > 0 || [.failed, .flaky, .infra, .passed].contains(status) {
            let inner = "\(shape(status)) <b>\(summary[status])</b> \(status.word(in: report))"
            let isEmpty = summary[status] == 0
            add(
                isEmpty
                    ? "<li class=\"none\">\(inner)</li>"
                    : "<li class=\"\(status.identifier)\"><a href=\"#\(status.identifier)\">\(inner)</a></li>"
            )
        }
        if !timeline.rows.isEmpty { add("<li class=\"jump\"><a href=\"#timeline\">Timeline</a></li>") }
        if !report.groups.isEmpty { add("<li class=\"jump\"><a href=\"#groups\">Groups</a></li>") }
        add("</ul>")
        add("<form class=\"search\" role=\"search\" hidden><input type=\"search\" id=\"q\" aria-label=\"Filter tests\"")
        add(" placeholder=\"Filter by name, node, outcome   ( / )\" autocomplete=\"off\" spellcheck=\"false\"></form>")
        add("</section>")
    }

    private mutating func addProblems() {
        guard !report.problems.isEmpty else { return }
        let shown = report.problems.prefix(100)
        add(
            "<section class=\"problems\" id=\"machines\">"
                + "<h2>\(shape(.infra)) Machines <small>\(report.problems.count)</small></h2>"
        )
        add("<ul>")
        for problem in shown { add("<li>\(note(problem, limit: TextBounds.noteLine))</li>") }
        if report.problems.count > shown.count { add("<li>\(report.problems.count - shown.count) more</li>") }
        add("</ul></section>")
    }

    // MARK: Tests

    /// Tests that need looking at, each with all its attempts.
    private mutating func addDetailed(_ status: TestStatus) {
        let chosen = tests.filter { $0.test.status == status }
        guard !chosen.isEmpty else { return }
        addSectionStart(status, chosen.count)
        for (id, test) in chosen {
            let attempts = test.hasRun ? RunSummary.counted(test.attempts.count, "attempt") : "never ran"
            add("<article class=\"test \(status.identifier)\" id=\"\(id)\" data-k=\"\(key(test))\">")
            add("<h3>\(shape(status)) \(name(test)) <small>\(attempts)</small>\(past(test))</h3>")
            addAttempts(test)
            add("</article>")
        }
        add("</details>")
    }

    private mutating func addSectionStart(_ status: TestStatus, _ count: Int, isOpen: Bool = true) {
        let word = status.word(in: report)
        let title = word.prefix(1).uppercased() + word.dropFirst()
        add("<details class=\"group \(status.identifier)\" id=\"\(status.identifier)\"\(isOpen ? " open" : "")>")
        add("<summary><h2>\(shape(status)) \(title) <small>\(count)</small></h2></summary>")
    }

    private mutating func addNotRun() {
        let chosen = tests.filter { $0.test.status == .notRun }
        guard !chosen.isEmpty else { return }
        addSectionStart(.notRun, chosen.count, isOpen: chosen.count <= 50)
        add("<p class=\"why\">\(note(report.whyNotRun, limit: TextBounds.noteLine))</p>")
        add("<ul class=\"names\">")
        for (id, test) in chosen { add("<li id=\"\(id)\" data-k=\"\(key(test))\">\(name(test))\(past(test))</li>") }
        add("</ul></details>")
    }

    /// Tests that went as they should: a row each, collapsed.
    private mutating func addCompact(_ status: TestStatus) {
        let chosen = tests.filter { $0.test.status == status }
        guard !chosen.isEmpty else { return }
        addSectionStart(status, chosen.count, isOpen: false)
        add("<table class=\"compact\"><thead><tr><th scope=\"col\">Test</th><th scope=\"col\">Node</th>")
        add("<th scope=\"col\">Took</th><th scope=\"col\">Files</th></tr></thead><tbody>")
        for (id, test) in chosen {
            guard let deciding = test.decidingAttempt else { continue }
            var extra = ""
            if deciding.outcome == .info || deciding.outcome == .warn {
                extra += " <span class=\"chip\">\(deciding.outcome.rawValue)</span>"
            }
            if test.attempts.count > 1 { extra += " <span class=\"chip\">\(test.attempts.count) attempts</span>" }
            extra += past(test)
            if let text = deciding.note, !text.isEmpty {
                extra += "<div class=\"said\">\(note(text, limit: TextBounds.noteLine))</div>"
            }
            add("<tr id=\"\(id)\" data-k=\"\(key(test))\"><td>\(shape(status)) \(name(test))\(extra)</td>")
            add("<td>\(nodeText(deciding))</td><td class=\"num\">\(TimeText.short(deciding.duration))</td>")
            add("<td>\(links(test.files(of: deciding)))</td></tr>")
            if !deciding.parts.isEmpty {
                add("<tr class=\"more\"><td colspan=\"4\">")
                addParts(deciding, of: test)
                add("</td></tr>")
            }
        }
        add("</tbody></table></details>")
    }

    private mutating func addFooter(_ otherFiles: [String]) {
        let links = otherFiles.map { "<a href=\"\(HTMLText.href($0))\">\(HTMLText.escaped($0))</a>" }
        add("<footer>Muster\(links.isEmpty ? "" : " · the same results as " + links.joined(separator: ", "))</footer>")
    }

    // MARK: Pieces

    func shape(_ status: TestStatus) -> String {
        // The variation selector asks for a letter, not an emoji.
        "<span class=\"shape \(status.identifier)\" aria-hidden=\"true\">\(status.shape)\u{FE0E}</span>"
    }

    private func name(_ test: TestReport) -> String {
        let suite = test.name.hasPrefix("/") ? "\(test.suite)/" : "\(test.suite)//"
        let name = test.name.bounded(to: TextBounds.noteLine)
        return
            "<bdi class=\"name\"><span class=\"suite\">\(HTMLText.escaped(suite))</span>\(HTMLText.escaped(name))</bdi>"
    }

    func note(_ text: String, limit: Int) -> String { HTMLText.escaped(text.bounded(to: limit)) }

    /// What the filter looks in.
    private func key(_ test: TestReport) -> String {
        var seen: Set<String> = []
        let nodes = test.attempts.compactMap(\.node).filter { seen.insert($0).inserted }
        let words = [test.fullName.bounded(to: 300), test.status.word(in: report)] + nodes.prefix(8)
        return HTMLText.escaped(words.joined(separator: " ").onOneLine())
    }
}
