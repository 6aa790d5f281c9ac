import MusterCore
import Testing

@Suite struct NodeTimerTests {
    @Test func progressSetsTheTimerAnewAndTheOldOneNeverFires() {
        var scene = NodeScene(.sample)
        scene.add(1, "M", "DOWN")
        scene.report("BOOT")
        scene.wait(59)
        scene.report("UP")
        scene.forget()
        scene.wait(10_000)
        #expect(scene.sink.happenings.isEmpty && scene.row()?.deadline == nil)
    }

    /// What the table has gained while nobody was there counts from when the state began.
    @Test func aTimeoutThatTheTableGainedMeanwhileIsSetAfterARestart() {
        var before = ModeSet.sample
        before.modes[0].rules.timeouts = []
        var scene = NodeScene(before)
        scene.add(1, "M", "BOOT")
        scene.add(2, "M", "UP")
        #expect(scene.row()?.deadline == nil)
        scene.restart(with: .sample, after: 40)
        #expect(scene.row()?.deadline?.at == Timestamp(rawValue: 60_000_000))
        #expect(scene.sink.rows.contains { $0.node == NodeID(1) && $0.deadline != nil }, "it is to be stored")
        #expect(scene.row(2)?.deadline == nil)
        scene.wait(19)
        #expect(scene.sent.isEmpty)
        scene.wait(1)
        #expect(scene.sent.count == 1)
    }

    /// It is overdue, and nobody has acted on it: that is done at once. One that was acted on does not come again.
    @Test func aTimeoutIsActedOnOnceAcrossRestarts() {
        var before = ModeSet.sample
        before.modes[0].rules.timeouts = []
        var scene = NodeScene(before)
        scene.add(1, "M", "DOWN")
        scene.restart(with: .sample, after: 3600)
        scene.wait(0)
        #expect(scene.row()?.timeouts == 1)
        scene.restart(with: .sample, after: 3600)
        scene.wait(0)
        #expect(scene.row()?.timeouts == 1 && scene.row()?.deadline == nil)
    }

