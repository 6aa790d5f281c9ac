import MusterCore
import Testing

/// Waits over a table, fed with happenings at numbered positions.
private struct Watch {
    var waits = StateWaits()
    var updates: [StateWaits.Update] = []
    var position: Int64 = 0
    let table = ModeTable(.sample)

    mutating func register(
        _ condition: String,
        _ nodes: [Int64],
        _ quorum: WaitQuorum = .all,
        id: Int64 = 1,
        deadline: Timestamp? = nil,
        ready: Set<Int64> = []
    ) throws {
        let wait = try StateWait(
            id: WaitID(id),
            nodes: nodes.map { NodeID($0) },
            condition: try StateCondition(condition).checked(against: table),
            quorum: quorum,
            deadline: deadline,
            after: position
        )
        try waits.register(wait, isReady: { ready.contains($0.rawValue) }, into: &updates)
    }

    mutating func see(_ node: Int64, _ state: String, mode: String = "M", at given: Int64? = nil) {
        see(node, .stateChanged(mode: mode, from: "UP", to: state), at: given)
    }

    mutating func see(_ node: Int64, _ kind: NodeHappening.Kind, at given: Int64? = nil) {
        position = given ?? position + 1
        let happening = NodeHappening(node: NodeID(node), at: Timestamp(rawValue: 0), kind: kind)
        waits.observe(happening, at: position, table: table, into: &updates)
    }

    var ended: [StateWait] { updates.compactMap { if case .over(let wait, _) = $0 { wait } else { nil } } }
    /// The wait as it stands, over or not.
    func wait(_ id: Int64 = 1) -> StateWait? { waits[WaitID(id)] ?? ended.last { $0.id == WaitID(id) } }
    func ids(_ nodes: [NodeID]?) -> [Int64] { nodes?.map(\.rawValue) ?? [] }
}

@Suite struct StateWaitTests {
    @Test func conditionsAreReadAndWrittenBack() throws {
        for text in ["ready", "UP", "DOWN>UP", "M/DOWN>*>N/*", "M/UP"] {
            #expect(try StateCondition(text).description == text)
        }
        #expect(try StateCondition(" DOWN > M / UP ") == StateCondition("DOWN>M/UP"))
        #expect(try StateCondition("*/UP") == StateCondition("UP"))
        for text in ["", " ", ">UP", "UP>", "UP>>DOWN", "M/", "/UP", "A/B/C"] {
            #expect(throws: StateConditionError.self, "\(text)") { try StateCondition(text) }
        }
    }

