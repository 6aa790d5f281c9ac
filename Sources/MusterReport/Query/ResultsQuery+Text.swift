package import MusterCore

extension ResultsQuery {
    /// For people: a line for each test, its parts below it, and how many there are.
    package func lines(_ report: RunReport, width: Int, usesColor: Bool, isASCII: Bool = false) -> [String] {
        let ink = TextInk(width: max(40, width), usesColor: usesColor, isASCII: isASCII)
        let rows = self.rows(of: report)
        var table: [TextInk.Row] = []
        for row in rows {
            table.append(ink.row(row.test, of: report))
            for part in row.parts { table.append(ink.row(part)) }
        }
        let all = report.suites.reduce(0) { $0 + $1.tests.count }
        let count =
            rows.isEmpty
            ? "no test of \(report.run) is asked for, of \(all)"
            : "\(rows.count) of \(RunSummary.counted(all, "test")) of \(report.run)"
        return ink.table(table, main: 1) + (rows.isEmpty ? [] : [""]) + ["  \(count)"]
    }

    /// The same for programs: an object for each test.
    package func shapes(_ report: RunReport) -> [Shape] { rows(of: report).map { Shape($0, self, report) } }

    /// A test as `muster results --json` prints it (`docs/formats/json.md`).
    package struct Shape: Encodable, Sendable {
        let suite: String
        let test: String
        let status: String
        let outcome: String?
        let flaky: Bool
        let attempts: Int
        let node: String?
        let durationMs: Int64?
        let note: String?
        /// Why it has not run.
        let reason: String?
        let files: [String]
        let subtests: [Part]?

        enum CodingKeys: String, CodingKey {
            case suite, test, status, outcome, flaky, attempts, node, note, reason, files, subtests
            case durationMs = "duration_ms"
        }

        init(_ row: Row, _ query: ResultsQuery, _ report: RunReport) {
            let test = row.test
            let deciding = test.decidingAttempt
            suite = test.suite
            self.test = test.name
            status = test.status.word(in: report)
            outcome = test.outcome?.rawValue
            flaky = test.isFlaky
            attempts = test.attempts.count
            node = deciding?.node
            durationMs = test.hasRun ? deciding.map { max(0, $0.duration.milliseconds) } : nil
            note = test.attempts.last?.note
            reason = test.outcome == nil ? report.whyNotRun : nil
            files = deciding.map { test.files(of: $0) } ?? []
            subtests = query.showsParts ? row.parts.map { Part($0, in: deciding, of: test) } : nil
        }
    }

    /// A part of a test.
    package struct Part: Encodable, Sendable {
        let name: String
        let outcome: String
        let status: String?
        let note: String?
        let files: [String]

        init(_ part: TestResult, in attempt: AttemptReport?, of test: TestReport) {
            name = part.name ?? ""
            outcome = part.outcome.rawValue
            status = part.status
            note = part.note
            files = attempt.map { test.files(of: part, in: $0) } ?? []
        }
    }
}

extension TextInk {
    fileprivate func row(_ test: TestReport, of report: RunReport) -> Row {
        let status = test.status
        let deciding = test.decidingAttempt
        let said = test.outcome == nil ? report.whyNotRun : deciding?.note ?? ""
        return Row(
            [
                "\(shape(status)) \(status.word(in: report))", plain(test.fullName),
                test.hasRun ? RunSummary.counted(test.attempts.count, "attempt") : "never ran",
                plain(deciding?.node ?? ""), test.hasRun ? deciding.map { TimeText.short($0.duration) } ?? "" : "",
                plain(said.bounded(to: TextBounds.noteLine).firstLine),
            ],
            color(status)
        )
    }

    fileprivate func row(_ part: TestResult) -> Row {
        let note = plain((part.note ?? "").bounded(to: TextBounds.noteLine).firstLine)
        let word = cut(plain(part.word.bounded(to: 80)), 16)
        return Row(["  \(shape(part.outcome.status)) \(word)", "  \(plain(part.name ?? ""))", "", "", "", note])
    }
}
