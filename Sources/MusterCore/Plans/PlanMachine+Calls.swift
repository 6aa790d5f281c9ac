import DequeModule

/// What only steps of programs do: wait for events in the middle, be skipped, be edited, run again after a success.
extension PlanMachine {
    /// Takes out the steps that may start, for whoever decides when they do. Those that stand in a queue elsewhere stay
    /// marked as queued until `begin` or `leaveQueue`.
    mutating func takeReady() -> [StepIndex] {
        guard gateIsOpen, !ready.isEmpty else { return [] }
        var taken: [StepIndex] = []
        while let step = ready.popFirst() {
            if mayStart(step) { taken.append(step) } else { cells[Int(step)].isQueued = false }
        }
        return taken
    }

    /// A step that was taken out stands in no queue any more.
    mutating func leaveQueue(_ step: StepIndex) { cells[Int(step)].isQueued = false }

    /// Puts a step that was taken out, and did not begin, back among the ready ones.
    mutating func putBack(_ step: StepIndex) {
        cells[Int(step)].isQueued = false
        if mayStart(step) { enqueue(step) }
    }

    /// A running step waits for an event. It takes no slot meanwhile.
    mutating func suspend(_ step: StepIndex, into turn: inout Turn) {
        let state = cells[Int(step)].state
        precondition(state == .running, "only a running step is suspended, not one that is \(state)")
        running -= 1
        set(step, .suspended)
        turn.emit(.stepSuspended, plan: row.id, step: step)
    }

    /// Something has come for a suspended step.
    mutating func wake(_ step: StepIndex, into turn: inout Turn) {
        let state = cells[Int(step)].state
        precondition(state == .suspended, "only a suspended step is woken, not one that is \(state)")
        running += 1
        set(step, .running)
        turn.emit(.stepWoken, plan: row.id, step: step)
    }

    /// A failed step is told that it is skipped.
    mutating func beginSkipping(_ step: StepIndex, into turn: inout Turn) {
        let state = cells[Int(step)].state
        precondition(state == .error, "only a failed step is skipped, not one that is \(state)")
        running += 1
        set(step, .skipping)
        turn.emit(.stepSkipping, plan: row.id, step: step)
    }

    /// Marks that something of a step besides its state changed.
    mutating func touch(_ step: StepIndex) { mark(step) }

    /// Has steps that form one chain run again from its beginning, whatever came of them.
    mutating func restart(chain: [StepIndex], into turn: inout Turn) {
        for (place, step) in chain.enumerated() {
            let i = Int(step)
            if cells[i].state != .pending {
                set(step, .pending)
                turn.emit(.stepReopened, plan: row.id, step: step)
            }
            errors[step] = nil
            ended[i] = nil
            cells[i].endWasTold = false
            cells[i].waiting = place == 0 ? 0 : 1
            cells[i].isQueued = false
        }
        if let first = chain.first { enqueue(first) }
    }
}

extension StepState {
    /// Whether something of the step is being performed.
    var isBusy: Bool { self == .running || self == .skipping }
}
