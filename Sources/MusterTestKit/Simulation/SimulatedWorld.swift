import MusterCore
import MusterEngine
import MusterStore

/// A world that lives from one seed: what happens next is drawn, decided by the real core, and checked.
final class SimulatedWorld {
    /// What is to happen at a time.
    enum Happening {
        /// A conductor starts, when none is there.
        case start
        case turn(Int)
        /// A conductor that stood still after its commit begins what the turn decided.
        case performs(Int, [Directive])
        /// A request reaches the supervisor of its node.
        case arrives(SimulatedRequest, from: Int, epoch: Epoch)
        case operationEnds(SimulatedOperationKey)
        /// What came of an act reaches the conductor whose task waits for it.
        case hears(Int, Act, ActOutcome, task: Int)
        /// The answer to an inquiry reaches the conductor that asked.
        case finds(Int, Act, ActStatus, task: Int)
        /// The same again, whoever waited.
        case hearsAgain(Int, Act, ActOutcome)
        case hearsOfLoss(Int, NodeID, String)
        /// It was looked for what runs on a node.
        case hearsOfOperation(Int, SimulatedOperationKey, NodeID)
        /// A user's wake-up reaches the conductor.
        case poke
        /// A user goes on with a run that was interrupted.
        case goesOn(PlanID)
        /// A program's action has done what it was called for.
        case callEnds(Int, ActionCall.ID, task: Int)
        /// The same again, whoever waited.
        case callEndsAgain(Int, ActionCall.ID, CallEnd)
        /// A root action has made its steps.
        case planned(Int, PlanID)
    }

    let chance: SimulatedChance
    let verdict = SimulatedVerdict()
    let ledger: SimulatedLedger
    let store: SimulatedStore
    let machines = SimulatedMachines()
    let hands = SimulatedClock.Hands()
    let mutation: SimulatedMutation?
    /// Whether several conductors share the state.
    let isShared: Bool
    /// Whether users start programs, and conductors perform them.
    let performsPrograms: Bool
    let programs: SimulatedPrograms
    /// How many there are, then.
    let slots: Int
    private let eventsMax: Int
    var users: SimulatedUsers
    var agenda = SimulatedAgenda<Happening>()
    /// All that were ever started; the dead stay for their numbers.
    var conductors: [SimulatedConductor] = []
    /// Tries of steps whose outcome has reached some conductor.
    var heard: Set<SimulatedOperationKey> = []
    /// The conductor that takes its turn just now.
    var deciding: SimulatedConductor?
    /// Turns on the agenda; what else stands there is work.
    var turnsToCome = 0
    /// When something happened last that was no turn.
    var lastWork: Int64 = 0
    var trace = TraceHash()
    var counts = Simulation.Counts()
    var tell: ((String) -> Void)?
    /// Whether anything still goes wrong by chance.
    var isChaotic: Bool { calmSince == nil }
    /// Since when nothing goes wrong any more.
    var calmSince: Int64?
    var tasks = 0
    /// Requests whose answer somebody waits for, by number.
    var submittedTokens: [Int64: String] = [:]
    /// Steps that hold a permit of a limit with a rate, and when the store has granted those so far.
    var knownPermits: Set<StepID> = []
    var rateGrants: [Timestamp] = []

    init(seed: UInt64, events: Int, kind: Simulation.Kind, mutation: SimulatedMutation?) {
        let isShared = kind.isShared
        let chance = SimulatedChance(seed: seed)
        self.chance = chance
        self.mutation = mutation
        self.isShared = isShared
        performsPrograms = kind.performsPrograms
        // With a chance of their own: worlds without programs stay as they are.
        programs = SimulatedPrograms(
            chance: SimulatedChance(seed: seed ^ 0x5052_4F47),
            // What concerns only handlers that have failed is found with more of those.
            skipFailures: mutation == .rescueIsForgotten ? 700 : 150
        )
        slots = isShared ? 2 + SimulatedChance(seed: seed).below(2) : 1
        eventsMax = events
        ledger = SimulatedLedger(verdict: verdict)
        // The store's own clock differs from everybody's.
        let clock = SimulatedClock(hands: hands, offset: 77_000_000)
        store = SimulatedStore(ledger: ledger, chance: chance, mutation: mutation) { clock.now() }
        users = SimulatedUsers(chance: chance)
        let machines = machines
        ledger.isUnderWay = { [unowned self] step, number in
            let key = SimulatedOperationKey(step: step, number: number)
            // A try whose outcome was heard, and lost with its turn, may be asked for again.
            if machines.doubted.contains(key) { return false }
            return machines.isRunning(step, number) || deciding?.underWay[key] != nil && !heard.contains(key)
        }
        lookAtPermits()
        if performsPrograms { store.granted = { [unowned self] in checkPermits() } }
        store.tell = { [unowned self] text in tell?(text()) }
        // The core is in the middle of its turn: only whether it may act is looked at.
        store.performEarly = { [unowned self] directives in
            for case .perform(let act) in directives { checkIntent(act) }
        }
    }

