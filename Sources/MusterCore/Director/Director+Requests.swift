/// What clients ask for: new runs, and what becomes of those there are.
extension Director {
    mutating func answer(_ row: RequestRow, into turn: inout Turn) {
        switch row.request {
        case .submit(let token, let spec): submit(token, spec, into: &turn)
        case .resume(let id) where programs[id] != nil, .cancel(let id) where programs[id] != nil,
            .halt(let id) where programs[id] != nil:
            answerProgram(row, of: id, into: &turn)
        case .report(let report): take(report, request: row.id, into: &turn)
        case .useModes(let lab, let set): use(set, for: lab, into: &turn)
        case .pause(let id), .abort(let id), .revert(let id), .freeze(let id, _):
            answerProgram(row, of: id, into: &turn)
        case .retry(let step, _), .skip(let step), .signal(let step, _, _, _):
            answerProgram(row, of: step.plan, into: &turn)
        case .resume(let id):
            if runs[id] == nil { return refuse(row, of: id, into: &turn) }
            resume(id, into: &turn)
        // It goes on by itself.
        case .takeUp(let id) where programs[id] != nil: break
        case .takeUp(let id):
            if runs[id] == nil { return refuse(row, of: id, into: &turn) }
            if runs[id]?.isHeld == true { resume(id, into: &turn) }
        case .cancel(let id):
            if runs[id] == nil { return refuse(row, of: id, into: &turn) }
            cancel(id, into: &turn)
        case .halt(let id):
            if broken[id] != nil, let aside = rowsAside[id], aside.host == host {
                return giveUp(aside, into: &turn)
            }
            if runs[id] == nil { return refuse(row, of: id, into: &turn) }
            touched.insert(id)
            runs[id]?.halt(nil, nodes: &context.nodes, into: &turn)
            queue.removeAll { $0 == id }
        }
    }

    /// Says why nothing is done about a run that is not among its own. Silence would leave the client waiting.
    func refuse(_ row: RequestRow, of id: PlanID, into turn: inout Turn) {
        let reason: Refusal.Reason =
            if let aside = rowsAside[id], aside.host != host {
                .otherHost(id, host: aside.host)
            } else if let flaw = broken[id] {
                .broken(id, flaw: flaw)
            } else {
                .ended(id)
            }
        turn.emit(.requestRefused, plan: id, detail: Refusal(token: Refusal.token(of: row.id), reason: reason).text)
    }

    /// Ends a run whose rows cannot be gone on with: by its own row alone, as its steps cannot be believed. Its
    /// machines stay, and may be taken down.
    mutating func giveUp(_ row: PlanRow, into turn: inout Turn) {
        let flaw = broken.removeValue(forKey: row.id) ?? ""
        rowsAside[row.id] = nil
        var row = row
        row.state = .stopped
        row.result = .cancelled
        row.reason = "halted; it was broken: \(flaw)"
        row.endedAt = turn.now
        turn.plans.append(row)
        for node in context.nodes.of(lab: row.lab) {
            if node.createdBy == row.id, node.state == .creating || node.state == .starting {
                let reason = "its run was broken and is halted"
                context.nodes.move(node.id, to: .failed, reason: reason, plan: row.id, into: &turn)
            }
            if node.heldBy == row.id { context.nodes.change(node.id) { $0.heldBy = nil } }
        }
        // What it has running nobody knows but the nodes.
        survey(context.nodes.of(lab: row.lab), into: &turn)
        turn.emit(.planHalted, plan: row.id, detail: flaw)
        turn.emit(.planStopped, plan: row.id, detail: row.result.rawValue)
    }

    /// Goes on with a run as if somebody had asked for it.
    package mutating func goOn(with id: PlanID, into turn: inout Turn) { resume(id, into: &turn) }

    mutating func resume(_ id: PlanID, into turn: inout Turn) {
        // A run that has stopped in this very turn is still known.
        guard let run = runs[id], !run.plan.row.state.isFinal else { return }
        touched.insert(id)
        if run.isHeld {
            // What a waiting `down` cancelled was interrupted with it.
            if run.plan.row.state == .pending, run.spec.verb == .down { cancelRivals(of: id, run.spec, into: &turn) }
        }
        runs[id]?.resume(in: &context, into: &turn)
    }

