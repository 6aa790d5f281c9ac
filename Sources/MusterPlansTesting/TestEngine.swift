public import Foundation
import MusterCore
import MusterEngine
public import MusterPlans
import MusterStore
import MusterTestKit

/// Performs plans in a test: in this process, with its state in memory, under a clock that stands still until the test
/// moves it.
///
/// ```swift
/// let engine = try TestEngine(PlaceOrder(), ReserveStock(shop: shop), ChargeCard(bank: bank))
/// engine.script(ChargeCard.self, [.fail("the bank does not answer"), .perform])
/// let order = try await engine.plans.start(PlaceOrder.self, .init(item: "book"))
/// try await engine.runUntilIdle()
/// #expect(try await order.status.result == .success)
/// #expect(engine.story == ["run ReserveStock", "run ChargeCard", "run ChargeCard"])
/// ```
///
/// It decides, stores and recovers by the same code as a program's engine. Calls are made one after another, in the
/// order in which the engine decided them, so that a test goes the same way each time. One task at a time uses it.
public final class TestEngine: Sendable {
    /// The plans that it performs: registered, started and looked at as in a program. `run()` is not called on them.
    public let plans: Plans

    private let room: EngineRoom
    private let scripts = Scripts()
    private let time: ManualTime
    private let hooks: HookFollower

    /// Makes an engine, with an empty state and actions registered.
    ///
    /// More actions may be registered through `plans`, before the first plan is started.
    ///
    /// - Parameters:
    ///   - options: as the program has them; limits, queues, middleware and hooks do what they do there.
    ///   - startingAt: the clock's first time; 2025-06-02 08:00 UTC, a Monday, unless it is said.
    ///   - callsAtOnce: more than one for actions that wait for each other within their calls. Their order is then left
    ///     to chance.
    /// - Throws: `PlanError` when the options cannot be used.
    public init<each Added: PlanAction>(
        _ actions: repeat each Added,
        options: Plans.Options = Plans.Options(),
        startingAt: Date = Date(timeIntervalSince1970: 1_748_851_200),
        callsAtOnce: Int = 1
    ) throws {
        let time = ManualTime(startingAt.timestamp)
        let store = MemoryStore(clock: { time.now() })
        let scripts = scripts
        self.time = time
        plans = try Plans(
            name: "test",
            store: store,
            // Nothing is written there: hooks keep their place in memory, and nobody waits for a lock.
            state: StateDirectory(path: "/nonexistent"),
            options: options,
            time: time,
            standIn: { call, perform in try await scripts.answer(call, perform) }
        )
        for action in repeat each actions { plans.register(action) }
        do {
            room = try EngineRoom(plans, time: time, callsAtOnce: max(1, callsAtOnce))
        } catch {
            throw TestEngineError(error.message)
        }
        hooks = HookFollower(plans, memory: .process())
        scripts.serve(room)
        plans.give(to: room)
    }

    // MARK: Time

    /// The clock, as actions see it in `RunContext.now`.
    public var now: Date { time.now().date }

    /// Has everything done that can be done now, hooks included. No time passes.
    ///
    /// It waits for calls of real actions, however long those take; calls that are scripted to hang are left alone.
    ///
    /// - Throws: `TestEngineError` when the engine itself has failed.
    public func settle() async throws {
        repeat { try await room.idle() } while try await hooks.catchUp() || room.isBusy
    }

    /// Lets time pass. What becomes due meanwhile happens in order, each at its time.
    ///
    /// - Throws: `TestEngineError` when the engine itself has failed.
    public func advance(by length: Duration) async throws {
        let end = time.now() + length
        try await settle()
        while let due = room.nextDue(), due <= end { try await jump(to: due) }
        try await jump(to: end)
    }

    /// Lets time pass until then. A time that is past already changes nothing.
    ///
    /// - Throws: `TestEngineError` when the engine itself has failed.
    public func advance(to date: Date) async throws {
        try await advance(by: max(.zero, date.timestamp - time.now()))
    }

