package import MusterCore

/// `results.jsonl`: one object a line for each attempt that has ended, in the order of the run's suites and tests.
package enum JSONLinesReport {
    package static func render(_ report: RunReport) -> [UInt8] {
        let run = JSONText.quoted(report.run.description)
        var bytes: [UInt8] = []
        for suite in report.suites {
            for test in suite.tests {
                let names =
                    "{\"run\":\(run),\"suite\":\(JSONText.quoted(suite.name)),\"test\":\(JSONText.quoted(test.name))"
                for attempt in test.attempts {
                    bytes.append(contentsOf: names.utf8)
                    bytes.append(contentsOf: line(attempt).utf8)
                }
            }
        }
        return bytes
    }

    private static func line(_ attempt: AttemptReport) -> String {
        let startedAt = attempt.startedAt.map { TimeText.rfc3339($0) }
        let files = attempt.files.map { JSONText.quoted($0) }.joined(separator: ",")
        return ",\"subtest\":null,\"attempt\":\(attempt.number),\"outcome\":\"\(attempt.outcomeWord)\""
            + ",\"note\":\(JSONText.quoted(note(attempt))),\"node\":\(JSONText.quoted(attempt.node))"
            + ",\"started_at\":\(JSONText.quoted(startedAt)),\"duration_ms\":\(max(0, attempt.duration.milliseconds))"
            + ",\"files\":[\(files)]}\n"
    }

    private static func note(_ attempt: AttemptReport) -> String? {
        if let note = attempt.note { return note.bounded(to: TextBounds.note) }
        return attempt.isCancelled ? "ended on request" : nil
    }
}
