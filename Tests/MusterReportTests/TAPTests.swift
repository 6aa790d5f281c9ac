import Foundation
import MusterCore
import MusterReport
import Testing

@Suite struct TAPTests {
    private func text(_ report: RunReport) -> String { String(decoding: TAPReport.render(report), as: UTF8.self) }

    private func points(_ report: RunReport) -> [String] {
        text(report).split(separator: "\n").map(String.init).filter { $0.hasPrefix("ok") || $0.hasPrefix("not ok") }
    }

    @Test func aRunIsWrittenAsDocumented() throws {
        try Goldens.expect(TAPReport.render(Samples.shop), equals: "results.tap")
    }

    @Test func outcomesBecomePoints() {
        let outcomes: [Outcome] = [.pass, .info, .warn, .fail, .error, .infra, .skip]
        let tests = outcomes.map { Samples.test($0.rawValue, Samples.attempt(1, $0, note: "why # not")) }
        let words = points(Samples.report(tests)).map { $0.hasPrefix("ok") ? "ok" : "not ok" }
        #expect(words == ["ok", "ok", "ok", "not ok", "not ok", "not ok", "ok"])
        #expect(points(Samples.report(tests)).last == "ok 7 - api//skip # SKIP why ♯ not")
    }

    @Test func aFlakyTestIsNotOKWhereFlakyCounts() {
        let tests = [Samples.test("t", Samples.attempt(1, .fail), Samples.attempt(2, .pass))]
        #expect(points(Samples.report(tests)) == ["ok 1 - api//t"])
        #expect(points(Samples.report(tests, flakyFails: true)) == ["not ok 1 - api//t"])
        #expect(text(Samples.report(tests)).contains("\n  flaky: true\n"))
    }

