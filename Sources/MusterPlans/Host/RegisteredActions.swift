import Logging
package import MusterCore
package import MusterEngine
import Synchronization

/// The actions of a program: makes plans of them and calls them, for the engine.
package final class RegisteredActions: ActionHost {
    struct Settings: Sendable {
        var program: String
        var valueSizeLimit = Envelope.sizeLimitDefault
        var middleware: [any PlanMiddleware] = []
        var logger: Logger
        var telemetry: Telemetry
        var standIn: StandIn?
    }

    /// Answers a call instead of its action; `perform` has the action do it all the same.
    package typealias StandIn =
        @Sendable (Invocation, _ perform: @escaping @Sendable () async throws -> Invocation.End) async throws
        -> Invocation.End

    /// What is known of one action.
    final class Registered: Sendable {
        let type: ObjectIdentifier
        let spec: ActionSpec
        let make: @Sendable () -> any PlanAction
        /// Plans it as a root, from its input's JSON.
        let plan: @Sendable (RegisteredActions, [UInt8]) throws -> ChildPlan

        init(
            type: ObjectIdentifier,
            spec: ActionSpec,
            make: @escaping @Sendable () -> any PlanAction,
            plan: @escaping @Sendable (RegisteredActions, [UInt8]) throws -> ChildPlan
        ) {
            self.type = type
            self.spec = spec
            self.make = make
            self.plan = plan
        }
    }

    private struct Actions {
        var byName: [String: Registered] = [:]
        var byType: [ObjectIdentifier: Registered] = [:]
    }

    let settings: Settings
    private let actions = Mutex(Actions())
    /// Whether nothing is around calls.
    private let isPlain: Bool
    /// Begins a plan under a token, unless there is one; says whether the plan of a token is unfinished.
    let starter = Mutex<(any PlanStarter)?>(nil)

    init(_ settings: Settings) {
        self.settings = settings
        isPlain = settings.middleware.isEmpty && settings.telemetry.isSilent && settings.standIn == nil
    }

    // MARK: Registering

    func register<Added: PlanAction>(_ type: Added.Type, _ make: @escaping @Sendable () -> Added) {
        let added = Registered(
            type: ObjectIdentifier(type),
            spec: ActionSpec(type),
            make: make,
            plan: { host, json in
                let input = try Envelope.decode(Added.Input.self, json, of: "the input of '\(Added.name)'")
                return try PlanBuilder.plan(make(), input, host: host)
            }
        )
        let before = actions.withLock { actions in
            actions.byType[added.type] = added
            return actions.byName.updateValue(added, forKey: Added.name)
        }
        precondition(
            before == nil || before?.type == added.type,
            "two actions are named '\(Added.name)'; give one of them another: static let name = \"…\""
        )
    }

    func registered(_ type: (some PlanAction).Type) throws -> Registered {
        guard let found = actions.withLock({ $0.byType[ObjectIdentifier(type)] }) else {
            throw PlanningError(
                "the action '\(type.name)' is not registered, so that nobody could call it; before the program runs: "
                    + "plans.register(\(type)(…))"
            )
        }
        return found
    }

    func instance<Wanted: PlanAction>(of type: Wanted.Type) throws -> Wanted {
        guard let made = try registered(type).make() as? Wanted else {
            throw PlanningError("what is registered for '\(type.name)' makes something else")
        }
        return made
    }

    // MARK: Planning

    package func plan(_ program: ProgramSpec, of id: PlanID) async -> Result<ChildPlan, StepError> {
        guard let action = actions.withLock({ $0.byName[program.name] }) else {
            return .failure(unknown(program.name))
        }
        let made = Mutex<ChildPlan?>(nil)
        let call = PlanCall(phase: .plan, action: program.name, plan: RunName(id).description, step: nil, attempt: 0)
        do {
            try await around(call, trace: program.trace) { [self] in
                let whose = "the input of '\(program.name)'"
                let json = try Envelope.open(program.input ?? "", .input, of: whose)
                let plan = try action.plan(self, json)
                made.withLock { $0 = plan }
            }
            if let plan = made.withLock({ $0 }) { return .success(plan) }
            return .failure(notCalled)
        } catch {
            return .failure(StepError.of(error).error)
        }
    }

    // MARK: Performing

    package func perform(_ call: ActionCall, in context: CallContext) async -> CallEnd {
        guard let action = actions.withLock({ $0.byName[call.action] }) else {
            return CallEnd(.failed(unknown(call.action), isFinal: true))
        }
        let context = RunContext(call, context, host: self)
        let invocation = Invocation(call: call, context: context)
        do {
            if isPlain { return try await Self.perform(invocation, on: action.make()).end }
            let ended = Mutex<CallEnd?>(nil)
            try await around(PlanCall(call), trace: call.trace) { [settings] in
                let end =
                    if let standIn = settings.standIn {
                        try await standIn(invocation) { try await Self.perform(invocation, on: action.make()) }
                    } else {
                        try await Self.perform(invocation, on: action.make())
                    }
                ended.withLock { $0 = end.end }
            }
            return ended.withLock { $0 } ?? CallEnd(.failed(notCalled, isFinal: true))
        } catch {
            var (error, isFinal) = StepError.of(error)
            // A cancelled task fails in many ways; what it says is kept.
            if Task.isCancelled, error.code == .thrown { (error.code, isFinal) = (.cancelled, true) }
            return CallEnd(.failed(error, isFinal: isFinal), output: context.kept)
        }
    }

    private static func perform(_ call: Invocation, on action: any PlanAction) async throws -> Invocation.End {
        switch call.call.kind {
        case .run, .event, .children, .childrenEnded: return try await action._perform(call)
        case .finalize:
            if let action = action as? any FinalizingAction { return try await action.performFinalize(call) }
        case .revert:
            if let action = action as? any RevertingAction { return try await action.performRevert(call) }
        case .skip(let message):
            if let action = action as? any SkipHandlingAction { return try await action.performSkip(call, message) }
        case .reconcile:
            if let action = action as? any ReconcilingAction { return try await action.performReconcile(call) }
            // It says that it reconciles, and cannot: it is treated as what may be run again.
            return Invocation.End(CallEnd(.neverStarted))
        case .cancel(let byForce):
            if let action = action as? any CancellableAction {
                return try await action.performCancel(call, byForce: byForce)
            }
            throw CancellationError()
        }
        // The plan was made when the action did more than it does now.
        return .unchanged
    }

    private func around(
        _ call: PlanCall,
        trace: [String: String],
        _ body: @escaping @Sendable () async throws -> Void
    ) async throws {
        try await settings.telemetry.around(call, trace: trace) { [settings] in
            try await settings.middleware.around(call, body)
        }
    }

    private func unknown(_ name: String) -> StepError {
        StepError(
            .noAction,
            "the program '\(settings.program)' has no action '\(name)'; register it under this name, and resume the plan"
        )
    }

    private var notCalled: StepError {
        StepError(.thrown, "a middleware neither called the action nor threw an error")
    }

    // MARK: Making plans here

    /// Makes the plan of a root action in this process.
    func makePlan<Root: PlanAction>(
        _ type: Root.Type,
        _ input: Root.Input,
        trace: [String: String]
    ) async throws -> ChildPlan {
        let made = Mutex<ChildPlan?>(nil)
        let call = PlanCall(phase: .plan, action: type.name, plan: nil, step: nil, attempt: 0)
        try await around(call, trace: trace) { [self] in
            let plan = try PlanBuilder.plan(instance(of: type), input, host: self)
            made.withLock { $0 = plan }
        }
        guard let plan = made.withLock({ $0 }) else { throw PlanningError(notCalled.message) }
        return plan
    }
}