    mutating func cancel(_ id: PlanID, into turn: inout Turn) {
        guard let run = runs[id] else { return }
        touched.insert(id)
        switch run.plan.row.state {
        case .pending: runs[id]?.halt("cancelled", nodes: &context.nodes, into: &turn)
        case .paused where run.keepsMachines(failed: true) || run.plan.row.phase == .teardown:
            runs[id]?.halt("cancelled", nodes: &context.nodes, into: &turn)
        case .running, .paused:
            runs[id]?.cancel(nodes: &context.nodes, into: &turn)
            // A run nobody went on with is taken up again to be ended properly.
            if run.isHeld { resume(id, into: &turn) }
        case .scheduled, .planning, .planned, .stopped: break
        }
        queue.removeAll { $0 == id }
    }

    mutating func submit(
        _ token: String,
        _ asked: RunSpec,
        steps: [PlanSubmission.Step] = [],
        reason: String? = nil,
        into turn: inout Turn
    ) {
        var spec = asked.verb == .down ? standingGroups(of: asked.lab).settled(asked) : asked
        if let lifetime = spec.lifetime { spec.expiresAt = turn.now + lifetime }
        if let program = spec.program {
            begin(token, spec, program, steps: steps, into: &turn)
            return
        }
        let isBuilder = spec.verb == .up || spec.verb == .test
        let waits = isBuilder && awaitsEnd(of: spec.lab, into: &turn)
        if let refusal = refusalOfTests(spec) ?? (waits ? nil : refusal(of: spec)) {
            turn.emit(.requestRefused, detail: Refusal(token: token, reason: refusal).text)
            return
        }
        let id = PlanID(planNumbers.take())
        var row = PlanRow(
            id: id,
            request: token,
            verb: spec.verb,
            lab: spec.lab,
            host: host,
            epoch: turn.epoch,
            createdAt: turn.now
        )
        row.reason = whatIsPassedOver(by: spec)
        runs[id] = RunMachine(row: row, spec: spec, policies: context.policies)
        runs[id]?.plan.rowIsDirty = true
        context.specs[id] = spec
        expiries.note(id, spec)
        touched.insert(id)
        turn.newSpecs[id] = spec
        if let modes = spec.modes { use(modes, for: spec.lab, into: &turn) }
        if let notify = spec.notify { errands.use(notify, for: spec.lab, into: &turn) }
        turn.emit(.planCreated, plan: id, detail: reason)
        runs[id]?.append(steps)
        if spec.verb == .down {
            cancelRivals(of: id, spec, into: &turn)
            queue.append(id)
        } else if waits {
            queue.append(id)
        } else {
            start(id, into: &turn)
        }
    }

    /// Ends what a `down` takes the machines of. Another `down` is waited for, unless nobody went on with it.
    mutating func cancelRivals(of id: PlanID, _ spec: RunSpec, into turn: inout Turn) {
        for rival in rivals(of: id, spec) where runs[rival]?.spec.verb != .down || runs[rival]?.isHeld == true {
            cancel(rival, into: &turn)
        }
    }

    mutating func start(_ id: PlanID, into turn: inout Turn) {
        guard let spec = runs[id]?.spec else { return }
        touched.insert(id)
        runs[id]?.begin(into: &turn)
        switch spec.verb {
        case .up, .test: runs[id]?.expand(in: &context, into: &turn)
        case .exec: runs[id]?.expandExec(in: context)
        case .plan: break
        case .reboot, .power, .provision:
            ordering.insert(id)
            runs[id]?.expandOrder(in: &context, into: &turn)
        case .down:
            let doomed = doomed(by: spec)
            for node in doomed { context.nodes.change(node.id) { $0.heldBy = id } }
            runs[id]?.appendTeardown(of: doomed, in: context)
        }
        runs[id]?.advance(nodes: &context.nodes, into: &turn)
    }

