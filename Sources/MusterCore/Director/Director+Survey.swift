extension Director {
    /// Asks what runs on nodes: a conductor that was lost may have ended steps and not their operations.
    func survey(_ nodes: some Sequence<NodeRow>, into turn: inout Turn) {
        turn.directives += nodes.filter { $0.state != .gone }.map(\.id).sorted().map { .survey($0) }
    }

    /// A try of a step runs on a node. It is ended when no step runs with it any more: its plan was halted, or the step
    /// was given up on, by a conductor that was lost before it could end it.
    ///
    /// What broken runs, and those of other hosts, have running is left alone with them.
    func found(_ step: StepID, _ number: Int32, on node: NodeID, into turn: inout Turn) {
        guard context.nodes[node] != nil, !isAside(step.plan) else { return }
        if let plan = runs[step.plan]?.plan, step.index < plan.count {
            if plan.state(of: step.index) == .running, plan.tries(of: step.index) == number { return }
            // Taken for never started, it waits for this very try: that finds it.
            if plan.state(of: step.index) == .pending, plan.tries(of: step.index) == number - 1 { return }
        }
        let spec = runs[step.plan].flatMap { step.index < $0.plan.count ? $0.plan.spec(of: step.index) : nil }
        let act = Act(step: step, number: number, spec: spec ?? StepSpec(.noop), node: node, isInDoubt: true)
        turn.directives.append(.interrupt(act))
    }
}
