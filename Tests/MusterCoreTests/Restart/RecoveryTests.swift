import MusterTestKit
import Testing

@testable import MusterCore

/// What becomes of acts that a conductor had begun when it was lost.
@Suite struct RecoveryTests {
    private let groups = [group("app", 2, runs: 1, undo: true)]
    private let tests = [suite("api", on: "app", ["a", "b"])]

    /// A run whose two tests are under way when the conductor is lost.
    private func interrupted(_ status: ActStatus?) throws -> (lab: DirectorHarness, id: PlanID) {
        var lab = DirectorHarness()
        let id = try lab.begin(run(.test, groups, tests))
        lab.settle { $0.works.count == 2 && $0.works.allSatisfy { $0.label.hasPrefix("api//") } }
        lab.statusScript = { _ in status }
        lab.restart()
        return (lab, id)
    }

    @Test func whatHasEndedMeanwhileIsTakenThoughNobodyGoesOn() throws {
        let exit = ProcessExit(status: 1, startedAt: Timestamp(rawValue: 1), endedAt: Timestamp(rawValue: 2))
        var (lab, id) = try interrupted(.ended(.exited(exit)))
        #expect(lab.results(id) == ["api//a#1 fail", "api//b#1 fail"])
        #expect(lab.works.isEmpty, "nothing new starts")
        #expect(lab.plan(id)?.state == .running)
        lab.request(.resume(id))
        lab.settle()
        #expect(lab.plan(id)?.state == .stopped)
        #expect(lab.started("api//").count == 2, "none was started again")
        lab.expectSound()
    }

    @Test func whatStillRunsIsWaitedForAndNotStartedAgain() throws {
        var (lab, id) = try interrupted(.running)
        #expect(lab.works.map(\.label).sorted() == ["api//a#1", "api//b#1"])
        #expect(lab.works.allSatisfy { $0.act.isInDoubt })
        lab.end("api//a#1")
        #expect(lab.results(id) == ["api//a#1 pass"], "it is taken though nobody went on")
        lab.request(.resume(id))
        lab.settle()
        #expect(lab.plan(id)?.result == .success)
        #expect(lab.started("api//").count == 2)
        lab.expectSound()
    }

    @Test func whatWasNeverStartedWaitsAgainForTheSameTry() throws {
        var (lab, id) = try interrupted(.neverStarted)
        #expect(lab.works.isEmpty)
        let waiting = try #require(lab.rows.steps[id]).filter { $0.spec.action == .attempt }
        #expect(waiting.map(\.state) == [.pending, .pending])
        #expect(waiting.map(\.tries) == [0, 0])
        #expect(waiting.map(\.resource) == [nil, nil], "their nodes are free")
        lab.request(.resume(id))
        #expect(lab.works.map(\.act.number) == [1, 1])
        #expect(lab.works.allSatisfy { !$0.act.isInDoubt })
        lab.settle()
        #expect(lab.results(id) == ["api//a#1 pass", "api//b#1 pass"])
        lab.expectSound()
    }

    @Test func whatWasNeverStartedIsCancelledWithItsRun() throws {
        var (lab, id) = try interrupted(.neverStarted)
        lab.request(.cancel(id))
        lab.settle()
        #expect(lab.plan(id)?.result == .cancelled)
        #expect(lab.started("api//").count == 2, "only those from before")
        #expect(lab.nodeStates == [])
        lab.expectSound()
    }

    @Test func anAttemptOfWhichNobodyCanTellIsLostToInfrastructureAndRepeated() throws {
        var (lab, id) = try interrupted(.unknown("no record"))
        #expect(lab.results(id) == ["api//a#1 infra", "api//b#1 infra"])
        lab.request(.resume(id))
        lab.settle()
        #expect(lab.results(id) == ["api//a#1 infra", "api//a#2 pass", "api//b#1 infra", "api//b#2 pass"])
        lab.expectSound()
    }

    /// What may be done twice is; what may not waits for a person, whatever `on-failure` says.
    @Test(arguments: FailurePolicy.allCases)
    func aCommandOfWhichNobodyCanTellPausesItsRun(_ policy: FailurePolicy) throws {
        var lab = DirectorHarness()
        let id = try lab.begin(run(.up, [group("app", runs: 1, onFailure: policy)]))
        lab.end("app/0:1")
        #expect(lab.works.map(\.label) == ["app/0:2 run: ./setup-0"])
        lab.statusScript = { _ in .unknown("no record") }
        lab.restartAndResume()
        #expect(lab.plan(id)?.state == .paused)
        let reason = try #require(lab.plan(id)?.reason)
        #expect(reason.contains("app/0:2 run: ./setup-0") && reason.contains("no record"))
        #expect(lab.works.isEmpty)
        lab.statusScript = nil
        lab.request(.resume(id))
        lab.settle()
        #expect(lab.plan(id)?.result == .success)
        #expect(lab.started("app/0:2").count == 2, "a person has said so")
        lab.expectSound()
    }

