import MusterTestKit
import Testing

@testable import MusterCore

@Suite struct TestRunTests {
    private func start(
        _ suites: [SuiteSpec],
        nodes: Int = 2,
        keep: Keep = .never,
        undo: Bool = false,
        script: @escaping (DirectorHarness.Work) -> DirectorHarness.Ending = { _ in .succeeds }
    ) -> (lab: DirectorHarness, id: PlanID?) {
        var lab = DirectorHarness(script: script)
        let id = lab.submit(run(.test, [group("app", nodes, undo: undo)], suites, keep: keep))
        return (lab, id)
    }

    private let five = ["a", "b", "c", "d", "e"]

    @Test func testsRunOneAtATimeOnEachNode() {
        var (lab, id) = start([suite("api", on: "app", five)])
        lab.settle()
        #expect(lab.plan(id)?.state == .stopped)
        #expect(lab.plan(id)?.result == .success)
        #expect(lab.results(id) == five.map { "api//\($0)#1 pass" })
        #expect(lab.worksMax == 2)
        #expect(Set(lab.attempts(id).compactMap(\.node?.description)) == ["app/0", "app/1"])
        #expect(lab.nodeStates == [], "it takes down what it brought up")
        lab.expectSound()
    }

    @Test func theNextFreeNodeTakesTheTestWithTheHighestPriority() {
        var api = suite("api", on: "app", five)
        for (index, priority) in [1, 5, 3, 5, 0].enumerated() { api.tests[index].priority = Int64(priority) }
        var (lab, _) = start([api], nodes: 1)
        lab.settle()
        #expect(lab.started("api//").map { $0.dropFirst(5).prefix(1) } == ["b", "d", "c", "a", "e"])
        lab.expectSound()
    }

    @Test func testsStartWhileOtherNodesAreStillBeingMade() {
        var (lab, _) = start([suite("api", on: "app", five)])
        lab.end("app/1:1")
        #expect(lab.works.map(\.label) == ["app/0:1 process: ./server", "api//a#1"])
        lab.settle()
        lab.expectSound()
    }

