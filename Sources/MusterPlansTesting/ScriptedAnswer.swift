import MusterCore
public import MusterPlans
import Synchronization

/// What one call of an action comes to in a test, instead of what the action would do.
public struct ScriptedAnswer<Scripted: PlanAction>: Sendable {
    let answer: Scripts.Answer

    private init(_ answer: @escaping Scripts.Answer) { self.answer = answer }

    /// It succeeds with this output. Finalizing, reverting and skipping have none: there it is dropped.
    public static func succeed(with output: Scripted.Output) -> ScriptedAnswer {
        ScriptedAnswer { try $0.succeeded(output) }
    }

    /// It throws an error with this message; retries and the strategy of rescue follow.
    public static func fail(_ message: String) -> ScriptedAnswer { fail(throwing: ScriptedError(message)) }

    /// It throws this.
    public static func fail(throwing error: any Error) -> ScriptedAnswer { ScriptedAnswer { _ in throw error } }

    /// It throws a `PermanentError`: no retry follows.
    public static func failForGood(_ message: String) -> ScriptedAnswer { fail(throwing: PermanentError(message)) }

    /// It does this.
    public static func run(
        _ body: @escaping @Sendable (Scripted.Input, MusterPlans.RunContext) async throws -> Scripted.Output
    ) -> ScriptedAnswer {
        ScriptedAnswer { asked in
            try asked.succeeded(await body(asked.call.input(Scripted.Input.self), asked.call.context))
        }
    }

    /// It does not end until it is cancelled: by its timeout, by its plan, by a crash. Meanwhile other calls are made.
    public static var hang: ScriptedAnswer {
        ScriptedAnswer { asked in
            try await asked.room?.hang(asked.call.call.id)
            throw CancellationError()
        }
    }

    /// The action does it as it is.
    public static var perform: ScriptedAnswer { ScriptedAnswer { try await $0.perform() } }

    /// The engine is killed before the action does anything, and starts again.
    public static var crash: ScriptedAnswer {
        ScriptedAnswer { asked in
            asked.room?.crash()
            throw CancellationError()
        }
    }

    /// The action does it, and the engine is killed before it hears of its end, and starts again: an action has to
    /// stand that without harm.
    public static var performAndCrash: ScriptedAnswer {
        ScriptedAnswer { asked in
            _ = try? await asked.perform()
            asked.room?.crash()
            throw CancellationError()
        }
    }
}

extension ScriptedAnswer where Scripted: SuspendingAction {
    /// It waits for the next event.
    public static var suspend: ScriptedAnswer {
        ScriptedAnswer { try $0.call.end(StepProgress<Scripted.Output>.suspended) }
    }
}

/// The answers of a test, by action and phase.
final class Scripts: Sendable {
    typealias Answer = @Sendable (Asked) async throws -> Invocation.End

    /// A call that is to be answered.
    struct Asked: Sendable {
        let call: Invocation
        let perform: @Sendable () async throws -> Invocation.End
        let room: EngineRoom?

        func succeeded(_ output: some Encodable) throws -> Invocation.End {
            switch call.call.kind {
            case .finalize, .revert, .skip: Invocation.End.unchanged
            case .run, .event, .cancel, .reconcile, .children, .childrenEnded: try call.done(output)
            }
        }
    }

    private struct Key: Hashable {
        let action: String
        let phase: PlanCall.Phase
    }

    private struct Content {
        var answers: [Key: [Answer]] = [:]
        weak var room: EngineRoom?
    }

    private let content = Mutex(Content())

    func serve(_ room: EngineRoom) { content.withLock { $0.room = room } }

    func set(_ action: String, _ phase: PlanCall.Phase, _ answers: [Answer]) {
        content.withLock { $0.answers[Key(action: action, phase: phase)] = answers }
    }

    func answer(
        _ call: Invocation,
        _ perform: @escaping @Sendable () async throws -> Invocation.End
    ) async throws -> Invocation.End {
        // Sub-plans are made by their action alone.
        if case .children = call.call.kind { return try await perform() }
        let key = Key(action: call.call.action, phase: PlanCall(call.call).phase)
        let (answer, room) = content.withLock { content -> (Answer?, EngineRoom?) in
            guard let answers = content.answers[key], !answers.isEmpty else { return (nil, nil) }
            return (content.answers[key]?.removeFirst(), content.room)
        }
        guard let answer else { return try await perform() }
        return try await answer(Asked(call: call, perform: perform, room: room))
    }
}

/// An error of a script.
private struct ScriptedError: Error, CustomStringConvertible {
    let description: String
    init(_ description: String) { self.description = description }
}
