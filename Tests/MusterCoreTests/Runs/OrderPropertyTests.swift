import MusterTestKit
import Testing

@testable import MusterCore

/// In any lab: nothing starts before what it needs is ready, and nothing goes before what needs it.
@Suite struct OrderPropertyTests {
    /// Groups in an order in which each needs only groups before it; some without machines.
    private func randomGroups(_ chance: inout SeededChance) -> [GroupSpec] {
        var groups: [GroupSpec] = []
        for index in 0..<Int.random(in: 1...9, using: &chance) {
            let needed = groups.shuffled(using: &chance).prefix(Int.random(in: 0...3, using: &chance))
            let needs = needed.map { Need(group: $0.name) }
            if Int.random(in: 0..<5, using: &chance) == 0 {
                groups.append(gate("g\(index)", needs: needs))
            } else {
                groups.append(
                    group(
                        "g\(index)",
                        Int.random(in: 1...3, using: &chance),
                        needs: needs,
                        runs: Int.random(in: 0...2, using: &chance),
                        undo: Bool.random(using: &chance)
                    )
                )
            }
        }
        return groups
    }

    /// All that a group needs, also through others, that has machines.
    private func needed(by name: String, _ groups: [GroupSpec]) -> Set<String> {
        var found: Set<String> = []
        var open = [name]
        while let next = open.popLast() {
            for need in groups.first(where: { $0.name == next })?.needs ?? []
            where found.insert(need.group).inserted { open.append(need.group) }
        }
        return found.filter { name in groups.first { $0.name == name }?.hasNodes == true }
    }

    private func first(_ text: String, _ story: [String]) -> Int {
        story.firstIndex { $0.contains(text) } ?? .max
    }
    private func last(_ text: String, _ story: [String]) -> Int { story.lastIndex { $0.contains(text) } ?? -1 }

    @Test(arguments: Seeds.first(150)) func bothOrdersHoldInAnyLab(_ seed: Int) {
        var chance = SeededChance(seed: UInt64(seed))
        let groups = randomGroups(&chance)
        var lab = DirectorHarness()
        lab.submit(
            run(.up, groups.shuffledKeepingNeeds(using: &chance), parallel: Int.random(in: 1...8, using: &chance))
        )
        while !lab.works.isEmpty { lab.end(Int.random(in: 0..<lab.works.count, using: &chance)) }
        let story = lab.story
        for group in groups where group.hasNodes {
            for need in needed(by: group.name, groups) {
                #expect(last("■ \(need)/", story) < first("▶ \(group.name)/", story), "seed \(seed)")
            }
        }
        lab.submit(down())
        while !lab.works.isEmpty { lab.end(Int.random(in: 0..<lab.works.count, using: &chance)) }
        let teardown = Array(lab.story.dropFirst(story.count))
        for group in groups where group.hasNodes {
            for need in needed(by: group.name, groups) {
                #expect(last("■ \(group.name)/", teardown) < first("▶ \(need)/", teardown), "seed \(seed)")
            }
        }
        #expect(lab.nodeStates == [], "seed \(seed)")
        lab.expectSound("seed \(seed)")
    }

    /// What is left when undos fail is closed: nothing that is left needs what is gone.
    @Test(arguments: Seeds.first(150)) func whatATeardownLeavesHasWhatItNeeds(_ seed: Int) {
        var chance = SeededChance(seed: UInt64(seed))
        let groups = randomGroups(&chance)
        var lab = DirectorHarness()
        lab.submit(run(.up, groups))
        lab.settle()
        let bad = Int.random(in: 0..<4, using: &chance)
        lab.script = { work in
            work.label.contains("undo") && (work.node?.index ?? 0) % 4 == bad % 3 ? .exits(1) : .succeeds
        }
        lab.submit(down())
        while !lab.works.isEmpty { lab.end(Int.random(in: 0..<lab.works.count, using: &chance)) }
        let left = Set(lab.rows.nodes.values.filter { $0.state != .gone }.map(\.name.group))
        for group in left {
            for need in needed(by: group, groups) {
                #expect(left.contains(need), "seed \(seed): \(group) lacks \(need)")
            }
        }
        lab.script = { _ in .succeeds }
        lab.forgetEndings()
        lab.submit(down())
        lab.settle()
        #expect(lab.nodeStates == [], "seed \(seed)")
        lab.expectSound("seed \(seed)")
    }
}

extension [GroupSpec] {
    /// Another order in which each group still comes after all it needs.
    fileprivate func shuffledKeepingNeeds(using chance: inout SeededChance) -> [GroupSpec] {
        var rest = shuffled(using: &chance)
        var order: [GroupSpec] = []
        while !rest.isEmpty {
            let done = Set(order.map(\.name))
            guard let next = rest.firstIndex(where: { $0.needs.allSatisfy { done.contains($0.group) } }) else { break }
            order.append(rest.remove(at: next))
        }
        return order
    }
}
