// How many nodes tests can use, and how many there are: who is made, and who need not be.

/// What a test whose node is used up asks for, before it waits for it.
enum NodeClaim: Hashable, Sendable {
    case none
    /// A node, whichever.
    case anyPlace
    /// The one that comes in the place of its own.
    case thisPlace
}

extension RunMachine {
    /// Whether a place is filled again whatever tests need: machines stay there after the run.
    func keepsPlace(_ group: Int, _ slot: Int) -> Bool { spec.keep != .never || groups[group].slots[slot].wasUp }

    /// Whether tests can use another node of a group besides those that are free or in the making.
    ///
    /// While tests wait for several nodes at once, or may come to, every place is filled; for each that must not run
    /// just anywhere there is one node on which it may. Of pools that share nodes each is looked at as if all the tests
    /// of those it shares with came to it.
    func lacksNodes(_ group: Int, claim: NodeClaim = .none, _ nodes: NodeTable) -> Bool {
        guard hasTestsLeft(for: group) else { return false }
        if wantsTeams(group) { return true }
        return groups[group].pools.contains { pool in
            let members = groups.indices.filter { groups[$0].pools.contains(pool) }
            if lacksOthers(pool, members, nodes) { return true }
            let rivals = Set(members.flatMap { groups[$0].pools })
            let wanted = rivals.reduce(claim == .none ? 0 : 1) { $0 + demand(ofPool: $1) }
            return wanted > members.reduce(0) { $0 + supply(of: $1, nodes) }
        }
    }

    /// Whether tests wait for several nodes at once, or may come to when their suite begins.
    private func wantsTeams(_ group: Int) -> Bool {
        let pools = groups[group].pools
        if pools.contains(where: { plan.hasTeams(inPool: $0) }) { return true }
        return teamSuites.contains { !suites[$0].hasEnded && pools.contains(pool(of: $0)) && !isOpen($0) }
    }

    /// Whether the tests of a suite wait for nodes, and for nothing else.
    private func isOpen(_ suite: Int) -> Bool {
        let isOpen = before[suite].map { plan.state(of: $0).hasEnded } ?? spec.suites[suite].needs.isEmpty
        return isOpen || hasBegun[suite]
    }

    /// Whether fewer nodes come than there are tests that must not run just anywhere, and that could run on one of
    /// them.
    private func lacksOthers(_ pool: Int32, _ members: [Int], _ nodes: NodeTable) -> Bool {
        let rules = plan.exclusions(inPool: pool)
        guard !rules.isEmpty else { return false }
        let coming = members.flatMap { groups[$0].slots.filter { isSupply($0, nodes) }.compactMap(\.node) }
        let useful = coming.count { node in rules.contains { $0.allows(node) } }
        return useful < rules.count || rules.contains { rule in !coming.contains(where: rule.allows) }
    }

    /// How many nodes of a pool are waited for, now or by what is sure to come, and are kept for what may come.
    private func demand(ofPool pool: Int32) -> Int {
        let standing = plan.standing(ofPool: pool)
        var left = 0
        var wrappers = 0
        var allWait = true
        for suite in suites.indices where self.pool(of: suite) == pool {
            if after[suite].map({ !plan.state(of: $0).hasEnded }) ?? (spec.suites[suite].after != nil) { wrappers += 1 }
            guard !suites[suite].hasEnded else { continue }
            left += suites[suite].remaining
            allWait = allWait && isOpen(suite)
        }
        // Of those that wait some may have ended in the queue: no more wait than are left.
        let tests = max(0, left - standing.running)
        let waiting = allWait ? min(standing.waiting, tests + wrappers) : tests + wrappers
        let coming = allWait ? max(waiting, min(wrappers, 1)) : waiting
        return coming + min(coming + standing.running, reserve(ofPool: pool))
    }

    /// How many nodes of a group are free, or will be when they are set up.
    private func supply(of group: Int, _ nodes: NodeTable) -> Int {
        groups[group].slots.count { isSupply($0, nodes) }
    }

    private func isSupply(_ slot: Slot, _ nodes: NodeTable) -> Bool {
        guard let node = slot.node, going[node] == nil, let row = nodes[node] else { return false }
        switch row.state {
        case .ready: return busy[node] == nil
        case .creating, .starting:
            if let first = slot.chain.first, plan.tries(of: first) == 0, plan.retrying.contains(first) { return false }
            return !slot.chain.contains { plan.state(of: $0) == .error || plan.state(of: $0) == .cancelled }
        case .lost, .stopped, .failed, .quarantined, .gone: return false
        }
    }

    // MARK: Empty places

    /// Makes nodes in places that are empty, as long as tests wait for more than there are; says whether it did.
    mutating func fillPlaces(nodes: inout NodeTable, into turn: inout Turn) -> Bool {
        guard spec.verb == .test, plan.row.phase == .main, !isHeld else { return false }
        var hasMade = false
        for group in groups.indices where groups[group].isForTests && !hasFailed(group) {
            var gates: [StepIndex]?
            for slot in groups[group].slots.indices where isEmpty(groups[group].slots[slot], nodes) {
                guard lacksNodes(group, nodes) else { break }
                let needs = gates ?? self.gates(of: group)
                gates = needs
                fill(group, slot, gates: needs, nodes: &nodes, into: &turn)
                hasMade = true
            }
        }
        return hasMade
    }

