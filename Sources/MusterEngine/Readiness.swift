import MusterCore
import MusterDrivers

/// Waits until the readiness conditions of a node hold: the one place where Muster asks again and again, as foreign
/// servers tell nobody when they are ready. First after 20 ms, then twice as long each time, at most every second.
struct Readiness: Sendable {
    let driver: any Driver
    let time: any TimeSource

    private static let pauseMin: Duration = .milliseconds(20)
    private static let pauseMax: Duration = .seconds(1)

    /// - Throws: `.notReady` naming the condition and what was seen last; what the driver throws when the node is lost.
    func await(
        _ conditions: [ReadyCondition],
        commands: [Int: Command],
        on node: NodeHandle,
        operation: OperationID
    ) async throws(StepError) {
        let begin = time.now()
        for (index, condition) in conditions.enumerated() {
            // The node says that itself, and the Director hears it.
            if case .state = condition.probe { continue }
            let deadline = begin + condition.within
            var pause = Self.pauseMin
            var tries = 0
            while true {
                tries += 1
                let error: StepError
                do throws(StepError) {
                    try await ask(
                        condition,
                        commands[index],
                        on: node,
                        OperationID("\(operation)-p\(index)-\(node.tenure.epoch)-\(tries)")
                    )
                    break
                } catch let failure {
                    error = failure
                }
                if error.code == .lost { throw error }
                if Task.isCancelled { throw StepError(.cancelled, "ended on request") }
                guard time.now() + pause < deadline else {
                    throw StepError(
                        .notReady,
                        "\(condition.title) did not hold within \(condition.within.shortText): \(error.message)"
                    )
                }
                do {
                    try await time.sleep(for: pause)
                } catch {
                    throw StepError(.cancelled, "ended on request")
                }
                pause = min(pause * 2, Self.pauseMax)
            }
        }
    }

    private func ask(
        _ condition: ReadyCondition,
        _ command: Command?,
        on node: NodeHandle,
        _ operation: OperationID
    ) async throws(StepError) {
        guard let command else {
            try await driver.probe(condition.probe, on: node, within: min(condition.within, .seconds(5)))
            return
        }
        let exit = try await driver.runWithFiles(command, on: node, operation: operation)
        if let error = exit.error { throw error }
    }
}
