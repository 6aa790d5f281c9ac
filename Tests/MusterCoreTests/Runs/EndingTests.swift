import MusterTestKit
import Testing

@testable import MusterCore

/// Keep, teardown, cancel, halt and down.
@Suite struct EndingTests {
    private let groups = [
        group("db", undo: true), group("app", 2, needs: needs("db"), runs: 2, undo: true),
        gate("all", needs: needs("app")),
        group("web", needs: needs("all")),
    ]
    private let tests = [suite("api", on: "app", ["a", "b", "c"])]
    private let everything = ["app/0 ready", "app/1 ready", "db/0 ready", "web/0 ready"]

    // MARK: Keep

    @Test(arguments: Keep.allCases, [true, false])
    func machinesStayAsKeepSays(_ keep: Keep, _ fails: Bool) {
        var lab = DirectorHarness { $0.label == "api//b#1" && fails ? .exits(1) : .succeeds }
        let id = lab.submit(run(.test, groups, tests, keep: keep))
        lab.settle()
        let stay = keep == .always || (keep == .onFailure && fails)
        #expect(lab.nodeStates == (stay ? everything : []))
        #expect(lab.plan(id)?.state == .stopped)
        #expect(lab.plan(id)?.result == (fails ? .error : .success))
        lab.expectSound()
    }

