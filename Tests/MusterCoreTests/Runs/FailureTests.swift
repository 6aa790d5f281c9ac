import MusterTestKit
import Testing

@testable import MusterCore

/// What a failed or lost node means while it is being made.
@Suite struct FailureTests {
    private func lab(
        _ policy: FailurePolicy,
        count: Int = 2,
        runs: Int = 1,
        retry: RetryPolicy = .none,
        verb: Verb = .up,
        script: @escaping (DirectorHarness.Work) -> DirectorHarness.Ending
    ) -> (lab: DirectorHarness, id: PlanID?) {
        var lab = DirectorHarness(script: script)
        let id = lab.submit(
            run(
                verb,
                [group("db", count, runs: runs, onFailure: policy, retry: retry), group("app", needs: needs("db"))]
            )
        )
        lab.settle()
        lab.expectSound()
        return (lab, id)
    }

    @Test func failBlocksWhatNeedsTheNode() {
        let (lab, id) = lab(.fail) { $0.label.hasPrefix("db/0:2") ? .exits(4) : .succeeds }
        #expect(lab.plan(id)?.result == .error)
        #expect(lab.started("app") == [])
        #expect(lab.nodeStates == ["db/0 failed", "db/1 ready"], "what was never made is not there")
    }

    @Test func skipGoesOnWithoutTheNodeAndPerformsNoneOfItsSteps() {
        let (lab, id) = lab(.skip, runs: 4) { $0.label.hasPrefix("db/0:2") ? .exits(4) : .succeeds }
        #expect(lab.plan(id)?.result == .warning)
        #expect(lab.started("db/0") == ["db/0:1 process: ./server", "db/0:2 run: ./setup-0"])
        #expect(lab.nodeStates == ["app/0 ready", "db/0 failed", "db/1 ready"])
    }

    @Test func skippingEveryNodeOfAGroupFailsIt() {
        let (lab, id) = lab(.skip) { $0.label.hasPrefix("db") ? .exits(4) : .succeeds }
        #expect(lab.plan(id)?.result == .error)
        #expect(lab.started("app") == [])
        let problem = lab.rows.steps[id ?? PlanID(0)]?.first { $0.state == .error }?.error
        #expect(problem?.message == "no node of 'db' is left")
    }

    @Test func aThresholdThatSkippedNodesMakeUnreachableFails() {
        var lab = DirectorHarness { $0.label.hasPrefix("db/1") ? .exits(1) : .succeeds }
        let id = lab.submit(
            run(.up, [group("db", 2, onFailure: .skip), group("app", needs: [Need(group: "db", ready: 2)])])
        )
        lab.settle()
        #expect(lab.plan(id)?.result == .error)
        #expect(lab.started("app") == [])
        lab.expectSound()
    }

    @Test func replaceMakesTheNodeAnew() {
        var failures = 2
        let (lab, id) = lab(.replace, runs: 2) { work in
            guard work.label.hasPrefix("db/0:2"), failures > 0 else { return .succeeds }
            failures -= 1
            return .exits(1)
        }
        #expect(lab.plan(id)?.result == .warning)
        #expect(lab.nodeStates == ["app/0 ready", "db/0 ready", "db/1 ready"])
        #expect(lab.started("db/0:1").count == 3)
        #expect(lab.started("db/0:3").count == 1, "no step of a node that was replaced is performed")
        #expect(lab.started("db/0 destroy").count == 2)
        #expect(lab.moment("■ db/0 destroy") < lab.story.lastIndex { $0.hasPrefix("▶ db/0:1") } ?? 0)
    }

    @Test func replacingStopsWhenItsBudgetIsSpent() {
        let (lab, id) = lab(.replace) { $0.label.hasPrefix("db/0:2") ? .exits(1) : .succeeds }
        #expect(lab.plan(id)?.result == .error)
        #expect(lab.started("db/0:1").count == 1 + Defaults.replacementsMax)
        #expect(lab.nodeStates == ["db/0 failed", "db/1 ready"])
    }

    @Test func pauseWaitsForAPersonAndResumeTriesAgain() throws {
        var isBroken = true
        var (lab, id) = lab(.pause, runs: 2) { $0.label.hasPrefix("db/0:2") && isBroken ? .exits(4) : .succeeds }
        let plan = try #require(id)
        #expect(lab.plan(plan)?.state == .paused)
        #expect(lab.plan(plan)?.reason == "db/0:2 run: ./setup-0 failed: exit 4")
        #expect(lab.nodeStates.contains("db/0 failed"))
        lab.request(.resume(plan))
        lab.settle()
        #expect(lab.plan(plan)?.state == .paused, "it is still broken")
        isBroken = false
        lab.restart()
        lab.request(.resume(plan))
        lab.settle()
        #expect(lab.plan(plan)?.result == .success)
        #expect(lab.plan(plan)?.reason == nil)
        #expect(lab.nodeStates == ["app/0 ready", "db/0 ready", "db/1 ready"])
        lab.expectSound()
    }

    @Test func resumeReplacesANodeThatWasLost() throws {
        var (lab, id) = lab(.pause) {
            $0.label.hasPrefix("db/0:2") && $0.act.node == NodeID(1) ? .losesNode("gone") : .succeeds
        }
        let plan = try #require(id)
        #expect(lab.plan(plan)?.state == .paused)
        #expect(lab.nodeStates.contains("db/0 lost"))
        lab.request(.resume(plan))
        lab.settle()
        #expect(lab.plan(plan)?.result == .warning)
        #expect(lab.nodeStates == ["app/0 ready", "db/0 ready", "db/1 ready"])
        lab.expectSound()
    }

    // MARK: Retries

