import MusterTestKit
import Testing

@testable import MusterCore

/// What another version of a lab changes of what is up.
@Suite struct LabChangesTests {
    private let before = [
        group("db", runs: 1, undo: true), group("app", 3, needs: needs("db"), runs: 1),
        gate("all", needs: needs("app")), group("web", needs: needs("all")), group("cache"),
    ]

    private func up() -> DirectorHarness {
        var lab = DirectorHarness()
        lab.submit(run(.up, before))
        lab.settle()
        return lab
    }

    private func compare(_ lab: DirectorHarness, _ groups: [GroupSpec], declared: Set<String>? = nil) -> LabChanges {
        let nodes = lab.rows.nodes.values.filter { $0.state != .gone }.sorted { $0.id < $1.id }
        return LabChanges(
            bringingUp: run(.up, groups),
            declared: declared ?? Set(groups.map(\.name)),
            nodes: nodes
        ) { lab.rows.specs[$0] }
    }

    private func told(_ changes: LabChanges) -> [String] {
        changes.groups.map { group in
            "\(group.name) \(group.kept) kept \(group.added) added \(group.repaired) repaired "
                + "\(group.remade.count) remade \(group.removed.count) removed"
        }
    }

    private func make(_ changes: LabChanges, _ groups: [GroupSpec], _ lab: inout DirectorHarness) -> PlanID? {
        var spec = run(.up, groups)
        spec.changes = changes.changes
        let id = lab.submit(spec)
        lab.settle()
        return id
    }

    @Test func theSameLabChangesNothing() {
        let lab = up()
        var groups = before
        groups[0].steps[1].timeout = .seconds(5)
        groups[0].steps[1].retry = RetryPolicy(times: 9)
        groups[1].ready = [ReadyCondition(.tcp(port: 80))]
        let changes = compare(lab, groups)
        #expect(changes.isNothing)
        #expect(changes.changes == nil)
    }

    @Test func moreNodesAreAddedAndFewerAreTakenAway() {
        var lab = up()
        var groups = before
        groups[1].count = 5
        groups[4].count = 2
        let more = compare(lab, groups)
        #expect(told(more)[1] == "app 3 kept 2 added 0 repaired 0 remade 0 removed")
        #expect(more.changes == nil, "what is added just comes")
        _ = make(more, groups, &lab)
        #expect(lab.nodeStates.count == 9)
        let begun = lab.started().count
        let fewer = compare(lab, before)
        #expect(told(fewer)[1] == "app 3 kept 0 added 0 repaired 0 remade 2 removed")
        let id = make(fewer, before, &lab)
        #expect(lab.plan(id)?.result == .success)
        #expect(Set(lab.started().dropFirst(begun)) == ["app/3 destroy", "app/4 destroy", "cache/1 destroy"])
        #expect(compare(lab, before).isNothing)
        lab.expectSound()
    }

