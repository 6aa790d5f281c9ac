import MusterTestKit
import Testing

@testable import MusterCore

/// The nodes that tests run on: where a test runs again, what stands in for whom, and who is let go.
@Suite struct PoolTests {
    private func pooled(
        _ tests: [String],
        reruns: Int = 0,
        on groups: [String] = ["app"],
        _ change: (inout SuitePolicy) -> Void
    ) -> SuiteSpec {
        var api = suite("api", on: groups[0], tests, reruns: reruns)
        if groups.count > 1 { api.alsoOn = Array(groups.dropFirst()) }
        var policy = SuitePolicy()
        change(&policy)
        api.policy = policy
        return api
    }

    private func start(
        _ suite: SuiteSpec,
        nodes: Int = 2,
        keep: Keep = .never,
        undo: Bool = false,
        script: @escaping (DirectorHarness.Work) -> DirectorHarness.Ending = { _ in .succeeds }
    ) -> (lab: DirectorHarness, id: PlanID?) {
        var lab = DirectorHarness(script: script)
        var app = group("app", nodes, undo: undo)
        app.spares = suite.rules.spares > 0 ? suite.rules.spares : nil
        let id = lab.submit(run(.test, [app], [suite], keep: keep))
        return (lab, id)
    }

    private func nodes(_ lab: DirectorHarness, _ id: PlanID?, of test: String) -> [NodeID?] {
        lab.attempts(id).filter { $0.test == test }.map(\.nodeID)
    }

    private static func fails(_ label: String, times: Int) -> @Sendable (DirectorHarness.Work) -> DirectorHarness.Ending
    {
        { work in
            guard work.label.hasPrefix("api//\(label)#"), let number = Int(work.label.split(separator: "#")[1]) else {
                return .succeeds
            }
            return number <= times ? .exits(1) : .succeeds
        }
    }

    // MARK: Running again

    @Test func aTestRunsAgainOnTheSameNode() {
        let api = pooled(["a", "b", "c", "d"], reruns: 2) { $0.rerunOn = .same }
        var (lab, id) = start(api, nodes: 3, script: Self.fails("a", times: 2))
        lab.settle()
        let found = nodes(lab, id, of: "a")
        #expect(found.count == 3)
        #expect(Set(found).count == 1)
        lab.expectSound()
    }

    @Test func aTestRunsAgainOnOtherNodesThanThoseOnWhichItFailed() {
        let api = pooled(["a", "b", "c", "d"], reruns: 2) { $0.rerunOn = .other }
        var (lab, id) = start(api, nodes: 3, script: Self.fails("a", times: 2))
        lab.settle()
        let found = nodes(lab, id, of: "a")
        #expect(found.count == 3)
        #expect(Set(found).count == 3)
        lab.expectSound()
    }

    @Test func withoutAnotherNodeATestRunsAgainOnTheOneThereIs() {
        let api = pooled(["a", "b"], reruns: 1) { $0.rerunOn = .other }
        var (lab, id) = start(api, nodes: 1, script: Self.fails("a", times: 1))
        lab.settle()
        #expect(lab.results(id) == ["api//a#1 fail", "api//a#2 pass", "api//b#1 pass"])
        #expect(lab.started("api//").last?.hasPrefix("api//a#2") == true, "only when nothing else can run")
        lab.expectSound()
    }

    @Test func aTestRunsAgainOnAFreshNode() {
        let api = pooled(["a", "b", "c"], reruns: 2) { $0.rerunOn = .fresh }
        var (lab, id) = start(api, nodes: 2, script: Self.fails("a", times: 2))
        lab.settle()
        let found = nodes(lab, id, of: "a").compactMap { $0?.rawValue }
        #expect(found.count == 3)
        #expect(found == found.sorted() && Set(found).count == 3, "each was made after the one before")
        let attempts = lab.attempts(id).sorted { $0.endedAt < $1.endedAt || $0.step < $1.step }
        for (place, attempt) in attempts.enumerated() where attempt.test == "a" && attempt.number > 1 {
            let before = attempts[..<place].map(\.nodeID)
            #expect(!before.contains(attempt.nodeID), "no test has run there before")
        }
        #expect(lab.plan(id)?.result != .error)
        #expect(lab.nodeStates == [])
        lab.expectSound()
    }

