import Foundation
import MusterCore
import MusterReport
import Testing

@Suite struct ResultsQueryTests {
    private func names(_ report: RunReport = Samples.shop, _ change: (inout ResultsQuery) -> Void) -> [String] {
        var query = ResultsQuery()
        change(&query)
        return query.rows(of: report).map(\.test.name)
    }

    @Test func wordsAreOutcomesAndWhatPeopleSayBesides() {
        #expect(names { $0.words = [.outcome(.fail), .outcome(.error)] } == ["tests/checkout", "tests/audit"])
        #expect(names { $0.words = ResultsQuery.failed } == ["tests/checkout", "tests/audit", "/cache"])
        #expect(names { $0.words = [.flaky] } == ["tests/search"])
        #expect(names { $0.words = [.pending] } == [])
        let left = names(Samples.interrupted) { $0.words = [.pending] }
        #expect(left == ["tests/cart", "tests/orders", "tests/users"])
        #expect(names(Samples.interrupted) { $0.words = [.cancelled] } == ["tests/cart"])
        for word in ResultsQuery.Word.all { #expect(ResultsQuery.Word(word) != nil) }
        #expect(ResultsQuery.Word("failed") == nil)
    }

    @Test func conditionsHoldTogether() {
        #expect(names { $0.node = "web/0" } == ["/cache", "/smoke"])
        #expect(names { $0.node = "web" } == ["/cache", "/smoke"])
        let both = names {
            $0.node = "web"
            $0.words = [.outcome(.pass)]
        }
        #expect(both == ["/smoke"])
        #expect(names { $0.accepts = { $0.suite == "web" } } == ["/cache", "/smoke"])
    }

    @Test func partsAreAskedForTheirOutcomeToo() {
        let parts = [TestResult(name: "a", outcome: .pass), TestResult(name: "b", outcome: .fail)]
        let report = Samples.one(Samples.attempt(1, .pass, results: parts))
        var query = ResultsQuery()
        query.words = [.outcome(.fail)]
        #expect(query.rows(of: report) == [])
        query.showsParts = true
        #expect(query.rows(of: report).map { $0.parts.map(\.name) } == [["b"]])
        query.words = []
        #expect(query.rows(of: report).map { $0.parts.map(\.name) } == [["a", "b"]])
    }

    @Test func aQueryReadsAsDocumented() throws {
        var query = ResultsQuery()
        query.showsParts = true
        let lines = query.lines(Samples.shop, width: 100, usesColor: false)
        try Goldens.expect(Array((lines.joined(separator: "\n") + "\n").utf8), equals: "results-query.txt")
        for line in query.lines(Samples.hostile, width: 80, usesColor: false, isASCII: true) {
            #expect(line.count <= 80 && line.utf8.allSatisfy { $0 >= 0x20 && $0 < 0x7F }, "\(line)")
        }
    }

    @Test func pendingIsSaidWhileTheRunGoesOnAndNotRunAtItsEnd() {
        let tests = [Samples.test("a", Samples.attempt(1, .pass)), Samples.test("b")]
        var query = ResultsQuery()
        query.words = [.pending]
        let underway = query.lines(
            Samples.report(tests, state: .running, result: .pending),
            width: 100,
            usesColor: false
        )
        #expect(underway[0].hasPrefix("  ○ pending  api//b  never ran"))
        #expect(underway.last == "  1 of 2 tests of \(RunName(PlanID(1)))")
        let ended = query.lines(Samples.report(tests, problems: ["db/0 failed"]), width: 100, usesColor: false)
        #expect(ended[0].hasPrefix("  ○ not run  api//b  never ran") && ended[0].hasSuffix("db/0 failed"))
    }

    @Test func objectsHaveTheKeysOfThePage() throws {
        var query = ResultsQuery()
        query.showsParts = true
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        let objects = try query.shapes(Samples.shop).map { String(decoding: try encoder.encode($0), as: UTF8.self) }
        try Goldens.expect(Array((objects.joined(separator: "\n") + "\n").utf8), equals: "results-query.jsonl")
        let pending = try query.shapes(Samples.interrupted).map {
            String(decoding: try encoder.encode($0), as: UTF8.self)
        }
        #expect(pending[1].contains("\"reason\":\"the run was interrupted\""))
    }
}
