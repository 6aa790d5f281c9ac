import MusterCore
import MusterEngine
import MusterStore
import MusterTestKit
import Testing

/// Reboots as durable plans: gate, batches, ladder, end.
@Suite struct RebootTests {
    private func town(_ count: Int, _ change: (inout GroupSpec) -> Void = { _ in }) throws -> NodeTown {
        var town = try NodeTown(count, change: change)
        try town.ask(.useModes(lab: "shop", NodeTown.orderModes))
        return town
    }

    @Test func aRebootEndsWhenItsNodesAreUpAgain() throws {
        var town = try town(2)
        let run = try town.order(.command("reboot"), [0, 1, 0])
        #expect(town.sent(.soft) == [0, 1])
        #expect(try town.store.steps(of: run).map(\.state) == [.running, .running])
        #expect(try town.node(0)?.heldBy == run)
        // An ISUP from before the node went down ends nothing.
        try town.report("ISUP", of: 0)
        #expect(try town.plan(run)?.state == .running)
        try town.boot(0)
        #expect(try town.steps(run, of: 0).first?.state == .success)
        #expect(try town.plan(run)?.state == .running)
        try town.boot(1)
        #expect(try town.plan(run)?.state == .stopped)
        #expect(try town.plan(run)?.result == .success)
        #expect(try town.node(0)?.heldBy == nil)
        // The bound of time is gone with the steps.
        #expect(town.core.timeToNextTimer() == nil)
    }

    @Test func eachNodeIsAcceptedOrRefusedWithTheReason() throws {
        var town = try town(4)
        try town.report("SHUTDOWN", of: 1)
        try town.turn([.nodeLost(NodeID(3), reason: "its server ended")])
        let run = try town.order(.command("reboot"), [0, 1, 2])
        // It may be rebooted from ISUP, and where it has failed.
        #expect(town.sent(.soft) == [0, 2])
        let refused = try town.steps(run, of: 1).first
        #expect(refused?.state == .error && refused?.error?.code == .refused)
        #expect(refused?.error?.message.contains("SHUTDOWN") == true)
        // Of what is under way already nobody begins anew, also not by force of another run's kind.
        let second = try town.order(.command("reboot"), [0, 3])
        let reason = try town.steps(second, of: 0).first?.error?.message ?? ""
        #expect(reason.contains("(reboot) uses it"), "\(reason)")
        #expect(town.sent(.soft) == [0, 2, 3])
        try town.boot(0)
        try town.boot(2)
        try town.boot(3)
        #expect(try town.plan(run)?.result == .error)
        // A node that was lost is in use again.
        #expect(try town.node(2)?.state == .ready)
        #expect(town.others.contains(.watch(NodeID(3))))
        let forced = try town.order(.command("reboot"), [1]) { $0.isForced = true }
        #expect(town.sent(.soft) == [0, 2, 3, 1])
        try town.boot(1)
        #expect(try town.plan(forced)?.result == .success)
        #expect(try town.order(.command("frobnicate"), [0]) != PlanID(0))
        let unknown = try town.store.plans(lab: nil, limit: 1).first.map { try town.steps($0.id, of: 0) }
        #expect(unknown?.first?.error?.message.contains("no command 'frobnicate'") == true)
    }

    @Test func anOrderForANodeThatIsNotThereIsRefusedWhole() throws {
        var town = try town(1)
        #expect(try town.order(.command("reboot"), [0, 7]) == PlanID(0))
        #expect(town.directives.isEmpty)
        var bare = try NodeTown(1)
        #expect(try bare.order(.command("reboot"), [0]) == PlanID(0))
    }

    @Test func theLadderEndsInOneTerminalEventAndOneFailure() throws {
        var town = try town(2)
        let run = try town.order(.command("reboot"), [0, 1])
        try town.boot(1)
        for _ in 0..<6 { try town.pass(.seconds(20)) }
        #expect(town.sent(.soft) == [0, 1, 0])
        #expect(town.sent(.powerCycle) == [0])
        #expect(try town.count(.nodeGivenUp) == 1)
        #expect(try town.count(.nodeGivenUp, of: 1) == 0)
        let step = try town.steps(run, of: 0).first
        #expect(step?.state == .error && step?.error?.code == .notReady)
        #expect(step?.error?.message.contains("'reboot' was not obeyed") == true)
        #expect(try town.plan(run)?.state == .stopped)
        #expect(try town.node(0)?.state == .lost)
        for _ in 0..<6 { try town.pass(.seconds(100)) }
        #expect(try town.count(.nodeGivenUp) == 1)
        #expect(town.directives.count == 4)
    }

