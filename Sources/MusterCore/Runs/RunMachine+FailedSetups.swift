// How many setups of a group's nodes may fail, replacements counted, before the group has failed.

extension RunMachine {
    /// Counts a node whose setup has failed, and gives what its failure means: more of them than the group allows fail
    /// the group, whatever it says of each.
    mutating func policy(
        afterFailureOf node: NodeID,
        _ policy: FailurePolicy,
        in group: Int,
        nodes: inout NodeTable,
        into turn: inout Turn
    ) -> FailurePolicy {
        groups[group].failedSetups.insert(node)
        guard let most = spec.groups[group].failedSetupsMax, hasFailed(group) else { return policy }
        giveUp(group, most, except: node, nodes: &nodes, into: &turn)
        return policy == .pause ? .pause : .fail
    }

    /// Whether more setups of a group have failed than may: then nothing is made there any more.
    func hasFailed(_ group: Int) -> Bool {
        spec.groups[group].failedSetupsMax.map { groups[group].failedSetups.count > $0 } ?? false
    }

    /// No other node of a group that has failed is set up any further: what broke the others would break it, too. Steps
    /// that run go to their ends.
    private mutating func giveUp(
        _ group: Int,
        _ most: Int,
        except failed: NodeID,
        nodes: inout NodeTable,
        into turn: inout Turn
    ) {
        let count = "\(groups[group].failedSetups.count) setups of '\(spec.groups[group].name)' have failed"
        let error = StepError(.notReady, "not set up: \(count), and \(most) may (max-failed-setups)")
        for slot in groups[group].slots {
            guard let node = slot.node, node != failed,
                let next = slot.chain.first(where: { plan.state(of: $0) == .pending })
            else { continue }
            // One that has failed before, and waited to be tried again, has failed for good.
            if plan.tries(of: next) > 0 { groups[group].failedSetups.insert(node) }
            plan.dismissRetry(next, into: &turn)
            plan.finish(next, .error, error: error, into: &turn)
            guard next != slot.chain.first, busy[node] == nil, nodes[node]?.state != .lost else { continue }
            nodes.move(node, to: .failed, reason: error.message, plan: id, into: &turn)
        }
    }

    /// The setups that have failed, as the stored steps tell.
    mutating func restoreFailedSetups(from steps: [StepRow]) {
        for step in steps where step.spec.action.isBringingUp && step.tries > 0 && step.error != nil {
            guard step.state == .error || step.state == .skipped, let node = step.spec.node else { continue }
            groups[Int(step.spec.a)].failedSetups.insert(node)
        }
    }
}