    @Test func aChangedStepMakesItsNodesAnewAndThoseThatNeedThem() {
        var lab = up()
        var groups = before
        groups[0].steps[1] = ProvisionStep(.run(Template("./other")))
        let changes = compare(lab, groups)
        #expect(
            told(changes) == [
                "db 0 kept 0 added 0 repaired 1 remade 0 removed", "app 0 kept 0 added 0 repaired 3 remade 0 removed",
                "all 0 kept 0 added 0 repaired 0 remade 0 removed", "web 0 kept 0 added 0 repaired 1 remade 0 removed",
                "cache 1 kept 0 added 0 repaired 0 remade 0 removed",
            ]
        )
        #expect(changes.groups[0].reason == "step 2 (run: ./other) has changed")
        #expect(changes.groups[1].reason == "'db' is made anew, which it needs")
        let story = lab.story.count
        let id = make(changes, groups, &lab)
        #expect(lab.plan(id)?.result == .success)
        let after = Array(lab.story.dropFirst(story))
        func moment(_ text: String) -> Int { after.firstIndex { $0.contains(text) } ?? after.count }
        #expect(moment("■ web/0 destroy") < moment("▶ app/0 destroy"))
        #expect(moment("■ app/2 destroy") < moment("▶ db/0:1 undo"))
        #expect(moment("■ db/0 destroy") < moment("▶ db/0:1 process"))
        #expect(moment("■ db/0:2 run: ./other") < moment("▶ app/0:1 process"))
        #expect(!after.contains { $0.contains("cache") })
        #expect(lab.nodeStates.count == 6)
        #expect(compare(lab, groups).isNothing)
        lab.expectSound()
    }

    @Test func aGroupThatIsNotInTheLabAnyMoreGoes() {
        var lab = up()
        let groups = Array(before.dropLast())
        let changes = compare(lab, groups)
        #expect(told(changes).last == "cache 0 kept 0 added 0 repaired 0 remade 1 removed")
        let id = make(changes, groups, &lab)
        #expect(lab.plan(id)?.result == .success)
        #expect(!lab.nodeStates.contains("cache/0 ready"))
        lab.expectSound()
    }

    @Test func someGroupsOfALabLeaveTheOthersAlone() {
        let lab = up()
        var db = before[0]
        #expect(
            LabChanges(bringingUp: run(.up, [db]), declared: nil, nodes: Array(lab.rows.nodes.values)) {
                lab.rows.specs[$0]
            }.isNothing
        )
        db.steps[1] = ProvisionStep(.run(Template("./other")))
        let changes = LabChanges(bringingUp: run(.up, [db]), declared: nil, nodes: Array(lab.rows.nodes.values)) {
            lab.rows.specs[$0]
        }
        #expect(changes.leftOut.map(\.group) == ["app", "web"], "they would stand on a db they were not set up with")
    }

    @Test func anUndoThatFailsKeepsTheNodeAndMakesNoOther() {
        var lab = up()
        var groups = before
        groups[0].steps[1] = ProvisionStep(.run(Template("./other")))
        let changes = compare(lab, groups)
        lab.script = { $0.label.hasPrefix("db/0:2 undo") ? .exits(1) : .succeeds }
        let id = make(changes, groups, &lab)
        #expect(lab.plan(id)?.result == .error)
        #expect(lab.nodeStates.contains("db/0 failed"))
        #expect(lab.started("./other") == [])
        lab.script = { _ in .succeeds }
        let again = lab.submit(run(.up, groups))
        lab.settle()
        #expect(lab.plan(again)?.result == .success)
        #expect(lab.nodeStates.count == 6)
        lab.expectSound()
    }

    /// Whoever is killed when: the nodes that were agreed on go, and no others.
    @Test func aChangeThatIsKilledIsGoneOnWith() {
        var groups = before
        groups[0].steps[1] = ProvisionStep(.run(Template("./other")))
        groups[1].count = 2
        for moment in 1..<40 {
            var lab = up()
            let changes = compare(lab, groups)
            var turns = 0
            lab.afterTurn = { lab in
                turns += 1
                if turns == moment { lab.restartAndResume() }
            }
            let id = make(changes, groups, &lab)
            lab.afterTurn = nil
            lab.restartAndResume()
            lab.settle()
            #expect(lab.plan(id)?.state == .stopped, "killed after turn \(moment)")
            #expect(lab.nodeStates.count == 5 && lab.nodeStates.allSatisfy { $0.hasSuffix("ready") })
            #expect(lab.started("cache/0").count == 1)
            lab.expectSound("killed after turn \(moment)")
        }
    }

    /// What a teardown that failed has left is not ready: it goes in order, too, and its error stops what it needs.
    @Test func theSameCommandAgainKeepsTheOrder() {
        let groups = [group("db", runs: 1, undo: true), group("app", needs: needs("db"), runs: 1, undo: true)]
        var fails = true
        var lab = DirectorHarness { $0.label.hasPrefix("app/0:2 undo") && fails ? .exits(1) : .succeeds }
        lab.submit(run(.up, groups))
        lab.settle()
        var changed = groups
        changed[0].steps[1].kind = .run(Template("./other"))
        for _ in 0..<2 {
            let id = make(compare(lab, changed), changed, &lab)
            #expect(lab.plan(id)?.result == .error)
            #expect(lab.nodeStates == ["app/0 failed", "db/0 ready"])
            #expect(lab.started("db/0:2 undo").isEmpty, "app's undo may need it")
        }
        fails = false
        let id = make(compare(lab, changed), changed, &lab)
        #expect(lab.plan(id)?.result == .success)
        #expect(lab.nodeStates == ["app/0 ready", "db/0 ready"])
        #expect(lab.moment("■ app/0 destroy") < lab.moment("▶ db/0:2 undo"))
        lab.expectSound()
    }

    @Test func nothingIsMadeBeforeAllHasGoneThatGoes() {
        var lab = DirectorHarness()
        lab.submit(run(.up, [group("old", runs: 1, undo: true)]))
        lab.settle()
        let groups = [group("new"), group("more", needs: needs("new"))]
        let id = make(compare(lab, groups), groups, &lab)
        #expect(lab.plan(id)?.result == .success)
        #expect(lab.moment("■ old/0 destroy") < lab.moment("▶ new/0:1 process"))
        lab.expectSound()
    }

    @Test func whatIsBeingTakenAwayIsNotUsedByOthers() throws {
        var lab = DirectorHarness()
        let groups = [group("x", runs: 1, undo: true), group("y")]
        lab.submit(run(.up, groups))
        lab.settle()
        var spec = run(.up, [groups[1]])
        spec.changes = compare(lab, [groups[1]]).changes
        let id = try lab.begin(spec)
        lab.settle { $0.works.contains { $0.label.hasPrefix("x/0:2 undo") } }
        #expect(lab.submit(run(.up, [groups[0]])) == nil, "it is being destroyed")
        let down = lab.submit(MusterCoreTests.down("x"))
        lab.settle()
        #expect(lab.plan(id)?.result == .cancelled, "a `down` ends what works on its groups, and waits for its end")
        #expect(lab.plan(down)?.result == .success)
        #expect(lab.nodeStates == ["y/0 ready"])
        lab.expectSound()
    }
}
