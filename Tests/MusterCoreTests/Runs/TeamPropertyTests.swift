import MusterTestKit
import Testing

@testable import MusterCore

/// Tests on one node and on several, in labs where anything fails, is lost, goes away, and the conductor is killed.
@Suite struct TeamPropertyTests {
    /// A request and what goes wrong with it.
    private struct World {
        var spec: RunSpec
        var chance: SeededChance

        init(seed: UInt64) {
            var chance = SeededChance(seed: seed)
            func up(to most: Int) -> Int { Int.random(in: 0...most, using: &chance) }
            var app = group("app", 1 + up(to: 2), runs: up(to: 1), onFailure: FailurePolicy.allCases[up(to: 3)])
            if up(to: 3) == 0 { app.spares = 1 }
            let ext = group("ext", 1 + up(to: 1))
            var suites: [SuiteSpec] = []
            for index in 0...up(to: 1) {
                let groups = [["app"], ["app", "ext"], ["ext", "app"]][up(to: 2)]
                var suite = suite("s\(index)", on: groups[0], [], reruns: up(to: 2), before: up(to: 3) == 0)
                suite.alsoOn = groups.count > 1 ? [groups[1]] : nil
                var policy = SuitePolicy()
                policy.rerunOn = SuitePolicy.RerunPlace.allCases[up(to: 3)]
                if up(to: 3) == 0 { policy.renewAfter = [.fail] }
                if up(to: 4) == 0 { policy.stopAfter = 1 + up(to: 2) }
                suite.policy = policy
                let places = [app, ext].filter { groups.contains($0.name) }
                for number in 0...up(to: 5) {
                    var test = TestSpec(name: "t\(number)", command: .file("t.sh"))
                    test.destructive = up(to: 5) == 0
                    test.priority = Int64(up(to: 2))
                    if up(to: 1) == 0 { test.roles = Self.roles(places, up: up) }
                    suite.tests.append(test)
                }
                if up(to: 2) == 0 {
                    suite.nodeRoles = [["server", "client"], ["client", "server", "client"]][up(to: 1)]
                }
                suites.append(suite)
            }
            spec = run(.test, [app, ext], suites, keep: Keep.allCases[up(to: 2)], parallel: 1 + up(to: 5))
            for place in spec.suites.indices {
                let suite = spec.suites[place]
                for test in suite.tests.indices where suite.nodeRoles != nil {
                    for role in suite.tests[test].roles?.indices ?? 0..<0 {
                        spec.suites[place].tests[test].roles?[role].on = nil
                    }
                    let counts = Dictionary(uniqueKeysWithValues: spec.groups.map { ($0.name, $0.places) })
                    let shortage = spec.suites[place].tests[test].shortage(groups: suite.groups, spec.rounds(of: suite))
                    {
                        (0..<(counts[$0] ?? 0)).count(where: $1)
                    }
                    if shortage != nil { spec.suites[place].tests[test].roles = nil }
                }
            }
            self.chance = chance
        }

        /// No more than there can be.
        private static func roles(_ groups: [GroupSpec], up: (Int) -> Int) -> [TestRole] {
            var left = groups.reduce(0) { $0 + $1.places }
            var bound = Dictionary(uniqueKeysWithValues: groups.map { ($0.name, $0.places) })
            var roles: [TestRole] = []
            for name in ["server", "client"] where left > 0 {
                let group = up(2) == 0 ? groups[up(groups.count - 1)].name : nil
                // What is bound to a group may not be more than others leave of it.
                let most = min(left, group.map { bound[$0] ?? 0 } ?? left)
                guard most > 0 else { continue }
                let role = TestRole(name: name, count: 1 + up(most - 1), on: group)
                if let group { bound[group, default: 0] -= role.count }
                left -= role.count
                roles.append(role)
            }
            return roles
        }
    }

    @Test func allMembersRunTogetherAndEachTestEndsOnceWhateverHappens() throws {
        for seed in Seeds.first(500) { try live(seed: UInt64(seed)) }
    }

