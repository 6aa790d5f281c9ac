import MusterCore
import Testing

/// What went wrong in Emulab, by the numbers of its known defects, does not go wrong here. Number 11 is about data, and
/// in the tests of the checker.
@Suite struct EmulabDefectTests {
    private let table = ModeTable(.sample)

    private func wait(_ states: String, _ nodes: [Int64], id: Int64 = 1, after: Int64 = 0) throws -> StateWait {
        try StateWait(
            id: WaitID(id),
            nodes: nodes.map { NodeID($0) },
            condition: try StateCondition(states),
            after: after
        )
    }

    private func change(_ node: Int64, _ state: String) -> NodeHappening {
        let kind = NodeHappening.Kind.stateChanged(mode: "M", from: "DOWN", to: state)
        return NodeHappening(node: NodeID(node), at: Timestamp(rawValue: 0), kind: kind)
    }

    @Test("1: a cancelled node is not waited for") func cancel() throws {
        var waits = StateWaits()
        var updates: [StateWaits.Update] = []
        try waits.register(try wait("UP", [1, 2]), isReady: { _ in false }, into: &updates)
        waits.observe(change(1, "UP"), at: 1, table: table, into: &updates)
        waits.cancel(WaitID(1), node: NodeID(2), into: &updates)
        #expect(waits.count == 0)
    }

    @Test("2: a wait that has ended sees nothing, and a second one sees each event once") func unsubscribe() throws {
        var waits = StateWaits()
        var updates: [StateWaits.Update] = []
        try waits.register(try wait("UP", [1]), isReady: { _ in false }, into: &updates)
        waits.cancel(WaitID(1))
        #expect(waits.waiting(for: NodeID(1)) == 0)
        try waits.register(try wait("UP>UP", [1], id: 2), isReady: { _ in false }, into: &updates)
        waits.observe(change(1, "UP"), at: 1, table: table, into: &updates)
        waits.observe(change(1, "UP"), at: 1, table: table, into: &updates)
        #expect(waits[WaitID(2)]?.standings == [.pending(seen: 1)])
    }

    @Test("3: a node named twice is one, and a wait for nothing is refused") func duplicates() throws {
        var waits = StateWaits()
        var updates: [StateWaits.Update] = []
        try waits.register(try wait("UP", [1, 1]), isReady: { _ in false }, into: &updates)
        waits.observe(change(1, "UP"), at: 1, table: table, into: &updates)
        #expect(waits.count == 0)
        #expect(throws: StateConditionError.empty) { try StateCondition("") }
    }

    @Test("4: refused nodes beside each other let none through") func gate() {
        let nodes = (1...8).map { NodeID($0) }
        let answers = RebootGate.decide(RebootRequest(nodes: nodes), table: table) { node in
            let state = node.rawValue % 4 == 0 ? "UP" : "BOOT"
            return NodeStateRow(node: node, mode: "M", state: state, since: Timestamp(rawValue: 0))
        }
        let accepted = answers.filter { if case .accepted = $0.verdict { true } else { false } }.map(\.node.rawValue)
        #expect(accepted == [4, 8] && answers.count == 8)
    }

    @Test("5: each node's failure is there in the end") func results() throws {
        var waits = StateWaits()
        var updates: [StateWaits.Update] = []
        try waits.register(try wait("UP", [1, 2]), isReady: { _ in false }, into: &updates)
        waits.observe(change(1, "BAD"), at: 1, table: table, into: &updates)
        waits.observe(change(2, "UP"), at: 2, table: table, into: &updates)
        guard case .over(let answer, _) = updates.last else {
            Issue.record("the wait is not over")
            return
        }
        #expect(!answer.isSatisfied && answer.failed == [NodeID(1)] && answer.standings[0] == .failed("it is BAD"))
        let ends = [RebootSummary.Outcome(name: "a", kind: "k", end: .failed("f"))]
        #expect(RebootSummary(ends).isFatal)
    }

    @Test("6: what becomes of an invalid transition is data") func policies() {
        var set = ModeSet.sample
        set.modes[0].rules.invalid = .reject
        var scene = NodeScene(set)
        scene.add(1, "M", "UP", next: "N")
        scene.report("BAD")
        #expect(scene.state() == "UP")
    }

