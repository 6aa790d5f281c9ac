extension RunMachine {
    /// Takes a stored run back in. It is held: it does nothing until somebody asks to go on.
    package init(restoring stored: Snapshot.Plan, nodes: NodeTable, policies: TestPolicies = .declared) {
        self.init(row: stored.row, spec: stored.spec, policies: policies)
        let filled = filledPlaces(in: stored.steps)
        let made = placesMadeAtFirst(in: stored.steps)
        for step in stored.steps {
            let place = Place(group: step.spec.a, slot: step.spec.c)
            plan.restore(step, countsForThresholds: filled.contains(place))
            note(step)
        }
        restoreFailedSetups(from: stored.steps)
        for attempt in stored.attempts {
            let step = stored.steps[Int(attempt.step)].spec
            suites[Int(step.a)].restore(attempt, of: Int(step.b))
        }
        for group in groups.indices { restoreSlots(of: group, nodes: nodes, filled: filled, made: made) }
        // Those that are replaced have left their places.
        for node in going.keys {
            if let row = nodes[node], row.state == .stopped, place(of: row) != nil { released.insert(node) }
        }
        restoreRules(of: stored.steps, nodes: nodes)
        plan.restoreOrder()
        plan.restoreReady(timers: stored.timers.map(\.step.index))
        for step in stored.steps where step.state == .running {
            guard let node = step.spec.node ?? step.resource else { continue }
            busy[node] = step.index
            guard let row = nodes[node], row.state == .lost, endsWithItsNode(step.index) else { continue }
            lost[node] = row.reason ?? "lost"
        }
        for group in groups.indices where groups[group].isForTests {
            for (slot, place) in groups[group].slots.enumerated() {
                guard let node = place.node, busy[node] == nil, nodes[node]?.state == .ready else { continue }
                addToPools(node, group, slot)
            }
        }
        mayBeShort = true
        pauseReason = stored.row.state == .running ? pausingFailure() : nil
        isHeld = stored.row.state == .running || stored.row.state == .pending
    }

    private struct Place: Hashable {
        let group: Int32
        let slot: Int32
    }

    /// The places in which some node became ready. Steps that were skipped there were made up for by a replacement;
    /// elsewhere the run went on without the node.
    private func filledPlaces(in steps: [StepRow]) -> Set<Place> {
        var filled: Set<Place> = []
        for step in steps where step.state == .success && step.spec.action.isBringingUp {
            let group = spec.groups[Int(step.spec.a)]
            let isLast = group.ready.isEmpty ? Int(step.spec.b) == group.steps.count - 1 : step.spec.action == .ready
            if isLast { filled.insert(Place(group: step.spec.a, slot: step.spec.c)) }
        }
        return filled
    }

    /// The places for which the run made a node when it began, and not only to replace one that was up: those steps
    /// stand before the point at which the whole group is ready.
    private func placesMadeAtFirst(in steps: [StepRow]) -> Set<Place> {
        var made: Set<Place> = []
        var isExpanded: Set<Int32> = []
        for step in steps {
            switch step.spec.action {
            case .barrier where step.spec.b == 1 && step.spec.threshold == nil: isExpanded.insert(step.spec.a)
            case .provision where !isExpanded.contains(step.spec.a):
                made.insert(Place(group: step.spec.a, slot: step.spec.c))
            // Also where a place was empty at first: there was nothing to destroy.
            case .provision where step.spec.b == 0 && !step.needs.contains(where: { isDestroy(steps[Int($0)]) }):
                made.insert(Place(group: step.spec.a, slot: step.spec.c))
            case .provision, .ready, .undo, .destroy, .before, .after, .attempt, .member, .exec, .barrier, .noop,
                .call, .finalize, .revert, .command, .pause, .capability:
                break
            }
        }
        return made
    }

    private func isDestroy(_ step: StepRow) -> Bool { step.spec.action == .destroy }

    /// Remembers which part of the run a stored step is.
    private mutating func note(_ step: StepRow) {
        let a = Int(step.spec.a)
        if step.spec.action.beginsSuite, step.tries > 0 { hasBegun[a] = true }
        switch step.spec.action {
        case .provision, .ready:
            let slot = Int(step.spec.c)
            if groups[a].slots[slot].node != step.spec.node {
                let old = groups[a].slots[slot].chain
                groups[a].slots[slot].superseded += old.filter { !plan.state(of: $0).satisfiesNeeds }
                groups[a].slots[slot].chain = []
                groups[a].slots[slot].node = step.spec.node
            }
            groups[a].slots[slot].chain.append(step.index)
        case .attempt: suites[a].restore(plannedAttempt: Int(step.spec.c), of: Int(step.spec.b))
        case .before: before[a] = step.index
        case .after: after[a] = step.index
        case .destroy: if let node = step.spec.node { going[node] = step.index }
        case .member, .barrier, .noop, .undo, .exec, .call, .finalize, .revert, .command, .pause, .capability: break
        }
    }

    private mutating func restoreSlots(
        of group: Int,
        nodes: NodeTable,
        filled: Set<Place>,
        made: Set<Place>
    ) {
        for slot in groups[group].slots.indices {
            let name = NodeName(group: spec.groups[group].name, index: slot)
            let place = Place(group: Int32(group), slot: Int32(slot))
            if groups[group].slots[slot].node == nil {
                // What makes way for a node that was never made leaves its place empty.
                let present = nodes.current(lab: spec.lab, name)?.id
                let isEmpty = spec.groups[group].isStandby(slot) && present.map { going[$0] != nil } ?? true
                groups[group].slots[slot].node = isEmpty ? nil : present
                if isEmpty, spec.groups[group].isStandby(slot) { continue }
            }
            groups[group].slots[slot].wasUp = !made.contains(place)
            groups[group].slots[slot].wasFilled = filled.contains(place) || !made.contains(place)
            // A replacement that became ready before the crash had its predecessors' steps skipped with it.
            if groups[group].slots[slot].node.flatMap({ nodes[$0] })?.state == .ready {
                groups[group].slots[slot].superseded = []
            }
        }
    }

    /// Whether a step on a node is ended when the node is lost.
    func endsWithItsNode(_ step: StepIndex) -> Bool {
        switch plan.spec(of: step).action {
        case .attempt, .member: !test(of: step).destructive
        case .provision, .ready: true
        case .undo, .destroy, .before, .after, .exec, .barrier, .noop, .call, .finalize, .revert, .command, .pause,
            .capability:
            false
        }
    }

    /// A failure that the lab wants a person for, when there is one.
    private func pausingFailure() -> String? {
        for step in plan.steps(in: .error) {
            guard plan.row.phase == .main || plan.isOfTeardown(step) else { continue }
            let stepSpec = plan.spec(of: step)
            if let error = plan.error(of: step), error.code.wantsPerson {
                return "\(label(of: step)): \(error.message)"
            }
            guard stepSpec.action == .provision || stepSpec.action == .ready else { continue }
            let group = spec.groups[Int(stepSpec.a)]
            let own = stepSpec.action == .provision ? group.steps[Int(stepSpec.b)].onFailure : nil
            guard (own ?? group.onFailure) == .pause else { continue }
            return "\(label(of: step)) failed: \(plan.error(of: step)?.message ?? "")"
        }
        return nil
    }
}
