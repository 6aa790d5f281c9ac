import MusterTestKit
import Testing

@testable import MusterCore

/// Nodes that no test can need are not made, not waited for, and let go at once; those that one comes to need are made.
@Suite struct SurplusTests {
    private func made(_ lab: DirectorHarness) -> Int { lab.rows.nodes.count }

    private func bangs(_ count: Int) -> [String] { (0..<count).map { "bang\($0)" } }

    // MARK: Nodes that are used up

    @Test func aNodeThatIsUsedUpIsMadeAnewOnlyForATestThatWaits() {
        var lab = DirectorHarness()
        let id = lab.submit(run(.test, [group("app", 10)], [suite("api", on: "app", bangs(40))]))
        lab.settle()
        #expect(lab.plan(id)?.result == .success)
        #expect(lab.attempts(id).count == 40)
        #expect(made(lab) == 40, "one for each test")
        #expect(lab.started("destroy").count == 40, "each once")
        lab.expectSound()
    }

    @Test func aNodeThatIsUsedUpGoesAtOnceWhenNothingComesInItsPlace() {
        var lab = DirectorHarness()
        let id = lab.submit(run(.test, [group("app", 2)], [suite("api", on: "app", ["bang", "a"])]))
        for node in 0..<2 { lab.end("app/\(node):1") }
        lab.end("api//bang")
        #expect(lab.works.map(\.label) == ["api//a#1", "app/0 destroy"])
        lab.settle()
        #expect(lab.plan(id)?.result == .success)
        #expect(made(lab) == 2)
        lab.expectSound()
    }

    @Test(arguments: [false, true]) func aNodeIsMadeWhenATestComesToNeedIt(_ restarts: Bool) throws {
        var lab = DirectorHarness { work in
            work.label == "api//a#1" ? .losesNode("server ended") : .succeeds
        }
        let id = try lab.begin(run(.test, [group("app", 2)], [suite("api", on: "app", ["bang", "a"])]))
        for node in 0..<2 { lab.end("app/\(node):1") }
        lab.end("api//bang")
        lab.end("app/0 destroy")
        if restarts { lab.restartAndResume() }
        lab.end("api//a#1")
        lab.settle()
        #expect(lab.results(id) == ["api//a#1 infra", "api//a#2 pass", "api//bang#1 pass"])
        #expect(made(lab) == 3)
        #expect(lab.plan(id)?.result == .success)
        #expect(lab.nodeStates == [])
        lab.expectSound()
    }

    @Test func aFailedTestGetsANodeThoughItsOwnIsUsedUp() {
        var lab = DirectorHarness { $0.label == "api//bang#1" ? .exits(1) : .succeeds }
        let id = lab.submit(run(.test, [group("app")], [suite("api", on: "app", ["bang"], reruns: 1)]))
        lab.settle()
        #expect(lab.results(id) == ["api//bang#1 fail", "api//bang#2 pass"])
        #expect(made(lab) == 2)
        lab.expectSound()
    }

    @Test func whatWrapsASuiteGetsANodeAfterAllAreUsedUp() {
        var lab = DirectorHarness()
        let id = lab.submit(run(.test, [group("app", 3)], [suite("api", on: "app", bangs(6), after: true)]))
        lab.settle()
        #expect(lab.started("api after").count == 1)
        #expect(lab.plan(id)?.result == .success)
        #expect(made(lab) == 7)
        lab.expectSound()
    }

    @Test func machinesThatStayAreMadeAnewWhateverTestsNeed() {
        var lab = DirectorHarness()
        lab.submit(run(.test, [group("app", 2)], [suite("api", on: "app", ["bang", "a"])], keep: .always))
        lab.settle()
        #expect(lab.nodeStates == ["app/0 ready", "app/1 ready"])
        lab.expectSound()
    }

