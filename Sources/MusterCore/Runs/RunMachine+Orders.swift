// Runs that do something to nodes as a whole: a command to each of them, or a verb of their mode table.

extension RunMachine {
    /// Adds the steps of an order. A node that is refused has its answer at once.
    mutating func expandOrder(in context: inout RunContext, into turn: inout Turn) {
        guard let order = spec.order else { return }
        switch order.work {
        case .command(let name): expand(command: name, of: order, in: &context, into: &turn)
        case .verb(let verb): expand(verb: verb, of: order, in: &context, into: &turn)
        }
    }

    /// The nodes of an order that are there, each once, with its place in the order.
    private func targets(of order: NodeOrder, in context: RunContext) -> [(place: Int32, node: NodeRow)] {
        var seen: Set<NodeID> = []
        return order.targets.enumerated().compactMap { place, target in
            guard let node = context.nodes.current(lab: spec.lab, target.node), seen.insert(node.id).inserted else {
                return nil
            }
            return (Int32(place), node)
        }
    }

    /// Which run needs a node just now.
    private func user(of node: NodeRow, in context: RunContext) -> String? {
        guard let holder = node.heldBy, holder != id else { return nil }
        let verb = context.specs[holder].map { " (\($0.verb.rawValue))" } ?? ""
        return "run \(RunName(holder))\(verb) uses it"
    }

    private mutating func hold(_ node: NodeRow, in context: inout RunContext) {
        if node.heldBy == nil { context.nodes.change(node.id) { $0.heldBy = id } }
    }

    // MARK: Commands

    private mutating func expand(
        command: String,
        of order: NodeOrder,
        in context: inout RunContext,
        into turn: inout Turn
    ) {
        guard let table = context.states.table(of: spec.lab) else { return }
        let targets = targets(of: order, in: context)
        var request = RebootRequest(nodes: targets.map(\.node.id), command: command, isForced: order.isForced)
        for (_, node) in targets {
            request.firstRungs[node.id] = order.rung
            request.users[node.id] = user(of: node, in: context)
            request.hosts[node.id] = context.nodes.host(of: node)?.id
        }
        var answers = RebootGate.decide(request, table: table) { context.states.row(of: $0) }
        for ((_, node), index) in zip(targets, answers.indices) {
            guard case .accepted(let first) = answers[index].verdict,
                let reason = inability(of: node, to: command, from: first, table, in: context)
            else { continue }
            answers[index].verdict = .refused(reason)
        }
        var steps: [NodeID: StepIndex] = [:]
        var pause: StepIndex?
        var batches = Int32(0)
        var inBatch = 0
        for ((place, node), answer) in zip(targets, answers) {
            switch answer.verdict {
            case .accepted:
                if inBatch == max(1, order.batch), order.pause > .zero {
                    batches += 1
                    pause = plan.append(StepSpec(.pause, a: batches), needs: pause.map { [$0] } ?? [])
                    inBatch = 0
                }
                inBatch += 1
                let needs = pause.map { [$0] } ?? []
                steps[node.id] = plan.append(StepSpec(.command, a: place, node: node.id), needs: needs)
                hold(node, in: &context)
            case .refused(let reason):
                refuse(StepSpec(.command, a: place, node: node.id), reason, into: &turn)
            case .withHost, .excluded: break
            }
        }
        for ((place, node), answer) in zip(targets, answers) {
            guard case .withHost(let host) = answer.verdict else { continue }
            let spec = StepSpec(.command, a: place, b: 1, node: node.id, startsAfterFailure: true)
            plan.append(spec, needs: steps[host].map { [$0] } ?? [])
            hold(node, in: &context)
        }
    }

    /// Why nothing of a command could be done to a node by its driver; nil when something can.
    private func inability(
        of node: NodeRow,
        to command: String,
        from first: Rung,
        _ table: ModeTable,
        in context: RunContext
    ) -> String? {
        guard let able = context.rungs[node.driver], let command = table.command(command) else { return nil }
        let place = command.rungs.firstIndex { $0.rung == first } ?? 0
        guard !command.rungs[place...].contains(where: { able.contains($0.rung) }) else { return nil }
        return "a node of driver '\(node.driver)' cannot \(first.rawValue)"
    }

    /// A node that is left as it is: its step says why.
    private mutating func refuse(_ step: StepSpec, _ reason: String, into turn: inout Turn) {
        let step = plan.append(step, needs: [])
        finishOrdered(step, StepError(.refused, reason), into: &turn)
    }

    // MARK: Verbs

