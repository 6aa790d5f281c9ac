import MusterTestKit
import Testing

@testable import MusterCore

/// How attempts on several nodes end, whatever becomes of their members, and how they go on after a crash.
@Suite struct TeamEndTests {
    private func start(
        _ tests: [TestSpec] = [team("t", "server client:2")],
        nodes: Int = 3,
        reruns: Int = 0,
        keep: Keep = .never,
        policy: SuitePolicy? = nil,
        script: @escaping (DirectorHarness.Work) -> DirectorHarness.Ending = { _ in .succeeds }
    ) throws -> (lab: DirectorHarness, id: PlanID) {
        var lab = DirectorHarness(script: script)
        var api = suite("api", on: "app", [], reruns: reruns)
        api.tests = tests
        api.policy = policy
        let id = try lab.begin(run(.test, [group("app", nodes)], [api], keep: keep))
        return (lab, id)
    }

    /// Up to the moment at which its members run.
    private func begun(
        _ tests: [TestSpec] = [team("t", "server client:2")],
        reruns: Int = 0,
        keep: Keep = .never,
        policy: SuitePolicy? = nil,
        script: @escaping (DirectorHarness.Work) -> DirectorHarness.Ending = { _ in .succeeds }
    ) throws -> (lab: DirectorHarness, id: PlanID) {
        var (lab, id) = try start(tests, reruns: reruns, keep: keep, policy: policy, script: script)
        for node in 0..<3 { lab.end("app/\(node):1") }
        return (lab, id)
    }

    private func works(_ lab: DirectorHarness) -> [String] { lab.works.map(\.label) }
    private let members = ["api//t#1", "api//t#1 [client-0]", "api//t#1 [client-1]"]

    // MARK: Outcomes

