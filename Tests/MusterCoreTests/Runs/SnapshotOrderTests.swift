import MusterTestKit
import Testing

@testable import MusterCore

/// Tests that want the same snapshot follow one another on a node.
@Suite struct SnapshotOrderTests {
    /// `a1 b1 a2 …`: tests that want snapshot `a`, `b`, or with `-` none.
    private func api(_ tests: [String], reruns: Int = 0) -> SuiteSpec {
        var api = suite("api", on: "app", tests, reruns: reruns)
        api.order = .sameSnapshot
        for test in api.tests.indices {
            let kind = api.tests[test].name.prefix(1)
            api.tests[test].tags = kind == "-" ? ["slow"] : ["slow", "snapshot:\(kind)"]
        }
        return api
    }

    private func order(_ lab: DirectorHarness, on node: String) -> [String] {
        lab.started("api//").filter { $0.hasSuffix(node) }.map { String($0.dropFirst(5).prefix { $0 != "#" }) }
    }

    @Test func oneNodeGoesFromOneSnapshotToTheNext() {
        var lab = DirectorHarness()
        lab.submit(run(.test, [group("app")], [api(["a1", "b1", "-1", "a2", "b2", "a3"])]))
        lab.settle()
        #expect(order(lab, on: "app/0") == ["a1", "a2", "a3", "b1", "b2", "-1"])
        lab.expectSound()
    }

    @Test(arguments: [false, true]) func twoNodesShareTheSnapshots(_ restarts: Bool) throws {
        var lab = DirectorHarness()
        if restarts { lab.afterTurn = { $0.restartAndResume() } }
        lab.submit(run(.test, [group("app", 2)], [api(["a1", "b1", "b2", "a2", "a3", "b3"])]))
        lab.settle()
        #expect(order(lab, on: "app/0") == ["a1", "a2", "a3"])
        #expect(order(lab, on: "app/1") == ["b1", "b2", "b3"])
        lab.expectSound()
    }

    @Test func asListedWhereTheOrderIsAnother() {
        var lab = DirectorHarness()
        var api = api(["a1", "b1", "a2"])
        api.order = .asListed
        lab.submit(run(.test, [group("app")], [api]))
        lab.settle()
        #expect(order(lab, on: "app/0") == ["a1", "b1", "a2"])
        lab.expectSound()
    }

    /// Anything fails, nodes are lost, and the conductor is killed after any turn.
    @Test func eachTestEndsOnce() throws {
        for seed in Seeds.first(200) {
            var chance = SeededChance(seed: UInt64(seed))
            let names = (0...Int.random(in: 0...9, using: &chance)).map { number in
                "\(["a", "b", "c", "-"][Int.random(in: 0...3, using: &chance)])\(number)"
            }
            var api = api(names, reruns: 1)
            for test in api.tests.indices { api.tests[test].priority = Int64.random(in: 0...1, using: &chance) }
            api.policy = SuitePolicy()
            api.policy?.rerunOn = SuitePolicy.RerunPlace.allCases.randomElement(using: &chance) ?? .any
            if Int.random(in: 0...3, using: &chance) == 0 { api.policy?.stopAfter = 2 }
            var world = SeededChance(seed: UInt64(seed) &+ 1)
            var lab = DirectorHarness(seed: UInt64(seed)) { work in
                switch Int.random(in: 0..<12, using: &world) {
                case 0, 1: work.act.spec.action == .attempt ? .exits(1) : .succeeds
                case 2: work.act.spec.action == .attempt ? .losesNode("server ended") : .succeeds
                default: .succeeds
                }
            }
            let id = try lab.begin(run(.test, [group("app", 1 + seed % 3)], [api]))
            var steps = 0
            while lab.plan(id)?.state.isFinal != true, steps < 2000 {
                steps += 1
                if Int.random(in: 0..<10, using: &chance) == 0 { lab.restartAndResume() }
                guard !lab.works.isEmpty else {
                    guard lab.passTime() else { break }
                    continue
                }
                lab.end(Int.random(in: 0..<lab.works.count, using: &chance))
            }
            #expect(lab.plan(id)?.state == .stopped, "seed \(seed): \(lab.story)")
            #expect(Set(lab.attempts(id).map(\.test)) == Set(names), "seed \(seed)")
            let passes = lab.attempts(id).filter { $0.outcome == .pass }.map(\.test)
            #expect(Set(passes).count == passes.count, "seed \(seed)")
            lab.expectSound("seed \(seed)")
        }
    }
}
