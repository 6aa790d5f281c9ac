import MusterCore
import MusterStore

/// Says why a thing is as it is: its state, the chain of causes to the first one, what it waits for, what a person can
/// do.
struct Explainer {
    struct Explanation: Encodable {
        struct Cause: Encodable {
            var thing: String
            var state: String
            var text: String
            var event: String?
        }
        var format = 1
        var thing: String
        var state: String
        var since: String?
        var because: [Cause] = []
        var waitsFor: [String] = []
        /// Each once, the first that helps first.
        var youCan: [String] = [] {
            didSet { youCan = youCan.reduce(into: []) { if !$0.contains($1) { $0.append($1) } } }
        }

        enum CodingKeys: String, CodingKey {
            case format, thing, state, since, because
            case waitsFor = "waits_for"
            case youCan = "you_can"
        }
    }

    let store: any Store
    let isConducted: Bool
    let lookup: RunLookup

    init(store: any Store, isConducted: Bool) {
        self.store = store
        self.isConducted = isConducted
        lookup = RunLookup(store: store)
    }

    func explain(_ thing: String) throws -> Explanation {
        if RunName(thing) != nil { return try run(lookup.find(thing)) }
        if let colon = thing.firstIndex(of: ":"), RunName(thing[..<colon]) != nil {
            let found = try StepLookup(store: store).find(thing)
            guard let view = try RunRecord(found.row, store: store, lookup: lookup) else { return try run(found.row) }
            return try step(found.step, in: view, called: thing)
        }
        let rows = try lookup.read { () throws(StoreError) in try store.plans(lab: nil, limit: 50) }
        let name = NodeName(thing)
        if let name, let node = try nodes().last(where: { $0.name == name }) { return try self.node(node) }
        let standings = try lookup.read { () throws(StoreError) in try GroupStandings.read(store) }
        if let standing = standings.lazy.compactMap({ $0[thing] }).first { return try group(standing) }
        for row in rows {
            guard let view = try RunRecord(row, store: store, lookup: lookup) else { continue }
            if let step = view.newestStep(called: thing) { return try self.step(step, in: view, called: thing) }
            if let group = view.spec.groups.first(where: { $0.name == name?.group }) {
                return try self.group(group, in: view, called: thing)
            }
        }
        throw CLIError(
            "nothing is called '\(thing)'; name a run (r-7f3k), a group (app), a node (app/1), a step (app/1:2) or a test (api//login)"
        )
    }

    private func nodes() throws -> [NodeRow] {
        try lookup.read { () throws(StoreError) in try store.nodes(lab: nil, includingGone: false) }
    }

    // MARK: Runs

    private func run(_ row: PlanRow) throws -> Explanation {
        let flaw = try lookup.read { () throws(StoreError) in try store.flaw(of: row) }
        var answer = Explanation(
            thing: RunName(row.id).description,
            state: row.stateText(isConducted: isConducted, flaw: flaw),
            since: (row.endedAt ?? row.startedAt ?? row.createdAt).rfc3339
        )
        if let flaw {
            let text = "\(flaw); nothing can go on with it"
            answer.because.append(.init(thing: answer.thing, state: answer.state, text: text))
            answer.youCan = ["muster halt \(RunName(row.id))", "muster down"]
            return answer
        }
        if let reason = row.reason {
            answer.because.append(.init(thing: answer.thing, state: answer.state, text: reason))
        }
        guard let view = try RunRecord(row, store: store, lookup: lookup) else { return answer }
        answer.because += view.failures.prefix(5).map { view.cause($0) }
        answer.waitsFor += view.running.prefix(10).map { view.waiting(for: $0) }
        if let waits = ProgramWaits(view, store: store, lookup: lookup) {
            answer.waitsFor += try waits.ofPlan()
            for step in view.steps.filter({ $0.spec.action.isCall && !$0.state.hasEnded && $0.state != .running })
                .prefix(10)
            {
                answer.waitsFor += try waits.of(step).map { "\(view.label(step)): \($0)" }
            }
            if let parent = row.parent {
                let name = "\(RunName(parent.plan)):\(parent.index + 1)"
                answer.because.append(.init(thing: name, state: "parent", text: "it is a sub-plan of this step"))
            }
            answer.youCan += programAdvice(view)
        }
        answer.youCan += advice(for: row)
        return answer
    }

