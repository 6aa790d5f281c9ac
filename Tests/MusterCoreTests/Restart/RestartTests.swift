import MusterTestKit
import Testing

@testable import MusterCore

/// A restart from the rows, after any turn, leads to the end that an undisturbed run could have reached.
@Suite struct RestartTests {
    /// Lets a scenario happen to its end, ending acts in random order. Pauses are gone on with.
    private func play(
        _ scenario: Scenario,
        order: UInt64,
        restarts: @escaping (inout SeededChance) -> Bool
    ) -> (lab: DirectorHarness, id: PlanID?) {
        var lab = scenario.harness()
        if let before = scenario.before {
            let up = lab.submit(before)
            lab.settle()
            while let row = lab.plan(up), row.state == .paused {
                lab.request(.resume(row.id))
                lab.settle()
            }
        }
        var chance = SeededChance(seed: order)
        var restartChance = SeededChance(seed: order &+ 77)
        lab.afterTurn = { lab in if restarts(&restartChance) { lab.restartAndResume() } }
        let id = lab.submit(scenario.spec)
        var steps = 0
        while let row = lab.plan(id), row.state != .stopped, steps < 3000 {
            steps += 1
            if row.state == .paused {
                lab.request(.resume(row.id))
            } else if lab.works.isEmpty || Int.random(in: 0..<6, using: &chance) == 0, lab.passTime() {
                continue
            } else if let position = lab.works.indices.randomElement(using: &chance) {
                lab.end(position)
            } else {
                break
            }
        }
        return (lab, id)
    }

    private func check(_ lab: DirectorHarness, _ id: PlanID?, _ comment: Comment) {
        lab.expectSound(comment)
        #expect(lab.plan(id)?.state == .stopped, comment)
        guard let spec = id.flatMap({ lab.rows.specs[$0] }) else { return }
        for suite in spec.suites {
            for test in suite.tests {
                let attempts = lab.attempts(id).filter { $0.suite == suite.name && $0.test == test.name }
                    .sorted { $0.number < $1.number }
                #expect(attempts.map(\.number) == Array(1...max(1, attempts.count)), comment)
                let own = attempts.count { $0.outcome.isFailure && !$0.isCancelled && $0.startedAt != nil }
                #expect(own <= 1 + suite.reruns, comment)
                #expect(attempts.count { $0.outcome == .infra } <= Defaults.infraAttemptsMax, comment)
            }
        }
    }

    @Test(arguments: Seeds.first(300))
    func anyRestartsLeadToTheSameEnd(_ seed: Int) {
        let scenario = Scenario(seed: UInt64(seed))
        let undisturbed = play(scenario, order: UInt64(seed)) { _ in false }
        check(undisturbed.lab, undisturbed.id, "seed \(seed), undisturbed")
        let expected = Conclusion(undisturbed.lab, undisturbed.id)
        let ways: [(String, (inout SeededChance) -> Bool)] = [
            ("another order", { _ in false }), ("every turn", { _ in true }),
            ("some turns", { Int.random(in: 0..<4, using: &$0) == 0 }),
        ]
        for (index, (name, restarts)) in ways.enumerated() {
            let other = play(scenario, order: UInt64(seed * 10 + index), restarts: restarts)
            check(other.lab, other.id, "seed \(seed), restarts: \(name)")
            let found = Conclusion(other.lab, other.id)
            if found.endsSetups || expected.endsSetups {
                // Whether a setup fails that no test waits for any more is a matter of which ends first.
                #expect(found.attempts == expected.attempts, "seed \(seed), restarts: \(name)")
            } else {
                #expect(found == expected, "seed \(seed), restarts: \(name)")
            }
        }
    }