    @Test func namesThatTheTableDoesNotHaveAreRefused() throws {
        let table = ModeTable(.sample)
        #expect(throws: StateConditionError.unknownState("UPP", known: table.states)) {
            try StateCondition("UPP").checked(against: table)
        }
        #expect(throws: StateConditionError.unknownMode("X", known: ["M", "N"])) {
            try StateCondition("X/UP").checked(against: table)
        }
        #expect(throws: StateConditionError.notInMode(state: "UP", mode: "N", known: ["DOWN", "BOOT", "DONE"])) {
            try StateCondition("N/UP").checked(against: table)
        }
    }

    @Test func statesAreSeenInOrderWhateverComesBetween() throws {
        var watch = Watch()
        try watch.register("DOWN>UP", [1])
        for state in ["UP", "DOWN", "BOOT", "OFF"] { watch.see(1, state) }
        #expect(watch.ended.isEmpty)
        watch.see(1, "UP")
        #expect(watch.ids(watch.ended.first?.finished) == [1] && watch.waits.count == 0)
    }

    @Test func aFailureEndsANodeAtOnceUnlessItIsWaitedFor() throws {
        var watch = Watch()
        try watch.register("UP", [1, 2, 3])
        try watch.register("BAD", [1], id: 2)
        watch.see(1, "BAD")
        watch.see(2, .gaveUp("no answer"))
        watch.see(1, "UP")
        watch.see(3, "UP")
        #expect(watch.ids(watch.wait()?.failed) == [1, 2] && watch.ids(watch.wait()?.finished) == [3])
        #expect(watch.wait(2)?.isSatisfied == true && watch.wait()?.isSatisfied == false)
        #expect(watch.wait()?.standings[1] == .failed("no answer"))
    }

    @Test func aNodeCanBeCancelledAndTheRestGoesOn() throws {
        var watch = Watch()
        try watch.register("UP", [1, 2])
        watch.waits.cancel(WaitID(1), node: NodeID(2), into: &watch.updates)
        watch.see(2, "UP")
        #expect(watch.ended.isEmpty)
        watch.see(1, "UP")
        #expect(watch.ids(watch.wait()?.cancelled) == [2] && watch.wait()?.isSatisfied == true)
    }

    @Test(arguments: [(WaitQuorum.any, 1), (.count(2), 2), (.all, 3)])
    func aWaitEndsWhenEnoughGotThere(quorum: WaitQuorum, needed: Int) throws {
        var watch = Watch()
        try watch.register("UP", [1, 2, 3], quorum)
        for node: Int64 in 1...3 {
            watch.see(node, "UP")
            #expect(watch.ended.count == (node >= needed ? 1 : 0))
        }
        #expect(watch.wait()?.isSatisfied == true)
    }

    @Test func aWaitEndsWhenEnoughCannotGetThere() throws {
        var watch = Watch()
        try watch.register("UP", [1, 2, 3], .count(2))
        watch.see(1, "BAD")
        watch.see(2, "BAD")
        #expect(watch.ended.count == 1 && watch.ids(watch.wait()?.pending) == [3])
        #expect(watch.wait()?.isSatisfied == false)
    }

    @Test func readyMayBeThereAlready() throws {
        var watch = Watch()
        try watch.register("ready", [1, 2], ready: [1])
        watch.see(2, "UP")
        #expect(watch.wait()?.isSatisfied == true)
        var other = Watch()
        try other.register("UP", [1], ready: [1])
        #expect(other.ended.isEmpty)
    }

    @Test func aMoveIsSeenByWhoAskedForTheMode() throws {
        var watch = Watch()
        try watch.register("N/DOWN", [1])
        try watch.register("DOWN>DOWN", [1], id: 2)
        watch.see(1, "DOWN")
        watch.see(1, .modeChanged(from: "M", to: "N", state: "DOWN", cameFrom: "DOWN"))
        #expect(watch.wait()?.isSatisfied == true)
        #expect(watch.wait(2)?.standings == [.pending(seen: 1)])
        watch.see(1, .modeChanged(from: "N", to: "M", state: "DOWN", cameFrom: "BOOT"))
        #expect(watch.wait(2)?.isSatisfied == true)
    }

    @Test func timeGivesWhatThereIs() throws {
        var watch = Watch()
        try watch.register("UP", [1, 2], deadline: Timestamp(rawValue: 50))
        watch.see(1, "UP")
        watch.waits.advance(to: Timestamp(rawValue: 49), into: &watch.updates)
        #expect(watch.ended.isEmpty)
        #expect(watch.waits.nextDue() == Timestamp(rawValue: 50))
        watch.waits.advance(to: Timestamp(rawValue: 50), into: &watch.updates)
        #expect(watch.ids(watch.wait()?.finished) == [1] && watch.ids(watch.wait()?.pending) == [2])
        #expect(watch.updates.last.map { if case .over(_, let isTimeout) = $0 { isTimeout } else { false } } == true)
        watch.see(2, "UP")
        #expect(watch.ended.count == 1)
    }

    @Test func whatCannotBeWaitedForIsRefused() {
        let id = WaitID(1)
        #expect(throws: WaitError.noNodes) { try StateWait(id: id, nodes: [], condition: .ready, after: 0) }
        #expect(throws: WaitError.noStates) {
            try StateWait(id: id, nodes: [NodeID(1)], condition: .sequence([]), after: 0)
        }
        #expect(throws: WaitError.countImpossible(3, of: 1)) {
            try StateWait(id: id, nodes: [NodeID(1), NodeID(1)], condition: .ready, quorum: .count(3), after: 0)
        }
    }

    @Test func aHappeningLooksOnlyAtTheWaitsOfItsNode() throws {
        var watch = Watch()
        for id: Int64 in 1...2_000 { try watch.register("UP", [id], id: id) }
        try watch.register("DOWN>UP", [7], id: 5_000)
        #expect(watch.waits.waiting(for: NodeID(7)) == 2 && watch.waits.waiting(for: NodeID(8)) == 1)
        watch.see(7, "UP")
        #expect(watch.updates.count == 2 && watch.waits.waiting(for: NodeID(7)) == 1)
    }

    @Test func whoeverWaitsForOneNodeIsWokenByOneHappening() throws {
        var watch = Watch()
        for id: Int64 in 1...3_000 { try watch.register(id % 2 == 0 ? "UP" : "DOWN>UP", [1, 2], .any, id: id) }
        watch.see(1, "UP")
        #expect(watch.ended.count == 1_500 && watch.waits.waiting(for: NodeID(1)) == 1_500)
        #expect(watch.ended.map(\.id) == watch.ended.map(\.id).sorted() && watch.waits.waiting(for: NodeID(2)) == 1_500)
        watch.see(1, "DOWN")
        watch.see(1, "UP")
        #expect(watch.ended.count == 3_000 && watch.waits.waiting(for: NodeID(2)) == 0)
    }

    /// Events of other nodes, events that come twice, and a waiter that goes and comes back change no answer.
    @Test func theAnswerFollowsFromTheNodesOwnEvents() throws {
        for seed in Seeds.first(300) {
            var chance = Chance(seed: seed)
            let states = ["UP", "DOWN", "BOOT", "BAD", "OFF"]
            let events = (0..<30).map { _ in
                (Int64.random(in: 1...4, using: &chance), states.randomElement(using: &chance) ?? "UP")
            }
            let conditions = ["UP", "DOWN>UP", "ready", "DOWN>BOOT>UP", "*>*>OFF", "BAD"]
            let condition = conditions.randomElement(using: &chance) ?? "UP"
            let quorum = [WaitQuorum.all, .any, .count(2)].randomElement(using: &chance) ?? .all
            var plain = Watch()
            try plain.register(condition, [1, 2, 3], quorum)
            for (index, event) in events.enumerated() { plain.see(event.0, event.1, at: Int64(index + 1)) }

            var rough = Watch()
            try rough.register(condition, [1, 2, 3], quorum)
            for (index, event) in events.enumerated() {
                // Other nodes are as loud as they like.
                for _ in 0..<Int.random(in: 0..<3, using: &chance) {
                    rough.see(9, states.randomElement(using: &chance) ?? "UP", at: Int64(index + 1))
                }
                rough.see(event.0, event.1, at: Int64(index + 1))
                if Int.random(in: 0..<4, using: &chance) == 0, let wait = rough.waits.cancel(WaitID(1)) {
                    // It comes back with what it had, and reads again from some way back.
                    rough.waits = StateWaits()
                    try rough.waits.register(wait, isReady: { _ in false }, into: &rough.updates)
                    let from = Int.random(in: 0...index, using: &chance)
                    for again in from...index { rough.see(events[again].0, events[again].1, at: Int64(again + 1)) }
                }
            }
            #expect(plain.wait()?.standings == rough.wait()?.standings, "seed \(seed): \(condition)")
            #expect(plain.ended.count == rough.ended.count && plain.ended.count <= 1, "seed \(seed)")
        }
    }
}