    private func live(seed: UInt64) throws {
        var world = World(seed: seed)
        var fate = SeededChance(seed: seed &+ 1)
        var lab = DirectorHarness(seed: seed) { work in
            let roll = Int.random(in: 0..<24, using: &fate)
            if work.act.spec.action == .destroy { return roll == 0 ? .fails(.refused, "busy") : .succeeds }
            switch roll {
            case 0...3: return .exits(1)
            case 4: return .losesNode("server ended")
            case 5: return .ends(lostNode: "server ended")
            case 6: return work.act.spec.runsTest ? .fails(.notStarted, "no such file") : .succeeds
            case 7, 8: return work.act.spec.runsTest ? .goesAway : .succeeds
            case 9: return work.act.spec.runsTest ? .fails(.missingSecret, "the secret 'x' is not there") : .succeeds
            default: return .succeeds
            }
        }
        func up(to most: Int) -> Int { Int.random(in: 0...most, using: &world.chance) }
        let id = try lab.begin(world.spec)
        var steps = 0
        var isCancelled = false
        while lab.plan(id)?.state.isFinal != true, steps < 3000 {
            steps += 1
            if up(to: 11) == 0 { kill(&lab, id, up: up) }
            check(lab, id, "seed \(seed)")
            if up(to: 40) == 0 {
                // It is over then, unless its machines stay and somebody goes on.
                isCancelled = isCancelled || world.spec.keep != .always || lab.plan(id)?.state == .paused
                lab.request(.cancel(id))
                check(lab, id, "seed \(seed)")
            }
            if lab.plan(id)?.state == .paused { lab.request(.resume(id)) }
            if !lab.works.isEmpty { lab.end(up(to: lab.works.count - 1)) } else if !lab.passTime() { break }
        }
        check(lab, id, "seed \(seed)")
        #expect(lab.plan(id)?.state == .stopped, "seed \(seed): \(lab.story)")
        for suite in world.spec.suites {
            let attempts = Dictionary(
                grouping: lab.attempts(id).filter { $0.suite == suite.name && !$0.isCancelled },
                by: \.test
            )
            #expect(isCancelled || Set(attempts.keys) == Set(suite.tests.map(\.name)), "seed \(seed)")
            for (test, attempts) in attempts {
                let name = "seed \(seed): \(suite.name)//\(test)"
                #expect(attempts.map(\.number) == attempts.map(\.number).sorted(), Comment(rawValue: name))
                #expect(attempts.count { $0.outcome.isFailure } <= 1 + suite.reruns, Comment(rawValue: name))
                #expect(attempts.count { $0.outcome == .infra } <= Defaults.infraAttemptsMax, Comment(rawValue: name))
                #expect(attempts.dropLast().allSatisfy { $0.outcome != .pass }, Comment(rawValue: name))
            }
        }
        lab.expectSound("seed \(seed)")
    }

    /// The conductor is killed, and goes on at once or later; some acts had not left, some nodes have gone meanwhile.
    private func kill(_ lab: inout DirectorHarness, _ id: PlanID, up: (Int) -> Int) {
        if up(3) == 0, let node = lab.works.randomNode(up) { lab.loseUnheard(node) }
        let salt = up(2)
        lab.statusScript = { act in
            act.spec.runsTest && (Int(act.step.index) + Int(act.number)) % 3 == salt ? .neverStarted : nil
        }
        lab.restart()
        lab.statusScript = nil
        for _ in 0..<up(3) where !lab.works.isEmpty {
            lab.end(up(lab.works.count - 1))
            check(lab, id, "held")
        }
        if up(5) == 0 { lab.restart() }
        lab.request(.resume(id))
    }

    /// All steps of an attempt stand, run and have ended together, each on a node of its own; nothing else runs there.
    private func check(_ lab: DirectorHarness, _ id: PlanID, _ comment: Comment) {
        let steps = lab.rows.steps[id] ?? []
        for lead in steps where lead.spec.action == .attempt {
            let team = [lead] + steps[(Int(lead.index) + 1)...].prefix { $0.spec.action == .member }
            #expect(team.allSatisfy { $0.lead == lead.index }, comment)
            let isTogether = team.allSatisfy { member in
                member.state == lead.state || member.state.hasEnded && lead.state.hasEnded
            }
            #expect(isTogether, comment)
            guard lead.state == .running else { continue }
            #expect(Set(team.compactMap(\.resource)).count == team.count, comment)
            for (place, member) in team.enumerated() {
                guard let spec = lab.rows.specs[id] else { continue }
                let suite = spec.suites[Int(lead.spec.a)]
                let members = suite.tests[Int(lead.spec.b)].members
                guard !members.isEmpty, let node = member.resource.flatMap({ lab.rows.nodes[$0] })?.name else {
                    continue
                }
                if let group = members[place].on { #expect(node.group == group, comment) }
                if let rounds = spec.rounds(of: suite) {
                    #expect(rounds.role(of: node.index, in: node.group) == members[place].role, comment)
                }
            }
        }
        let nodes = lab.works.filter { $0.act.spec.runsTest }.compactMap(\.act.node)
        #expect(Set(nodes).count == nodes.count, comment)
        if let flaw = lab.rows.snapshot().plans.first(where: { $0.row.id == id })?.flaw {
            Issue.record("\(comment): \(flaw)")
        }
    }
}

extension [DirectorHarness.Work] {
    fileprivate func randomNode(_ up: (Int) -> Int) -> NodeID? { isEmpty ? nil : self[up(count - 1)].act.node }
}