    @Test func aFailedTestRunsAgainWhileItHasReruns() {
        var (lab, id) = start([suite("api", on: "app", five, reruns: 2)]) { work in
            switch work.label {
            case "api//a#1", "api//a#2", "api//b#1": .exits(1)
            case let label where label.contains("//c#"): .exits(1)
            case "api//d#1": .exits(77)
            default: .succeeds
            }
        }
        lab.settle()
        #expect(
            lab.results(id) == [
                "api//a#1 fail", "api//a#2 fail", "api//a#3 pass", "api//b#1 fail", "api//b#2 pass", "api//c#1 fail",
                "api//c#2 fail", "api//c#3 fail", "api//d#1 skip", "api//e#1 pass",
            ]
        )
        #expect(lab.plan(id)?.result == .error)
        #expect(lab.attempts(id).filter { $0.test == "c" }.map(\.rerunsSpent) == [1, 2, 2])
        lab.expectSound()
    }

    @Test func aFlakyTestFailsItsRunOnlyWhenAskedTo() {
        for flakyFails in [false, true] {
            var lab = DirectorHarness { $0.label == "api//a#1" ? .exits(1) : .succeeds }
            var spec = run(.test, [group("app")], [suite("api", on: "app", ["a"], reruns: 1)], keep: .onFailure)
            spec.flakyFails = flakyFails
            let id = lab.submit(spec)
            lab.settle()
            #expect(lab.plan(id)?.result == .success)
            #expect(lab.nodeStates == (flakyFails ? ["app/0 ready"] : []))
            lab.expectSound()
        }
    }

    // MARK: Nodes that go

    @Test func aDestructiveTestUsesItsNodeUpAndTheQueueGoesOn() {
        var (lab, id) = start([suite("api", on: "app", ["a", "bang", "b", "c"])], nodes: 1, keep: .always)
        lab.settle()
        #expect(lab.results(id).count == 4)
        #expect(Set(lab.attempts(id).map(\.outcome)) == [.pass])
        let nodes = Dictionary(grouping: lab.attempts(id), by: \.nodeID)
        #expect(nodes.count == 2, "what came after it ran on a fresh node")
        #expect(lab.started("app/0 destroy").count == 1)
        #expect(lab.nodeStates == ["app/0 ready"])
        lab.expectSound()
    }

    @Test func aDestructiveTestThatComesLastLeavesNoReplacementBehind() {
        var (lab, id) = start([suite("api", on: "app", ["bang"])], nodes: 1)
        lab.settle()
        #expect(lab.started("app/0:1").count == 1)
        #expect(lab.plan(id)?.result == .success)
        #expect(lab.nodeStates == [])
        lab.expectSound()
    }

    @Test func aDestructiveTestIsJudgedByItsOwnEnd() {
        for (status, outcome) in [(0, Outcome.pass), (1, .fail)] {
            var (lab, id) = start([suite("api", on: "app", ["bang", "a"])], nodes: 1) {
                $0.label.contains("bang") ? .outlivesNode(status: status) : .succeeds
            }
            lab.settle()
            #expect(lab.attempts(id).first { $0.test == "bang" }?.outcome == outcome)
            #expect(lab.attempts(id).first { $0.test == "a" }?.outcome == .pass)
            lab.expectSound()
        }
    }

    @Test(arguments: [true, false])
    func aTestWhoseNodeIsLostIsRepeatedAndSpendsNoRerun(_ isHeard: Bool) {
        var (lab, id) = start([suite("api", on: "app", five, reruns: 1)]) { work in
            switch work.label {
            case "api//b#1": isHeard ? .losesNode("server ended") : .ends(lostNode: "server ended")
            case "api//b#2": .exits(1)
            default: .succeeds
            }
        }
        lab.settle()
        let b = lab.attempts(id).filter { $0.test == "b" }
        #expect(b.map(\.outcome) == [.infra, .fail, .pass])
        #expect(b.map(\.rerunsSpent) == [0, 1, 1])
        #expect(b.first?.note == "server ended")
        #expect(lab.rows.events.contains { $0.kind == .nodeReplaced })
        #expect(lab.plan(id)?.result != .error)
        lab.expectSound()
    }

    @Test func aNodeLostWhileIdleIsReplacedWhileTestsWantIt() {
        var (lab, id) = start([suite("api", on: "app", ["a", "b"])], nodes: 3)
        for node in 0..<3 { lab.end("app/\(node):1") }
        lab.lose("app/2")
        #expect(lab.works.contains { $0.label == "app/2 destroy" })
        lab.settle()
        #expect(lab.results(id) == ["api//a#1 pass", "api//b#1 pass"])
        lab.expectSound()
    }

    @Test func losingEveryNodeEndsTheTestsAsInfraWithTheReason() {
        var (lab, id) = start([suite("api", on: "app", ["a", "b", "c"])], nodes: 1, keep: .always) {
            $0.label.hasPrefix("api//") ? .losesNode("kernel panic") : .succeeds
        }
        lab.settle()
        #expect(lab.plan(id)?.state == .stopped)
        #expect(lab.plan(id)?.result == .error)
        let last = lab.attempts(id).filter { $0.test == "c" }.last
        #expect(last?.outcome == .infra)
        #expect(last?.note == "not run: app/0: kernel panic")
        #expect(lab.attempts(id).count { $0.outcome == .infra && $0.test == "a" } <= Defaults.infraAttemptsMax)
        #expect(lab.started("app/0:1").count == 1 + Defaults.replacementsMax)
        lab.expectSound()
    }

    @Test func testsWithoutANodeSayWhichFailureIsToBlame() {
        var (lab, id) = start([suite("api", on: "app", ["a", "b"])]) {
            $0.label.contains(":1") ? .exits(9) : .succeeds
        }
        lab.settle()
        #expect(lab.results(id) == ["api//a#1 infra", "api//b#1 infra"])
        #expect(lab.attempts(id).first?.note == "not run: app/0:1 process: ./server failed: exit 9")
        #expect(lab.nodeStates == [])
        lab.expectSound()
    }

    @Test func aSuiteWhoseGroupHasNoMachinesEnds() {
        var lab = DirectorHarness()
        let id = lab.submit(
            run(.test, [gate("all", needs: [])], [suite("api", on: "all", ["a"], before: true, after: true)])
        )
        lab.settle()
        #expect(lab.plan(id)?.state == .stopped)
        #expect(lab.plan(id)?.result == .error)
        #expect(lab.results(id) == ["api//a#1 infra"])
        lab.expectSound()
    }

    @Test func aSuiteWaitsForTheGroupsItNeeds() {
        var lab = DirectorHarness()
        let id = lab.submit(
            run(.test, [group("db"), group("app")], [suite("api", on: "app", ["a"], needs: needs("db"))])
        )
        lab.end("app/0:1")
        #expect(lab.started("api") == [])
        lab.end("db/0:1")
        #expect(lab.started("api") == ["api//a#1 on app/0"])
        lab.settle()
        #expect(lab.plan(id)?.result == .success)
        lab.expectSound()
    }

    // MARK: Before and after

    @Test func beforeComesBeforeAllTestsAndAfterAfterAll() {
        var (lab, id) = start([suite("api", on: "app", five, reruns: 1, before: true, after: true)]) {
            $0.label == "api//c#1" ? .exits(1) : .succeeds
        }
        lab.settle()
        let order = lab.started("api")
        #expect(order.first?.hasPrefix("api before") == true)
        #expect(order.last?.hasPrefix("api after") == true)
        #expect(order.count == 8)
        #expect(lab.plan(id)?.result == .success)
        lab.expectSound()
    }

    @Test func aFailedBeforeEndsTheTestsAsErrorAndStillRunsAfter() {
        var (lab, id) = start([suite("api", on: "app", ["a", "b"], reruns: 3, before: true, after: true)]) {
            $0.label == "api before" ? .exits(2) : .succeeds
        }
        lab.settle()
        #expect(lab.results(id) == ["api//a#1 error", "api//b#1 error"])
        #expect(lab.attempts(id).first?.note == "the suite's 'before' failed: exit 2")
        #expect(lab.started("api").map { $0.prefix(9) } == ["api befor", "api after"])
        #expect(lab.plan(id)?.result == .error)
        lab.expectSound()
    }

    @Test func aBeforeThatLostItsNodeBlamesNoTest() {
        var (lab, id) = start([suite("api", on: "app", ["a"], before: true, after: true)], nodes: 1) {
            $0.label == "api before" ? .losesNode("gone") : .succeeds
        }
        lab.settle()
        #expect(lab.results(id) == ["api//a#1 infra"])
        #expect(lab.started("api after").count == 1, "on a node that was made for it")
        lab.expectSound()
    }

    @Test func afterDoesNotRunWhenNothingBegan() {
        for before in [true, false] {
            var (lab, id) = start([suite("api", on: "app", ["a"], before: before, after: true)]) {
                $0.label.contains(":1") ? .exits(1) : .succeeds
            }
            lab.settle()
            #expect(lab.started("api") == [])
            #expect(lab.results(id) == ["api//a#1 infra"])
            #expect(lab.plan(id)?.result == .error)
            lab.expectSound()
        }
    }

    @Test func afterRunsOnAFreshNodeWhenTheLastTestUsedItUp() {
        var (lab, id) = start([suite("api", on: "app", ["bang"], after: true)], nodes: 1)
        lab.settle()
        #expect(lab.started("api after") == ["api after on app/0"])
        #expect(lab.plan(id)?.result == .success)
        lab.expectSound()
    }

    @Test func anAfterForWhichNoNodeIsLeftIsSkipped() {
        var (lab, id) = start([suite("api", on: "app", ["bang"], after: true)], nodes: 1) {
            $0.label == "app/0:1 process: ./server" && $0.act.node != NodeID(1) ? .exits(1) : .succeeds
        }
        lab.settle()
        #expect(lab.plan(id)?.state == .stopped)
        #expect(lab.results(id) == ["api//bang#1 pass"])
        #expect(lab.started("api after") == [])
        lab.expectSound()
    }

    // MARK: Sharing

    @Test func readyNodesAreReusedAndLeftUp() {
        var lab = DirectorHarness()
        let groups = [group("db"), group("app", 2, needs: needs("db"))]
        lab.submit(run(.up, groups))
        lab.settle()
        let made = lab.rows.nodes.count
        let id = lab.submit(run(.test, groups + [group("web")], [suite("api", on: "app", five)]))
        #expect(lab.rows.nodes.values.filter { $0.heldBy == id }.count == 4)
        lab.settle()
        #expect(lab.results(id).count == 5)
        #expect(lab.rows.nodes.count == made + 1)
        #expect(lab.nodeStates == ["app/0 ready", "app/1 ready", "db/0 ready"], "and only what it made is gone")
        #expect(lab.rows.nodes.values.allSatisfy { $0.heldBy == nil })
        lab.expectSound()
    }

    @Test func twoSuitesShareTheNodesOfAGroup() {
        var (lab, id) = start([
            suite("api", on: "app", five, before: true, after: true), suite("web", on: "app", five, after: true),
        ])
        lab.settle()
        #expect(lab.results(id).count == 10)
        #expect(lab.worksMax == 2)
        #expect(lab.plan(id)?.result == .success)
        lab.expectSound()
    }

    /// A node that takes the place of one that was up before waits for what its group needs, as every node does.
    @Test func aReplacementWaitsForWhatItsGroupNeeds() throws {
        var lab = DirectorHarness()
        lab.submit(run(.up, [group("db"), group("app", needs: needs("db"))]))
        lab.settle()
        let groups = [group("db", 2), group("app", needs: needs("db"))]
        _ = try lab.begin(run(.test, groups, [suite("api", on: "app", ["bang", "a"])], keep: .always))
        lab.end("bang#1")
        lab.end("app/0 destroy")
        #expect(lab.started("app/0:1").count == 1, "db/1 is not ready")
        lab.end("db/1:1")
        #expect(lab.started("app/0:1").count == 2)
        lab.settle()
        #expect(lab.nodeStates == ["app/0 ready", "db/0 ready", "db/1 ready"])
        lab.expectSound()
    }
}
