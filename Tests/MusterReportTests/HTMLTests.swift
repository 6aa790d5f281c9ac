import Foundation
import MusterCore
import MusterReport
import Testing

@Suite struct HTMLTests {
    private func text(_ report: RunReport) -> String { String(decoding: HTMLReport.render(report), as: UTF8.self) }

    @Test func aRunIsWrittenAsDocumented() throws {
        let page = HTMLReport.render(
            Samples.shop,
            otherFiles: ["results.jsonl", "junit.xml", "results.tap"],
            history: RunHistory(Samples.past)
        ) { file in
            guard file.contains("checkout") else { return nil }
            return FirstFailingLine.Ends(head: Array("+ ./cart.sh\nFAIL: total 41.90\nsee cart.json\n".utf8))
        }
        try Goldens.expect(page, equals: "report.html")
    }

    @Test func attemptsStandSideBySideWithTheirFirstFailingLine() {
        let report = Samples.one(
            Samples.attempt(1, .fail, note: "exit 1", node: "app/0", took: 100, files: ["files/a", "files/b"]),
            Samples.attempt(2, .pass, node: "app/1", took: 200, files: ["files/c"])
        )
        var asked: [String] = []
        let bytes = HTMLReport.render(report) { file in
            asked.append(file)
            return FirstFailingLine.Ends(head: Array("fine\nerror: <no>\n".utf8))
        }
        let page = String(decoding: bytes, as: UTF8.self)
        #expect(page.components(separatedBy: "<ol class=\"tries\">").count == 2)
        #expect(page.components(separatedBy: "<li class=\"try ").count == 3)
        #expect(page.contains("<code>error: &lt;no&gt;</code>"))
        // The output of a pass says nothing of a failure, and other files are no output.
        #expect(asked == ["files/a"])
    }

    @Test func partsAreFoldedAndBounded() {
        let parts = (0..<5_000).map { TestResult(name: "part-\($0)", outcome: $0 == 4_999 ? .fail : .pass) }
        let page = text(Samples.one(Samples.attempt(1, .fail, results: parts)))
        #expect(page.contains("<details class=\"parts\"><summary>5000 parts, 1 of them not well</summary>"))
        #expect(page.components(separatedBy: ">part-").count - 1 == 500)
        #expect(page.contains(">part-4999<") && page.contains("<p>4500 more, all in results.jsonl</p>"))
        let tests = (0..<100).map { index in
            Samples.test("t\(index)", Samples.attempt(1, .pass, results: parts))
        }
        let many = text(Samples.report(tests))
        #expect(many.components(separatedBy: ">part-").count - 1 == 20_000)
        #expect(many.utf8.count < 8 << 20)
    }

    @Test func theLastTenRunsAreARowOfShapes() {
        let runs = (1...12).map { (number: Int64) -> RunReport in
            var run = Samples.report([Samples.test("a", Samples.attempt(1, number == 12 ? .fail : .pass))])
            run.run = RunName(PlanID(number))
            return run
        }
        let report = Samples.report([Samples.test("a", Samples.attempt(1, .pass)), Samples.test("b")])
        // In any order, and without what is older than ten runs.
        let page = String(decoding: HTMLReport.render(report, history: RunHistory(runs.reversed())), as: UTF8.self)
        #expect(page.contains("title=\"10 runs before this: 9 × passed, failed\""))
        #expect(page.components(separatedBy: "class=\"past\"").count == 2)
    }

    @Test func testsThatAreToComeArePendingWhileTheRunGoesOn() {
        let tests = [Samples.test("a", Samples.attempt(1, .pass)), Samples.test("b")]
        let underway = text(Samples.report(tests, state: .running, result: .pending))
        #expect(underway.contains("Pending <small>1</small>") && !underway.contains("Not run"))
        let ended = text(Samples.report(tests, problems: ["db/0 did not get ready"]))
        #expect(ended.contains("Not run <small>1</small>") && !ended.contains("Pending"))
        #expect(ended.contains("<p class=\"why\">db/0 did not get ready</p>"))
    }