    @Test func aTimeoutLeadsToAStateWithAllThatFollows() {
        var scene = NodeScene(.sample)
        scene.add(1, "N", "DOWN")
        scene.wait(4)
        #expect(scene.state() == "DOWN")
        scene.wait(1)
        #expect(
            scene.kinds == [
                .timedOut(mode: "N", state: "DOWN", action: .state("BOOT"), count: 1),
                .stateChanged(mode: "N", from: "DOWN", to: "BOOT"),
            ]
        )
    }

    @Test func equalDeadlinesFireInTheOrderInWhichTheyWereSetAlsoAfterARestart() {
        for restarts in [false, true] {
            var scene = NodeScene(.sample)
            for node: Int64 in [3, 1, 2] { scene.add(node, "N", "DOWN") }
            if restarts { scene.restart() }
            scene.wait(5)
            let order = scene.sink.happenings.compactMap { happening in
                if case .timedOut = happening.kind { happening.node.rawValue } else { nil }
            }
            #expect(order == [3, 1, 2])
        }
    }

    @Test func aNodeThatStandsStillIsRebootedSoManyTimesAndThenGivenUpOnce() {
        var set = ModeSet.sample
        set.commands[0].rungs = [RungSpec(.soft, within: .seconds(10))]
        var scene = NodeScene(set)
        scene.add(1, "M", "BOOT")
        for _ in 0..<10 {
            scene.wait(60)
            scene.report("DOWN", "BOOT")
        }
        #expect(scene.sent.count == 3)
        #expect(scene.gaveUp == 1)
        #expect(scene.row()?.flags.contains(.givenUp) == true)
        // Up again, all begins anew.
        scene.report("UP")
        #expect(scene.row()?.flags == [] && scene.row()?.repairs == 0 && scene.row()?.timeouts == 0)
    }

    @Test func waysOfATimeoutGrowHarder() {
        var set = ModeSet.sample
        set.modes[0].rules.timeouts = [
            StateTimeout(state: "BOOT", after: .seconds(20), action: .reboot([.wake, .wake, .powerCycle]))
        ]
        var scene = NodeScene(set)
        scene.add(1, "M", "BOOT")
        scene.wait(200)
        #expect(scene.sent == [.wake, .wake, .powerCycle] && scene.gaveUp == 1)
    }

    @Test func whatAPersonTookDownIsNotRepaired() {
        // By a command to leave it off, or on the node itself.
        for isCommand in [true, false] {
            var set = ModeSet.sample
            set.modes[0].rules.timeouts = [StateTimeout(state: "DOWN", after: .seconds(60), action: .reboot([]))]
            var scene = NodeScene(set)
            scene.add()
            if isCommand { scene.tell(.commanded("poweroff", by: .person)) }
            scene.report("DOWN")
            scene.forget()
            scene.wait(9)
            if isCommand { scene.report("OFF", "DOWN") }
            scene.wait(1_000)
            #expect(scene.sent.isEmpty && scene.gaveUp == 0)
            #expect(scene.kinds.contains(.leftAlone(state: "DOWN", reason: "somebody has taken it down")))
        }
    }

    @Test func whatWasAskedToRebootIsRepaired() {
        var set = ModeSet.sample
        set.modes[0].rules.timeouts = [StateTimeout(state: "DOWN", after: .seconds(60), action: .reboot([]))]
        var scene = NodeScene(set)
        scene.add()
        scene.tell(.commanded("reboot", by: .person))
        scene.report("DOWN")
        scene.wait(60)
        #expect(scene.sent.count == 2)
    }

    // MARK: Commands

    @Test func aCommandIsTriedByRungsUntilItIsObeyed() {
        var scene = NodeScene(.sample)
        scene.add()
        scene.tell(.commanded("reboot", by: .person))
        #expect(scene.sent == [.soft] && scene.row()?.flags == .isRebooting)
        scene.wait(75)
        #expect(scene.sent == [.soft, .soft])
        scene.wait(75)
        #expect(scene.sent == [.soft, .soft, .powerCycle])
        scene.wait(29)
        scene.report("DOWN")
        #expect(scene.kinds.contains(.commandObeyed("reboot", state: "DOWN")))
        scene.report("BOOT", "UP")
        scene.wait(1_000)
        #expect(scene.gaveUp == 0 && scene.row()?.flags == [])
    }

    @Test func aCommandThatIsNeverObeyedEndsOnce() {
        var scene = NodeScene(.sample)
        scene.add()
        scene.tell(.commanded("reboot", by: .person))
        scene.wait(100_000)
        #expect(scene.sent == [.soft, .soft, .powerCycle] && scene.gaveUp == 1 && scene.row()?.command == nil)
        // What Muster itself would do about it, it does not do any more; a person may.
        scene.tell(.commanded("reboot", by: .system))
        #expect(scene.kinds.last == .commandRefused("reboot", reason: "it was given up"))
        scene.tell(.commanded("reboot", by: .person))
        scene.wait(100_000)
        #expect(scene.gaveUp == 2)
    }

    @Test func aCommandBeginsWithTheRungThatIsOfUse() {
        var scene = NodeScene(.sample)
        scene.add(1, "M", "BOOT")
        scene.add(2)
        scene.tell(.commanded("reboot", by: .person), 1)
        scene.tell(.commanded("reboot", from: .powerCycle, by: .person), 2)
        #expect(scene.sent == [.wake, .powerCycle])
        scene.tell(.commanded("reboot", by: .person), 1)
        #expect(scene.kinds.last == .commandRefused("reboot", reason: "it is under way already"))
        scene.tell(.commanded("jump", by: .person), 1)
        #expect(scene.kinds.last == .commandRefused("jump", reason: "the mode table has no command 'jump'"))
    }

    // MARK: Restarts

    @Test func countersCommandsAndTriggersSurviveARestart() {
        var scene = NodeScene(.sample)
        scene.add()
        scene.tell(.commanded("reboot", by: .person))
        scene.tell(.triggersSet([NodeTrigger(state: "DOWN", actions: ["later"])]))
        scene.wait(75)
        let row = scene.row()
        scene.restart(after: 10)
        #expect(scene.row() == row)
        scene.wait(64)
        #expect(scene.sent.count == 2)
        scene.wait(1)
        #expect(scene.sent == [.soft, .soft, .powerCycle])
        scene.report("DOWN")
        #expect(scene.triggered == ["later"])
    }

    @Test func whatCameDueMeanwhileIsHandledByItsAge() {
        for (age, isOld) in [(3_600, false), (8 * 86_400, true)] as [(Int64, Bool)] {
            var scene = NodeScene(.sample)
            scene.add(1, "M", "BOOT")
            scene.restart(after: age)
            scene.wait(0)
            let outdated = scene.kinds.contains { if case .outdated = $0 { true } else { false } }
            #expect(outdated == isOld && scene.sent.isEmpty == isOld)
            // It is watched again from now on.
            #expect(scene.row()?.deadline?.at == scene.now + .seconds(60))
        }
    }

    @Test func anotherTableKeepsTheCountersAndChangesOnlyTheTimersThatAreOthers() {
        var scene = NodeScene(.sample)
        scene.add(1, "M", "BOOT")
        scene.add(2, "M", "DOWN")
        scene.add(3, "N", "DONE")
        scene.wait(60)
        let before = scene.machines.rows
        scene.forget()
        var set = ModeSet.sample
        set.modes[0].rules.timeouts[1].after = .seconds(100)
        set.modes.removeLast()
        scene.machines.reload(ModeTable(set), now: scene.now, into: &scene.sink)
        #expect(scene.row(1) == before[0])
        #expect(scene.row(2)?.deadline?.at == Timestamp(rawValue: 100_000_000))
        #expect(scene.sink.rows.map(\.node.rawValue) == [2])
        // A mode that is gone is said, and the node is there when it comes back.
        #expect(scene.kinds == [.unknownMode("N")])
        scene.report("DOWN", node: 3)
        #expect(scene.row(3) == before[2] && scene.kinds.last == .unknownMode("N"))
        scene.machines.reload(ModeTable(.sample), now: scene.now, into: &scene.sink)
        scene.report("DOWN", node: 3)
        #expect(scene.state(3) == "DOWN")
    }

    @Test func aNodeThatIsGoneHasNoTimers() {
        var scene = NodeScene(.sample)
        scene.add(1, "M", "BOOT")
        scene.tell(.commanded("reboot", by: .person))
        scene.machines.remove(NodeID(1), into: &scene.sink)
        #expect(scene.machines.nextDue() == nil && scene.machines.count == 0)
        #expect(scene.sink.removed == [NodeID(1)])
        scene.add(2, "M", "BOOT")
        #expect(scene.row(2)?.command == nil && scene.state(2) == "BOOT")
    }
}