    /// What a person can do with a program's plan and its steps besides what they can do with every run.
    private func programAdvice(_ view: RunRecord) -> [String] {
        guard view.row.state == .paused, isConducted || !view.failures.isEmpty else { return [] }
        return view.failures.prefix(3).flatMap { step in
            let name = "\(RunName(view.row.id)):\(step.index + 1)"
            return ["muster retry \(name)", "muster skip \(name)"]
        }
    }

    private func advice(for row: PlanRow) -> [String] {
        let name = RunName(row.id)
        if row.verb == .plan, row.state == .paused { return ["muster resume \(name)", "muster cancel \(name)"] }
        if row.isInterrupted(isConducted: isConducted) { return ["muster resume \(name)", "muster halt \(name)"] }
        switch row.state {
        case .paused: return ["muster resume \(name)", "muster cancel \(name)", "muster down"]
        case .running, .pending, .planned, .planning, .scheduled:
            return ["muster events -f --run \(name)", "muster cancel \(name)"]
        case .stopped: return row.verb == .test ? ["muster results \(name)"] : []
        }
    }

    // MARK: Nodes and groups

    private func node(_ node: NodeRow) throws -> Explanation {
        var answer = Explanation(
            thing: node.name.description,
            state: node.state.rawValue,
            since: node.since.rfc3339
        )
        if let reason = node.reason {
            answer.because.append(.init(thing: answer.thing, state: answer.state, text: reason))
        }
        if let holder = node.heldBy, let row = try lookup.read({ () throws(StoreError) in try store.plan(holder) }),
            let view = try RunRecord(row, store: store, lookup: lookup)
        {
            let mine = view.steps.filter { ($0.spec.node ?? $0.resource) == node.id }
            answer.waitsFor += mine.filter { $0.state == .running }.map { view.waiting(for: $0) }
            answer.because += mine.filter { $0.state == .error }.suffix(1).map { view.cause($0) }
            if let next = mine.first(where: { $0.state == .pending }), answer.waitsFor.isEmpty {
                answer.waitsFor += view.blockers(of: next).map { view.waiting(for: $0) }
            }
            answer.because.append(
                .init(
                    thing: RunName(holder).description,
                    state: row.stateText(isConducted: isConducted),
                    text: "holds it for \(row.verb.rawValue)"
                )
            )
            answer.youCan += advice(for: row)
        }
        try tellMode(of: node, in: &answer)
        answer.youCan += ["muster logs \(node.name)"]
        switch node.state {
        case .lost, .failed, .stopped, .quarantined: answer.youCan += ["muster up \(node.name.group)", "muster down"]
        case .ready: answer.youCan += ["muster exec \(node.name) -- COMMAND"]
        case .creating, .starting, .gone: break
        }
        return answer
    }