    @Test func aTestWhoseNodeIsLostNeedNotWaitForIt() {
        let api = pooled(["a"], reruns: 1) { $0.rerunOn = .same }
        var (lab, id) = start(api, nodes: 2) { work in
            switch work.label {
            case "api//a#1": .exits(1)
            case "api//a#2": .losesNode("server ended")
            default: .succeeds
            }
        }
        lab.settle()
        #expect(lab.results(id) == ["api//a#1 fail", "api//a#2 infra", "api//a#3 pass"])
        lab.expectSound()
    }

    @Test func onlyWantedOutcomesAreTriedAgain() {
        let api = pooled(["a", "b"], reruns: 3) { $0.rerunWhen = [.error] }
        var (lab, id) = start(api) { work in
            switch work.label {
            case "api//a#1": .exits(1)
            case "api//b#1": .fails(.notStarted, "no interpreter")
            default: .succeeds
            }
        }
        lab.settle()
        #expect(lab.results(id) == ["api//a#1 fail", "api//b#1 error", "api//b#2 pass"])
        lab.expectSound()
    }

    @Test func aNodeIsMadeAnewAfterSomeOutcomes() {
        let api = pooled(["a", "b", "c"]) { $0.renewAfter = [.fail] }
        var (lab, id) = start(api, nodes: 1, script: Self.fails("a", times: 1))
        lab.settle()
        #expect(nodes(lab, id, of: "a") != nodes(lab, id, of: "b"))
        #expect(nodes(lab, id, of: "b") == nodes(lab, id, of: "c"))
        lab.expectSound()
    }

    @Test func afterEnoughFailuresNoFurtherTestRuns() {
        let api = pooled(["a", "b", "c", "d", "e"], reruns: 1) { $0.stopAfter = 2 }
        var (lab, id) = start(api, nodes: 1) { work in
            ["a", "b", "c"].contains { work.label.hasPrefix("api//\($0)#") } ? .exits(1) : .succeeds
        }
        lab.settle { $0.attempts(id).filter { $0.test == "a" }.count == 2 && $0.attempts(id).count > 4 }
        lab.settle()
        let last = Dictionary(grouping: lab.attempts(id), by: \.test).mapValues { $0.last?.outcome }
        #expect(last["a"] == .fail)
        #expect(last.values.filter { $0 == .fail }.count >= 2)
        #expect(lab.attempts(id).filter { $0.note?.contains("stop-after") == true }.count >= 1)
        #expect(last.count == 5, "each test has its end")
        #expect(lab.plan(id)?.result == .error)
        #expect(lab.nodeStates == [])
        lab.expectSound()
    }