/// Begins plans on behalf of an action.
protocol PlanStarter: Sendable {
    /// Begins a plan, unless there is one of this token. Durable when it returns.
    func start(_ plan: ChildPlan, token: String) async throws
    /// Whether there is a plan of this token that has not ended.
    func isUnfinished(token: String) throws -> Bool
}

extension PlanCall {
    package init(_ call: ActionCall) {
        let phase: Phase =
            switch call.kind {
            case .run: .run
            case .event, .cancel: .event
            case .children, .childrenEnded: .children
            case .finalize: .finalize
            case .revert: .revert
            case .skip: .skip
            case .reconcile: .reconcile
            }
        self.init(
            phase: phase,
            action: call.action,
            plan: RunName(call.id.step.plan).description,
            step: Int(call.id.step.index),
            attempt: Int(call.id.number)
        )
    }
}

extension ActionSpec {
    /// What the engine is told of an action.
    init(_ type: (some PlanAction).Type) {
        let options = type.options
        self.init(name: type.name)
        rescue = options.rescue.strategy
        retry = RetryPolicy(
            times: max(0, options.retry.times),
            every: options.retry.every,
            backoff: options.retry.backoff
        )
        recovery = options.recovery.policy
        queue = options.queue
        priority = Int64(options.priority)
        limits = options.limits
        timeout = options.timeout
        finalizes = type is any FinalizingAction.Type
        reverts = type is any RevertingAction.Type
        handlesSkip = type is any SkipHandlingAction.Type
        isCancellable = type._isCancellable
    }
}
