import MusterCore
import MusterReport

/// What a verb that follows a run prints with `--json`, once, at its end.
struct RunResultShape: Encodable {
    var format = 1
    var run: JSONShape.Run
    var exitCode: Int32
    var results: String?
    var tests: [Test]?
    var problems: [String]?
    /// Whether all was there already; not there when it was not.
    var nothingToDo: Bool?

    struct Test: Encodable {
        var suite: String
        var test: String
        var outcome: String?
        var flaky: Bool
        var attempts: Int
        var note: String?
    }

    enum CodingKeys: String, CodingKey {
        case format, run, results, tests, problems
        case exitCode = "exit_code"
        case nothingToDo = "nothing_to_do"
    }

    init(row: PlanRow, exitCode: Int32, report: RunReport?, results: String?) {
        run = JSONShape.Run(row, isConducted: true)
        self.exitCode = exitCode
        self.results = results
        problems = report?.problems
        tests = report.map { report in
            report.tests.map { test in
                Test(
                    suite: test.suite,
                    test: test.name,
                    outcome: test.outcome?.rawValue,
                    flaky: test.isFlaky,
                    attempts: test.attempts.count,
                    note: test.attempts.last?.note
                )
            }
        }
    }
}
