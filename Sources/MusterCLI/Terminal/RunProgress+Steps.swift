import MusterCore

extension RunProgress {
    // MARK: Names

    func nodeName(_ id: NodeID) -> String? { nodes[id]?.name.description }

    /// What a step is called. Steps that take a node down may belong to a request that is not this one: the node tells.
    func words(_ step: StepRow) -> StepWords {
        let stepSpec = step.spec
        let group = Int(stepSpec.a)
        let own = spec.groups.indices.contains(group) ? "\(spec.groups[group].name)/\(stepSpec.c)" : "node"
        let node = stepSpec.node.flatMap(nodeName)
        switch stepSpec.action {
        case .provision:
            let title = provision(stepSpec)?.title ?? "step \(stepSpec.b + 1)"
            return StepWords(owner: node ?? own, title: title, thing: "\(node ?? own):\(stepSpec.b + 1)")
        case .ready:
            let conditions = spec.groups.indices.contains(group) ? spec.groups[group].ready : []
            let title =
                conditions.count == 1 ? conditions[0].title : "readiness (\(conditions.count) conditions)"
            return StepWords(owner: node ?? own, title: title, thing: node ?? own)
        case .undo:
            let title = isOwn(stepSpec.node) ? provision(stepSpec)?.title : nil
            return StepWords(
                owner: node ?? own,
                title: "undo of " + (title ?? "step \(stepSpec.b + 1)"),
                thing: "\(node ?? own):\(stepSpec.b + 1)"
            )
        case .destroy: return StepWords(owner: node ?? own, title: "destroy", thing: node ?? own)
        case .barrier:
            let name = spec.groups.indices.contains(group) && stepSpec.b == 1 ? spec.groups[group].name : nil
            return StepWords(owner: "", title: name.map { "group \($0)" } ?? "teardown", thing: name ?? "")
        case .noop: return StepWords(owner: "", title: "step \(step.index)", thing: "")
        case .call, .finalize, .revert:
            let label = spec.label(of: stepSpec)
            return StepWords(owner: "", title: label, thing: label)
        case .before, .after:
            let suite = spec.suites.indices.contains(group) ? spec.suites[group].name : "suite"
            let word = stepSpec.action.rawValue
            return StepWords(owner: suite, title: word, thing: "\(suite) \(word)")
        case .attempt, .member:
            guard spec.suites.indices.contains(group), spec.suites[group].tests.indices.contains(Int(stepSpec.b)) else {
                return StepWords(owner: "", title: "test", thing: "")
            }
            let suite = spec.suites[group]
            let test = Self.fullName(suite: suite.name, test: suite.tests[Int(stepSpec.b)].name)
            // The first member goes by the name of its test.
            let member = stepSpec.action == .member ? spec.member(of: stepSpec) : nil
            let name = member.map { "\(test) [\($0.title)]" } ?? test
            return StepWords(owner: "", title: name, thing: name)
        case .exec:
            let command = spec.exec?.arguments.joined(separator: " ") ?? "exec"
            let target = spec.exec.flatMap { $0.nodes.indices.contains(group) ? $0.nodes[group].description : nil }
            return StepWords(owner: target ?? node ?? "", title: command, thing: target ?? node ?? "")
        case .command, .capability:
            let target = spec.order.flatMap { $0.targets.indices.contains(group) ? "\($0.targets[group].node)" : nil }
            let label = spec.label(of: stepSpec)
            let title = label.split(separator: " ", maxSplits: 1).last.map(String.init) ?? label
            return StepWords(owner: target ?? node ?? "", title: title, thing: target ?? node ?? "")
        case .pause:
            let label = spec.label(of: stepSpec)
            return StepWords(owner: "", title: label, thing: label)
        }
    }

    private func provision(_ step: StepSpec) -> ProvisionStep? {
        guard spec.groups.indices.contains(Int(step.a)),
            spec.groups[Int(step.a)].steps.indices.contains(Int(step.b))
        else { return nil }
        return spec.groups[Int(step.a)].steps[Int(step.b)]
    }

    private func isOwn(_ node: NodeID?) -> Bool { node.flatMap { nodes[$0]?.createdBy } == plan?.id }

    // MARK: Limits

    /// How long a step may take; nil where this request does not say.
    func timeout(of step: StepSpec) -> Duration? {
        switch step.action {
        case .provision: return provision(step)?.timeout
        case .undo: return isOwn(step.node) ? provision(step)?.timeout : nil
        case .ready:
            guard spec.groups.indices.contains(Int(step.a)) else { return nil }
            return spec.groups[Int(step.a)].ready.map(\.within).max()
        case .attempt, .member:
            guard spec.suites.indices.contains(Int(step.a)),
                spec.suites[Int(step.a)].tests.indices.contains(Int(step.b))
            else { return nil }
            return spec.suites[Int(step.a)].tests[Int(step.b)].timeout
        case .before, .after:
            return spec.suites.indices.contains(Int(step.a)) ? spec.suites[Int(step.a)].timeout : nil
        case .exec: return spec.exec?.timeout
        case .command: return spec.order?.within
        case .pause: return spec.order?.pause
        case .call, .finalize, .revert:
            return spec.program.flatMap { program in
                program.actions.indices.contains(Int(step.a)) ? program.actions[Int(step.a)].timeout : nil
            }
        case .barrier, .noop, .destroy, .capability: return nil
        }
    }

