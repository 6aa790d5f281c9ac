import MusterCore
import Synchronization

/// Makes a plan: a graph of steps, in time that grows with their number.
///
/// Steps go at once unless something holds them: an output that they use, `after:`, or an enclosing `sequence`.
/// Only the task that makes the plan uses it.
public final class PlanBuilder {
    /// Steps that are added one after another, or beside each other.
    private struct Frame {
        let isSequence: Bool
        /// What the first of them needs.
        let entry: StepIndex?
        /// In a sequence: the end of the last one.
        var last: StepIndex?
        /// Beside each other: the ends of all.
        var ends: [StepIndex] = []
    }

    private static let lastNumber = Atomic<UInt64>(0)

    /// Tells it from every other builder of the process.
    let number = PlanBuilder.lastNumber.add(1, ordering: .relaxed).newValue
    let host: RegisteredActions
    private(set) var steps: [PlanSubmission.Step] = []
    private(set) var actions: [ActionSpec] = []
    private(set) var composites: [CompositeSpec] = []
    private var actionIndexes: [ActionSpec: Int32] = [:]
    /// What is known of actions within the present composite.
    private var known: [ObjectIdentifier: (index: Int32, name: String)] = [:]
    private var frames = [Frame(isSequence: false, entry: nil)]
    /// The composites that are being planned, outermost first.
    private var parents: [any CompositeAction] = []

    init(host: RegisteredActions) { self.host = host }

    // MARK: For programs

    /// Adds an action.
    ///
    /// - Parameter after: steps that have to have ended, besides those whose output it uses.
    /// - Returns: the step, whose output later steps can use.
    /// - Throws: `PlanningError` when the action is not registered, or when its input cannot be stored.
    @discardableResult
    public func add<Added: PlanAction>(
        _ type: Added.Type,
        _ input: Added.Input,
        after: [any PlannedStep] = []
    ) throws -> Step<Added> {
        try host.instance(of: type)._add(input, to: self, after: after)
    }

    /// Has everything that is added in `body` done one after another.
    @discardableResult
    public func sequence<Result>(_ body: () throws -> Result) rethrows -> Result {
        try framed(isSequence: true, entry: entry, body)
    }

    /// Lets everything that is added in `body` be done at once; within a sequence, what follows waits for all of it.
    @discardableResult
    public func concurrence<Result>(_ body: () throws -> Result) rethrows -> Result {
        try framed(isSequence: false, entry: entry, body)
    }

    // MARK: Order

    private var entry: StepIndex? {
        let frame = frames[frames.count - 1]
        return frame.isSequence ? frame.last ?? frame.entry : frame.entry
    }

    private func framed<Result>(isSequence: Bool, entry: StepIndex?, _ body: () throws -> Result) rethrows -> Result {
        frames.append(Frame(isSequence: isSequence, entry: entry))
        defer { close() }
        return try body()
    }

    /// Ends the innermost frame: it is one element of the one around it.
    private func close() {
        let frame = frames.removeLast()
        guard let end = frame.isSequence ? frame.last : joined(frame.ends) else { return }
        ended(at: end)
    }

    private func ended(at end: StepIndex) {
        let top = frames.count - 1
        if frames[top].isSequence { frames[top].last = end } else { frames[top].ends.append(end) }
    }

    /// One step that has ended when all of these have.
    private func joined(_ ends: [StepIndex]) -> StepIndex? {
        guard ends.count > 1 else { return ends.first }
        return put(StepSpec(.barrier), needs: ends)
    }

    private func put(_ spec: StepSpec, needs: [StepIndex]) -> StepIndex {
        steps.append(PlanSubmission.Step(spec, needs: needs))
        return StepIndex(steps.count - 1)
    }

    private func ends(of after: [any PlannedStep], for name: String) throws -> [StepIndex] {
        try after.compactMap { step in
            guard step.plannedPlace.plan == number else {
                throw PlanningError(
                    "'\(name)' is to come after a step of another plan; name steps of the same plan, "
                        + "or start the other plan first and this one with `after:` its handle"
                )
            }
            return step.plannedPlace.end
        }
    }

    // MARK: Steps

