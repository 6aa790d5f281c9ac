import MusterCore
import MusterDrivers

/// What is done to nodes as a whole.
extension Performer {
    /// Has a driver do it, in the order of the node's own steps where it is deployed; returns what is known by it.
    func perform(
        _ capability: Capability,
        _ parts: [Job.Part],
        _ readying: NodeCommander.Readying,
        _ job: Job
    ) async throws(StepError) -> [String: String] {
        let driver = drivers.of(job.node)
        var facts: [String: String] = [:]
        for (index, part) in parts.enumerated() {
            switch part {
            case .start: facts = try await driver.perform(capability, on: job.node, operation: job.operation)
            case .put(let files): try await driver.put(files, on: job.node)
            case .fill(let filling): try await driver.put([try filling.content()], on: job.node)
            case .play(let play):
                let operation = OperationID("\(job.operation)-\(index)")
                do throws(StepError) {
                    if let error = try await run(play, on: job.node, operation: operation).error { throw error }
                } catch {
                    if isInterrupted(job) { end(operation, on: presentSeat(beside: job.node) ?? job.node) }
                    throw error
                }
            case .run(let command):
                let operation = OperationID("\(job.operation)-\(index)")
                do throws(StepError) {
                    if let error = try await driver.runWithFiles(command, on: job.node, operation: operation).error {
                        throw error
                    }
                } catch {
                    if isInterrupted(job) { end(operation, on: job.node) }
                    throw error
                }
            }
        }
        let operation = OperationID("\(job.operation)-r")
        try await Readiness(driver: driver, time: time).await(
            readying.conditions,
            commands: readying.commands,
            on: job.node,
            operation: operation
        )
        return facts
    }
}