    private mutating func expand(
        verb: String,
        of order: NodeOrder,
        in context: inout RunContext,
        into turn: inout Turn
    ) {
        for (place, node) in targets(of: order, in: context) {
            do throws(StepError) {
                let work = try work(of: verb, on: node, seenSince: order.targets[Int(place)].seenSince, in: context)
                var needs: [StepIndex] = []
                for (index, part) in work.enumerated() {
                    let flags: StepSpec.CapabilityFlags = index == 0 ? [part.flags, .beginsVerb] : part.flags
                    let number = part.capability?.number ?? -1
                    let spec = StepSpec(.capability, a: place, b: number, c: flags.rawValue, node: node.id)
                    needs = [plan.append(spec, needs: needs)]
                }
                hold(node, in: &context)
            } catch {
                refuse(StepSpec(.capability, a: place, b: -1, node: node.id), error.message, into: &turn)
            }
        }
    }

    /// What a verb has done to a node, state by state, as its mode table says.
    private func work(
        of verb: String,
        on node: NodeRow,
        seenSince: Timestamp?,
        in context: RunContext
    ) throws(StepError) -> [(capability: Capability?, flags: StepSpec.CapabilityFlags)] {
        if let user = user(of: node, in: context) { throw StepError(.refused, user) }
        guard let row = context.states.row(of: node.id), let table = context.states.table(of: spec.lab),
            let mode = table.mode(row.mode), let state = table.state(row.state)
        else { throw StepError(.refused, "nothing is known of its state") }
        if let seenSince, row.since != seenSince {
            throw StepError(.refused, "it has changed since it was looked at: it is \(row.state) now; look again")
        }
        guard let target = table.target(mode, state, event: verb), target.isVerb else {
            let verbs = table.verbs(mode, state)
            let others = verbs.isEmpty ? "nothing" : verbs.joined(separator: ", ")
            throw StepError(.refused, "'\(verb)' is not possible in \(row.state); possible: \(others)")
        }
        var parts: [(capability: Capability?, flags: StepSpec.CapabilityFlags)] = []
        var next = target.state
        var seen: Set<StateID> = []
        while let work = table.work(mode, next), seen.insert(next).inserted {
            for capability in work.capabilities { parts.append((capability, [])) }
            if !work.capabilities.isEmpty { parts[parts.count - 1].flags = .endsState }
            guard let after = table.target(mode, next, event: work.successEvent) else { break }
            next = after.state
        }
        let known = context.capabilities[node.driver] ?? []
        if let missing = parts.lazy.compactMap(\.capability).first(where: { !known.contains($0) }) {
            throw StepError(
                .refused,
                "a node of driver '\(node.driver)' cannot \(missing.rawValue), which '\(verb)' needs"
            )
        }
        return parts.isEmpty ? [(nil, [])] : parts
    }

    // MARK: Outcomes

    /// A command has come to its end: the node is up again, or down, or it has failed.
    mutating func commanded(
        _ step: StepIndex,
        _ error: StepError?,
        in context: inout RunContext,
        into turn: inout Turn
    ) {
        if let node = plan.node(of: step), let row = context.nodes[node] {
            if let error {
                // What was refused or withdrawn says nothing of the node.
                if error.code == .notReady || error.code == .timedOut, row.state == .ready {
                    context.nodes.move(node, to: .lost, reason: error.message, plan: id, into: &turn)
                }
            } else if context.states.leavesDown(spec.order, lab: spec.lab) {
                context.nodes.move(node, to: .stopped, reason: "switched off on request", plan: id, into: &turn)
            } else if row.state == .lost || row.state == .stopped {
                context.nodes.move(node, to: .ready, plan: id, into: &turn)
                turn.directives.append(.watch(node))
            } else if row.state == .ready {
                turn.directives.append(.watch(node))
            }
        }
        finishOrdered(step, error, into: &turn)
    }

    /// A driver has done its part of a verb, or has not: the node goes on to the next state, or takes the error edge.
    mutating func performed(
        _ step: StepIndex,
        _ outcome: ActOutcome,
        in context: inout RunContext,
        into turn: inout Turn
    ) {
        guard let node = plan.node(of: step) else { return }
        if case .succeeded(let facts) = outcome, !facts.isEmpty {
            context.nodes.change(node) { $0.facts.merge(facts) { $1 } }
        }
        let spec = plan.spec(of: step)
        let flags = StepSpec.CapabilityFlags(rawValue: spec.c)
        var error = outcome.error
        if error == nil, flags.contains(.endsState) {
            error = context.states.endWork(of: node, into: &turn)
        } else if error != nil {
            context.states.failWork(of: node, into: &turn)
        }
        finishOrdered(step, error, into: &turn)
        if error == nil {
            if Capability(number: spec.b)?.leavesEmpty == true { empty(node, in: &context, into: &turn) }
            follow(node, in: &context, into: &turn)
        } else {
            dropRest(after: step, of: node, into: &turn)
        }
    }

