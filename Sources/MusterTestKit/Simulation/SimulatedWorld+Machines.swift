import MusterCore
import MusterEngine

/// What a conductor asks of the supervisor of a node.
enum SimulatedRequest {
    case begin(Act, task: Int)
    /// Wait for the end of what another conductor has begun.
    case attach(Act, task: Int)
    case inquire(Act, task: Int)
    case end(Act)
    case watch(NodeID)
    case survey(NodeID)
}

extension SimulatedWorld {
    // MARK: Requests arrive

    func arrives(_ request: SimulatedRequest, from conductor: SimulatedConductor, epoch: Epoch) {
        // What a dead conductor had sent arrives at once or never: no other one has begun by then.
        if !conductor.isAlive, conductor.number < conductors.count - 1 || chance.oneIn(2) { return }
        // Where a lock keeps conductors apart, whoever starts beside another finds no machine in the making.
        if !isShared, epoch < store.newestEpoch, case .begin(let act, _) = request, act.spec.b == 0,
            act.spec.action == .provision
        {
            return
        }
        switch request {
        case .begin(let act, let task): begins(act, task: task, from: conductor, epoch: epoch)
        case .attach(let act, let task): attaches(act, task: task, from: conductor, epoch: epoch)
        case .inquire(let act, let task):
            put(.finds(conductor.number, act, status(of: act, epoch: epoch), task: task), in: chance.delay())
        case .end(let act):
            // Who does not tell does not hear, either.
            if isChaotic, machines.doubted.contains(SimulatedOperationKey(act)), !chance.oneIn(4) { return }
            ends(act, epoch: epoch)
        case .watch(let node): watches(node, from: conductor, epoch: epoch)
        case .survey(let node): surveys(node, from: conductor, epoch: epoch)
        }
    }

    private func surveys(_ node: NodeID, from conductor: SimulatedConductor, epoch: Epoch) {
        guard let machine = machines[node], machine.isThere, machine.epoch <= epoch else { return }
        machine.epoch = epoch
        for key in machine.running { put(.hearsOfOperation(conductor.number, key, node), in: chance.delay()) }
    }

    private func answer(_ conductor: SimulatedConductor, _ act: Act, _ outcome: ActOutcome, task: Int) {
        put(.hears(conductor.number, act, outcome, task: task), in: chance.delay())
    }

    private func watches(_ node: NodeID, from conductor: SimulatedConductor, epoch: Epoch) {
        guard let machine = machines[node], machine.isThere, machine.epoch <= epoch else {
            receive(.event(.nodeLost(node, reason: "its supervisor is gone")), by: conductor)
            return
        }
        machine.epoch = epoch
        if let loss = machine.loss {
            receive(.event(.nodeLost(node, reason: loss)), by: conductor)
        } else if !machine.watchers.contains(conductor.number) {
            machine.watchers.append(conductor.number)
        }
    }

    /// What its records tell of an operation.
    private func status(of act: Act, epoch: Epoch) -> ActStatus {
        guard let node = act.node else { return .neverStarted }
        let key = SimulatedOperationKey(act)
        if isChaotic, chance.happens(perMille: 15) {
            machines.doubted.insert(key)
            return .unknown("its supervisor does not answer")
        }
        let operation = machines.operations[key]
        guard let machine = machines[node] else { return .neverStarted }
        guard machine.epoch <= epoch else { return .unknown("a newer conductor has spoken") }
        machine.epoch = epoch
        guard let operation else { return .neverStarted }
        return operation.outcome.map { .ended($0) } ?? .running
    }

    private func attaches(_ act: Act, task: Int, from conductor: SimulatedConductor, epoch: Epoch) {
        let key = SimulatedOperationKey(act)
        guard let node = act.node, let machine = machines[node], machine.isThere || machines.operations[key] != nil
        else {
            answer(conductor, act, .failed(StepError(.lost, "its supervisor is gone")), task: task)
            return
        }
        guard machine.epoch <= epoch else {
            counts.refusedByMachines += 1
            answer(conductor, act, .failed(StepError(.refused, "a newer conductor has spoken")), task: task)
            return
        }
        machine.epoch = epoch
        counts.attached += 1
        guard let operation = machines.operations[key] else {
            answer(conductor, act, .failed(StepError(.unknown, "it was never started")), task: task)
            return
        }
        if let outcome = operation.outcome {
            answer(conductor, act, outcome, task: task)
        } else if !operation.waiters.contains(conductor.number) {
            machines.operations[key]?.waiters.append(conductor.number)
        }
    }