    @Test func failuresComeFirstAndTheRestIsCollapsed() throws {
        let page = text(Samples.shop)
        let order =
            ["id=\"machines\"", "id=\"failed\" open", "id=\"error\" open", "id=\"flaky\" open", "id=\"infra\" open"]
            + ["id=\"timeline\" open", "id=\"skipped\">", "id=\"passed\">"]
        var last = page.startIndex
        for mark in order {
            let place = try #require(
                page.range(of: mark, range: last..<page.endIndex),
                "\(mark) is not after what precedes it"
            )
            last = place.upperBound
        }
    }

    @Test func nothingComesFromOutside() {
        let page = text(Samples.hostile) + text(Samples.shop)
        for mark in ["http:", "https:", "src=", "@import", "url("] { #expect(!page.contains(mark), "\(mark)") }
    }

    @Test(.enabled(if: Python.isWanted("html.parser"), "python3 is not installed"))
    func hostileTextMakesNoElementAndNoAttribute() throws {
        let script = """
            import sys, html.parser
            class P(html.parser.HTMLParser):
                def __init__(self):
                    super().__init__(); self.tags = set(); self.attrs = set(); self.open = []; self.bad = []
                def handle_starttag(self, tag, attrs):
                    self.tags.add(tag); self.attrs |= {a for a, _ in attrs}
                    if tag not in ('meta', 'link', 'input'): self.open.append(tag)
                    for a, v in attrs:
                        if a == 'href' and not (v.startswith(('files/', '#')) or v == 'data:,'): self.bad.append(v)
                def handle_endtag(self, tag):
                    if self.open[-1:] == [tag]: self.open.pop()
                    else: self.bad.append('</' + tag)
            p = P(); p.feed(sys.stdin.buffer.read().decode()); p.close()
            print(sorted(p.attrs)); print(p.open, p.bad); print('script' in p.tags, 'img' in p.tags)
            """
        let sample = try Python.run(script, input: HTMLReport.render(Samples.shop)).split(separator: "\n")
        let hostile = try Python.run(script, input: HTMLReport.render(Samples.hostile)).split(separator: "\n")
        #expect(hostile[1] == "[] []" && sample[1] == "[] []")
        #expect(hostile[0] == sample[0])
        let page = text(Samples.hostile)
        #expect(page.components(separatedBy: "<script>").count == 2)
        #expect(page.contains("&lt;script&gt;alert(1)&lt;/script&gt;"))
        #expect(!page.unicodeScalars.contains { $0.value == 0x202E || $0.value == 0x1B || $0.value == 0 })
    }

    @Test func linksAreRelativeAndEncoded() {
        let files = ["files/api/a b#c?d%/é/output.txt", "files/x/javascript:alert(1)"]
        let page = text(Samples.one(Samples.attempt(1, .fail, files: files)))
        #expect(page.contains("href=\"files/api/a%20b%23c%3Fd%25/%C3%A9/output.txt\""))
        #expect(page.contains("href=\"files/x/javascript%3Aalert%281%29\""))
    }

    @Test func tenThousandTestsStayBounded() {
        let tests: [TestReport] = (0..<10_000).map { (index: Int) -> TestReport in
            let failed = index % 97 == 0
            let attempt = Samples.attempt(
                1,
                failed ? .fail : .pass,
                note: failed ? "exit 1" : nil,
                node: "app/\(index % 100)",
                at: Int64(index / 100) * 30,
                took: 25,
                files: ["files/api/tests/case-\(index)/1/output.txt"]
            )
            return Samples.test("tests/group-\(index % 40)/case-\(index)", attempt)
        }
        let page = text(Samples.report(tests))
        #expect(page.utf8.count < 8 << 20)
        #expect(page.components(separatedBy: "class=\"row\"").count - 1 == 60)
        #expect(page.contains("40 more nodes not shown."))
        #expect(page.components(separatedBy: "class=\"bar ").count - 1 <= 60 * 200)
        #expect(page.components(separatedBy: "data-k=").count - 1 == 10_000)
    }

    @Test func aLongNoteIsCut() {
        let page = text(Samples.one(Samples.attempt(1, .fail, note: String(repeating: "&", count: 1 << 20))))
        #expect(page.contains("[… truncated, 1048576 bytes in all]"))
        #expect(page.utf8.count < 100_000)
    }

    @Test func theTitleSaysHowItWent() {
        func title(_ report: RunReport) -> Substring {
            text(report).split(separator: "\n").first { $0.hasPrefix("<title>") }!.dropFirst(7).dropLast(8)
        }
        let run = RunName(PlanID(1))
        let pass = Samples.attempt(1, .pass)
        #expect(title(Samples.report([Samples.test("a", pass)])) == "✔\u{FE0E} All 1 test passed · shop \(run)")
        #expect(
            title(Samples.report([Samples.test("a", Samples.attempt(1, .fail))]))
                == "✘ 1 of 1 test failed · shop \(run)"
        )
        #expect(title(Samples.interrupted) == "■ Interrupted · shop \(run)")
        #expect(
            title(Samples.report([Samples.test("a", pass), Samples.test("b")], state: .running, result: .pending))
                == "… Running: 1 of 2 tests done · shop \(run)"
        )
        #expect(title(Samples.report([], result: .error)).contains("Machines failed"))
    }
}
