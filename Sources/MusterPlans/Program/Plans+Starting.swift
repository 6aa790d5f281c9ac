public import Foundation
import MusterCore
import MusterEngine
import MusterStore
import NIOPosix

/// With which results of the plans before it a chained plan begins.
public enum PrerequisiteResults: Hashable, Sendable {
    /// Only when all have ended well; otherwise it ends in error.
    case succeeded
    /// Whatever came of them, also when they were cancelled or halted.
    case ended
}

extension Plans {
    /// Starts a plan. Durable when it returns.
    ///
    /// Where this process performs, the plan is made here; otherwise by the process that does, which takes it when it
    /// runs.
    ///
    /// - Parameters:
    ///   - at: it does not begin before.
    ///   - before: it ends in error when it could not begin before.
    ///   - frozen: it does not begin until `PlanHandle.freeze(false)`.
    ///   - after: plans that end first.
    ///   - rule: with which of their results it begins.
    ///   - rescues: whether failures are dealt with as the actions say; otherwise every failure pauses.
    ///   - revertsWhenCancelled: whether a cancelled plan undoes what it has done.
    ///   - token: the caller's own name for it, at most 200 characters without spaces: started twice under one token it
    ///     is one plan. By chance when there is none.
    /// - Throws: `PlanningError` when it cannot be made; `PlanError` when it cannot be stored.
    @discardableResult
    public func start<Root: PlanAction>(
        _ type: Root.Type,
        _ input: Root.Input,
        at: Date? = nil,
        before: Date? = nil,
        frozen: Bool = false,
        after: [any StartedPlan] = [],
        rule: PrerequisiteResults = .succeeded,
        rescues: Bool = true,
        revertsWhenCancelled: Bool = false,
        token: String? = nil
    ) async throws -> PlanHandle<Root> {
        let token = try checked(token)
        var program = ProgramSpec(name: Root.name)
        let envelope = try Envelope(.input, input, of: "the input of '\(Root.name)'", limit: options.valueSizeLimit)
        program.input = envelope.text
        program.singleton = Root.options.singleton?.spec(of: Root.name, program: name)
        program.startAt = at.map { Timestamp($0) }
        program.startBefore = before.map { Timestamp($0) }
        program.isFrozen = frozen
        for prerequisite in after { program.prerequisites.append(try await prerequisite.number()) }
        program.prerequisiteRule = rule == .ended ? .ended : .succeeded
        program.rescuesByItself = rescues
        program.revertsWhenCancelled = revertsWhenCancelled
        program.trace = telemetry.carried()
        let handle = PlanHandle<Root>(plans: self, token: token)
        do {
            if conductor != nil, try store.plan(request: token) == nil {
                var steps: [PlanSubmission.Step] = []
                var own = program
                // What begins later is planned then, as its actions are then.
                if !program.isDelayed {
                    let made = try await host.makePlan(type, input, trace: program.trace)
                    own.input = nil
                    own.actions = made.program.actions
                    own.composites = made.program.composites
                    steps = made.steps
                }
                if try await submit(own, steps, token: token) { return handle }
            }
            guard try store.plan(request: token) == nil else { return handle }
            _ = try store.submit(.submit(token: token, spec: spec(program)), at: time.now())
            await wakeConductor()
        } catch let error as StoreError {
            throw PlanError(.state, error.message)
        }
        return handle
    }

    private func checked(_ token: String?) throws -> String {
        guard let token else { return "\(name)-\(Surroundings.token())" }
        guard !token.isEmpty, token.count <= 200, !token.contains(where: \.isWhitespace) else {
            throw PlanError(.refused, "a token has 1 to 200 characters and no spaces, not '\(token.prefix(40))'")
        }
        return "\(name)-\(token)"
    }

    func spec(_ program: ProgramSpec) -> RunSpec {
        var spec = RunSpec(verb: .plan, lab: name, labFile: name, labDirectory: state.path)
        spec.program = program
        return spec
    }

    /// Has the conductor of this process begin a plan, and waits until that is stored; false when there is none (any
    /// more).
    func submit(_ program: ProgramSpec, _ steps: [PlanSubmission.Step], token: String) async throws -> Bool {
        guard let conductor else { return false }
        conductor.submit(PlanSubmission(token: token, spec: spec(program), steps: steps))
        while let current = self.conductor, current === conductor {
            let turns = bell.listen()
            guard self.conductor === conductor else { break }
            if try store.plan(request: token) != nil { return true }
            for await _ in turns where try store.plan(request: token) != nil { return true }
            try Task.checkCancellation()
        }
        return try store.plan(request: token) != nil
    }

    /// Tells whoever performs that a request lies in the store. When nobody does, the next one finds it.
    func wakeConductor() async {
        if let conductor { return conductor.poke() }
        guard let link = await ConductorLink.connect(state, group: MultiThreadedEventLoopGroup.singleton) else {
            return
        }
        link.poke()
        // The answer to the poke: what was written has arrived.
        for await _ in link.wakeUps { break }
        await link.close()
    }

    // MARK: Waiting

    /// Looks after each change of the state until something is found.
    func until<Found>(_ look: () throws -> Found?) async throws -> Found {
        do {
            while true {
                if let found = try look() { return found }
                try Task.checkCancellation()
                if conductor != nil {
                    let turns = bell.listen()
                    // A bell that fell silent before rings no more.
                    guard conductor != nil else { continue }
                    if let found = try look() { return found }
                    for await _ in turns { if let found = try look() { return found } }
                } else if let found = try await untilOthers(look) {
                    return found
                }
            }
        } catch let error as StoreError {
            throw PlanError(.state, error.message)
        } catch let error as StateError {
            throw PlanError(.state, error.description)
        }
    }

    /// As a client of whoever performs; nil when that has changed.
    private func untilOthers<Found>(_ look: () throws -> Found?) async throws -> Found? {
        let watch = try FolderWatch(state.path)
        let group = MultiThreadedEventLoopGroup.singleton
        guard let link = await ConductorLink.connect(state, group: group) else {
            // Nobody performs: the first sign of whoever does is the socket.
            if conductor == nil { try await watch.change(of: [StateDirectory.socketName]) }
            return nil
        }
        link.poke()
        var found: Found?
        for await _ in link.wakeUps {
            found = try look()
            if found != nil { break }
        }
        await link.close()
        return found
    }
}

/// Begins plans from within the process that performs.
struct ConductingStarter: PlanStarter {
    let plans: Plans

    func start(_ plan: ChildPlan, token: String) async throws {
        let token = "\(plans.name)-\(token)"
        guard try plans.store.plan(request: token) == nil else { return }
        guard try await plans.submit(plan.program, plan.steps, token: token) else { throw CancellationError() }
    }

    func isUnfinished(token: String) throws -> Bool {
        try plans.store.plan(request: "\(plans.name)-\(token)").map { !$0.state.isFinal } ?? false
    }
}
