import MusterTestKit
import Testing

@testable import MusterCore

/// Policies of a program that conducts runs of tests, in place of what the lab says.
@Suite struct TestPolicyTests {
    private struct ByLength: OrderPolicy {
        func priority(of test: TestSpec, attempt: Int, in suite: SuiteRules) -> Int64 { Int64(test.name.utf8.count) }
    }

    @Test func aProgramSaysWhichTestIsNext() {
        var lab = DirectorHarness(policies: TestPolicies(order: ByLength()))
        lab.submit(run(.test, [group("app")], [suite("api", on: "app", ["a", "ccc", "bb"])]))
        lab.settle()
        #expect(lab.started("api//") == ["ccc", "bb", "a"].map { "api//\($0)#1 on app/0" })
        lab.expectSound()
    }

    private struct WarningsFail: SuccessPolicy {
        func outcome(of attempt: EndedAttempt) -> Outcome { attempt.outcome == .skip ? .fail : attempt.outcome }
    }

    @Test func aProgramSaysWhatCounts() {
        var lab = DirectorHarness(policies: TestPolicies(success: WarningsFail())) { work in
            work.label == "api//a#1" ? .exits(77) : .succeeds
        }
        let id = lab.submit(run(.test, [group("app")], [suite("api", on: "app", ["a"], reruns: 1)]))
        lab.settle()
        #expect(lab.results(id) == ["api//a#1 fail", "api//a#2 pass"])
        lab.expectSound()
    }

    private struct Everything: DestructivePolicy {
        func usesUpNode(_ test: TestSpec, after attempt: EndedAttempt?) -> Bool { true }
    }

    @Test func aProgramSaysWhichTestsUseUpTheirNodes() {
        var lab = DirectorHarness(policies: TestPolicies(destructive: Everything()))
        let id = lab.submit(run(.test, [group("app")], [suite("api", on: "app", ["a", "b", "c"])]))
        lab.settle()
        #expect(Set(lab.attempts(id).map(\.nodeID)).count == 3)
        lab.expectSound()
    }

    /// The first failure is tried again on the same node, others on others, and the third not at all.
    private struct SameThenOther: RerunPolicy {
        func place(after attempt: EndedAttempt) -> SuitePolicy.RerunPlace? {
            attempt.failures == 1 ? .same : attempt.failures == 2 ? .other : nil
        }
    }

    @Test(arguments: [false, true]) func aProgramSaysWhetherAndWhereATestRunsAgain(_ restarts: Bool) throws {
        var lab = DirectorHarness(policies: TestPolicies(rerun: SameThenOther())) { work in
            work.label.hasPrefix("api//a#") ? .exits(1) : .succeeds
        }
        if restarts { lab.afterTurn = { $0.restartAndResume() } }
        let api = suite("api", on: "app", ["a", "b", "c", "d"], reruns: 9)
        let id = try lab.begin(run(.test, [group("app", 2)], [api], keep: .always))
        lab.settle()
        let nodes = lab.attempts(id).filter { $0.test == "a" }.map(\.nodeID)
        #expect(nodes.count == 3)
        #expect(nodes[0] == nodes[1] && nodes[1] != nodes[2])
        lab.expectSound()
    }

    @Test func noPolicyAllowsMoreRerunsThanTheLab() {
        struct Always: RerunPolicy {
            func place(after attempt: EndedAttempt) -> SuitePolicy.RerunPlace? { .any }
        }
        var lab = DirectorHarness(policies: TestPolicies(rerun: Always())) { work in
            work.label.hasPrefix("api//a#") ? .exits(1) : .succeeds
        }
        let id = lab.submit(run(.test, [group("app")], [suite("api", on: "app", ["a"], reruns: 2)]))
        lab.settle()
        #expect(lab.attempts(id).count == 3)
        lab.expectSound()
    }

    // MARK: From a seed

    /// Answers that look random, and are the same for the same question.
    private struct Whim: OrderPolicy, SuccessPolicy, DestructivePolicy, RerunPolicy {
        let seed: UInt64

        private func roll(_ test: TestSpec, _ number: Int, _ salt: UInt64, below limit: Int) -> Int {
            let text = test.name.utf8.reduce(seed &+ salt) { $0 &* 31 &+ UInt64($1) }
            var chance = SeededChance(seed: text &+ UInt64(number) &* 7919)
            return Int.random(in: 0..<limit, using: &chance)
        }