    /// Starts the runs that waited for machines which are free now.
    mutating func letQueuedRunsIn(_ turn: inout Turn) {
        // Asked with every turn, and to compare runs is to copy the Director.
        if queue.isEmpty { return }
        for id in queue.sorted(by: comesBefore) {
            guard let spec = runs[id]?.spec, runs[id]?.isHeld == false else { continue }
            let rivals = rivals(of: id, spec)
            for rival in rivals {
                guard let row = runs[rival]?.plan.row else { continue }
                touched.insert(rival)
                if row.state == .paused, spec.verb == .down {
                    runs[rival]?.halt("taken down", nodes: &context.nodes, into: &turn)
                }
            }
            guard self.rivals(of: id, spec).isEmpty else { continue }
            queue.removeAll { $0 == id }
            start(id, into: &turn)
        }
    }

    /// Other unfinished runs that hold, or are about to make, machines of the same groups.
    func rivals(of id: PlanID?, _ spec: RunSpec) -> [PlanID] {
        let groups = groupsTouched(by: spec)
        return runs.values.filter { run in
            guard run.id != id, run.spec.lab == spec.lab, run.spec.verb != .exec, run.spec.verb != .plan,
                !run.plan.row.state.isFinal
            else {
                return false
            }
            // Of two that wait, the one that came later waits for the other.
            if let id, run.plan.row.state == .pending, comesBefore(id, run.id) { return false }
            if spec.takesDownAll || run.spec.takesDownAll { return true }
            let theirs = groupsTouched(by: run.spec)
            return !theirs.isDisjoint(with: groups) || theirs.contains(where: spec.takesDown)
                || groups.contains(where: run.spec.takesDown)
        }.map(\.id).sorted()
    }

    func doomed(by spec: RunSpec) -> [NodeRow] {
        context.nodes.of(lab: spec.lab).filter { spec.takesDown($0.name.group) }
    }

    /// The groups whose machines a run makes, uses or takes away.
    private func groupsTouched(by spec: RunSpec) -> Set<String> {
        if spec.verb == .down { return Set(doomed(by: spec).map(\.name.group) + spec.downGroups) }
        let changed = spec.changes?.all.compactMap { context.nodes[$0]?.name.group } ?? []
        return Set(spec.groups.map(\.name) + changed)
    }

    private func standingGroups(of lab: String) -> StandingGroups {
        StandingGroups(context.nodes.of(lab: lab)) { context.specs[$0] }
    }

    /// What a forced `down` leaves standing that needs what goes, in words.
    private func whatIsPassedOver(by spec: RunSpec) -> String? {
        guard spec.passesOverErrors, !spec.downGroups.isEmpty else { return nil }
        let left = standingGroups(of: spec.lab).dependents(on: Set(spec.downGroups))
        guard !left.isEmpty else { return nil }
        let names = left.map { "'\($0.group)'" }.joined(separator: ", ")
        return "passed over: \(names) stay without what they need"
    }

    private func refusalOfTests(_ spec: RunSpec) -> Refusal.Reason? {
        guard spec.verb == .test, let (test, flaw) = spec.flawOfRoles else { return nil }
        return .badRoles(test: test, flaw: flaw)
    }

    func refusal(of spec: RunSpec) -> Refusal.Reason? {
        switch spec.verb {
        case .up, .test:
            guard let rival = rivals(of: nil, spec).first, let run = runs[rival] else { return nil }
            let shared = groupsTouched(by: run.spec).intersection(groupsTouched(by: spec)).sorted()
            return .inUse(by: rival, verb: run.spec.verb, groups: shared)
        case .down:
            guard !spec.downGroups.isEmpty, !spec.passesOverErrors else { return nil }
            let dependents = standingGroups(of: spec.lab).dependents(on: Set(spec.downGroups))
            return dependents.isEmpty ? nil : .needed(groups: spec.downGroups, by: dependents)
        case .plan: return nil
        case .reboot, .power, .provision:
            for target in spec.order?.targets ?? [] where context.nodes.current(lab: spec.lab, target.node) == nil {
                return .noNode(target.node, state: nil)
            }
            return context.states.table(of: spec.lab) == nil ? .noModes(lab: spec.lab) : nil
        case .exec:
            for name in spec.exec?.nodes ?? [] {
                guard let node = context.nodes.current(lab: spec.lab, name) else { return .noNode(name, state: nil) }
                if node.state != .ready { return .noNode(name, state: node.state) }
            }
            return nil
        }
    }
}
