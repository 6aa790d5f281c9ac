import MusterCore
import MusterReport
import Testing

@Suite struct SummaryTests {
    private func exit(
        _ outcomes: [Outcome],
        state: PlanState = .stopped,
        result: PlanResult = .success,
        problems: [String] = [],
        flakyFails: Bool = false,
        interrupted: Bool = false
    ) -> Int32 {
        var tests = outcomes.enumerated().map { Samples.test("t\($0.offset)", Samples.attempt(1, $0.element)) }
        tests.append(Samples.test("flaky", Samples.attempt(1, .fail), Samples.attempt(2, .pass)))
        let report = Samples.report(tests, state: state, result: result, problems: problems, flakyFails: flakyFails)
        return RunSummary(report, interrupted: interrupted).exitCode
    }

    @Test func theExitCodeIsTheFirstOfThoseThatApply() {
        #expect(exit([.pass, .skip, .info, .warn]) == 0)
        #expect(exit([.pass], flakyFails: true) == 6)
        #expect(exit([.fail], flakyFails: true) == 1)
        #expect(exit([.error]) == 1)
        #expect(exit([.fail], state: .paused, result: .error) == 5)
        #expect(exit([.fail, .infra]) == 3)
        #expect(exit([.infra], state: .paused) == 3)
        #expect(exit([.infra, .fail], interrupted: true) == 130)
        #expect(exit([.pass], result: .cancelled) == 130)
    }

    @Test func machinesFailedWhenTestsDidNotRunOrTheRunEndedInErrorWithoutThem() {
        #expect(exit([.pass], result: .error, problems: ["web/0 failed"]) == 3)
        #expect(exit([.fail], result: .error, problems: ["web/0 failed"]) == 3)
        #expect(exit([.fail], result: .error) == 1)
        #expect(exit([.pass], result: .error) == 3)
        // A problem that the run got over is no failure.
        #expect(exit([.pass], result: .warning, problems: ["web/0 was lost"]) == 0)
        let notRun = Samples.report([Samples.test("a")], result: .warning)
        #expect(RunSummary(notRun).exitCode == 3)
        #expect(RunSummary(Samples.report([Samples.test("a")], state: .running, result: .pending)).exitCode == 0)
        #expect(RunSummary(Samples.report([], result: .error)).exitCode == 3)
        #expect(RunSummary(Samples.report([])).exitCode == 0)
    }

    @Test func everyTestIsCountedOnce() {
        let summary = RunSummary(Samples.shop)
        #expect(summary.testCount == 14)
        let counts = TestStatus.allCases.map { summary[$0] }
        #expect(counts == [1, 1, 1, 1, 0, 0, 1, 9])
        #expect(summary.passedInAll == 10)
        #expect(summary.exitReasons == [.machinesFailed, .testsFailed])
        let interrupted = RunSummary(Samples.interrupted)
        #expect(interrupted[.cancelled] == 1 && interrupted[.notRun] == 2 && interrupted[.passed] == 1)
    }

    @Test func aTestThatNeverRanIsNotCancelledAndMayBeInfra() {
        let left = Samples.test("a", Samples.attempt(1, .skip, note: "not run", node: nil, isCancelled: true))
        let blocked = Samples.test("b", Samples.attempt(1, .infra, note: "not run: app/0 failed", node: nil))
        let report = Samples.report([left, blocked], result: .error)
        #expect(report.tests.map(\.status) == [.notRun, .infra])
        let text = SummaryText(width: 80, usesColor: false).lines(report, summary: RunSummary(report))
        #expect(text.contains("  infra      api//b   never ran"))
        #expect(text.contains("  not run    1 test: api//a"))
    }

    @Test func aPassAfterLostMachinesIsNotFlaky() {
        let summary = RunSummary(Samples.one(Samples.attempt(1, .infra), Samples.attempt(2, .pass)))
        #expect(summary[.passed] == 1 && summary[.flaky] == 0)
    }
}

@Suite struct SummaryTextTests {
    private func lines(_ report: RunReport, _ text: SummaryText) -> [String] {
        text.lines(
            report,
            summary: RunSummary(report),
            resultsPath: "results/\(report.run)",
            files: ["results.jsonl", "junit.xml", "results.tap", "report.html"]
        )
    }