    /// What was on the machine is not there any more: no run uses it as it is.
    private mutating func empty(_ node: NodeID, in context: inout RunContext, into turn: inout Turn) {
        guard let row = context.nodes[node], row.state == .ready || row.state == .lost else { return }
        context.nodes.move(node, to: .stopped, reason: "emptied on request", plan: id, into: &turn)
    }

    /// Where the states of a table say whether the machine is in use, its lifecycle follows.
    private mutating func follow(_ node: NodeID, in context: inout RunContext, into turn: inout Turn) {
        guard let row = context.nodes[node], row.state == .stopped || row.state == .lost,
            context.states.isReady(node)
        else { return }
        context.nodes.move(node, to: .ready, plan: id, into: &turn)
        turn.directives.append(.watch(node))
    }

    /// What would have come next on the node does not.
    private mutating func dropRest(after step: StepIndex, of node: NodeID, into turn: inout Turn) {
        var next = step + 1
        while next < plan.count, plan.node(of: next) == node, plan.state(of: next) == .pending {
            let error = StepError(.refused, "what comes before it has failed")
            plan.finish(next, plan.state(of: step) == .cancelled ? .cancelled : .skipped, error: error, into: &turn)
            next += 1
        }
    }

    /// Ends a step as its group says what a failure means.
    private mutating func finishOrdered(_ step: StepIndex, _ error: StepError?, into turn: inout Turn) {
        guard let error else { return plan.finish(step, .success, into: &turn) }
        if error.code == .cancelled, plan.row.isCancelling {
            return plan.finish(step, .cancelled, error: error, into: &turn)
        }
        let state: StepState =
            switch failureAction(of: plan.spec(of: step)) {
            case .fatal: .error
            case .nonfatal: .skipped
            case .ignore: .success
            }
        plan.finish(step, state, error: error, into: &turn)
    }

    private func failureAction(of step: StepSpec) -> FailureAction {
        guard let order = spec.order, order.targets.indices.contains(Int(step.a)) else { return .fatal }
        let group = order.targets[Int(step.a)].node.group
        return order.onFailure ?? spec.groups.first { $0.name == group }?.failureAction ?? .fatal
    }
}

extension StepSpec {
    /// What `c` says of a capability.
    struct CapabilityFlags: OptionSet, Sendable {
        let rawValue: Int32
        /// The node leaves its state with it.
        static let endsState = CapabilityFlags(rawValue: 1)
        /// The verb is told to the node as it begins.
        static let beginsVerb = CapabilityFlags(rawValue: 2)
    }
}

extension NodeStates {
    /// Whether a node stays down after what an order has commanded.
    func leavesDown(_ order: NodeOrder?, lab: String) -> Bool {
        guard case .command(let name)? = order?.work else { return false }
        return table(of: lab)?.command(name)?.leavesDown ?? false
    }

    /// The work of the state that a node is in is done. Why it cannot go on, or nil.
    mutating func endWork(of node: NodeID, into turn: inout Turn) -> StepError? {
        let event = work(of: node)?.successEvent ?? StateWork.done
        return fire(event, on: node, into: &turn).map { StepError(.refused, $0) }
    }

    /// The work of the state that a node is in has failed: it takes the error edge, where it has one.
    mutating func failWork(of node: NodeID, into turn: inout Turn) {
        if work(of: node) != nil { _ = fire(StateWork.failed, on: node, into: &turn) }
    }

    /// Has an event decided by the node's mode; why it was not taken, or nil.
    mutating func fire(_ event: String, on node: NodeID, into turn: inout Turn) -> String? {
        let before = turn.happenings.count
        handle(.fired(event), of: node, into: &turn)
        return turn.happenings[before...].lazy.compactMap(\.kind.reasonNotTaken).first
    }

    /// What is to be done in the state that a node is in.
    func work(of node: NodeID) -> StateWork? {
        guard let row = row(of: node), let table = table(for: node), let mode = table.mode(row.mode),
            let state = table.state(row.state)
        else { return nil }
        return table.work(mode, state)
    }
}