    @Test(arguments: [
        (FailureAction.fatal, PlanResult.error), (.nonfatal, .warning), (.ignore, .success),
    ]) func whatAFailureMeansIsSaidByTheGroupOrTheOrder(action: FailureAction, result: PlanResult) throws {
        var town = try town(2) { $0.failureAction = action }
        let run = try town.order(.command("reboot"), [0, 1])
        try town.boot(1)
        for _ in 0..<6 { try town.pass(.seconds(20)) }
        #expect(try town.plan(run)?.result == result)
        #expect(try town.steps(run, of: 0).first?.error?.message.contains("not obeyed") == true)
        // What the order says goes before what the group says.
        let other = try town.order(.command("reboot"), [1]) { $0.onFailure = .ignore }
        for _ in 0..<6 { try town.pass(.seconds(20)) }
        #expect(try town.plan(other)?.result == .success)
    }

    @Test func batchesBeginWithPausesBetweenAlsoOverARestart() throws {
        var town = try town(30)
        let run = try town.order(.command("reboot"), Array(0..<30)) { order in
            order.batch = 12
            order.pause = .seconds(5)
        }
        #expect(town.sent(.soft) == Array(0..<12))
        try town.pass(.seconds(4))
        #expect(town.sent(.soft).count == 12)
        // As its followers do after a crash.
        try town.restart()
        try town.ask(.takeUp(run))
        #expect(town.sent(.soft).count == 12)
        try town.pass(.seconds(1))
        #expect(town.sent(.soft) == Array(0..<24))
        try town.pass(.seconds(5))
        #expect(Set(town.sent(.soft)) == Set(0..<30))
        for index in 0..<30 { try town.boot(index) }
        #expect(try town.plan(run)?.result == .success)
        #expect(try town.store.steps(of: run).count == 32)
    }

    @Test func aBatchThatIsPutOffIsLookedAtAgainWhenItBegins() throws {
        var town = try town(2)
        let run = try town.order(.command("reboot"), [0, 1]) { order in
            order.batch = 1
            order.pause = .seconds(5)
        }
        try town.report("SHUTDOWN", of: 1)
        try town.pass(.seconds(5))
        #expect(town.sent(.soft) == [0])
        #expect(try town.steps(run, of: 1).first?.error?.code == .refused)
    }

    @Test func whatNeverComesUpEndsWithItsTime() throws {
        var town = try town(1)
        let run = try town.order(.command("reboot"), [0]) { $0.within = .seconds(30) }
        try town.report("SHUTDOWN")
        try town.report("BOOTING")
        try town.restart()
        try town.ask(.takeUp(run))
        try town.pass(.seconds(30))
        #expect(try town.steps(run, of: 0).first?.error?.code == .timedOut)
        #expect(try town.plan(run)?.state == .stopped)
        #expect(try town.count(.nodeGivenUp) == 1)
        try town.pass(.seconds(200))
        #expect(try town.count(.nodeGivenUp) == 1)
        #expect(town.sent(.soft) == [0])
    }

    @Test func aCancelledRebootTriesNothingMore() throws {
        var town = try town(2)
        let run = try town.order(.command("reboot"), [0, 1]) { order in
            order.batch = 1
            order.pause = .seconds(5)
        }
        try town.ask(.cancel(run))
        #expect(try town.plan(run)?.result == .cancelled)
        #expect(try town.plan(run)?.state == .stopped)
        try town.pass(.seconds(100))
        #expect(town.directives.count == 1)
        #expect(try town.count(.nodeGivenUp) == 0)
        #expect(try town.row(0)?.command == nil)
        #expect(try town.node(0)?.heldBy == nil && town.node(1)?.heldBy == nil)
        let halted = try town.order(.command("reboot"), [0])
        try town.ask(.halt(halted))
        try town.pass(.seconds(100))
        #expect(try town.plan(halted)?.state == .stopped)
        #expect(try town.row(0)?.command == nil)
        #expect(town.directives.count == 2)
    }

    @Test func whatWasSwitchedOffStaysDownUntilAPersonSaysSo() throws {
        var town = try town(1)
        let off = try town.order(.command("poweroff"), [0], verb: .power)
        #expect(town.sent(.powerOff) == [0])
        try town.report("SHUTDOWN")
        #expect(try town.plan(off)?.result == .success)
        #expect(try town.node()?.state == .stopped)
        // A boot that nobody asked for, and that stands still, is not repaired.
        try town.report("BOOTING")
        try town.pass(.seconds(120))
        #expect(town.directives.count == 1)
        let on = try town.order(.command("reboot"), [0]) { $0.isForced = true }
        try town.boot(0)
        #expect(try town.plan(on)?.result == .success)
        #expect(try town.node()?.state == .ready)
    }

