/// Commands to nodes that runs have sent: the Director carries them out itself, by the machines of the nodes, and not
/// the performer. A step ends when its node has come to the end of the command.
extension Director {
    /// A node to which a running step has sent a command.
    struct Commanded: Sendable {
        let step: StepID
        /// Whether its state has changed since.
        var hasMoved: Bool
    }

    /// Takes up the commands that restored runs have sent.
    mutating func adoptOrders(of run: RunMachine) {
        guard run.spec.order != nil else { return }
        ordering.insert(run.id)
        for step in run.plan.steps(in: .running) where run.plan.spec(of: step).action == .command {
            guard let node = run.plan.node(of: step) else { continue }
            let begin = run.plan.startedAt(step)
            let since = context.states.row(of: node)?.since
            let hasMoved = begin.map { begin in since.map { $0 > begin } ?? false } ?? false
            commanded[node] = Commanded(step: StepID(plan: run.id, index: step), hasMoved: hasMoved)
        }
    }

    /// Goes on with commands that a conductor which is gone has sent.
    mutating func settleOrders(of labs: Set<String>?, into turn: inout Turn) {
        for node in commanded.keys.sorted() {
            guard let step = commanded[node]?.step, let run = runs[step.plan],
                labs?.contains(run.spec.lab) ?? true
            else { continue }
            judge(node, into: &turn)
            // Its time went by while nobody conducted, so nobody heard of the node.
            if commanded[node] != nil, let order = run.spec.order, let begin = run.plan.startedAt(step.index),
                begin + order.within <= turn.now
            {
                turn.setTimer(step, at: turn.now + order.within)
                // The old one is due in this very turn.
                timers.set(TimerRow(step: step, dueAt: turn.now + order.within))
            }
        }
        // It may have been switched off, and not on again.
        for node in context.states.interruptedReboots {
            guard let row = context.nodes[node], labs?.contains(row.lab) ?? true else { continue }
            context.states.beginOverdueStateAnew(node, into: &turn)
            turn.directives.append(.node(.command("reboot", node: node, rung: .powerOn, attempt: 1)))
        }
    }

    /// Carries out what steps of orders have begun, and ends those whose nodes have come to their end.
    mutating func followOrders(into turn: inout Turn) {
        guard !ordering.isEmpty || !reporting.isEmpty else { return }
        while true {
            let own = takeOwnDirectives(from: &turn)
            for directive in own {
                switch directive {
                case .perform(let act): carryOut(act, into: &turn)
                case .interrupt(let act): withdraw(act, into: &turn)
                default: break
                }
            }
            let moved = takeMoved(from: &turn)
            for node in moved {
                judge(node, into: &turn)
                judgeReport(of: node, into: &turn)
            }
            if own.isEmpty, moved.isEmpty { return }
        }
    }

    /// The directives that nobody but the Director carries out; that of a capability goes to the performer all the
    /// same.
    private func takeOwnDirectives(from turn: inout Turn) -> [Directive] {
        let first = min(turn.directivesSeen, turn.directives.count)
        var own: [Directive] = []
        var rest: [Directive] = []
        for directive in turn.directives[first...] {
            switch directive {
            case .perform(let act), .interrupt(let act):
                switch act.spec.action {
                case .command, .pause: own.append(directive)
                case .capability:
                    own.append(directive)
                    if act.spec.b >= 0 { rest.append(directive) }
                case .ready:
                    own.append(directive)
                    rest.append(directive)
                default: rest.append(directive)
                }
            default: rest.append(directive)
            }
        }
        if !own.isEmpty { turn.directives.replaceSubrange(first..., with: rest) }
        turn.directivesSeen = turn.directives.count
        return own
    }

    /// The commanded nodes with which something has happened, each once.
    private mutating func takeMoved(from turn: inout Turn) -> [NodeID] {
        var moved: [NodeID] = []
        var seen: Set<NodeID> = []
        for happening in turn.happenings[turn.happeningsSeen...]
        where commanded[happening.node] != nil || reporting[happening.node] != nil {
            switch happening.kind {
            case .stateChanged, .modeChanged: commanded[happening.node]?.hasMoved = true
            default: break
            }
            if seen.insert(happening.node).inserted { moved.append(happening.node) }
        }
        turn.happeningsSeen = turn.happenings.count
        return moved
    }

    // MARK: Begin

    private mutating func carryOut(_ act: Act, into turn: inout Turn) {
        guard let run = runs[act.step.plan], let order = run.spec.order else { return }
        switch act.spec.action {
        case .pause: turn.setTimer(act.step, at: turn.now + order.pause)
        case .command:
            guard let node = act.node, case .command(let name) = order.work else { return }
            let isFollower = act.spec.b == 1
            let refusal = isFollower ? nil : send(name, to: node, order, lab: run.spec.lab, into: &turn)
            if let refusal { return end(act, .failed(StepError(.refused, refusal)), into: &turn) }
            if let former = commanded.removeValue(forKey: node)?.step, let run = runs[former.plan] {
                let error = StepError(.refused, "'\(name)' was sent to it instead")
                end(run.plan.act(of: former.index), .failed(error), into: &turn)
            }
            turn.setTimer(act.step, at: turn.now + order.within)
            commanded[node] = Commanded(step: act.step, hasMoved: isFollower)
            // What was said of it before does not count, but it may be up as it should.
            turn.happeningsSeen = turn.happenings.count
            judge(node, into: &turn)
        case .capability:
            guard let node = act.node, case .verb(let verb) = order.work else { return }
            if let refusal = begin(verb, act, on: node, into: &turn) {
                return end(act, .failed(StepError(.refused, refusal)), into: &turn)
            }
            // There is nothing for a driver to do.
            if act.spec.b < 0 { end(act, .succeeded(facts: [:]), into: &turn) }
        default: break
        }
    }

