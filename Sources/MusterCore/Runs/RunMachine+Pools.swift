// The nodes that tests run on: where a test runs again, what stands in for whom, and who is not needed any more.

extension RunMachine {
    // MARK: Running again

    /// Adds another attempt of a test that has failed, or whose node was lost. One on several nodes takes any: of those
    /// on which it failed nobody can tell which was at fault.
    mutating func appendRerun(of test: Int, in suite: Int, nodes: NodeTable) {
        appendAttempt(of: test, in: suite, rule: rule(for: test, in: suite, nodes: nodes))
        mayBeShort = true
    }

    /// Which nodes a test that has failed may run on; nil for all.
    private func rule(for test: Int, in suite: Int, nodes: NodeTable) -> NodeRule? {
        let state = suites[suite].tests[test]
        guard spec.suites[suite].tests[test].roles == nil, let last = state.failedOn.last else { return nil }
        switch suites[suite].rerunPlace(of: test) {
        case .any: return nil
        case .same: return nodes[last]?.state == .ready ? .only(last) : nil
        case .other: return .not(state.failedOn)
        case .fresh:
            // The one that has taken its place, or is about to.
            guard let place = state.failedAt, let group = groupIndex(of: place.group),
                groups[group].slots.indices.contains(place.index),
                let next = groups[group].slots[place.index].node, next != last
            else { return nil }
            return .only(next)
        }
    }

    /// The rules of attempts that wait, as the stored attempts tell, and the nodes they want at once.
    mutating func restoreRules(of steps: [StepRow], nodes: NodeTable) {
        for step in steps where step.spec.action == .attempt {
            // Also one that has ended may be opened again.
            if let team = seats(of: Int(step.spec.b), in: Int(step.spec.a)) {
                if step.state != .success { plan.teams[step.index] = team }
                continue
            }
            let kind = kin(of: Int(step.spec.b), in: Int(step.spec.a))
            if let kind, let node = step.resource { plan.note(kind, on: node, inPool: step.spec.pool) }
            guard step.state == .pending else { continue }
            if let kind { plan.kin[step.index] = kind }
            // One that has begun goes on where it was.
            plan.rules[step.index] =
                step.tries > 0
                ? step.resource.map { .only($0) }
                : step.spec.c > 1 ? rule(for: Int(step.spec.b), in: Int(step.spec.a), nodes: nodes) : nil
        }
    }

    /// Ends the tests of a suite of which enough have failed. What runs goes to its end.
    mutating func giveUp(_ suite: Int, into turn: inout Turn) {
        guard let most = spec.suites[suite].rules.stopAfter else { return }
        let failures = most == 1 ? "a test has failed" : "\(most) tests have failed"
        endUnrunTests(of: suite, .skip, note: "not run: \(failures) (stop-after)", into: &turn)
    }

    // MARK: Nodes that are not needed any more

    /// Why a node was let go before its run ended.
    static let surplusReason = StepError.unneeded.message

    /// A node is free for tests.
    mutating func addToPools(_ node: NodeID, _ group: Int, _ slot: Int) {
        let isSpare = spec.groups[group].isSpare(slot)
        let seat = NodeSeat(group: Int32(group), place: slot)
        plan.addNode(node, toPools: groups[group].pools, at: seat, isSpare: isSpare)
    }

    /// Whether a node is taken down before the end of the run because no test needs it.
    func isLetGo(_ node: NodeID) -> Bool { released.contains(node) && plan.row.phase == .main }

    /// The nodes that only stood in for others.
    func spares(_ nodes: NodeTable) -> [NodeRow] {
        groups.indices.flatMap { group in
            groups[group].slots.indices.dropFirst(spec.groups[group].count).compactMap { slot in
                let place = groups[group].slots[slot]
                return place.wasUp ? nil : place.node.flatMap { nodes[$0] }
            }
        }
    }

    /// Whether nodes may go while others work: after the last test everything goes in the order of the teardown.
    private var mayReleaseNow: Bool {
        spec.verb == .test && spec.keep == .never && plan.row.phase == .main && plan.gateIsOpen && !isHeld
            && suites.contains { !$0.hasEnded }
    }

    /// Takes down a node that is used up and that nothing replaces, while others work.
    mutating func letGo(usedUp node: NodeID, of group: Int, in context: inout RunContext, into turn: inout Turn) {
        guard mayReleaseNow, mayRelease(group), let row = context.nodes[node], row.state == .stopped,
            row.createdBy == id, busy[node] == nil, going[node] == nil
        else { return }
        released.insert(node)
        _ = appendRemoval(of: row, needs: [], in: context)
    }

