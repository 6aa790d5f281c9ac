import Foundation
import MusterCore
import MusterEngine
import MusterReport
import MusterStore

/// Brings the outputs of attempts from the folders of their nodes into the results.
struct ResultsPlacer {
    let session: StateSession

    func place(_ id: PlanID, with writer: ResultsWriter) throws {
        let store = session.store
        let lookup = RunLookup(store: store)
        let steps = try lookup.read { () throws(StoreError) in try store.steps(of: id) }
        let attempts = try lookup.read { () throws(StoreError) in try store.attempts(of: id) }
        for attempt in attempts where attempt.startedAt != nil {
            guard let path = try output(of: steps[Int(attempt.step)]) else { continue }
            try place(attempt, output: path, with: writer)
        }
    }

    func place(_ attempt: AttemptRow, output: String, with writer: ResultsWriter) throws {
        guard FileManager.default.fileExists(atPath: output) else { return }
        _ = try writer.place(
            output: output,
            suite: attempt.suite,
            test: attempt.test,
            attempt: attempt.number,
            name: ResultFiles.outputName
        )
    }

    /// Where the output of a step that ran on a node is; nil when it ran on none.
    func output(of step: StepRow) throws -> String? {
        let store = session.store
        guard let id = step.spec.node ?? step.resource,
            let node = try RunLookup(store: store).read({ () throws(StoreError) in try store.node(id) })
        else { return nil }
        return output(of: step, on: node)
    }

    func output(of step: StepRow, on node: NodeRow) -> String {
        let operation = OperationID(
            state: session.store.stateName,
            step: StepID(plan: step.plan, index: step.index),
            attempt: Int(step.tries)
        )
        return session.state.node(node) + "/op-\(operation)/output"
    }
}
