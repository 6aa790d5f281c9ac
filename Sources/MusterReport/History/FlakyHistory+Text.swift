import MusterCore

extension FlakyHistory {
    /// For people: a line for each flaky test, at most so many.
    package func lines(width: Int, usesColor: Bool, isASCII: Bool = false, listedMax: Int = 50) -> [String] {
        let ink = TextInk(width: max(40, width), usesColor: usesColor, isASCII: isASCII)
        let over = "the last \(RunSummary.counted(runs.count, "run")) of lab \(ink.plain(lab))"
        guard !rows.isEmpty else { return ["  no flaky test of \(testCount) in \(over)"] }
        var lines = ["  \(rows.count) of \(RunSummary.counted(testCount, "test")) flaky in \(over)", ""]
        var table = [TextInk.Row(["", "TEST", "CHANGES", "RUNS", "FLAKY", "FAILED", "PASSED", "LAST FAILURE"])]
        for row in rows.prefix(listedMax) {
            let history = row.history.suffix(RunHistory.runsMax).map { ink.shape($0) }.joined()
            table.append(
                TextInk.Row(
                    [
                        history, ink.plain(row.test.fullName), "\(row.changes)", "\(row.runs)", "\(row.flaky)",
                        "\(row.failures)", "\(row.percent)%", row.lastFailure.map(ink.text) ?? "",
                    ]
                )
            )
        }
        lines += ink.table(table, main: 1)
        if rows.count > listedMax { lines.append("  and \(rows.count - listedMax) more: --json has all") }
        return lines
    }
}

extension FlakyHistory.Row {
    /// Rounded, but never to all or nothing where it is neither.
    fileprivate var percent: Int {
        guard runs > 0 else { return 0 }
        let percent = ((runs - failures) * 200 + runs) / (2 * runs)
        if failures > 0, percent == 100 { return 99 }
        return failures < runs && percent == 0 ? 1 : percent
    }
}

extension TextInk {
    fileprivate func text(_ failure: FlakyHistory.Failure) -> String {
        let note = plain((failure.note ?? "").bounded(to: TextBounds.noteLine).firstLine)
        let day = failure.at.map { " " + TimeText.rfc3339($0).prefix(10) } ?? ""
        return "\(failure.run)\(day)\(note.isEmpty ? "" : ": \(note)")"
    }
}

extension FlakyHistory: Encodable {
    private enum Key: String, CodingKey {
        case format, lab, runs, tests
        case testCount = "test_count"
    }

    private struct Shape: Encodable {
        var suite: String
        var test: String
        var changes: Int
        var runs: Int
        var flaky: Int
        var failures: Int
        /// In thousandths, so that every reader reads the same number.
        var passedPermille: Int
        var history: [String]
        var lastFailure: FailureShape?

        enum CodingKeys: String, CodingKey {
            case suite, test, changes, runs, flaky, failures, history
            case passedPermille = "passed_permille"
            case lastFailure = "last_failure"
        }
    }

    private struct FailureShape: Encodable {
        var run: String
        var at: String?
        var note: String?
    }

    /// One object for programs (`docs/formats/json.md`).
    package func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: Key.self)
        try container.encode(1, forKey: .format)
        try container.encode(lab, forKey: .lab)
        try container.encode(runs.map(\.description), forKey: .runs)
        try container.encode(testCount, forKey: .testCount)
        let shapes = rows.map { row in
            Shape(
                suite: row.test.suite,
                test: row.test.name,
                changes: row.changes,
                runs: row.runs,
                flaky: row.flaky,
                failures: row.failures,
                passedPermille: row.runs == 0 ? 0 : (row.runs - row.failures) * 1000 / row.runs,
                history: row.history.map(\.rawValue),
                lastFailure: row.lastFailure.map { failure in
                    FailureShape(
                        run: failure.run.description,
                        at: failure.at.map { TimeText.rfc3339($0) },
                        note: failure.note?.bounded(to: TextBounds.noteLine)
                    )
                }
            )
        }
        try container.encode(shapes, forKey: .tests)
    }
}
