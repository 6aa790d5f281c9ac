import MusterTestKit
import Testing

@testable import MusterCore

/// Tests that ask for several nodes by roles: who gets them, when, and who waits.
@Suite struct TeamTests {
    typealias Script = (DirectorHarness.Work) -> DirectorHarness.Ending

    private func api(
        _ tests: [TestSpec],
        on groups: [String] = ["app"],
        reruns: Int = 0,
        _ change: (inout SuitePolicy) -> Void = { _ in }
    ) -> SuiteSpec {
        var api = suite("api", on: groups[0], [], reruns: reruns)
        api.tests = tests
        if groups.count > 1 { api.alsoOn = Array(groups.dropFirst()) }
        var policy = SuitePolicy()
        change(&policy)
        api.policy = policy
        return api
    }

    private func plain(_ name: String, priority: Int64 = 0) -> TestSpec {
        var test = TestSpec(name: name, command: .file("tests/\(name).sh"))
        test.priority = priority
        return test
    }

    private func start(
        _ suite: SuiteSpec,
        nodes: Int = 3,
        keep: Keep = .never,
        parallel: Int = 64,
        spares: Int? = nil,
        script: @escaping Script = { _ in .succeeds }
    ) -> (lab: DirectorHarness, id: PlanID?) {
        var lab = DirectorHarness(script: script)
        var app = group("app", nodes)
        app.spares = spares
        let id = lab.submit(run(.test, [app], [suite], keep: keep, parallel: parallel))
        return (lab, id)
    }

    private func works(_ lab: DirectorHarness) -> [String] { lab.works.map(\.label) }

    // MARK: At once or not at all

    @Test func allMembersBeginInOneTurnOnNodesOfTheirOwn() {
        var (lab, id) = start(api([team("t", "server client:2")]))
        lab.end("app/0:1")
        lab.end("app/1:1")
        #expect(works(lab) == ["app/2:1 process: ./server"], "two of three nodes are not enough")
        lab.end("app/2:1")
        #expect(works(lab) == ["api//t#1", "api//t#1 [client-0]", "api//t#1 [client-1]"])
        #expect(Set(lab.works.compactMap(\.node)).count == 3)
        #expect(lab.works.map(\.act.spec.memberIndex) == [0, 1, 2])
        lab.settle()
        #expect(lab.results(id) == ["api//t#1 pass"])
        #expect(lab.plan(id)?.result == .success)
        #expect(lab.nodeStates == [])
        lab.expectSound()
    }

    @Test func rolesAreOnNodesOfTheirGroups() {
        var lab = DirectorHarness()
        let suite = api([team("t", "client:2@app server@ext any")], on: ["ext", "app"])
        let id = lab.submit(run(.test, [group("app", 3), group("ext", 1)], [suite]))
        lab.settle { $0.works.contains { $0.act.spec.runsTest } }
        #expect(lab.works.compactMap { $0.node?.group } == ["app", "app", "ext", "app"])
        lab.settle()
        #expect(lab.results(id) == ["api//t#1 pass"])
        lab.expectSound()
    }

    @Test func whoeverStandsFirstIsNotPassedByWhoWantsLess() {
        let tests = [plain("a"), team("t", "n:2")] + (0..<6).map { plain("x\($0)") }
        var (lab, id) = start(api(tests), nodes: 2)
        lab.end("app/0:1")
        lab.end("app/1:1")
        #expect(works(lab) == ["api//a#1"], "the other node is held back")
        lab.end("api//a#1")
        #expect(works(lab) == ["api//t#1", "api//t#1 [n-1]"])
        lab.settle()
        #expect(lab.attempts(id).count == 8)
        lab.expectSound()
    }

    @Test func nodesThatItCannotUseAreNotHeldBack() {
        var lab = DirectorHarness()
        let suite = api([team("t", "n:2@app"), plain("x"), plain("y"), plain("z")], on: ["app", "ext"])
        let id = lab.submit(run(.test, [group("app", 2), group("ext", 1)], [suite]))
        lab.end("app/0:1")
        lab.end("ext/0:1")
        #expect(lab.works.filter { $0.act.spec.runsTest }.map { "\($0.label) \($0.node!)" } == ["api//x#1 ext/0"])
        lab.end("app/1:1")
        #expect(Set(works(lab)) == ["api//x#1", "api//t#1", "api//t#1 [n-1]"])
        lab.settle()
        #expect(lab.attempts(id).count == 4)
        lab.expectSound()
    }

