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
        let attempts = try lookup.read { () throws(StoreError) in try store.attempts(of: id) }
        for attempt in attempts where attempt.startedAt != nil {
            guard let path = try output(of: attempt) else { continue }
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

    /// Where the output of an attempt is: an attempt is its step's only try. Nil when it ran on no node.
    func output(of attempt: AttemptRow) throws -> String? {
        guard let id = attempt.nodeID else { return nil }
        return try output(of: StepID(plan: attempt.plan, index: attempt.step), try: 1, on: id)
    }

    /// Where the output of a step that ran on a node is; nil when it ran on none.
    func output(of step: StepRow) throws -> String? {
        guard let id = step.spec.node ?? step.resource else { return nil }
        return try output(of: StepID(plan: step.plan, index: step.index), try: Int(step.tries), on: id)
    }

    private func output(of step: StepID, try number: Int, on id: NodeID) throws -> String? {
        let store = session.store
        let found = try RunLookup(store: store).read { () throws(StoreError) in try store.node(id) }
        guard let node = found else { return nil }
        let operation = OperationID(state: store.stateName, step: step, attempt: number)
        return session.state.outputPath(of: operation, on: node)
    }
}
