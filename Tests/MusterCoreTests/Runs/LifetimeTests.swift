import MusterTestKit
import Testing

@testable import MusterCore

/// Labs that are taken down when their `lifetime` ends.
@Suite struct LifetimeTests {
    private func lasting(_ verb: Verb, _ hours: Int, _ groups: [GroupSpec], _ suites: [SuiteSpec] = []) -> RunSpec {
        var spec = run(verb, groups, suites, keep: .always)
        spec.lifetime = .seconds(hours * 3600)
        return spec
    }

    private let pair = [group("db", undo: true), group("app", 2, needs: needs("db"), undo: true)]

    private func ends(_ lab: DirectorHarness) -> [PlanRow] {
        lab.rows.plans.values.filter { $0.verb == .down }.sorted { $0.id < $1.id }
    }

    private func due(_ lab: DirectorHarness) -> Timestamp? {
        var director = lab.director
        return director.nextDue()
    }

    @Test func whatIsUpIsTakenDownInReverseWhenTheTimeIsOver() throws {
        var lab = DirectorHarness()
        let begin = lab.now
        let up = try lab.begin(lasting(.up, 4, pair))
        lab.settle { $0.plan(up)?.state == .stopped }
        #expect(lab.nodeStates == ["app/0 ready", "app/1 ready", "db/0 ready"])
        #expect(due(lab) == begin + .seconds(4 * 3600))
        lab.settle()
        #expect(lab.nodeStates == [])
        #expect(lab.moment("■ app/1 destroy") < lab.moment("▶ db/0:1 undo"))
        #expect(ends(lab).map(\.result) == [.success])
        #expect(due(lab) == nil)
        lab.expectSound()
    }

    @Test func nothingIsDoneBefore() throws {
        var lab = DirectorHarness()
        let up = try lab.begin(lasting(.up, 1, pair))
        lab.settle { $0.plan(up)?.state == .stopped }
        lab.now = lab.now + .seconds(3599)
        lab.turn([.woke])
        #expect(ends(lab).isEmpty && lab.nodeStates.count == 3)
    }

    @Test func aRunThatIsNotFinishedIsCancelled() throws {
        var lab = DirectorHarness()
        let test = try lab.begin(lasting(.test, 1, pair, [suite("t", on: "app", ["a", "b", "c"])]))
        lab.settle { $0.works.contains { $0.label.contains("t//a") } }
        lab.now = lab.now + .seconds(3600)
        lab.turn([.woke])
        lab.settle()
        #expect(lab.plan(test)?.result == .cancelled)
        #expect(lab.nodeStates == [])
        lab.expectSound()
    }

    @Test func aRestartForgetsNothing() throws {
        var lab = DirectorHarness()
        let up = try lab.begin(lasting(.up, 1, pair))
        lab.settle { $0.plan(up)?.state == .stopped }
        lab.restart()
        lab.now = lab.now + .seconds(3600)
        // Nobody conducts when the time is over; the next one does it first.
        lab.restart()
        #expect(ends(lab).count == 1)
        // And again nobody, in the midst of it.
        lab.end("app/0:1 undo")
        lab.restart()
        lab.settle()
        #expect(ends(lab).map(\.result) == [.success])
        #expect(lab.nodeStates == [])
        lab.expectSound()
    }

    @Test func anUpThatComesAfterTheEndWaitsAndMakesNewNodes() throws {
        var lab = DirectorHarness()
        let first = try lab.begin(lasting(.up, 1, pair))
        lab.settle { $0.plan(first)?.state == .stopped }
        let old = Set(lab.rows.nodes.keys)
        lab.now = lab.now + .seconds(2 * 3600)
        let begin = lab.now
        let second = try lab.begin(lasting(.up, 1, pair))
        #expect(lab.plan(second)?.state == .pending)
        // Also over a restart.
        lab.restartAndResume()
        lab.settle { $0.plan(second)?.state == .stopped }
        #expect(lab.plan(second)?.result == .success)
        #expect(old.allSatisfy { lab.rows.nodes[$0]?.state == .gone })
        #expect(lab.nodeStates == ["app/0 ready", "app/1 ready", "db/0 ready"])
        #expect(due(lab) == begin + .seconds(3600))
        lab.expectSound()
    }

    @Test func oneThatWaitsForTheEndCanBeCancelled() throws {
        var lab = DirectorHarness()
        let first = try lab.begin(lasting(.up, 1, pair))
        lab.settle { $0.plan(first)?.state == .stopped }
        lab.now = lab.now + .seconds(2 * 3600)
        let second = try lab.begin(lasting(.up, 1, pair))
        #expect(lab.plan(second)?.state == .pending)
        lab.request(.cancel(second))
        #expect(lab.plan(second)?.state == .stopped)
        #expect(lab.plan(second)?.result == .cancelled)
        lab.settle()
        #expect(lab.plan(second)?.result == .cancelled)
        #expect(lab.nodeStates == [])
        lab.expectSound()
    }

    @Test func whatCannotBeTakenDownIsTriedAgainLater() throws {
        var fails = true
        var lab = DirectorHarness()
        lab.script = { work in
            fails && work.label == "db/0 destroy" ? .fails(.refused, "out of reach") : .succeeds
        }
        let up = try lab.begin(lasting(.up, 1, pair))
        lab.settle { $0.plan(up)?.state == .stopped }
        lab.settle { $0.rows.plans.values.contains { $0.verb == .down && $0.state == .stopped } }
        let failedAt = lab.now
        #expect(lab.nodeStates.count == 1)
        fails = false
        lab.forgetEndings()
        lab.settle()
        #expect(lab.nodeStates == [])
        #expect(lab.now - failedAt >= .seconds(200), "not at once again: \(lab.now - failedAt)")
        #expect(ends(lab).count == 2)
        lab.expectSound()
    }

    @Test func ofSeveralRunsTheEarliestCounts() throws {
        var lab = DirectorHarness()
        let begin = lab.now
        let first = try lab.begin(lasting(.up, 8, [pair[0]]))
        lab.settle { $0.plan(first)?.state == .stopped }
        let second = try lab.begin(lasting(.up, 2, pair))
        lab.settle { $0.plan(second)?.state == .stopped }
        #expect(due(lab).map { $0 - begin >= .seconds(7200) && $0 - begin < .seconds(7300) } == true)
        lab.settle()
        #expect(lab.nodeStates == [])
    }

    @Test func anotherLabIsLeftAlone() throws {
        var lab = DirectorHarness()
        var other = run(.up, [group("x")])
        other.lab = "other"
        let stays = try lab.begin(other)
        let up = try lab.begin(lasting(.up, 1, pair))
        lab.settle()
        #expect(lab.plan(stays)?.result == .success && lab.plan(up)?.result == .success)
        #expect(lab.nodeStates == ["x/0 ready"])
    }
}
