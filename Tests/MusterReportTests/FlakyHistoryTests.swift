import Foundation
import MusterCore
import MusterReport
import Testing

@Suite struct FlakyHistoryTests {
    /// Runs of tests whose attempts are letters: `p` passed, `f` failed, `e` could not be run, `i` lost, `s` skipped.
    private func history(_ tests: KeyValuePairs<String, [String]>) -> FlakyHistory {
        let count = tests.map(\.value.count).max() ?? 0
        let runs = (0..<count).map { index -> RunReport in
            let reports = tests.filter { index < $0.value.count && $0.value[index] != "" }.map { name, letters in
                let attempts = letters[index].filter { $0 != "-" }.enumerated().map { number, letter in
                    let outcomes: [Character: Outcome] = ["p": .pass, "f": .fail, "e": .error, "i": .infra, "s": .skip]
                    let outcome = outcomes[letter] ?? .warn
                    return Samples.attempt(
                        number + 1,
                        outcome,
                        note: outcome.isFailure ? "why \(name)" : nil,
                        at: Int64(index) * 86_400_000 + Int64(number)
                    )
                }
                return TestReport(suite: "api", name: name, attempts: attempts)
            }
            var run = Samples.report(reports)
            run.run = RunName(PlanID(Int64(index) + 1))
            return run
        }
        return FlakyHistory(lab: "shop", runs.reversed())
    }

    private var sample: FlakyHistory {
        history([
            "steady": ["p", "p", "p", "p", "p", "p"], "shaky": ["fp", "p", "ffp", "p", "f", "p"],
            "rare": ["p", "p", "p", "fp", "p", "p"], "broke": ["p", "p", "p", "f", "f", "f"],
            "lost": ["p", "i", "-", "s", "ip", "p"], "toggles": ["p", "f", "p", "f", "p", "f"],
        ])
    }

    @Test func testsAreOrderedByHowOftenTheyChanged() {
        #expect(sample.rows.map(\.test.name) == ["shaky", "toggles", "rare"])
        #expect(sample.rows.map(\.changes) == [5, 5, 2])
        #expect(sample.testCount == 6 && sample.runs.count == 6)
    }

    @Test func countsAreOfRuns() throws {
        let shaky = try #require(sample.rows.first)
        #expect(shaky.runs == 6 && shaky.flaky == 2 && shaky.failures == 1)
        #expect(shaky.passRate == 5.0 / 6.0)
        #expect(shaky.lastFailure?.run == RunName(PlanID(5)) && shaky.lastFailure?.note == "why shaky")
        #expect(shaky.history == [.flaky, .passed, .flaky, .passed, .failed, .passed])
    }

    @Test func whatBrokeOrWasMendedOnceIsNotFlaky() {
        #expect(history(["t": ["p", "p", "f", "f"]]).rows == [])
        #expect(history(["t": ["f", "f", "p"]]).rows == [])
        #expect(history(["t": ["f", "p", "f"]]).rows.count == 1)
        #expect(history(["t": ["e", "p", "e"]]).rows.count == 1)
        #expect(history(["t": ["fp"]]).rows.count == 1)
    }

    @Test func lostMachinesAndSkipsSayNothing() {
        let rows = history(["t": ["p", "i", "p", "s", "-", "fp"]]).rows
        #expect(rows.first?.runs == 3 && rows.first?.changes == 2)
        #expect(history(["t": ["p", "i", "p", "i", "p"]]).rows == [])
    }

    @Test func aListReadsAsDocumented() throws {
        let lines = sample.lines(width: 100, usesColor: false)
        try Goldens.expect(Array((lines.joined(separator: "\n") + "\n").utf8), equals: "flaky.txt")
        for line in sample.lines(width: 60, usesColor: true, isASCII: true) {
            #expect(line.utf8.allSatisfy { $0 >= 0x20 && $0 < 0x7F || $0 == 0x1B }, "\(line)")
        }
    }

    @Test func aListForProgramsIsAsDocumented() throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        try Goldens.expect([UInt8](try encoder.encode(sample)) + [0x0A], equals: "flaky.json")
    }

    @Test func noFlakyTestIsSaid() {
        let lines = history(["t": ["p", "p"]]).lines(width: 80, usesColor: false)
        #expect(lines == ["  no flaky test of 1 in the last 2 runs of lab shop"])
    }
}
