import MusterCore
import MusterEngine
import MusterStore

/// A world of nodes with modes, from one seed: they report states, stand still, are rebooted by ladder and given up,
/// while conductors crash at any moment, commits fail, and those who wait come back. The real core decides.
///
/// A node sends each report until it is taken, under one name: what was stored without an answer is sent again.
package final class SimulatedTown {
    /// A fault that is planted, to see that it is found.
    package enum Mutation: Sendable, CaseIterable {
        /// A report that comes twice counts twice.
        case reportsHaveNoNames
        /// Who comes back waits for what comes from then on.
        case waitersForgetTheirPosition
        /// What was committed is not handed to those who wait.
        case deskIsNotTold
        /// Nobody looks whether a timer is due.
        case timersAreForgotten
    }

    /// How a world went.
    package struct Outcome: Sendable {
        package var failure: String?
        package var trace: UInt64 = 0
        package var crashes = 0
        package var failedCommits = 0
        package var timeouts = 0
        package var commands = 0
        package var givenUp = 0
        package var answers = 0

        package init() {}
    }

    enum Happening {
        case start
        case turn
        /// A node sends the first of its reports that was not taken.
        case sends(Int, life: Int)
        /// The same again, though it was taken.
        case sendsAgain(Int, NodeReport)
        /// A node comes into a state, unless it was rebooted meanwhile.
        case becomes(Int, String, generation: Int)
        case fails(life: Int, NodeID, Rung, attempt: Int)
    }

    /// A machine, and what was heard of it.
    final class Machine {
        let id: NodeID
        let lab: String
        let name: NodeName
        /// The states it has been in, in order; all of them are reported.
        var log: [String] = []
        var taken = 0
        var isSending = false
        /// Counts reboots: what was begun before one comes to nothing.
        var generation = 0
        var heard = SimulatedTown.Heard()

        init(id: NodeID, lab: String, name: NodeName) {
            self.id = id
            self.lab = lab
            self.name = name
        }
    }

    struct Waiter {
        let nodes: [NodeID]
        let states: [String]
        let quorum: WaitQuorum
        let begin: Int64
        /// What the stored events say that it has come to.
        var standings: [WaitStanding]
        /// nil while nobody conducts, before it was ever registered.
        var ticket: WaitDesk.Ticket?
    }

    let chance: SimulatedChance
    let verdict = SimulatedVerdict()
    let hands = SimulatedClock.Hands()
    let store: MemoryStore
    let faulty: FaultyStore
    let mutation: Mutation?
    var machines: [Machine] = []
    var waiters: [Waiter] = []
    var desk: WaitDesk?
    var core: ConductorCore?
    var position: Int64 = 0
    var outcome = Outcome()
    private var agenda = SimulatedAgenda<Happening>()
    private var inbox: [(item: Inbox.Item, machine: Int?)] = []
    private var lives = 0
    private var turnAt: Int64?
    private var isCalm = false

    private init(seed: UInt64, mutation: Mutation?) {
        chance = SimulatedChance(seed: seed)
        self.mutation = mutation
        hands.now = 1_700_000_000_000_000
        let clock = SimulatedClock(hands: hands, offset: 0)
        store = MemoryStore { clock.now() }
        faulty = FaultyStore(store, failing: 0.06, using: SeededChance(seed: seed))
    }

    /// Lives through the world of a seed.
    package static func run(seed: UInt64, events: Int, mutation: Mutation? = nil) async -> Outcome {
        let town = SimulatedTown(seed: seed, mutation: mutation)
        do {
            try town.live(events)
            await town.checkAnswers()
        } catch {
            town.verdict.violated("\(error)")
        }
        var outcome = town.outcome
        outcome.failure = town.verdict.violation.map { "seed \(seed): \($0)" }
        outcome.failedCommits = town.faulty.faults.values.reduce(0, +)
        outcome.trace = town.chance.next()
        return outcome
    }

    private var isRunning: Bool { verdict.violation == nil }
    private func put(_ happening: Happening, in delay: Int64) { agenda.put(happening, at: hands.now + max(1, delay)) }

    // MARK: Life

    private func live(_ events: Int) throws {
        try settleDown()
        try start()
        for _ in 0..<events where isRunning {
            if agenda.isEmpty || chance.happens(perMille: 120) { try disturb() } else { try step() }
        }
        guard isRunning else { return }
        try becomeCalm()
    }

    /// Makes nodes that are up, as earlier plans have left them.
    private func settleDown() throws {
        let now = Timestamp(rawValue: hands.now)
        let epoch = try store.register(host: "here", pid: 1, now: now)
        var turn = Turn(now: now, term: Term(conductor: .sole, epoch: epoch))
        for (place, lab) in ["shop", "bank"].enumerated() {
            let id = PlanID(Int64(place + 1))
            var plan = PlanRow(
                id: id,
                request: lab,
                verb: .up,
                lab: lab,
                host: "here",
                epoch: epoch,
                createdAt: now
            )
            plan.state = .stopped
            turn.plans.append(plan)
            turn.newSpecs[id] = RunSpec(verb: .up, lab: lab, labDirectory: "/lab")
            for index in 0..<chance.from(1, to: 4) {
                let node = NodeID(Int64(machines.count + 1))
                let name = NodeName(group: "app", index: index)
                machines.append(Machine(id: node, lab: lab, name: name))
                let row = NodeRow(
                    id: node,
                    lab: lab,
                    name: name,
                    driver: "process",
                    state: .ready,
                    createdBy: id,
                    heldBy: nil,
                    since: now
                )
                turn.nodes.append(row)
            }
        }
        _ = try store.commit(turn)
        for lab in ["shop", "bank"] { _ = try store.submit(.useModes(lab: lab, Self.modes(of: lab)), at: now) }
        core = try conductor(over: store)
        _ = try core?.takeTurn([.requestsArrived])
        core = nil
        position = try store.position()
    }

    private func conductor(over store: any Store) throws -> ConductorCore {
        try ConductorCore(
            store: store,
            identity: ConductorCore.Identity(host: "here", pid: 1, seed: 7),
            time: SimulatedClock(hands: hands, offset: 0)
        )
    }

    private func step() throws {
        guard let (at, happening) = agenda.take() else { return }
        hands.now = max(hands.now, at)
        switch happening {
        case .start: try start()
        case .turn where turnAt == at: try turn()
        case .turn: break
        case .sends(let place, let life): if life == lives { send(place) }
        case .sendsAgain(let place, let report): receive(.event(.reported(named(report))), of: nil, at: place)
        case .becomes(let place, let state, let generation): become(place, state, generation)
        case .fails(let life, let node, let rung, let attempt):
            guard life == lives else { break }
            receive(.event(.commandFailed(node, rung, attempt: attempt, reason: "no answer")), of: nil, at: nil)
        }
    }

    private func disturb() throws {
        switch chance.below(12) {
        case 0..<5: reboot(chance.below(machines.count))
        case 5, 6: if core != nil { crash() }
        case 7: hands.now += Int64(chance.from(1, to: 150)) * 1_000_000
        case 8: become(chance.below(machines.count), "PANIC", nil)
        default: if core != nil { try beginToWait() }
        }
    }

    /// Nobody does anything more: what stands still is repaired or given up. Then the faults stop, every node comes up,
    /// and nothing is left to do.
    private func becomeCalm() throws {
        try goOn()
        if isRunning { try checkStanding() }
        isCalm = true
        if core != nil { crash() }
        for place in machines.indices { reboot(place) }
        try goOn()
        if isRunning { try checkRest() }
    }

    /// Until nothing happens any more by itself.
    private func goOn() throws {
        var budget = 20_000
        while isRunning, !agenda.isEmpty {
            budget -= 1
            guard budget > 0 else { return verdict.violated("it goes on for ever") }
            try step()
        }
    }

    // MARK: Conductors

    private func start() throws {
        guard core == nil else { return }
        var started = try conductor(over: isCalm ? store : faulty)
        lives += 1
        try checkRows(of: started, "after a start")
        let desk = try WaitDesk(store: store)
        for place in waiters.indices { waiters[place].ticket = try register(waiters[place], at: desk, isNew: false) }
        started.desk = mutation == .deskIsNotTold ? nil : desk
        self.desk = desk
        core = started
        for place in machines.indices { sendSoon(place) }
        wake(in: 1)
    }

    private func crash() {
        outcome.crashes += 1
        core = nil
        desk = nil
        inbox = []
        turnAt = nil
        for machine in machines { machine.isSending = false }
        put(.start, in: chance.oneIn(4) ? Int64(chance.from(1, to: 100)) * 1_000_000 : chance.delay())
    }

    private func receive(_ item: Inbox.Item, of machine: Int?, at place: Int?) {
        guard core != nil else { return }
        inbox.append((item, machine))
        wake(in: Int64(chance.below(2000)))
    }

    private func wake(in delay: Int64) {
        let at = hands.now + max(1, delay)
        guard turnAt.map({ $0 > at }) ?? true else { return }
        turnAt = at
        agenda.put(.turn, at: at)
    }

    private func turn() throws {
        turnAt = nil
        let items = inbox
        inbox = []
        let again = core?.timesDecidedAgain
        let directives: [Directive]
        do {
            directives = try core?.takeTurn(items.map(\.item)) ?? []
        } catch {
            return crash()
        }
        // Whose commit was doubtful is sent again.
        let isDoubtful = core?.timesDecidedAgain != again
        for case let place? in items.map(\.machine) {
            machines[place].isSending = false
            if !isDoubtful { take(place) }
            sendSoon(place)
        }
        try checkTurn()
        for case .node(let directive) in directives {
            if !isCalm, chance.oneIn(15) { return crash() }
            perform(directive)
        }
        if !isCalm, chance.oneIn(40) { return crash() }
        if mutation != .timersAreForgotten, let delay = core?.timeToNextTimer() {
            verdict.expect(delay > .zero || isDoubtful, "a timer is due after the turn that was to act on it")
            wake(in: delay.microseconds)
        }
    }

    // MARK: Machines

    private func perform(_ directive: NodeDirective) {
        // These machines say what they say by requests.
        if case .readReports = directive { return }
        guard case .command(_, let node, let rung, let attempt) = directive else {
            return verdict.violated("nobody asks for \(directive) here")
        }
        let place = Int(node.rawValue) - 1
        if isCalm || chance.oneIn(rung == .powerCycle ? 2 : 3) {
            reboot(place)
        } else if chance.oneIn(4) {
            put(.fails(life: lives, node, rung, attempt: attempt), in: chance.delay())
        }
    }

    /// A machine goes down and comes up, or gets stuck on the way.
    private func reboot(_ place: Int) {
        machines[place].generation += 1
        let generation = machines[place].generation
        var delay: Int64 = 0
        for state in ["SHUTDOWN", "BOOTING", "ISUP"] {
            if !isCalm, chance.oneIn(5) { return }
            delay += isCalm ? 1_000_000 : Int64(chance.from(1, to: 9_000_000))
            put(.becomes(place, state, generation: generation), in: delay)
        }
    }

    private func become(_ place: Int, _ state: String, _ generation: Int?) {
        if let generation, machines[place].generation != generation { return }
        machines[place].log.append(state)
        sendSoon(place)
    }

    private func sendSoon(_ place: Int) {
        let machine = machines[place]
        guard !machine.isSending, machine.taken < machine.log.count, core != nil else { return }
        machine.isSending = true
        put(.sends(place, life: lives), in: isCalm ? 1000 : chance.delay() / 4)
    }

    private func send(_ place: Int) {
        let machine = machines[place]
        guard machine.isSending, core != nil, machine.taken < machine.log.count else { return }
        receive(.event(.reported(named(report(place)))), of: place, at: place)
    }

    private func report(_ place: Int) -> NodeReport {
        let machine = machines[place]
        return NodeReport(
            lab: machine.lab,
            node: machine.name,
            .state(machine.log[machine.taken]),
            source: "node \(machine.id.rawValue)",
            id: "\(machine.taken)"
        )
    }

    private func named(_ report: NodeReport) -> NodeReport {
        var report = report
        if mutation == .reportsHaveNoNames { report.id = nil }
        return report
    }

    private func take(_ place: Int) {
        if !isCalm, chance.oneIn(5) { put(.sendsAgain(place, report(place)), in: chance.delay()) }
        machines[place].taken += 1
    }

    // MARK: Those who wait

    private func beginToWait() throws {
        guard let desk, waiters.count < 40 else { return }
        let nodes = machines.map(\.id).filter { _ in chance.oneIn(2) }
        guard !nodes.isEmpty else { return }
        let sequences = [
            ["ISUP"], ["SHUTDOWN", "ISUP"], ["BOOTING"], ["SHUTDOWN", "BOOTING", "ISUP"], ["PANIC", "ISUP"],
        ]
        let states = sequences[chance.below(sequences.count)]
        let quorum: WaitQuorum = [.all, .any, .count(chance.from(1, to: nodes.count))][chance.below(3)]
        var waiter = Waiter(
            nodes: nodes,
            states: states,
            quorum: quorum,
            begin: try store.position(),
            standings: nodes.map { _ in .pending(seen: 0) }
        )
        waiter.ticket = try register(waiter, at: desk, isNew: true)
        waiters.append(waiter)
    }

    private func register(_ waiter: Waiter, at desk: WaitDesk, isNew: Bool) throws -> WaitDesk.Ticket {
        try desk.wait(
            for: .sequence(waiter.states.map { StatePattern(mode: nil, state: $0) }),
            of: waiter.nodes,
            quorum: waiter.quorum,
            since: isNew || mutation == .waitersForgetTheirPosition ? nil : waiter.begin
        )
    }
}