        func priority(of test: TestSpec, attempt: Int, in suite: SuiteRules) -> Int64 {
            Int64(roll(test, attempt, 1, below: 5))
        }
        func outcome(of attempt: EndedAttempt) -> Outcome {
            let all: [Outcome] = [.pass, .fail, .error, .warn, .skip, .info, .infra]
            let roll = roll(attempt.test, attempt.failures, 2, below: 14)
            return all.indices.contains(roll) ? all[roll] : attempt.outcome
        }
        func usesUpNode(_ test: TestSpec, after attempt: EndedAttempt?) -> Bool {
            roll(test, attempt?.failures ?? 0, 3, below: 4) == 0
        }
        func place(after attempt: EndedAttempt) -> SuitePolicy.RerunPlace? {
            let roll = roll(attempt.test, attempt.failures, 4, below: 6)
            return SuitePolicy.RerunPlace.allCases.indices.contains(roll) ? SuitePolicy.RerunPlace.allCases[roll] : nil
        }
    }

    /// Never more remotes than allowed, each test ends exactly once, and nobody waits for ever; with any policies, in a
    /// world in which anything fails and the conductor is killed after any turn.
    @Test func whateverPoliciesSayEachTestEndsOnce() throws {
        for seed in Seeds.first(300) { try live(seed: UInt64(seed)) }
    }

    private func live(seed: UInt64) throws {
        var chance = SeededChance(seed: seed)
        func up(to most: Int) -> Int { Int.random(in: 0...most, using: &chance) }
        let whim = Whim(seed: seed)
        let names = (0...up(to: 7)).map { up(to: 4) == 0 ? "bang\($0)" : "t\($0)" }
        let reruns = up(to: 3)
        var app = group("app", 1 + up(to: 2), runs: up(to: 1), onFailure: up(to: 1) == 0 ? .replace : .fail)
        app.spares = up(to: 1)
        app.standby = up(to: 2)
        if up(to: 2) == 0 { app.quarantine = Quarantine(after: 1 + up(to: 2), length: .seconds(60)) }
        var api = suite("api", on: "app", names, reruns: reruns)
        api.policy = SuitePolicy()
        api.policy?.spares = app.spares ?? 0
        var world = SeededChance(seed: seed &+ 1)
        let policies = TestPolicies(order: whim, success: whim, destructive: whim, rerun: whim)
        var lab = DirectorHarness(seed: seed, policies: policies) { work in
            let roll = Int.random(in: 0..<20, using: &world)
            if work.act.spec.action == .destroy { return roll == 0 ? .fails(.refused, "busy") : .succeeds }
            return switch roll {
            case 0...3: .exits(1)
            case 4: .losesNode("server ended")
            case 5: .ends(lostNode: "server ended")
            default: .succeeds
            }
        }
        let keep: Keep = [.never, .never, .always, .onFailure][up(to: 3)]
        let id = try lab.begin(run(.test, [app], [api], keep: keep))
        var steps = 0
        while lab.plan(id)?.state.isFinal != true, steps < 3000 {
            steps += 1
            if up(to: 9) == 0 { lab.restartAndResume() }
            let places = Dictionary(grouping: lab.rows.nodes.values.filter { $0.state == .ready }, by: \.name)
            #expect(places.count <= app.places && places.values.allSatisfy { $0.count == 1 }, "seed \(seed)")
            if !lab.works.isEmpty { lab.end(up(to: lab.works.count - 1)) } else if !lab.passTime() { break }
        }
        #expect(lab.plan(id)?.state == .stopped, "seed \(seed): \(lab.story)")
        let attempts = Dictionary(grouping: lab.attempts(id).filter { !$0.isCancelled }, by: \.test)
        #expect(Set(attempts.keys) == Set(names), "seed \(seed)")
        for (test, attempts) in attempts {
            #expect(attempts.map(\.number) == Array(1...attempts.count), "seed \(seed): \(test)")
            #expect(attempts.count { $0.outcome.isFailure } <= 1 + reruns, "seed \(seed): \(test)")
            #expect(attempts.count { $0.outcome == .infra } <= Defaults.infraAttemptsMax, "seed \(seed): \(test)")
            let settled = attempts.dropLast().allSatisfy { $0.outcome.isFailure || $0.outcome == .infra }
            #expect(settled, "seed \(seed): \(test)")
        }
        lab.expectSound("seed \(seed)")
    }
}
