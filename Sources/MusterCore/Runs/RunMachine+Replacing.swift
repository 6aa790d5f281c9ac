// Nodes that make way for others: used up, lost, or failed.

extension RunMachine {
    /// A node that a destructive test has used makes way for a fresh one, where tests can use that.
    ///
    /// - Parameter claim: what the test on it asks for, which does not wait yet.
    mutating func wearOut(
        _ node: NodeID,
        because reason: String,
        claim: NodeClaim,
        in context: inout RunContext,
        into turn: inout Turn
    ) {
        guard let row = context.nodes[node], let (group, slot) = place(of: row) else { return }
        plan.relaxRules(waitingFor: node)
        mayBeShort = true
        if row.state != .lost { context.nodes.move(node, to: .stopped, reason: reason, plan: id, into: &turn) }
        replaceUsed(group, slot, because: reason, claim: claim, in: &context, into: &turn)
    }

    private mutating func replaceUsed(
        _ group: Int,
        _ slot: Int,
        because reason: String,
        claim: NodeClaim,
        in context: inout RunContext,
        into turn: inout Turn
    ) {
        guard plan.gateIsOpen, plan.row.phase == .main else { return }
        let isWanted =
            claim == .thisPlace || keepsPlace(group, slot) || lacksNodes(group, claim: claim, context.nodes)
        if isWanted, !hasFailed(group) {
            replace(group, slot, because: reason, spendsBudget: false, in: &context, into: &turn)
        } else if let node = groups[group].slots[slot].node {
            letGo(usedUp: node, of: group, in: &context, into: &turn)
        }
    }

    /// Makes up for nodes that were lost or used up while nothing could be started: between a crash and the next start,
    /// and while the run was paused.
    mutating func replaceMissing(in context: inout RunContext, into turn: inout Turn) {
        for group in groups.indices {
            for slot in groups[group].slots.indices {
                let place = groups[group].slots[slot]
                guard let node = place.node, busy[node] == nil, going[node] == nil, let row = context.nodes[node],
                    place.chain.allSatisfy({ plan.state(of: $0).satisfiesNeeds })
                else { continue }
                switch row.state {
                case .lost: replaceIfWanted(group, slot, because: row.reason ?? "lost", in: &context, into: &turn)
                case .stopped:
                    let reason = row.reason ?? "used by a destructive test"
                    replaceUsed(group, slot, because: reason, claim: .none, in: &context, into: &turn)
                case .creating, .starting, .ready, .failed, .quarantined, .gone: break
                }
            }
        }
    }

    /// Replaces a lost node when tests can use another one.
    mutating func replaceIfWanted(
        _ group: Int,
        _ slot: Int,
        because reason: String,
        in context: inout RunContext,
        into turn: inout Turn
    ) {
        guard plan.gateIsOpen, plan.row.phase == .main, groups[group].isForTests, hasTestsLeft(for: group) else {
            return
        }
        guard !hasFailed(group), keepsPlace(group, slot) || lacksNodes(group, context.nodes) else { return }
        replace(group, slot, because: reason, spendsBudget: true, in: &context, into: &turn)
    }

    /// Leaves a place alone for a while in which so many nodes have failed.
    private mutating func quarantine(
        _ group: Int,
        _ slot: Int,
        after failures: Int,
        nodes: inout NodeTable,
        into turn: inout Turn
    ) {
        guard let rule = spec.groups[group].quarantine, failures >= rule.after,
            let node = groups[group].slots[slot].node, let first = groups[group].slots[slot].chain.first
        else { return }
        let count = failures == 1 ? "a node has" : "\(failures) nodes have"
        let reason = "in quarantine for \(rule.length.shortText): \(count) failed there"
        nodes.change(node) { $0.reason = reason }
        plan.postpone(first, until: turn.now + rule.length, because: StepError(.notReady, reason), into: &turn)
        // Others may stand in for it meanwhile.
        mayBeShort = true
    }

    mutating func replace(
        _ group: Int,
        _ slot: Int,
        because reason: String,
        spendsBudget: Bool,
        gates: [StepIndex]? = nil,
        in context: inout RunContext,
        into turn: inout Turn
    ) {
        guard let old = groups[group].slots[slot].node, let row = context.nodes[old] else { return }
        let replacements = min(row.replacements, Int32(Defaults.replacementsMax) + 1) + (spendsBudget ? 1 : 0)
        guard replacements <= Defaults.replacementsMax else { return }
        groups[group].slots[slot].superseded += groups[group].slots[slot].chain.filter {
            !plan.state(of: $0).satisfiesNeeds
        }
        plan.relaxRules(waitingFor: old)
        let removal = appendRemoval(of: row, needs: [], in: context)
        // A node that was up before waited for nothing: what its group needs may still be in the making.
        let needs = (gates ?? self.gates(of: group)) + [removal]
        make(group, slot, replacements: replacements, needs: needs, in: &context, into: &turn)
        if spendsBudget { quarantine(group, slot, after: Int(replacements), nodes: &context.nodes, into: &turn) }
        turn.emit(.nodeReplaced, plan: id, node: old, detail: reason)
    }
}
