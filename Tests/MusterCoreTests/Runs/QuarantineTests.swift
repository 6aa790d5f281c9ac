import MusterTestKit
import Testing

@testable import MusterCore

/// Places that fail again and again are left alone for a while.
@Suite struct QuarantineTests {
    private static let length: Duration = .seconds(600)

    private func bad(_ count: Int, after failures: Int = 2) -> GroupSpec {
        var app = group("app", count, runs: 1, onFailure: .replace)
        app.quarantine = Quarantine(after: failures, length: Self.length)
        return app
    }

    /// The setups of `app/0` fail so many times.
    private func lab(_ failures: Int) -> DirectorHarness {
        var left = failures
        return DirectorHarness { work in
            guard work.label.hasPrefix("app/0:2"), left > 0 else { return .succeeds }
            left -= 1
            return .exits(1)
        }
    }

    @Test(arguments: [false, true]) func aPlaceThatFailsAgainAndAgainWaits(_ restarts: Bool) throws {
        var lab = lab(2)
        if restarts { lab.afterTurn = { $0.restartAndResume() } }
        let begin = lab.now
        let id = try lab.begin(run(.up, [bad(1)]))
        lab.settle { $0.works.isEmpty && $0.started("app/0:2").count == 2 }
        #expect(lab.now == begin, "the first failure costs no time")
        #expect(lab.plan(id)?.state == .running)
        let row = try #require(lab.rows.nodes.values.first { $0.state == .creating })
        #expect(row.reason == "in quarantine for 10m: 2 nodes have failed there")
        let step = try #require(lab.rows.steps[id]?.last { $0.spec.node == row.id && $0.spec.b == 0 })
        #expect(step.error?.message == row.reason, "what `why` tells")
        lab.settle()
        #expect(lab.now == begin + Self.length)
        #expect(lab.started("app/0:2").count == 3)
        #expect(lab.nodeStates == ["app/0 ready"])
        lab.expectSound()
    }

    @Test func theOtherPlacesGoOnAndNobodyWaitsForTheOneThatIsBad() throws {
        var lab = lab(.max)
        let begin = lab.now
        let id = try lab.begin(run(.test, [bad(2, after: 1)], [suite("api", on: "app", ["a", "b", "c"])]))
        lab.settle()
        #expect(lab.results(id) == ["a", "b", "c"].map { "api//\($0)#1 pass" })
        #expect(lab.now == begin)
        #expect(lab.started("app/0:2").count == 1)
        #expect(lab.nodeStates == [])
        lab.expectSound()
    }

    @Test func anEmptyPlaceStandsInForABadOne() throws {
        var lab = lab(.max)
        let begin = lab.now
        var app = bad(1, after: 1)
        app.standby = 1
        let id = try lab.begin(run(.test, [app], [suite("api", on: "app", ["a"])]))
        lab.settle()
        #expect(lab.attempts(id).map(\.node?.description) == ["app/1"])
        #expect(lab.now == begin)
        lab.expectSound()
    }

    @Test func whereEveryPlaceIsBadTestsWaitForTheEndOfIt() throws {
        var lab = lab(1)
        let begin = lab.now
        let id = try lab.begin(run(.test, [bad(1, after: 1)], [suite("api", on: "app", ["a"])]))
        lab.settle()
        #expect(lab.results(id) == ["api//a#1 pass"])
        #expect(lab.now == begin + Self.length)
        lab.expectSound()
    }

    @Test func aCancelDoesNotWaitForIt() throws {
        var lab = lab(.max)
        let begin = lab.now
        let id = try lab.begin(run(.test, [bad(1, after: 1)], [suite("api", on: "app", ["a"])]))
        lab.settle { $0.works.isEmpty }
        lab.request(.cancel(id))
        lab.settle()
        #expect(lab.plan(id)?.result == .cancelled)
        #expect(lab.now == begin)
        #expect(lab.nodeStates == [])
        lab.expectSound()
    }
}