    @Test func teardownGoesInReverseAndUndoesInReverse() {
        var lab = DirectorHarness()
        lab.submit(run(.test, groups, tests))
        lab.settle()
        for app in ["app/0", "app/1"] {
            #expect(
                lab.started(app).filter { $0.contains("undo") || $0.contains("destroy") } == [
                    "\(app):3 undo of run: ./setup-1", "\(app):2 undo of run: ./setup-0",
                    "\(app):1 undo of process: ./server", "\(app) destroy",
                ]
            )
            #expect(lab.moment("■ web/0 destroy") < lab.moment("▶ \(app):3 undo"))
            #expect(lab.moment("■ \(app) destroy") < lab.moment("▶ db/0:1 undo"))
        }
        lab.expectSound()
    }

    @Test func teardownUndoesOnlyWhatWasStarted() {
        var lab = DirectorHarness { $0.label.hasPrefix("app/0:2") ? .exits(1) : .succeeds }
        lab.submit(run(.test, groups, tests))
        lab.settle()
        #expect(lab.started("app/0:3") == [])
        #expect(lab.started("app/0:2 undo").count == 1, "it was started, although it failed")
        #expect(lab.started("app/1:3 undo").count == 1)
        #expect(lab.nodeStates == [])
        lab.expectSound()
    }

    /// An undo that failed is not tried again beside what comes after it on its node.
    @Test func anUndoIsNotTriedAgainAfterItsTime() throws {
        var lab = DirectorHarness { work in
            work.label == "db/0:2 undo of run: ./setup-0" || work.label.hasPrefix("app/0:1") ? .exits(1) : .succeeds
        }
        let groups = [group("db", runs: 1, undo: true), group("app", onFailure: .pause)]
        let id = try lab.begin(run(.test, groups, [suite("api", on: "db", ["bang", "a"])], keep: .always))
        for text in ["db/0:1", "db/0:2", "bang#1", "db/0:2 undo"] { lab.end(text) }
        lab.end("app/0:1")
        lab.end("db/0:1 undo")
        #expect(lab.plan(id)?.state == .paused)
        lab.request(.resume(id))
        #expect(lab.started("db/0:2 undo").count == 1)
        #expect(lab.started("db/0 destroy").count == 1)
        lab.expectSound()
    }

    /// A teardown that waits for a person goes on as a teardown: nothing of the main part comes back with it.
    @Test func whatIsGoneOnWithInATeardownIsTheTeardown() throws {
        var isSet = false
        var lab = DirectorHarness { work in
            guard work.label.contains("undo"), !isSet else { return .succeeds }
            isSet = true
            return .fails(.missingSecret, "secret.x is not set")
        }
        let id = try lab.begin(run(.test, [group("db", undo: true)], [suite("api", on: "db", ["a"])], keep: .never))
        lab.end("db/0:1")
        lab.request(.cancel(id))
        lab.settle()
        #expect(lab.plan(id)?.state == .paused)
        #expect(lab.plan(id)?.phase == .teardown)
        lab.request(.resume(id))
        lab.settle()
        #expect(lab.plan(id)?.state == .stopped)
        #expect(lab.started("api//a").count == 1)
        #expect(lab.nodeStates == [])
        lab.expectSound()
    }

    /// Also after a restart, and without anybody having gone on with it.
    @Test func aTeardownThatWaitsForAPersonWaitsAfterARestart() throws {
        var lab = DirectorHarness { work in
            work.label.contains("undo") ? .fails(.missingSecret, "secret.x is not set") : .succeeds
        }
        let groups = [group("db", undo: true), group("app", 1)]
        let id = try lab.begin(run(.test, groups, keep: .never))
        lab.end("db/0:1")
        lab.end("app/0:1")
        lab.end("db/0:1 undo")
        lab.restartAndResume()
        #expect(lab.started("db/0 destroy") == [])
        lab.settle()
        #expect(lab.plan(id)?.state == .paused)
        lab.expectSound()
    }

    @Test func aTestThatWaitsForAPersonHasAnOutcomeWhenItsRunIsGivenUp() throws {
        var lab = DirectorHarness { work in
            work.label == "api//a#1" ? .fails(.missingSecret, "secret.x is not set") : .succeeds
        }
        let id = try lab.begin(run(.test, [group("db")], [suite("api", on: "db", ["a", "b"])], keep: .always))
        lab.settle()
        #expect(lab.plan(id)?.state == .paused)
        lab.request(.cancel(id))
        #expect(lab.plan(id)?.state == .stopped)
        #expect(lab.plan(id)?.result == .cancelled)
        #expect(lab.results(id).count == 2)
        lab.expectSound()
    }

    /// What is set up finishes when its run is cancelled; when it fails, it is not tried again: nobody waits for that.
    @Test func aCancelledRunWaitsForNoRetry() throws {
        var lab = DirectorHarness { $0.label.hasPrefix("app/0:1 process") ? .exits(1) : .succeeds }
        let groups = [group("app", retry: RetryPolicy(times: 2, every: .seconds(60)))]
        let id = try lab.begin(run(.test, groups, [suite("api", on: "app", ["a"])], keep: .never))
        lab.request(.cancel(id))
        lab.end("app/0:1")
        #expect(lab.rows.timers.isEmpty)
        while !lab.works.isEmpty { lab.end(0) }
        #expect(lab.plan(id)?.state == .stopped)
        lab.expectSound()
    }

    @Test func errorsInUndoDoNotStopTheDestruction() {
        var lab = DirectorHarness { $0.label.contains("undo") ? .exits(1) : .succeeds }
        let id = lab.submit(run(.test, groups, tests))
        lab.settle()
        #expect(lab.nodeStates == [])
        #expect(lab.started("destroy").count == 4)
        #expect(lab.plan(id)?.result == .error)
        lab.expectSound()
    }

    @Test func aNodeThatCannotBeDestroyedStaysFailedWithTheReason() {
        var lab = DirectorHarness { $0.label == "web/0 destroy" ? .fails(.refused, "no permission") : .succeeds }
        let id = lab.submit(run(.test, groups, tests))
        lab.settle()
        #expect(lab.nodeStates == ["web/0 failed"])
        #expect(lab.rows.nodes.values.first { $0.state == .failed }?.reason == "could not be destroyed: no permission")
        #expect(lab.plan(id)?.result == .error)
        lab.script = { _ in .succeeds }
        lab.submit(down())
        lab.settle()
        #expect(lab.nodeStates == [])
        lab.expectSound()
    }

    @Test func undoingALostNodeIsNoFailureOfTheRun() {
        var lab = DirectorHarness { $0.label == "api//a#1" ? .losesNode("gone") : .succeeds }
        let id = lab.submit(run(.test, groups, tests, keep: .onFailure))
        lab.settle()
        #expect(lab.plan(id)?.result == .warning)
        #expect(lab.nodeStates == [])
        lab.expectSound()
    }

    // MARK: Cancel

    @Test(arguments: Keep.allCases)
    func cancelEndsAttemptsAndThenDoesAsKeepSays(_ keep: Keep) throws {
        var lab = DirectorHarness()
        let id = try lab.begin(run(.test, groups, tests, keep: keep))
        lab.settle { $0.works.contains { $0.label == "api//a#1" } && $0.works.contains { $0.label == "api//b#1" } }
        lab.end("api//b#1")
        lab.request(.cancel(id))
        #expect(lab.works.allSatisfy { $0.isInterrupted == $0.label.hasPrefix("api") })
        lab.settle()
        lab.expectSound()
        if keep == .never {
            #expect(lab.plan(id)?.state == .stopped)
            #expect(lab.plan(id)?.result == .cancelled)
            #expect(lab.nodeStates == [])
            #expect(lab.results(id) == ["api//a#1 cancelled", "api//b#1 pass", "api//c#1 cancelled"])
        } else {
            #expect(lab.plan(id)?.state == .paused)
            #expect(lab.plan(id)?.reason?.contains("keep: \(keep.rawValue)") == true)
            lab.request(.resume(id))
            lab.settle()
            #expect(lab.plan(id)?.state == .stopped)
            let passed = lab.results(id).filter { $0.hasSuffix("pass") }
            #expect(passed == ["api//a#2 pass", "api//b#1 pass", "api//c#2 pass"])
        }
        lab.expectSound()
    }

    @Test func cancelLetsConfiguringStepsFinishAndKeepsDismissedRetries() throws {
        let retry = RetryPolicy(times: 3, every: .seconds(100))
        var tries = 0
        var lab = DirectorHarness { work in
            guard work.label.hasPrefix("db/0:2") else { return .succeeds }
            tries += 1
            return tries == 1 ? .exits(1) : .succeeds
        }
        let id = try lab.begin(run(.up, [group("db", runs: 1, retry: retry), group("cache", runs: 1)]))
        lab.end("db/0:1")
        lab.end("db/0:2")
        lab.request(.cancel(id))
        #expect(lab.rows.timers == [:])
        #expect(lab.works.map(\.label) == ["cache/0:1 process: ./server"])
        #expect(!lab.works[0].isInterrupted)
        lab.settle()
        #expect(lab.plan(id)?.state == .paused)
        lab.request(.resume(id))
        lab.settle()
        #expect(lab.plan(id)?.result == .success)
        #expect(lab.nodeStates == ["cache/0 ready", "db/0 ready"])
        lab.expectSound()
    }

    @Test func cancelEndsAWaitForReadiness() throws {
        var lab = DirectorHarness()
        let id = try lab.begin(run(.up, [group("db", ready: true)]))
        lab.end("db/0:1")
        lab.request(.cancel(id))
        lab.settle()
        #expect(lab.plan(id)?.state == .paused)
        lab.request(.resume(id))
        lab.settle()
        #expect(lab.plan(id)?.result == .success)
        lab.expectSound()
    }

    @Test func aCancelledDestructiveTestHasUsedItsNodeUp() throws {
        var lab = DirectorHarness()
        let id = try lab.begin(
            run(.test, [group("app")], [suite("api", on: "app", ["bang", "a"])], keep: .always)
        )
        lab.end("app/0:1")
        lab.request(.cancel(id))
        lab.settle()
        #expect(lab.nodeStates == ["app/0 stopped"])
        lab.request(.resume(id))
        lab.settle()
        #expect(lab.results(id) == ["api//a#1 pass", "api//bang#1 cancelled", "api//bang#2 pass"])
        #expect(Set(lab.attempts(id).compactMap(\.nodeID)).count == 2, "neither ran where it was cancelled")
        #expect(lab.nodeStates == ["app/0 ready"])
        lab.expectSound()
    }

    @Test func cancelIsHarmlessTwiceAndWhileTakingDown() throws {
        var lab = DirectorHarness()
        let id = try lab.begin(run(.test, groups, tests))
        lab.settle { $0.works.contains { $0.label.contains("destroy") } }
        lab.request(.cancel(id))
        lab.request(.cancel(id))
        lab.settle()
        #expect(lab.plan(id)?.result == .success)
        #expect(lab.nodeStates == [])
        lab.request(.cancel(id))
        lab.request(.halt(id))
        lab.request(.resume(PlanID(99)))
        #expect(lab.plan(id)?.result == .success)
        lab.expectSound()
    }

    @Test(arguments: [Keep.never, .always])
    func cancellingAPausedRunDoesAsKeepSays(_ keep: Keep) throws {
        var lab = DirectorHarness { $0.label == "web/0:1 process: ./server" ? .exits(1) : .succeeds }
        var groups = groups
        groups[3].onFailure = .pause
        let id = try lab.begin(run(.test, groups, [], keep: keep))
        lab.settle()
        #expect(lab.plan(id)?.state == .paused)
        lab.request(.cancel(id))
        lab.settle()
        #expect(lab.plan(id)?.state == .stopped)
        #expect(lab.nodeStates == (keep == .never ? [] : ["app/0 ready", "app/1 ready", "db/0 ready", "web/0 failed"]))
        lab.expectSound()
    }

    // MARK: Halt

    @Test func haltGivesUpAtOnceAndLeavesTheMachines() throws {
        var lab = DirectorHarness()
        let id = try lab.begin(run(.test, groups, tests))
        lab.settle { $0.works.contains { $0.label == "api//a#1" } }
        let interrupted = lab.works.count
        #expect(interrupted > 0)
        lab.request(.halt(id))
        #expect(lab.works.allSatisfy { $0.isInterrupted })
        #expect(lab.plan(id)?.state == .stopped)
        #expect(lab.plan(id)?.result == .cancelled)
        #expect(Set(lab.results(id).map { $0.suffix(9) }) == ["cancelled"])
        #expect(lab.rows.nodes.values.allSatisfy { $0.heldBy == nil })
        lab.settle()
        #expect(lab.plan(id)?.result == .cancelled, "ends that come late change nothing")
        lab.expectSound()
    }

    @Test func haltAndTheLastEndMayComeTogether() throws {
        var lab = DirectorHarness()
        let id = try lab.begin(run(.up, [group("db")]))
        let act = lab.works[0].act
        lab.turn([
            .actEnded(act, .succeeded(facts: [:])), .requested(RequestRow(id: 90, request: .halt(id))),
            .requested(RequestRow(id: 91, request: .cancel(id))), .actEnded(act, .succeeded(facts: [:])),
        ])
        #expect(lab.plan(id)?.result == .success)
        lab.expectSound()
    }

    // MARK: Down

    @Test func downTakesTheWholeLabInReverse() {
        var lab = DirectorHarness()
        lab.submit(run(.up, groups))
        lab.settle()
        let id = lab.submit(down())
        lab.settle()
        #expect(lab.plan(id)?.result == .success)
        #expect(lab.nodeStates == [])
        #expect(lab.moment("■ web/0 destroy") < lab.moment("▶ app/0:3 undo"))
        #expect(lab.moment("■ app/1 destroy") < lab.moment("▶ db/0:1 undo"))
        lab.expectSound()
    }

    @Test func downOfAGroupIsRefusedWhileOthersNeedIt() {
        var lab = DirectorHarness()
        lab.submit(run(.up, groups))
        lab.settle()
        #expect(lab.submit(down("db")) == nil)
        #expect(lab.submit(down("app")) == nil, "web needs it through a group without machines")
        let refusal = lab.rows.events.last.flatMap { Refusal($0.detail ?? "") }
        #expect(refusal?.code == "needed")
        #expect(lab.submit(down("app", "web")) != nil)
        lab.settle()
        #expect(lab.nodeStates == ["db/0 ready"])
        #expect(lab.submit(down("db")) != nil)
        lab.settle()
        #expect(lab.nodeStates == [])
        lab.expectSound()
    }

    @Test(arguments: Keep.allCases)
    func downCancelsARunAndWaitsForItsEnd(_ keep: Keep) throws {
        var lab = DirectorHarness()
        let run = try lab.begin(run(.test, groups, tests, keep: keep))
        lab.settle { $0.works.contains { $0.label == "api//a#1" } }
        let id = try lab.begin(down())
        #expect(lab.plan(id)?.state == .pending)
        #expect(lab.submit(MusterCoreTests.run(.up, groups)) == nil)
        lab.settle()
        #expect(lab.plan(run)?.state == .stopped)
        #expect(lab.plan(id)?.result == .success)
        #expect(lab.nodeStates == [])
        #expect(lab.started("app/1:3 undo").count == 1, "each is undone once, with the request that made it")
        lab.expectSound()
    }

    @Test func downHaltsAPausedRunAndUndoesWhatItMade() throws {
        var lab = DirectorHarness { $0.label == "web/0:1 process: ./server" ? .exits(1) : .succeeds }
        var groups = groups
        groups[3].onFailure = .pause
        let run = try lab.begin(run(.up, groups))
        lab.settle()
        #expect(lab.plan(run)?.state == .paused)
        let id = lab.submit(down())
        #expect(lab.plan(run)?.state == .stopped)
        lab.settle()
        #expect(lab.plan(id)?.result == .success)
        #expect(lab.started("undo").count == 7)
        #expect(lab.moment("■ app/0 destroy") < lab.moment("▶ db/0:1 undo"))
        #expect(lab.nodeStates == [])
        lab.expectSound()
    }

    @Test func oneDownWaitsForAnother() {
        var lab = DirectorHarness()
        lab.submit(run(.up, groups))
        lab.settle()
        let first = lab.submit(down())
        let second = lab.submit(down("web"))
        let third = lab.submit(down())
        #expect(lab.plan(second)?.state == .pending)
        lab.settle()
        for id in [first, second, third] { #expect(lab.plan(id)?.result == .success) }
        #expect(lab.started("destroy").count == 4)
        lab.expectSound()
    }

    @Test func aWaitingDownSurvivesARestartAndBeginsWhenAskedTo() throws {
        var lab = DirectorHarness()
        let run = try lab.begin(run(.test, groups, tests))
        lab.settle { $0.works.contains { $0.label == "api//a#1" } }
        let id = try lab.begin(down())
        lab.restart()
        lab.turn([])
        #expect(lab.works.allSatisfy { $0.act.isInDoubt }, "nobody asked to go on: only what runs is waited for")
        #expect(lab.started("destroy") == [])
        lab.request(.resume(id))
        lab.settle()
        #expect(lab.plan(run)?.state == .stopped)
        #expect(lab.plan(id)?.result == .success)
        #expect(lab.nodeStates == [])
        lab.expectSound()
    }

    @Test func aCancelledDownStopsAndAnotherFinishes() throws {
        var lab = DirectorHarness()
        lab.submit(run(.up, groups))
        lab.settle()
        let id = try lab.begin(down())
        lab.request(.cancel(id))
        lab.settle()
        #expect(lab.plan(id)?.state == .stopped)
        #expect(lab.plan(id)?.result == .cancelled)
        #expect(lab.nodeStates.contains("db/0 ready"))
        lab.submit(down())
        lab.settle()
        #expect(lab.nodeStates == [])
        lab.expectSound()
    }
}