    @Test func aTestThatWaitsForAPersonIsNotRunAfterEnoughFailures() throws {
        let api = pooled(["a", "b"]) { $0.stopAfter = 1 }
        var (lab, id) = start(api) { work in
            switch work.label {
            case "api//a#1": .exits(1)
            case "api//b#1": .fails(.missingSecret, "the secret 'x' is not there")
            default: .succeeds
            }
        }
        lab.settle { $0.works.contains { $0.label == "api//b#1" } }
        lab.end("api//b")
        lab.settle()
        #expect(lab.plan(id)?.state == .paused)
        lab.request(.resume(try #require(id)))
        lab.settle()
        #expect(lab.results(id) == ["api//a#1 fail", "api//b#1 skip"])
        lab.expectSound()
    }

    // MARK: Several groups

    @Test func testsRunOnTheNodesOfSeveralGroups() {
        var lab = DirectorHarness()
        let api = pooled(["a", "b", "c", "d"], on: ["app", "ext"]) { _ in }
        let id = lab.submit(run(.test, [group("app", 1), group("ext", 1)], [api]))
        lab.settle()
        #expect(Set(lab.attempts(id).compactMap(\.node?.group)) == ["app", "ext"])
        #expect(lab.plan(id)?.result == .success)
        lab.expectSound()
    }

    @Test func aBrokenPoolDoesNotEndTheRunWhileAnotherWorks() {
        var lab = DirectorHarness { $0.label.hasPrefix("ext") && !$0.label.contains("destroy") ? .exits(1) : .succeeds }
        let api = pooled(["a", "b", "c", "d"], on: ["ext", "app"]) { _ in }
        var ext = group("ext", 3, runs: 1)
        ext.failedSetupsMax = 1
        let id = lab.submit(run(.test, [ext, group("app", 1)], [api]))
        lab.settle()
        #expect(lab.results(id) == ["a", "b", "c", "d"].map { "api//\($0)#1 pass" })
        #expect(lab.nodeStates == [])
        lab.expectSound()
    }

    @Test func aSuiteThatSharesOneOfItsGroupsGetsItsTurnByPriority() {
        var lab = DirectorHarness()
        let both = pooled(["a", "b"], on: ["app", "ext"]) { _ in }
        var own = suite("own", on: "app", ["x"])
        own.tests[0].priority = 9
        let id = lab.submit(run(.test, [group("app", 1), group("ext", 1)], [both, own]))
        lab.settle()
        #expect(lab.started("own//x#1 on app/0").count == 1)
        #expect(lab.attempts(id).count == 3)
        lab.expectSound()
    }

    // MARK: Spares

    @Test func aSpareStandsInAtOnce() {
        let api = pooled(["bang", "a", "b"]) { $0.spares = 1 }
        var (lab, id) = start(api, nodes: 1)
        lab.settle { $0.started("api//a").count == 1 }
        #expect(lab.attempts(id).map(\.test) == ["bang"])
        #expect(lab.started("app/0 destroy").count == 1)
        #expect(!lab.story.contains { $0.hasPrefix("■ app/0 destroy") }, "nobody waits for the replacement")
        lab.settle()
        #expect(lab.plan(id)?.result == .success)
        #expect(lab.nodeStates == [])
        lab.expectSound()
    }

    @Test func sparesDoNotWorkBesideTheOthers() {
        let api = pooled(["a", "b", "c", "d", "e", "f"]) { $0.spares = 2 }
        var (lab, id) = start(api, nodes: 2)
        var most = 0
        lab.afterTurn = { lab in most = max(most, lab.works.count { $0.act.spec.action == .attempt }) }
        lab.settle()
        lab.afterTurn = nil
        #expect(most == 2)
        #expect(lab.attempts(id).count == 6)
        lab.expectSound()
    }

    @Test func sparesAreLetGoAlsoWhereMachinesStay() {
        let api = pooled(["a", "b"]) { $0.spares = 2 }
        var (lab, id) = start(api, nodes: 1, keep: .always)
        lab.settle()
        #expect(lab.plan(id)?.result == .success)
        #expect(lab.nodeStates == ["app/0 ready"])
        lab.expectSound()
    }

    // MARK: Nodes that are not needed any more

    @Test func nodesThatNoTestCanNeedGoWhileOthersWork() {
        var (lab, id) = start(pooled(["a", "b", "c"]) { _ in }, nodes: 3)
        for _ in 0..<3 { lab.end("process") }
        lab.end("api//b")
        #expect(lab.works.map(\.label).contains { $0.contains("destroy") })
        lab.end("destroy")
        #expect(lab.nodeStates.count == 2)
        #expect(lab.works.map(\.label).contains("api//a#1"))
        lab.settle()
        #expect(lab.plan(id)?.result == .success)
        #expect(lab.nodeStates == [])
        #expect(lab.started("destroy").count == 3, "each is destroyed once")
        lab.expectSound()
    }

    @Test func aNodeThatComesTooLateForAnyTestGoesAtOnce() {
        var (lab, id) = start(pooled(["a", "b"]) { _ in }, nodes: 4)
        for node in 0..<3 { lab.end("app/\(node):1") }
        #expect(lab.started("destroy") == ["app/2 destroy"])
        #expect(lab.results(id) == [], "no test has ended yet")
        lab.end("app/3:1")
        #expect(lab.started("destroy") == ["app/2 destroy", "app/3 destroy"])
        lab.settle()
        #expect(lab.plan(id)?.result == .success)
        #expect(lab.nodeStates == [])
        lab.expectSound()
    }

    @Test func aNodeWhoseLastTestEndedWithNobodyThereGoesWhenTheRunGoesOn() throws {
        var (lab, id) = start(pooled(["a", "b"]) { _ in }, nodes: 2)
        for node in 0..<2 { lab.end("app/\(node):1") }
        lab.restart()
        lab.end("api//a#1")
        #expect(lab.started("destroy") == [], "nobody has said that it is to go on")
        lab.request(.resume(try #require(id)))
        #expect(lab.started("destroy") == ["app/0 destroy"])
        lab.settle()
        #expect(lab.plan(id)?.result == .success)
        lab.expectSound()
    }

    @Test func aReleaseThatFailsIsToldAndTriedAgainAtTheEnd() {
        var tries = 0
        var (lab, id) = start(pooled(["a", "b"]) { _ in }, nodes: 2) { work in
            guard work.label.contains("destroy") else { return .succeeds }
            tries += 1
            return tries == 1 ? .fails(.refused, "busy") : .succeeds
        }
        lab.settle()
        #expect(tries == 3)
        #expect(lab.plan(id)?.result == .warning)
        #expect(lab.nodeStates == [])
        #expect(lab.results(id) == ["api//a#1 pass", "api//b#1 pass"])
        lab.expectSound()
    }

    @Test func whatCannotBeUndoneOfANodeThatIsLetGoIsAskedAtTheEnd() {
        var hasSecret = false
        var (lab, id) = start(pooled(["a", "b"]) { _ in }, nodes: 2, undo: true) { work in
            work.label.contains("undo") && !hasSecret
                ? .fails(.missingSecret, "the secret 'x' is not there") : .succeeds
        }
        lab.settle()
        #expect(lab.results(id) == ["api//a#1 pass", "api//b#1 pass"])
        #expect(lab.plan(id)?.state == .paused)
        #expect(lab.plan(id)?.phase == .teardown)
        hasSecret = true
        lab.forgetEndings()
        id.map { lab.request(.resume($0)) }
        lab.settle()
        #expect(lab.plan(id)?.state == .stopped)
        #expect(lab.nodeStates == [])
        lab.expectSound()
    }

    @Test func machinesThatStayAreNotLetGo() {
        var (lab, _) = start(pooled(["a"]) { _ in }, nodes: 3, keep: .always)
        lab.settle()
        #expect(lab.started("destroy") == [])
        #expect(lab.nodeStates.count == 3)
        lab.expectSound()
    }

    @Test func nodesThatOthersNeedStay() {
        var lab = DirectorHarness()
        let id = lab.submit(
            run(
                .test,
                [group("db", 2), group("app", 1, needs: needs("db"))],
                [suite("one", on: "db", ["x"]), suite("two", on: "app", ["a", "b", "c"])]
            )
        )
        lab.settle { $0.attempts(id).count == 3 }
        #expect(lab.started("db/0 destroy") + lab.started("db/1 destroy") == [])
        lab.settle()
        #expect(lab.plan(id)?.result == .success)
        lab.expectSound()
    }

    // MARK: Going away

    /// A test that goes away twice, `a`, beside others.
    private func awayTwice(keep: Keep = .never) -> (lab: DirectorHarness, id: PlanID?) {
        start(suite("api", on: "app", ["a", "b", "c", "d"]), nodes: 2, keep: keep) { work in
            work.label == "api//a#1" && work.act.number < 3 ? .goesAway : .succeeds
        }
    }

    @Test func aTestThatGoesAwayIsOneAttemptOnOneNode() {
        var (lab, id) = awayTwice()
        lab.settle()
        #expect(lab.started("api//a#1").count == 3)
        #expect(Set(lab.started("api//a#1")).count == 1, "each start is on the same node")
        #expect(lab.results(id) == ["a", "b", "c", "d"].map { "api//\($0)#1 pass" })
        lab.expectSound()
    }

    @Test func aStartThatNeverLeftIsMadeOnTheSameNodeAfterACrash() throws {
        var (lab, id) = awayTwice(keep: .always)
        // It runs on the second node, and the first is free by then: whoever forgot where it was would take that.
        lab.end("app/1:1")
        lab.end("app/0:1")
        let node = try #require(lab.works.first { $0.label == "api//a#1" }?.node)
        #expect(node.description == "app/1")
        for test in ["b", "c", "d"] { lab.end("api//\(test)#1") }
        lab.end("api//a#1")
        // What was decided was stored, and the conductor killed before it was performed.
        lab.statusScript = { $0.spec.action == .attempt && $0.number == 2 ? .neverStarted : nil }
        lab.restart()
        lab.statusScript = nil
        lab.request(.resume(try #require(id)))
        lab.settle()
        #expect(lab.attempts(id).first { $0.test == "a" }?.node == node)
        #expect(lab.results(id) == ["a", "b", "c", "d"].map { "api//\($0)#1 pass" })
        lab.expectSound()
    }

    @Test func aTestThatAlwaysGoesAwayIsNoPass() {
        var (lab, id) = start(suite("api", on: "app", ["a"]), nodes: 1) {
            $0.label == "api//a#1" ? .goesAway : .succeeds
        }
        lab.settle()
        #expect(lab.started("api//a#1").count == 1 + Defaults.restartsMax)
        #expect(lab.results(id) == ["api//a#1 error"])
        lab.expectSound()
    }

    // MARK: From a seed

    /// A lab of one or two groups and a suite with any policy, in a world where anything fails, loses nodes, and the
    /// conductor is killed after any turn.
    @Test func eachTestEndsOnceWhateverHappens() throws {
        for seed in Seeds.first(300) { try live(seed: UInt64(seed)) }
    }

    private func live(seed: UInt64) throws {
        var chance = SeededChance(seed: seed)
        func up(to most: Int) -> Int { Int.random(in: 0...most, using: &chance) }
        let names = (0...up(to: 7)).map { up(to: 4) == 0 ? "bang\($0)" : "t\($0)" }
        let reruns = up(to: 2)
        let isBroad = up(to: 1) == 1
        let api = pooled(names, reruns: reruns, on: isBroad ? ["app", "ext"] : ["app"]) { policy in
            policy.rerunOn = SuitePolicy.RerunPlace.allCases[up(to: 3)]
            policy.spares = up(to: 2)
            if up(to: 3) == 0 { policy.renewAfter = [.fail] }
            if up(to: 3) == 0 { policy.stopAfter = 1 + up(to: 2) }
        }
        var app = group("app", 1 + up(to: 2), runs: up(to: 1), onFailure: up(to: 1) == 0 ? .replace : .fail)
        app.spares = api.rules.spares
        if up(to: 2) == 0 { app.standby = up(to: 3) }
        let ext = group("ext", 1 + up(to: 1))
        let most = app.count + (app.standby ?? 0) + (isBroad ? ext.count : 0)
        var world = SeededChance(seed: seed &+ 1)
        var lab = DirectorHarness(seed: seed) { work in
            let roll = Int.random(in: 0..<20, using: &world)
            if work.act.spec.action == .destroy { return roll == 0 ? .fails(.refused, "busy") : .succeeds }
            switch roll {
            case 0...4: return .exits(1)
            case 5: return .losesNode("server ended")
            case 6: return .ends(lostNode: "server ended")
            default: return .succeeds
            }
        }
        let keep: Keep = [.never, .always, .onFailure][up(to: 2)]
        let id = try lab.begin(run(.test, isBroad ? [app, ext] : [app], [api], keep: keep))
        var steps = 0
        while lab.plan(id)?.state.isFinal != true, steps < 2000 {
            steps += 1
            if up(to: 9) == 0 { lab.restartAndResume() }
            #expect(lab.works.count { $0.act.spec.action == .attempt } <= most, "seed \(seed)")
            if !lab.works.isEmpty { lab.end(up(to: lab.works.count - 1)) } else if !lab.passTime() { break }
        }
        #expect(lab.plan(id)?.state == .stopped, "seed \(seed): \(lab.story)")
        let attempts = Dictionary(grouping: lab.attempts(id).filter { !$0.isCancelled }, by: \.test)
        #expect(Set(attempts.keys) == Set(names), "seed \(seed)")
        for (test, attempts) in attempts {
            #expect(attempts.map(\.number) == Array(1...attempts.count), "seed \(seed): \(test)")
            #expect(attempts.count { $0.outcome == .fail } <= 1 + reruns, "seed \(seed): \(test)")
            #expect(attempts.dropLast().allSatisfy { $0.outcome != .pass }, "seed \(seed): \(test)")
        }
        lab.expectSound("seed \(seed)")
    }
}
