import Foundation
import MusterCore
import MusterEngine
import MusterStore
import Synchronization

/// A plan that was started, whatever its root action.
public protocol StartedPlan: Sendable {
    /// The plan's name, as people type it; waits until somebody performs it.
    var id: String { get async throws }
}

extension StartedPlan {
    func number() async throws -> PlanID {
        let name = try await id
        guard let run = RunName(name) else { throw PlanError(.refused, "'\(name)' is no name of a plan") }
        return run.plan
    }
}

/// A plan that was started: to wait for, to look at, to steer.
public struct PlanHandle<Root: PlanAction>: StartedPlan {
    /// Its author's name for it: the same plan, whoever asks.
    public let token: String
    private let plans: Plans
    private let known: Known

    private final class Known: Sendable {
        let number: Mutex<PlanID?>
        init(_ number: PlanID?) { self.number = Mutex(number) }
    }

    init(plans: Plans, token: String, number: PlanID? = nil) {
        self.plans = plans
        self.token = token
        known = Known(number)
    }

    private var store: any Store { plans.store }

    /// The plan's name, as people type it: `r-7f3k`. Waits until somebody performs it.
    ///
    /// - Throws: `PlanError.refused` when it was not begun.
    public var id: String { get async throws { RunName(try await planID()).description } }

    private func planID() async throws -> PlanID {
        if let number = known.number.withLock({ $0 }) { return number }
        let number: PlanID = try await plans.until {
            if let row = try store.plan(request: token) { return row.id }
            return nil
        }
        known.number.withLock { $0 = number }
        return number
    }

    /// Its row; throws when it was removed.
    private func row(_ number: PlanID) throws -> PlanRow {
        guard let row = try store.plan(number) else {
            throw PlanError(.deleted, "plan \(RunName(number)) was removed from the state while it was waited for")
        }
        return row
    }

    // MARK: Looking

    /// How it stands now.
    public var status: PlanStatus { get async throws { PlanStatus(try row(await planID())) } }

    /// Waits until it has ended, and returns what came of it.
    ///
    /// A plan that waits for a person has not ended: hooks tell of those, or `status`.
    ///
    /// - Throws: `PlanError` when it has ended otherwise than well, or was removed.
    public func result() async throws -> Root.Output {
        let number = try await planID()
        let ended: PlanRow = try await plans.until {
            let row = try row(number)
            return row.state.isFinal ? row : nil
        }
        return try output(of: ended)
    }

    /// Waits until it has ended or waits for a person.
    public func settled() async throws -> PlanStatus {
        let number = try await planID()
        return try await plans.until {
            let row = try row(number)
            return row.state.isFinal || row.state == .paused ? PlanStatus(row) : nil
        }
    }

    private func output(of row: PlanRow) throws -> Root.Output {
        let name = RunName(row.id).description
        let steps = try store.steps(of: row.id)
        switch row.result {
        case .success, .warning: break
        case .cancelled: throw PlanError(.cancelled, "plan \(name): \(row.reason ?? "cancelled")")
        case .error, .pending:
            let failed = steps.first { $0.state == .error && $0.error != nil }
            throw PlanError(
                .failed,
                "plan \(name) failed: \(failed?.error?.message ?? row.reason ?? "no step tells why")"
            )
        }
        let what = "the output of '\(Root.name)'"
        var text = steps.first?.call?.output
        var outputs: [StepIndex: String] = [:]
        if let result = steps.last(where: { $0.spec.action == .barrier && $0.spec.input != nil }) {
            text = result.spec.input
            for need in result.needs { outputs[need] = steps[Int(need)].call?.output }
        }
        guard let text, let json = try? Envelope.open(text, .output, of: what, outputs: outputs) else {
            throw PlanError(.noResult, "plan \(name) has ended without \(what): its step was skipped")
        }
        do {
            return try Envelope.decode(Root.Output.self, json, of: what)
        } catch {
            throw PlanError(.noResult, "plan \(name): \(error)")
        }
    }

    /// Its steps, in the order of planning; inputs and outputs as people see them.
    public func steps() async throws -> [StepStatus] {
        let number = try await planID()
        let program = try store.spec(of: number)?.program
        return try store.steps(of: number).compactMap { row in
            guard row.spec.action != .barrier, let program else { return nil }
            return StepStatus(row, program, plans.options.middleware)
        }
    }

    /// What has happened to it, in order.
    public func history() async throws -> [PlanEvent] {
        let number = try await planID()
        var found: [PlanEvent] = []
        var position: Int64 = 0
        while true {
            let rows = try store.events(after: position, plan: number, limit: 1000)
            guard let last = rows.last else { return found }
            found += rows.map(PlanEvent.init)
            position = last.position
        }
    }

    /// What a step has written so far.
    public func output(ofStep step: Int) async throws -> String {
        let id = StepID(plan: try await planID(), index: StepIndex(step))
        var text = ""
        var number: Int64 = 0
        while true {
            let chunks = try store.chunks(of: id, after: number, limit: 1000)
            guard let last = chunks.last else { return text }
            for chunk in chunks { text += chunk.text }
            number = last.number
        }
    }

    // MARK: Steering

    /// Ends it: nothing new begins, what can be cancelled is told so.
    ///
    /// - Parameter byForce: what is suspended ends without being asked.
    public func cancel(byForce: Bool = false) async throws {
        let number = try await planID()
        try await plans.ask(byForce ? .abort(number) : .cancel(number))
    }

    /// Gives up on it at once. One that has ended already stays as it is.
    public func halt() async throws {
        let number = try await planID()
        guard try !row(number).state.isFinal else { return }
        try await plans.ask(.halt(number))
    }