    @Test(arguments: [80, 120])
    func aRunIsSummedUpAsDocumented(width: Int) throws {
        let plain = lines(Samples.shop, SummaryText(width: width, usesColor: false))
        for line in plain { #expect(line.count <= width, "\(line)") }
        try Goldens.expect(Array((plain.joined(separator: "\n") + "\n").utf8), equals: "summary-\(width).txt")
    }

    @Test func theCountsLeadAndNameShapeAndWord() {
        let tests =
            [Samples.test("bad", Samples.attempt(1, .fail))]
            + (1...10).map { Samples.test("t\($0)", Samples.attempt(1, .pass)) }
            + [Samples.test("flaky", Samples.attempt(1, .fail), Samples.attempt(2, .pass))]
        let first = lines(Samples.report(tests), SummaryText(width: 80, usesColor: false))[0]
        #expect(first == "  ✘ 1 failed   ↻ 1 flaky   ⚠ 0 infra   ✔ 10 passed   3.2s on 5 nodes")
    }

    @Test func colorAddsOnlyEscapes() {
        let plain = lines(Samples.shop, SummaryText(width: 100, usesColor: false))
        let colored = lines(Samples.shop, SummaryText(width: 100, usesColor: true))
        #expect(colored[0].contains("\u{1B}[31m✘ 1 failed\u{1B}[0m"))
        #expect(colored.map { $0.replacing(/\u{1B}\[[0-9]*m/, with: "") } == plain)
    }

    @Test func asciiIsASCII() {
        for report in [Samples.shop, Samples.interrupted, Samples.hostile] {
            for line in lines(report, SummaryText(width: 80, usesColor: false, isASCII: true)) {
                #expect(line.utf8.allSatisfy { $0 >= 0x20 && $0 < 0x7F }, "\(line)")
            }
        }
    }

    @Test func nothingFromATestReachesTheTerminalAsAControl() {
        for line in lines(Samples.hostile, SummaryText(width: 80, usesColor: false)) {
            #expect(
                !line.unicodeScalars.contains {
                    $0.value < 0x20 || (0x7F...0x9F).contains($0.value) || $0.value == 0x202E
                }
            )
        }
    }

    @Test func longListsAndLongNamesAreBounded() {
        let tests = (0..<500).map { index in
            Samples.test(
                "very/long/" + String(repeating: "x", count: 200) + "/\(index)",
                Samples.attempt(1, .fail, note: String(repeating: "why ", count: 100), files: ["files/a"])
            )
        }
        let text = lines(Samples.report(tests), SummaryText(width: 80, usesColor: false))
        #expect(text.count < 70)
        #expect(text.contains { $0.contains("480 more") })
        #expect(text.allSatisfy { $0.count <= 80 })
    }

    @Test func severalReasonsAreAllNamed() {
        let last = lines(Samples.shop, SummaryText(width: 120, usesColor: false)).last
        #expect(last == "  exit       3 (machines or infrastructure failed), also 1 (tests failed)")
        let interrupted = lines(Samples.interrupted, SummaryText(width: 80, usesColor: false))
        #expect(interrupted.last == "  exit       130 (interrupted)")
        #expect(interrupted.contains("  not run    2 tests: api//tests/orders, api//tests/users"))
    }

    @Test func whatHasNotRunIsPendingFirstAndHasAReasonAtTheEnd() {
        let text = SummaryText(width: 80, usesColor: false)
        let tests = [Samples.test("a", Samples.attempt(1, .pass)), Samples.test("b")]
        let underway = lines(Samples.report(tests, state: .running, result: .pending), text)
        #expect(underway[0].contains("○ 1 pending"))
        #expect(underway.contains("  pending    1 test: api//b"))
        #expect(!underway.contains { $0.contains("because") })
        let ended = lines(Samples.report(tests), text)
        #expect(ended[0].contains("○ 1 not run"))
        #expect(ended.contains("  not run    1 test: api//b"))
        #expect(ended.contains("             because the machines it needs did not get ready"))
        // What stands there anyway is not said twice.
        #expect(!lines(Samples.report(tests, problems: ["db/0 failed"]), text).contains { $0.contains("because") })
    }

    @Test func aRunWithoutTestsSaysWhatItDid() {
        var report = Samples.report([])
        report.verb = .up
        #expect(lines(report, SummaryText(width: 80, usesColor: false))[0] == "  ✔ up done   3.2s on 5 nodes")
        report.result = .error
        #expect(lines(report, SummaryText(width: 80, usesColor: false))[0] == "  ✘ up failed   3.2s on 5 nodes")
        report.state = .paused
        report.endedAt = nil
        let begun = report.startedAt + .milliseconds(100)
        let ended = report.startedAt + .milliseconds(900)
        report.groups = [GroupReport(name: "db", count: 1, state: .failed, startedAt: begun, endedAt: ended)]
        #expect(lines(report, SummaryText(width: 80, usesColor: false))[0] == "  ✘ up paused   900ms on 5 nodes")
    }
}