    /// The delay before a step's next try, as the lab wants it: the real one differs by up to a tenth.
    func retryDelay(of step: StepRow, afterTry number: Int) -> Duration? {
        guard step.spec.action == .provision else { return nil }
        return provision(step.spec)?.retry.delay(beforeRetry: max(0, number - 1), chance: 0.5)
    }

    /// Whether a step has failed and its next try is still to come.
    func isBetweenTries(_ step: StepRow) -> Bool { step.state == .pending && step.tries > 0 && step.error != nil }

    func work(_ step: StepRow) -> StepWork {
        let retries = step.spec.action == .provision ? provision(step.spec)?.retry.times ?? 0 : 0
        return StepWork(
            words: words(step),
            since: step.state == .running ? tryBegan(step) : nil,
            timeout: timeout(of: step.spec),
            tryNumber: max(1, Int(step.tries)),
            triesMax: retries + 1,
            lastError: step.error?.message,
            isWaitingToRetry: step.state != .running
        )
    }

    // MARK: What went wrong

    mutating func deriveProblems(_ slots: [[Slot]]) {
        problems = []
        replacements = []
        var newest: Set<NodeID> = []
        var history: NodeHistory?
        for slot in slots.joined() {
            guard let node = slot.node else { continue }
            newest.insert(node)
            guard !slot.predecessors.isEmpty else { continue }
            let known = history ?? NodeHistory(steps: steps, attempts: attempts)
            history = known
            noteReplacements(in: slot, known)
        }
        var named: Set<NodeID> = []
        for step in steps {
            guard let error = step.error, step.state == .error || step.state == .skipped, error != .unneeded else {
                continue
            }
            switch step.spec.action {
            case .provision, .ready:
                // What a successor has taken over is no problem any more.
                guard let node = step.spec.node, newest.contains(node) else { continue }
                named.insert(node)
            case .undo, .destroy: if let node = step.spec.node { named.insert(node) }
            case .before, .after, .exec, .call, .finalize, .revert, .command, .capability: break
            case .barrier, .noop, .attempt, .member, .pause: continue
            }
            let words = self.words(step)
            problems.append(
                Problem(
                    text: "\(words.short) failed: \(error.message)",
                    thing: words.thing,
                    isTolerated: step.state == .skipped
                )
            )
        }
        for slot in slots.joined() {
            guard case .failed(let message) = slot.standing, let node = slot.node, !named.contains(node) else {
                continue
            }
            let name = slot.name.description
            problems.append(Problem(text: "\(name) \(message)", thing: name, isTolerated: false))
        }
    }

    /// What was done to each node: put together only when some were replaced.
    private struct NodeHistory {
        var steps: [NodeID: [StepRow]] = [:]
        var lastAttempt: [NodeID: AttemptRow] = [:]
        var lent: Set<NodeID> = []

        init(steps: [StepRow], attempts: [AttemptRow]) {
            for step in steps {
                if let node = step.spec.node { self.steps[node, default: []].append(step) }
                if let node = step.resource { lent.insert(node) }
            }
            for attempt in attempts { if let node = attempt.nodeID { lastAttempt[node] = attempt } }
        }
    }

    private mutating func noteReplacements(in slot: Slot, _ history: NodeHistory) {
        guard let newest = slot.node else { return }
        let ids = slot.predecessors + [newest]
        for (old, new) in zip(ids, ids.dropFirst()) {
            // Remains of earlier runs are only cleared away.
            guard nodes[old]?.createdBy == plan?.id || history.lent.contains(old) else { continue }
            let removal = history.steps[old, default: []].filter(\.spec.action.takesDown)
            let chain = history.steps[new, default: []].filter { !$0.spec.action.takesDown }
            let before = nodes[old]?.replacements ?? 0
            let after = nodes[new]?.replacements ?? 0
            replacements.append(
                Replacement(
                    node: slot.name.description,
                    reason: replacementReason(of: old, history),
                    began: removal.compactMap(\.startedAt).min(),
                    ended: Self.readyAt(chain),
                    number: after > before ? Int(after) : nil
                )
            )
        }
    }

    private func replacementReason(of node: NodeID, _ history: NodeHistory) -> String? {
        if let reason = reasons[node] { return reason }
        if let step = history.steps[node]?.first(where: { $0.error != nil && !$0.spec.action.takesDown }) {
            return step.error?.message
        }
        guard let last = history.lastAttempt[node] else { return nil }
        if last.outcome == .infra { return last.note }
        let isDestructive = spec.suites.contains { suite in
            suite.name == last.suite && suite.tests.contains { $0.name == last.test && $0.destructive }
        }
        return isDestructive ? "used by a destructive test" : nil
    }
}

extension ActionKind {
    /// Whether it belongs to the end of a node.
    fileprivate var takesDown: Bool { self == .undo || self == .destroy }
}
