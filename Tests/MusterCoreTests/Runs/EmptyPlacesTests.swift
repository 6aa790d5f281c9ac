import MusterTestKit
import Testing

@testable import MusterCore

/// Which places are filled again, and which stay empty because no test needs a node there or none may come there.
@Suite struct EmptyPlacesTests {
    private func api(_ tests: [TestSpec], reruns: Int = 0, rerunOn place: SuitePolicy.RerunPlace = .any) -> SuiteSpec {
        var api = suite("api", on: "app", [], reruns: reruns)
        api.tests = tests
        api.policy = SuitePolicy()
        api.policy?.rerunOn = place
        return api
    }

    private func tests(_ names: String...) -> [TestSpec] { suite("api", on: "app", names).tests }

    @Test func aTestOnSeveralNodesThatRunsFillsNoPlaces() throws {
        var lab = DirectorHarness()
        let api = api([team("t", "server client")] + tests("bang0", "bang1"))
        let id = try lab.begin(run(.test, [group("app", 4)], [api]))
        for node in 0..<4 { lab.end("app/\(node):1") }
        for test in ["bang0", "bang1"] { lab.end("api//\(test)") }
        #expect(lab.rows.nodes.count == 4, "nobody waits")
        lab.settle()
        #expect(lab.plan(id)?.result == .success)
        #expect(lab.rows.nodes.count == 4)
        lab.expectSound()
    }

    @Test func aTestThatRunsElsewhereAgainFillsOnePlaceAtMost() throws {
        var lab = DirectorHarness { $0.label == "api//a#1" ? .exits(1) : .succeeds }
        var app = group("app", 3)
        app.standby = 47
        let id = try lab.begin(run(.test, [app], [api(tests("a", "b", "c"), reruns: 1, rerunOn: .other)]))
        for node in 0..<3 { lab.end("app/\(node):1") }
        lab.end("api//a#1")
        #expect(lab.rows.nodes.count == 4, "the one in reserve is still being set up")
        lab.settle()
        #expect(lab.results(id) == ["api//a#1 fail", "api//a#2 pass", "api//b#1 pass", "api//c#1 pass"])
        #expect(Set(lab.attempts(id).filter { $0.test == "a" }.map(\.node)).count == 2)
        lab.expectSound()
    }

    @Test func testsThatRunElsewhereAgainGetANodeEach() throws {
        var lab = DirectorHarness { ["api//a#1", "api//b#1"].contains($0.label) ? .exits(1) : .succeeds }
        var app = group("app", 2)
        app.standby = 48
        let id = try lab.begin(run(.test, [app], [api(tests("a", "b"), reruns: 1, rerunOn: .other)]))
        lab.settle()
        #expect(lab.results(id).count == 4)
        for test in ["a", "b"] { #expect(Set(lab.attempts(id).filter { $0.test == test }.map(\.node)).count == 2) }
        #expect(lab.rows.nodes.count <= 5)
        lab.expectSound()
    }

    /// What was let go and could not be undone still has the name of its place.
    @Test func aPlaceWhoseNodeCouldNotBeTakenDownStaysAsItIs() throws {
        var lab = DirectorHarness { work in
            if work.label.hasPrefix("app/0"), work.label.contains("undo") { return .exits(1) }
            return work.label == "api//a#1" ? .losesNode("server ended") : .succeeds
        }
        var app = group("app", 2, undo: true)
        app.quarantine = Quarantine(after: 1, length: .seconds(600))
        let id = try lab.begin(run(.test, [app], [api(tests("bang", "a"))]))
        for node in 0..<2 { lab.end("app/\(node):1") }
        lab.end("api//bang")
        lab.end("app/0")
        lab.end("api//a#1")
        lab.settle()
        #expect(lab.results(id) == ["api//a#1 infra", "api//a#2 pass", "api//bang#1 pass"])
        #expect(lab.attempts(id).map(\.node?.description).filter { $0 == "app/0" }.count == 1)
        lab.expectSound()
    }

    @Test func aSetupThatIsTriedAgainTooLateIsEndedAgain() throws {
        var lab = DirectorHarness()
        let id = try lab.begin(run(.test, [group("app", 2, runs: 2)], [api(tests("a"))], keep: .onFailure))
        for label in ["app/0:1", "app/0:2", "app/0:3", "app/1:1", "api//a"] { lab.end(label) }
        #expect(lab.works.map(\.isInterrupted) == [true])
        lab.request(.cancel(id))
        lab.end("app/1:2")
        #expect(lab.plan(id)?.state == .paused)
        lab.request(.resume(id))
        #expect(lab.works.map(\.label) == ["app/1:2 run: ./setup-0"])
        #expect(lab.works.map(\.isInterrupted) == [true])
        lab.settle()
        #expect(lab.started("app/1:3") == [])
        #expect(lab.nodeStates == [])
        lab.expectSound()
    }
}