    var violation: String? { verdict.violation }
    var now: Int64 { hands.now }
    var isRunning: Bool { verdict.violation == nil }

    /// Those that are alive, the newest last.
    var living: [SimulatedConductor] { conductors.filter(\.isAlive) }

    func put(_ happening: Happening, in delay: Int64) { agenda.put(happening, at: now + max(0, delay)) }

    // MARK: Life

    func live() {
        for _ in 0..<slots { put(.start, in: 0) }
        submitSomething()
        var happened = 0
        while happened < eventsMax, isRunning {
            happened += 1
            if chance.happens(perMille: 50) || agenda.isEmpty { disturb() } else { step() }
        }
        if isRunning { becomeCalm() }
        counts.happenings += happened
        counts.commits = store.commits
        counts.takenOver = store.takenOver
        counts.failedCommits = store.failures
        counts.plans = ledger.plans.count
        counts.refusals = ledger.refusedTokens.count
        if performsPrograms { countPrograms() }
        if !isRunning, tell != nil { tellOfPlans() }
        trace.add(Int64(bitPattern: store.trace.value))
        trace.add(Int64(bitPattern: chance.next()))
    }

    /// Lets the next thing happen.
    func step() {
        guard let (at, happening) = agenda.take() else { return }
        hands.now = max(now, at)
        trace.add(now)
        if let tell { tell("\(now / 1000) ms: \(happening)") }
        if case .turn = happening { turnsToCome -= 1 } else { lastWork = now }
        switch happening {
        case .start: start()
        case .turn(let number): turn(conductors[number], at: at)
        case .performs(let number, let directives): performLate(directives, by: conductors[number])
        case .arrives(let request, let from, let epoch): arrives(request, from: conductors[from], epoch: epoch)
        case .operationEnds(let key): operationEnds(key)
        case .hears(let number, let act, let outcome, let task):
            hears(conductors[number], act, outcome, task: task)
        case .finds(let number, let act, let status, let task): finds(conductors[number], act, status, task: task)
        case .hearsAgain(let number, let act, let outcome):
            receive(.event(.actEnded(matched(act), outcome)), by: conductors[number])
        case .hearsOfLoss(let number, let node, let reason):
            receive(.event(.nodeLost(node, reason: reason)), by: conductors[number])
        case .hearsOfOperation(let number, let key, let node):
            receive(.event(.operationFound(key.step, number: key.number, on: node)), by: conductors[number])
        case .goesOn(let plan): request(mutation == .followerIsAPerson ? .resume(plan) : .takeUp(plan), by: .follower)
        case .callEnds(let number, let id, let task): callEnds(id, task: task, by: conductors[number])
        case .callEndsAgain(let number, let id, let end):
            receive(.event(.callEnded(id, end)), by: conductors[number])
        case .planned(let number, let id): planned(id, by: conductors[number])
        case .poke: for conductor in living { receive(.requestsArrived, by: conductor) }
        }
    }

    /// What is stored of the plans that have not stopped, for who reads along.
    private func tellOfPlans() {
        for plan in (try? store.base.load(nil, for: .sole))?.plans ?? [] {
            for permit in plan.permits {
                let word = permit.isHeld ? "holds" : "waits for"
                tell?("step \(permit.step.plan.rawValue)/\(permit.step.index) \(word) '\(permit.limit)'")
            }
        }
        for id in ledger.plans.keys.sorted() {
            guard let plan = ledger.plans[id], plan.spec.program != nil || !plan.row.state.isFinal else { continue }
            tell?(
                "plan \(id.rawValue): \(plan.row.verb) \(plan.row.lab) \(plan.row.state) \(plan.row.phase) \(plan.row.result)"
            )
            for step in plan.steps {
                let node = (step.spec.node ?? step.resource).flatMap { ledger.nodes[$0] }
                let place = node.map { "\($0.name) (\($0.id.rawValue), \($0.state))" } ?? ""
                tell?(
                    "  \(step.index) \(step.spec.action) \(step.spec.a) \(step.spec.b) \(step.spec.c) \(place) "
                        + "\(step.state) needs \(step.needs) \(step.error?.message ?? "")"
                )
            }
        }
    }

    // MARK: Chaos

