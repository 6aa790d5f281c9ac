import MusterTestKit
import Testing

@testable import MusterCore

/// What runs on nodes and what steps say of it: after a crash the two are brought together again.
@Suite struct OrphanTests {
    private func testing() throws -> (lab: DirectorHarness, id: PlanID) {
        var lab = DirectorHarness()
        let id = try lab.begin(run(.test, [group("app", 2)], [suite("api", on: "app", ["a", "b"])]))
        lab.settle { $0.works.count == 2 && $0.works.allSatisfy { $0.label.hasPrefix("api//") } }
        return (lab, id)
    }

    @Test func whatAHaltHasLeftRunningIsEndedByTheNext() throws {
        var (lab, id) = try testing()
        let acts = lab.works.map(\.act)
        lab.request(.halt(id))
        lab.orphans = acts
        lab.restart()
        #expect(lab.orphans == [])
        lab.expectSound()
    }

    @Test func whatStepsRunWithIsLeftAlone() throws {
        var (lab, id) = try testing()
        lab.restart()
        #expect(lab.works.map(\.isInterrupted) == [false, false])
        lab.request(.takeUp(id))
        lab.settle()
        #expect(lab.results(id) == ["api//a#1 pass", "api//b#1 pass"])
        lab.expectSound()
    }

    @Test func aFormerTryIsEndedBesideTheRunningOne() throws {
        var lab = DirectorHarness { $0.label.contains(":2") ? .exits(1) : .succeeds }
        _ = try lab.begin(run(.up, [group("app", runs: 1, retry: RetryPolicy(times: 3))]))
        lab.end("app/0:1")
        let former = try #require(lab.works.first?.act)
        lab.end("app/0:2")
        let hasPassed = lab.passTime()
        #expect(hasPassed)
        lab.orphans = [former]
        lab.restart()
        #expect(lab.orphans == [])
        #expect(lab.works.map(\.act.number) == [2])
        #expect(lab.works.map(\.isInterrupted) == [false])
    }

    @Test func whatABrokenRunHasRunningIsEndedWhenItIsGivenUp() throws {
        let (lab, id) = try testing()
        let act = try #require(lab.works.first?.act)
        let node = try #require(act.node)
        var snapshot = lab.rows.snapshot()
        snapshot.plans[0].steps.removeFirst()
        var director = Director(snapshot, host: "here", seed: 1)
        func turn(_ events: [Director.Event]) -> [Directive] {
            var turn = Turn(now: lab.now, epoch: 2)
            for event in events { director.handle(event, into: &turn) }
            director.close(&turn)
            return turn.directives
        }
        let found = Director.Event.operationFound(act.step, number: act.number, on: node)
        #expect(turn([found]) == [], "nobody knows what its steps are")
        #expect(turn([.requested(RequestRow(id: 7, request: .halt(id)))]).contains(.survey(node)))
        let directives = turn([found])
        guard case .interrupt(let ended)? = directives.first, directives.count == 1 else {
            Issue.record("it is not ended: \(directives)")
            return
        }
        #expect(ended.step == act.step && ended.number == act.number && ended.node == node)
    }

    @Test func operationsAreReadAsTheyAreWritten() {
        let step = StepID(plan: PlanID(12), index: 345)
        let found = OperationID(state: "a-b", step: step, attempt: 6).act(ofState: "a-b")
        #expect(found?.step == step && found?.number == 6)
        for text in ["a-b-1-2", "a-b-1-2-3-p0-1-1", "c-1-2-3", "a-b-1-2-0", "a-b-1--3", "a-b-1-2-99999999999"] {
            #expect(OperationID(text).act(ofState: "a-b") == nil, "\(text)")
        }
    }

    // MARK: What was never started

    private func provisioning(_ status: ActStatus) throws -> (lab: DirectorHarness, id: PlanID) {
        var lab = DirectorHarness()
        let id = try lab.begin(
            run(.test, [group("app", runs: 2, undo: true)], [suite("api", on: "app", ["a"])])
        )
        lab.end("app/0:1")
        lab.end("app/0:2")
        #expect(lab.works.map(\.act.spec.b) == [2])
        lab.statusScript = { _ in status }
        lab.restart()
        lab.statusScript = nil
        return (lab, id)
    }

    @Test func whatWasNeverStartedIsNotUndone() throws {
        var (lab, id) = try provisioning(.neverStarted)
        #expect(lab.rows.nodes.values.map(\.stepsStarted) == [2])
        lab.request(.cancel(id))
        lab.settle()
        #expect(lab.started("undo") == ["app/0:2 undo of run: ./setup-0", "app/0:1 undo of process: ./server"])
        #expect(lab.nodeStates == [])
        lab.expectSound()
    }

