import Foundation
import MusterCore
import MusterReport
import Testing

@Suite struct JUnitTests {
    private func text(_ report: RunReport, tail: JUnitReport.OutputTail? = nil) -> String {
        String(decoding: JUnitReport.render(report, outputTail: tail), as: UTF8.self)
    }

    private func elements(_ report: RunReport) -> [String] {
        text(report).split(separator: "\n").compactMap { line in
            let bare = line.drop { $0 == " " }
            let names = ["failure", "error", "skipped", "rerunFailure", "rerunError", "flakyFailure", "flakyError"]
            return names.first { bare.hasPrefix("<\($0) ") }
        }
    }

    @Test func aRunIsWrittenAsDocumented() throws {
        try Goldens.expect(JUnitReport.render(Samples.shop), equals: "junit.xml")
    }

    @Test func attemptsBecomeWhatSurefireHasForThem() {
        func of(_ outcomes: Outcome...) -> [String] {
            let attempts = outcomes.enumerated().map { Samples.attempt($0.offset + 1, $0.element) }
            return elements(Samples.report([TestReport(suite: "api", name: "t", attempts: attempts)]))
        }
        #expect(of(.pass) == [])
        #expect(of(.info) == [])
        #expect(of(.warn) == [])
        #expect(of(.skip) == ["skipped"])
        #expect(of(.fail) == ["failure"])
        #expect(of(.fail, .fail, .fail) == ["failure", "rerunFailure", "rerunFailure"])
        #expect(of(.fail, .pass) == ["flakyFailure"])
        #expect(of(.error, .fail, .pass) == ["flakyFailure", "flakyError"])
        #expect(of(.error) == ["error"])
        #expect(of(.fail, .error) == ["rerunFailure", "error"])
        #expect(of(.error, .fail) == ["failure", "rerunError"])
        #expect(of(.infra, .infra, .infra) == ["error", "rerunError", "rerunError"])
        #expect(of(.infra, .fail, .fail) == ["failure", "rerunFailure", "rerunError"])
        // A pass after lost machines only is not flaky, and nothing here says it is.
        #expect(of(.infra, .pass) == [])
    }

    @Test func partsArePropertiesAndAreNotCounted() {
        let parts = [
            TestResult(name: "a/b", outcome: .fail, note: "why"), TestResult(name: "c", outcome: .info, status: "hm"),
        ]
        let xml = text(Samples.one(Samples.attempt(1, .pass, results: parts)))
        #expect(xml.contains("tests=\"1\" failures=\"0\" errors=\"0\""))
        #expect(xml.contains("<property name=\"parts\" value=\"2\"/>"))
        #expect(xml.contains("<property name=\"part:a/b\" value=\"fail: why\"/>"))
        #expect(xml.contains("<property name=\"part:c\" value=\"hm\"/>"))
        let many = (0..<5_000).map { TestResult(name: "p\($0)", outcome: $0 == 4_999 ? .fail : .pass) }
        let long = text(Samples.one(Samples.attempt(1, .fail, results: many)))
        #expect(long.components(separatedBy: "name=\"part:").count - 1 == 200)
        #expect(long.contains("part:p4999\"") && long.contains("name=\"parts\" value=\"5000\""))
    }

