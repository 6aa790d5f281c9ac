import Foundation
import MusterCore
import MusterReport
import Testing

@Suite struct ComparisonTests {
    /// One attempt of each of these tests; `flaky` is a failure, then a pass.
    private func run(_ number: Int64, _ tests: [(String, String)], took: [String: Int64] = [:]) -> RunReport {
        let reports = tests.map { name, word -> TestReport in
            let took = took[name] ?? 100
            switch word {
            case "flaky": return Samples.test(name, Samples.attempt(1, .fail), Samples.attempt(2, .pass, took: took))
            case "none": return Samples.test(name)
            default:
                let outcome = Outcome(rawValue: word) ?? .error
                let note = outcome == .pass ? nil : "because of \(name)"
                return Samples.test(name, Samples.attempt(1, outcome, note: note, took: took))
            }
        }
        var report = Samples.report(reports)
        report.run = RunName(PlanID(number))
        return report
    }

    private func kind(_ was: String?, _ now: String?) -> [ResultsComparison.Kind] {
        let before = run(1, was.map { [("t", $0)] } ?? [])
        let after = run(2, now.map { [("t", $0)] } ?? [])
        return ResultsComparison(before: before, after: after).changes.map(\.kind)
    }

    private var sample: ResultsComparison {
        let before = [
            ("broken", "pass"), ("bad", "fail"), ("shaky", "pass"), ("lost", "pass"), ("slow", "pass"),
            ("mended", "fail"),
            ("old", "pass"), ("same", "pass"), ("fast", "pass"),
        ]
        let after = [
            ("broken", "fail"), ("bad", "error"), ("shaky", "flaky"), ("lost", "infra"), ("slow", "pass"),
            ("mended", "pass"), ("same", "pass"), ("fast", "pass"), ("added", "pass"), ("added-broken", "fail"),
        ]
        return ResultsComparison(
            before: run(1, before, took: ["slow": 1_000, "fast": 10]),
            after: run(2, after, took: ["slow": 2_600, "fast": 900])
        )
    }

    @Test func aTestIsOfOneKind() {
        #expect(kind("pass", "fail") == [.newlyFailing])
        #expect(kind("flaky", "error") == [.newlyFailing])
        #expect(kind("infra", "fail") == [.newlyFailing])
        #expect(kind("none", "fail") == [.newlyFailing])
        #expect(kind(nil, "fail") == [.newlyFailing])
        #expect(kind("fail", "error") == [.stillFailing])
        #expect(kind("pass", "flaky") == [.flaky])
        #expect(kind("fail", "flaky") == [.flaky])
        #expect(kind("flaky", "flaky") == [.flaky])
        #expect(kind(nil, "flaky") == [.flaky])
        #expect(kind("fail", "pass") == [.fixed])
        #expect(kind("error", "info") == [.fixed])
        #expect(kind("pass", "infra") == [.undecided])
        #expect(kind("fail", "none") == [.undecided])
        #expect(kind("pass", "skip") == [.undecided])
        #expect(kind(nil, "pass") == [.new])
        #expect(kind(nil, "none") == [.new])
        #expect(kind("fail", nil) == [.gone])
        for same in ["pass", "skip", "infra", "none"] { #expect(kind(same, same) == []) }
        #expect(kind("infra", "pass") == [] && kind("none", "pass") == [] && kind("flaky", "pass") == [])
    }

    @Test func slowerIsTwiceAsLongAndASecondMore() {
        func isSlower(_ was: Int64, _ now: Int64, _ word: String = "pass") -> Bool {
            let before = run(1, [("t", "pass")], took: ["t": was])
            let after = run(2, [("t", word)], took: ["t": now])
            return !ResultsComparison(before: before, after: after)[.slower].isEmpty
        }
        #expect(isSlower(1_000, 2_001))
        #expect(!isSlower(1_000, 2_000))
        #expect(!isSlower(10, 900))
        #expect(isSlower(10, 1_010))
        #expect(!isSlower(10_000, 19_000))
        #expect(isSlower(10, 5_000, "flaky"))
        #expect(!isSlower(10, 5_000, "fail"))
    }

    @Test func onlyNewFailuresCount() {
        #expect(sample.hasNewFailures)
        #expect(!ResultsComparison(before: run(1, [("t", "fail")]), after: run(2, [("t", "fail")])).hasNewFailures)
        #expect(!ResultsComparison(before: run(1, [("t", "pass")]), after: run(2, [("t", "infra")])).hasNewFailures)
    }

    @Test func aComparisonReadsAsDocumented() throws {
        let lines = sample.lines(width: 100, usesColor: false)
        try Goldens.expect(Array((lines.joined(separator: "\n") + "\n").utf8), equals: "compare.txt")
        let colored = sample.lines(width: 100, usesColor: true)
        #expect(colored != lines)
        #expect(colored.map { $0.replacing(/\u{1B}\[[0-9]*m/, with: "") } == lines)
    }

    @Test func aComparisonForProgramsIsAsDocumented() throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        try Goldens.expect([UInt8](try encoder.encode(sample)) + [0x0A], equals: "compare.json")
    }

    @Test func linesAreBoundedAndSafe() {
        let many = (0..<500).map { ("very/long/\(String(repeating: "x", count: 200))/\($0)", "fail") }
        let lines = ResultsComparison(before: run(1, []), after: run(2, many)).lines(width: 80, usesColor: false)
        #expect(lines.count == 53)
        #expect(lines.allSatisfy { $0.count <= 80 })
        #expect(lines.last == "  and 450 more: --json has all")
        var hostile = Samples.hostile
        hostile.run = RunName(PlanID(2))
        let comparison = ResultsComparison(before: run(1, []), after: hostile)
        for line in comparison.lines(width: 80, usesColor: false, isASCII: true) {
            #expect(line.utf8.allSatisfy { $0 >= 0x20 && $0 < 0x7F }, "\(line)")
        }
        for line in comparison.lines(width: 80, usesColor: false) {
            #expect(!line.unicodeScalars.contains { $0.value < 0x20 || (0x7F...0x9F).contains($0.value) })
        }
    }

    @Test func nothingToSayIsOneLine() {
        let same = ResultsComparison(before: run(1, [("t", "pass")]), after: run(2, [("t", "pass")]))
        let names = "\(RunName(PlanID(1))) → \(RunName(PlanID(2)))"
        #expect(same.lines(width: 80, usesColor: false) == ["  \(names): 1 as before"])
    }
}
