public import Foundation
public import Logging
import MusterCore
import MusterEngine
import Synchronization

/// What a call of an action may use besides its input.
public final class RunContext: Sendable {
    /// The same for every repetition of the same try of the same step, and for no other: an idempotency key for what is
    /// asked of others.
    public var operationID: String { context.operation.description }
    /// The try, from 1.
    public let attempt: Int
    /// The plan's name, as people type it: `r-7f3k`.
    public var plan: String { RunName(id.plan).description }
    /// The step's place in its plan, from 0.
    public let step: Int
    /// The action's name.
    public let action: String
    /// Knows plan, step, action and attempt.
    public var logger: Logger {
        var logger = host.settings.logger
        logger[metadataKey: "plan"] = "\(plan)"
        logger[metadataKey: "step"] = "\(step)"
        logger[metadataKey: "action"] = "\(action)"
        logger[metadataKey: "attempt"] = "\(attempt)"
        return logger
    }
    /// When the try is timed out at the latest; nil when it is not.
    public let deadline: Date?

    private struct Content {
        var state: String?
        var kept: String?
        var wakes: [CallEnd.Wake] = []
    }

    private let context: CallContext
    private let sizeLimit: Int
    private let content: Mutex<Content>
    let host: RegisteredActions
    let id: StepID
    let trace: [String: String]

    init(_ call: ActionCall, _ context: CallContext, host: RegisteredActions) {
        attempt = Int(call.id.number)
        step = Int(call.id.step.index)
        action = call.action
        deadline = call.timeout.map { (context.now() + $0).date }
        self.context = context
        self.host = host
        id = call.id.step
        trace = call.trace
        sizeLimit = host.settings.valueSizeLimit
        content = Mutex(Content(state: call.output))
    }

    /// The engine's clock: in tests the one that they move.
    public var now: Date { context.now().date }

    /// Whether the call should end: its plan is cancelled by force, its time is over, or its program ends.
    public var isCancelled: Bool { Task.isCancelled }

    /// Appends to the step's output chunks, which people see while it runs: lines of a log, progress.
    public func write(_ chunk: String) { context.write(chunk) }

    // MARK: State

    /// What the action has kept with `keep`, in an earlier call or an earlier try; nil when there is nothing.
    ///
    /// - Throws: when it cannot be read as this type.
    public func state<State: Decodable>(_ type: State.Type) throws -> State? {
        guard let text = content.withLock({ $0.kept ?? $0.state }),
            JSONSlices(text).find([Envelope.Content.state.rawValue]) != nil
        else { return nil }
        return try Envelope.value(type, text, .state, of: "the state of '\(action)'")
    }

    /// Keeps a value for the next call of the step. It is stored with this call's end.
    ///
    /// - Throws: when it cannot be written as JSON, or is too large.
    public func keep(_ state: some Encodable) throws {
        let text = try Envelope(.state, state, of: "the state of '\(action)'", limit: sizeLimit).text
        content.withLock { $0.kept = text }
    }

    // MARK: Events

    /// Sends an event to the own step, for later. It is stored with this call's end, and survives every crash.
    ///
    /// - Parameter key: an earlier one with the same key that is still to come is replaced.
    /// - Throws: when it cannot be written as JSON, or is too large.
    public func send(_ event: some Encodable, after delay: Duration = .zero, key: String? = nil) throws {
        let payload = try Self.payload(event, of: "an event of '\(action)'", limit: sizeLimit)
        content.withLock { $0.wakes.append(CallEnd.Wake(payload: payload, delay: delay, key: key)) }
    }

    static func payload(_ event: some Encodable, of what: String, limit: Int) throws -> String {
        let text = try Envelope(.state, event, of: what, limit: limit).text
        let slices = JSONSlices(text)
        return slices.find([Envelope.Content.state.rawValue]).map(slices.text) ?? "null"
    }

    // MARK: For the host

    var timestamp: Timestamp { context.now() }
    var kept: String? { content.withLock { $0.kept } }
    var wakes: [CallEnd.Wake] { content.withLock { $0.wakes } }
}

extension Timestamp {
    var date: Date { Date(timeIntervalSince1970: Double(rawValue) / 1_000_000) }
    init(_ date: Date) { self.init(rawValue: Int64((date.timeIntervalSince1970 * 1_000_000).rounded())) }
}
