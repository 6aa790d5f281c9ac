import Testing

@testable import MusterCore

@Suite struct NodeMachineTests {
    @Test func anInvalidTransitionFollowsThePolicyOfItsMode() {
        for (policy, becomes) in [
            (InvalidPolicy.acceptAndReport, "BOOT"), (.reject, "UP"), (.coerce("BAD"), "BAD"),
        ] {
            var set = ModeSet.sample
            set.modes[0].rules.invalid = policy
            var scene = NodeScene(set)
            scene.add()
            scene.report("BOOT")
            #expect(scene.state() == becomes)
            #expect(scene.kinds.first == .invalid(mode: "M", from: "UP", to: "BOOT", became: becomes))
            let changes = scene.kinds.contains { if case .stateChanged = $0 { true } else { false } }
            #expect(changes == (policy != .reject))
        }
    }

    @Test func theSameStateCanBeReportedWhereTheTableSaysSo() {
        var scene = NodeScene(.sample)
        scene.add()
        scene.report("DOWN", "DOWN")
        let change = NodeHappening.Kind.stateChanged(mode: "M", from: "DOWN", to: "DOWN")
        #expect(scene.kinds.last == change)
    }

    @Test func aStickyStateIsLeftOnlyToWhatItSays() {
        var set = ModeSet.sample
        set.modes[0].rules.sticky = [StickyState(state: "BAD", leaves: ["OFF"])]
        var scene = NodeScene(set)
        scene.add(1, "M", "BAD")
        scene.report("DOWN")
        #expect(scene.state() == "BAD")
        #expect(scene.kinds.first == .invalid(mode: "M", from: "BAD", to: "DOWN", became: "BAD"))
        scene.report("OFF")
        #expect(scene.state() == "OFF")
    }

    @Test func aNameThatTheTableDoesNotHaveChangesNothing() {
        var scene = NodeScene(.sample)
        scene.add()
        let before = scene.row()
        scene.forget()
        scene.report("NOWHERE")
        scene.tell(.nextModeSet("X"))
        scene.tell(.reported("UP"), 99)
        #expect(scene.kinds == [.unknownState("NOWHERE"), .unknownMode("X"), .unknownNode])
        #expect(scene.row() == before && scene.sink.rows.isEmpty)
    }

    // MARK: Triggers

    @Test func theListOfAModeGoesBeforeThatOfAllAndAnEmptyOneSuppressesIt() {
        for (own, expected) in [(nil, ["any"]), (["own"], ["own"]), ([], [])] as [([String]?, [String])] {
            var set = ModeSet.sample
            if let own { set.modes[0].rules.triggers = [StateTriggers(state: "OFF", actions: own)] }
            var scene = NodeScene(set)
            scene.add()
            scene.report("OFF")
            #expect(scene.triggered == expected)
        }
    }

    @Test func aNodesOwnTriggersComeFirstAndOnce() {
        var scene = NodeScene(.sample)
        scene.add()
        scene.tell(
            .triggersSet([
                NodeTrigger(state: "OFF", actions: ["b"]), NodeTrigger(mode: "M", state: "OFF", actions: ["a"]),
                NodeTrigger(mode: "N", state: "OFF", actions: ["other"]),
                NodeTrigger(state: "OFF", actions: ["always"], isOnce: false),
            ])
        )
        scene.report("OFF")
        #expect(scene.triggered == ["a", "b", "always", "any"])
        #expect(scene.row()?.triggers.map(\.actions) == [["other"], ["always"]])
        scene.forget()
        scene.report("DOWN", "OFF")
        #expect(scene.triggered == ["always", "any"])
    }

    @Test func anEmptyListOfANodeKeepsTheTablesFromRunningOnce() {
        var scene = NodeScene(.sample)
        scene.add()
        scene.tell(.triggersSet([NodeTrigger(state: "OFF", actions: [])]))
        scene.report("OFF")
        #expect(scene.triggered.isEmpty)
        scene.report("DOWN", "OFF")
        #expect(scene.triggered == ["any"])
    }

    @Test func whetherTriggersRunOnReentryIsSaidByTheTable() {
        for (rule, expected) in [(nil, 1), (false, 1), (true, 2)] as [(Bool?, Int)] {
            var set = ModeSet.sample
            set.defaults.triggersOnReentry = rule
            var scene = NodeScene(set)
            scene.add(1, "M", "DOWN")
            scene.report("OFF", "OFF")
            #expect(scene.triggered.count == expected)
        }
    }

