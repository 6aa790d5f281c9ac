package import MusterCore

/// `results.atex.jsonl`: JSON lines as ATEX aggregates them, `[platform, status, test, subtest, files, note]`.
///
/// ATEX keeps the last run of a test, so these are of the attempt that decided: its parts in the order in which the
/// test reported them, then the test itself. A test without an outcome has no line there, and none here.
package enum ATEXReport {
    /// - Parameter platform: the first column of all lines; without it, the group of the node.
    package static func render(_ report: RunReport, platform: String? = nil) -> [UInt8] {
        var bytes: [UInt8] = []
        var named: [[String]: Int] = [:]
        let tests = report.suites.flatMap { suite in
            suite.tests.compactMap { test -> (platform: String, test: TestReport, attempt: AttemptReport)? in
                guard test.outcome != nil, let deciding = test.decidingAttempt else { return nil }
                return (platform ?? deciding.group ?? suite.group ?? suite.name, test, deciding)
            }
        }
        for entry in tests { named[[entry.platform, entry.test.name], default: 0] += 1 }
        for (platform, test, attempt) in tests {
            // A platform and a name are one test there.
            let name = named[[platform, test.name], default: 0] > 1 ? test.fullName : test.name
            let head = "[\(JSONText.quoted(platform)),"
            for part in attempt.parts {
                let files = test.files(of: part, in: attempt)
                bytes.append(contentsOf: head.utf8)
                bytes.append(contentsOf: line(part.word, name, part.name, files, part.note).utf8)
            }
            let status = attempt.own?.status ?? attempt.outcome.rawValue
            bytes.append(contentsOf: head.utf8)
            bytes.append(contentsOf: line(status, name, nil, test.files(of: attempt), attempt.note).utf8)
        }
        return bytes
    }

    private static func line(
        _ status: String,
        _ test: String,
        _ part: String?,
        _ files: [String],
        _ note: String?
    ) -> String {
        "\(JSONText.quoted(status.bounded(to: TextBounds.noteLine))),\(JSONText.quoted(test)),\(JSONText.quoted(part))"
            + ",[\(files.map { JSONText.quoted($0) }.joined(separator: ","))]"
            + ",\(JSONText.quoted(note?.bounded(to: TextBounds.note)))]\n"
    }
}
