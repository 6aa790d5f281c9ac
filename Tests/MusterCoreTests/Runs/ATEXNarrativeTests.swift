import MusterTestKit
import Testing

@testable import MusterCore

/// The story by which ATEX explains its scheduler, lived through to the second: ten tests on three nodes that arrive
/// one after the other, while tests run already. Test 2 takes long, fails and destroys its node, which is made anew
/// while the others work. It runs again, fails again, and has no rerun left.
@Suite struct ATEXNarrativeTests {
    private static let tests = (1...10).map { "t\($0)" }

    /// - Parameter prefersReruns: test 2 comes second, and its rerun before what has not run yet, as in the story;
    ///   otherwise it comes when its turn does, behind the others.
    private func narrative(prefersReruns: Bool) -> RunSpec {
        var api = suite("api", on: "app", Self.tests, reruns: 1)
        var policy = SuitePolicy()
        policy.renewAfter = [.fail]
        api.policy = policy
        if prefersReruns {
            api.order = .priority
            api.tests[0].priority = 2
            api.tests[1].priority = 1
        }
        return run(.test, [group("app", 3, runs: 1)], [api], keep: .never)
    }

    private func lab() -> DirectorHarness {
        DirectorHarness { $0.label.hasPrefix("api//t2#") ? .exits(1) : .succeeds }
    }

    /// How long things take, in seconds: making, setting up and destroying a node, and each test.
    private static func length(_ work: DirectorHarness.Work) -> Duration {
        let seconds: [String: Int64] = [
            "app/0:1": work.act.node == NodeID(1) ? 5 : 30, "app/0:2": work.act.node == NodeID(1) ? 5 : 15,
            "app/1:1": 20, "app/1:2": 10, "app/2:1": 70, "app/2:2": 20,
            "api//t2#1": 80, "api//t2#2": 90, "api//t6#1": 50, "api//t7#1": 30, "api//t9#1": 40, "api//t10#1": 30,
        ]
        let name = work.label.prefix { $0 != " " }
        return .seconds(work.act.spec.action == .destroy ? 5 : seconds[String(name)] ?? 10)
    }

    private func start() -> TimedLab { TimedLab(narrative(prefersReruns: true), lab(), length: Self.length) }

    /// As the story has it, line by line.
    private static let chronicle = [
        "0 ▶ app/0:1 process: ./server", "0 ▶ app/1:1 process: ./server", "0 ▶ app/2:1 process: ./server",
        // The first node arrives, and test 1 runs on it; then test 2, as there is still no other node.
        "5 ■ app/0:1 process: ./server: ok", "5 ▶ app/0:2 run: ./setup-0",
        "10 ■ app/0:2 run: ./setup-0: ok", "10 ▶ api//t1#1 on app/0",
        "20 ■ app/1:1 process: ./server: ok", "20 ▶ app/1:2 run: ./setup-0",
        "20 ■ api//t1#1: ok", "20 ▶ api//t2#1 on app/0",
        // The second arrives and runs tests 3 to 6, while test 2 takes its time.
        "30 ■ app/1:2 run: ./setup-0: ok", "30 ▶ api//t3#1 on app/1",
        "40 ■ api//t3#1: ok", "40 ▶ api//t4#1 on app/1",
        "50 ■ api//t4#1: ok", "50 ▶ api//t5#1 on app/1",
        "60 ■ api//t5#1: ok", "60 ▶ api//t6#1 on app/1",
        // The third arrives at last.
        "70 ■ app/2:1 process: ./server: ok", "70 ▶ app/2:2 run: ./setup-0",
        "90 ■ app/2:2 run: ./setup-0: ok", "90 ▶ api//t7#1 on app/2",
        // Test 2 has failed: its node goes, and is made anew while the others work.
        "100 ■ api//t2#1: exited", "100 ▶ app/0 destroy",
        "105 ■ app/0 destroy: ok", "105 ▶ app/0:1 process: ./server",
        "110 ■ api//t6#1: ok", "110 ▶ api//t2#2 on app/1",
        "120 ■ api//t7#1: ok", "120 ▶ api//t8#1 on app/2",
        "130 ■ api//t8#1: ok", "130 ▶ api//t9#1 on app/2",
        "135 ■ app/0:1 process: ./server: ok", "135 ▶ app/0:2 run: ./setup-0",
        "150 ■ app/0:2 run: ./setup-0: ok", "150 ▶ api//t10#1 on app/0",
        // No test is left for the third node, then for the first.
        "170 ■ api//t9#1: ok", "170 ▶ app/2 destroy", "175 ■ app/2 destroy: ok",
        "180 ■ api//t10#1: ok", "180 ▶ app/0 destroy", "185 ■ app/0 destroy: ok",
        // Test 2 has failed again: nothing takes the place of its node.
        "200 ■ api//t2#2: exited", "200 ▶ app/1 destroy", "205 ■ app/1 destroy: ok",
    ]

