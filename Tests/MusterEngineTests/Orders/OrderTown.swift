import MusterCore
import MusterEngine
import MusterStore
import MusterTestKit

extension NodeTown {
    /// As `modes`, with nodes that may be rebooted and switched.
    static var orderModes: ModeSet {
        var set = modes
        set.modes[0].rules.rebootFrom = ["ISUP"]
        set.unaskedShutdown = .leave
        set.commands.append(
            CommandSpec(
                name: "poweroff",
                expect: ["SHUTDOWN"],
                rungs: [RungSpec(.powerOff, within: .seconds(10), attempts: 2)],
                leavesDown: true
            )
        )
        return set
    }

    /// Asks for an order; the run that it became.
    @discardableResult mutating func order(
        _ work: NodeOrder.Work,
        _ indices: [Int],
        verb: Verb = .reboot,
        _ change: (inout NodeOrder) -> Void = { _ in }
    ) throws -> PlanID {
        var spec = RunSpec(verb: verb, lab: "shop", labDirectory: "/lab")
        spec.groups = try store.spec(of: PlanID(1))?.groups ?? []
        spec.parallel = 1_000
        var order = NodeOrder(
            work,
            indices.map { NodeOrder.Target(NodeName(group: "app", index: $0)) }
        )
        change(&order)
        spec.order = order
        let token = "order-\(try store.position())"
        try ask(.submit(token: token, spec: spec))
        return try store.plan(request: token)?.id ?? PlanID(0)
    }

    func plan(_ id: PlanID) throws -> PlanRow? { try store.plan(id) }

    /// The steps of an order that concern a node.
    func steps(_ id: PlanID, of index: Int) throws -> [StepRow] {
        try store.steps(of: id).filter { $0.spec.node == NodeID(Int64(index + 1)) }
    }

    func node(_ index: Int = 0) throws -> NodeRow? {
        try store.nodes(lab: nil, includingGone: true).first { $0.id == NodeID(Int64(index + 1)) }
    }

    mutating func pass(_ time: Duration) throws {
        self.time.advance(by: time)
        try turn([])
    }

    /// A node goes down and comes up, as one does that obeys.
    mutating func boot(_ index: Int) throws {
        for state in ["SHUTDOWN", "BOOTING", "ISUP"] { try report(state, of: index) }
    }

    /// How often a kind of event was told of a node.
    func count(_ kind: EventRow.Kind, of index: Int = 0) throws -> Int {
        try store.events(of: NodeID(Int64(index + 1)), after: 0, limit: 10_000).count { $0.kind == kind }
    }

    /// Which nodes were sent a command by this rung, in order.
    func sent(_ rung: Rung) -> [Int] {
        directives.compactMap { directive in
            if case .command(_, let node, rung, _) = directive { Int(node.rawValue) - 1 } else { nil }
        }
    }
}
