extension RunMachine {
    // MARK: Bringing up

    /// Adds the steps of an `up` or a `test`: nodes that are ready are used as they are, all others are made.
    mutating func expand(in context: inout RunContext, into turn: inout Turn) {
        var gates: [String: StepIndex] = [:]
        var finals: [Int: [StepIndex]] = [:]
        var readyCounts: [Int: Int32] = [:]
        let removals = makeWay(in: &context)
        // What changes goes as in a `down`, before anything is made: hosts and addresses of what goes are free then.
        let gate =
            spec.changes == nil || removals.isEmpty
            ? nil : plan.append(StepSpec(.barrier), needs: removals.values.sorted())
        for group in spec.groups.indices {
            let needs = gateSteps(
                for: spec.groups[group].needs,
                gates: &gates,
                finals: finals,
                readyCounts: readyCounts
            )
            let made = bringUp(group, needs: needs, removals: removals, gate: gate, in: &context, into: &turn)
            finals[group] = made.finals
            readyCounts[group] = made.ready
            // Groups without machines only pass on what they wait for.
            gates[spec.groups[group].name] = plan.append(
                StepSpec(.barrier, a: Int32(group), b: 1),
                needs: spec.groups[group].hasNodes ? made.finals : needs
            )
        }
        for suite in suites.indices {
            let needs = gateSteps(
                for: spec.suites[suite].needs,
                gates: &gates,
                finals: finals,
                readyCounts: readyCounts
            )
            begin(suite, needs: needs)
        }
    }

    /// The barriers that stand for what is needed; one that asks for a number of nodes is made on first use.
    private mutating func gateSteps(
        for needs: [Need],
        gates: inout [String: StepIndex],
        finals: [Int: [StepIndex]],
        readyCounts: [Int: Int32]
    ) -> [StepIndex] {
        needs.compactMap { need in
            guard let wanted = need.ready, let group = groupIndex(of: need.group) else { return gates[need.group] }
            let key = "\(need.group) \(wanted)"
            if let gate = gates[key] { return gate }
            let threshold = max(0, Int32(wanted) - readyCounts[group, default: 0])
            let gate = plan.append(
                StepSpec(.barrier, a: Int32(group), b: 1, threshold: threshold),
                needs: finals[group, default: []]
            )
            gates[key] = gate
            return gate
        }
    }

    /// The barriers that a group waits for, as the run made them when it began.
    func gates(of group: Int) -> [StepIndex] {
        spec.groups[group].needs.compactMap { need -> StepIndex? in
            guard let needed = groupIndex(of: need.group) else { return nil }
            let present = Int32(groups[needed].slots.count { $0.wasUp })
            let threshold = need.ready.map { max(0, Int32($0) - present) }
            return (0..<StepIndex(plan.count)).first { step in
                let spec = plan.spec(of: step)
                return spec.action == .barrier && spec.a == Int32(needed) && spec.b == 1 && spec.threshold == threshold
            }
        }
    }

    /// Adds the taking down of what makes way: what the lab has otherwise now, or not any more, and what is not ready.
    /// What needs others goes before them. Returns the last step of each node.
    private mutating func makeWay(in context: inout RunContext) -> [NodeID: StepIndex] {
        let going = spec.changes?.all ?? []
        let nodes = context.nodes
        var doomed = nodes.of(lab: spec.lab).filter { going.contains($0.id) }
        for group in groups.indices {
            for slot in groups[group].slots.indices {
                let name = NodeName(group: spec.groups[group].name, index: slot)
                guard let present = nodes.current(lab: spec.lab, name), present.state != .ready,
                    !going.contains(present.id)
                else { continue }
                doomed.append(present)
            }
        }
        for node in doomed { context.nodes.change(node.id) { $0.heldBy = id } }
        return appendTeardown(of: doomed, in: context)
    }