    /// Stops beginning steps, and waits for a person.
    public func pause() async throws { try await plans.ask(.pause(try await planID())) }

    /// Goes on with a paused plan: what failed is tried again.
    public func resume() async throws { try await plans.ask(.resume(try await planID())) }

    /// Tries one failed step of the paused plan again, and goes on.
    public func retry(step: Int) async throws { try await plans.ask(.retry(try await stepID(step), input: nil)) }

    /// Tries the failed step of an action again, with another input, and goes on.
    ///
    /// - Parameter step: its place in the plan; nil when only one step of this action has failed.
    public func retry<Edited: PlanAction>(
        _ type: Edited.Type,
        step: Int? = nil,
        input: Edited.Input
    ) async throws {
        let found = try await place(of: Edited.name, step) { $0 == .error }
        let what = "the input of '\(Edited.name)'"
        let text = try Envelope(.input, input, of: what, limit: plans.options.valueSizeLimit).text
        try await plans.ask(.retry(found, input: text))
    }

    /// Goes on without one failed step of the paused plan, and without what uses its output.
    public func skip(step: Int) async throws { try await plans.ask(.skip(try await stepID(step))) }

    /// Undoes what the paused plan has done, and ends it.
    public func revert() async throws { try await plans.ask(.revert(try await planID())) }

    /// Holds a scheduled plan back, or lets it go.
    public func freeze(_ isFrozen: Bool) async throws { try await plans.ask(.freeze(try await planID(), isFrozen)) }

    /// Sends an event to the suspended step of an action.
    ///
    /// - Parameters:
    ///   - step: its place in the plan; nil when only one step of this action has not ended.
    ///   - optional: whether it is quietly dropped when the step has ended or its plan is gone.
    /// - Throws: `PlanError.refused` when the step has ended, unless it is optional.
    public func send<Receiver: SuspendingAction>(
        _ event: Receiver.Event,
        to type: Receiver.Type,
        step: Int? = nil,
        optional: Bool = false
    ) async throws {
        let found: StepID
        do {
            found = try await place(of: Receiver.name, step) { !$0.hasEnded }
        } catch let error as PlanError where optional && (error.code == .refused || error.code == .deleted) {
            return
        }
        let what = "an event of '\(Receiver.name)'"
        let payload = try RunContext.payload(event, of: what, limit: plans.options.valueSizeLimit)
        let token = "send-\(Surroundings.token())"
        try await plans.ask(.signal(found, payload: payload, isOptional: optional, token: token), signal: token)
    }

    private func stepID(_ step: Int) async throws -> StepID {
        let number = try await planID()
        guard let index = StepIndex(exactly: step) else { throw PlanError(.refused, "there is no step \(step)") }
        return StepID(plan: number, index: index)
    }

    /// Where the one step of an action stands that is in such a state.
    private func place(of action: String, _ step: Int?, _ fits: (StepState) -> Bool) async throws -> StepID {
        let number = try await planID()
        // Its steps are there in a moment, where who performs it makes them; before that nothing can be sent to one.
        _ = try await plans.until {
            let state = try row(number).state
            return state == .pending || state == .planning ? nil : true
        }
        if let step { return try await stepID(step) }
        let program = try store.spec(of: number)?.program
        let rows = try store.steps(of: number).filter { row in
            guard row.spec.action == .call, let actions = program?.actions, actions.indices.contains(Int(row.spec.a))
            else { return false }
            return actions[Int(row.spec.a)].name == action && fits(row.state)
        }
        guard let first = rows.first, rows.count == 1 else {
            throw PlanError(
                .refused,
                rows.isEmpty
                    ? "plan \(RunName(number)) has no step of '\(action)' that this could concern"
                    : "plan \(RunName(number)) has \(rows.count) such steps of '\(action)'; say which with `step:`"
            )
        }
        return StepID(plan: number, index: first.index)
    }
}

extension Plans {
    /// The plan of a name that people type, or of a token that it was started with.
    ///
    /// - Throws: `PlanError.refused` when there is none.
    public func plan<Root: PlanAction>(_ name: String, of type: Root.Type) throws -> PlanHandle<Root> {
        let row = try RunName(name).flatMap { try store.plan($0.plan) } ?? store.plan(request: "\(self.name)-\(name)")
        guard let row, try store.spec(of: row.id)?.program?.name == Root.name else {
            throw PlanError(.refused, "there is no plan '\(name)' of '\(Root.name)'; see: muster runs")
        }
        return PlanHandle(plans: self, token: row.request, number: row.id)
    }

    /// Puts a request into the store, and waits until who performs has taken it.
    ///
    /// - Throws: `PlanError.refused` when it does not fit the state the plan is in.
    func ask(_ request: Request, signal: String? = nil) async throws {
        let before: Int64
        let number: Int64
        do {
            before = try store.position()
            number = try store.submit(request, at: time.now())
        } catch {
            throw PlanError(.state, error.message)
        }
        await wakeConductor()
        _ = try await until { () throws(StoreError) -> Bool? in
            try store.requests(after: number - 1).contains { $0.id == number } ? nil : true
        }
        var position = before
        while true {
            let rows = try store.events(after: position, plan: nil, limit: 1000)
            guard let last = rows.last else { return }
            position = last.position
            for row in rows {
                guard let detail = row.detail else { continue }
                switch row.kind {
                case .requestRefused:
                    if let refusal = Refusal(detail), refusal.token == "#\(number)" {
                        throw PlanError(.refused, refusal.message)
                    }
                case .signalRejected:
                    if let signal, detail.hasPrefix(signal + " ") {
                        throw PlanError(.refused, String(detail.dropFirst(signal.count + 1)))
                    }
                default: break
                }
            }
        }
    }
}
