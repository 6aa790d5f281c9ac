import MusterCore
import MusterTestKit
import Testing

@testable import MusterCLI

/// When something is ready, may be, or never will be: as rows tell it, without a clock.
@Suite struct ReadyWaitTests {
    private let groups = [scheduled("db"), scheduled("app", 3, needs: ["db"], runs: 1)]

    @Test func oneThatIsMadeIsWaitedForAndPartialResultsAreThere() {
        var lab = DirectorHarness()
        lab.submit(request(.up, groups))
        #expect(lab.wait("app") == "pending")
        #expect(lab.standing("app") == "waiting: waits for db (0 of 1 ready)")
        lab.end("db/0:1")
        lab.end("app/1:1")
        lab.end("app/1:2")
        #expect(lab.wait("app/1") == "there")
        #expect(lab.wait("app", quorum: .any) == "there")
        #expect(lab.wait("app", quorum: .count(2)) == "pending")
        let wait = ReadyWait([.group("app"), .group("db")], quorum: .all, among: [lab.standings]) { _ in true }
        #expect(wait.nodes.filter(\.verdict.isThere).map(\.name) == ["app/1", "db/0"])
        #expect(wait.groups.map(\.state) == [.working, .ready])
        lab.settle()
        #expect(lab.wait("app", "db") == "there")
    }

    @Test func whatWillNeverBeSaysWhy() throws {
        var lab = DirectorHarness { $0.label.hasPrefix("app/2:2 run") ? .exits(1) : .succeeds }
        lab.submit(request(.up, groups + [scheduled("web", needs: ["app"])]))
        lab.settle()
        #expect(lab.wait("app") == "'app' is failed: app/2 failed: exit 1")
        #expect(lab.wait("app/2") == "app/2 is failed: exit 1")
        #expect(lab.wait("app/0") == "there")
        #expect(lab.wait("app", quorum: .count(2)) == "there")
        #expect(lab.wait("app", quorum: .count(3)) == "app/2 is failed: exit 1")
        #expect(lab.wait("web") == "'web' is blocked: needs app, which failed")
        lab.lose("db/0")
        #expect(lab.wait("db") == "'db' is failed: db/0 lost: server ended")
        lab.submit(takeDown())
        #expect(lab.wait("db").contains("failed") || lab.wait("db").contains("tearing-down"))
        lab.settle()
        #expect(lab.wait("app") == "nothing brings 'app' up: muster up app")
        #expect(lab.wait("app/0") == "nothing brings 'app' up: muster up app")
    }

    @Test func aPausedRunBringsNothing() throws {
        var groups = groups
        groups[0].onFailure = .pause
        var lab = DirectorHarness { $0.label.hasPrefix("db/0:1") ? .exits(1) : .succeeds }
        lab.submit(request(.up, groups))
        lab.settle()
        #expect(lab.wait("db").hasPrefix("'db' is failed"))
        #expect(lab.wait("app") == "'app' is blocked: needs db, which failed")
        var other = DirectorHarness()
        let id = try other.begin(request(.up, self.groups))
        other.request(.cancel(id))
        other.settle()
        #expect(other.wait("app").hasPrefix("run \(RunName(id)) is paused: cancelled on request"))
        #expect(other.wait("db") == "there")
    }

    /// A node that is up and reboots is waited for.
    @Test func whatIsNotReadyByItsModeIsPending() {
        var lab = DirectorHarness()
        lab.submit(request(.up, groups))
        lab.settle()
        let wait = ReadyWait([.group("app")], quorum: .all, among: [lab.standings]) { $0.name.index != 1 }
        #expect(!wait.isSatisfied && wait.hopelessness == nil)
    }

    @Test func whoWaitsForSomebodyToBeginDoesNotGiveUp() {
        var lab = DirectorHarness()
        lab.submit(request(.up, groups))
        lab.settle()
        lab.submit(takeDown())
        lab.settle()
        for target in [ReadyWait.Target.group("app"), .group("later"), .node(NodeName(group: "app", index: 0))] {
            let wait = ReadyWait([target], quorum: .all, among: [lab.standings], comesLater: true) { _ in true }
            #expect(!wait.isSatisfied && wait.hopelessness == nil, "\(target.text)")
        }
    }
}
