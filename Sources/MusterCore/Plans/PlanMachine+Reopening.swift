extension PlanMachine {
    /// Has a running step performed, unless it ends in the same turn.
    mutating func perform(_ step: StepIndex, isInDoubt: Bool, into turn: inout Turn) {
        mark(step)
        turn.directives.append(.perform(act(of: step, isInDoubt: isInDoubt)))
    }

    /// The steps that wait for a step.
    func successors(of step: StepIndex) -> [StepIndex] {
        var successors: [StepIndex] = []
        var edge = graph.firstEdge(of: step)
        while let current = edge {
            successors.append(graph.successor(at: current))
            edge = graph.edge(after: current)
        }
        return successors
    }

    /// Whether everything that starts after a step still waits, or will be reopened with it: so that the step may run
    /// again before them.
    func isWaitedForAgain(_ step: StepIndex) -> Bool {
        successors(of: step).allSatisfy { successor in
            switch state(of: successor) {
            case .pending: true
            case .error, .cancelled: spec(of: successor).action != .undo || isWaitedForAgain(successor)
            case .running, .suspended, .success, .skipping, .skipped: false
            }
        }
    }

    /// Whether a step takes a node down for good: nothing that makes another node waits for it.
    func isOfTeardown(_ step: StepIndex) -> Bool {
        let successors = successors(of: step)
        guard spec(of: step).startsAfterFailure, !successors.isEmpty else { return false }
        return successors.allSatisfy { successor in
            let next = spec(of: successor)
            guard next.startsAfterFailure else { return false }
            // The removal of one node is one chain; its end says what it is for.
            return next.node == nil || next.node != spec(of: step).node || isOfTeardown(successor)
        }
    }
}