    @Test func aNodeOfTheOtherGroupOfAPoolIsEnough() {
        var lab = DirectorHarness()
        var api = suite("api", on: "app", ["bang", "a", "b"])
        api.alsoOn = ["ext"]
        let id = lab.submit(run(.test, [group("app"), group("ext", 2)], [api]))
        for label in ["app/0:1", "ext/0:1"] { lab.end(label) }
        lab.end("api//bang")
        #expect(made(lab) == 3, "one test waits, and a node is being set up for it")
        lab.settle()
        #expect(lab.results(id).count == 3)
        lab.expectSound()
    }

    // MARK: Setups that come too late

    private func slow(_ keep: Keep = .never) -> (lab: DirectorHarness, id: PlanID?) {
        var lab = DirectorHarness()
        let id = lab.submit(run(.test, [group("app", 2, runs: 2)], [suite("api", on: "app", ["a", "b"])], keep: keep))
        for step in 1...3 { lab.end("app/0:\(step)") }
        lab.end("app/1:1")
        lab.end("api//a")
        lab.end("api//b")
        return (lab, id)
    }

    @Test func aSetupIsEndedWhenTheLastTestHas() {
        var (lab, id) = slow()
        #expect(lab.works.map(\.label) == ["app/1:2 run: ./setup-0"])
        #expect(lab.works.map(\.isInterrupted) == [true])
        lab.end(0)
        #expect(lab.started("app/1:3") == [], "nothing else is set up")
        #expect(lab.works.map(\.label).sorted() == ["app/0 destroy", "app/1 destroy"])
        lab.settle()
        #expect(lab.plan(id)?.result == .success, "it is no failure")
        #expect(lab.nodeStates == [])
        lab.expectSound()
    }