    /// Losses, cancels and halts at random: no end is promised but some end, and nothing unsound on the way.
    @Test(arguments: Seeds.first(300))
    func whateverHappensEveryRunEnds(_ seed: Int) {
        let scenario = Scenario(seed: UInt64(seed &+ 10_000))
        var lab = scenario.harness()
        var chance = SeededChance(seed: UInt64(seed))
        var id = lab.submit(scenario.spec)
        var losses = 12
        var steps = 0
        while steps < 3000 {
            steps += 1
            let dice = Int.random(in: 0..<60, using: &chance)
            let nodes = lab.rows.nodes.values.filter { [.ready, .starting].contains($0.state) }.map(\.id).sorted()
            if dice < 4, losses > 0, let node = nodes.randomElement(using: &chance) {
                losses -= 1
                if dice < 2 { lab.lose(node) } else { lab.loseUnheard(node) }
            } else if dice < 12 {
                lab.restartAndResume()
            } else if dice == 12 {
                lab.restart()
            } else if dice == 13, let id {
                lab.request(.cancel(id))
            } else if dice == 14, steps > 40, let id {
                lab.request(.halt(id))
            } else if dice == 15, steps > 20, lab.plan(id)?.verb != .down {
                lab.submit(down())
            } else if lab.works.isEmpty || dice < 24, lab.passTime() {
                continue
            } else if let position = lab.works.indices.randomElement(using: &chance) {
                lab.end(position)
            } else if let open = lab.rows.plans.values.filter({ !$0.state.isFinal }).map(\.id).min() {
                id = open
                lab.request(.resume(open))
            } else {
                break
            }
        }
        #expect(steps < 3000, "seed \(seed): it goes on for ever: \(lab.story.suffix(12))")
        lab.expectSound("seed \(seed)")
        for row in lab.rows.plans.values { #expect(row.state == .stopped, "seed \(seed)") }
        // Nothing is lost: in a run that was not given up every test has its outcome.
        for row in lab.rows.plans.values where row.verb == .test {
            let spec = lab.rows.specs[row.id]
            for suite in spec?.suites ?? [] {
                for test in suite.tests {
                    let rows = lab.attempts(row.id).filter { $0.suite == suite.name && $0.test == test.name }
                    #expect(!rows.isEmpty, "seed \(seed): \(suite.name)//\(test.name) has no result")
                    #expect(
                        rows.count { $0.outcome == .infra && !$0.isCancelled } <= Defaults.infraAttemptsMax,
                        "seed \(seed)"
                    )
                }
            }
        }
    }

