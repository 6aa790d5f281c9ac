import Foundation
import MusterCore
import MusterReport
import Testing

@Suite struct TMTTests {
    private func text(_ report: RunReport) -> String { String(decoding: TMTReport.render(report), as: UTF8.self) }

    private func words(_ report: RunReport) -> [String] {
        text(report).split(separator: "\n").filter { $0.hasPrefix("  result: ") }.map { String($0.dropFirst(10)) }
    }

    @Test func aRunIsWrittenAsDocumented() throws {
        try Goldens.expect(TMTReport.render(Samples.shop), equals: "results.yaml")
    }

    @Test func outcomesBecomeThoseOfTMT() {
        let outcomes: [Outcome] = [.pass, .fail, .info, .warn, .skip, .error, .infra]
        let tests = outcomes.map { Samples.test($0.rawValue, Samples.attempt(1, $0)) } + [Samples.test("none")]
        let report = Samples.report(tests)
        #expect(words(report) == ["pass", "fail", "info", "warn", "skip", "error", "error", "pending"])
        #expect(text(report).contains("- \"infra: its machines failed, not the test\""))
    }

    @Test func whatHasNotRunIsPendingWithTheReason() {
        let tests = [Samples.test("a")]
        #expect(text(Samples.report(tests, state: .running, result: .pending)).contains("    - \"not run yet\"\n"))
        let ended = text(Samples.report(tests, problems: ["db/0 did not get ready"]))
        #expect(ended.contains("  result: pending\n"))
        #expect(ended.contains("    - \"not run: db/0 did not get ready\"\n"))
        #expect(words(Samples.interrupted) == ["pass", "pending", "pending", "pending"])
    }

    @Test func theDecidingAttemptGivesTheEntry() {
        let report = Samples.report([
            Samples.test(
                "/x y",
                suite: "web",
                Samples.attempt(1, .fail, note: "bad", at: 0, took: 900, files: ["files/1"]),
                Samples.attempt(2, .pass, at: 1_500, took: 3_725_600, files: ["files/2"])
            )
        ])
        let entry = text(report)
        #expect(entry.hasPrefix("- name: \"/web/x y\"\n  serial-number: 1\n  result: pass\n"))
        #expect(entry.contains("  start-time: \"2026-03-01T09:30:01.500000Z\"\n"))
        #expect(entry.contains("  duration: \"01:02:06\"\n"))
        #expect(entry.contains("  note:\n    - \"flaky: failed, then passed\"\n    - \"attempt 2 of 2\"\n"))
        #expect(entry.contains("  log:\n    - \"files/2\"\n"))
        #expect(entry.contains("  data-path: \"files/web/_/x=20y/2\"\n"))
        #expect(entry.contains("    name: \"app/0\"\n    role: \"app\"\n"))
    }

    @Test func aRunWithoutTestsIsAnEmptyList() {
        #expect(text(Samples.report([])) == "[]\n")
    }

    @Test(.enabled(if: Python.isWanted("yaml"), "python3 with PyYAML is not installed"))
    func hostileTextComesBackFromYAML() throws {
        let script = """
            import sys, yaml
            rows = yaml.safe_load(sys.stdin.buffer.read().decode())
            print(len(rows), sorted(set(k for row in rows for k in row)))
            for row in rows: print(ascii(row['subresult'][0]['name']), len(row['subresult'][0]['note']))
            """
        let lines = try Python.run(script, input: TMTReport.render(Samples.hostile)).split(separator: "\n")
        #expect(lines[0].hasPrefix("\(Samples.hostileTexts.count) ['context', 'data-path', 'duration', 'end-time', "))
        #expect(lines.count == Samples.hostileTexts.count + 1)
        #expect(lines[1] == "'<script>alert(1)</script>' 2")
        #expect(lines[4].hasPrefix("'nul \\x00 bell \\x07 escape \\x1b[31m"))
        #expect(lines[6].hasPrefix("'not a character \\ufffe\\uffff'"))
    }

    /// What tmt's schema of this file demands (`tmt/schemas/results.yaml` of tmt 1.78).
    @Test(.enabled(if: Python.isWanted("yaml"), "python3 with PyYAML is not installed"))
    func everyEntryIsAsTheSchemaOfTMTWantsIt() throws {
        let script = """
            import re, sys, yaml
            outcomes = {'pass', 'fail', 'info', 'warn', 'error', 'skip', 'pending'}
            time = re.compile(r'^\\d{2,}-\\d{2}-\\d{2}T\\d{2}:\\d{2}:\\d{2}\\.\\d+(?:(?:\\+\\d{2}:\\d{2})|Z)$')
            keys = {'guest', 'name', 'serial-number', 'web-link', 'result', 'original-result', 'context', 'note',
                    'start-time', 'end-time', 'duration', 'data-path', 'ids', 'log', 'check', 'subresult'}
            def texts(value): return isinstance(value, list) and all(isinstance(text, str) for text in value)
            def check(row):
                assert row['result'] in outcomes and row['original-result'] in outcomes, row
                assert texts(row['note']) and texts(row['log']), row
                for key in ('start-time', 'end-time'):
                    assert key not in row or time.match(row[key]), row
                assert 'duration' not in row or re.match('^[0-9]{2,}:[0-5][0-9]:[0-5][0-9]$', row['duration']), row
            rows = yaml.safe_load(sys.stdin.buffer.read().decode())
            for number, row in enumerate(rows, 1):
                assert set(row) <= keys, set(row) - keys
                assert row['name'].startswith('/') and row['serial-number'] == number
                assert set(row.get('guest', {'name': ''})) <= {'name', 'role'}
                assert row['context'] == {} and row['ids'] == {}
                assert isinstance(row.get('data-path', ''), str)
                check(row)
                for part in row['subresult']:
                    assert isinstance(part['name'], str)
                    check(part)
            print(len(rows))
            """
        for report in [Samples.shop, Samples.interrupted, Samples.hostile, Samples.report([])] {
            let count = try Python.run(script, input: TMTReport.render(report))
            #expect(count == "\(report.tests.count)\n")
        }
    }
}
