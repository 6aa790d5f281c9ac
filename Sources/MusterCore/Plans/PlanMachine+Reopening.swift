extension PlanMachine {
    /// Has a running step performed, unless it ends in the same turn.
    mutating func perform(_ step: StepIndex, isInDoubt: Bool, into turn: inout Turn) {
        mark(step)
        turn.directives.append(.perform(act(of: step, isInDoubt: isInDoubt)))
    }

    /// Has a step that waits begin no sooner than at some time, whatever it waits for.
    mutating func postpone(_ step: StepIndex, until due: Timestamp, because reason: StepError, into turn: inout Turn) {
        precondition(state(of: step) == .pending, "only what waits is postponed, not what is \(state(of: step))")
        retrying.insert(step)
        errors[step] = reason
        mark(step)
        turn.setTimer(StepID(plan: row.id, index: step), at: due)
        turn.emit(.stepRetrying, plan: row.id, step: step, node: node(of: step), detail: reason.message)
    }

    /// Performs a running step once more, on the node it has, as its next try.
    mutating func startAgain(_ step: StepIndex, into turn: inout Turn) {
        precondition(
            state(of: step) == .running,
            "only a running step starts again, not one that is \(state(of: step))"
        )
        cells[Int(step)].tries += 1
        turn.emit(.stepRetrying, plan: row.id, step: step, node: node(of: step), detail: "it starts again")
        perform(step, isInDoubt: false, into: &turn)
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

    /// What is tried again in a teardown comes before what comes after it, also where the steps between the two have
    /// ended meanwhile and do not run again: a step then waits for another that it does not name.
    ///
    /// - Parameter reopened: steps that are about to be reopened, in order.
    mutating func keepOrder(of reopened: [StepIndex]) {
        let again = Set(reopened)
        for step in reopened where spec(of: step).startsAfterFailure {
            link(step, again)
        }
    }

    /// The same after a restart, for those that were reopened before it: only they have not ended before what follows
    /// them has.
    mutating func restoreOrder() {
        for step in 0..<StepIndex(count) where spec(of: step).startsAfterFailure && !state(of: step).hasEnded {
            link(step, [])
        }
    }

    /// Has the nearest steps that are still to come wait for a step, where steps that have ended stand between them.
    private mutating func link(_ step: StepIndex, _ again: Set<StepIndex>) {
        func isToCome(_ step: StepIndex) -> Bool { again.contains(step) || !state(of: step).hasEnded }
        let next = successors(of: step)
        var open = next.filter { spec(of: $0).startsAfterFailure && !isToCome($0) }
        var seen = Set(open)
        var found: [StepIndex] = []
        while let passed = open.popLast() {
            for successor in successors(of: passed) where spec(of: successor).startsAfterFailure {
                guard seen.insert(successor).inserted else { continue }
                if isToCome(successor) { found.append(successor) } else { open.append(successor) }
            }
        }
        for successor in found.sorted() where !next.contains(successor) { wait(successor, for: step) }
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
