import Logging
import MusterCore

/// Work that waits for events between its calls. Meanwhile it costs no thread and no memory but its row.
///
/// ```swift
/// struct Approve: SuspendingAction {
///     enum Event: Codable, Sendable { case approved(by: String), reminded }
///     func run(_ input: Input, in context: RunContext) async throws -> StepProgress<Output> {
///         try context.send(Event.reminded, after: .seconds(86_400), key: "reminder")
///         return .suspended
///     }
///     func receive(_ event: Event, _ input: Input, in context: RunContext) async throws -> StepProgress<Output> { … }
/// }
/// ```
///
/// Events reach it one at a time, in the order they came, never while it runs. What it wants to know later it keeps
/// with `RunContext.keep`.
public protocol SuspendingAction: PlanAction {
    /// What it is given; stored as JSON.
    associatedtype Input
    /// What it gives to others; stored as JSON.
    associatedtype Output

    /// What it waits for; stored as JSON.
    associatedtype Event: Codable & Sendable

    /// Begins.
    func run(_ input: Input, in context: RunContext) async throws -> StepProgress<Output>
    /// Goes on: an event has come, from outside (`PlanHandle.send`) or from itself (`RunContext.send`).
    func receive(_ event: Event, _ input: Input, in context: RunContext) async throws -> StepProgress<Output>
}

extension SuspendingAction {
    /// Runs it, or gives it an event.
    public func _perform(_ invocation: Invocation) async throws -> Invocation.End {
        switch invocation.call.kind {
        case .run: return try invocation.end(await run(invocation.input(Input.self), in: invocation.context))
        case .event(let payload):
            let event = try Envelope.decode(Event.self, Array(payload.utf8), of: invocation.whose("event"))
            return try invocation.end(await receive(event, invocation.input(Input.self), in: invocation.context))
        case .cancel, .skip, .finalize, .revert, .reconcile, .children, .childrenEnded: throw invocation.unexpected
        }
    }
}

/// What asking after a job has told.
public enum PollResult<Job: Sendable, Output: Sendable>: Sendable {
    /// It has ended, with this.
    case done(Output)
    /// It goes on.
    case again
    /// It goes on, and is known by this from now on.
    case changed(Job)
}

/// How often a polling action asks.
public struct PollingOptions: Hashable, Sendable {
    /// The pauses between two questions; the last one holds on.
    public var intervals: [Duration]
    /// After so many questions the next interval is used.
    public var attemptsPerInterval: Int
    /// So many questions in a row may fail before the action does.
    public var failuresMax: Int

    /// 0.5, 1, 2, 4, 8 and 16 seconds, five questions each; the third failure in a row is one too many.
    public init(
        intervals: [Duration] = [.milliseconds(500), .seconds(1), .seconds(2), .seconds(4), .seconds(8), .seconds(16)],
        attemptsPerInterval: Int = 5,
        failuresMax: Int = 3
    ) {
        self.intervals = intervals
        self.attemptsPerInterval = attemptsPerInterval
        self.failuresMax = failuresMax
    }

    /// The pause before question `n`, from 0.
    func pause(before n: Int) -> Duration {
        guard !intervals.isEmpty else { return .seconds(1) }
        return intervals[min(n / max(1, attemptsPerInterval), intervals.count - 1)]
    }
}

/// Work that something else does, which has to be asked whether it is done.
///
/// Between two questions it is suspended; the pauses are durable timers. A failed question is repeated; tried again
/// after a failure it asks after the job it knows, and starts another only when that fails.
public protocol PollingAction: PlanAction {
    /// What it is given; stored as JSON.
    associatedtype Input
    /// What it gives to others; stored as JSON.
    associatedtype Output

    /// What is known of what was started: an id, a URL; stored as JSON.
    associatedtype Job: Codable & Sendable

    /// How often it asks.
    static var polling: PollingOptions { get }
    /// Starts the job.
    func start(_ input: Input, in context: RunContext) async throws -> Job
    /// Asks after the job.
    func poll(_ job: Job, _ input: Input, in context: RunContext) async throws -> PollResult<Job, Output>
}

/// What a polling action keeps between two questions.
struct PollingState<Job: Codable & Sendable>: Codable, Sendable {
    var job: Job
    /// Questions so far.
    var polls = 0
    /// The last so many questions have failed.
    var failures = 0
}

private struct PollTick: Codable {}

extension PollingAction {
    /// The usual pauses.
    public static var polling: PollingOptions { PollingOptions() }

    /// Starts, or asks.
    public func _perform(_ invocation: Invocation) async throws -> Invocation.End {
        let input = try invocation.input(Input.self)
        let context = invocation.context
        var known = try context.state(PollingState<Job>.self)
        switch invocation.call.kind {
        case .run:
            // The job of an earlier try may still go on: only when it cannot be asked after, another one is started.
            if let state = known {
                do {
                    known?.failures = 0
                    let result = try await poll(state.job, input, in: context)
                    return try after(result, PollingState(job: state.job), invocation)
                } catch  where !(error is CancellationError) {
                    context.logger.notice(
                        "the job of the last try cannot be asked after (\(error)); another is started"
                    )
                }
            }
            let started = PollingState(job: try await start(input, in: context))
            return try again(started, invocation)
        case .event:
            guard var state = known else { throw BadValueError("\(invocation.whose("job")) is not known") }
            do {
                let result = try await poll(state.job, input, in: context)
                state.failures = 0
                return try after(result, state, invocation)
            } catch {
                if error is CancellationError || error is PermanentError || error is BadValueError { throw error }
                state.failures += 1
                guard state.failures < Self.polling.failuresMax else {
                    state.failures = 0
                    try context.keep(state)
                    throw error
                }
                context.logger.notice("asking failed (\(state.failures) of \(Self.polling.failuresMax)): \(error)")
                return try again(state, invocation)
            }
        case .cancel, .skip, .finalize, .revert, .reconcile, .children, .childrenEnded: throw invocation.unexpected
        }
    }

    private func after(
        _ result: PollResult<Job, Output>,
        _ state: PollingState<Job>,
        _ invocation: Invocation
    ) throws -> Invocation.End {
        switch result {
        case .done(let output): return try invocation.done(output)
        case .again: return try again(state, invocation)
        case .changed(let job):
            var state = state
            state.job = job
            return try again(state, invocation)
        }
    }

    private func again(_ state: PollingState<Job>, _ invocation: Invocation) throws -> Invocation.End {
        var next = state
        next.polls += 1
        try invocation.context.keep(next)
        try invocation.context.send(PollTick(), after: Self.polling.pause(before: state.polls), key: "poll")
        return try invocation.end(StepProgress<Output>.suspended)
    }
}