@Suite struct NodePropertyTests {
    private static let states = ["UP", "DOWN", "BOOT", "BAD", "OFF", "DONE"]

    private static func step(_ scene: inout NodeScene, _ chance: inout Chance) {
        let node = Int64.random(in: 1...5, using: &chance)
        switch Int.random(in: 0..<12, using: &chance) {
        case 0: scene.tell(.commanded("reboot", by: .person), node)
        case 1: scene.tell(.commanded("poweroff", by: .person), node)
        case 2: scene.tell(.nextModeSet(["M", "N"].randomElement(using: &chance)), node)
        case 3: scene.tell(.triggersSet([NodeTrigger(state: "DOWN", actions: ["REBOOT"])]), node)
        case 4, 5: scene.wait(Int64.random(in: 0...90, using: &chance))
        default: scene.report(states.randomElement(using: &chance) ?? "UP", node: node)
        }
    }

    private static func withoutPlaces(_ row: NodeStateRow) -> NodeStateRow {
        var row = row
        row.deadline?.order = 0
        row.command?.deadline.order = 0
        return row
    }

    @Test func aRestartAtAnyPointChangesNothing() {
        for seed in Seeds.first(150) {
            var chance = Chance(seed: seed)
            var scenes = [NodeScene(.sample), NodeScene(.sample)]
            for index in scenes.indices { for node: Int64 in 1...5 { scenes[index].add(node) } }
            for _ in 0..<60 {
                var same = chance
                Self.step(&scenes[0], &chance)
                Self.step(&scenes[1], &same)
                if Int.random(in: 0..<3, using: &chance) == 0 { scenes[1].restart() }
            }
            #expect(scenes[0].sink.happenings == scenes[1].sink.happenings, "seed \(seed)")
            #expect(scenes[0].sink.directives == scenes[1].sink.directives, "seed \(seed)")
            // Places among equal deadlines may be numbered otherwise.
            let rows = scenes.map { $0.machines.rows.map(Self.withoutPlaces) }
            #expect(rows[0] == rows[1], "seed \(seed)")
        }
    }

    @Test func rowsAreWhatTheMachineHolds() {
        for seed in Seeds.first(50) {
            var chance = Chance(seed: seed)
            var scene = NodeScene(.sample)
            for node: Int64 in 1...5 { scene.add(node) }
            for _ in 0..<100 { Self.step(&scene, &chance) }
            // The last row that was given out is the node's own.
            for row in scene.sink.rows { #expect(row == scene.machines.row(of: row.node)) }
            // A node is given up at most once until it is up again.
            for node: Int64 in 1...5 {
                var isGivenUp = false
                for kind in scene.kinds(of: node) {
                    if case .gaveUp = kind {
                        #expect(!isGivenUp)
                        isGivenUp = true
                    }
                    if case .triggered("RESET") = kind { isGivenUp = false }
                    if case .commandSent = kind { isGivenUp = false }
                }
            }
        }
    }
}