    @Test func whatTheMachineReportsItselfIsAnEventLikeAnyOther() {
        var set = ModeSet.sample
        set.modes[0].rules.triggers = [StateTriggers(state: "OFF", actions: ["STATE:DOWN"])]
        set.defaults.triggers.append(StateTriggers(state: "DOWN", actions: ["seen"]))
        var scene = NodeScene(set)
        scene.add()
        scene.report("OFF")
        #expect(scene.state() == "DOWN" && scene.triggered == ["STATE:DOWN", "seen"])
        #expect(scene.row()?.deadline != nil)
        #expect(scene.sink.rows.count == 1 && scene.sink.rows[0] == scene.row())
    }

    @Test func triggersThatReportInACircleEnd() {
        var set = ModeSet.sample
        set.defaults.triggersOnReentry = true
        set.defaults.triggers = [StateTriggers(state: "UP", actions: ["STATE:UP"])]
        var scene = NodeScene(set)
        scene.add(1, "M", "BOOT")
        scene.report("UP")
        #expect(scene.kinds.contains { if case .notified(let text) = $0 { text.contains("circle") } else { false } })
        scene.forget()
        scene.report("DOWN")
        #expect(scene.state() == "DOWN")
    }

    // MARK: Modes

    @Test func theNextModeIsTakenUpWhereItMayBe() {
        var scene = NodeScene(.sample)
        scene.add(1, "M", "UP", next: "N")
        scene.report("DOWN")
        #expect(scene.kinds.last == .modeChanged(from: "M", to: "N", state: "DOWN", cameFrom: "DOWN"))
        #expect(scene.row()?.mode == "N" && scene.row()?.nextMode == nil)
        // The timer is that of the new mode.
        #expect(scene.row()?.deadline?.at == scene.now + .seconds(5))
    }

    @Test func aMoveThatTheTableDoesNotHaveFollowsThePolicy() {
        for (policy, mode) in [(InvalidPolicy.acceptAndReport, "L"), (.reject, "M")] {
            var set = ModeSet.sample
            set.modes.append(ModeSpec(name: "L"))
            set.modes[0].rules.invalid = policy
            var scene = NodeScene(set)
            scene.add(1, "M", "UP", next: "L")
            scene.report("DOWN")
            #expect(scene.row()?.mode == mode && scene.row()?.nextMode == nil)
            let told = NodeHappening.Kind.invalidMode(mode: "M", state: "DOWN", to: "L", isApplied: mode == "L")
            #expect(scene.kinds.contains(told))
        }
    }

    // MARK: Events

    @Test func anEventThatIsNotLegalIsRefusedWithThoseThatAre() {
        var mode = ModeSpec(name: "P")
        mode.events = [
            EventTransition(from: "enroll", event: "manage", to: "verifying", goal: "manageable", isVerb: true),
            EventTransition(from: "verifying", event: "done", to: "manageable"),
            EventTransition(from: "verifying", event: "fail", to: "enroll"),
        ]
        var set = ModeSet()
        set.modes = [mode]
        var scene = NodeScene(set)
        scene.add(1, "P", "enroll")
        scene.tell(.fired("provide"))
        #expect(scene.kinds == [.refused(event: "provide", state: "enroll", legal: ["manage"])])
        scene.tell(.fired("manage"))
        #expect(scene.state() == "verifying" && scene.row()?.goal == "manageable")
        scene.tell(.fired("fail"))
        #expect(scene.state() == "enroll" && scene.row()?.goal == nil)
        scene.tell(.fired("manage", goal: "enroll"))
        #expect(scene.row()?.goal == "enroll")
    }

    // MARK: Size

    @Test func aHundredThousandNodesAreSmallAndCostNoMoreAnEvent() {
        #expect(MemoryLayout<NodeMachines.Node>.stride <= 112)
        var scene = NodeScene(.sample)
        let rows = (1...100_000).map { NodeStateRow(node: NodeID($0), mode: "M", state: "DOWN", since: scene.now) }
        scene.machines.restore(rows, now: scene.now, into: &scene.sink)
        #expect(scene.machines.count == 100_000)
        scene.report("BOOT", "UP", node: 77_777)
        #expect(scene.sink.rows.count == 1 && scene.sink.happenings.count == 3)
    }
}