    @Test func aSetupThatWasEndedIsNoFailureForTheNextConductor() throws {
        var (lab, id) = slow()
        lab.restart()
        #expect(lab.works.count == 1)
        lab.end(0)
        lab.request(.resume(try #require(id)))
        lab.settle()
        #expect(lab.plan(id)?.result == .success)
        #expect(lab.nodeStates == [])
        lab.expectSound()
    }

    @Test func aSetupThatWaitsToBeTriedAgainIsNotWaitedFor() {
        var lab = DirectorHarness { $0.label.hasPrefix("app/1:1") ? .exits(1) : .succeeds }
        let retry = RetryPolicy(times: 9, every: .seconds(300))
        let id = lab.submit(run(.test, [group("app", 2, retry: retry)], [suite("api", on: "app", ["a"])]))
        let begin = lab.now
        for node in [1, 0] { lab.end("app/\(node):1") }
        lab.end("api//a")
        lab.settle()
        #expect(lab.plan(id)?.result == .success)
        #expect(lab.now == begin)
        #expect(lab.nodeStates == [])
        lab.expectSound()
    }

    @Test func aGroupThatIsStillBlockedIsNoFailure() {
        var lab = DirectorHarness()
        var api = suite("api", on: "app", ["a"])
        api.alsoOn = ["ext"]
        let groups = [group("app"), group("db", runs: 1), group("ext", needs: needs("db"))]
        let id = lab.submit(run(.test, groups, [api]))
        lab.end("app/0:1")
        lab.end("api//a")
        lab.settle()
        #expect(lab.plan(id)?.result == .success)
        #expect(lab.started("ext/0:1") == [])
        #expect(lab.nodeStates == [])
        lab.expectSound()
    }

    /// The replacement of a node that has failed would come too late: the failure is none of the run's.
    @Test(arguments: [Keep.never, .onFailure], [false, true])
    func aReplacementIsNotWaitedFor(_ keep: Keep, _ isBeingMade: Bool) throws {
        var failures = 1
        var lab = DirectorHarness { work in
            guard work.label.hasPrefix("app/0:2"), failures > 0 else { return .succeeds }
            failures -= 1
            return .exits(1)
        }
        var app = group("app", 2, runs: 1, onFailure: .replace)
        if !isBeingMade { app.quarantine = Quarantine(after: 1, length: .seconds(600)) }
        let id = try lab.begin(run(.test, [app], [suite("api", on: "app", ["a", "b"])], keep: keep))
        let begin = lab.now
        for step in 1...2 { lab.end("app/0:\(step)") }
        if isBeingMade {
            lab.end("app/0 destroy")
            lab.end("app/0:1")
        }
        for label in ["app/1:1", "app/1:2", "api//a", "api//b"] { lab.end(label) }
        lab.settle()
        #expect(lab.plan(id)?.result == .warning)
        #expect(lab.now == begin)
        #expect(lab.nodeStates == [])
        lab.expectSound()
    }

    /// Nobody asks whether a node of it is left.
    @Test func aGroupOfWhichAllAreBeingReplacedIsNoFailure() throws {
        var lab = DirectorHarness { $0.label.hasPrefix("ext/0:1") ? .exits(1) : .succeeds }
        var api = suite("api", on: "app", ["a"])
        api.alsoOn = ["ext"]
        var ext = group("ext", onFailure: .replace)
        ext.quarantine = Quarantine(after: 1, length: .seconds(600))
        let id = try lab.begin(run(.test, [group("app"), ext], [api]))
        let begin = lab.now
        for label in ["ext/0:1", "app/0:1", "api//a"] { lab.end(label) }
        lab.settle()
        #expect(lab.plan(id)?.result == .warning)
        #expect(lab.now == begin)
        lab.expectSound()
    }

    @Test func machinesThatStayAreWaitedFor() {
        var (lab, _) = slow(.always)
        #expect(lab.works.map(\.isInterrupted) == [false])
        lab.settle()
        #expect(lab.nodeStates == ["app/0 ready", "app/1 ready"])
        lab.expectSound()
    }

    // MARK: Places that are empty at first

    private func standby(_ count: Int, of all: Int) -> GroupSpec {
        var app = group("app", count)
        app.standby = all - count
        return app
    }

    @Test func placesOfWhichNoTestHasUseStayEmpty() {
        var lab = DirectorHarness()
        let id = lab.submit(run(.test, [standby(3, of: 10)], [suite("api", on: "app", ["a", "b", "c"])]))
        lab.settle()
        #expect(lab.plan(id)?.result == .success)
        #expect(made(lab) == 3)
        lab.expectSound()
    }

    @Test(arguments: [false, true]) func anEmptyPlaceIsFilledWhenANodeFails(_ restarts: Bool) throws {
        let broken = ["app/0:1", "app/1:1"]
        var lab = DirectorHarness { work in broken.contains { work.label.hasPrefix($0) } ? .exits(1) : .succeeds }
        if restarts { lab.afterTurn = { $0.restartAndResume() } }
        let id = try lab.begin(run(.test, [standby(2, of: 4)], [suite("api", on: "app", ["a", "b"])]))
        lab.settle()
        #expect(lab.results(id) == ["api//a#1 pass", "api//b#1 pass"])
        #expect(made(lab) == 4)
        #expect(lab.nodeStates == [])
        lab.expectSound()
    }

    /// A person mends what a test lacked, while its node has gone meanwhile.
    @Test func aTestThatWaitedForAPersonGetsANode() throws {
        var isMended = false
        var lab = DirectorHarness { work in
            work.label == "api//b#1" && !isMended ? .fails(.missingSecret, "the secret 'x' is not there") : .succeeds
        }
        let id = try lab.begin(run(.test, [group("app")], [suite("api", on: "app", ["a", "b"])]))
        lab.settle()
        #expect(lab.plan(id)?.state == .paused)
        lab.lose("app/0")
        isMended = true
        lab.forgetEndings()
        lab.request(.resume(id))
        lab.settle()
        #expect(lab.results(id) == ["api//a#1 pass", "api//b#1 pass"])
        #expect(lab.nodeStates == [])
        lab.expectSound()
    }

    @Test func nodesThatAreUpInEmptyPlacesAreUsedAndStay() {
        var lab = DirectorHarness()
        lab.submit(run(.up, [group("app", 4)]))
        lab.settle()
        let id = lab.submit(run(.test, [standby(2, of: 4)], [suite("api", on: "app", ["a", "b", "c", "d"])]))
        #expect(lab.works.count == 4)
        lab.settle()
        #expect(lab.plan(id)?.result == .success)
        #expect(lab.nodeStates.count == 4)
        lab.expectSound()
    }
}
