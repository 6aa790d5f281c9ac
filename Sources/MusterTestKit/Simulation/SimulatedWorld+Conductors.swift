import MusterCore
import MusterEngine
import MusterStore

extension StepError.Code {
    /// Whether nothing had left the conductor when an act failed with it.
    fileprivate var isOfThePerformer: Bool { self == .missingSecret || self == .unresolved }
}

extension SimulatedWorld {
    // MARK: Start and end

    /// What a start does when the state is free: register, load, hear what was lost, and look into the inbox.
    func start() {
        guard isShared ? living.count < slots : !isConducted else { return }
        startBesideAnother()
    }

    /// Starts one whether or not another is there: the other is fenced by it.
    func startBesideAnother() {
        // Hosts that share a state keep their clocks nearly alike; one host may be set anew between two starts.
        let hour = isShared ? 1 : 3600
        let offset = isChaotic && chance.oneIn(3) ? Int64(chance.from(-2 * hour, to: 2 * hour)) * 1_000_000 : 0
        let clock = SimulatedClock(hands: hands, offset: offset)
        let number = conductors.count
        let identity = ConductorCore.Identity(
            host: "here",
            pid: Int32(number),
            seed: chance.next(),
            lease: isShared ? Lease() : nil,
            labsAtOnce: isShared && chance.oneIn(2) ? 1 : .max,
            queues: performsPrograms ? queueSizes : nil
        )
        let core: ConductorCore
        do throws(StoreError) {
            core = try ConductorCore(store: store, identity: identity, time: clock)
            if performsPrograms { try store.define(SimulatedPrograms.limits, by: core.term) }
        } catch {
            put(.start, in: chance.delay())
            return
        }
        counts.starts += 1
        let conductor = SimulatedConductor(number: number, core: core, clock: clock)
        conductors.append(conductor)
        verdict.expect(core.director.broken.isEmpty, "rows count as broken: \(core.director.broken.values.sorted())")
        for node in core.director.watchedNodes { arrives(.watch(node.id), from: conductor, epoch: core.epoch) }
        receive(.requestsArrived, by: conductor)
        guard isChaotic else { return }
        for plan in ledger.unfinished where !chance.oneIn(3) { put(.goesOn(plan), in: chance.delay()) }
    }

    /// `kill -9`: what it had not sent yet may still arrive, or not; nothing comes back to it.
    func crash(_ conductor: SimulatedConductor) {
        guard conductor.isAlive else { return }
        tell?("conductor \(conductor.number) dies")
        counts.crashes += 1
        conductor.isAlive = false
        conductor.inbox = []
        if isShared || !isConducted { put(.start, in: chance.delay()) }
    }

    /// Who decides about a lab; nil while nobody alive does.
    func owner(of lab: String) -> SimulatedConductor? {
        guard isShared else { return living.last { $0.epoch == store.newestEpoch } }
        guard let term = store.owners[lab] else { return nil }
        return living.first { $0.core.term == term }
    }

    /// Whether somebody lives whose term is not over.
    var isConducted: Bool { living.contains { $0.epoch == store.newestEpoch } }

    // MARK: Its inbox

    /// Something arrives for a conductor. Nothing does for a dead one.
    func receive(_ item: Inbox.Item, by conductor: SimulatedConductor) {
        guard conductor.isAlive else { return }
        if case .requestsArrived = item {
            guard !conductor.isPoked else { return }
            conductor.isPoked = true
        }
        conductor.inbox.append(item)
        if mutation == .wakeUpIsLost, chance.oneIn(8) { return }
        wake(conductor, in: Int64(chance.below(2000)))
    }

    func wake(_ conductor: SimulatedConductor, in delay: Int64) {
        let at = now + max(0, delay)
        guard conductor.turnAt.map({ $0 > at }) ?? true else { return }
        conductor.turnAt = at
        turnsToCome += 1
        agenda.put(.turn(conductor.number), at: at)
    }

    /// The end of an act reaches the task that waits for it, if one still does.
    func hears(_ conductor: SimulatedConductor, _ act: Act, _ outcome: ActOutcome, task: Int) {
        let key = SimulatedOperationKey(act)
        guard conductor.isAlive, conductor.underWay[key]?.task == task else { return }
        conductor.underWay[key] = nil
        heard.insert(key)
        if mutation == .outcomeIsLost, chance.oneIn(10) { return }
        receive(.event(.actEnded(matched(act), outcome)), by: conductor)
        // What failed before it was begun says so once.
        if outcome.error?.code.isOfThePerformer == true { return }
        if isChaotic, chance.oneIn(mutation == .outcomeIsNotMatched ? 2 : 12) {
            counts.duplicates += 1
            put(.hearsAgain(conductor.number, act, outcome), in: chance.delay())
        }
    }

