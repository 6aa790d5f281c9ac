/// Decides what one run does: brings its groups up, runs its tests, takes down what it brought up.
///
/// It is the meaning on top of `PlanMachine`, which knows only steps. Outcomes of acts come in; steps are added, nodes
/// change state, directives go out. Its parts: expansion (what steps a node or a suite needs), outcomes (what an end
/// means), failures (retry, replace, skip, pause), ending (pause, teardown, stop).
///
/// ### Invariants
/// - a node that a plan holds is given to one step at a time;
/// - a test ends once; an attempt belongs to one test and one node;
/// - teardown undoes only what was started, dependents before what they need.
package struct RunMachine: Sendable {
    package var plan: PlanMachine
    package let spec: RunSpec

    /// The nodes of one group of this run.
    struct Group: Sendable {
        /// The pools its nodes wait in for tests; none when no suite uses the group.
        var pools: [Int32] = []
        var slots: [Slot] = []
        /// The nodes whose setup has failed for good in this run.
        var failedSetups: Set<NodeID> = []

        var isForTests: Bool { !pools.isEmpty }
    }

    /// One place in a group, `app/1`, whoever fills it.
    struct Slot: Sendable {
        var node: NodeID?
        /// The steps that make the present node ready, in order; empty when it was up before.
        var chain: [StepIndex] = []
        /// Steps of nodes that were replaced while not ready: they are skipped when a successor is ready.
        var superseded: [StepIndex] = []
        /// Whether some node was ready here.
        var wasFilled = false
        /// Whether a node was ready here before the run began: then one stays when it ends, also after a replacement.
        var wasUp = false
    }

    var groups: [Group]
    var suites: [SuiteMachine]
    /// The pool of each suite; -1 where its groups are not there.
    private var suitePools: [Int32] = []
    /// The suites of which some test runs on several nodes at once.
    let teamSuites: Set<Int>
    /// The snapshots that tests name, each with a number.
    let snapshots: [String: Int32]
    /// Indices of the steps that wrap each suite; nil when it has none, or none yet.
    var before: [StepIndex?]
    var after: [StepIndex?]
    /// Whether its `before`, or without one some test, was ever started.
    var hasBegun: [Bool]
    /// What runs on each node now.
    var busy: [NodeID: StepIndex] = [:]
    /// Why the node under a running step was lost; the step's outcome is read with it.
    var lost: [NodeID: String] = [:]
    /// Nodes whose taking down is planned, with its last steps, and of those the ones that no test could need any more.
    var going: [NodeID: StepIndex] = [:]
    var released: Set<NodeID> = []
    /// How members of tests on several nodes have ended whose partners still run, and which are still to begin.
    var memberEnds: [StepIndex: MemberEnd] = [:]
    var memberStarts: [StepIndex: MemberStart] = [:]
    /// Whether nodes have gone, or tests come, so that some may wait for more than will ever be there.
    var mayBeShort = false
    /// Whether the setups that no test needs any more were told to end.
    var setupsWereEnded = false
    /// Why the run stops at the next quiet moment and waits for a person.
    var pauseReason: String?
    /// Loaded after a crash, and nobody asked to go on yet.
    package var isHeld = false

    package init(row: PlanRow, spec: RunSpec, policies: TestPolicies = .declared) {
        plan = PlanMachine(row: row, slots: max(1, spec.parallel))
        self.spec = spec
        groups = spec.groups.map { Group(slots: Array(repeating: Slot(), count: $0.places)) }
        suites = spec.suites.map { SuiteMachine(spec: $0, policies: policies) }
        before = Array(repeating: nil, count: spec.suites.count)
        after = before
        hasBegun = Array(repeating: false, count: spec.suites.count)
        teamSuites = Set(spec.suites.indices.filter { spec.suites[$0].tests.contains { $0.roles != nil } })
        snapshots = spec.snapshots
        let pools = spec.poolGroups
        for suite in spec.suites { suitePools.append(pools.firstIndex(of: Set(suite.groups)).map { Int32($0) } ?? -1) }
        for names in pools {
            let members = groups.indices.filter { names.contains(spec.groups[$0].name) }
            let hasSpares = members.contains { spec.groups[$0].spares ?? 0 > 0 }
            let pool = plan.makePool(limit: hasSpares ? members.reduce(0) { $0 + spec.groups[$1].count } : nil)
            for group in members { groups[group].pools.append(pool) }
        }
    }

    package var id: PlanID { plan.row.id }

    func groupIndex(of name: String) -> Int? { spec.groups.firstIndex { $0.name == name } }

    func pool(of suite: Int) -> Int32 { suitePools[suite] }

    /// Whether tests, or an `after` that is due, still want nodes of this group.
    func hasTestsLeft(for group: Int) -> Bool {
        suites.indices.contains { suite in
            guard spec.suites[suite].groups.contains(spec.groups[group].name) else { return false }
            return !suites[suite].hasEnded || after[suite].map { !plan.state(of: $0).hasEnded } == true
        }
    }

    /// Whether its machines stay up after the end, given whether anything failed.
    func keepsMachines(failed: Bool) -> Bool {
        switch spec.keep {
        case .always: true
        case .onFailure: failed
        case .never: false
        }
    }

    /// Puts what changed into the turn; says whether the run is over.
    mutating func fillRows(into turn: inout Turn) -> Bool {
        plan.fillRows(into: &turn)
        return plan.row.state.isFinal
    }

    // MARK: Going on

    /// Adds steps that a program has built itself.
    mutating func append(_ steps: [PlanSubmission.Step]) {
        plan.reserve(steps: steps.count, edges: steps.reduce(0) { $0 + $1.needs.count })
        for step in steps { plan.append(step.spec, needs: step.needs) }
    }

    /// Begins a run whose steps were just added.
    mutating func begin(into turn: inout Turn) {
        for state in [PlanState.planning, .planned, .running] { plan.become(state, into: &turn) }
        plan.row.startedAt = turn.now
        plan.gateIsOpen = true
        turn.emit(.planStarted, plan: id)
    }

    /// Starts what may start, decides barriers, and ends the run's present part when nothing is left to do in it.
    mutating func advance(nodes: inout NodeTable, into turn: inout Turn) {
        while plan.row.state == .running {
            start(nodes: &nodes, into: &turn)
            if mayBeShort, plan.gateIsOpen {
                if fillPlaces(nodes: &nodes, into: &turn) { continue }
                mayBeShort = false
                if endShortTeams(nodes: nodes, into: &turn) { continue }
            }
            if endSetups(into: &turn) { continue }
            guard partIsOver else { return }
            // Before anything is given up for want of a node.
            if plan.gateIsOpen, fillPlaces(nodes: &nodes, into: &turn) { continue }
            endPart(nodes: &nodes, into: &turn)
        }
    }

    private var partIsOver: Bool {
        guard !isHeld else { return false }
        return plan.gateIsOpen ? plan.isDrained : plan.running == 0
    }

    private mutating func start(nodes: inout NodeTable, into turn: inout Turn) {
        let begun = turn.directives.count
        while let barrier = plan.startNext(into: &turn) { reached(barrier, nodes: nodes, into: &turn) }
        for directive in turn.directives[begun...] {
            guard case .perform(let act) = directive, let node = act.node else { continue }
            busy[node] = act.step.index
            if act.spec.action.beginsSuite { hasBegun[Int(act.spec.a)] = true }
            guard act.spec.action == .provision else { continue }
            nodes.change(node) { $0.stepsStarted = max($0.stepsStarted, act.spec.b + 1) }
        }
    }

    /// A group none of whose nodes is left satisfies nobody, although each skipped node by itself would. Nodes that
    /// tests use come and go: there it is enough that one was ready.
    private mutating func reached(_ barrier: StepIndex, nodes: NodeTable, into turn: inout Turn) {
        let spec = plan.spec(of: barrier)
        // Tests that waited for it wait for nodes from now on.
        mayBeShort = true
        guard spec.b == 1 else {
            plan.finish(barrier, .success, into: &turn)
            return
        }
        let group = Int(spec.a)
        let slots = groups[group].slots
        let isLeft = slots.contains { slot in
            slot.node.flatMap { nodes[$0]?.state } == .ready || groups[group].isForTests && slot.wasFilled
        }
        if !slots.isEmpty, !isLeft, setupsAreSurplus {
            plan.finish(barrier, .skipped, error: .unneeded, countsForThresholds: false, into: &turn)
        } else if !slots.isEmpty, !isLeft {
            let error = StepError(.notReady, "no node of '\(self.spec.groups[group].name)' is left")
            plan.finish(barrier, .error, error: error, into: &turn)
        } else {
            plan.finish(barrier, .success, into: &turn)
        }
    }

    // MARK: Events

    /// An act has ended. One that is not running any more is a benign race: it was ended before, by a halt or a crash.
    mutating func actEnded(_ act: Act, _ outcome: ActOutcome, in context: inout RunContext, into turn: inout Turn) {
        let step = act.step.index
        guard step < plan.count, plan.state(of: step) == .running, plan.tries(of: step) == act.number,
            memberEnds[step] == nil
        else { return }
        let lostReason = act.node.flatMap { lost.removeValue(forKey: $0) }
        if let node = act.node, busy[node] == step { busy[node] = nil }
        ended(step, outcome, lost: lostReason, in: &context, into: &turn)
        advance(nodes: &context.nodes, into: &turn)
    }

    /// The time of a retry has come.
    mutating func retryIsDue(_ step: StepIndex, in context: inout RunContext, into turn: inout Turn) {
        plan.retryIsDue(step, into: &turn)
        advance(nodes: &context.nodes, into: &turn)
    }

    /// A node's server ended by itself, or the node is gone.
    mutating func nodeLost(_ node: NodeID, reason: String, in context: inout RunContext, into turn: inout Turn) {
        guard let row = context.nodes[node] else { return }
        context.nodes.move(node, to: .lost, reason: reason, plan: id, into: &turn)
        guard let (group, slot) = place(of: row) else { return }
        plan.removeNode(node, fromPools: groups[group].pools)
        plan.relaxRules(waitingFor: node)
        mayBeShort = true
        if let step = busy[node] {
            if isBetweenActs(step), endsWithItsNode(step) {
                memberLost(step, reason: reason, in: &context, into: &turn)
                advance(nodes: &context.nodes, into: &turn)
                return
            }
            // A test that is meant to destroy its node is judged by its own end.
            if endsWithItsNode(step) {
                lost[node] = reason
                turn.directives.append(.interrupt(plan.act(of: step)))
            }
        } else if let next = groups[group].slots[slot].chain.first(where: { !plan.state(of: $0).satisfiesNeeds }) {
            // It was still being made: its next step finds it lost, and fails as the lab says. A retry need not wait.
            plan.dismissRetry(next, into: &turn)
            advance(nodes: &context.nodes, into: &turn)
        } else {
            replaceIfWanted(group, slot, because: reason, in: &context, into: &turn)
            advance(nodes: &context.nodes, into: &turn)
        }
    }

    /// Where a node stands in this run; nil for nodes of other runs and for those that were replaced.
    func place(of row: NodeRow) -> (group: Int, slot: Int)? {
        guard row.lab == spec.lab, let group = groupIndex(of: row.name.group),
            groups[group].slots.indices.contains(row.name.index), groups[group].slots[row.name.index].node == row.id
        else { return nil }
        return (group, row.name.index)
    }
}

/// What all runs of a Director share, lent to the one that decides.
package struct RunContext: Sendable {
    package var nodes: NodeTable
    package var chance: SeededChance
    /// The requests of unfinished plans, and of those that made nodes which still exist.
    package var specs: [PlanID: RunSpec]
    package var states = NodeStates()
    /// What drivers can do to nodes as a whole, by their kind.
    package var capabilities: [String: Set<Capability>] = [:]
    /// How drivers can reboot and power their nodes, by their kind; of one that is not there nothing is known.
    package var rungs: [String: Set<Rung>] = [:]
    /// How runs of tests are decided where the lab's word is not enough.
    package var policies = TestPolicies.declared

    package init(nodes: NodeTable, chance: SeededChance, specs: [PlanID: RunSpec]) {
        self.nodes = nodes
        self.chance = chance
        self.specs = specs
    }
}

/// Chance from a seed (SplitMix64, Steele, Lea and Flood 2014): small, quick, and the same on every machine.
package struct SeededChance: RandomNumberGenerator, Sendable {
    private var state: UInt64
    package init(seed: UInt64) { state = seed }

    package mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }

    /// A number from 0 up to, but not including, 1.
    mutating func fraction() -> Double { Double(next() >> 11) * 0x1p-53 }
}
