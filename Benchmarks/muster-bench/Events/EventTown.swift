import Foundation
import MusterCore
import MusterEngine
import MusterStore

/// Nodes that are up, as a conductor has stored them, with their modes and states.
struct EventTown: Sendable {
    let nodes: Int
    static let lab = "bench"
    private static let group = "app"

    func fill(_ folder: String) throws {
        try fill(SQLiteStore(path: StateDirectory(path: folder).database))
    }

    func fill(_ store: any Store) throws {
        let now = Timestamp(rawValue: Child.time())
        let epoch = try store.register(host: "bench", pid: getpid(), now: now)
        var turn = Turn(now: now, term: Term(conductor: .sole, epoch: epoch))
        var plan = PlanRow(
            id: PlanID(1),
            request: "made",
            verb: .up,
            lab: Self.lab,
            host: "bench",
            epoch: epoch,
            createdAt: now
        )
        plan.state = .stopped
        turn.plans = [plan]
        var spec = RunSpec(verb: .up, lab: Self.lab, labDirectory: "/bench")
        spec.groups = [GroupSpec(name: Self.group, count: nodes)]
        turn.newSpecs = [PlanID(1): spec]
        turn.modeSets = [Self.lab: Self.modes]
        turn.nodes.reserveCapacity(nodes)
        for index in 0..<nodes {
            var row = NodeRow(
                id: Self.id(index),
                lab: Self.lab,
                name: Self.name(index),
                driver: "process",
                state: .ready,
                createdBy: PlanID(1),
                heldBy: nil,
                since: now
            )
            row.facts = ["address": "127.\(64 + index >> 16).\(index >> 8 & 255).\(index & 255)"]
            turn.nodes.append(row)
            turn.put(NodeStateRow(node: row.id, mode: "LINUX", state: "ISUP", since: now))
        }
        _ = try store.commit(turn)
    }

    static func id(_ index: Int) -> NodeID { NodeID(Int64(index + 1)) }
    private static func name(_ index: Int) -> NodeName { NodeName(group: group, index: index) }

    /// That a node is in this state.
    static func report(_ index: Int, _ state: String) -> NodeReport {
        NodeReport(lab: lab, node: name(index), .state(state), source: "node")
    }

    /// The states of a reboot, in order. Booting may take a while, and is repaired then.
    static let cycle = ["SHUTDOWN", "BOOTING", "ISUP"]

    private static var modes: ModeSet {
        var mode = ModeSpec(name: "LINUX")
        mode.transitions = [
            StateTransition(from: "*", to: "SHUTDOWN"), StateTransition(from: "SHUTDOWN", to: "BOOTING"),
            StateTransition(from: "BOOTING", to: "ISUP"), StateTransition(from: "*", to: "LOST"),
        ]
        mode.rules.timeouts = [StateTimeout(state: "BOOTING", after: .seconds(600), action: .reboot([]))]
        mode.rules.triggers = [StateTriggers(state: "ISUP", actions: ["RESET"])]
        mode.rules.ready = ["ISUP"]
        mode.rules.failed = ["LOST"]
        var set = ModeSet()
        set.modes = [mode]
        set.unaskedShutdown = .repair
        set.commands = [
            CommandSpec(name: "reboot", expect: ["SHUTDOWN"], rungs: [RungSpec(.soft, within: .seconds(60))])
        ]
        return set
    }
}