    /// Has everything done that can be done, and jumps from timer to timer, until nothing is left to wait for but
    /// events, persons and calls that hang: retries, delays, timeouts and polling take no time.
    ///
    /// - Parameter timersMax: so many timers at most: a recurring action would go on for ever.
    /// - Throws: `TestEngineError` when there are more, or when the engine itself has failed.
    public func runUntilIdle(timersMax: Int = 10_000) async throws {
        try await settle()
        var timers = 0
        while let due = room.nextDue() {
            timers += 1
            guard timers <= timersMax else {
                throw TestEngineError(
                    """
                    after \(timersMax) timers the next one is still to come, at \(due.date.formatted(.iso8601)): \
                    something here goes on for ever; use advance(by:) instead
                    """
                )
            }
            try await jump(to: due)
        }
    }

    private func jump(to moment: Timestamp) async throws {
        time.advance(by: max(.zero, moment - time.now()))
        room.wake()
        try await settle()
    }

    /// Runs until idle, and returns what came of a plan.
    ///
    /// - Throws: what `PlanHandle.result()` throws; `TestEngineError` when the plan has not ended, with what it waits
    ///   for: where `result()` would wait for ever, this one says so.
    public func result<Root: PlanAction>(of plan: PlanHandle<Root>) async throws -> Root.Output {
        try await runUntilIdle()
        let status = try await plan.status
        guard status.state == .stopped else {
            let steps = try await plan.steps().filter { $0.state != .success }.map { step in
                "\(step.phase) \(step.action) (step \(step.index)): \(step.state.rawValue)"
                    + (step.error.map { ", \($0)" } ?? "")
            }
            let reason = status.reason.map { " (\($0))" } ?? ""
            throw TestEngineError(
                "plan \(status.id) has not ended: it is \(status.state.rawValue)\(reason)\n"
                    + steps.joined(separator: "\n")
            )
        }
        return try await plan.result()
    }

    // MARK: What goes wrong

    /// Has the next calls of an action answered by a script instead of the action, one answer a call. When the script
    /// is over, the action is performed again as it is. Replaces what is left of an earlier script.
    ///
    /// - Parameter phase: which of its calls: `.run`, or `.event`, `.finalize`, `.revert`, `.skip`, `.reconcile`.
    public func script<Scripted: PlanAction>(
        _ type: Scripted.Type,
        on phase: PlanCall.Phase = .run,
        _ answers: [ScriptedAnswer<Scripted>]
    ) {
        scripts.set(Scripted.name, phase, answers.map(\.answer))
    }

    /// Kills the engine and starts it again: calls under way are lost, and it recovers as at every start, from what is
    /// stored.
    ///
    /// The tasks of lost calls are cancelled, and what they still do counts for nothing; a killed process would not do
    /// it at all. `ScriptedAnswer.crash` kills it at a point of a plan.
    ///
    /// - Parameter length: how long nobody performs. Timers that were due meanwhile are late.
    /// - Throws: `TestEngineError` when the engine itself has failed.
    public func crash(downFor length: Duration = .zero) async throws {
        room.crash { time.advance(by: length) }
        try await settle()
    }

    // MARK: What happened

    /// Every call of an action that was begun, in order: those that were scripted, and those that were lost and made
    /// again, too.
    public var calls: [PlanCall] { room.calls }

    /// The calls as words, for comparing: `["run ChargeCard", "revert ReserveStock"]`.
    public var story: [String] { calls.map { "\($0.phase.rawValue) \($0.action)" } }
}

/// A test that cannot go on: what it waits for, or what failed.
public struct TestEngineError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The whole message.
    public let description: String
    init(_ description: String) { self.description = description }
}

extension Date {
    fileprivate var timestamp: Timestamp { Timestamp(rawValue: Int64((timeIntervalSince1970 * 1_000_000).rounded())) }
}

extension Timestamp {
    fileprivate var date: Date { Date(timeIntervalSince1970: Double(rawValue) / 1_000_000) }
}