    @Test func aLostMachineIsAnErrorOfTypeInfra() {
        #expect(
            text(Samples.one(Samples.attempt(1, .infra, note: "lost"))).contains(
                "<error type=\"infra\" message=\"lost\">"
            )
        )
        #expect(
            text(Samples.one(Samples.attempt(1, .error, note: "no"))).contains("<error type=\"error\" message=\"no\">")
        )
        #expect(
            text(Samples.one(Samples.attempt(1, .infra), Samples.attempt(2, .pass))).contains(
                "<property name=\"infra-attempts\" value=\"1\"/>"
            )
        )
    }

    @Test func whatDidNotRunIsSkippedWhenAskedForAndAnErrorWhenNot() {
        let tests = [Samples.test("a"), Samples.test("b", Samples.attempt(1, .pass, isCancelled: true))]
        #expect(elements(Samples.report(tests, result: .cancelled)) == ["skipped", "skipped"])
        #expect(elements(Samples.report(tests, state: .paused, result: .error)) == ["skipped", "skipped"])
        #expect(elements(Samples.report(tests, state: .running, result: .pending)) == ["skipped", "skipped"])
        let failed = Samples.report(tests, result: .error, problems: ["db/0 did not get ready"])
        #expect(elements(failed) == ["error", "error"])
        #expect(text(failed).contains("<error type=\"infra\" message=\"not run: db/0 did not get ready\">"))
    }

    @Test func theEndOfTheOutputIsTakenOverForTestsThatDidNotPass() {
        let tail: JUnitReport.OutputTail = { file in Array("of \(file) \u{1B}[31m".utf8) + [0xFF, 0x0A] }
        let file = ["files/api/t/1/output.txt"]
        let failed = text(Samples.one(Samples.attempt(1, .fail, files: file)), tail: tail)
        #expect(failed.contains("--- files/api/t/1/output.txt\nof files/api/t/1/output.txt \u{FFFD}[31m\u{FFFD}\n"))
        #expect(!text(Samples.one(Samples.attempt(1, .pass, files: file)), tail: tail).contains("---"))
    }

    @Test func outputIsBoundedForOneTestAndForAll() {
        let tail: JUnitReport.OutputTail = { _ in
            Array(repeating: 0xA9, count: 3) + Array(repeating: 0x78, count: 70_000)
        }
        let one = text(Samples.one(Samples.attempt(1, .fail, files: ["files/a"])), tail: tail)
        #expect(one.contains("--- end of files/a\nxxx"))
        #expect(one.utf8.count < 67_000)
        let tests = (0..<400).map { Samples.test("t\($0)", Samples.attempt(1, .fail, files: ["files/a"])) }
        #expect(text(Samples.report(tests), tail: tail).utf8.count < 17 << 20)
    }

    @Test func aLongNoteIsCutInAttributeAndText() {
        let note = String(repeating: "<", count: 1 << 20)
        let xml = text(Samples.one(Samples.attempt(1, .fail, note: note)))
        #expect(xml.contains("[… truncated, 1048576 bytes in all]</failure>"))
        #expect(xml.utf8.count < 300_000)
    }

    @Test(.enabled(if: Python.isWanted("xml.parsers.expat"), "python3 is not installed"))
    func hostileTextIsWellFormed() throws {
        let script = """
            import sys, xml.parsers.expat as x
            names = []
            p = x.ParserCreate()
            p.StartElementHandler = lambda tag, a: names.append(a.get('name')) if tag == 'testcase' else None
            p.Parse(sys.stdin.buffer.read(), True)
            print(len(names)); print(ascii(names))
            """
        let tail: JUnitReport.OutputTail = { _ in (0...255).map { UInt8($0) } + Array("]]> \u{FFFE}".utf8) }
        let output = try Python.run(script, input: JUnitReport.render(Samples.hostile, outputTail: tail))
        #expect(output.hasPrefix("\(Samples.hostileTexts.count)\n"))
        #expect(output.contains("'tab\\tnewline\\nreturn\\rend'"))
        #expect(output.contains("nul \\ufffd bell \\ufffd"))
        #expect(output.contains("a & b \\'c\\' \"d\" ]]> <!-- -- -->"))
        #expect(output.contains("not a character \\ufffd\\ufffd"))
    }

    @Test(.enabled(if: Python.isWanted("junitparser"), "python3 with junitparser is not installed"))
    func junitparserReadsBackWhatWasMeant() throws {
        let script = """
            import sys, io
            from junitparser import xunit2
            xml = xunit2.JUnitXml.fromfile(io.BytesIO(sys.stdin.buffer.read()))
            print(xml.tests, xml.failures, xml.errors, xml.time)
            for suite in xml:
                print(suite.name, suite.tests, suite.failures, suite.errors, suite.skipped)
                for case in suite:
                    results = [(type(r).__name__, r.type) for r in case.result]
                    interim = [(type(r).__name__, r.type) for r in case.interim_result]
                    properties = {p.name: p.value for p in case.properties()}
                    print(case.classname, case.name, results, interim,
                          properties.get('node'), properties.get('attempt'))
            """
        let lines = try Python.run(script, input: JUnitReport.render(Samples.shop)).split(separator: "\n").map(
            String.init
        )
        #expect(lines[0] == "14 1 2 3.2")
        #expect(lines[1] == "api 12 1 1 1")
        #expect(
            lines[2]
                == "api tests/checkout [('Failure', 'fail')] "
                + "[('RerunFailure', 'fail'), ('RerunFailure', 'fail')] app/1 3"
        )
        #expect(lines[3] == "api tests/search [] [('FlakyFailure', 'fail')] app/2 2")
        #expect(lines[4] == "api tests/upgrade [] [] app/0 2")
        #expect(lines[5] == "api tests/audit [('Error', 'error')] [] app/1 1")
        #expect(lines[6] == "api tests/ipv6 [('Skipped', None)] [] app/2 1")
        #expect(
            lines.last == "web /cache [('Error', 'infra')] [('RerunError', 'infra'), ('RerunError', 'infra')] web/0 3"
        )
    }
}