    @Test func retriesAreStoredTimersWithGrowingDelays() {
        var delays: [Duration] = []
        var last: Timestamp?
        var lab = DirectorHarness()
        lab.script = { _ in .succeeds }
        let retry = RetryPolicy(times: 3, every: .seconds(2), backoff: 2)
        var tries = 0
        lab.script = { work in
            guard work.label.hasPrefix("db/0:2") else { return .succeeds }
            tries += 1
            return tries < 4 ? .exits(1) : .succeeds
        }
        let id = lab.submit(run(.up, [group("db", runs: 1, retry: retry)]))
        while true {
            if !lab.works.isEmpty {
                if lab.works[0].label.hasPrefix("db/0:2") {
                    if let last { delays.append(lab.now - last) }
                    last = lab.now
                }
                lab.end(0)
                #expect(lab.rows.timers.count == (tries > 0 && tries < 4 ? 1 : 0))
            } else if !lab.passTime() {
                break
            }
        }
        #expect(delays.count == 3)
        for (delay, base) in zip(delays, [2.0, 4, 8]) {
            #expect(delay >= .seconds(base * 0.9) && delay <= .seconds(base * 1.1))
        }
        #expect(lab.plan(id)?.result == .success)
        lab.expectSound()
    }

    @Test func retriesAreNotWastedOnWhatCannotSucceed() {
        for code in [StepError.Code.lost, .unresolved] {
            let (lab, id) = lab(.fail, count: 1, retry: RetryPolicy(times: 5)) {
                $0.label.hasPrefix("db/0:2") ? .fails(code, "no") : .succeeds
            }
            #expect(lab.started("db/0:2").count == 1)
            #expect(lab.plan(id)?.result == .error)
        }
    }

    @Test func readinessIsWaitedForOnceMore() {
        var lab = DirectorHarness { $0.label.hasSuffix("readiness") ? .fails(.notReady, "tcp: 80") : .succeeds }
        let id = lab.submit(run(.up, [group("db", ready: true, retry: RetryPolicy(times: 5))]))
        lab.settle()
        #expect(lab.started("readiness").count == 1, "its conditions have their own deadlines")
        #expect(lab.plan(id)?.result == .error)
        lab.expectSound()
    }

    // MARK: Loss

    @Test(arguments: FailurePolicy.allCases)
    func aNodeLostWhileItIsMadeFailsAsTheLabSays(_ policy: FailurePolicy) {
        var isFirst = true
        let (lab, id) = lab(policy) { work in
            guard work.label.hasPrefix("db/0:2"), isFirst else { return .succeeds }
            isFirst = false
            return .losesNode("server ended")
        }
        switch policy {
        case .fail: #expect(lab.plan(id)?.result == .error)
        case .skip: #expect(lab.plan(id)?.result == .warning && lab.started("app") != [])
        case .replace: #expect(lab.plan(id)?.result == .warning && lab.nodeStates.contains("db/0 ready"))
        case .pause: #expect(lab.plan(id)?.state == .paused)
        }
    }

    @Test func aNodeLostBetweenTwoStepsFailsWithTheNext() {
        var lab = DirectorHarness { $0.label.hasPrefix("db/0:2") ? .exits(1) : .succeeds }
        let retry = RetryPolicy(times: 2, every: .seconds(200))
        let id = lab.submit(run(.up, [group("db", runs: 1, onFailure: .fail, retry: retry)]))
        lab.end("db/0:1")
        lab.end("db/0:2")
        #expect(lab.works.isEmpty)
        lab.lose("db/0")
        #expect(lab.works.map(\.label) == ["db/0:2 run: ./setup-0"], "its retry does not wait")
        lab.script = { _ in .succeeds }
        lab.settle()
        #expect(lab.plan(id)?.result == .error)
        #expect(lab.nodeStates == ["db/0 lost"])
        lab.expectSound()
    }

    @Test func aReadyNodeLostInAnUpStaysLost() {
        var lab = DirectorHarness()
        lab.submit(run(.up, [group("db", 2), group("app", needs: needs("db"))]))
        lab.end("db/0:1")
        lab.lose("db/0")
        lab.settle()
        #expect(lab.nodeStates == ["app/0 ready", "db/0 lost", "db/1 ready"])
        lab.lose("db/1")
        #expect(lab.nodeStates == ["app/0 ready", "db/0 lost", "db/1 lost"])
        #expect(lab.rows.events.last?.kind == .nodeLost)
        lab.expectSound()
    }

    @Test func aCommandThatSucceedsOnALostNodeMakesNoNodeReady() {
        // Its server ended, but its supervisor lives: commands still run there.
        var lab = DirectorHarness { $0.label.hasPrefix("db/0") ? .exits(0) : .succeeds }
        let id = lab.submit(run(.up, [group("db", 2, runs: 1)], parallel: 1))
        lab.end("db/0:1")
        lab.lose("db/0")
        lab.settle()
        #expect(lab.plan(id)?.result == .error)
        #expect(lab.nodeStates == ["db/0 lost", "db/1 ready"])
        lab.expectSound()
    }

    @Test func skippingAReplacementAlsoSkipsWhatItReplaced() {
        var db = group("db", 2, runs: 1)
        db.steps[0].onFailure = .replace
        db.steps[1].onFailure = .skip
        var isFirst = true
        var lab = DirectorHarness { work in
            if work.label.hasPrefix("db/0:2") { return .exits(1) }
            guard work.label.hasPrefix("db/0:1"), isFirst else { return .succeeds }
            isFirst = false
            return .exits(1)
        }
        let id = lab.submit(run(.up, [db, group("app", needs: needs("db"))]))
        lab.settle()
        #expect(lab.plan(id)?.result == .warning)
        #expect(lab.nodeStates == ["app/0 ready", "db/0 failed", "db/1 ready"])
        lab.expectSound()
    }
}
