import MusterCore
import MusterEngine
import MusterStore
import MusterTestKit
import Testing

/// A state with nodes that are up, and a conductor over it that is driven by hand.
struct NodeTown {
    let store: any Store
    let time = ManualTime(Timestamp(rawValue: 1_700_000_000_000_000))
    var core: ConductorCore
    private let capabilities: Set<Capability>
    /// What it was told to do to nodes.
    var directives: [NodeDirective] = []
    /// What else it was told to do.
    var others: [Directive] = []
    /// What it was told to read of nodes' reports.
    var readings: [NodeDirective] = []
    /// What it was told to do outside.
    var errands: [Errand] = []

    /// - Parameter count: nodes `app/0`, `app/1`, …, ready, without a mode yet.
    init(
        _ count: Int,
        store: any Store = MemoryStore(),
        facts: (Int) -> [String: String] = { _ in [:] },
        capabilities: Set<Capability> = Set(Capability.allCases),
        change: (inout GroupSpec) -> Void = { _ in }
    ) throws {
        self.store = store
        self.capabilities = capabilities
        let now = time.now()
        let epoch = try store.register(host: "here", pid: 1, now: now)
        var turn = Turn(now: now, term: Term(conductor: .sole, epoch: epoch))
        var plan = PlanRow(
            id: PlanID(1),
            request: "made",
            verb: .up,
            lab: "shop",
            host: "here",
            epoch: epoch,
            createdAt: now
        )
        plan.state = .stopped
        turn.plans = [plan]
        var spec = RunSpec(verb: .up, lab: "shop", labDirectory: "/lab")
        var app = GroupSpec(name: "app", count: count)
        app.steps = [ProvisionStep(.process(run: nil))]
        change(&app)
        spec.groups = [app]
        turn.newSpecs = [PlanID(1): spec]
        turn.nodes = (0..<count).map { index in
            NodeRow(
                id: NodeID(Int64(index + 1)),
                lab: "shop",
                name: NodeName(group: "app", index: index),
                driver: "process",
                state: .ready,
                createdBy: PlanID(1),
                heldBy: nil,
                facts: facts(index),
                since: now
            )
        }
        _ = try store.commit(turn)
        core = try Self.start(store, time, capabilities)
    }

    private static func start(
        _ store: any Store,
        _ time: ManualTime,
        _ capabilities: Set<Capability>
    ) throws -> ConductorCore {
        var identity = ConductorCore.Identity(host: "here", pid: 1, seed: 7)
        identity.capabilities = ["process": capabilities]
        return try ConductorCore(store: store, identity: identity, time: time)
    }

    /// As after `kill -9`.
    mutating func restart() throws {
        core = try Self.start(store, time, capabilities)
        try turn([])
    }

    mutating func turn(_ events: [Director.Event]) throws {
        note(try core.takeTurn(events.map { .event($0) }))
    }

    private mutating func note(_ left: [Directive]) {
        for directive in left {
            switch directive {
            case .node(.readReports(let node, let position)):
                readings.append(.readReports(node: node, after: position))
            case .node(let directive): directives.append(directive)
            case .errand(let errand): errands.append(errand)
            default: others.append(directive)
            }
        }
    }

    /// Asks by the inbox, as another command does; why it was refused, or nil.
    @discardableResult mutating func ask(_ request: Request) throws -> String? {
        let before = try store.position()
        _ = try store.submit(request, at: time.now())
        note(try core.takeTurn([.requestsArrived]))
        return try store.events(after: before, plan: nil, limit: 100).first { $0.kind == .requestRefused }?.detail
    }

    mutating func report(_ state: String, of index: Int = 0, id: String? = nil) throws {
        time.advance(by: .milliseconds(1))
        let report = NodeReport(
            lab: "shop",
            node: NodeName(group: "app", index: index),
            .state(state),
            source: "node",
            id: id
        )
        try turn([.reported(report)])
    }

    /// A node is destroyed, as a turn of a run stores it.
    func destroy(_ index: Int) throws {
        var turn = Turn(now: time.now(), term: core.term)
        var row = try #require(try store.node(NodeID(Int64(index + 1))))
        row.state = .gone
        turn.nodes = [row]
        let last = try store.events(after: 0, plan: nil, limit: 10_000).last { $0.epoch == turn.epoch }?.number ?? 0
        turn.events = [
            EventRow(position: 0, epoch: turn.epoch, number: last + 1, at: turn.now, kind: .nodeGone, node: row.id)
        ]
        _ = try store.commit(turn)
    }

    func row(_ index: Int = 0) throws -> NodeStateRow? { try store.nodeState(of: NodeID(Int64(index + 1))) }

    /// Without the places among equal deadlines, which are given anew after a restart.
    func rowWithoutOrder(_ index: Int) throws -> NodeStateRow? {
        var row = try row(index)
        row?.deadline?.order = 0
        row?.command?.deadline.order = 0
        return row
    }

    /// The states it came into, in order, as its events tell.
    func states(_ index: Int = 0) throws -> [String] {
        try store.events(of: NodeID(Int64(index + 1)), after: 0, limit: 10_000).compactMap { event in
            event.kind == .nodeState ? event.detail.flatMap { StateChange($0) }?.state : nil
        }
    }

    /// UP and DOWN, with a boot between that may take 60 s and is then repaired.
    static var modes: ModeSet {
        var mode = ModeSpec(name: "M")
        mode.transitions = [
            StateTransition(from: "*", to: "SHUTDOWN"), StateTransition(from: "SHUTDOWN", to: "BOOTING"),
            StateTransition(from: "BOOTING", to: "ISUP"), StateTransition(from: "*", to: "LOST"),
        ]
        mode.rules.timeouts = [StateTimeout(state: "BOOTING", after: .seconds(60), action: .reboot([]))]
        mode.rules.triggers = [StateTriggers(state: "ISUP", actions: ["RESET"])]
        mode.rules.ready = ["ISUP"]
        mode.rules.failed = ["LOST"]
        var set = ModeSet()
        set.modes = [mode]
        set.unaskedShutdown = .repair
        set.commands = [
            CommandSpec(
                name: "reboot",
                expect: ["SHUTDOWN"],
                rungs: [
                    RungSpec(.soft, within: .seconds(10), attempts: 2), RungSpec(.powerCycle, within: .seconds(20)),
                ]
            )
        ]
        return set
    }
}
