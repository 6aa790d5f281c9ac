import Foundation
import MusterCore
import MusterDrivers
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
        guard let spec = try lookup.read({ () throws(StoreError) in try store.spec(of: id) }) else { return }
        for attempt in attempts where attempt.startedAt != nil { try place(attempt, of: spec, with: writer) }
    }

    /// Brings what an attempt has left, on whichever nodes it ran; false when it ran on none.
    @discardableResult
    func place(_ attempt: AttemptRow, of spec: RunSpec, with writer: ResultsWriter) throws -> Bool {
        guard let output = try output(of: attempt) else { return false }
        let test = spec.suites.first { $0.name == attempt.suite }?.tests.first { $0.name == attempt.test }
        guard let members = test?.members, !members.isEmpty else {
            try place(attempt, output: output, with: writer)
            return true
        }
        let store = session.store
        let steps = try RunLookup(store: store).read { () throws(StoreError) in try store.steps(of: attempt.plan) }
        let byIndex = Dictionary(steps.map { ($0.index, $0) }) { $1 }
        for (place, member) in members.enumerated() {
            guard let step = byIndex[attempt.step + StepIndex(place)], let path = try self.output(of: step) else {
                continue
            }
            let output = place == 0 ? ResultFiles.outputName : "\(member.title)/\(ResultFiles.outputName)"
            try put(path, as: output, of: attempt, with: writer)
            let folder = FindingsReader.folder(besideOutput: path)
            for name in try ResultFiles.names(in: folder) {
                try put("\(folder)/\(name)", as: "\(member.title)/\(name)", of: attempt, with: writer)
            }
        }
        return true
    }

    private func put(_ path: String, as name: String, of attempt: AttemptRow, with writer: ResultsWriter) throws {
        guard FileManager.default.fileExists(atPath: path) else { return }
        _ = try writer.place(
            output: path,
            suite: attempt.suite,
            test: attempt.test,
            attempt: attempt.number,
            name: name
        )
    }

    /// Where the files are that an attempt has reported; nil when it ran on no node.
    func files(of attempt: AttemptRow) throws -> String? {
        try output(of: attempt).map { FindingsReader.folder(besideOutput: $0) }
    }

    private func place(_ attempt: AttemptRow, output: String, with writer: ResultsWriter) throws {
        func put(_ path: String, as name: String) throws { try self.put(path, as: name, of: attempt, with: writer) }
        try put(output, as: ResultFiles.outputName)
        // Each earlier start of one that went away, and came again.
        var start = 1
        while let earlier = try self.output(of: attempt, start: start), earlier != output {
            try put(earlier, as: ResultFiles.outputName(ofStart: start))
            start += 1
        }
        guard let folder = try files(of: attempt) else { return }
        for name in try ResultFiles.names(in: folder) { try put("\(folder)/\(name)", as: name) }
    }

    /// Where the output of an attempt is, of its last start; nil when it ran on no node.
    func output(of attempt: AttemptRow) throws -> String? {
        var last = try output(of: attempt, start: 1)
        var start = 2
        while start <= Defaults.restartsMax + 1, let next = try output(of: attempt, start: start),
            FileManager.default.fileExists(atPath: next)
        {
            last = next
            start += 1
        }
        return last
    }

    /// - Parameter start: from 1; a test that goes away is started again.
    private func output(of attempt: AttemptRow, start: Int) throws -> String? {
        guard let id = attempt.nodeID else { return nil }
        return try output(of: StepID(plan: attempt.plan, index: attempt.step), try: start, on: id)
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
