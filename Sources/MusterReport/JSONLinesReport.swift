package import MusterCore

/// `results.jsonl`: one object a line for each attempt that has ended, in the order of the run's suites and tests, each
/// followed by one for every part of the test that it reported itself.
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
                    bytes.append(contentsOf: line(attempt, of: test).utf8)
                    for part in attempt.parts {
                        bytes.append(contentsOf: names.utf8)
                        bytes.append(contentsOf: line(part, attempt, of: test).utf8)
                    }
                }
            }
        }
        return bytes
    }

    private static func line(_ attempt: AttemptReport, of test: TestReport) -> String {
        let startedAt = attempt.startedAt.map { TimeText.rfc3339($0) }
        return ",\"subtest\":null,\"attempt\":\(attempt.number),\"outcome\":\"\(attempt.outcomeWord)\""
            + ",\"note\":\(JSONText.quoted(note(attempt))),\"node\":\(JSONText.quoted(attempt.node))"
            + ",\"started_at\":\(JSONText.quoted(startedAt)),\"duration_ms\":\(max(0, attempt.duration.milliseconds))"
            + ",\"files\":[\(list(test.files(of: attempt)))]\(more(attempt.own))}\n"
    }

    /// A part has its attempt's node, and no times: tests do not say how long their parts took.
    private static func line(_ part: TestResult, _ attempt: AttemptReport, of test: TestReport) -> String {
        let note = part.note?.bounded(to: TextBounds.note)
        return ",\"subtest\":\(JSONText.quoted(part.name)),\"attempt\":\(attempt.number)"
            + ",\"outcome\":\"\(part.outcome.rawValue)\""
            + ",\"note\":\(JSONText.quoted(note)),\"node\":\(JSONText.quoted(attempt.node))"
            + ",\"started_at\":null,\"duration_ms\":0"
            + ",\"files\":[\(list(test.files(of: part, in: attempt)))]\(more(part))}\n"
    }

    private static func list(_ files: [String]) -> String { files.map { JSONText.quoted($0) }.joined(separator: ",") }

    private static func note(_ attempt: AttemptReport) -> String? {
        if let note = attempt.note { return note.bounded(to: TextBounds.note) }
        return attempt.isCancelled ? "ended on request" : nil
    }

    /// The keys that are there only where there is something to say.
    private static func more(_ result: TestResult?) -> String {
        var text = ""
        if let status = result?.status {
            text += ",\"status\":\(JSONText.quoted(status.bounded(to: TextBounds.noteLine)))"
        }
        if let extra = result?.extra { text += ",\"extra\":\(object(extra))" }
        return text
    }

    /// What is no object, or too long, still stands in one: a line stays valid whatever a test says.
    private static func object(_ text: String) -> String {
        if text.utf8.count <= TextBounds.note, let object = JSONObject.onOneLine(text) { return object }
        return "{\"text\":\(JSONText.quoted(text.bounded(to: TextBounds.note)))}"
    }
}
