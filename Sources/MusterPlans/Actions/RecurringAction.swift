public import Foundation
import Logging
import MusterCore
import Synchronization

/// Work that is done at times that a schedule says: one long-lived suspended step, with a plan for each time.
///
/// A time that passed while no program ran is made up for once, whichever it was; from there the schedule goes on.
/// It ends when it is cancelled.
public protocol RecurringAction: PlanAction where Output == Empty {
    /// What it is given; stored as JSON.
    associatedtype Input
    /// What it gives to others; stored as JSON.
    associatedtype Output

    /// When.
    func schedule(_ input: Input) throws -> Schedule
    /// What is done while the plan of an earlier time has not ended.
    static var overlap: RecurringOverlap { get }
    /// The plan for one time.
    func occurrence(at time: Date, _ input: Input, in context: RunContext) async throws -> SubPlan
}

/// What is done at a time while the plan of an earlier one has not ended.
public enum RecurringOverlap: Hashable, Sendable {
    /// Nothing; it is written to the step's output.
    case skip
    /// Another plan begins beside it.
    case allow
}

private struct RecurringState: Codable {
    /// When the next time is.
    var next: Date
    /// The plan of the last time.
    var token: String?
}

private struct RecurringTick: Codable {}

extension RecurringAction {
    /// Nothing is done.
    public static var overlap: RecurringOverlap { .skip }
    /// It ends when its plan is cancelled.
    public static var _isCancellable: Bool { true }

    /// Waits for the next time, or begins its plan.
    public func _perform(_ invocation: Invocation) async throws -> Invocation.End {
        let input = try invocation.input(Input.self)
        let context = invocation.context
        let schedule = try schedule(input)
        let known = try context.state(RecurringState.self)
        switch invocation.call.kind {
        case .run: return try wait(schedule, token: known?.token, invocation)
        case .event:
            guard let state = known else { throw BadValueError("\(invocation.whose("next time")) is not known") }
            guard context.now >= state.next else {
                return try wait(for: state.next, state.token, invocation)
            }
            let token = try await begin(state, input, context)
            return try wait(schedule, token: token, invocation)
        case .cancel, .skip, .finalize, .revert, .reconcile, .children, .childrenEnded: throw invocation.unexpected
        }
    }

    /// Begins the plan of a time; returns the token of the newest one.
    private func begin(_ state: RecurringState, _ input: Input, _ context: RunContext) async throws -> String? {
        guard let starter = context.host.starter.withLock({ $0 }) else {
            throw PlanningError("'\(context.action)' can only run in a program that conducts")
        }
        let time = Self.text(state.next)
        if Self.overlap == .skip, let last = state.token, try starter.isUnfinished(token: last) {
            context.write("\(time): skipped, the plan of an earlier time goes on\n")
            return last
        }
        // One plan for one time, also when a crash has this done again.
        let token = "\(context.plan)-\(context.step)-\(Timestamp(state.next).rawValue)"
        var plan: ChildPlan
        do {
            plan = try await occurrence(at: state.next, input, in: context).make(context.host)
        } catch  where !(error is CancellationError) {
            // The schedule does not end because one time could not be planned.
            context.logger.error("no plan for \(time): \(error)")
            context.write("\(time): no plan: \(error)\n")
            return state.token
        }
        plan.program.parent = context.id
        plan.program.trace = context.trace
        try await starter.start(plan, token: token)
        context.write("\(time): begun\n")
        return token
    }

    private func wait(_ schedule: Schedule, token: String?, _ invocation: Invocation) throws -> Invocation.End {
        guard let next = schedule.next(after: invocation.context.now) else { return try invocation.done(Empty()) }
        return try wait(for: next, token, invocation)
    }

    private func wait(for next: Date, _ token: String?, _ invocation: Invocation) throws -> Invocation.End {
        let context = invocation.context
        try context.keep(RecurringState(next: next, token: token))
        let delay = Timestamp(next) - context.timestamp
        try context.send(RecurringTick(), after: max(.microseconds(1), delay), key: "next")
        return try invocation.end(StepProgress<Empty>.suspended)
    }

    private static func text(_ date: Date) -> String { date.formatted(.iso8601) }
}
