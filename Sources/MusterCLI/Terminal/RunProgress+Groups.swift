import MusterCore

extension RunProgress {
    /// One place in a group, whoever fills it.
    struct Slot {
        var name: NodeName
        /// The newest node there, and all that this run knew before it.
        var node: NodeID?
        var predecessors: [NodeID] = []
        /// The steps that make the newest node ready, and those that take it away.
        var chain: [StepRow] = []
        var removal: [StepRow] = []
        var standing = Standing.waiting
    }

    enum Standing: Hashable {
        case waiting, working, ready, skipped, leaving, gone
        case failed(String)
        /// It was used up, as a destructive test does.
        case stopped(String)
    }

    /// The steps on each node, told apart by what they are for.
    private struct NodeSteps {
        var chain: [NodeID: [StepRow]] = [:]
        var removal: [NodeID: [StepRow]] = [:]
        var names: [NodeName: [NodeID]] = [:]
    }

    mutating func deriveGroups() -> [[Slot]] {
        if let groups = orderGroups() {
            self.groups = groups
            return []
        }
        let byNode = nodeSteps()
        var slots: [[Slot]] = []
        if spec.verb.bringsUp {
            var states: [String: GroupProgress] = [:]
            groups = []
            for group in spec.groups {
                let names = (0..<(group.hasNodes ? group.count : 0)).map { NodeName(group: group.name, index: $0) }
                let mine = names.map { slot($0, byNode) }
                var progress = self.progress(of: group.name, mine, byNode)
                if progress.state == .waiting { settleNeeds(of: group, among: states, mine, &progress) }
                states[group.name] = progress
                groups.append(progress)
                slots.append(mine)
            }
        } else {
            // Only what is taken down has rows here; groups stand in the order in which their nodes were made.
            var order = groups.map(\.name)
            var names: [String: Set<NodeName>] = [:]
            for (name, ids) in byNode.names where ids.contains(where: { byNode.removal[$0] != nil }) {
                names[name.group, default: []].insert(name)
            }
            func firstNode(_ group: String) -> NodeID? { names[group]?.compactMap { byNode.names[$0]?.min() }.min() }
            order += names.keys.filter { !order.contains($0) }.sorted {
                (firstNode($0)?.rawValue ?? 0) < (firstNode($1)?.rawValue ?? 0)
            }
            groups = []
            for group in order {
                let mine = names[group, default: []].sorted { $0.index < $1.index }.map { slot($0, byNode) }
                groups.append(progress(of: group, mine, byNode))
                slots.append(mine)
            }
        }
        return slots
    }

    // MARK: Slots

    private func nodeSteps() -> NodeSteps {
        var byNode = NodeSteps()
        var known: Set<NodeID> = []
        func know(_ id: NodeID, _ name: NodeName) {
            guard known.insert(id).inserted else { return }
            byNode.names[name, default: []].append(id)
        }
        for row in nodes.values { know(row.id, row.name) }
        for step in steps {
            guard let node = step.spec.node else { continue }
            switch step.spec.action {
            case .provision, .ready:
                byNode.chain[node, default: []].append(step)
                if let name = ownName(step.spec) { know(node, name) }
            case .undo, .destroy:
                if !passesOverTeardown { byNode.removal[node, default: []].append(step) }
            case .barrier, .noop, .before, .after, .attempt, .member, .exec, .call, .finalize, .revert, .command,
                .pause, .capability:
                continue
            }
        }
        return byNode
    }

    /// The node of a step that makes one: its group is one of this request.
    private func ownName(_ step: StepSpec) -> NodeName? {
        guard spec.groups.indices.contains(Int(step.a)) else { return nil }
        return NodeName(group: spec.groups[Int(step.a)].name, index: Int(step.c))
    }

    private func slot(_ name: NodeName, _ byNode: NodeSteps) -> Slot {
        var slot = Slot(name: name)
        let ids = byNode.names[name, default: []].sorted()
        guard let newest = ids.last else {
            // Nothing was made for it, so it was up before, as soon as the run has begun.
            if !steps.isEmpty { slot.standing = .ready }
            return slot
        }
        slot.node = newest
        slot.predecessors = ids.dropLast()
        slot.chain = byNode.chain[newest, default: []]
        slot.removal = byNode.removal[newest, default: []]
        slot.standing = standing(of: slot)
        return slot
    }

    private func standing(of slot: Slot) -> Standing {
        if let destroy = slot.removal.last(where: { $0.spec.action == .destroy }) {
            if destroy.state == .success { return .gone }
            if destroy.state == .error {
                return .failed("could not be destroyed: \(destroy.error?.message ?? "no reason is known")")
            }
            if slot.removal.contains(where: { $0.tries > 0 }) { return .leaving }
        }
        let reason = slot.node.flatMap { reasons[$0] }
        switch slot.node.flatMap({ nodes[$0] })?.state {
        case .ready: return .ready
        case .gone:
            // Its run ended before it was made.
            let wasBegun = !slot.removal.isEmpty || slot.chain.contains { $0.tries > 0 }
            return wasBegun ? .gone : .waiting
        case .stopped: return .stopped(reason ?? "stopped")
        case .lost: return .failed("lost: \(reason ?? "no reason is known")")
        case .failed, .quarantined:
            let error = slot.chain.first { $0.error != nil }
            if let error, error.state == .skipped { return .skipped }
            return .failed((error?.error?.message ?? reason).map { "failed: \($0)" } ?? "failed")
        case .creating, .starting, nil:
            if let error = slot.chain.first(where: { $0.state == .error })?.error {
                return .failed("failed: \(error.message)")
            }
            if !slot.chain.isEmpty, slot.chain.allSatisfy(\.state.satisfiesNeeds) { return .ready }
            // A node that replaces another is being worked on from the beginning.
            let isBegun = slot.chain.contains { $0.tries > 0 } || !slot.predecessors.isEmpty
            return isBegun && !isPaused ? .working : .waiting
        }
    }