    /// Sends a command to a node; why it was not sent, or nil. Its state may have changed since the run was asked for.
    private mutating func send(
        _ name: String,
        to node: NodeID,
        _ order: NodeOrder,
        lab: String,
        into turn: inout Turn
    ) -> String? {
        guard let table = context.states.table(of: lab) else { return "nothing is known of its state" }
        var request = RebootRequest(nodes: [node], command: name, isForced: order.isForced)
        request.firstRungs[node] = order.rung
        let answer = RebootGate.decide(request, table: table) { context.states.row(of: $0) }.first?.verdict
        if case .refused(let reason)? = answer { return reason }
        let before = turn.happenings.count
        context.states.handle(.commanded(name, from: order.rung, by: .person), of: node, into: &turn)
        for happening in turn.happenings[before...] {
            if case .commandRefused(_, let reason) = happening.kind { return reason }
        }
        return nil
    }

    /// Tells a verb to a node, unless its work is under way already; why that cannot be, or nil.
    private mutating func begin(_ verb: String, _ act: Act, on node: NodeID, into turn: inout Turn) -> String? {
        let capability = Capability(number: act.spec.b)
        let isUnderWay = capability.map { context.states.work(of: node)?.capabilities.contains($0) == true } ?? false
        guard StepSpec.CapabilityFlags(rawValue: act.spec.c).contains(.beginsVerb) else {
            return isUnderWay ? nil : "it has left the state in which this is done"
        }
        // A crash has cut it, and it is done again.
        return isUnderWay ? nil : context.states.fire(verb, on: node, into: &turn)
    }

    // MARK: End

    private mutating func withdraw(_ act: Act, into turn: inout Turn) {
        let cancelled = ActOutcome.failed(StepError(.cancelled, "ended on request"))
        switch act.spec.action {
        case .command:
            guard let node = act.node, commanded[node]?.step == act.step else { return }
            commanded[node] = nil
            context.states.handle(.commandWithdrawn, of: node, into: &turn)
            end(act, cancelled, into: &turn)
        case .pause: end(act, cancelled, into: &turn)
        case .ready: stopAwaitingReport(act, into: &turn)
        case .capability:
            // A run that was halted waits for nothing; the work that nobody does any more has failed.
            guard let node = act.node, runs[act.step.plan]?.plan.row.state.isFinal != false else { return }
            context.states.failWork(of: node, into: &turn)
        default: break
        }
    }

    mutating func end(_ act: Act, _ outcome: ActOutcome, into turn: inout Turn) {
        turn.timersCleared.append(act.step)
        touched.insert(act.step.plan)
        runs[act.step.plan]?.actEnded(act, outcome, in: &context, into: &turn)
    }

    /// Ends the step of a node that has come to the end of its command.
    private mutating func judge(_ node: NodeID, into turn: inout Turn) {
        guard let step = commanded[node]?.step, let run = runs[step.plan] else { return }
        guard let outcome = outcome(of: node, run, turn) else { return }
        commanded[node] = nil
        end(run.plan.act(of: step.index), outcome, into: &turn)
    }

    private func outcome(of node: NodeID, _ run: RunMachine, _ turn: Turn) -> ActOutcome? {
        guard let commanded = commanded[node], let order = run.spec.order, case .command(let name) = order.work else {
            return nil
        }
        guard let row = context.states.row(of: node), let table = context.states.table(of: run.spec.lab),
            let command = table.command(name), let mode = table.mode(row.mode), let state = table.state(row.state)
        else { return .failed(StepError(.lost, "its node, or its mode table, is not there any more")) }
        if row.flags.contains(.givenUp) {
            return .failed(StepError(.notReady, "given up: \(turn.reasonGivenUp(node) ?? "it did not come up")"))
        }
        let isFollower = run.plan.spec(of: commanded.step.index).b == 1
        if let pending = row.command {
            if pending.name == command.name || isFollower { return nil }
            return .failed(StepError(.refused, "'\(pending.name)' was sent to it instead"))
        }
        if command.leavesDown { return .succeeded(facts: [:]) }
        guard commanded.hasMoved else { return nil }
        if table.isReady(mode, state) { return .succeeded(facts: [:]) }
        return table.isFailed(mode, state) ? .failed(StepError(.notReady, "it is \(row.state)")) : nil
    }

    /// A node is gone, with whatever was sent to it.
    mutating func nodeWent(_ node: NodeID, into turn: inout Turn) {
        if commanded[node] != nil { judge(node, into: &turn) }
    }

    /// The time of a pause, or the time that a command may take, is over; false when the timer was for something else.
    mutating func orderTimerIsDue(_ step: StepID, into turn: inout Turn) -> Bool {
        guard let run = runs[step.plan], run.spec.order != nil, step.index < run.plan.count,
            run.plan.state(of: step.index) == .running
        else { return false }
        let act = run.plan.act(of: step.index)
        switch act.spec.action {
        case .pause: end(act, .succeeded(facts: [:]), into: &turn)
        case .command:
            guard let node = act.node, let order = run.spec.order else { return false }
            commanded[node] = nil
            let reason = "'\(order.name)' has not come to its end within \(order.within.shortText)"
            context.states.handle(.givenUp(reason), of: node, into: &turn)
            end(act, .failed(StepError(.timedOut, reason)), into: &turn)
        default: return false
        }
        return true
    }
}

extension Turn {
    fileprivate func reasonGivenUp(_ node: NodeID) -> String? {
        for happening in happenings.reversed() where happening.node == node {
            if case .gaveUp(let reason) = happening.kind { return reason }
        }
        return nil
    }
}
