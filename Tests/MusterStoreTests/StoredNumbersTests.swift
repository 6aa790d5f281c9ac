import Foundation
import MusterCore
import MusterStore
import Testing

/// The numbers of the enums are part of the format: the page that documents them must say what the code does.
@Suite struct StoredNumbersTests {
    @Test func thePageAndTheCodeAgree() throws {
        let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        let page = try String(contentsOf: root.appendingPathComponent("docs/formats/state.md"), encoding: .utf8)
        func check<Value: StoredAsNumber & RawRepresentable>(_ type: Value.Type, _ column: String) throws
        where Value.RawValue == String {
            let words = Value.allCases.sorted { $0.number < $1.number }.map { "\($0.number) \($0.rawValue)" }
            let line = "| `\(column)` | \(words.joined(separator: " · ")) |"
            #expect(page.contains(line), "the page lacks: \(line)")
            for value in Value.allCases { #expect(Value.byNumber[value.number]?.rawValue == value.rawValue) }
            #expect(Value.byNumber[-1]?.rawValue == nil)
            #expect(Value.byNumber[Int64(Value.allCases.count)]?.rawValue == nil)
            #expect(Value.byNumber[.max]?.rawValue == nil)
        }
        try check(Verb.self, "plans.verb")
        try check(PlanState.self, "plans.state")
        try check(PlanResult.self, "plans.result")
        try check(PlanPhase.self, "plans.phase")
        try check(ActionKind.self, "steps.action")
        try check(StepState.self, "steps.state")
        try check(StepError.Code.self, "steps.error_code")
        try check(NodeState.self, "nodes.state")
        try check(Outcome.self, "attempts.outcome")
        try check(EventRow.Kind.self, "events.kind")
    }
}