    private static let rows = [
        "t1#1 pass on app/0, 10-20", "t3#1 pass on app/1, 30-40", "t4#1 pass on app/1, 40-50",
        "t5#1 pass on app/1, 50-60", "t2#1 fail on app/0, 20-100", "t6#1 pass on app/1, 60-110",
        "t7#1 pass on app/2, 90-120", "t8#1 pass on app/2, 120-130", "t9#1 pass on app/2, 130-170",
        "t10#1 pass on app/0, 150-180", "t2#2 fail on app/1, 110-200",
    ]

    /// What holds however it came about: each test has its verdict, and nothing is left behind.
    private func expectEnd(_ lab: TimedLab, _ comment: Comment) {
        var verdicts: [String: [Outcome]] = [:]
        for test in Self.tests { verdicts[test] = test == "t2" ? [.fail, .fail] : [.pass] }
        #expect(lab.verdicts == verdicts, comment)
        #expect(lab.row?.state == .stopped && lab.row?.result == .error, comment)
        #expect(lab.lab.nodeStates == [], comment)
        lab.lab.expectSound(comment)
    }

    // MARK: Undisturbed

    @Test func itHappensAsItIsTold() {
        var lab = start()
        lab.run { #expect(!$0.testsAreLeft || $0.idleNodes.isEmpty, "at \($0.elapsed)") }
        #expect(lab.chronicle == Self.chronicle)
        #expect(lab.rows == Self.rows)
        let replaced = lab.lab.rows.events.filter { $0.kind == .nodeReplaced }
        #expect(replaced.map { lab.seconds($0.at) } == [100], "asked for at once, and once")
        #expect(replaced.first?.detail == "a test on it ended with fail")
        let spent = lab.lab.attempts(lab.plan).filter { $0.test == "t2" }
        #expect(spent.map(\.rerunsSpent) == [1, 1] && Set(spent.map(\.nodeID)).count == 2)
        #expect(lab.lab.rows.nodes.count == 4)
        expectEnd(lab, "")
    }

    // MARK: Killed

    /// The same to the second: the tests that run go on, nothing runs twice, nothing waits for the restart.
    @Test(arguments: [TimedLab.Crash.attached, .unsent])
    func aKillAtAnyTurnChangesNothing(_ crash: TimedLab.Crash) {
        var undisturbed = start()
        undisturbed.run()
        for point in 0...undisturbed.steps {
            var lab = start()
            lab.run(for: point)
            lab.crash(crash)
            lab.run()
            #expect(lab.chronicle == Self.chronicle, "killed after turn \(point)")
            #expect(lab.rows == Self.rows, "killed after turn \(point)")
            expectEnd(lab, "killed after turn \(point)")
        }
        var lab = start()
        lab.crash(crash)
        lab.run { $0.crash(crash) }
        #expect(lab.chronicle == Self.chronicle && lab.rows == Self.rows, "killed after each turn")
        expectEnd(lab, "killed after each turn")
    }

    /// What ended with nobody there is taken as it ended: later, and not once more.
    @Test func whatEndedWhileNobodyWasThereIsNotRepeated() {
        var undisturbed = start()
        undisturbed.run()
        for point in 0..<undisturbed.steps {
            var lab = start()
            lab.run(for: point)
            lab.crash(.absent)
            lab.run()
            #expect(lab.rows.count == Self.rows.count, "killed after turn \(point)")
            #expect(Set(lab.lab.started("api//")).count == Self.rows.count, "killed after turn \(point)")
            expectEnd(lab, "killed after turn \(point)")
        }
    }

    /// Only what ran then is repeated, on another node, and spends no rerun.
    @Test func whatNobodyCanTellOfIsRepeatedAndNothingElse() {
        var undisturbed = start()
        undisturbed.run()
        for point in 0..<undisturbed.steps {
            var lab = start()
            lab.run(for: point)
            let running = lab.runningTests.map { String($0.dropFirst("api//".count)) }.sorted()
            lab.crash(.forgotten)
            lab.run()
            let lost = lab.rows.filter { $0.contains(" infra ") }.map { String($0.prefix { $0 != " " }) }
            #expect(lost.sorted() == running, "killed after turn \(point)")
            #expect(lab.rows.count == Self.rows.count + running.count, "killed after turn \(point)")
            #expect(lab.lab.started("api//").count == lab.rows.count, "killed after turn \(point)")
            expectEnd(lab, "killed after turn \(point)")
        }
    }

    // MARK: From a seed

    /// Nodes arrive whenever they like, tests take what they take, the conductor is killed now and then: tests begin in
    /// the order of the list, no node is idle, and the rerun comes when the others have begun.
    @Test(arguments: Seeds.first(60)) func wheneverNodesArriveEachTestHasItsVerdict(_ seed: Int) {
        let calm = live(seed) { _, _ in }
        let order = calm.lab.started("api//").map { String($0.dropFirst("api//".count).prefix { $0 != " " }) }
        #expect(order == Self.tests.map { "\($0)#1" } + ["t2#2"], "seed \(seed)")
        #expect(calm.lab.rows.nodes.count <= 5, "seed \(seed): only what test 2 has used up is made anew")
        for crash in TimedLab.Crash.allCases {
            var chance = SeededChance(seed: UInt64(seed) &* 4 &+ 1)
            var lost = 0
            let other = live(seed) { lab, _ in
                guard Int.random(in: 0..<12, using: &chance) == 0, crash != .forgotten || lost == 0 else { return }
                lost += crash == .forgotten ? lab.runningTests.count : 0
                lab.crash(crash)
            }
            #expect(other.rows.count == calm.rows.count + lost, "seed \(seed), \(crash)")
            guard crash == .attached || crash == .unsent else { continue }
            #expect(other.rows == calm.rows, "seed \(seed), \(crash)")
            #expect(other.chronicle == calm.chronicle, "seed \(seed), \(crash)")
        }
    }

    private func live(_ seed: Int, _ afterStep: (inout TimedLab, Int) -> Void) -> TimedLab {
        var lab = TimedLab(narrative(prefersReruns: false), lab()) { work in
            // By what it is, not by when it is asked: the same whenever the conductor is killed.
            var chance = SeededChance(seed: UInt64(seed) << 32 | UInt64(work.act.step.index))
            let most: Int64 =
                switch work.act.spec.action {
                case .provision: 200
                case .attempt: 60
                default: 20
                }
            return .milliseconds(Int64.random(in: 1...most * 1000, using: &chance))
        }
        lab.run {
            #expect(!$0.testsAreLeft || $0.idleNodes.isEmpty, "seed \(seed), at \($0.elapsed)")
            afterStep(&$0, $0.steps)
        }
        expectEnd(lab, "seed \(seed)")
        return lab
    }
}
