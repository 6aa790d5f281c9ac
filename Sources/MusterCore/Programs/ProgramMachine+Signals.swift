import DequeModule

/// Events for steps: first come, first served; never delivered while the step runs; told when they cannot be.
extension ProgramMachine {
    /// So many events wait for one step at most.
    static let signalsMax = 10_000

    /// Somebody sends an event to a step.
    mutating func signalled(
        _ step: StepIndex,
        payload: String,
        isOptional: Bool,
        token: String,
        _ queues: inout WorkQueues,
        into turn: inout Turn
    ) {
        let refusal: String? =
            if step < 0 || step >= plan.count {
                "the plan has no step \(step)"
            } else if plan.spec(of: step).action != .call {
                "\(label(of: step)) takes no events"
            } else if plan.state(of: step).hasEnded {
                "\(label(of: step)) has ended (\(plan.state(of: step).rawValue))"
            } else if signals[step].map({ $0.count >= Self.signalsMax }) == true {
                "\(Self.signalsMax) events wait for \(label(of: step)) already"
            } else {
                nil
            }
        if let refusal {
            if !isOptional { turn.emit(.signalRejected, plan: id, step: step, detail: "\(token) \(refusal)") }
            return
        }
        let row = newSignal(step, payload: payload, isOptional: isOptional, token: token)
        turn.signalsSet.append(row)
        signals[step, default: []].append(row)
        wakeIfWanted(step, &queues, into: &turn)
    }

    private mutating func newSignal(
        _ step: StepIndex,
        payload: String,
        dueAt: Timestamp? = nil,
        key: String? = nil,
        isOptional: Bool,
        token: String?
    ) -> SignalRow {
        lastSignal += 1
        return SignalRow(
            step: stepID(step),
            number: lastSignal,
            payload: payload,
            dueAt: dueAt,
            key: key,
            isOptional: isOptional,
            token: token
        )
    }

    /// A step sends an event to itself.
    mutating func send(
        _ wake: CallEnd.Wake,
        to step: StepIndex,
        _ shared: inout ProgramContext,
        into turn: inout Turn
    ) {
        if let key = wake.key { drop(key: key, of: step, into: &turn) }
        let isLater = wake.delay > .zero
        let row = newSignal(
            step,
            payload: wake.payload,
            dueAt: isLater ? turn.now + wake.delay : nil,
            key: wake.key,
            isOptional: true,
            token: nil
        )
        turn.signalsSet.append(row)
        if isLater {
            later[step, default: []].append(row)
        } else {
            signals[step, default: []].append(row)
        }
    }

    private mutating func drop(key: String, of step: StepIndex, into turn: inout Turn) {
        if let rows = later[step], rows.contains(where: { $0.key == key }) {
            turn.signalsCleared += rows.filter { $0.key == key }
            later[step] = rows.filter { $0.key != key }
        }
        guard let waiting = signals[step], waiting.contains(where: { $0.key == key }) else { return }
        turn.signalsCleared += waiting.filter { $0.key == key }
        signals[step] = Deque(waiting.filter { $0.key != key })
    }

    /// The time of an event has come. One that was replaced or dropped never fires.
    mutating func signalIsDue(
        _ step: StepIndex,
        number: Int64,
        _ queues: inout WorkQueues,
        into turn: inout Turn
    ) {
        guard let place = later[step]?.firstIndex(where: { $0.number == number }),
            let row = later[step]?.remove(at: place)
        else { return }
        if later[step]?.isEmpty == true { later[step] = nil }
        signals[step, default: []].append(row)
        wakeIfWanted(step, &queues, into: &turn)
        advance(&queues, into: &turn)
    }

    /// Has a suspended step wait for a worker when there is something to tell it.
    mutating func wakeIfWanted(_ step: StepIndex, _ queues: inout WorkQueues, into turn: inout Turn) {
        guard plan.state(of: step) == .suspended, !queued.contains(step), hasWake(step) else { return }
        queued.insert(step)
        let action = action(of: step)
        queues.add(stepID(step), to: action.queue, priority: action.priority)
    }

    /// Whether there is something to tell a suspended step.
    private func hasWake(_ step: StepIndex) -> Bool {
        cancelled.contains(step) || signals[step]?.isEmpty == false || childrenHaveEnded(step)
    }

    /// What a suspended step is told now; nil when nothing is there.
    mutating func takeWake(of step: StepIndex) -> ActionCall.Kind? {
        if cancelled.contains(step) { return .cancel(byForce: plan.row.isAborting) }
        if let row = signals[step]?.popFirst() {
            delivering[step] = row
            if signals[step]?.isEmpty == true { signals[step] = nil }
            return .event(payload: row.payload)
        }
        if childrenHaveEnded(step) { return .childrenEnded(childCounts[step] ?? ChildCounts()) }
        return nil
    }

    /// What the present call of a step was told is done with.
    mutating func delivered(_ step: StepIndex, into turn: inout Turn) {
        if cancelled.remove(step) != nil { toldOfCancel.insert(step) }
        guard let row = delivering.removeValue(forKey: step) else { return }
        turn.signalsCleared.append(row)
    }

    /// Nobody will take what was sent to a step.
    mutating func dropSignals(of step: StepIndex, because reason: String, into turn: inout Turn) {
        dropOwnSignals(of: step, into: &turn)
        guard let rows = signals.removeValue(forKey: step) else { return }
        turn.signalsCleared += rows
        for row in rows where !row.isOptional {
            turn.emit(.signalRejected, plan: id, step: step, detail: "\(row.token ?? "-") \(reason)")
        }
    }

    /// Drops what a step has sent to itself for later: it begins again.
    mutating func dropOwnSignals(of step: StepIndex, into turn: inout Turn) {
        if !later.isEmpty, let rows = later.removeValue(forKey: step) { turn.signalsCleared += rows }
    }
}