    /// The answer to an inquiry reaches the task that asked, if it still waits.
    func finds(_ conductor: SimulatedConductor, _ act: Act, _ status: ActStatus, task: Int) {
        let key = SimulatedOperationKey(act)
        guard conductor.isAlive, conductor.underWay[key]?.task == task else { return }
        conductor.underWay[key] = nil
        heard.insert(key)
        if mutation == .outcomeIsLost, chance.oneIn(10) { return }
        receive(.event(.actFound(act, status)), by: conductor)
    }

    /// The act as its outcome names it: another one when that is planted.
    func matched(_ act: Act) -> Act {
        guard mutation == .outcomeIsNotMatched, let steps = ledger.plans[act.step.plan]?.steps,
            steps.indices.contains(Int(act.step.index))
        else { return act }
        var act = act
        act.number = steps[Int(act.step.index)].tries
        return act
    }

    // MARK: Its turn

    func turn(_ conductor: SimulatedConductor, at: Int64) {
        guard conductor.isAlive, conductor.turnAt == at else { return }
        conductor.turnAt = nil
        if conductor.sleepsUntil > now || conductor.isBetween {
            wake(conductor, in: max(1000, conductor.sleepsUntil - now))
            return
        }
        counts.turns += 1
        let items = conductor.inbox
        conductor.inbox = []
        conductor.isPoked = false
        deciding = conductor
        defer { deciding = nil }
        let directives: [Directive]
        let (writes, timesDecidedAgain) = (store.commits + store.grants, conductor.core.timesDecidedAgain)
        do throws(StoreError) {
            directives = try conductor.core.takeTurn(items)
        } catch {
            tell?("conductor \(conductor.number): \(error)")
            if error.code == .fenced { counts.fenced += 1 }
            crash(conductor)
            return
        }
        let isFenced = conductor.core.timesFenced != conductor.timesFenced
        if isFenced {
            counts.fenced += conductor.core.timesFenced - conductor.timesFenced
            conductor.timesFenced = conductor.core.timesFenced
            // It belongs to another conductor now.
            conductor.underWay = [:]
            conductor.calls = [:]
            conductor.plannings = []
            conductor.reported = []
        }
        if performsPrograms {
            // What a timer has brought about may concern others.
            if store.commits + store.grants > writes { lastWork = now }
            callsAreStored(by: conductor)
            if conductor.core.timesDecidedAgain > timesDecidedAgain { endStaleCalls(of: conductor) }
        }
        if isShared, isChaotic, !directives.isEmpty, chance.oneIn(50) {
            // Stopped between its commit and its acts.
            let length = Int64(chance.from(100, to: 12_000)) * 1000
            conductor.sleepsUntil = now + length
            conductor.isBetween = true
            put(.performs(conductor.number, directives), in: length)
            wake(conductor, in: length + 1)
            return
        }
        for directive in directives {
            if diesHere(conductor, before: directive) { return }
            if mutation != .actsBeforeCommit { perform(directive, by: conductor) }
        }
        if diesHere(conductor) { return }
        // One that has lost its term reads requests in the next.
        afterTurn(conductor, isFenced ? [] : items)
    }

    private func afterTurn(_ conductor: SimulatedConductor, _ items: [Inbox.Item]) {
        if !conductor.inbox.isEmpty {
            wake(conductor, in: 1)
        } else if mutation != .timerIsForgotten, let delay = conductor.core.timeToNextTimer() {
            wake(conductor, in: delay.microseconds)
        }
        check(conductor, after: items)
    }

    /// It wakes after its commit: what its lease does not cover any more is dropped.
    func performLate(_ directives: [Directive], by conductor: SimulatedConductor) {
        guard conductor.isAlive else { return }
        conductor.isBetween = false
        for directive in directives {
            let mayAct = conductor.core.mayAct() || mutation == .leaseIsIgnored
            if case .perform(let act) = directive, !mayAct {
                counts.dropped += 1
                if conductor.underWay[SimulatedOperationKey(act)] == nil {
                    receive(.event(.actFound(act, act.isInDoubt ? .running : .neverStarted)), by: conductor)
                }
            } else if case .call(let call) = directive, !mayAct {
                drop(call, by: conductor)
            } else {
                perform(directive, by: conductor)
            }
        }
        afterTurn(conductor, [])
    }

    /// Mostly where nothing in the rows tells what is still to be done.
    private func diesHere(_ conductor: SimulatedConductor, before directive: Directive? = nil) -> Bool {
        let isOfRows = if case .interrupt = directive { false } else { true }
        guard isChaotic, chance.happens(perMille: isOfRows ? 3 : 250) else { return false }
        crash(conductor)
        return true
    }

    // MARK: Its performer

