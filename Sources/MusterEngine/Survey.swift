import MusterCore
import MusterDrivers

/// Asks a driver what runs on a node.
struct Survey: Sendable {
    let driver: any Driver
    let node: NodeHandle
    let stateName: String

    /// The tries of steps whose operations run there.
    func tries() async throws(StepError) -> [(step: StepID, number: Int32)] {
        try await driver.running(on: node).compactMap { $0.act(ofState: stateName) }
    }

    /// Ends what former tries of a step have left running: of one that nobody could tell of, a person said to go on
    /// with another.
    func endFormerTries(of step: StepID, before number: Int32) async throws(StepError) {
        for former in try await tries() where former.step == step && former.number < number {
            let operation = OperationID(state: stateName, step: step, attempt: Int(former.number))
            try await driver.end(operation, on: node, grace: Defaults.grace)
        }
    }
}