    @Test func whatIsStartedAfterAllIsUndone() throws {
        var (lab, id) = try provisioning(.neverStarted)
        lab.request(.takeUp(id))
        lab.settle()
        #expect(lab.plan(id)?.result == .success)
        #expect(lab.started("undo").count == 3)
        lab.expectSound()
    }

    @Test func whatAFormerTryMayHaveDoneIsUndone() throws {
        var lab = DirectorHarness { $0.label.contains(":2") && $0.act.number == 1 ? .exits(1) : .succeeds }
        let made = group("app", runs: 1, undo: true, retry: RetryPolicy(times: 3))
        let id = try lab.begin(run(.test, [made], [suite("api", on: "app", ["a"])]))
        lab.end("app/0:1")
        lab.end("app/0:2")
        let hasPassed = lab.passTime()
        #expect(hasPassed)
        #expect(lab.works.map(\.act.number) == [2])
        lab.statusScript = { _ in .neverStarted }
        lab.restart()
        #expect(lab.rows.nodes.values.map(\.stepsStarted) == [2])
        lab.request(.cancel(id))
        lab.settle()
        #expect(lab.started("undo").count == 2)
        lab.expectSound()
    }

    @Test func whatLackedItsSecretIsNotUndone() throws {
        var lab = DirectorHarness { $0.label.contains(":2 run") ? .fails(.missingSecret, "set it") : .succeeds }
        let id = try lab.begin(run(.test, [group("app", runs: 1, undo: true)], [suite("api", on: "app", ["a"])]))
        lab.settle()
        #expect(lab.plan(id)?.state == .paused)
        lab.request(.cancel(id))
        lab.settle()
        #expect(lab.started("undo") == ["app/0:1 undo of process: ./server"])
        lab.expectSound()
    }

    // MARK: Going on

    @Test func whoFollowsARunDoesNotEndItsPause() throws {
        var failing = true
        var lab = DirectorHarness { $0.label.contains(":2") && failing ? .exits(1) : .succeeds }
        let id = try lab.begin(run(.up, [group("app", runs: 1, onFailure: .pause)]))
        lab.end("app/0:1")
        // Two followers find it interrupted; what the first one asks for ends in a pause.
        lab.restart()
        lab.request(.takeUp(id))
        lab.settle()
        #expect(lab.plan(id)?.state == .paused)
        failing = false
        lab.script = { _ in .succeeds }
        lab.forgetEndings()
        lab.request(.takeUp(id))
        lab.settle()
        #expect(lab.plan(id)?.state == .paused)
        #expect(lab.works.isEmpty)
        lab.request(.resume(id))
        lab.settle()
        #expect(lab.plan(id)?.result == .success)
        lab.expectSound()
    }

    // MARK: The order of a teardown that is tried again

    /// A teardown that waits for a person: `app` could not be destroyed, `db`, which it needs, waits for its turn.
    private func pausedTeardown() throws -> (lab: DirectorHarness, id: PlanID) {
        var lab = DirectorHarness { work in
            if work.label == "app/0 destroy" { return .fails(.refused, "no space") }
            return work.label == "web/0:1 undo of process: ./server" ? .fails(.missingSecret, "set it") : .succeeds
        }
        let groups = [group("db"), group("app", needs: needs("db")), group("web", undo: true), group("x", 2)]
        let id = try lab.begin(run(.test, groups, [suite("api", on: "x", ["a"])], parallel: 2))
        lab.settle { $0.works.contains { $0.label == "app/0 destroy" } }
        lab.end("app/0 destroy")
        lab.settle()
        #expect(lab.plan(id)?.state == .paused)
        #expect(lab.nodeStates.contains("db/0 ready"), "\(lab.nodeStates) \(lab.story)")
        lab.script = { _ in .succeeds }
        lab.forgetEndings()
        return (lab, id)
    }

    @Test(arguments: [0, 1, 2]) func whatIsTriedAgainComesBeforeWhatFollowsIt(restarts: Int) throws {
        var (lab, id) = try pausedTeardown()
        if restarts > 0 { lab.restart() }
        lab.request(.resume(id))
        if restarts > 1 { lab.restartAndResume() }
        while let other = lab.works.firstIndex(where: { $0.label != "app/0 destroy" }) {
            #expect(!lab.works[other].label.hasPrefix("db"))
            lab.end(other)
        }
        #expect(lab.works.map(\.label) == ["app/0 destroy"])
        lab.end("app/0 destroy")
        #expect(lab.works.map(\.label) == ["db/0 destroy"])
        lab.settle()
        #expect(lab.nodeStates == [])
        lab.expectSound()
    }
}
