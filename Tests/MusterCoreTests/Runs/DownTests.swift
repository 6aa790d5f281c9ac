import MusterTestKit
import Testing

@testable import MusterCore

/// What goes, what is kept, who is refused, and what an error of a teardown means.
@Suite struct DownTests {
    private let groups = [
        group("db", runs: 2, undo: true), group("cache"), group("app", 2, needs: needs("db"), undo: true),
        gate("all", needs: needs("app")), group("web", needs: needs("all", "cache")),
    ]

    private func up(
        script: @escaping (DirectorHarness.Work) -> DirectorHarness.Ending = { _ in .succeeds }
    )
        -> DirectorHarness
    {
        var lab = DirectorHarness(script: script)
        lab.submit(run(.up, groups))
        lab.settle()
        return lab
    }

    private func down(_ names: String..., options: DownOptions) -> RunSpec {
        var spec = run(.down)
        spec.downGroups = names
        spec.downOptions = options
        return spec
    }

    private func newestRefusal(_ lab: DirectorHarness) -> Refusal? {
        lab.rows.events.last { $0.kind == .requestRefused }.flatMap { Refusal($0.detail ?? "") }
    }

    // MARK: What depends on what goes

    @Test func aRefusalNamesAllThatNeedItAndWhatToType() throws {
        var lab = up()
        #expect(lab.submit(MusterCoreTests.down("db")) == nil)
        let refusal = try #require(newestRefusal(lab))
        #expect(refusal.code == "needed")
        #expect(refusal.message.contains("'app' is up, 'web' is up, and need 'db'"), "\(refusal.message)")
        #expect(refusal.message.contains("muster down db --cascade"))
        #expect(refusal.message.contains("muster down db --force"))
        #expect(lab.nodeStates.count == 5)
        lab.expectSound()
    }

    @Test func cascadeTakesDependentsFirstAndNothingElse() {
        var lab = up()
        let id = lab.submit(down("db", options: DownOptions(cascades: true)))
        lab.settle()
        #expect(lab.plan(id)?.result == .success)
        #expect(lab.nodeStates == ["cache/0 ready"])
        #expect(lab.moment("■ web/0 destroy") < lab.moment("▶ app/0:1 undo"))
        for app in 0..<2 { #expect(lab.moment("■ app/\(app) destroy") < lab.moment("▶ db/0:3 undo")) }
        #expect(lab.rows.specs[id ?? PlanID(0)]?.downGroups == ["db", "app", "web"])
        lab.expectSound()
    }

    @Test func whatARunIsStillSettingUpIsADependentToo() throws {
        for cascades in [false, true] {
            var lab = DirectorHarness()
            let running = try lab.begin(run(.up, groups))
            lab.settle { $0.started().contains("app/0:1 process: ./server") }
            guard cascades else {
                #expect(lab.submit(MusterCoreTests.down("db")) == nil)
                let message = try #require(newestRefusal(lab)).message
                let name = RunName(running)
                #expect(
                    message.contains("'app' is working in run \(name), 'web' is waiting in run \(name)"),
                    "\(message)"
                )
                lab.settle()
                #expect(lab.nodeStates.count == 5, "the run goes on")
                continue
            }
            let id = try lab.begin(down("db", options: DownOptions(cascades: true)))
            lab.settle()
            #expect(lab.plan(running)?.state == .stopped)
            #expect(lab.plan(id)?.result == .success)
            #expect(lab.nodeStates == ["cache/0 ready"])
            lab.expectSound()
        }
    }

    /// The lab file says otherwise by now; what is up was made by what it said then.
    @Test func whoNeedsWhatIsToldByTheRunsThatMadeIt() throws {
        var lab = DirectorHarness()
        lab.submit(run(.up, [group("db"), group("app", needs: needs("db"))]))
        lab.settle()
        lab.submit(run(.up, [group("app")]))
        lab.settle()
        #expect(lab.submit(MusterCoreTests.down("db")) == nil)
        lab.restart()
        #expect(lab.submit(MusterCoreTests.down("db")) == nil)
        lab.expectSound()
    }

    @Test func forceLeavesDependentsStandingAndSaysSo() {
        var lab = up()
        let id = lab.submit(down("db", options: DownOptions(forces: true)))
        lab.settle()
        #expect(lab.plan(id)?.result == .success)
        #expect(lab.plan(id)?.reason == "passed over: 'app', 'web' stay without what they need")
        #expect(lab.nodeStates == ["app/0 ready", "app/1 ready", "cache/0 ready", "web/0 ready"])
        lab.expectSound()
    }

    @Test func whatIsExceptedStaysWithWhatItNeeds() {
        var lab = up()
        let id = lab.submit(down(options: DownOptions(kept: ["app"])))
        lab.settle()
        #expect(lab.plan(id)?.result == .success)
        #expect(lab.nodeStates == ["app/0 ready", "app/1 ready", "db/0 ready"])
        lab.submit(down(options: DownOptions(kept: ["db"])))
        lab.settle()
        #expect(lab.nodeStates == ["db/0 ready"])
        let last = lab.submit(down(options: DownOptions(kept: ["db"])))
        lab.settle()
        #expect(lab.plan(last)?.result == .success)
        #expect(lab.nodeStates == ["db/0 ready"], "nothing to take down is not everything")
        lab.expectSound()
    }

    @Test func aRunOnWhatStaysIsNotCancelled() throws {
        var lab = DirectorHarness()
        lab.submit(run(.up, [group("old")]))
        lab.settle()
        let running = try lab.begin(run(.up, [group("db", runs: 1)]))
        let id = try lab.begin(down(options: DownOptions(kept: ["db"])))
        #expect(lab.plan(running)?.isCancelling == false)
        lab.settle()
        #expect(lab.plan(running)?.result == .success)
        #expect(lab.plan(id)?.result == .success)
        #expect(lab.nodeStates == ["db/0 ready"])
        lab.expectSound()
    }

