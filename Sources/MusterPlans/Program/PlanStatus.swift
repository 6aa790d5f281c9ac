public import Foundation
import MusterCore

/// How a plan stands.
public struct PlanStatus: Hashable, Sendable {
    /// Where it is.
    public enum State: String, Hashable, Sendable, CaseIterable {
        /// As the engine names them; `stopped` is final.
        case pending, scheduled, planning, planned, running, paused, stopped
    }
    /// What came of it.
    public enum Result: String, Hashable, Sendable, CaseIterable {
        /// As the engine names them; `pending` until it is over.
        case pending, success, warning, error, cancelled
    }

    /// Its name, as people type it.
    public let id: String
    /// Where it is.
    public let state: State
    /// What came of it.
    public let result: Result
    /// Why it is paused, or how it ended.
    public let reason: String?
    /// When it was stored, began and ended.
    public let createdAt: Date
    /// When it began.
    public let startedAt: Date?
    /// When it ended.
    public let endedAt: Date?

    init(_ row: PlanRow) {
        id = RunName(row.id).description
        state = State(rawValue: row.state.rawValue) ?? .pending
        result = Result(rawValue: row.result.rawValue) ?? .pending
        reason = row.reason
        createdAt = row.createdAt.date
        startedAt = row.startedAt?.date
        endedAt = row.endedAt?.date
    }
}

/// How a step stands.
public struct StepStatus: Hashable, Sendable {
    /// Where it is.
    public enum State: String, Hashable, Sendable, CaseIterable {
        /// As the engine names them.
        case pending, running, suspended, success, error, skipping, skipped, cancelled
    }

    /// Its place in the plan.
    public let index: Int
    /// Its action's name.
    public let action: String
    /// `call`, `finalize` or `revert`.
    public let phase: String
    /// Where it is.
    public let state: State
    /// Tries so far.
    public let tries: Int
    /// Why it failed.
    public let error: String?
    /// Its input as people see it: JSON, secrets masked, references as `${3.id}`.
    public let input: String?
    /// Its output as people see it.
    public let output: String?
    /// When its first try began.
    public let startedAt: Date?
    /// When it ended.
    public let endedAt: Date?

    init(_ row: StepRow, _ program: ProgramSpec, _ middleware: [any PlanMiddleware]) {
        let place = Int(row.spec.a)
        let name = program.actions.indices.contains(place) ? program.actions[place].name : program.name
        index = Int(row.index)
        action = name
        phase = row.spec.action.rawValue
        state = State(rawValue: row.state.rawValue) ?? .pending
        tries = Int(row.tries)
        error = row.error?.message
        input = (row.call?.input ?? row.spec.input).map { middleware.present(Envelope.masked($0), of: name) }
        output = row.call?.output.map { middleware.present(Envelope.masked($0), of: name) }
        startedAt = row.startedAt?.date
        endedAt = row.endedAt?.date
    }
}

/// Something that has happened to a plan.
public struct PlanEvent: Hashable, Sendable {
    /// When.
    public let at: Date
    /// What: `plan.started`, `step.failed`, …
    public let kind: String
    /// The step that it concerns.
    public let step: Int?
    /// What people see of it besides.
    public let detail: String?

    init(_ row: EventRow) {
        at = row.at.date
        kind = row.kind.rawValue
        step = row.step.map(Int.init)
        detail = row.detail
    }
}