    @Test func partsAreASubtestBeforeTheirTest() {
        let parts = [
            TestResult(name: "a#b", outcome: .pass), TestResult(name: "c", outcome: .fail, note: "why"),
            TestResult(name: "d", outcome: .skip, note: "no # net"),
            TestResult(name: "e", outcome: .info, status: "hm"),
        ]
        func lines(_ outcome: Outcome) -> [Substring] {
            text(Samples.one(Samples.attempt(1, outcome, results: parts))).split(separator: "\n").filter {
                $0.hasPrefix("# Sub") || $0.hasPrefix("    1..") || $0.hasPrefix("    ok") || $0.hasPrefix("    not ok")
                    || $0.hasPrefix("ok") || $0.hasPrefix("not ok")
            }
        }
        #expect(
            lines(.fail) == [
                "# Subtest: api//tests/login", "    1..4", "    ok 1 - a\\#b", "    not ok 2 - c",
                "    ok 3 - d # SKIP no ♯ net", "    ok 4 - e", "not ok 1 - api//tests/login",
            ]
        )
        // A harness may take a test for failed whose subtest failed: this one was not.
        #expect(lines(.pass)[3] == "    not ok 2 - c # TODO the test itself did not fail")
        #expect(lines(.pass).last == "ok 1 - api//tests/login")
        #expect(text(Samples.one(Samples.attempt(1, .pass, results: parts))).contains("\n      status: \"hm\"\n"))
    }

    @Test func thousandsOfPartsAreBoundedAndBadOnesStay() {
        let parts = (0..<5_000).map { TestResult(name: "p\($0)", outcome: $0 == 4_999 ? .fail : .pass) }
        let tap = text(Samples.one(Samples.attempt(1, .fail, results: parts)))
        #expect(tap.contains("\n    1..1000\n") && tap.contains("\n    not ok 1000 - p4999\n"))
        #expect(tap.contains("\n    # and 4000 more parts\n"))
    }

    @Test func whatHasNotRunIsNamed() {
        let tests = [Samples.test("a", Samples.attempt(1, .pass)), Samples.test("b")]
        #expect(
            text(Samples.report(tests, state: .running, result: .pending)).contains("\n# pending: api//b\nBail out! ")
        )
        #expect(text(Samples.report(tests)).contains("\n# not run: api//b\nBail out! "))
    }

    @Test func aRunThatIsBrokenOffBailsOut() {
        let tap = text(Samples.interrupted)
        #expect(tap.contains("\n1..4\n"))
        #expect(points(Samples.interrupted) == ["ok 1 - api//tests/login"])
        #expect(tap.hasSuffix("\nBail out! 3 of 4 tests have no outcome: the run was interrupted\n"))
    }

    @Test func aRunWithoutTestsSkipsItsPlanAndBailsOutWhenItFailed() {
        #expect(text(Samples.report([])).contains("\n1..0 # SKIP this run has no tests\n"))
        #expect(!text(Samples.report([])).contains("Bail out!"))
        #expect(
            text(Samples.report([], result: .error, problems: ["db/0 failed"])).hasSuffix("Bail out! db/0 failed\n")
        )
    }

    @Test func namesStayOnOneLineAndHoldNoDirective() {
        let lines = points(Samples.hostile)
        #expect(lines.count == Samples.hostileTexts.count)
        #expect(lines[2].hasSuffix(" - api//tab\\\\tnewline\\\\nreturn\\\\rend"))
        #expect(lines[8].hasSuffix(" - api//ok 1 - \\# SKIP fake \\# TODO"))
        #expect(lines[9].hasSuffix(" - api//back\\\\slash \\\\\\# \\\\n"))
        #expect(text(Samples.hostile).split(whereSeparator: \.isNewline).filter { $0.hasPrefix("Bail") }.isEmpty)
    }

    @Test(
        .enabled(if: Python.isWanted("tap", "yaml", "more_itertools"), "python3 with tap.py, PyYAML is not installed")
    )
    func tapPyReadsBackWhatWasMeant() throws {
        let script = """
            import sys, io, tap.parser
            data = sys.stdin.buffer.read().decode()
            for line in tap.parser.Parser().parse(io.StringIO(data, newline='\\n')):
                if line.category == 'test':
                    block = line.yaml_block or {}
                    print(line.ok, line.number, line.description, 'skip' if line.skip else '-',
                          block.get('outcome'), block.get('node'), block.get('attempts'), block.get('flaky'))
                elif line.category == 'plan': print('plan', line.expected_tests)
                elif line.category == 'bail': print('bail', line.reason)
                elif line.category == 'version': print('version', line.version)
            """
        let lines = try Python.run(script, input: TAPReport.render(Samples.shop)).split(separator: "\n").map(
            String.init
        )
        #expect(lines[0] == "version 14")
        #expect(lines[1] == "plan 14")
        #expect(lines[2] == "False 1 - api//tests/checkout - fail app/1 3 None")
        #expect(lines[3] == "True 2 - api//tests/search - pass app/2 2 True")
        #expect(lines[6] == "True 5 - api//tests/ipv6 skip skip app/2 1 None")
        #expect(lines.count == 16)
        let broken = try Python.run(script, input: TAPReport.render(Samples.interrupted))
        #expect(broken.contains("bail 3 of 4 tests have no outcome: the run was interrupted"))
        let hostile = try Python.run(script, input: TAPReport.render(Samples.hostile)).split(separator: "\n")
        #expect(hostile.filter { $0.hasPrefix("True") || $0.hasPrefix("False") }.count == Samples.hostileTexts.count)
    }

    @Test(.enabled(if: Python.isWanted("yaml"), "python3 with PyYAML is not installed"))
    func everyDiagnosticIsYAML() throws {
        let script = """
            import sys, yaml
            block, count, notes = None, 0, []
            for line in sys.stdin.buffer.read().decode().split('\\n'):
                if line == '  ---': block = []
                elif line == '  ...':
                    notes.append(yaml.safe_load('\\n'.join(block))['note']); block = None; count += 1
                elif block is not None: block.append(line[2:])
            print(count); print(ascii(notes))
            """
        let output = try Python.run(script, input: TAPReport.render(Samples.hostile))
        #expect(output.hasPrefix("\(Samples.hostileTexts.count)\n"))
        #expect(output.contains("nul \\x00 bell \\x07 escape \\x1b[31m delete \\x7f c1 \\x85\\x9b"))
        #expect(output.contains("not a character \\ufffe\\uffff"))
    }
}
