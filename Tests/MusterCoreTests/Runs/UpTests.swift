import MusterTestKit
import Testing

@testable import MusterCore

@Suite struct UpTests {
    @Test func groupsComeUpInOrderOfDependency() {
        var lab = DirectorHarness()
        let id = lab.submit(
            run(
                .up,
                [
                    group("db", runs: 1, ready: true), group("app", 3, needs: needs("db")),
                    group("web", 2, needs: needs("app")),
                ]
            )
        )
        lab.settle()
        #expect(lab.plan(id)?.state == .stopped)
        #expect(lab.plan(id)?.result == .success)
        #expect(
            lab.nodeStates == ["app/0 ready", "app/1 ready", "app/2 ready", "db/0 ready", "web/0 ready", "web/1 ready"]
        )
        #expect(
            Array(lab.started().prefix(3)) == ["db/0:1 process: ./server", "db/0:2 run: ./setup-0", "db/0 readiness"]
        )
        #expect(lab.moment("■ db/0 readiness") < lab.moment("▶ app/0:1"))
        for app in 0..<3 { #expect(lab.moment("■ app/\(app):1") < lab.moment("▶ web/0:1")) }
        #expect(lab.worksMax == 3, "nodes of a group come up side by side")
        #expect(lab.rows.nodes.values.allSatisfy { $0.facts["address"] != nil && $0.heldBy == nil })
        lab.expectSound()
    }

    @Test func oneSlotIsSerial() {
        var lab = DirectorHarness()
        let id = lab.submit(run(.up, [group("db", 4), group("app", 4, needs: needs("db"))], parallel: 1))
        lab.settle()
        #expect(lab.plan(id)?.result == .success)
        #expect(lab.worksMax == 1)
        lab.expectSound()
    }

    @Test func groupsWithoutMachinesPassOnWhatTheyWaitFor() {
        var lab = DirectorHarness()
        let groups = [
            group("db"), group("cache"), gate("base", needs: needs("db", "cache")), gate("all", needs: needs("base")),
            group("app", needs: needs("all")),
        ]
        let id = lab.submit(run(.up, groups))
        lab.end("db/0:1")
        #expect(lab.started("app") == [])
        lab.end("cache/0:1")
        #expect(lab.started("app") == ["app/0:1 process: ./server"])
        lab.settle()
        #expect(lab.plan(id)?.result == .success)
        lab.expectSound()
    }

    @Test func aThresholdLetsDependentsGoOnEarly() {
        var lab = DirectorHarness()
        lab.submit(run(.up, [group("db", 3), group("app", needs: [Need(group: "db", ready: 2)])]))
        lab.end("db/2:1")
        #expect(lab.started("app") == [])
        lab.end("db/0:1")
        #expect(lab.started("app") == ["app/0:1 process: ./server"])
        lab.settle()
        lab.expectSound()
    }

    @Test func aThresholdCountsNodesThatWereUpBefore() {
        var lab = DirectorHarness()
        lab.submit(run(.up, [group("db", 2)]))
        lab.settle()
        let id = lab.submit(run(.up, [group("db", 3), group("app", needs: [Need(group: "db", ready: 2)])]))
        #expect(lab.works.map(\.label) == ["db/2:1 process: ./server", "app/0:1 process: ./server"])
        lab.settle()
        #expect(lab.plan(id)?.result == .success)
        lab.expectSound()
    }

    @Test func emptyRunsEnd() {
        for verb in [Verb.up, .test, .down, .exec] {
            var lab = DirectorHarness()
            let id = lab.submit(run(verb))
            #expect(lab.plan(id)?.state == .stopped, "\(verb)")
            #expect(lab.plan(id)?.result == .success, "\(verb)")
            lab.expectSound()
        }
        var lab = DirectorHarness()
        let id = lab.submit(run(.test, [gate("all", needs: [])], [suite("api", on: "all", [])]))
        #expect(lab.plan(id)?.state == .stopped)
        lab.expectSound()
    }

    @Test func aGroupOfNoNodesIsReady() {
        var lab = DirectorHarness()
        let id = lab.submit(run(.up, [group("db", 0), group("app", needs: needs("db"))]))
        lab.settle()
        #expect(lab.plan(id)?.result == .success)
        #expect(lab.nodeStates == ["app/0 ready"])
        lab.expectSound()
    }

    @Test func upAgainMakesOnlyWhatIsMissing() {
        var lab = DirectorHarness()
        lab.submit(run(.up, [group("db", undo: true), group("app", 2, needs: needs("db"))]))
        lab.settle()
        lab.lose("app/1")
        let begun = lab.started().count
        let id = lab.submit(run(.up, [group("db", undo: true), group("app", 2, needs: needs("db"))]))
        lab.settle()
        #expect(Array(lab.started().dropFirst(begun)) == ["app/1 destroy", "app/1:1 process: ./server"])
        #expect(lab.plan(id)?.result == .success)
        #expect(lab.nodeStates == ["app/0 ready", "app/1 ready", "db/0 ready"])
        lab.expectSound()
    }

    @Test func execRunsOnReadyNodesOnly() {
        var lab = DirectorHarness { $0.label == "app/1 exec" ? .exits(3) : .succeeds }
        lab.submit(run(.up, [group("app", 2)]))
        #expect(lab.submit(exec("app/0")) == nil, "it is not ready yet")
        lab.settle()
        #expect(lab.submit(exec("app/7")) == nil)
        let id = lab.submit(exec("app/0", "app/1"))
        lab.settle()
        #expect(lab.started("exec") == ["app/0 exec", "app/1 exec"])
        #expect(lab.plan(id)?.result == .error)
        #expect(lab.nodeStates == ["app/0 ready", "app/1 ready"])
        let refusals = lab.rows.events.filter { $0.kind == .requestRefused }.compactMap { Refusal($0.detail ?? "") }
        #expect(refusals.map(\.code) == ["no-node", "no-node"])
        lab.expectSound()
    }

    @Test func aCancelledExecEnds() {
        var lab = DirectorHarness()
        lab.submit(run(.up, [group("app")]))
        lab.settle()
        let id = lab.submit(exec("app/0"))
        if let id { lab.request(.cancel(id)) }
        lab.settle()
        #expect(lab.plan(id)?.state == .stopped)
        #expect(lab.plan(id)?.result == .cancelled)
        lab.expectSound()
    }

    @Test func groupsInUseAreRefused() {
        var lab = DirectorHarness()
        let first = lab.submit(run(.up, [group("db"), group("app", needs: needs("db"))]))
        #expect(lab.submit(run(.test, [group("db")])) == nil)
        let other = lab.submit(run(.up, [group("cache")]))
        #expect(other != nil, "groups that nobody uses are free")
        let refusal = lab.rows.events.first { $0.kind == .requestRefused }.flatMap { Refusal($0.detail ?? "") }
        #expect(refusal?.code == "in-use")
        #expect(refusal?.message.contains(RunName(first ?? PlanID(0)).description) == true)
        lab.settle()
        #expect(lab.submit(run(.test, [group("db")])) != nil)
        lab.expectSound()
    }
}
