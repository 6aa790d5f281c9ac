package import MusterCore

/// A model of what a store would hold: it applies turns as a store does, and notes every turn that contradicts itself,
/// what is stored, or what a plan may do.
package struct StoredRows: Sendable {
    package private(set) var plans: [PlanID: PlanRow] = [:]
    package private(set) var specs: [PlanID: RunSpec] = [:]
    package private(set) var steps: [PlanID: [StepRow]] = [:]
    package private(set) var nodes: [NodeID: NodeRow] = [:]
    package private(set) var timers: [StepID: TimerRow] = [:]
    package private(set) var attempts: [PlanID: [AttemptRow]] = [:]
    package private(set) var events: [EventRow] = []
    /// What was wrong, in words, in the order it was found.
    package private(set) var violations: [String] = []

    package init() {}

    package mutating func apply(_ turn: Turn) {
        expectOnce(turn.plans.map(\.id), "plan")
        expectOnce(turn.steps.map { StepID(plan: $0.plan, index: $0.index) }, "step")
        expectOnce(turn.nodes.map(\.id), "node")
        for (id, spec) in turn.newSpecs {
            expect(specs[id] == nil, "plan \(id.rawValue) is made twice")
            expect(turn.plans.contains { $0.id == id }, "plan \(id.rawValue) has a request and no row")
            specs[id] = spec
        }
        for row in turn.plans { apply(row) }
        for row in turn.steps { apply(row) }
        for row in turn.steps { checkStart(row) }
        for row in turn.nodes {
            expect(nodes[row.id]?.state != .gone, "node \(row.id.rawValue) is changed after it is gone")
            nodes[row.id] = row
        }
        for timer in turn.timersSet { timers[timer.step] = timer }
        for step in turn.timersCleared { timers[step] = nil }
        for row in turn.attempts { apply(row) }
        for var event in turn.events {
            event.position = Int64(events.count) + 1
            let last = events.last.map { $0.epoch == event.epoch ? $0.number : 0 } ?? 0
            expect(event.number == last + 1, "event \(event.number) comes after \(last)")
            events.append(event)
        }
        for plan in Set(turn.steps.map(\.plan)) { checkNodesAreSharedByNobody(plan) }
        for row in turn.plans where row.state.isFinal { checkEnd(row) }
    }

    private mutating func apply(_ row: PlanRow) {
        expect(specs[row.id] != nil, "plan \(row.id.rawValue) has no request")
        if let stored = plans[row.id], stored.state != row.state {
            expect(mayReach(row.state, from: stored.state), "plan \(row.id.rawValue): \(stored.state) → \(row.state)")
        }
        plans[row.id] = row
    }

    /// Several changes of one turn are one row.
    private func mayReach(_ state: PlanState, from: PlanState) -> Bool {
        from.mayBecome(state)
            || PlanState.allCases.contains { from.mayBecome($0) && $0 != from && $0.mayBecome(state) }
            || from == .pending
    }

    private mutating func apply(_ row: StepRow) {
        var row = row
        let name = "step \(row.plan.rawValue)/\(row.index)"
        expect(plans[row.plan] != nil, "\(name) has no plan")
        var stored = steps[row.plan, default: []]
        if row.isNew {
            guard Int(row.index) == stored.count else {
                violations.append("\(name) is new, and \(stored.count) are stored")
                return
            }
            row.isNew = false
            stored.append(row)
        } else {
            guard stored.indices.contains(Int(row.index)) else {
                violations.append("\(name) is changed and was never made")
                return
            }
            let old = stored[Int(row.index)]
            expect(old.spec == row.spec, "\(name): its spec changes")
            // A start that came to nothing is taken back, and with it its try.
            let isTakenBack = old.state == .running && row.state == .pending && row.tries == old.tries - 1
            expect(old.tries <= row.tries || isTakenBack, "\(name): its tries go back")
            expect(old.state != .success || row.state == .success, "\(name): success → \(row.state)")
            row.needs = old.needs
            stored[Int(row.index)] = row
        }
        steps[row.plan] = stored
    }

    /// No step starts before everything it needs has succeeded.
    private mutating func checkStart(_ row: StepRow) {
        guard let stored = steps[row.plan], stored.indices.contains(Int(row.index)) else { return }
        let step = stored[Int(row.index)]
        guard step.state == .running else { return }
        let needed = step.needs.map { stored[Int($0)].state }
        let met = needed.count { $0.satisfiesNeeds || (step.spec.startsAfterFailure && $0.hasEnded) }
        expect(
            met >= step.spec.threshold.map(Int.init) ?? needed.count,
            "step \(row.plan.rawValue)/\(row.index) (\(step.spec.action)) runs although it needs \(needed)"
        )
    }

    private mutating func apply(_ row: AttemptRow) {
        let known = attempts[row.plan, default: []]
        let isKnown = known.contains { $0.suite == row.suite && $0.test == row.test && $0.number == row.number }
        expect(!isKnown, "attempt \(row.suite)//\(row.test)#\(row.number) is stored twice")
        attempts[row.plan] = known + [row]
    }

    private mutating func checkNodesAreSharedByNobody(_ plan: PlanID) {
        let busy = steps[plan, default: []].filter { $0.state == .running }.compactMap { $0.spec.node ?? $0.resource }
        expect(Set(busy).count == busy.count, "a node is given to two steps of plan \(plan.rawValue) at once")
    }

    private mutating func checkEnd(_ row: PlanRow) {
        let name = "plan \(row.id.rawValue)"
        expect(row.result != .pending, "\(name) stops with a result that is pending")
        expect(row.endedAt != nil, "\(name) stops at no time")
        expect(!steps[row.id, default: []].contains { $0.state == .running }, "\(name) stops with a running step")
        expect(!timers.keys.contains { $0.plan == row.id }, "\(name) stops with a timer")
        for node in nodes.values where node.heldBy == row.id {
            violations.append("\(name) stops and holds \(node.name)")
        }
        for node in nodes.values where node.createdBy == row.id {
            expect(node.state != .creating && node.state != .starting, "\(name) stops with \(node.name) \(node.state)")
        }
    }

    private mutating func expectOnce<T: Hashable>(_ ids: [T], _ what: String) {
        expect(Set(ids).count == ids.count, "a turn writes a \(what) twice: \(ids)")
    }

    private mutating func expect(_ condition: Bool, _ text: @autoclosure () -> String) {
        if !condition { violations.append(text()) }
    }

    /// What the next conductor would load.
    package func snapshot() -> Snapshot {
        var snapshot = Snapshot()
        for row in plans.values.sorted(by: { $0.id < $1.id }) where !row.state.isFinal {
            guard let spec = specs[row.id] else { continue }
            snapshot.plans.append(
                Snapshot.Plan(
                    row: row,
                    spec: spec,
                    steps: steps[row.id, default: []],
                    timers: timers.values.filter { $0.step.plan == row.id }.sorted { $0.step.index < $1.step.index },
                    attempts: attempts[row.id, default: []].sorted { $0.step < $1.step }
                )
            )
        }
        snapshot.nodes = nodes.values.filter { $0.state != .gone }.sorted { $0.id < $1.id }
        for node in snapshot.nodes { snapshot.specs[node.createdBy] = specs[node.createdBy] }
        snapshot.lastPlan = plans.keys.map(\.rawValue).max() ?? 0
        snapshot.lastNode = nodes.keys.map(\.rawValue).max() ?? 0
        snapshot.lastEvent = Int64(events.count)
        return snapshot
    }
}
