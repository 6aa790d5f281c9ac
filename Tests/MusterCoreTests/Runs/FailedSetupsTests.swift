import MusterTestKit
import Testing

@testable import MusterCore

/// How many setups of a group may fail before it has failed.
@Suite struct FailedSetupsTests {
    private func db(_ count: Int, _ policy: FailurePolicy, most: Int?) -> GroupSpec {
        var made = group("db", count, runs: 1, onFailure: policy)
        made.failedSetupsMax = most
        return made
    }

    @Test func replacementsStopWhenTheGroupHasHadItsFailures() {
        for (most, tries) in [(0, 1), (1, 2), (2, 3), (9, 4)] {
            var lab = DirectorHarness { $0.label.hasPrefix("db/0:2") ? .exits(1) : .succeeds }
            let id = lab.submit(run(.up, [db(2, .replace, most: most), group("app", needs: needs("db"))]))
            lab.settle()
            #expect(lab.plan(id)?.result == .error)
            #expect(lab.started("db/0:2").count == tries, "\(most) may fail")
            #expect(lab.nodeStates == ["db/0 failed", "db/1 ready"])
            lab.expectSound()
        }
    }

    @Test func soManyNodesMayBeSkippedAndNoMore() {
        for (most, result) in [(0, PlanResult.error), (1, .error), (2, .warning), (3, .warning)] {
            var lab = DirectorHarness {
                $0.label.hasPrefix("db/0:2") || $0.label.hasPrefix("db/1:2") ? .exits(1) : .succeeds
            }
            let id = lab.submit(run(.up, [db(4, .skip, most: most), group("app", needs: needs("db"))]))
            lab.settle()
            #expect(lab.plan(id)?.result == result, "\(most) may fail")
            #expect(lab.nodeStates.contains("app/0 ready") == (result == .warning), "\(most) may fail")
            lab.expectSound()
        }
    }

    @Test func nothingMoreIsSetUpInAGroupThatHasFailed() {
        var lab = DirectorHarness { $0.label.contains(":2") ? .exits(1) : .succeeds }
        let id = lab.submit(run(.up, [db(50, .skip, most: 3)], parallel: 1))
        lab.settle()
        #expect(lab.plan(id)?.result == .error)
        #expect(lab.started("run: ./setup-0").count < 50)
        let untried = lab.rows.steps[id ?? PlanID(0)]?.first { $0.state == .error && $0.tries == 0 }
        #expect(untried?.error?.message == "not set up: 4 setups of 'db' have failed, and 3 may (max-failed-setups)")
        lab.expectSound()
    }

    /// Places that are left empty at first are not tried in turn.
    @Test(arguments: [false, true]) func noEmptyPlaceIsFilledInAGroupThatHasFailed(_ restarts: Bool) throws {
        var lab = DirectorHarness { $0.label.contains(":2") ? .exits(1) : .succeeds }
        if restarts { lab.afterTurn = { $0.restartAndResume() } }
        var app = group("app", 3, runs: 1)
        app.standby = 47
        app.failedSetupsMax = 0
        let id = try lab.begin(run(.test, [app], [suite("api", on: "app", ["a", "b", "c"])]))
        lab.settle()
        #expect(lab.plan(id)?.result == .error)
        #expect(lab.rows.nodes.count == 3)
        #expect(lab.nodeStates == [])
        lab.expectSound()
    }

    @Test func noLostOrUsedNodeIsReplacedInAGroupThatHasFailed() throws {
        for last in ["bang", "b"] {
            var lab = DirectorHarness { work in
                if work.label.hasPrefix("app/0:2") { return .exits(1) }
                return work.label == "api//b#1" ? .losesNode("server ended") : .succeeds
            }
            var app = group("app", 2, runs: 1)
            app.failedSetupsMax = 0
            let id = try lab.begin(run(.test, [app], [suite("api", on: "app", [last, "z"])]))
            for label in ["app/0:1", "app/1:1", "app/1:2", "app/0:2"] { lab.end(label) }
            lab.settle()
            #expect(lab.plan(id)?.result == .error)
            #expect(lab.rows.nodes.count == 2, "after '\(last)'")
            #expect(lab.nodeStates == [])
            lab.expectSound()
        }
    }

    @Test func aSetupThatAPersonMendedDoesNotCount() throws {
        var isMended = false
        var lab = DirectorHarness { $0.label.hasPrefix("app/0:2") && !isMended ? .exits(1) : .succeeds }
        var app = group("app", runs: 1, onFailure: .pause)
        app.failedSetupsMax = 0
        let id = try lab.begin(run(.test, [app], [suite("api", on: "app", ["bang0", "bang1"])]))
        lab.settle()
        #expect(lab.plan(id)?.state == .paused)
        isMended = true
        lab.forgetEndings()
        lab.request(.resume(id))
        lab.settle()
        #expect(lab.results(id) == ["api//bang0#1 pass", "api//bang1#1 pass"])
        lab.expectSound()
    }

    /// The count is found again in the rows, whenever the conductor is killed.
    @Test func theCountOutlivesCrashes() {
        for moment in 1..<20 {
            var lab = DirectorHarness { $0.label.hasPrefix("db/0:2") ? .exits(1) : .succeeds }
            var turns = 0
            lab.afterTurn = { lab in
                turns += 1
                if turns == moment { lab.restartAndResume() }
            }
            let id = lab.submit(run(.up, [db(1, .replace, most: 2)]))
            lab.settle()
            lab.afterTurn = nil
            lab.restartAndResume()
            lab.settle()
            #expect(lab.plan(id)?.result == .error)
            #expect(lab.started("db/0:2").count == 3, "killed after turn \(moment)")
            lab.expectSound("killed after turn \(moment)")
        }
    }
}