    @Test func anUnheardLossIsMadeUpForAfterARestart() throws {
        for isBusy in [true, false] {
            var lab = DirectorHarness()
            let id = try lab.begin(
                run(
                    .test,
                    [group("db"), group("app")],
                    [suite("api", on: "app", ["a", "b"], needs: isBusy ? [] : needs("db"))]
                )
            )
            lab.end("app/0:1")
            let app = try #require(lab.director.node(lab: "lab", NodeName(group: "app", index: 0)))
            lab.loseUnheard(app.id)
            lab.restartAndResume()
            lab.settle()
            #expect(
                lab.results(id)
                    == (isBusy ? ["api//a#1 infra", "api//a#2 pass"] : ["api//a#1 pass"]) + ["api//b#1 pass"]
            )
            #expect(lab.plan(id)?.state == .stopped)
            lab.expectSound()
        }
    }

    @Test func aLossHeardOfBeforeARestartStillBlamesNoTest() throws {
        var lab = DirectorHarness { $0.label == "api//a#1" ? .exits(1) : .succeeds }
        let id = try lab.begin(run(.test, [group("app", 2)], [suite("api", on: "app", ["a"])]))
        lab.end("app/0:1")
        lab.lose("app/0")
        lab.restartAndResume()
        #expect(lab.works.first { $0.label == "api//a#1" }?.isInterrupted == true)
        lab.settle()
        #expect(lab.results(id) == ["api//a#1 infra", "api//a#2 pass"])
        lab.expectSound()
    }

    @Test func aRetryWaitsForItsTimeAlsoAfterARestart() throws {
        var isFirst = true
        var lab = DirectorHarness { _ in
            defer { isFirst = false }
            return isFirst ? .exits(1) : .succeeds
        }
        let retry = RetryPolicy(times: 1, every: .seconds(100))
        let id = try lab.begin(run(.up, [group("db", retry: retry)]))
        lab.end("db/0:1")
        lab.restartAndResume()
        #expect(lab.works.isEmpty)
        let begun = lab.now
        lab.settle()
        #expect(lab.now - begun >= .seconds(90))
        #expect(lab.plan(id)?.result == .success)
        lab.expectSound()
    }

    @Test func infraAttemptsAreCountedAcrossRestarts() throws {
        var lab = DirectorHarness { $0.label.hasPrefix("api//") ? .losesNode("gone") : .succeeds }
        lab.afterTurn = { $0.restartAndResume() }
        let id = try lab.begin(run(.test, [group("app", 2)], [suite("api", on: "app", ["a"])]))
        lab.settle()
        #expect(lab.results(id) == (1...Defaults.infraAttemptsMax).map { "api//a#\($0) infra" })
        lab.expectSound()
    }

    @Test func aCancelIsCarriedOutAfterARestart() throws {
        var lab = DirectorHarness()
        let id = try lab.begin(run(.test, [group("app")], [suite("api", on: "app", ["a", "b"])]))
        lab.end("app/0:1")
        lab.request(.cancel(id))
        lab.restartAndResume()
        #expect(lab.works.map(\.isInterrupted) == [true])
        lab.settle()
        #expect(lab.plan(id)?.result == .cancelled)
        #expect(lab.results(id) == ["api//a#1 cancelled", "api//b#1 cancelled"])
        #expect(lab.nodeStates == [])
        lab.expectSound()
    }

    @Test(arguments: [false, true])
    func aLabThatWasUpIsWholeAfterADestructiveTest(_ restarts: Bool) throws {
        var lab = DirectorHarness()
        let app = group("app", 2)
        lab.submit(run(.up, [app]))
        lab.settle()
        if restarts { lab.afterTurn = { $0.restartAndResume() } }
        let id = try lab.begin(run(.test, [app, group("web")], [suite("api", on: "app", ["a", "bang"])]))
        lab.settle()
        #expect(lab.plan(id)?.result == .success)
        #expect(lab.started("destroy").count == 2, "the node that was used up, and web")
        #expect(lab.nodeStates == ["app/0 ready", "app/1 ready"])
        lab.expectSound()
    }

    @Test func aGroupIsNotLostWhileItsOnlyNodeThatWasUpIsReplacedAcrossARestart() throws {
        var lab = DirectorHarness { $0.label.hasPrefix("app/1:1") ? .exits(1) : .succeeds }
        lab.submit(run(.up, [group("app")]))
        lab.settle()
        let groups = [group("app", 2, onFailure: .skip), group("web", needs: needs("app"))]
        let id = try lab.begin(run(.test, groups, [suite("api", on: "app", ["bang", "a"])]))
        lab.end("api//bang#1")
        lab.restartAndResume()
        lab.end("app/1:1")
        #expect(lab.started("web") == ["web/0:1 process: ./server"])
        lab.settle()
        #expect(lab.results(id) == ["api//a#1 pass", "api//bang#1 pass"])
        lab.expectSound()
    }

    @Test func thresholdsCountAlikeAfterARestart() throws {
        var lab = DirectorHarness { $0.label.hasPrefix("db/0") ? .exits(1) : .succeeds }
        let groups = [group("db", 3, onFailure: .skip), group("app", needs: [Need(group: "db", ready: 2)])]
        let id = try lab.begin(run(.up, groups))
        lab.end("db/0:1")
        lab.end("db/1:1")
        lab.restartAndResume()
        #expect(lab.started("app") == [])
        lab.end("db/2:1")
        #expect(lab.started("app") == ["app/0:1 process: ./server"])
        lab.settle()
        #expect(lab.plan(id)?.result == .warning)
        lab.expectSound()
    }

    @Test func aPlanWithBrokenRowsIsLeftAlone() throws {
        var lab = DirectorHarness()
        let id = try lab.begin(run(.test, [group("app")], [suite("api", on: "app", ["a"])]))
        let sound = lab.rows.snapshot()
        #expect(Director(sound, host: "here", seed: 1).broken == [:])
        let breaks: [(inout Snapshot.Plan) -> Void] = [
            { $0.steps.removeFirst() },
            { $0.steps[0].spec.a = 7 },
            { $0.steps[0].spec.c = 1 },
            { $0.steps[0].spec.b = -1 },
            { $0.steps[0].spec.node = nil },
            { $0.steps[2].needs = [2] },
            { $0.steps[2].spec.pool = 1 },
            { $0.steps[2].spec.b = 1 },
            { $0.timers = [TimerRow(step: StepID(plan: $0.row.id, index: 99), dueAt: Timestamp(rawValue: 0))] },
            {
                $0.attempts = [
                    AttemptRow(
                        plan: $0.row.id,
                        step: 0,
                        suite: "api",
                        test: "a",
                        number: 1,
                        outcome: .pass,
                        endedAt: Timestamp(rawValue: 0)
                    )
                ]
            },
        ]
        for (index, breakIt) in breaks.enumerated() {
            var snapshot = sound
            breakIt(&snapshot.plans[0])
            let director = Director(snapshot, host: "here", seed: 1)
            #expect(director.broken[id] != nil, "break \(index)")
            #expect(director.run(id) == nil)
        }
    }
}
