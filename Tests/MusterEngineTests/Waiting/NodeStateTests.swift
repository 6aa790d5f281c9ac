import MusterCore
import MusterEngine
import MusterStore
import MusterTestKit
import Testing

/// Modes and states of nodes through the conductor and the store.
@Suite struct NodeStateTests {
    @Test func nodesThatAreThereTakeUpATableAndItsUsualNames() throws {
        var town = try NodeTown(2)
        #expect(try town.row() == nil)
        #expect(
            try town.ask(.report(NodeReport(lab: "shop", node: NodeName("app/0")!, .state("ISUP"), source: "x")))
                .map { $0.contains("no-modes") } == true
        )
        try town.ask(.useModes(lab: "shop", NodeTown.modes))
        #expect(try town.row(0)?.state == "ISUP")
        #expect(try town.row(1)?.mode == "M")
        // Muster's own doing is an event like any other.
        try town.turn([.nodeLost(NodeID(1), reason: "its server ended")])
        #expect(try town.row(0)?.state == "LOST")
        #expect(try town.states(0) == ["ISUP", "LOST"])
    }

    @Test func whatIsNotTakenIsRefusedWithTheReason() throws {
        var town = try NodeTown(1)
        try town.ask(.useModes(lab: "shop", NodeTown.modes))
        func report(_ state: String, of name: String) -> Request {
            .report(NodeReport(lab: "shop", node: NodeName(name)!, .state(state), source: "person"))
        }
        let unknown = try town.ask(report("NOSUCH", of: "app/0"))
        #expect(unknown?.contains("not-taken") == true && unknown?.contains("no state NOSUCH") == true)
        let nobody = try town.ask(report("ISUP", of: "app/7"))
        #expect(nobody?.contains("no-node") == true)
        // One that the policy takes all the same is an answer, not a refusal.
        #expect(try town.ask(report("BOOTING", of: "app/0")) == nil)
        #expect(try town.row()?.state == "BOOTING")
    }

    @Test func aReportThatComesTwiceCountsOnceAlsoAfterARestart() throws {
        var town = try NodeTown(1)
        try town.ask(.useModes(lab: "shop", NodeTown.modes))
        try town.report("SHUTDOWN", id: "1")
        try town.report("SHUTDOWN", id: "1")
        try town.restart()
        try town.report("SHUTDOWN", id: "1")
        #expect(try town.states() == ["ISUP", "SHUTDOWN"])
        try town.report("BOOTING", id: "2")
        #expect(try town.states() == ["ISUP", "SHUTDOWN", "BOOTING"])
    }

    @Test func aTimeoutThatComesDueWithNobodyThereActsWhenSomebodyIs() throws {
        var town = try NodeTown(1)
        try town.ask(.useModes(lab: "shop", NodeTown.modes))
        try town.report("SHUTDOWN")
        try town.report("BOOTING")
        #expect(town.core.timeToNextTimer() == .seconds(60))
        town.time.advance(by: .seconds(61))
        try town.restart()
        #expect(town.directives == [.command("reboot", node: NodeID(1), rung: .soft, attempt: 1)])
        #expect(try town.row()?.timeouts == 1)
        // The deadline of the command is kept over another restart, and not begun anew by it.
        try town.restart()
        #expect(town.directives.count == 1)
        town.time.advance(by: .seconds(10))
        try town.turn([])
        #expect(town.directives.last == .command("reboot", node: NodeID(1), rung: .soft, attempt: 2))
    }

    @Test func aRungThatCannotBeSentLeadsToTheNextAtOnceAndAfterTheLastTheNodeIsGivenUpOnce() throws {
        var town = try NodeTown(1)
        try town.ask(.useModes(lab: "shop", NodeTown.modes))
        try town.report("SHUTDOWN")
        try town.report("BOOTING")
        town.time.advance(by: .seconds(60))
        try town.turn([])
        for (rung, attempt) in [(Rung.soft, 1), (.soft, 2), (.powerCycle, 1)] {
            #expect(town.directives.last == .command("reboot", node: NodeID(1), rung: rung, attempt: attempt))
            try town.turn([.commandFailed(NodeID(1), rung, attempt: attempt, reason: "no such capability")])
        }
        // A late word of an old attempt changes nothing.
        try town.turn([.commandFailed(NodeID(1), .soft, attempt: 1, reason: "late")])
        let events = try town.store.events(of: NodeID(1), after: 0, limit: 1000)
        #expect(events.count { $0.kind == .nodeGivenUp } == 1)
        #expect(events.count { $0.detail?.contains("no such capability") == true } == 3)
        #expect(try town.row()?.flags.contains(.givenUp) == true)
    }

    @Test func anotherTableKeepsCountersOfNodesThatItDoesNotConcern() throws {
        var town = try NodeTown(2)
        try town.ask(.useModes(lab: "shop", NodeTown.modes))
        try town.report("SHUTDOWN")
        try town.report("BOOTING")
        town.time.advance(by: .seconds(60))
        try town.turn([])
        let before = try town.row()
        var modes = NodeTown.modes
        modes.modes[0].transitions.append(StateTransition(from: "ISUP", to: "BOOTING"))
        try town.ask(.useModes(lab: "shop", modes))
        #expect(try town.row() == before)
        #expect(try town.store.modes(of: "shop") == modes)
        try town.restart()
        #expect(try town.row() == before)
    }

    /// Whatever crashes, nodes come to the same states by the same events.
    @Test(arguments: 0..<20) func restartsChangeNothing(_ seed: UInt64) throws {
        func live(restarting: Bool) throws -> (rows: [NodeStateRow?], states: [[String]], sent: [NodeDirective]) {
            var chance = SeededChance(seed: seed)
            var town = try NodeTown(3)
            try town.ask(.useModes(lab: "shop", NodeTown.modes))
            for number in 0..<60 {
                let node = Int.random(in: 0..<3, using: &chance)
                let state = ["SHUTDOWN", "BOOTING", "ISUP", "LOST", "NOSUCH"].randomElement(using: &chance)!
                if Int.random(in: 0..<4, using: &chance) == 0 {
                    town.time.advance(by: .seconds(Int64.random(in: 1...70, using: &chance)))
                    try town.turn([])
                }
                try town.report(state, of: node, id: "\(number / 2)")
                if restarting { try town.restart() }
            }
            return (
                try (0..<3).map { try town.rowWithoutOrder($0) }, try (0..<3).map { try town.states($0) },
                town.directives
            )
        }
        let whole = try live(restarting: false)
        let broken = try live(restarting: true)
        #expect(whole.rows == broken.rows)
        #expect(whole.states == broken.states)
        // What was taken down is switched on again by whoever takes over: twice does what once does.
        let sent = broken.sent.filter { if case .command(_, _, .powerOn, _) = $0 { false } else { true } }
        #expect(whole.sent == sent)
    }
}
