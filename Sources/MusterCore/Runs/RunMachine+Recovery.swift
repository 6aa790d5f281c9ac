extension RunMachine {
    /// Asks what is true of every act that may have been begun by a conductor that is gone.
    ///
    /// Acts that leave no record on their node are safe to repeat: those wait to be started again.
    mutating func settle(in context: inout RunContext, into turn: inout Turn) {
        for step in busySteps where plan.state(of: step) == .running && !plan.spec(of: step).action.isOfDirector {
            inquire(step, in: &context, into: &turn)
        }
        // Steps without a node.
        guard plan.running > busy.count else { return }
        for step in plan.steps(in: .running)
        where plan.node(of: step) == nil && !plan.spec(of: step).action.isOfDirector {
            inquire(step, in: &context, into: &turn)
        }
    }

    private mutating func inquire(_ step: StepIndex, in context: inout RunContext, into turn: inout Turn) {
        if isRecorded(step) {
            turn.directives.append(.inquire(plan.act(of: step, isInDoubt: true)))
        } else {
            takeBack(step, in: &context, into: &turn)
        }
    }

    /// What the driver says of an act in doubt. An answer about a step that has ended since is a benign race.
    mutating func actFound(_ act: Act, _ status: ActStatus, in context: inout RunContext, into turn: inout Turn) {
        let step = act.step.index
        guard step < plan.count, plan.state(of: step) == .running, plan.tries(of: step) == act.number,
            !isBetweenActs(step)
        else { return }
        switch status {
        case .ended(let outcome): actEnded(act, outcome, in: &context, into: &turn)
        case .running:
            let act = plan.act(of: step, isInDoubt: true)
            plan.perform(step, isInDoubt: true, into: &turn)
            let isEnding = plan.row.isCancelling && plan.row.phase == .main && act.spec.action.isEndedByCancel
            let isLost = act.node.map { lost[$0] != nil } ?? false
            if isEnding || isLost || team(of: step).map(isBroken) == true { turn.directives.append(.interrupt(act)) }
        case .neverStarted where team(of: step) != nil:
            memberNeverStarted(act, in: &context, into: &turn)
            advance(nodes: &context.nodes, into: &turn)
        case .neverStarted where plan.tries(of: step) > 1 && plan.spec(of: step).action == .attempt:
            // A test that had gone away goes on where it was, and nowhere else.
            guard let node = act.node, context.nodes[node]?.state == .ready else {
                let reason = "the node on which it had begun is not there any more"
                return actEnded(act, .failed(StepError(.lost, reason)), in: &context, into: &turn)
            }
            plan.rules[step] = .only(node)
            takeBack(step, in: &context, into: &turn)
            advance(nodes: &context.nodes, into: &turn)
        case .neverStarted:
            forgetStart(of: step, in: &context)
            takeBack(step, in: &context, into: &turn)
            advance(nodes: &context.nodes, into: &turn)
        case .unknown(let reason):
            switch recovery(of: step) {
            case .reconcile, .idempotent:
                takeBack(step, in: &context, into: &turn)
                advance(nodes: &context.nodes, into: &turn)
            case .infra:
                turn.directives.append(.interrupt(act))
                actEnded(act, .failed(StepError(.lost, reason)), in: &context, into: &turn)
            case .never:
                // Should it run in truth, nothing will wait for it any more.
                turn.directives.append(.interrupt(act))
                let message = "nobody can tell whether it was done, and it is not repeated by itself (\(reason))"
                actEnded(act, .failed(StepError(.unknown, message)), in: &context, into: &turn)
            }
        }
    }

    /// What never ran on a node is not undone there. Of the making of a node a part may be there, though its operation
    /// was never begun; and a former try may have come far.
    private func forgetStart(of step: StepIndex, in context: inout RunContext) {
        let spec = plan.spec(of: step)
        // Of files that were put there nothing tells: that step is begun again, under the same try, as if it never was.
        guard spec.action == .provision, isCommand(provisionKind(step)), plan.tries(of: step) == 1,
            let node = plan.node(of: step), context.nodes[node]?.stepsStarted == spec.b + 1
        else { return }
        context.nodes.change(node) { $0.stepsStarted = spec.b }
    }

    /// A step that was taken for running waits again; the node it had from its pool is free.
    private mutating func takeBack(_ step: StepIndex, in context: inout RunContext, into turn: inout Turn) {
        let node = plan.node(of: step)
        if let node {
            if busy[node] == step { busy[node] = nil }
            lost[node] = nil
        }
        let isPooled = plan.spec(of: step).pool >= 0
        plan.takeBack(step, into: &turn)
        if isPooled { giveBack(node, in: &context, into: &turn) }
    }

    /// Whether its operation leaves a record on its node, so that a driver can tell what came of it.
    private func isRecorded(_ step: StepIndex) -> Bool {
        switch plan.spec(of: step).action {
        case .provision:
            switch provisionKind(step) {
            case .process, .machine, .run, .script, .ansible: true
            case .files, .template, nil: false
            }
        case .undo, .before, .after, .attempt, .member, .exec: true
        case .barrier, .noop, .ready, .destroy, .call, .finalize, .revert, .command, .pause, .capability: false
        }
    }

    /// What becomes of an act of which nobody can tell whether it was done.
    func recovery(of step: StepIndex) -> ActRecovery {
        switch plan.spec(of: step).action {
        case .provision:
            switch provisionKind(step) {
            case .process, .machine: .reconcile
            case .files, .template, nil: .idempotent
            case .run, .script, .ansible: .never
            }
        case .destroy, .capability: .reconcile
        case .barrier, .noop, .ready, .call, .finalize, .revert, .command, .pause: .idempotent
        case .undo, .before, .after, .exec: .never
        case .attempt, .member: .infra
        }
    }

    private func isCommand(_ kind: ProvisionStep.Kind?) -> Bool {
        switch kind {
        case .run, .script, .ansible: true
        case .process, .machine, .files, .template, nil: false
        }
    }

    private func provisionKind(_ step: StepIndex) -> ProvisionStep.Kind? {
        let spec = plan.spec(of: step)
        guard self.spec.groups.indices.contains(Int(spec.a)) else { return nil }
        let steps = self.spec.groups[Int(spec.a)].steps
        return steps.indices.contains(Int(spec.b)) ? steps[Int(spec.b)].kind : nil
    }

    /// Nothing new starts, and when what runs has ended the run pauses: only a person can mend this.
    mutating func stopForPerson(
        _ step: StepIndex,
        _ error: StepError,
        in context: inout RunContext,
        into turn: inout Turn
    ) {
        let node = plan.node(of: step)
        let spec = plan.spec(of: step)
        // Without its secret nothing had left.
        if error.code == .missingSecret { forgetStart(of: step, in: &context) }
        if plan.row.isCancelling, plan.row.phase == .main {
            plan.finish(step, .cancelled, error: error, into: &turn)
        } else {
            plan.finish(step, .error, error: error, into: &turn)
            pauseReason = "\(label(of: step)): \(error.message)"
            plan.gateIsOpen = false
            if let node, spec.action.isBringingUp, context.nodes[node]?.state != .lost {
                context.nodes.move(node, to: .failed, reason: error.message, plan: id, into: &turn)
            }
        }
        if spec.pool >= 0 { giveBack(node, in: &context, into: &turn) }
    }
}

extension ActionKind {
    /// Whether the Director carries it out itself, and goes on with it after a crash.
    var isOfDirector: Bool { self == .command || self == .pause }
}

extension StepError.Code {
    /// Whether nothing but a person can make the step succeed.
    package var wantsPerson: Bool {
        switch self {
        case .missingSecret, .unknown, .noAction: true
        case .exited, .signalled, .timedOut, .notStarted, .lost, .notReady, .unresolved, .refused, .cancelled, .file,
            .thrown, .badValue, .children:
            false
        }
    }
}
