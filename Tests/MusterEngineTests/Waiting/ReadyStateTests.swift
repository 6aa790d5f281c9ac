import MusterCore
import MusterEngine
import MusterStore
import MusterTestKit
import Testing

/// Groups whose nodes say themselves when they are ready.
@Suite struct ReadyStateTests {
    private struct Site {
        var town: NodeTown
        let run: PlanID

        init() throws {
            town = try NodeTown(0)
            var spec = RunSpec(verb: .up, lab: "shop", labDirectory: "/lab")
            var web = GroupSpec(name: "web")
            web.steps = [ProvisionStep(.process(run: nil))]
            web.ready = [ReadyCondition(.state("ISUP"), within: .seconds(30))]
            spec.groups = [web]
            spec.modes = NodeTown.modes
            try town.ask(.submit(token: "up", spec: spec))
            run = try town.store.plan(request: "up")?.id ?? PlanID(0)
            try end(.provision)
        }

        /// The newest act of this kind has succeeded.
        mutating func end(_ action: ActionKind) throws {
            let acts = town.others.compactMap { directive -> Act? in
                if case .perform(let act) = directive, act.spec.action == action { act } else { nil }
            }
            guard let act = acts.last else { return }
            try town.turn([.actEnded(act, .succeeded(facts: [:]))])
        }

        mutating func report(_ state: String) throws {
            town.time.advance(by: .milliseconds(1))
            let node = NodeName(group: "web", index: 0)
            try town.turn([.reported(NodeReport(lab: "shop", node: node, .state(state), source: "node"))])
        }

        var node: NodeRow? { try? town.store.nodes(lab: nil, includingGone: false).first }
        var row: PlanRow? { try? town.store.plan(run) }
    }

    @Test func aNodeIsReadyWhenItSaysSo() throws {
        var site = try Site()
        try site.end(.ready)
        #expect(site.row?.state == .running && site.node?.state == .starting)
        try site.report("BOOTING")
        #expect(site.node?.state == .starting)
        try site.report("ISUP")
        #expect(site.node?.state == .ready)
        #expect(site.row?.result == .success)
        #expect(site.town.core.timeToNextTimer() == nil)
    }

    @Test func whatItHasSaidBeforeCounts() throws {
        var site = try Site()
        try site.report("ISUP")
        try site.end(.ready)
        #expect(site.node?.state == .ready && site.row?.result == .success)
    }

    @Test func aNodeThatDoesNotSaySoInTimeHasFailed() throws {
        var site = try Site()
        try site.end(.ready)
        try site.town.pass(.seconds(29))
        #expect(site.row?.state == .running)
        try site.town.pass(.seconds(1))
        let error = try site.town.store.steps(of: site.run).compactMap(\.error).first
        #expect(error?.code == .notReady)
        #expect(error?.message == "state: ISUP did not hold within 30s: it is BOOTING")
        #expect(site.node?.state == .failed)
    }

    @Test func itIsWaitedForAgainAfterAKill() throws {
        var site = try Site()
        try site.end(.ready)
        try site.town.pass(.seconds(10))
        try site.town.restart()
        try site.town.ask(.takeUp(site.run))
        try site.end(.ready)
        #expect(site.row?.state == .running)
        try site.report("ISUP")
        #expect(site.node?.state == .ready && site.row?.result == .success)
    }

    @Test func aCancelledRunWaitsForNobody() throws {
        var site = try Site()
        try site.end(.ready)
        try site.town.ask(.cancel(site.run))
        #expect(site.row?.state == .paused || site.row?.state == .stopped)
        try site.town.pass(.seconds(100))
        #expect(try site.town.store.steps(of: site.run).contains { $0.state == .running } == false)
    }
}