    private func group(_ standing: GroupStanding) throws -> Explanation {
        let since = standing.nodes.map(\.since).max() ?? standing.run.flatMap { $0.endedAt ?? $0.startedAt }
        var answer = Explanation(thing: standing.group, state: standing.state.rawValue, since: since?.rfc3339)
        if let reason = standing.reason {
            answer.because.append(.init(thing: standing.group, state: standing.state.rawValue, text: reason))
        }
        if let row = standing.run, let view = try RunRecord(row, store: store, lookup: lookup),
            let spec = view.spec.groups.first(where: { $0.name == standing.group })
        {
            let steps = try group(spec, in: view, called: standing.group)
            if standing.state == .failed || standing.state == .blocked { answer.because += steps.because }
            if !row.state.isFinal { answer.waitsFor += steps.waitsFor }
        }
        switch standing.state {
        case .failed where standing.run?.verb == .down:
            answer.youCan += ["muster down \(standing.group)", "muster down \(standing.group) --force"]
        case .failed, .blocked: answer.youCan += ["muster retry \(standing.group)", "muster down \(standing.group)"]
        case .gone: answer.youCan.append("muster up \(standing.group)")
        case .ready: answer.youCan.append("muster down \(standing.group)")
        case .waiting, .working, .tearingDown: answer.youCan.append("muster wait \(standing.group) ready")
        }
        if standing.nodes.isEmpty { answer.youCan.removeAll { $0.hasPrefix("muster down") } }
        if let row = standing.run, !row.state.isFinal { answer.youCan += advice(for: row) }
        return answer
    }

    private func group(_ group: GroupSpec, in view: RunRecord, called thing: String) throws -> Explanation {
        let state = view.state(of: group)
        var answer = Explanation(thing: thing, state: state.rawValue, since: view.row.startedAt?.rfc3339)
        let mine = view.steps.filter { $0.spec.isProvisioning && view.spec.groups[Int($0.spec.a)].name == group.name }
        answer.because += mine.filter { $0.state == .error }.prefix(3).map { view.cause($0) }
        answer.waitsFor += mine.filter { $0.state == .running }.prefix(5).map { view.waiting(for: $0) }
        if let first = mine.first(where: { $0.state == .pending && $0.spec.b == 0 }), answer.waitsFor.isEmpty {
            for blocker in view.blockers(of: first) {
                answer.waitsFor.append(view.waiting(for: blocker))
                answer.because += view.rootCauses(of: blocker).prefix(3).map { view.cause($0) }
            }
        }
        answer.youCan += advice(for: view.row)
        return answer
    }

    // MARK: Steps and tests

    private func step(_ step: StepRow, in view: RunRecord, called thing: String) throws -> Explanation {
        var answer = Explanation(
            thing: thing,
            state: step.state.rawValue,
            since: (step.endedAt ?? step.startedAt ?? view.row.startedAt)?.rfc3339
        )
        switch step.state {
        case .error, .cancelled, .skipped, .success: answer.because.append(view.cause(step))
        case .suspended: break  // what it waits for is said below
        case .running, .skipping: answer.waitsFor.append(view.waiting(for: step))
        case .pending:
            if let error = step.error {
                answer.because.append(
                    .init(thing: view.label(step), state: "retrying", text: error.message)
                )
            }
            for blocker in view.blockers(of: step) {
                answer.waitsFor.append(view.waiting(for: blocker))
                answer.because += view.rootCauses(of: blocker).prefix(3).map { view.cause($0) }
            }
            if step.spec.pool >= 0, answer.waitsFor.isEmpty { answer.waitsFor.append("a free node of its group") }
        }
        if let waits = ProgramWaits(view, store: store, lookup: lookup) {
            answer.waitsFor += try waits.of(step)
            answer.youCan += programAdvice(view) + advice(for: view.row)
        } else {
            answer.youCan += ["muster logs '\(thing)'"] + advice(for: view.row)
        }
        return answer
    }
}

/// One run's rows, for explaining.
struct RunRecord {
    let row: PlanRow
    let spec: RunSpec
    let steps: [StepRow]
    let timers: [TimerRow]

    /// nil when it is not there, or its rows are broken: `why` of the run itself says what is wrong with them.
    init?(_ row: PlanRow, store: any Store, lookup: RunLookup) throws {
        guard try lookup.read({ () throws(StoreError) in try store.flaw(of: row) }) == nil else { return nil }
        guard let spec = try lookup.read({ () throws(StoreError) in try store.spec(of: row.id) }) else { return nil }
        self.row = row
        self.spec = spec
        steps = try lookup.read { () throws(StoreError) in try store.steps(of: row.id) }
        timers = try lookup.read { () throws(StoreError) in try store.timers(of: row.id) }
    }