    @Test func oneThatWantsOtherNodesGoesBeforeOneThatWaits() {
        var lab = DirectorHarness()
        let suite = api([team("t", "n:2@app"), team("u", "n:2@ext")], on: ["app", "ext"])
        let id = lab.submit(run(.test, [group("app", 2), group("ext", 2)], [suite]))
        for node in ["app/0", "ext/0", "ext/1"] { lab.end("\(node):1") }
        #expect(works(lab) == ["app/1:1 process: ./server", "api//u#1", "api//u#1 [n-1]"])
        lab.settle()
        #expect(lab.results(id) == ["api//t#1 pass", "api//u#1 pass"])
        lab.expectSound()
    }

    @Test func suitesThatShareAGroupDoNotStarveEachOther() {
        var lab = DirectorHarness()
        let both = api([team("t", "n:3")], on: ["app", "ext"])
        var own = suite("own", on: "app", (0..<6).map { "x\($0)" })
        own.tests[0].priority = 1
        let id = lab.submit(run(.test, [group("app", 2), group("ext", 1)], [both, own]))
        lab.end("app/0:1")
        #expect(works(lab).contains("own//x0#1"), "it goes first by its priority")
        lab.end("app/1:1")
        lab.end("ext/0:1")
        #expect(works(lab) == ["own//x0#1"])
        lab.end("own//x0#1")
        #expect(lab.works.count { $0.label.hasPrefix("api//t#1") } == 3)
        lab.settle()
        #expect(lab.attempts(id).count == 7)
        lab.expectSound()
    }

    @Test func thoseOfAHigherPriorityGoFirst() {
        var big = team("t", "n:2")
        big.priority = 5
        var (lab, _) = start(api([plain("a", priority: 9), plain("b"), big]), nodes: 2)
        lab.settle()
        #expect(lab.started("api//").first == "api//a#1 on app/0")
        #expect(lab.moment("▶ api//t#1") < lab.moment("▶ api//b#1"))
        lab.expectSound()
    }

    // MARK: Limits

    @Test(arguments: [1, 2, 3])
    func moreMembersThanMayRunAtOnceRunAlone(_ parallel: Int) {
        let tests = [plain("a"), team("t", "n:3"), plain("b"), plain("c")]
        var (lab, id) = start(api(tests), parallel: parallel)
        var most = 0
        lab.afterTurn = { lab in
            let running = lab.works.filter { $0.act.spec.runsTest }
            if !running.contains(where: { $0.label.contains("//t#") }) { most = max(most, running.count) }
            if running.contains(where: { $0.label.contains("//t#") }), parallel < 4 {
                #expect(running.allSatisfy { $0.label.contains("//t#") })
            }
        }
        lab.settle()
        lab.afterTurn = nil
        #expect(most <= parallel)
        #expect(lab.attempts(id).count == 4)
        lab.expectSound()
    }

    @Test func oneThatHasItsNodesIsNotPassedWhileItWaitsForOthersToEnd() {
        let tests = [plain("a"), team("t", "n:3")] + (0..<4).map { plain("x\($0)") }
        var (lab, id) = start(api(tests), nodes: 5, parallel: 3)
        lab.settle { !$0.works.contains { $0.act.spec.action == .provision } }
        #expect(works(lab) == ["api//a#1"], "four nodes are free, and two steps might run")
        lab.settle()
        #expect(lab.attempts(id).count == 6)
        #expect(lab.moment("▶ api//t#1") < lab.moment("▶ api//x0#1"))
        lab.expectSound()
    }

    @Test func sparesAreTakenWhereAllAreNeeded() {
        let tests = [team("t", "n:3"), plain("a"), plain("b"), plain("c")]
        var (lab, id) = start(api(tests), nodes: 2, spares: 1)
        lab.settle()
        #expect(lab.results(id) == ["api//a#1 pass", "api//b#1 pass", "api//c#1 pass", "api//t#1 pass"])
        lab.expectSound()
    }

    @Test func nodesThatItWillNeedAreNotLetGo() {
        let tests = [plain("a"), plain("b"), team("t", "n:3")]
        var (lab, id) = start(api(tests)) { $0.label == "api//a#1" ? .exits(1) : .succeeds }
        for node in 0..<3 { lab.end("app/\(node):1") }
        lab.end("api//b#1")
        #expect(works(lab) == ["api//a#1"], "two nodes are free, and stay")
        lab.settle()
        #expect(lab.results(id) == ["api//a#1 fail", "api//b#1 pass", "api//t#1 pass"])
        lab.expectSound()
    }