    /// Takes down free nodes of which more are there than tests could still ask for, while the others work.
    mutating func releaseSurplus(in context: inout RunContext, into turn: inout Turn) {
        guard mayReleaseNow else { return }
        for group in groups.indices where groups[group].isForTests {
            let pools = groups[group].pools
            let wanted = pools.reduce(0) { sum, pool in
                let standing = plan.standing(ofPool: pool)
                return sum + standing.waiting + min(standing.waiting + standing.running, reserve(ofPool: pool))
            }
            // A free node stands in all pools of its group: mostly this is all there is to look at.
            guard pools.allSatisfy({ plan.standing(ofPool: $0).free > wanted }), mayRelease(group) else { continue }
            let free = groups[group].slots.compactMap(\.node).filter {
                busy[$0] == nil && going[$0] == nil && context.nodes[$0]?.state == .ready
            }
            guard free.count > wanted else { continue }
            // The last places first: spares are among them. Before those to which a failed test may still go, those on
            // which it has failed.
            let surplus = free.reversed().filter { !plan.isAwaited($0, inPools: pools) }
            let failed = failedNodes(inPools: pools)
            for node in (surplus.filter(failed.contains) + surplus.filter { !failed.contains($0) }).prefix(
                free.count - wanted
            ) { release(node, of: group, in: &context, into: &turn) }
        }
    }

    /// The nodes on which tests have failed that are not to run there again.
    private func failedNodes(inPools pools: [Int32]) -> Set<NodeID> {
        var failed: Set<NodeID> = []
        for suite in suites.indices where pools.contains(pool(of: suite)) {
            guard spec.suites[suite].reruns > 0, spec.suites[suite].rules.rerunOn == .other else { continue }
            for test in suites[suite].tests where test.outcome == nil { failed.formUnion(test.failedOn) }
        }
        return failed
    }

    /// How many nodes are kept for tests that run and may ask for another one.
    func reserve(ofPool pool: Int32) -> Int {
        spec.suites.indices.filter { self.pool(of: $0) == pool && !suites[$0].hasEnded }.map { suite in
            let rules = spec.suites[suite].rules
            return max(rules.spares, spec.suites[suite].reruns > 0 && rules.rerunOn == .other ? 1 : 0)
        }.max() ?? 0
    }

    /// Whether nothing but tests uses a group, and none of them is still to come.
    private func mayRelease(_ group: Int) -> Bool {
        let name = spec.groups[group].name
        guard !spec.groups.contains(where: { $0.needs.contains { $0.group == name } }) else { return false }
        return spec.suites.indices.allSatisfy { suite in
            if spec.suites[suite].needs.contains(where: { $0.group == name }) { return suites[suite].hasEnded }
            guard spec.suites[suite].groups.contains(name) else { return true }
            // Its tests stand in the pool only when that has ended.
            let hasBegun = before[suite].map { plan.state(of: $0).hasEnded } ?? spec.suites[suite].needs.isEmpty
            return suites[suite].hasEnded || hasBegun && spec.suites[suite].after == nil
        }
    }

    /// Leaves a node that was let go, and of which something could not be undone, to the teardown: there a person can
    /// be asked, and what comes after the undo comes after it.
    mutating func abandonRelease(of node: NodeID, after undo: StepIndex, _ error: StepError, into turn: inout Turn) {
        plan.finish(undo, .skipped, error: error, into: &turn)
        for step in plan.steps(in: .pending) where plan.spec(of: step).node == node {
            plan.finish(step, .skipped, error: error, into: &turn)
        }
    }

    private mutating func release(
        _ node: NodeID,
        of group: Int,
        in context: inout RunContext,
        into turn: inout Turn
    ) {
        guard let row = context.nodes[node], row.state == .ready, row.createdBy == id, busy[node] == nil,
            let place = place(of: row), place.group == group, !groups[group].slots[place.slot].wasUp
        else { return }
        plan.removeNode(node, fromPools: groups[group].pools)
        context.nodes.move(node, to: .stopped, reason: Self.surplusReason, plan: id, into: &turn)
        released.insert(node)
        _ = appendRemoval(of: row, needs: [], in: context)
    }
}
