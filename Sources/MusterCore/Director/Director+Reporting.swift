/// Nodes that say themselves when they are ready: the step that waits for it ends by their state, and not by what the
/// performer can ask.
extension Director {
    /// A step of readiness that has all it asks for but the node's own word.
    struct Reporting: Sendable {
        let act: Act
        let outcome: ActOutcome
    }

    /// Whether the end of an act is put off until its node says that it is in the state that is wanted.
    mutating func awaitsReport(_ act: Act, _ outcome: ActOutcome, into turn: inout Turn) -> Bool {
        guard act.spec.action == .ready, outcome.error == nil, let node = act.node, let run = runs[act.step.plan],
            run.isRunning(act), let within = wantedStates(of: act, run).map(\.within).max()
        else { return false }
        // Its mode may have begun in this very turn.
        followNodes(into: &turn)
        guard missingState(of: node, act, run) != nil else { return false }
        reporting[node] = Reporting(act: act, outcome: outcome)
        turn.setTimer(act.step, at: turn.now + within)
        return true
    }

    private func wantedStates(of act: Act, _ run: RunMachine) -> [(state: String, within: Duration)] {
        guard run.spec.groups.indices.contains(Int(act.spec.a)) else { return [] }
        return run.spec.groups[Int(act.spec.a)].ready.compactMap { condition in
            if case .state(let state) = condition.probe { (state, condition.within) } else { nil }
        }
    }

    /// The first state that is wanted of a node and that it is not in; nil when it is as it should be.
    private func missingState(of node: NodeID, _ act: Act, _ run: RunMachine) -> String? {
        let present = context.states.row(of: node)?.state
        return wantedStates(of: act, run).first { $0.state != present }?.state
    }

    /// Ends the step of a node that is in the state which was waited for.
    mutating func judgeReport(of node: NodeID, into turn: inout Turn) {
        guard let waiting = reporting[node], let run = runs[waiting.act.step.plan],
            missingState(of: node, waiting.act, run) == nil
        else { return }
        reporting[node] = nil
        end(waiting.act, waiting.outcome, into: &turn)
    }

    /// Nobody waits any more for what a node says.
    mutating func stopAwaitingReport(_ act: Act, into turn: inout Turn) {
        guard let node = act.node, reporting[node]?.act.step == act.step else { return }
        reporting[node] = nil
        end(act, .failed(StepError(.cancelled, "ended on request")), into: &turn)
    }

    /// A node has not said in time that it is ready; false when the timer was for something else.
    mutating func reportIsOverdue(_ step: StepID, into turn: inout Turn) -> Bool {
        guard let run = runs[step.plan], step.index < run.plan.count, let node = run.plan.node(of: step.index),
            let waiting = reporting[node], waiting.act.step == step
        else { return false }
        reporting[node] = nil
        let state = missingState(of: node, waiting.act, run) ?? ""
        let within = wantedStates(of: waiting.act, run).first { $0.state == state }?.within ?? .zero
        let present = context.states.row(of: node).map { "it is \($0.state)" } ?? "nothing is known of its state"
        let message = "state: \(state) did not hold within \(within.shortText): \(present)"
        end(waiting.act, .failed(StepError(.notReady, message)), into: &turn)
        return true
    }
}

extension RunMachine {
    /// Whether this try of the step is what is waited for.
    fileprivate func isRunning(_ act: Act) -> Bool {
        act.step.index < plan.count && plan.state(of: act.step.index) == .running
            && plan.tries(of: act.step.index) == act.number
    }
}