    // MARK: Too few nodes

    @Test func whatCanNeverRunIsRefused() {
        let flaws: [(TestSpec, String)] = [
            (team("t", "n:4"), "it needs 4 nodes at once, and 'app' has 3"),
            (team("t", "n:1@ext"), "its role 'n' is for 'ext'"),
            (team("t", "n:0"), "0 nodes play its role 'n'"),
            (team("t", "n:65"), "it wants more than 64 nodes at once"),
            (team("t", "a:2 a-1"), "two of its members are called 'a-1'"),
            (team("t", ""), "it has no roles"),
        ]
        for (test, flaw) in flaws {
            let (lab, id) = start(api([plain("a"), test]))
            #expect(id == nil)
            let refusal = lab.rows.events.last.flatMap { Refusal($0.detail ?? "") }
            #expect(refusal?.code == "bad-roles")
            #expect(refusal?.message.contains("test api//t cannot run: \(flaw)") == true, "\(refusal?.message ?? "")")
            lab.expectSound()
        }
    }

    @Test func whenTooFewNodesAreLeftItEndsAndTheOthersGoOn() {
        let tests = [team("t", "n:3"), plain("a"), plain("b")]
        var (lab, id) = start(api(tests)) { $0.label == "app/2:1 process: ./server" ? .exits(7) : .succeeds }
        lab.end("app/0:1")
        lab.end("app/1:1")
        #expect(works(lab) == ["app/2:1 process: ./server"])
        lab.end("app/2:1")
        #expect(works(lab) == ["api//a#1", "api//b#1"], "they do not wait for what will never be")
        lab.settle()
        #expect(lab.results(id) == ["api//a#1 pass", "api//b#1 pass", "api//t#1 infra"])
        let note = lab.attempts(id).first { $0.test == "t" }?.note
        #expect(note == "not run: it needs 3 nodes at once, and 'app' has 2 left (app/2: exit 7)")
        #expect(lab.plan(id)?.result == .error)
        #expect(lab.nodeStates == [])
        lab.expectSound()
    }

    @Test func whatWaitsForNodesThatAreNeverMadeEndsWhenNothingElseCanRun() {
        var lab = DirectorHarness { $0.label == "db/0:1 process: ./server" ? .exits(7) : .succeeds }
        let suite = api([team("t", "server@ext client@app"), plain("x")], on: ["app", "ext"])
        let id = lab.submit(run(.test, [group("db"), group("ext", needs: needs("db")), group("app", 1)], [suite]))
        lab.settle()
        #expect(lab.results(id) == ["api//t#1 infra", "api//x#1 pass"])
        let note = lab.attempts(id).first { $0.test == "t" }?.note
        #expect(note?.hasPrefix("not run: it needs 1 node of 'ext' at once, and 'ext' has 0 left") == true)
        lab.expectSound()
    }

    @Test func aNodeThatIsLostIsReplacedForIt() {
        var (lab, id) = start(api([plain("a"), team("t", "n:3")]))
        for node in 0..<3 { lab.end("app/\(node):1") }
        lab.lose("app/2")
        #expect(works(lab).contains("app/2 destroy"))
        lab.settle()
        #expect(lab.results(id) == ["api//a#1 pass", "api//t#1 pass"])
        lab.expectSound()
    }

    @Test func afterEnoughFailuresItIsNotRunAndHoldsNothingBack() {
        var other = suite("own", on: "app", ["x", "y"])
        other.tests[0].priority = -1
        other.tests[1].priority = -1
        var lab = DirectorHarness { $0.label == "api//a#1" ? .exits(1) : .succeeds }
        let suite = api([plain("a"), team("t", "n:2")]) { $0.stopAfter = 1 }
        let id = lab.submit(run(.test, [group("app", 2)], [suite, other]))
        lab.settle()
        #expect(lab.results(id) == ["api//a#1 fail", "api//t#1 skip", "own//x#1 pass", "own//y#1 pass"])
        #expect(lab.attempts(id).first { $0.test == "t" }?.note?.contains("stop-after") == true)
        lab.expectSound()
    }
}
