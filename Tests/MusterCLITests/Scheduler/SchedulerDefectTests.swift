import Foundation
import MusterCore
import MusterLab
import MusterTestKit
import Testing

@testable import MusterCLI

/// What went wrong in chef-workflow's scheduler does not go wrong here: one test for each of its known defects, by what
/// it shows.
@Suite struct SchedulerDefectTests {
    /// chef-workflow 1: a crash while a group was worked on left it stuck for ever.
    @Test func aGroupThatACrashInterruptsIsFinished() {
        for moment in 1..<12 {
            var lab = DirectorHarness()
            var turns = 0
            lab.afterTurn = { lab in
                turns += 1
                if turns == moment { lab.restartAndResume() }
            }
            lab.submit(request(.up, [scheduled("a", runs: 2), scheduled("b", needs: ["a"])]))
            lab.settle()
            #expect(lab.wait("b") == "there", "killed after turn \(moment)")
            for step in ["a/0:1 process", "a/0:2", "a/0:3", "b/0:1 process"] {
                #expect(lab.started(step).count == 1, "killed after turn \(moment): \(step)")
            }
            #expect(lab.violations == [])
        }
    }

    /// chef-workflow 2: a failed group could not be told from one that was worked on, and not be tried again.
    @Test func aFailedGroupSaysSoAndCanBeTriedAgain() throws {
        var isBroken = true
        var lab = DirectorHarness { $0.label.hasPrefix("a/0:2 run") && isBroken ? .exits(4) : .succeeds }
        let groups = [scheduled("a", runs: 2), scheduled("b", needs: ["a"])]
        lab.submit(request(.up, groups))
        lab.end("a/0:1")
        #expect(lab.standing("a").hasPrefix("working"))
        lab.settle()
        #expect(lab.standing("a") == "failed: a/0 failed: exit 4")
        #expect(lab.standing("b") == "blocked: needs a, which failed")
        #expect(lab.wait("b") == "'b' is blocked: needs a, which failed")
        isBroken = false
        lab.restart()
        let stored = try #require(lab.rows.specs[lab.standings["b"]?.run?.id ?? PlanID(0)])
        lab.submit(stored.again("b"))
        lab.settle()
        #expect(lab.standing("a") == "ready" && lab.standing("b") == "ready")
        #expect(lab.started("a/0:2 undo").count == 1, "what was started is undone before the node is made again")
        #expect(lab.started("a/0:3 undo") == [], "what was never started is not")
        #expect(lab.violations == [])
    }