    private func begins(_ act: Act, task: Int, from conductor: SimulatedConductor, epoch: Epoch) {
        guard let node = act.node else { return }
        if let machine = machines[node], machine.epoch > epoch {
            counts.refusedByMachines += 1
            tell?("node \(node.rawValue) refuses epoch \(epoch): it has heard of \(machine.epoch)")
            // Asked again after a broken connection: who asks under a risen term is answered as the first time, and
            // whose term is over hears nothing.
            if machines.operations[SimulatedOperationKey(act)] != nil { return }
            let refused = ActOutcome.failed(StepError(.refused, "a newer conductor has spoken"))
            answer(conductor, act, refused, task: task)
            return
        }
        machines[node]?.epoch = epoch
        if act.spec.action == .provision, act.spec.b == 0 {
            create(act, node, task: task, from: conductor, epoch: epoch)
            return
        }
        if act.spec.action == .destroy {
            destroy(act, node, task: task, from: conductor)
            return
        }
        guard let machine = machines[node], machine.isThere else {
            answer(conductor, act, .failed(StepError(.lost, "its supervisor is gone")), task: task)
            return
        }
        switch act.spec.action {
        case .ready:
            let fails = machine.loss != nil || (isChaotic && chance.oneIn(12))
            let outcome: ActOutcome = fails ? .failed(StepError(.notReady, "port 80 refuses")) : .succeeded(facts: [:])
            answer(conductor, act, outcome, task: task)
        case .provision where isFiles(act): put(files: act, on: machine, task: task, from: conductor)
        default:
            if endsFormerTries(of: act, on: machine) {
                // It begins when they have ended.
                put(.arrives(.begin(act, task: task), from: conductor.number, epoch: epoch), in: 5_000_001)
            } else {
                run(act, on: machine, task: task, from: conductor)
            }
        }
    }

    /// Ends what former tries of a step have left running; says whether there was any.
    private func endsFormerTries(of act: Act, on machine: SimulatedMachines.Machine) -> Bool {
        let former = machine.running.filter { $0.step == act.step && $0.number < act.number }
        for key in former {
            if let act = machines.operations[key]?.act { ends(act, epoch: machine.epoch) }
        }
        return !former.isEmpty
    }

    private func isFiles(_ act: Act) -> Bool {
        guard let group = ledger.plans[act.step.plan]?.spec.groups[Int(act.spec.a)] else { return false }
        if case .files = group.steps[Int(act.spec.b)].kind { return true }
        return false
    }

    private func create(_ act: Act, _ node: NodeID, task: Int, from conductor: SimulatedConductor, epoch: Epoch) {
        verdict.expect(ledger.nodes[node]?.state != .gone, "\(name(act)) makes a machine for a node that is gone")
        let machine = machines[node] ?? machines.make(node, epoch: epoch)
        machine.begun.insert(0)
        let key = SimulatedOperationKey(act)
        if machines.operations[key] == nil {
            counts.operations += 1
            let fails = isChaotic && chance.oneIn(14)
            let outcome: ActOutcome =
                fails
                ? .failed(StepError(.notStarted, "no such program"))
                : .succeeded(facts: ["address": "127.64.0.\(node.rawValue)"])
            machines.operations[key] = SimulatedMachines.Operation(act: act, outcome: outcome, planned: outcome)
        }
        let outcome = machines.operations[key]?.outcome ?? .succeeded(facts: [:])
        answer(
            conductor,
            act,
            machine.isThere ? outcome : .failed(StepError(.lost, "its supervisor is gone")),
            task: task
        )
    }

    private func put(
        files act: Act,
        on machine: SimulatedMachines.Machine,
        task: Int,
        from conductor: SimulatedConductor
    ) {
        machine.begun.insert(act.spec.b)
        let fails = isChaotic && chance.oneIn(14)
        answer(conductor, act, fails ? .failed(StepError(.file, "no such file")) : .succeeded(facts: [:]), task: task)
    }

    private func destroy(_ act: Act, _ node: NodeID, task: Int, from conductor: SimulatedConductor) {
        if let machine = machines[node] {
            if isChaotic, chance.oneIn(20) {
                answer(conductor, act, .failed(StepError(.refused, "no space left")), task: task)
                return
            }
            checkUndone(node, machine, before: act)
            endAll(on: machine, StepError(.lost, "its node was destroyed"))
            machines.remove(node)
        }
        answer(conductor, act, .succeeded(facts: [:]), task: task)
    }

    /// Starts an operation, or finds the one that was started before.
    private func run(
        _ act: Act,
        on machine: SimulatedMachines.Machine,
        task: Int,
        from conductor: SimulatedConductor
    ) {
        let key = SimulatedOperationKey(act)
        var isKnown = machines.operations[key] != nil
        if mutation == .operationStartsAgain, machines.operations[key]?.outcome != nil { isKnown = false }
        if isKnown {
            counts.attached += 1
            if let outcome = machines.operations[key]?.outcome {
                answer(conductor, act, outcome, task: task)
            } else if machines.operations[key]?.waiters.contains(conductor.number) == false {
                machines.operations[key]?.waiters.append(conductor.number)
            }
            return
        }
        checkStart(act, on: machine)
        counts.operations += 1
        var operation =
            machines.operations[key] ?? SimulatedMachines.Operation(act: act, outcome: nil, planned: drawEnd(of: act))
        operation.outcome = nil
        operation.starts += 1
        operation.waiters = [conductor.number]
        machines.operations[key] = operation
        machines.began(key, on: machine)
        if act.spec.action == .provision { machine.begun.insert(act.spec.b) }
        // Some go on for very long, unless somebody ends them.
        let isLong = isChaotic && chance.oneIn(12)
        put(.operationEnds(key), in: isLong ? Int64(chance.from(30, to: 300)) * 1_000_000 : chance.delay() * 3)
    }