    private func disturb() {
        if performsPrograms, chance.oneIn(2) { return disturbPrograms() }
        switch chance.below(40) {
        case 0..<14: submitSomething()
        case 14..<19: resumeSomething()
        case 19, 20: if let plan = chance.pick(ledger.unfinished) { request(.cancel(plan)) }
        case 21: if let plan = chance.pick(ledger.unfinished) { request(.halt(plan)) }
        case 22..<26: if let conductor = anyone { crash(conductor) }
        case 26, 27: if let conductor = anyone { stopForAWhile(conductor) }
        case 28..<33: loseSomething()
        case 34: hands.now += Int64(chance.from(1, to: 3600)) * 1_000_000
        case 35: if !isShared || living.count < slots + 1 { startBesideAnother() }
        case 36: put(.poke, in: chance.delay())
        case 37: withdrawSomething()
        default: if agenda.isEmpty { submitSomething() } else { step() }
        }
    }

    /// Somebody who is alive.
    private var anyone: SimulatedConductor? { isShared ? chance.pick(living) : living.last }

    private func stopForAWhile(_ conductor: SimulatedConductor) {
        let length = Int64(chance.from(100, to: 20_000)) * 1000
        conductor.sleepsUntil = max(conductor.sleepsUntil, now + length)
        tell?("conductor \(conductor.number) stands still for \(length / 1000) ms")
    }

    private func loseSomething() {
        guard let node = chance.pick(machines.existing) else { return }
        counts.lostNodes += 1
        if chance.oneIn(3) { loseMachine(node, "its supervisor is gone") } else { loseServer(node, "its server ended") }
    }

    // MARK: Users

    /// Who asks: a person, or a command that only follows a run.
    enum Asker { case person, follower }

    func request(_ request: Request, by asker: Asker = .person) {
        do {
            let number = try store.submit(request, at: Timestamp(rawValue: now))
            ledger.asked[number] = SimulatedLedger.Asked(request: request, isOfPerson: asker == .person)
            if case .submit(let token, _) = request { submittedTokens[number] = token }
        } catch {
            verdict.violated("a request cannot be stored: \(error)")
        }
        tell?("a user: \(request.word)")
        put(.poke, in: chance.delay() / 4)
    }

    /// A user thinks better of it: what was taken back is never done.
    private func withdrawSomething() {
        guard let row = chance.pick((try? store.base.requests(after: 0)) ?? []),
            (try? store.withdraw(request: row.id)) == true
        else { return }
        if let token = submittedTokens.removeValue(forKey: row.id) { ledger.expectNever(token) }
        tell?("a user takes back: \(row.request.word)")
    }

    func submitSomething() {
        if performsPrograms, !chance.oneIn(8) { return startProgram() }
        guard ledger.unfinished.count < 5 else { return }
        if chance.oneIn(8), !isShared, let conductor = living.last {
            receive(.event(.submitted(users.drawPlan())), by: conductor)
            return
        }
        // Most of what is asked for while the lab is in use is refused: few ask.
        let inUse = Set(ledger.unfinished.compactMap { ledger.plans[$0]?.row.lab })
        let spec = users.drawRun(avoiding: chance.oneIn(5) ? [] : inUse) { [ledger] in ledger.nodes(of: $0) }
        let token = users.nextToken()
        request(.submit(token: token, spec: spec))
    }

    private func resumeSomething() {
        guard let plan = chance.pick(ledger.unfinished) else { return }
        counts.resumes += 1
        request(.resume(plan))
    }
}

extension Request {
    var word: String {
        switch self {
        case .submit(let token, let spec): "\(spec.verb) \(spec.lab) (\(token))"
        case .cancel(let plan): "cancel \(plan.rawValue)"
        case .halt(let plan): "halt \(plan.rawValue)"
        case .resume(let plan): "resume \(plan.rawValue)"
        case .takeUp(let plan): "take up \(plan.rawValue)"
        case .pause(let plan): "pause \(plan.rawValue)"
        case .retry(let step, _): "retry \(step.plan.rawValue)/\(step.index)"
        case .skip(let step): "skip \(step.plan.rawValue)/\(step.index)"
        case .abort(let plan): "abort \(plan.rawValue)"
        case .revert(let plan): "revert \(plan.rawValue)"
        case .signal(let step, _, _, let token): "signal \(token) to \(step.plan.rawValue)/\(step.index)"
        case .report(let report): "report of \(report.node)"
        case .useModes(let lab, _): "modes of \(lab)"
        case .freeze(let plan, let isFrozen): "\(isFrozen ? "freeze" : "unfreeze") \(plan.rawValue)"
        }
    }
}