    private mutating func bringUp(
        _ group: Int,
        needs: [StepIndex],
        removals: [NodeID: StepIndex],
        gate: StepIndex?,
        in context: inout RunContext,
        into turn: inout Turn
    ) -> (finals: [StepIndex], ready: Int32) {
        var finals: [StepIndex] = []
        var ready: Int32 = 0
        for slot in groups[group].slots.indices {
            let name = NodeName(group: spec.groups[group].name, index: slot)
            let present = context.nodes.current(lab: spec.lab, name)
            if let present, present.state == .ready, removals[present.id] == nil {
                groups[group].slots[slot].node = present.id
                groups[group].slots[slot].wasFilled = true
                groups[group].slots[slot].wasUp = true
                context.nodes.change(present.id) { $0.heldBy = id }
                addToPools(present.id, group, slot)
                ready += 1
                continue
            }
            // Made only when tests wait for more than there are.
            if spec.groups[group].isStandby(slot) { continue }
            let before = gate ?? present.flatMap { removals[$0.id] }
            let chainNeeds = before.map { needs + [$0] } ?? needs
            let final = make(group, slot, replacements: 0, needs: chainNeeds, in: &context, into: &turn)
            // Nobody waits for spares.
            if let final, slot < spec.groups[group].count { finals.append(final) }
        }
        return (finals, ready)
    }

    /// Makes a node for a slot and adds the steps that get it ready; returns the last of them.
    @discardableResult
    mutating func make(
        _ group: Int,
        _ slot: Int,
        replacements: Int32,
        needs: [StepIndex],
        in context: inout RunContext,
        into turn: inout Turn
    ) -> StepIndex? {
        let groupSpec = spec.groups[group]
        guard let creating = groupSpec.steps.first(where: { $0.kind.creates }) else { return nil }
        let node = context.nodes.make(
            lab: spec.lab,
            name: NodeName(group: groupSpec.name, index: slot),
            driver: creating.kind.word,
            plan: id,
            replacements: replacements,
            into: &turn
        )
        var chain: [StepIndex] = []
        for step in groupSpec.steps.indices {
            chain.append(
                plan.append(
                    StepSpec(.provision, a: Int32(group), b: Int32(step), c: Int32(slot), node: node),
                    needs: chain.last.map { [$0] } ?? needs
                )
            )
        }
        if !groupSpec.ready.isEmpty {
            chain.append(
                plan.append(
                    StepSpec(.ready, a: Int32(group), c: Int32(slot), node: node),
                    needs: chain.last.map { [$0] } ?? needs
                )
            )
        }
        groups[group].slots[slot].node = node
        groups[group].slots[slot].chain = chain
        return chain.last
    }

    // MARK: Tests

    private mutating func begin(_ suite: Int, needs: [StepIndex]) {
        let suiteSpec = spec.suites[suite]
        var needs = needs
        if suiteSpec.before != nil {
            let step = plan.append(StepSpec(.before, a: Int32(suite), pool: pool(of: suite)), needs: needs)
            before[suite] = step
            needs = [step]
        }
        for test in suiteSpec.tests.indices { appendAttempt(of: test, in: suite, needs: needs) }
    }

    mutating func appendAttempt(of test: Int, in suite: Int, needs: [StepIndex] = [], rule: NodeRule? = nil) {
        let number = suites[suite].planAttempt(of: test)
        let testSpec = spec.suites[suite].tests[test]
        let team = seats(of: test, in: suite)
        if let rule { plan.rules[StepIndex(plan.count)] = rule }
        if team == nil, let kind = kin(of: test, in: suite) { plan.kin[StepIndex(plan.count)] = kind }
        if let team {
            plan.teams[StepIndex(plan.count)] = team
            mayBeShort = true
        }
        plan.append(
            StepSpec(
                .attempt,
                a: Int32(suite),
                b: Int32(test),
                c: Int32(number),
                pool: pool(of: suite),
                priority: suites[suite].policies.order.priority(
                    of: testSpec,
                    attempt: number,
                    in: suites[suite].rules
                )
            ),
            needs: needs
        )
        for place in team?.seats.indices.dropFirst() ?? 0..<0 {
            plan.append(
                StepSpec(
                    .member,
                    a: Int32(suite),
                    b: Int32(test),
                    c: Int32(number),
                    pool: pool(of: suite),
                    priority: Int64(place)
                ),
                needs: []
            )
        }
    }

    /// The number of the snapshot that a test wants, where the suite's order is by those.
    func kin(of test: Int, in suite: Int) -> Int32? {
        guard spec.suites[suite].order == .sameSnapshot else { return nil }
        return spec.suites[suite].tests[test].snapshot.flatMap { snapshots[$0] }
    }

