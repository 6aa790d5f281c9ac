import MusterCore
import MusterDrivers
import MusterTestKit
import Synchronization
import Testing

@testable import MusterEngine

/// What runs on a node for former tries of a step is ended before another try begins; nothing else is touched.
@Suite struct SurveyTests {
    private let driver = ScriptedDriver()
    private let node = NodeHandle(
        id: NodeID(1),
        name: NodeName(group: "app", index: 0),
        lab: "shop",
        directory: "/nowhere",
        facts: [:],
        tenure: Tenure(1) { Timestamp(rawValue: 0) }
    )
    private let step = StepID(plan: PlanID(7), index: 3)

    private func operation(_ step: StepID, _ number: Int, state: String = "abc123") -> OperationID {
        OperationID(state: state, step: step, attempt: number)
    }

    /// Runs these beside each other, does something, and returns which commands were ended.
    private func ended(
        _ operations: [(OperationID, String)],
        before number: Int32,
        state: String = "abc123"
    ) async throws -> Set<String> {
        _ = try await driver.create(node, operation: operation(step, 99), server: nil)
        return try await withThrowingTaskGroup(of: Void.self) { group in
            for (operation, text) in operations {
                driver.hold(text)
                let command = Command(.shell(text), environment: [:], timeout: nil, leftovers: .end)
                group.addTask { [driver, node] in
                    _ = try? await driver.run(command, on: node, operation: operation)
                }
            }
            await driver.logged { log in log.count(where: { $0.hasPrefix("run ") }) == operations.count }
            let survey = Survey(driver: driver, node: node, stateName: state)
            defer { for (_, text) in operations { driver.release(text) } }
            try await survey.endFormerTries(of: step, before: number)
            return Set(driver.log.filter { $0.hasPrefix("end ") }.map { String($0.dropFirst(4).prefix(1)) })
        }
    }

    @Test func formerTriesOfTheStepAreEndedAndNothingElse() async throws {
        let neighbour = StepID(plan: PlanID(7), index: 4)
        let other = StepID(plan: PlanID(8), index: 3)
        let ended = try await ended(
            [
                (operation(step, 1), "a"), (operation(step, 2), "b"), (operation(step, 3), "c"),
                (operation(step, 4), "d"), (operation(neighbour, 1), "e"), (operation(other, 1), "f"),
                (operation(step, 1, state: "zzz999"), "g"), (OperationID("somebody-elses"), "h"),
            ],
            before: 3
        )
        #expect(ended == ["a", "b"])
    }

    @Test func ofAFirstTryThereIsNothingToEnd() async throws {
        #expect(try await ended([(operation(step, 1), "a")], before: 1) == [])
    }

    /// The next try must not begin beside the former one: that the end failed is the step's error.
    @Test func aTryThatCannotBeEndedIsAnError() async throws {
        driver.refuseEnds(1)
        let error = await #expect(throws: StepError.self) { try await ended([(operation(step, 1), "a")], before: 2) }
        #expect(error?.code == .refused)
    }
}
