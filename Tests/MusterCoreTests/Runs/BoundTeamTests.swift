import MusterTestKit
import Testing

@testable import MusterCore

/// Tests with roles on nodes that each have one role for as long as they are there.
@Suite struct BoundTeamTests {
    private func api(_ tests: [TestSpec], on groups: [String] = ["app"], roles: String, spares: Int = 0) -> SuiteSpec {
        var api = suite("api", on: groups[0], [])
        api.tests = tests
        if groups.count > 1 { api.alsoOn = Array(groups.dropFirst()) }
        api.nodeRoles = roles.split(separator: " ").map(String.init)
        var policy = SuitePolicy()
        policy.spares = spares
        api.policy = policy
        return api
    }

    /// Which nodes the members of a test have, in their order.
    private func nodes(_ lab: DirectorHarness, of test: String) -> [String] {
        lab.works.filter { $0.label.hasPrefix("api//\(test)#") }
            .sorted { $0.act.spec.memberIndex! < $1.act.spec.memberIndex! }.compactMap { $0.node?.description }
    }

    private func ready(_ lab: inout DirectorHarness) {
        lab.settle { !$0.works.contains { $0.act.spec.action == .provision } }
    }

    @Test func membersAreOnNodesThatHaveTheirRole() {
        var lab = DirectorHarness()
        let tests = [team("t", "client:2 server"), team("u", "server client:2")]
        _ = lab.submit(run(.test, [group("app", 6)], [api(tests, roles: "server client client")]))
        ready(&lab)
        #expect(nodes(lab, of: "t") == ["app/1", "app/2", "app/0"])
        #expect(nodes(lab, of: "u") == ["app/3", "app/4", "app/5"])
        lab.settle()
        lab.expectSound()
    }

    @Test func placesGoOnFromGroupToGroup() {
        var lab = DirectorHarness()
        let suite = api([team("t", "server client:2")], on: ["one", "two"], roles: "server client client")
        _ = lab.submit(run(.test, [group("one", 1), group("two", 2)], [suite]))
        ready(&lab)
        #expect(nodes(lab, of: "t") == ["one/0", "two/0", "two/1"])
        lab.settle()
        lab.expectSound()
    }

    @Test func aTestWaitsForANodeOfItsRoleAlthoughOthersAreFree() {
        var lab = DirectorHarness()
        let tests = [team("t", "server client"), team("u", "server client")]
        let id = lab.submit(run(.test, [group("app", 4)], [api(tests, roles: "server client client client")]))
        ready(&lab)
        #expect(nodes(lab, of: "t") == ["app/0", "app/1"] && nodes(lab, of: "u") == [])
        lab.settle()
        #expect(lab.results(id) == ["api//t#1 pass", "api//u#1 pass"])
        lab.expectSound()
    }

    @Test func aSpareStandsInForItsOwnRole() {
        var lab = DirectorHarness { $0.label == "app/1:1 process: ./server" ? .exits(7) : .succeeds }
        var app = group("app", 2)
        app.spares = 2
        let id = lab.submit(run(.test, [app], [api([team("t", "server client")], roles: "server client", spares: 2)]))
        ready(&lab)
        #expect(nodes(lab, of: "t") == ["app/0", "app/3"])
        lab.settle()
        #expect(lab.results(id) == ["api//t#1 pass"])
        lab.expectSound()
    }

    @Test func withoutANodeOfARoleTheTestEnds() {
        var lab = DirectorHarness { $0.label == "app/0:1 process: ./server" ? .exits(7) : .succeeds }
        let id = lab.submit(
            run(.test, [group("app", 3)], [api([team("t", "server client")], roles: "server client client")])
        )
        lab.settle()
        #expect(lab.results(id) == ["api//t#1 infra"])
        #expect(
            lab.attempts(id).first?.note
                == "not run: it needs 1 node with the role 'server' at once, and 'app' has 0 left (app/0: exit 7)"
        )
        lab.expectSound()
    }

    @Test func nodesOfARoleThatIsStillWantedAreNotLetGo() {
        var lab = DirectorHarness { $0.label == "api//a#1" ? .exits(1) : .succeeds }
        var first = TestSpec(name: "a", command: .file("tests/a.sh"))
        first.priority = 1
        // The one that is taken by the first is a client, and the last place is a server's.
        let suite = api([first, team("t", "server:2 client")], roles: "client server client server")
        let id = lab.submit(run(.test, [group("app", 4)], [suite]))
        lab.settle()
        #expect(lab.results(id) == ["api//a#1 fail", "api//t#1 pass"])
        lab.expectSound()
    }

    @Test func whatHasTooFewNodesOfARoleIsRefused() {
        var lab = DirectorHarness()
        let suite = api([team("t", "server:2 client")], roles: "server client client")
        #expect(lab.submit(run(.test, [group("app", 3)], [suite])) == nil)
        let refusal = lab.rows.events.last.flatMap { Refusal($0.detail ?? "") }
        #expect(
            refusal?.message.contains("it needs 2 nodes with the role 'server' at once, and 'app' has 1") == true,
            "\(refusal?.message ?? "")"
        )
    }
}
