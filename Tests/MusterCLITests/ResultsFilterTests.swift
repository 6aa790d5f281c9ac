import ArgumentParser
import MusterCore
import MusterReport
import Testing

@testable import MusterCLI

@Suite struct ResultsFilterTests {
    private func test(_ suite: String, _ name: String, _ outcome: Outcome?, node: String = "app/0") -> TestReport {
        let attempt = outcome.map {
            AttemptReport(number: 1, outcome: $0, node: node, startedAt: Timestamp(rawValue: 0), duration: .zero)
        }
        return TestReport(suite: suite, name: name, attempts: attempt.map { [$0] } ?? [])
    }

    private var report: RunReport {
        RunReport(
            run: RunName(PlanID(1)),
            lab: "shop",
            verb: .test,
            state: .stopped,
            result: .error,
            startedAt: Timestamp(rawValue: 0),
            endedAt: nil,
            suites: [
                SuiteReport(
                    name: "api",
                    tests: [test("api", "tests/a", .pass), test("api", "tests/b", .fail), test("api", "tests/c", nil)]
                ),
                SuiteReport(name: "web", tests: [test("web", "/smoke", .infra, node: "web/0")]),
            ]
        )
    }

    private func names(_ arguments: String...) throws -> [String] {
        let command = try Results.parse(arguments)
        return try command.filter.query(of: report).rows(of: report).map(\.test.name)
    }

    private func refusal(_ arguments: String...) -> String {
        do {
            let command = try Results.parse(arguments)
            _ = try command.filter.query(of: report)
            return ""
        } catch let error as CLIError {
            return error.message
        } catch {
            return Results.message(for: error)
        }
    }

    @Test func whatIsChosenIsShown() throws {
        #expect(try names("--failed") == ["tests/b", "/smoke"])
        #expect(try names("--pending") == ["tests/c"])
        #expect(try names("--outcome", "fail,pass") == ["tests/b", "tests/a"])
        #expect(try names("r-7f3k", "--outcome", "fail", "--outcome", "pass") == ["tests/b", "tests/a"])
        #expect(try names("--suite", "web") == ["/smoke"])
        #expect(try names("--test", "tests/*", "--failed") == ["tests/b"])
        #expect(try names("--test", "web//smoke") == ["/smoke"])
        #expect(try names("--node", "web") == ["/smoke"])
        #expect(try names("--subtests").count == 4)
    }

    @Test func whatNamesNothingIsRefusedWithWhatThereIs() {
        let run = RunName(PlanID(1))
        #expect(refusal("--suite", "ap") == "\(run) has no suite 'ap'; it has api, web")
        #expect(
            refusal("--test", "x*")
                == "no test of \(run) is 'x*'; it has api//tests/a, api//tests/b, api//tests/c, web//smoke"
        )
        #expect(refusal("--node", "db") == "no test of \(run) ran on 'db'; they ran on app/0, web/0")
        #expect(
            refusal("--outcome", "failed")
                == "--outcome knows pass, fail, info, warn, skip, error, infra, flaky, cancelled, pending, not 'failed'"
        )
        #expect(refusal("--test", "[a") == "--test '[a' is no pattern: a '[' is never closed")
    }

    @Test func questionsThatDoNotGoTogetherAreRefused() {
        #expect(refusal("--compare", "r-7f3k", "--flaky").hasPrefix("--compare and --flaky answer different questions"))
        #expect(refusal("--flaky", "--failed").hasPrefix("--failed chooses tests to be shown, --flaky is about all"))
        #expect(refusal("--jsonl", "--suite", "api").hasPrefix("--suite chooses tests to be shown, --jsonl is about"))
        #expect(refusal("--last", "3") == "--last goes with --flaky: muster results --flaky --last 3")
        #expect(refusal("--flaky", "--last", "1") == "--last wants a number from 2: one run alone changes nothing")
        #expect(refusal("--write", "out", "--jsonl") == "")
    }
}