    @Test("7: a change of state leaves a command under way, and a command the timer of the state") func timers() {
        var scene = NodeScene(.sample)
        scene.add(1, "M", "BOOT")
        let deadline = scene.row()?.deadline
        scene.tell(.commanded("reboot", from: .soft, by: .person))
        #expect(scene.row()?.deadline == deadline)
        let command = scene.row()?.command
        scene.report("UP")
        #expect(scene.row()?.command == command && command != nil)
        #expect(scene.kinds.contains(.commandUnexpected("reboot", state: "UP")))
        scene.wait(75)
        #expect(scene.sent == [.soft, .soft])
    }

    @Test("8: a restart loses neither counters nor commands, and what comes twice counts once") func restart() {
        var scene = NodeScene(.sample)
        scene.add(1, "M", "BOOT")
        scene.wait(60)
        scene.tell(.commanded("reboot", from: .soft, by: .person))
        let row = scene.row()
        scene.restart()
        #expect(scene.row() == row && row?.timeouts == 1 && row?.command != nil)
        var window = EventWindow()
        let answers = (0..<2).map { _ in window.isNew(source: "n1", id: "7", now: scene.now) }
        #expect(answers == [true, false])
    }

    @Test("9: who is refused is told why") func refused() {
        var scene = NodeScene(.sample)
        scene.add()
        scene.tell(.commanded("jump", by: .person))
        #expect(scene.kinds == [.commandRefused("jump", reason: "the mode table has no command 'jump'")])
    }

    @Test("10: another table changes what it changes, and nodes that are gone leave no timers") func reload() {
        var scene = NodeScene(.sample)
        scene.add(1, "M", "BOOT")
        scene.add(2, "M", "BOOT")
        scene.wait(60)
        scene.machines.remove(NodeID(2), into: &scene.sink)
        scene.forget()
        var set = ModeSet.sample
        set.modes[0].rules.timeouts[0].action = .notify
        scene.machines.reload(ModeTable(set), now: scene.now, into: &scene.sink)
        #expect(scene.row()?.repairs == 1)
        scene.wait(1)
        #expect(scene.kinds(of: 2).isEmpty)
        scene.tell(.reported("UP"), 3)
        scene.tell(.reported("UP"), 3)
        #expect(scene.kinds(of: 3) == [.unknownNode, .unknownNode])
    }

    @Test("12: timers follow the mode, the first event of a node counts, and SHUTDOWN may come twice") func history() {
        var scene = NodeScene(.sample)
        scene.add(1, "M", "UP", next: "N")
        scene.report("DOWN")
        #expect(scene.row()?.deadline?.at == scene.now + .seconds(5))
        scene.add(2, "M", "DOWN")
        scene.report("BOOT", node: 2)
        #expect(scene.state(2) == "BOOT" && scene.row(2)?.deadline != nil)
        scene.add(3, "M", "UP")
        scene.report("DOWN", "DOWN", node: 3)
        #expect(!scene.kinds(of: 3).contains { if case .invalid = $0 { true } else { false } })
        // A stale ISUP does not end a wait for a reboot.
        #expect((try? StateCondition("DOWN>UP").description) == "DOWN>UP")
    }

    @Test("13: whether a state that is reported again runs its triggers is said") func reentry() {
        for (rule, count) in [(false, 1), (true, 3)] {
            var set = ModeSet.sample
            set.modes[0].rules.invalid = .coerce("BAD")
            set.modes[0].rules.triggers = [StateTriggers(state: "BAD", actions: ["POWEROFF"])]
            set.modes[0].rules.triggersOnReentry = rule
            var scene = NodeScene(set)
            scene.add(1, "M", "BOOT")
            scene.report("BAD", "BAD", "BAD")
            #expect(scene.triggered.count == count)
        }
    }

    @Test("14: any name can be asked for, and any number of them") func names() throws {
        var filter = EventFilter()
        let names = (0..<10_000).map { "node \($0), \"the\" \\one" }
        filter.want(.objectName, names)
        #expect(filter.matches(EventAddress([.objectName: names[9_999]])))
        #expect(!filter.matches(EventAddress([.objectName: "node 1"])))
        #expect(try EventFilter(filter.description) == filter)
    }
}