    @Test func nodesOnAHostThatIsRebootedAreNotRebootedThemselves() throws {
        var town = try NodeTown(3, facts: { $0 == 0 ? [:] : ["host": "app/0"] })
        try town.ask(.useModes(lab: "shop", NodeTown.orderModes))
        let run = try town.order(.command("reboot"), [1, 0, 2])
        #expect(town.sent(.soft) == [0])
        for index in [1, 2] { try town.report("SHUTDOWN", of: index) }
        try town.boot(0)
        #expect(try town.steps(run, of: 0).first?.state == .success)
        #expect(try town.plan(run)?.state == .running)
        for index in [1, 2] {
            try town.report("BOOTING", of: index)
            try town.report("ISUP", of: index)
        }
        #expect(try town.plan(run)?.result == .success)
        #expect(town.directives.count == 1)
        // Alone they are rebooted as any other.
        try town.order(.command("reboot"), [2])
        #expect(town.sent(.soft) == [0, 2])
    }

    @Test func anotherCommandEndsTheReboot() throws {
        var town = try town(1)
        let run = try town.order(.command("reboot"), [0])
        let off = try town.order(.command("poweroff"), [0], verb: .power) { $0.isForced = true }
        let step = try town.steps(run, of: 0).first
        #expect(
            step?.error?.message.contains("'poweroff' was sent to it instead") == true,
            "\(String(describing: step))"
        )
        try town.report("SHUTDOWN")
        #expect(try town.plan(off)?.result == .success)
    }

    @Test func aNodeThatGoesEndsItsPart() throws {
        var town = try town(2)
        let run = try town.order(.command("reboot"), [0, 1])
        var down = RunSpec(verb: .down, lab: "shop", labDirectory: "/lab")
        down.groups = try town.store.spec(of: PlanID(1))?.groups ?? []
        try town.ask(.submit(token: "down", spec: down))
        // Whoever takes machines down ends what others do with them.
        #expect(try town.plan(run)?.result == .cancelled)
        #expect(try town.store.plan(request: "down")?.state == .running)
    }

    /// A crash, and nobody looks for longer than anything may take: what was healthy is not given up or rebooted again.
    @Test func aRebootThatIsResumedMuchLaterHasItsTimeAgain() throws {
        var town = try town(1)
        let run = try town.order(.command("reboot"), [0]) { $0.within = .seconds(300) }
        try town.report("SHUTDOWN")
        try town.report("BOOTING")
        town.time.advance(by: .seconds(3_000))
        try town.restart()
        try town.ask(.takeUp(run))
        #expect(town.sent(.powerOn) == [0])
        try town.pass(.seconds(5))
        try town.report("BOOTING")
        try town.report("ISUP")
        #expect(try town.plan(run)?.result == .success)
        #expect(try town.node()?.state == .ready)
        #expect(town.sent(.soft) == [0] && town.sent(.powerCycle).isEmpty)
        #expect(try town.count(.nodeGivenUp) == 0)
    }

    /// What a cancelled reboot has begun goes on at the node; the next conductor sees to it that it is on.
    @Test func aCancelledRebootLeavesNoNodeOff() throws {
        var town = try town(1)
        let run = try town.order(.command("reboot"), [0])
        try town.report("SHUTDOWN")
        try town.ask(.cancel(run))
        #expect(try town.plan(run)?.state == .stopped)
        try town.restart()
        #expect(town.sent(.powerOn) == [0])
        try town.report("BOOTING")
        try town.report("ISUP")
        try town.restart()
        #expect(town.sent(.powerOn) == [0])
    }

    /// At each point of a reboot the conductor is killed; the end is the same.
    @Test(arguments: 0..<8) func aRebootSurvivesAKillAtAnyPoint(at point: Int) throws {
        var town = try town(1)
        var run = PlanID(0)
        let script: [(inout NodeTown) throws -> Void] = [
            { run = try $0.order(.command("reboot"), [0]) },
            { try $0.pass(.seconds(10)) },
            { try $0.report("SHUTDOWN") },
            { try $0.pass(.seconds(1)) },
            { try $0.report("BOOTING") },
            { try $0.pass(.seconds(1)) },
            { try $0.report("ISUP") },
        ]
        for (index, act) in script.enumerated() {
            try act(&town)
            if index == point { try town.restart() }
        }
        #expect(try town.plan(run)?.result == .success)
        #expect(try town.states() == ["ISUP", "SHUTDOWN", "BOOTING", "ISUP"])
        #expect(try town.count(.nodeGivenUp) == 0)
        #expect(town.sent(.soft) == [0, 0])
        // Between going down and coming up it may have been switched off, and is switched on again.
        #expect(town.sent(.powerOn) == ((2...5).contains(point) ? [0] : []))
        #expect(try town.row()?.command == nil)
    }
}