    // MARK: Groups

    private func progress(of name: String, _ slots: [Slot], _ byNode: NodeSteps) -> GroupProgress {
        var group = GroupProgress(name: name, done: 0, total: slots.count, state: .waiting)
        let isLeaving = slots.contains { $0.standing == .leaving || $0.standing == .gone } || spec.verb == .down
        let failure = slots.lazy.compactMap { slot -> String? in
            guard case .failed(let message) = slot.standing else { return nil }
            return "\(slot.name) \(message)"
        }.first
        let has = { (standing: Standing) in slots.contains { $0.standing == standing } }
        if slots.isEmpty {
            return group
        } else if slots.allSatisfy({ $0.standing == .gone }) {
            group.state = .gone
        } else if isLeaving {
            let isBegun = has(.leaving) || has(.gone)
            group.state = isBegun ? (failure != nil && !has(.leaving) ? .failed : .tearingDown) : .ready
        } else if has(.working) {
            group.state = .working
        } else if failure != nil {
            group.state = .failed
        } else if has(.ready), !has(.waiting) {
            group.state = .ready
        } else if slots.allSatisfy({ $0.standing == .skipped }) {
            group.state = .failed
        }
        group.done = slots.count {
            isLeaving ? $0.standing != .gone : $0.standing == .ready
        }
        switch group.state {
        case .failed: group.reason = failure ?? "no node of it is left"
        case .waiting:
            for case .stopped(let reason) in slots.map(\.standing) { group.reason = reason }
        case .blocked, .working, .ready, .tearingDown, .gone: break
        }
        setTimes(of: &group, slots, byNode)
        setWork(of: &group, slots)
        return group
    }

    private func setTimes(of group: inout GroupProgress, _ slots: [Slot], _ byNode: NodeSteps) {
        switch group.state {
        case .tearingDown, .gone:
            let removal = slots.flatMap(\.removal)
            group.startedAt = removal.compactMap(\.startedAt).min()
            if group.state == .gone { group.endedAt = removal.compactMap(\.endedAt).max() }
        case .waiting, .blocked: break
        case .working, .ready, .failed:
            let all = slots.map { slot in
                (slot.predecessors + (slot.node.map { [$0] } ?? [])).map { byNode.chain[$0, default: []] }
            }
            group.startedAt = all.joined().joined().compactMap(\.startedAt).min()
            if group.state == .ready {
                // A node that is replaced while tests run does not make the group's coming up any longer.
                group.endedAt = all.compactMap { chains in chains.compactMap(Self.readyAt).min() }.max()
            } else if group.state == .failed {
                group.endedAt = slots.flatMap(\.chain).compactMap(\.endedAt).max()
            }
        }
    }

    /// When the last of these steps succeeded; nil when not all have.
    static func readyAt(_ chain: [StepRow]) -> Timestamp? {
        guard !chain.isEmpty, chain.allSatisfy({ $0.state == .success }) else { return nil }
        return chain.compactMap(\.endedAt).max()
    }

    private func setWork(of group: inout GroupProgress, _ slots: [Slot]) {
        var work: [StepWork] = []
        for slot in slots {
            let steps = slot.standing == .leaving ? slot.removal : slot.chain
            if let step = steps.first(where: { $0.state == .running || isBetweenTries($0) }) {
                work.append(self.work(step))
            }
        }
        // What has failed before, then what has run the longest: that is what people wait for.
        group.work =
            work.enumerated().min {
                let (a, b) = ($0.element, $1.element)
                if (a.lastError == nil) != (b.lastError == nil) { return a.lastError != nil }
                let (since, other) = (a.since ?? now, b.since ?? now)
                return since == other ? $0.offset < $1.offset : since < other
            }?.element
        group.othersWorking = max(0, work.count - 1)
        if group.state == .working, group.work == nil {
            let replaced = slots.first { $0.standing == .working && !$0.predecessors.isEmpty }
            group.reason = replaced.map { "\($0.name) is being replaced" } ?? "waits for a free slot"
        }
    }

    // MARK: Needs

    /// Decides between waiting and blocked for a group in which nothing has begun, and says why.
    private func settleNeeds(
        of group: GroupSpec,
        among states: [String: GroupProgress],
        _ slots: [Slot],
        _ progress: inout GroupProgress
    ) {
        var waitsFor: [String] = []
        for need in group.needs {
            guard let needed = states[need.group] else { continue }
            let wanted = need.ready ?? needed.total
            if needed.state == .ready || (need.ready != nil && needed.done >= wanted) { continue }
            if needed.state == .failed || needed.state == .blocked, !isTakingDown {
                progress.state = .blocked
                progress.reason =
                    needed.state == .failed
                    ? "needs \(need.group), which failed" : "needs \(need.group), which is blocked"
                return
            }
            waitsFor.append(needed.total == 0 ? need.group : "\(need.group) (\(needed.done) of \(wanted) ready)")
        }
        if !waitsFor.isEmpty {
            progress.reason = "waits for " + waitsFor.joined(separator: ", ")
        } else if slots.isEmpty {
            progress.state = plan == nil ? .waiting : .ready
        } else if progress.reason == nil {
            progress.reason = plan == nil ? nil : isPaused ? "the run is paused" : "waits for a free slot"
        }
    }
}
