import MusterTestKit
import Testing

@testable import MusterCore

/// What the simulation has found about events, and about requests that meet in one turn.
@Suite struct ReplayTests {
    /// The stored events tell the stored states of plans, steps and nodes.
    private func expectEventsTellTheRows(_ lab: DirectorHarness, sourceLocation: SourceLocation = #_sourceLocation) {
        var replay = EventReplay()
        for event in lab.rows.events {
            let flaw = replay.apply(event)
            #expect(flaw == nil, sourceLocation: sourceLocation)
        }
        for (id, row) in lab.rows.plans {
            #expect(replay.plans[id]?.state == row.state, sourceLocation: sourceLocation)
            for step in lab.rows.steps[id] ?? [] {
                #expect(replay.plans[id]?.state(of: step.index) == step.state, sourceLocation: sourceLocation)
            }
        }
        for (id, row) in lab.rows.nodes { #expect(replay.nodes[id] == row.state, sourceLocation: sourceLocation) }
    }

    @Test func whatIsTriedAgainIsToldByEvents() throws {
        var failures = 2
        var lab = DirectorHarness { work in
            guard work.label == "app/0:1 process: ./server" || work.label == "app/0:2 run: ./setup-0", failures > 0
            else {
                return .succeeds
            }
            failures -= 1
            return .exits(1)
        }
        let id = try lab.begin(run(.up, [group("app", runs: 1, onFailure: .pause)]))
        for _ in 0..<2 {
            lab.settle()
            #expect(lab.plan(id)?.state == .paused)
            expectEventsTellTheRows(lab)
            lab.request(.resume(id))
            expectEventsTellTheRows(lab)
        }
        lab.settle()
        #expect(lab.nodeStates == ["app/0 ready"])
        expectEventsTellTheRows(lab)
        lab.expectSound()
    }

    @Test func aRunThatWasHaltedInThisTurnIsNotGoneOnWith() throws {
        var lab = DirectorHarness()
        let id = try lab.begin(run(.test, [group("app", 2)], [suite("api", on: "app", ["a", "bang"])]))
        lab.restart()
        lab.turn([
            .requested(RequestRow(id: 90, request: .halt(id))), .requested(RequestRow(id: 91, request: .resume(id))),
        ])
        #expect(lab.plan(id)?.state == .stopped)
        #expect(lab.rows.events.last?.kind != .planResumed)
        expectEventsTellTheRows(lab)
        lab.expectSound()
    }

    @Test func whatAHaltEndsIsNotBegunInTheSameTurn() throws {
        var lab = DirectorHarness()
        let id = try lab.begin(run(.up, [group("app", runs: 1)]))
        let act = try #require(lab.works.first?.act)
        lab.turn([
            .actEnded(act, .succeeded(facts: [:])), .requested(RequestRow(id: 90, request: .halt(id))),
        ])
        #expect(lab.started("app/0:2") == [])
        expectEventsTellTheRows(lab)
        lab.expectSound()
    }
}
