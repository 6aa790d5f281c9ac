import MusterCore

/// Nodes with a table, a clock that is moved by hand, and what came of everything so far.
struct NodeScene {
    var machines: NodeMachines
    var now = Timestamp(rawValue: 0)
    var sink = NodeSink()

    init(_ set: ModeSet) { machines = NodeMachines(ModeTable(set)) }

    var kinds: [NodeHappening.Kind] { sink.happenings.map(\.kind) }
    func kinds(of node: Int64) -> [NodeHappening.Kind] {
        sink.happenings.filter { $0.node == NodeID(node) }.map(\.kind)
    }
    func row(_ node: Int64 = 1) -> NodeStateRow? { machines.row(of: NodeID(node)) }
    func state(_ node: Int64 = 1) -> String? { row(node)?.state }
    var triggered: [String] { kinds.compactMap { if case .triggered(let action) = $0 { action } else { nil } } }
    var gaveUp: Int { kinds.count { if case .gaveUp = $0 { true } else { false } } }
    var sent: [Rung] { kinds.compactMap { if case .commandSent(_, let rung, _) = $0 { rung } else { nil } } }

    mutating func add(_ node: Int64 = 1, _ mode: String = "M", _ state: String = "UP", next: String? = nil) {
        let row = NodeStateRow(node: NodeID(node), mode: mode, state: state, since: now, nextMode: next)
        machines.add(row, now: now, into: &sink)
    }

    mutating func tell(_ input: NodeInput, _ node: Int64 = 1) {
        machines.handle(input, of: NodeID(node), now: now, into: &sink)
    }

    mutating func report(_ states: String..., node: Int64 = 1) { for state in states { tell(.reported(state), node) } }

    /// Moves the clock, stopping at each deadline.
    mutating func wait(_ seconds: Int64) {
        let end = now + .seconds(seconds)
        while let due = machines.nextDue(), due <= end {
            now = max(now, due)
            machines.advance(to: now, into: &sink)
        }
        now = end
    }

    /// As after a restart: only the rows are left.
    mutating func restart(after seconds: Int64 = 0) {
        let rows = machines.rows
        now = now + .seconds(seconds)
        machines = NodeMachines(machines.table)
        machines.restore(rows, now: now, into: &sink)
    }

    /// As after a restart with another table, of which nobody was told: rows that lack a timer get one.
    mutating func restart(with set: ModeSet, after seconds: Int64 = 0) {
        let rows = machines.rows
        now = now + .seconds(seconds)
        machines = NodeMachines(ModeTable(set))
        machines.restore(rows, now: now, into: &sink)
        machines.armMissing(now: now, into: &sink)
    }

    mutating func forget() { sink = NodeSink() }
}

extension ModeSet {
    /// UP and DOWN with a boot between; a mode M and a mode N.
    static var sample: ModeSet {
        var mode = ModeSpec(name: "M")
        mode.transitions = [
            StateTransition(from: "UP", to: "DOWN"), StateTransition(from: "DOWN", to: "DOWN"),
            StateTransition(from: "DOWN", to: "BOOT"), StateTransition(from: "BOOT", to: "UP"),
            StateTransition(from: "BOOT", to: "BAD"), StateTransition(from: "BAD", to: "DOWN"),
            StateTransition(from: "*", to: "OFF"), StateTransition(from: "OFF", to: "DOWN"),
            StateTransition(from: "UP", to: "UP"),
        ]
        mode.rules.timeouts = [
            StateTimeout(state: "BOOT", after: .seconds(60), action: .reboot([])),
            StateTimeout(state: "DOWN", after: .seconds(600), action: .notify),
        ]
        var other = ModeSpec(name: "N")
        other.transitions = [
            StateTransition(from: "DOWN", to: "BOOT"), StateTransition(from: "BOOT", to: "DONE"),
            StateTransition(from: "DONE", to: "DOWN"),
        ]
        other.rules.timeouts = [StateTimeout(state: "DOWN", after: .seconds(5), action: .state("BOOT"))]
        var set = ModeSet()
        set.modes = [mode, other]
        set.moves = [ModeMove(mode: "M", state: "DOWN", toMode: "N", toState: "DOWN")]
        set.defaults.ready = ["UP"]
        set.defaults.failed = ["BAD"]
        set.defaults.rebootFrom = ["UP", "BAD"]
        set.defaults.triggers = [
            StateTriggers(state: "UP", actions: ["RESET"]), StateTriggers(state: "DONE", actions: ["any"]),
            StateTriggers(state: "OFF", actions: ["any"]),
        ]
        set.commands = [
            CommandSpec(
                name: "reboot",
                expect: ["DOWN"],
                rungs: [
                    RungSpec(.wake, within: .seconds(20), attempts: 2, from: ["BOOT"]),
                    RungSpec(.soft, within: .seconds(75), attempts: 2),
                    RungSpec(.powerCycle, within: .seconds(30)),
                ]
            ),
            CommandSpec(
                name: "poweroff",
                expect: ["OFF"],
                rungs: [RungSpec(.powerOff, within: .seconds(10))],
                leavesDown: true
            ),
        ]
        return set
    }
}

/// Chance from a seed, the same on every machine.
struct Chance: RandomNumberGenerator {
    private var state: UInt64
    init(seed: Int) { state = UInt64(bitPattern: Int64(seed)) &+ 0x9E37_79B9_7F4A_7C15 }

    mutating func next() -> UInt64 {
        state = state &+ 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}