    // MARK: Errors

    @Test func theFirstUndoThatFailsStopsTheTeardownOfItsNodeAndOfWhatItNeeds() throws {
        var isBroken = true
        var lab = up { $0.label == "app/1:1 undo of process: ./server" && isBroken ? .exits(1) : .succeeds }
        let first = lab.submit(MusterCoreTests.down())
        lab.settle()
        #expect(lab.plan(first)?.result == .error)
        #expect(lab.nodeStates == ["app/1 failed", "db/0 ready"], "what it needs stays, and is not touched")
        let reason = lab.rows.nodes.values.first { $0.state == .failed }?.reason
        #expect(reason == "step 1 could not be undone: exit 1")
        isBroken = false
        lab.restart()
        let second = lab.submit(MusterCoreTests.down())
        lab.settle()
        #expect(lab.plan(second)?.result == .success)
        #expect(lab.nodeStates == [])
        lab.expectSound()
    }

    @Test func whatIsUndoneIsNotUndoneAgain() {
        var lab = up { $0.label.hasPrefix("db/0:2 undo") && !$0.label.isEmpty ? .exits(1) : .succeeds }
        lab.submit(MusterCoreTests.down())
        lab.settle()
        #expect(lab.nodeStates == ["db/0 failed"])
        #expect(lab.started("db/0:3 undo").count == 1)
        lab.script = { _ in .succeeds }
        lab.submit(MusterCoreTests.down())
        lab.settle()
        #expect(lab.started("db/0:3 undo").count == 1, "it succeeded the first time")
        #expect(lab.started("db/0:2 undo").count == 2)
        #expect(lab.started("db/0:1 undo").count == 1)
        #expect(lab.nodeStates == [])
        lab.expectSound()
    }

    @Test func forceGoesOnOverUndosThatFailAndTellsOfEach() throws {
        var lab = up { $0.label.contains("undo") && $0.label.hasPrefix("db") ? .exits(3) : .succeeds }
        let id = try lab.begin(down(options: DownOptions(forces: true)))
        lab.settle()
        #expect(lab.plan(id)?.result == .warning)
        #expect(lab.nodeStates == [])
        #expect(lab.started("db/0").suffix(4).last == "db/0 destroy")
        let told = lab.rows.events.filter { $0.plan == id && $0.kind == .stepSkipped }.compactMap(\.detail)
        #expect(told == ["exit 3", "exit 3", "exit 3"])
        lab.expectSound()
    }

    @Test func forceAlsoGoesOnOverWhatWouldWaitForAPerson() throws {
        var lab = up { $0.label.contains("undo") ? .fails(.missingSecret, "secret.x is not set") : .succeeds }
        let id = try lab.begin(down(options: DownOptions(forces: true)))
        lab.settle()
        #expect(lab.plan(id)?.state == .stopped)
        #expect(lab.nodeStates == [])
        lab.expectSound()
    }

    @Test func whatForceCannotDestroyIsNotSaidToBeGone() throws {
        var lab = up { $0.label == "app/0 destroy" ? .fails(.refused, "no permission") : .succeeds }
        let id = try lab.begin(down(options: DownOptions(forces: true)))
        lab.settle()
        #expect(lab.plan(id)?.result == .error)
        #expect(lab.nodeStates == ["app/0 failed"])
        #expect(lab.rows.nodes.values.first { $0.state == .failed }?.reason == "could not be destroyed: no permission")
        lab.expectSound()
    }

    @Test(arguments: [false, true]) func aTeardownThatIsKilledIsGoneOnWith(_ forces: Bool) throws {
        for moment in 1..<30 {
            var lab = up { $0.label.hasPrefix("app/0:1 undo") && forces ? .exits(1) : .succeeds }
            var turns = 0
            lab.afterTurn = { lab in
                turns += 1
                if turns == moment { lab.restartAndResume() }
            }
            let id = try lab.begin(down(options: DownOptions(forces: forces)))
            lab.settle()
            lab.afterTurn = nil
            lab.restartAndResume()
            lab.settle()
            #expect(lab.plan(id)?.state == .stopped, "killed after turn \(moment)")
            #expect(lab.nodeStates == [], "killed after turn \(moment)")
            lab.expectSound("killed after turn \(moment)")
        }
    }

    @Test func aNodeThatIsTakenDownBeforeItWasReadyIsNotForgotten() throws {
        var lab = DirectorHarness()
        let id = try lab.begin(run(.test, [group("db", runs: 1, undo: true)], keep: .never))
        lab.settle { $0.works.contains { $0.label.hasPrefix("db/0:2 run") } }
        lab.request(.cancel(id))
        lab.settle { $0.works.contains { $0.label.hasPrefix("db/0 destroy") } }
        lab.request(.halt(id))
        #expect(lab.nodeStates == ["db/0 failed"], "what it was set up by is undone; the machine is there")
        lab.submit(MusterCoreTests.down())
        lab.settle()
        #expect(lab.nodeStates == [])
        lab.expectSound()
    }

    @Test func aNodeThatIsHalfTakenDownDoesNotCountAsReady() throws {
        var lab = up()
        let id = try lab.begin(MusterCoreTests.down())
        lab.settle { $0.works.contains { $0.label.hasPrefix("db/0:2 undo") } }
        lab.request(.halt(id))
        #expect(lab.nodeStates == ["db/0 failed"])
        lab.submit(run(.up, [groups[0]]))
        lab.settle()
        #expect(lab.nodeStates == ["db/0 ready"])
        #expect(lab.started("db/0:1 process").count == 2, "another one was made")
        lab.expectSound()
    }
}