    @Test func membersThatRunNothingHoldTheirNodesAndSayNothing() throws {
        var spec = TestSpec(name: "t", command: .run(Template("./t")))
        spec.roles = [TestRole(name: "client"), TestRole(name: "agent", count: 2, isIdle: true)]
        #expect(spec.flawOfRoles(groups: ["app"]) == nil)
        var (lab, id) = try begun([spec]) { $0.label.contains("[agent-0]") ? .exits(3) : .succeeds }
        lab.end("agent-0")
        lab.end("agent-1")
        #expect(
            lab.attempts(id) == [] && lab.nodeStates == ["app/0 ready", "app/1 ready", "app/2 ready"],
            "they are there until the test has ended"
        )
        lab.settle()
        let attempt = try #require(lab.attempts(id).first)
        #expect(attempt.outcome == .pass && attempt.note == nil)
        #expect(attempt.results == #"[{"name":"client","outcome":"pass","files":[]}]"#)
        lab.expectSound()
        spec.roles = [TestRole(name: "agent", count: 2, isIdle: true)]
        #expect(spec.flawOfRoles(groups: ["app"]) == "none of its roles runs anything")
    }

    @Test func theWorstOfTheMembersCounts() throws {
        var (lab, id) = try begun { $0.label.contains("client-1") ? .exits(3) : .succeeds }
        lab.end("client-1")
        #expect(works(lab) == Array(members.prefix(2)), "the others go on")
        #expect(lab.attempts(id) == [])
        lab.settle()
        let attempt = try #require(lab.attempts(id).first)
        #expect(lab.attempts(id).count == 1)
        #expect(attempt.outcome == .fail)
        #expect(attempt.note == "client-1: exit 3")
        #expect(attempt.node?.description == "app/0", "it is told of where its first member ran")
        #expect(
            attempt.results == """
                [{"name":"server","outcome":"pass","files":[]},{"name":"client-0","outcome":"pass","files":[]},\
                {"name":"client-1","outcome":"fail","note":"exit 3","files":[]}]
                """
        )
        #expect(lab.plan(id)?.result == .error)
        lab.expectSound()
    }

    @Test func outcomesAreOrdered() {
        func merged(_ outcomes: Outcome...) -> Outcome {
            SuiteMachine.Verdict.merged(outcomes.map { ("m", SuiteMachine.Verdict(outcome: $0)) }).outcome
        }
        #expect(merged(.pass, .skip) == .pass)
        #expect(merged(.skip, .skip) == .skip)
        #expect(merged(.info, .pass) == .pass)
        #expect(merged(.info, .skip) == .info)
        #expect(merged(.pass, .warn) == .warn)
        #expect(merged(.warn, .fail) == .fail)
        #expect(merged(.error, .fail) == .error)
        #expect(merged(.error, .infra, .pass) == .infra)
        #expect(Set(Outcome.fromWorst) == Set(Outcome.allCases))
    }

    @Test func whatMembersReportStandsBelowThem() {
        let said = #"""
            [{"outcome":"pass","name":"setup/\"a\"","files":[]},
             {"files":["out.log","b, c].txt"],"outcome":"warn","note":"the whole","extra":"{\"name\":[1,{}]}"}]
            """#
        let verdict = SuiteMachine.Verdict.merged([
            ("server", SuiteMachine.Verdict(outcome: .warn, note: "so \"so\"\n", results: said)),
            ("client", SuiteMachine.Verdict(outcome: .pass, results: "no JSON")),
        ])
        #expect(
            verdict.results == #"""
                [{"name":"server","outcome":"warn","note":"so \"so\"\u000a",\#
                "files":["server/out.log","server/b, c].txt"],"extra":"{\"name\":[1,{}]}"},\#
                {"name":"server/setup/\"a\"","outcome":"pass","files":[]},\#
                {"name":"client","outcome":"pass","files":[]}]
                """#
        )
        #expect(verdict.note == "server: so \"so\"\n")
    }

    @Test func aTestThatHasFailedRunsAgainOnAsManyNodes() throws {
        var (lab, id) = try begun(reruns: 1) { $0.label == "api//t#1 [client-0]" ? .exits(1) : .succeeds }
        lab.settle()
        #expect(lab.results(id) == ["api//t#1 fail", "api//t#2 pass"])
        #expect(lab.started("api//t#2").count == 3)
        #expect(lab.plan(id)?.result == .success)
        lab.expectSound()
    }

    @Test func nodesAreFreeWhenAllMembersHaveEnded() throws {
        var (lab, _) = try begun([team("t", "server client:2"), TestSpec(name: "a", command: .file("a.sh"))])
        lab.end(0)
        lab.end("client-0")
        #expect(works(lab) == ["api//t#1 [client-1]"], "what runs on their nodes may still be of use")
        lab.end("client-1")
        #expect(lab.works.contains { $0.label == "api//a#1" })
        lab.settle()
        lab.expectSound()
    }

    @Test func aDestructiveTestUsesAllItsNodesUp() throws {
        let tests = [team("bang", "n:3", destructive: true), team("t", "n:3")]
        var (lab, id) = try start(tests)
        lab.settle()
        #expect(lab.results(id) == ["api//bang#1 pass", "api//t#1 pass"])
        #expect(lab.started("destroy").count == 6)
        lab.expectSound()
    }

    @Test func aTestRunsAgainOnFreshNodes() throws {
        var policy = SuitePolicy()
        policy.rerunOn = .fresh
        var (lab, id) = try begun(reruns: 1, policy: policy) { $0.label == "api//t#1" ? .exits(1) : .succeeds }
        lab.settle()
        #expect(lab.results(id) == ["api//t#1 fail", "api//t#2 pass"])
        let nodes = lab.rows.steps[id]?.filter { $0.spec.runsTest }.compactMap(\.resource) ?? []
        #expect(Set(nodes).count == 6)
        lab.expectSound()
    }

    @Test(arguments: [SuitePolicy.RerunPlace.same, .other])
    func rulesForOneNodeDoNotBindSeveral(_ place: SuitePolicy.RerunPlace) throws {
        var policy = SuitePolicy()
        policy.rerunOn = place
        var (lab, id) = try begun(reruns: 1, policy: policy) { $0.label == "api//t#1" ? .exits(1) : .succeeds }
        lab.settle()
        #expect(lab.results(id) == ["api//t#1 fail", "api//t#2 pass"])
        lab.expectSound()
    }

    // MARK: Members that are lost

    @Test(arguments: [true, false])
    func whenOneIsLostTheOthersAreEndedAndItIsRepeated(_ isHeard: Bool) throws {
        var (lab, id) = try begun { work in
            guard work.label == "api//t#1 [client-0]" else { return .succeeds }
            return isHeard ? .losesNode("server ended") : .ends(lostNode: "server ended")
        }
        lab.end("client-0")
        #expect(works(lab).prefix(2) == ["api//t#1", "api//t#1 [client-1]"])
        #expect(lab.works.prefix(2).allSatisfy { $0.isInterrupted })
        lab.settle()
        #expect(lab.results(id) == ["api//t#1 infra", "api//t#2 pass"])
        let first = try #require(lab.attempts(id).first)
        #expect(first.note == "client-0: server ended")
        #expect(
            first.results?.contains(#""name":"server","outcome":"skip","note":"ended, as client-0 was lost""#) == true
        )
        #expect(lab.attempts(id).map(\.rerunsSpent) == [0, 0])
        #expect(lab.plan(id)?.result == .success)
        lab.expectSound()
    }

    @Test func theLossOfANodeWhoseMemberHasEndedIsALossOfTheAttempt() throws {
        var (lab, id) = try begun()
        lab.end(0)
        lab.lose("app/0")
        #expect(lab.works.filter { $0.act.spec.runsTest }.allSatisfy { $0.isInterrupted })
        lab.settle()
        #expect(lab.results(id) == ["api//t#1 infra", "api//t#2 pass"])
        lab.expectSound()
    }

    @Test func whenOneCannotBeBegunTheOthersDoNotWaitForIt() throws {
        var (lab, id) = try begun { $0.label == "api//t#1" ? .fails(.unresolved, "no such value") : .succeeds }
        lab.end(0)
        #expect(lab.works.allSatisfy { $0.isInterrupted })
        lab.settle()
        #expect(lab.results(id) == ["api//t#1 error"])
        #expect(lab.attempts(id).first?.note == "server: no such value")
        lab.expectSound()
    }

    @Test func aMissingSecretStopsAllAndIsAskedForOnce() throws {
        var hasSecret = false
        var (lab, id) = try begun { work in
            work.label.contains("client-1") && !hasSecret
                ? .fails(.missingSecret, "the secret 'x' is not there") : .succeeds
        }
        lab.settle()
        #expect(lab.plan(id)?.state == .paused)
        #expect(lab.plan(id)?.reason == "api//t#1 [client-1]: the secret 'x' is not there")
        #expect(lab.attempts(id) == [])
        hasSecret = true
        lab.forgetEndings()
        lab.restart()
        lab.request(.resume(id))
        lab.settle()
        #expect(lab.results(id) == ["api//t#1 pass"])
        lab.expectSound()
    }

    // MARK: On request

    @Test func cancellingEndsAllMembersAndResumingRepeatsThem() throws {
        var (lab, id) = try begun(keep: .always)
        lab.end(0)
        lab.request(.cancel(id))
        #expect(lab.works.allSatisfy { $0.isInterrupted })
        lab.settle()
        #expect(lab.plan(id)?.state == .paused)
        #expect(lab.results(id) == ["api//t#1 cancelled"])
        lab.request(.resume(id))
        lab.settle()
        #expect(lab.results(id) == ["api//t#1 cancelled", "api//t#2 pass"])
        lab.expectSound()
    }

    @Test func haltingLeavesNoMemberBehind() throws {
        var (lab, id) = try begun([team("t", "server client:2"), team("u", "n:3")])
        lab.end(0)
        lab.request(.halt(id))
        #expect(lab.plan(id)?.state == .stopped)
        #expect(lab.results(id) == ["api//t#1 cancelled", "api//u#1 cancelled"])
        #expect(lab.rows.steps[id]?.filter { $0.spec.runsTest }.allSatisfy { $0.state == .cancelled } == true)
        lab.expectSound()
    }

    // MARK: Going away, and crashes

    @Test func aMemberThatGoesAwayIsStartedAgainOnItsNodeWhileTheOthersRun() throws {
        var (lab, id) = try begun { $0.label.contains("client-0") && $0.act.number < 3 ? .goesAway : .succeeds }
        lab.end("client-0")
        #expect(Set(works(lab)) == Set(members))
        lab.settle()
        #expect(lab.started("client-0").count == 3)
        #expect(Set(lab.started("client-0")).count == 1, "each start is on the same node")
        #expect(lab.results(id) == ["api//t#1 pass"])
        lab.expectSound()
    }

    @Test func whatHadEndedBeforeACrashIsFoundAgain() throws {
        var (lab, id) = try begun { $0.label.contains("client-0") ? .exits(1) : .succeeds }
        lab.end("client-0")
        lab.restart()
        #expect(works(lab) == ["api//t#1", "api//t#1 [client-1]"])
        lab.end(0)
        lab.restart()
        lab.request(.resume(id))
        #expect(works(lab) == ["api//t#1 [client-1]"])
        lab.settle()
        #expect(lab.results(id) == ["api//t#1 fail"])
        #expect(lab.attempts(id).first?.note == "client-0: exit 1")
        lab.expectSound()
    }

    @Test func membersThatNeverLeftBeginOnTheirNodesBesideTheOthers() throws {
        var (lab, id) = try begun()
        let nodes = lab.works.map(\.node)
        lab.statusScript = { $0.spec.action == .member ? .neverStarted : nil }
        lab.restart()
        lab.statusScript = nil
        #expect(works(lab) == ["api//t#1"], "nobody has asked to go on yet")
        lab.request(.resume(id))
        #expect(works(lab) == members)
        #expect(lab.works.map(\.node) == nodes)
        lab.settle()
        #expect(lab.results(id) == ["api//t#1 pass"])
        lab.expectSound()
    }

    @Test func aMemberThatWentAwayWhileTheRunWasHeldGoesOnWithIt() throws {
        var (lab, id) = try begun { $0.label.contains("client-0") && $0.act.number == 1 ? .goesAway : .succeeds }
        lab.restart()
        lab.end("client-0")
        lab.end(0)
        #expect(works(lab) == ["api//t#1 [client-1]"])
        lab.request(.resume(id))
        #expect(works(lab) == ["api//t#1 [client-1]", "api//t#1 [client-0]"])
        lab.settle()
        #expect(lab.results(id) == ["api//t#1 pass"])
        lab.expectSound()
    }

    @Test func whenTheFirstMemberWasLostInACrashAllAreRepeated() throws {
        var (lab, id) = try begun()
        lab.end("client-0")
        let node = try #require(lab.works.first?.act.node)
        lab.loseUnheard(node)
        lab.restartAndResume()
        lab.end(0)
        #expect(lab.works.filter { $0.label.contains("client-1") }.allSatisfy { $0.isInterrupted })
        lab.settle()
        #expect(lab.results(id) == ["api//t#1 infra", "api//t#2 pass"])
        lab.expectSound()
    }

    @Test func aMemberOfWhichNobodyCanTellIsLost() throws {
        var (lab, id) = try begun()
        lab.statusScript = { $0.spec.memberIndex == 1 ? .unknown("its supervisor is gone") : nil }
        lab.restartAndResume()
        lab.statusScript = nil
        lab.settle()
        #expect(lab.results(id) == ["api//t#1 infra", "api//t#2 pass"])
        lab.expectSound()
    }

    @Test func oneThatWaitsForNodesWaitsForAllOfThemAfterARestart() throws {
        var (lab, id) = try start()
        lab.end("app/0:1")
        lab.restartAndResume()
        #expect(!lab.works.contains { $0.act.spec.runsTest })
        lab.settle()
        #expect(lab.results(id) == ["api//t#1 pass"])
        lab.expectSound()
    }

    // MARK: Rows that cannot be

    @Test func membersThatDoNotFitTogetherAreAFlaw() throws {
        let (lab, _) = try begun()
        let whole = try #require(lab.rows.snapshot().plans.first)
        #expect(whole.flaw == nil)
        let lead = try #require(whole.steps.firstIndex { $0.spec.action == .attempt })
        func flaw(_ change: (inout Snapshot.Plan) -> Void) -> String? {
            var plan = whole
            change(&plan)
            return plan.flaw
        }
        let flaws = [
            flaw { $0.steps[lead + 1].spec.priority = 2 },
            flaw { $0.steps[lead + 1].spec.priority = .min },
            flaw { $0.steps[lead + 1].spec.c = 2 },
            flaw { $0.steps[lead + 2].state = .pending },
            flaw { $0.steps[lead + 2].resource = $0.steps[lead].resource },
            flaw { _ = $0.steps.removeLast() },
            flaw { $0.spec.suites[0].tests[0].roles = nil },
            flaw { $0.spec.suites[0].tests[0].roles?[0].count = .max },
            flaw { $0.spec.suites[0].tests[0].roles?[0].on = "ext" },
        ]
        #expect(!flaws.contains(nil), "\(flaws)")
    }
}