    /// Begins what a turn decided, as the performer does: on the conductor's thread, after the commit.
    func perform(_ directive: Directive, by conductor: SimulatedConductor) {
        // To ask and to watch does no harm: a supervisor refuses who is too old.
        let isHarmless =
            switch directive {
            case .watch, .inquire, .survey: true
            case .perform(let act): act.isInDoubt
            // What was found in doubt ran before, and no step wanted it.
            case .interrupt(let act): act.isInDoubt
            // Nothing of a batch of sub-plans is stored before all of it is: who is told last makes them.
            case .call(let call): call.id.invocation < 0
            case .cancelCall, .inquireCall, .plan, .lookUp: true
            case .node, .errand: false
            }
        if !isHarmless { checkTerm(of: conductor, directive) }
        if let tell { tell("conductor \(conductor.number): \(directive)") }
        switch directive {
        case .perform(let act): begin(act, by: conductor)
        case .inquire(let act): inquire(act, by: conductor)
        case .interrupt(let act): interrupt(act, by: conductor)
        case .watch(let node): send(.watch(node), to: node, by: conductor)
        case .call(let call): begin(call, by: conductor)
        case .cancelCall(let id, _): cancel(id, by: conductor)
        case .inquireCall(let id): inquire(id, by: conductor)
        case .plan(let id): plan(id, by: conductor)
        case .node, .errand: verdict.violated("no lab of these worlds has a mode table")
        case .lookUp: verdict.violated("a question to the store is left to the performer")
        case .survey(let node):
            if mutation != .surveyIsForgotten { send(.survey(node), to: node, by: conductor) }
        }
    }

    private func begin(_ act: Act, by conductor: SimulatedConductor) {
        checkIntent(act)
        if act.spec.action == .noop {
            receive(.event(.actEnded(act, .succeeded(facts: [:]))), by: conductor)
            return
        }
        var act = act
        if mutation == .actInDoubtIsAnother, act.isInDoubt {
            act.number += 1
            act.isInDoubt = false
        }
        let key = SimulatedOperationKey(act)
        guard conductor.underWay[key] == nil else { return }
        tasks += 1
        conductor.underWay[key] = SimulatedConductor.UnderWay(task: tasks)
        guard let node = act.node, conductor.core.director.node(node) != nil else {
            put(.hears(conductor.number, act, .failed(StepError(.lost, "its node is not there")), task: tasks), in: 1)
            return
        }
        if act.isInDoubt {
            send(.attach(act, task: tasks), to: node, by: conductor)
            return
        }
        if act.spec.action == .undo { machines.undone[node, default: []].insert(act.spec.b) }
        if isChaotic, chance.happens(perMille: 8) {
            let code: StepError.Code = chance.oneIn(3) ? .unresolved : .missingSecret
            let missing = ActOutcome.failed(StepError(code, "secret.token is not set"))
            put(.hears(conductor.number, act, missing, task: tasks), in: 1)
            return
        }
        send(.begin(act, task: tasks), to: node, by: conductor)
    }

    private func inquire(_ act: Act, by conductor: SimulatedConductor) {
        let key = SimulatedOperationKey(act)
        // Of one that is under way here the outcome comes anyway.
        guard conductor.underWay[key] == nil else { return }
        guard let node = act.node, conductor.core.director.node(node) != nil else {
            let lost = ActOutcome.failed(StepError(.lost, "its node is not there"))
            receive(.event(.actFound(act, .ended(lost))), by: conductor)
            return
        }
        tasks += 1
        conductor.underWay[key] = SimulatedConductor.UnderWay(task: tasks)
        send(.inquire(act, task: tasks), to: node, by: conductor)
    }

    private func interrupt(_ act: Act, by conductor: SimulatedConductor) {
        let key = SimulatedOperationKey(act)
        conductor.underWay[key]?.isInterrupted = true
        guard let node = act.node, conductor.core.director.node(node) != nil else { return }
        guard act.spec.action == .ready else {
            send(.end(act), to: node, by: conductor)
            return
        }
        guard let task = conductor.underWay[key]?.task else { return }
        let outcome = ActOutcome.failed(StepError(.cancelled, "ended on request"))
        put(.hears(conductor.number, act, outcome, task: task), in: Int64(chance.below(1000)))
    }

    private func send(_ request: SimulatedRequest, to node: NodeID, by conductor: SimulatedConductor) {
        // The margin of a lease covers what is on its way.
        var at = now + (isShared ? min(chance.delay(), 300_000) : chance.delay())
        if case .end = request, chance.oneIn(2) {
            // Sent by another task: it may overtake.
        } else {
            at = max(at, (conductor.lastArrivals[node] ?? 0) + 1)
            conductor.lastArrivals[node] = at
        }
        if isShared, case .begin(let act, _) = request, act.spec.action != .provision || act.spec.b > 0,
            chance.oneIn(20)
        {
            // The connection broke, and it is asked again.
            agenda.put(.arrives(request, from: conductor.number, epoch: conductor.epoch), at: at + 150_000)
        }
        agenda.put(.arrives(request, from: conductor.number, epoch: conductor.epoch), at: at)
    }
}