    /// Adds the suite's `after` once all its tests have ended, when its `before`, or without one some test, had been
    /// started.
    mutating func appendAfterIfDue(_ suite: Int) {
        guard suites[suite].hasEnded, after[suite] == nil, spec.suites[suite].after != nil else { return }
        guard hasBegun[suite] else { return }
        after[suite] = plan.append(StepSpec(.after, a: Int32(suite), pool: pool(of: suite)), needs: [])
        mayBeShort = true
    }

    // MARK: Exec

    mutating func expandExec(in context: RunContext) {
        guard let exec = spec.exec else { return }
        for (index, name) in exec.nodes.enumerated() {
            guard let node = context.nodes.current(lab: spec.lab, name) else { continue }
            plan.append(StepSpec(.exec, a: Int32(index), node: node.id), needs: [])
        }
    }

    // MARK: Taking down

    /// Adds the steps that undo and destroy a node: what was started last is undone first. Returns the last of them.
    ///
    /// - Parameter strictly: an error stops what comes after it.
    mutating func appendRemoval(
        of node: NodeRow,
        needs: [StepIndex],
        strictly: Bool = false,
        in context: RunContext
    ) -> StepIndex {
        let creator = node.createdBy == id ? spec : (context.specs[node.createdBy] ?? spec)
        let group = creator.groups.firstIndex { $0.name == node.name.group }
        var last = needs
        let steps = group.map { creator.groups[$0].steps } ?? []
        for step in steps.indices.reversed() where step < node.stepsStarted && steps[step].undo != nil {
            last = [
                plan.append(
                    StepSpec(
                        .undo,
                        a: Int32(group ?? -1),
                        b: Int32(step),
                        c: Int32(node.name.index),
                        node: node.id,
                        startsAfterFailure: !strictly
                    ),
                    needs: last
                )
            ]
        }
        let end = plan.append(
            StepSpec(
                .destroy,
                a: Int32(group ?? -1),
                c: Int32(node.name.index),
                node: node.id,
                startsAfterFailure: !strictly
            ),
            needs: last
        )
        going[node.id] = end
        return end
    }

    /// Adds the taking down of nodes: those that need others go before what they need. Returns the last step of each.
    @discardableResult
    mutating func appendTeardown(of doomed: [NodeRow], in context: RunContext) -> [NodeID: StepIndex] {
        if doomed.isEmpty { return [:] }
        let strictly = spec.tearsDownStrictly
        var last: [NodeID: StepIndex] = [:]
        var needs: [String: Set<String>] = [:]
        var byGroup: [String: [NodeRow]] = [:]
        for node in doomed {
            byGroup[node.name.group, default: []].append(node)
            let creator = node.createdBy == id ? spec : (context.specs[node.createdBy] ?? spec)
            for group in creator.groups { needs[group.name, default: []].formUnion(group.needs.map(\.group)) }
        }
        // Groups may need each other through groups that have no node here: those stay as points to wait for.
        var gates: [String: StepIndex] = [:]
        var dependents: [String: [String]] = [:]
        // In order: which step gets which number must not depend on how names hash.
        for group in needs.keys.sorted() {
            for name in needs[group, default: []] { dependents[name, default: []].append(group) }
        }
        for group in Self.dependentsFirst(Array(needs.keys).sorted(), dependents: dependents) {
            let waitsFor = dependents[group, default: []].compactMap { gates[$0] }
            var ends: [StepIndex] = []
            for node in byGroup[group, default: []].sorted(by: { $0.id < $1.id }) {
                let end = appendRemoval(of: node, needs: waitsFor, strictly: strictly, in: context)
                last[node.id] = end
                ends.append(end)
            }
            gates[group] = plan.append(
                StepSpec(.barrier, startsAfterFailure: !strictly),
                needs: ends.isEmpty ? waitsFor : ends
            )
        }
        return last
    }

    /// Each group after all that need it. Groups of different versions of a lab might form a cycle: it is cut.
    private static func dependentsFirst(_ groups: [String], dependents: [String: [String]]) -> [String] {
        var order: [String] = []
        var seen: Set<String> = []
        for group in groups where seen.insert(group).inserted {
            var stack = [(name: group, next: 0)]
            while let (name, next) = stack.last {
                let above = dependents[name, default: []]
                guard next < above.count else {
                    order.append(name)
                    stack.removeLast()
                    continue
                }
                stack[stack.count - 1].next += 1
                if seen.insert(above[next]).inserted { stack.append((above[next], 0)) }
            }
        }
        return order
    }
}