    var failures: [StepRow] { steps.filter { $0.state == .error } }
    var running: [StepRow] { steps.filter { $0.state == .running } }

    func label(_ step: StepRow) -> String { spec.label(of: step.spec) }

    func newestStep(called thing: String) -> StepRow? {
        steps.last {
            LogFinder.matches(spec, $0.spec, thing)
                && ($0.spec.action == .attempt || thing.contains(":") || thing.contains(" "))
                && ($0.spec.action != .member || thing.hasSuffix("]"))
        }
    }

    func cause(_ step: StepRow) -> Explainer.Explanation.Cause {
        .init(
            thing: label(step),
            state: step.state.rawValue,
            text: step.error?.message ?? step.state.rawValue,
            event: step.endedAt?.rfc3339
        )
    }

    /// What waiting for this step means, with its deadline where it has one.
    func waiting(for step: StepRow) -> String {
        if let timer = timers.first(where: { $0.step.index == step.index }) {
            return "\(label(step)), tried again at \(timer.dueAt.rfc3339)"
        }
        guard step.state == .running, let begin = step.startedAt, let limit = timeout(of: step.spec) else {
            return "\(label(step)) (\(step.state.rawValue))"
        }
        return "\(label(step)) (running since \(begin.rfc3339), at most until \((begin + limit).rfc3339))"
    }

    private func timeout(of step: StepSpec) -> Duration? {
        switch step.action {
        case .provision, .undo: spec.groups[Int(step.a)].steps[Int(step.b)].timeout
        case .ready: spec.groups[Int(step.a)].ready.map(\.within).reduce(.zero, +)
        case .attempt, .member: spec.suites[Int(step.a)].tests[Int(step.b)].timeout
        case .before, .after: Defaults.stepTimeout
        case .exec: spec.exec?.timeout
        case .command: spec.order?.within
        case .pause: spec.order?.pause
        case .call, .finalize, .revert:
            spec.program.flatMap { program in
                program.actions.indices.contains(Int(step.a)) ? program.actions[Int(step.a)].timeout : nil
            }
        case .barrier, .noop, .destroy, .capability: nil
        }
    }

    /// The steps it needs that have not succeeded.
    func blockers(of step: StepRow) -> [StepRow] {
        step.needs.map { steps[Int($0)] }.filter { !$0.state.satisfiesNeeds }
    }

    /// The failures, or running steps, at the beginning of a chain of waiting.
    func rootCauses(of step: StepRow) -> [StepRow] {
        var causes: [StepRow] = []
        var seen: Set<StepIndex> = []
        var stack = [step]
        while let next = stack.popLast() {
            guard seen.insert(next.index).inserted else { continue }
            let blockers = blockers(of: next)
            if next.state == .error || (blockers.isEmpty && next.state != .pending) { causes.append(next) }
            stack += blockers
        }
        return causes.sorted { $0.index < $1.index }
    }

    func state(of group: GroupSpec) -> GroupState {
        let mine = steps.filter { $0.spec.isProvisioning && spec.groups[Int($0.spec.a)].name == group.name }
        if mine.contains(where: { $0.state == .error }) { return .failed }
        if mine.allSatisfy(\.state.satisfiesNeeds) { return .ready }
        if mine.contains(where: { $0.state == .running || $0.tries > 0 }) { return .working }
        let blocked = mine.first.map { first in
            blockers(of: first).contains { !rootCauses(of: $0).filter { $0.state == .error }.isEmpty }
        }
        return blocked == true ? .blocked : .waiting
    }
}

extension StepSpec {
    /// Whether it is part of getting a node ready.
    var isProvisioning: Bool { action == .provision || action == .ready }
}