    private func ends(_ act: Act, epoch: Epoch) {
        guard let node = act.node, let machine = machines[node], machine.isThere, machine.epoch <= epoch else { return }
        machine.epoch = epoch
        guard act.spec.action != .destroy, act.spec.action != .ready,
            !(act.spec.action == .provision && act.spec.b == 0)
        else { return }
        let key = SimulatedOperationKey(act)
        let ended = ActOutcome.exited(processExit(signal: 15, interrupted: true))
        guard let operation = machines.operations[key] else {
            // An end that comes before its start: the start then finds it.
            machines.operations[key] = SimulatedMachines.Operation(act: act, outcome: ended, planned: ended)
            return
        }
        guard operation.outcome == nil else { return }
        machines.operations[key]?.planned = ended
        machines.operations[key]?.isEnding = true
        put(.operationEnds(key), in: Int64(chance.from(1, to: 5_000_000)))
    }

    // MARK: Ends

    func operationEnds(_ key: SimulatedOperationKey) {
        guard let operation = machines.operations[key], operation.outcome == nil, let node = operation.act.node else {
            return
        }
        if let calmSince, now > calmSince + 60_000_000, !operation.isEnding, !machines.doubted.contains(key) {
            let step = ledger.plans[key.step.plan]?.steps[Int(key.step.index)]
            verdict.expect(
                step?.state == .running && step?.tries == key.number,
                "try \(key.number) of \(name(operation.act)) runs for ever, and no step runs with it"
            )
        }
        // A test that is meant to destroy its node may do so.
        if operation.act.spec.action == .attempt, isDestructive(operation.act), chance.oneIn(2) {
            loseServer(node, "destroyed by a test")
        }
        tellWaiters(of: key, operation.planned)
        machines.ended(key, operation.planned, on: machines[node])
    }

    private func tellWaiters(of key: SimulatedOperationKey, _ outcome: ActOutcome) {
        guard let operation = machines.operations[key] else { return }
        for number in operation.waiters where conductors[number].isAlive {
            guard let task = conductors[number].underWay[key]?.task else { continue }
            put(.hears(number, operation.act, outcome, task: task), in: chance.delay())
        }
    }

    private func endAll(on machine: SimulatedMachines.Machine, _ error: StepError) {
        for key in machine.running {
            tellWaiters(of: key, .failed(error))
            machines.ended(key, .failed(error), on: nil)
        }
        machine.running = []
    }

    func loseServer(_ node: NodeID, _ reason: String) {
        guard let machine = machines[node], machine.isThere, machine.loss == nil else { return }
        tell?("node \(node.rawValue): \(reason)")
        machine.loss = reason
        tellWatchers(of: machine, node, reason)
    }

    /// The machine is gone with everything on it, and with its records.
    func loseMachine(_ node: NodeID, _ reason: String) {
        guard let machine = machines[node], machine.isThere else { return }
        tell?("node \(node.rawValue): \(reason)")
        machine.isThere = false
        endAll(on: machine, StepError(.lost, reason))
        tellWatchers(of: machine, node, reason)
    }

    private func tellWatchers(of machine: SimulatedMachines.Machine, _ node: NodeID, _ reason: String) {
        for number in machine.watchers { put(.hearsOfLoss(number, node, reason), in: chance.delay()) }
        machine.watchers = []
    }

    // MARK: What comes of it

    private func isDestructive(_ act: Act) -> Bool {
        ledger.plans[act.step.plan]?.spec.suites[Int(act.spec.a)].tests[Int(act.spec.b)].destructive == true
    }

    private func processExit(
        status: Int? = nil,
        signal: Int? = nil,
        timedOut: Bool = false,
        interrupted: Bool = false
    )
        -> ProcessExit
    {
        let at = Timestamp(rawValue: now)
        return ProcessExit(
            status: status,
            signal: signal,
            timedOut: timedOut,
            interrupted: interrupted,
            startedAt: at,
            endedAt: at
        )
    }

    private func drawEnd(of act: Act) -> ActOutcome {
        guard isChaotic || act.spec.action == .attempt else { return .exited(processExit(status: 0)) }
        let failures = act.spec.action == .attempt ? 5 : 1
        switch chance.below(20) {
        case 0..<failures: return .exited(processExit(status: 1))
        case 6: return .exited(act.spec.action == .attempt ? processExit(status: 77) : processExit(status: 0))
        case 7 where isChaotic && chance.oneIn(2): return .exited(processExit(signal: 9, timedOut: true))
        default: return .exited(processExit(status: 0))
        }
    }

    func name(_ act: Act) -> String { "step \(act.step.plan.rawValue)/\(act.step.index) (\(act.spec.action))" }
}