    /// Adds one step that is called.
    func append<Added: PlanAction>(
        _ type: Added.Type,
        _ input: Added.Input,
        after: [any PlannedStep]
    ) throws -> Step<Added> {
        let (index, name) = try knownAction(type)
        let envelope = try Envelope(
            .input,
            input,
            of: "the input of '\(name)'",
            plan: number,
            limit: host.settings.valueSizeLimit
        )
        var needs = envelope.uses
        let explicit = try (entry.map { [$0] } ?? []) + ends(of: after, for: name)
        if explicit.count + needs.count < 16 {
            for need in explicit where !needs.contains(need) { needs.append(need) }
        } else {
            var known = Set(needs)
            for need in explicit where known.insert(need).inserted { needs.append(need) }
        }
        let spec = StepSpec(
            .call,
            a: index,
            c: Int32(envelope.uses.count),
            input: envelope.text
        )
        let step = put(spec, needs: needs)
        ended(at: step)
        let output = Value<Added.Output>(content: .reference(Reference(plan: number, step: step, path: [])))
        return Step(plannedPlace: PlannedPlace(plan: number, end: step), output: output)
    }

    /// Adds what a composite plans.
    func append<Added: CompositeAction>(
        composite: Added,
        _ input: Added.Input,
        after: [any PlannedStep]
    ) throws -> Step<Added> {
        let explicit = try (entry.map { [$0] } ?? []) + ends(of: after, for: Added.name)
        let begin = joined(explicit)
        guard parents.count < Self.depthMax else {
            throw PlanningError("'\(Added.name)' plans itself without end (\(Self.depthMax) composites deep)")
        }
        let place = composites.count
        composites.append(CompositeSpec(name: Added.name, first: StepIndex(steps.count), end: 0))
        parents.append(composite)
        let depth = frames.count
        let outer = known
        known = [:]
        frames.append(Frame(isSequence: false, entry: begin))
        defer {
            parents.removeLast()
            known = outer
            frames.removeSubrange(depth...)
        }
        let output = try composite.plan(input, in: self)
        let frame = frames.removeLast()
        let end = joined(frame.ends)
        composites[place].end = StepIndex(steps.count)
        if let end { ended(at: end) }
        return Step(plannedPlace: PlannedPlace(plan: number, end: end ?? begin), output: output)
    }

    private static let depthMax = 100

    private func knownAction(_ type: (some PlanAction).Type) throws -> (index: Int32, name: String) {
        if let known = known[ObjectIdentifier(type)] { return known }
        let spec = try host.registered(type).spec
        let found = (index(of: type, spec), spec.name)
        known[ObjectIdentifier(type)] = found
        return found
    }

    private func index(of type: (some PlanAction).Type, _ suggested: ActionSpec) -> Int32 {
        var spec = suggested
        for parent in parents.reversed() {
            guard let suggested = ActionOptions.Rescue(rawValue: spec.rescue.rawValue) else { continue }
            spec.rescue = parent.rescue(of: type, suggested: suggested).strategy
        }
        if let known = actionIndexes[spec] { return known }
        let index = Int32(actions.count)
        actions.append(spec)
        actionIndexes[spec] = index
        return index
    }

    // MARK: The whole

    /// Adds the step that holds what comes of a composite that is the whole plan.
    private func addResult<Output>(_ output: Value<Output>, of name: String) throws {
        let envelope = try Envelope(
            .output,
            output,
            of: "the output of '\(name)'",
            plan: number,
            limit: host.settings.valueSizeLimit
        )
        _ = put(StepSpec(.barrier, input: envelope.text), needs: envelope.uses)
    }

    /// Plans a root action.
    static func plan<Root: PlanAction>(
        _ root: Root,
        _ input: Root.Input,
        host: RegisteredActions
    ) throws -> ChildPlan {
        let builder = PlanBuilder(host: host)
        let step = try root._add(input, to: builder, after: [])
        if Root.self is any CompositeAction.Type { try builder.addResult(step.output, of: Root.name) }
        return builder.finished(name: Root.name, singleton: Root.options.singleton)
    }

    func finished(name: String, singleton: ActionOptions.Singleton? = nil) -> ChildPlan {
        var program = ProgramSpec(name: name, actions: actions)
        program.composites = composites
        program.singleton = singleton?.spec(of: name, program: host.settings.program)
        return ChildPlan(program: program, steps: steps)
    }
}