    /// Whether nobody fills a place: it never was filled, or who did is lost, used up, or gone.
    private func isEmpty(_ slot: Slot, _ nodes: NodeTable) -> Bool {
        guard !slot.wasUp else { return false }
        guard let node = slot.node else { return true }
        guard busy[node] == nil, slot.chain.allSatisfy({ plan.state(of: $0).satisfiesNeeds }) else { return false }
        guard let row = nodes[node] else { return going[node] != nil }
        // What could not be undone there is left to the teardown: until then the node has the name of the place.
        if let removal = going[node], plan.state(of: removal).hasEnded, row.state != .gone { return false }
        switch row.state {
        case .lost: return row.replacements < Defaults.replacementsMax
        case .stopped, .gone: return true
        case .creating, .starting, .ready, .failed, .quarantined: return false
        }
    }

    /// - Parameter gates: what the nodes of the group wait for.
    private mutating func fill(
        _ group: Int,
        _ slot: Int,
        gates: [StepIndex],
        nodes: inout NodeTable,
        into turn: inout Turn
    ) {
        // Lent, so that there is one table and no copy of it. What this run has made is all that is looked up.
        var context = RunContext(nodes: NodeTable(), chance: SeededChance(seed: 0), specs: [:])
        swap(&context.nodes, &nodes)
        defer { swap(&context.nodes, &nodes) }
        let old = groups[group].slots[slot].node
        let row = old.flatMap { context.nodes[$0] }
        if let row, going[row.id] == nil {
            let reason = row.reason ?? "lost"
            let isLost = row.state == .lost
            replace(group, slot, because: reason, spendsBudget: isLost, gates: gates, in: &context, into: &turn)
            return
        }
        var needs = gates
        if let old, let removal = going[old], !plan.state(of: removal).hasEnded {
            // It is not let go any more: another one waits for its place.
            released.remove(old)
            needs.append(removal)
        }
        make(group, slot, replacements: row?.replacements ?? 0, needs: needs, in: &context, into: &turn)
        if let old { turn.emit(.nodeReplaced, plan: id, node: old, detail: row?.reason ?? Self.surplusReason) }
    }

    // MARK: Setups that come too late

    /// Whether all tests have ended and nothing stays, so that what is still being set up is of no use.
    var setupsAreSurplus: Bool {
        guard spec.verb == .test, plan.row.phase == .main, !suites.isEmpty, suites.allSatisfy(\.hasEnded) else {
            return false
        }
        guard after.allSatisfy({ $0.map { plan.state(of: $0).hasEnded } ?? true }),
            // What was up before is whole again before the end.
            !groups.contains(where: { $0.slots.contains { $0.wasUp && !isMade($0) } })
        else { return false }
        // What failed where a replacement is in the making is made up for, or of no use to anybody either.
        let superseded = groups.reduce(0) { sum, group in
            group.slots.reduce(sum) { $0 + $1.superseded.count { plan.state(of: $0) == .error } }
        }
        let failed =
            plan.count(of: .error) > superseded || suites.contains { $0.hasFailed(flakyFails: spec.flakyFails) }
        return !keepsMachines(failed: failed)
    }

    private func isMade(_ slot: Slot) -> Bool { slot.chain.allSatisfy { plan.state(of: $0).hasEnded } }

    /// Nobody needs the node of a place any more: that those before it have failed is no failure of the run.
    mutating func skipSuperseded(_ group: Int, _ slot: Int, into turn: inout Turn) {
        let place = groups[group].slots[slot]
        guard !place.chain.contains(where: { plan.state(of: $0) == .error }) else { return }
        groups[group].slots[slot].superseded = []
        for step in place.superseded {
            plan.finish(step, .skipped, error: plan.error(of: step), countsForThresholds: false, into: &turn)
        }
    }

    /// Ends the setups that no test needs any more: what runs is ended, nothing else begins. Says whether something
    /// was still to begin.
    mutating func endSetups(into turn: inout Turn) -> Bool {
        guard !setupsWereEnded, plan.gateIsOpen, !isHeld, setupsAreSurplus else { return false }
        setupsWereEnded = true
        var hasEnded = false
        for step in plan.steps(in: .pending) where plan.spec(of: step).action.isBringingUp {
            skipSuperseded(Int(plan.spec(of: step).a), Int(plan.spec(of: step).c), into: &turn)
        }
        for step in plan.steps(in: .pending) {
            let spec = plan.spec(of: step)
            guard spec.action.isBringingUp || spec.action == .barrier && spec.b == 1 else { continue }
            plan.dismissRetry(step, into: &turn)
            plan.finish(step, .skipped, error: .unneeded, countsForThresholds: false, into: &turn)
            hasEnded = true
        }
        for step in plan.steps(in: .running) where plan.spec(of: step).action.isBringingUp {
            turn.directives.append(.interrupt(plan.act(of: step)))
        }
        return hasEnded
    }
}