    /// chef-workflow 3: a group that needed an unknown one was left half declared, and declaring it again did nothing.
    @Test func aLabThatNeedsWhatIsNotThereIsRefusedWholeEachTime() {
        for _ in 0..<2 {
            #expect { try readLab("groups:\n  a: {}\n  b: { needs: [c] }\n") } throws: { error in
                "\(error)".contains("'c'")
            }
        }
        // What is declared later is no mistake.
        #expect((try? readLab("groups:\n  b: { needs: [a] }\n  a: {}\n"))?.groups.map(\.name) == ["a", "b"])
    }

    /// chef-workflow 4: waiting for an unknown group, or for one that needed itself, hung; waiting before anything ran
    /// broke.
    @Test func nobodyWaitsForWhatCannotCome() {
        let lab = DirectorHarness()
        #expect(lab.wait("a") == "nothing brings 'a' up: muster up a")
        #expect(throws: LabError.self) { try readLab("groups:\n  a: { needs: [a] }\n") }
        #expect(throws: LabError.self) { try readLab("groups:\n  a: { needs: [b] }\n  b: { needs: [a] }\n") }
    }

    /// chef-workflow 5: a teardown destroyed groups before those that needed them.
    @Test func teardownGoesAgainstTheOrderOfNeed() {
        var lab = DirectorHarness()
        lab.submit(request(.up, [scheduled("a"), scheduled("b", needs: ["a"]), scheduled("c", needs: ["b"])]))
        lab.settle()
        lab.submit(takeDown())
        lab.settle()
        let gone = lab.started("destroy").map { String($0.prefix(1)) }
        #expect(gone == ["c", "b", "a"])
    }

    /// chef-workflow 6: what a working group needed was torn down under it, and a waiting one waited for ever.
    @Test func whatAWorkingOrWaitingGroupNeedsIsNotTakenAway() throws {
        let groups = [scheduled("a"), scheduled("b", needs: ["a"], runs: 1), scheduled("c", needs: ["b"])]
        var lab = DirectorHarness()
        lab.submit(request(.up, groups))
        lab.end("a/0:1")
        #expect(lab.submit(takeDown("a")) == nil)
        let refusal = try #require(lab.refusals.last)
        #expect(refusal.code == "needed")
        #expect(refusal.message.contains("'b' is working in run") && refusal.message.contains("'c' is waiting in run"))
        lab.submit(takeDown("a", options: DownOptions(cascades: true)))
        lab.settle()
        #expect(lab.nodeStates == [])
        #expect(lab.standing("c") == "gone" || lab.standings["c"]?.nodes.isEmpty == true)
        #expect(lab.wait("c") != "pending", "nobody waits for it for ever")
        #expect(lab.violations == [])
    }

    /// chef-workflow 7: one group that failed ended the program, and left others in the middle of their work.
    @Test func aFailedGroupDoesNotStopTheOthers() {
        var lab = DirectorHarness { $0.label.hasPrefix("a/0:1") ? .exits(1) : .succeeds }
        lab.submit(request(.up, [scheduled("a"), scheduled("b", 3, runs: 3), scheduled("c", needs: ["b"])]))
        lab.end("a/0:1")
        lab.settle()
        #expect(lab.standing("a").hasPrefix("failed"))
        #expect(lab.standing("b") == "ready" && lab.standing("c") == "ready")
    }

    /// chef-workflow 8: after a partial failure also what was never started was undone.
    @Test func onlyWhatWasStartedIsUndone() {
        var lab = DirectorHarness { $0.label.hasPrefix("a/0:2 run") ? .exits(1) : .succeeds }
        lab.submit(request(.up, [scheduled("a", runs: 2)]))
        lab.settle()
        lab.submit(takeDown())
        lab.settle()
        #expect(lab.started("undo") == ["a/0:2 undo of run: ./p2", "a/0:1 undo of process: ./server"])
    }

    /// chef-workflow 9: a group without provisioners could not be a point where others meet.
    @Test func aGroupWithoutMachinesIsABarrier() {
        var meet = GroupSpec(name: "meet")
        meet.needs = [Need(group: "a"), Need(group: "b")]
        var lab = DirectorHarness()
        lab.submit(request(.up, [scheduled("a"), scheduled("b"), meet, scheduled("c", needs: ["meet"])]))
        lab.end("a/0:1")
        #expect(lab.started("c/") == [])
        #expect(lab.standing("meet").hasPrefix("waiting"))
        lab.end("b/0:1")
        #expect(lab.standing("meet") == "ready")
        #expect(lab.started("c/").count == 1)
    }

    /// chef-workflow 10: the pool gave out the broadcast address, and one address twice.
    @Test func addressesAreGivenOutOnceAndNeverTheBroadcast() throws {
        let pool = try AddressPool(cidr: "10.10.10.0/24")
        var holders: [IPv4Address: String] = [:]
        for number in 0..<254 {
            let free = try pool.lowestFree(holders: holders)
            #expect(holders.updateValue("node \(number)", forKey: free) == nil)
        }
        #expect(holders.count == 254)
        #expect(holders.keys.max()?.description == "10.10.10.254")
        #expect(throws: AddressPool.Problem.self) { try pool.lowestFree(holders: holders) }
    }

    /// chef-workflow 11: adding a group again after a crash, or a change that failed in its middle, broke the state.
    @Test func askingAgainAfterACrashBreaksNothing() {
        var lab = DirectorHarness()
        let groups = [scheduled("a", runs: 1)]
        let first = lab.submit(request(.up, groups), token: "once")
        lab.end("a/0:1")
        lab.restart()
        #expect(lab.submit(request(.up, groups)) == nil, "its run is there still, and is gone on with")
        #expect(lab.refusals.last?.code == "in-use")
        if let first { lab.request(.resume(first)) }
        lab.settle()
        #expect(lab.standing("a") == "ready")
        #expect(lab.rows.nodes.count == 1)
        #expect(lab.violations == [])
    }

    /// chef-workflow 12: whether a group could start depended on the order in which its needs were stored.
    @Test func theOrderOfNeedsMeansNothing() {
        for needs in [["a", "b", "c"], ["c", "b", "a"], ["b", "c", "a"], ["c", "a", "b"]] {
            for order in [["a", "b", "c"], ["c", "a", "b"], ["b", "c", "a"]] {
                var lab = DirectorHarness()
                lab.submit(
                    request(.up, [scheduled("a"), scheduled("b"), scheduled("c"), scheduled("d", needs: needs)])
                )
                for name in order.dropLast() { lab.end("\(name)/0:1") }
                #expect(lab.started("d/") == [])
                lab.end("\(order[2])/0:1")
                #expect(lab.started("d/").count == 1, "\(needs) ended as \(order)")
            }
        }
    }

    /// chef-workflow 13: a time-out in the wrong moment lost the news that a group was done.
    @Test func whatEndsTogetherIsNotLost() {
        var lab = DirectorHarness()
        lab.submit(request(.up, [scheduled("a", 40), scheduled("b", needs: ["a"])]))
        lab.turn(lab.works.map { Director.Event.actEnded($0.act, .succeeded(facts: ["address": "127.0.0.1"])) })
        #expect(lab.started("b/").count == 1)
        #expect(lab.standing("a") == "ready")
    }

    /// chef-workflow 14: a long teardown kept all others from going on.
    @Test func aLongTeardownHoldsNobodyUp() throws {
        var lab = DirectorHarness()
        lab.submit(request(.up, [scheduled("old")]))
        lab.settle()
        lab.submit(takeDown("old"))
        #expect(lab.standing("old").hasPrefix("tearing-down"))
        lab.submit(request(.up, [scheduled("a"), scheduled("b", needs: ["a"])]))
        lab.end("a/0:1")
        lab.end("b/0:1")
        #expect(lab.standing("b") == "ready")
        #expect(lab.standing("old").hasPrefix("tearing-down"), "it goes on beside them")
        lab.settle()
        #expect(lab.standing("old") == "gone")
    }

    /// chef-workflow 15: as many threads as groups, no time limits, nothing could be cancelled.
    @Test func workIsBoundedLimitedAndCanBeCancelled() throws {
        var lab = DirectorHarness()
        let groups = (0..<200).map { scheduled("g\($0)", runs: 1) }
        let id = try lab.begin(request(.up, groups, parallel: 8))
        #expect(lab.worksMax == 8)
        #expect(groups.allSatisfy { $0.steps.allSatisfy { $0.timeout == Defaults.stepTimeout } })
        lab.request(.cancel(id))
        lab.settle()
        #expect(lab.worksMax == 8)
        #expect(lab.plan(id)?.state == .paused)
        #expect(lab.started().count == 8, "nothing new has started")
        #expect(lab.wait("g199").contains("is paused"))
    }

    /// chef-workflow 16: what the last end before a stop made ready was dropped.
    @Test func whatBecomesReadyWhileTheRunStopsIsNotForgotten() throws {
        var lab = DirectorHarness()
        let id = try lab.begin(request(.up, [scheduled("a"), scheduled("b", needs: ["a"])]))
        lab.request(.cancel(id))
        lab.end("a/0:1")
        #expect(lab.plan(id)?.state == .paused)
        #expect(lab.started("b/") == [])
        lab.restart()
        lab.request(.resume(id))
        lab.settle()
        #expect(lab.standing("b") == "ready")
        #expect(lab.violations == [])
    }

    /// chef-workflow 17: what was created was stored only afterwards, and a crash between lost it; exit codes of
    /// commands were thrown away.
    @Test func whatIsToBeMadeIsStoredBeforeItIsMade() throws {
        var lab = DirectorHarness { $0.label.hasSuffix("exec") ? .exits(7) : .succeeds }
        let id = try lab.begin(request(.up, [scheduled("a")]))
        #expect(lab.works.count == 1, "it is being made")
        #expect(lab.rows.nodes.values.first?.state == .creating)
        #expect(lab.rows.steps[id]?.first?.state == .running, "and was stored so in the turn before")
        lab.settle()
        var exec = request(.exec)
        exec.exec = ExecSpec(nodes: [NodeName(group: "a", index: 0)], arguments: ["false"], timeout: .seconds(1))
        let ran = try lab.begin(exec)
        lab.settle()
        #expect(lab.rows.steps[ran]?.first?.error?.message == "exit 7")
    }

    /// chef-workflow 18: it had no tests. Here each of its defects has one, found by its number.
    @Test func eachDefectHasItsTest() throws {
        let text = try String(contentsOfFile: #filePath, encoding: .utf8)
        for number in 1...18 { #expect(text.contains("/// chef-workflow \(number): "), "defect \(number)") }
    }
}