    @Test func theMakingOfANodeIsRepeated() throws {
        var lab = DirectorHarness()
        let id = try lab.begin(run(.up, [group("app")]))
        lab.statusScript = { _ in .unknown("no record") }
        lab.restartAndResume()
        #expect(lab.works.map(\.label) == ["app/0:1 process: ./server"])
        #expect(lab.works.map(\.act.number) == [1], "under the same operation")
        lab.settle()
        #expect(lab.plan(id)?.result == .success)
        lab.expectSound()
    }

    // MARK: Timers

    /// Timers that came due with nobody there fire in the order of their age, whatever the order of their steps.
    @Test func timersThatCameDueMeanwhileFireOldestFirst() throws {
        var lab = DirectorHarness { $0.label.contains(":2") ? .exits(1) : .succeeds }
        let retry = RetryPolicy(times: 1, every: .seconds(30))
        let id = try lab.begin(run(.up, [group("app", 2, runs: 1, retry: retry)]))
        for node in ["app/1", "app/0"] {
            lab.end("\(node):1")
            lab.end("\(node):2")
            // More than chance adds to a delay.
            lab.now = lab.now + .seconds(10)
        }
        let order = lab.rows.timers.values.sorted { $0.dueAt < $1.dueAt }.map(\.step.index)
        #expect(order.count == 2 && order != order.sorted(), "the later step is due first")
        lab.now = lab.now + .seconds(3600)
        lab.restart()
        lab.script = { _ in .succeeds }
        lab.forgetEndings()
        lab.request(.resume(id))
        #expect(lab.works.map(\.act.step.index) == order)
        #expect(lab.rows.timers.isEmpty)
        lab.settle()
        #expect(lab.plan(id)?.result == .success)
        lab.expectSound()
    }

    // MARK: Secrets

    @Test(arguments: FailurePolicy.allCases)
    func aMissingSecretPausesWhateverTheLabSays(_ policy: FailurePolicy) throws {
        var isThere = false
        var lab = DirectorHarness {
            $0.label.hasPrefix("app/0:2") && !isThere ? .fails(.missingSecret, "set MUSTER_SECRET_X") : .succeeds
        }
        let retry = RetryPolicy(times: 3)
        let id = try lab.begin(run(.test, [group("app", runs: 1, onFailure: policy, retry: retry)], tests))
        lab.settle()
        #expect(lab.plan(id)?.state == .paused)
        #expect(lab.plan(id)?.reason?.contains("set MUSTER_SECRET_X") == true)
        #expect(lab.started("app/0:2").count == 1, "asking again does not help")
        lab.restart()
        isThere = true
        lab.script = { _ in .succeeds }
        lab.request(.resume(id))
        lab.settle()
        #expect(lab.plan(id)?.result == .success)
        lab.expectSound()
    }

    @Test func aTestWithoutItsSecretIsNoResult() throws {
        var lab = DirectorHarness { $0.label == "api//a#1" ? .fails(.missingSecret, "set it") : .succeeds }
        let id = try lab.begin(run(.test, groups, tests))
        lab.settle()
        #expect(lab.plan(id)?.state == .paused)
        #expect(lab.results(id) == ["api//b#1 pass"])
        lab.restart()
        lab.script = { _ in .succeeds }
        lab.forgetEndings()
        lab.request(.resume(id))
        lab.settle()
        #expect(lab.results(id) == ["api//a#1 pass", "api//b#1 pass"], "it is the same attempt")
        #expect(lab.plan(id)?.result == .success)
        lab.expectSound()
    }

    @Test func anUndoWithoutItsSecretKeepsItsNodeUntilThereIsOne() throws {
        var lab = DirectorHarness { $0.label.contains("app/0:2 undo") ? .fails(.missingSecret, "set it") : .succeeds }
        let id = try lab.begin(run(.test, groups, tests))
        lab.settle()
        #expect(lab.plan(id)?.state == .paused)
        #expect(lab.nodeStates == ["app/0 stopped", "app/1 ready"], "what was not undone is not destroyed")
        lab.restart()
        lab.script = { _ in .succeeds }
        lab.forgetEndings()
        lab.request(.resume(id))
        lab.settle()
        #expect(lab.plan(id)?.state == .stopped)
        #expect(lab.nodeStates == [])
        lab.expectSound()
    }

    @Test func aPausedTeardownIsGivenUpByACancel() throws {
        var lab = DirectorHarness { $0.label.contains("app/0:2 undo") ? .fails(.missingSecret, "set it") : .succeeds }
        let id = try lab.begin(run(.test, groups, tests))
        lab.settle()
        lab.request(.cancel(id))
        lab.settle()
        #expect(lab.plan(id)?.state == .stopped)
        #expect(lab.nodeStates == ["app/0 stopped", "app/1 failed"], "of the second a step is undone already")
        lab.submit(down())
        lab.script = { _ in .succeeds }
        lab.settle()
        #expect(lab.nodeStates == [])
        lab.expectSound()
    }
}
