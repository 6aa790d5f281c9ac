import Foundation
import MusterCore
import MusterLab
import MusterTestKit
import Testing

@testable import MusterCLI

/// The recorded cases of chef-workflow's scheduler, each with what is right: every case of the file is replayed by its
/// name, and one that nobody replays fails.
@Suite(.enabled(if: SchedulerCases.all != nil, SchedulerCases.reason)) struct SchedulerCaseTests {
    @Test(arguments: SchedulerCases.all ?? []) func theCaseGoesAsItShould(_ recorded: SchedulerCase) throws {
        switch recorded.name {
        case "wiki_dag": try wikiGraph(recorded)
        case "partial_failure_cleanup": partialFailure()
        case "teardown_order": try teardownOrder(recorded)
        case "undeclared_dependency": undeclared()
        case "wait_unknown_group": waitForUnknown()
        case "wait_before_run": waitBeforeRun()
        case "failed_group_can_be_retried": try retry()
        case "independent_failure_isolation": isolation()
        case "teardown_dependency_while_dependent_working": try teardownUnderWork()
        case "teardown_dependency_while_dependent_waiting": blockedWithReason()
        case "idempotent_schedule": idempotent()
        case "no_force_deprovision_failure": firstFailureStops()
        case "cap_1000": bounded()
        case "ip_pool": try addresses(recorded)
        default: Issue.record("no test replays the case '\(recorded.name)'")
        }
    }

    @Test func theFileHasTheCasesThatAreKnown() {
        #expect(SchedulerCases.all?.count == 14)
    }

    // MARK: Order

    private static let wikiGroups = [
        scheduled("a"), scheduled("b", needs: ["a"]), scheduled("c", needs: ["b"]), scheduled("d", needs: ["a"]),
        scheduled("e", needs: ["c", "d"]), scheduled("f"),
    ]

    private func wikiGraph(_ recorded: SchedulerCase) throws {
        let declared = try #require(recorded.fields["groups"] as? [[Any]])
        let groups = try declared.map { entry in
            scheduled(try #require(entry[0] as? String), needs: try #require(entry[1] as? [String]))
        }
        let expected = try #require(recorded.fields["expect"] as? [String: Any])
        var lab = DirectorHarness()
        lab.submit(request(.up, groups))
        func begun() -> [String] { lab.started().map { String($0.prefix { $0 != "/" }) } }
        #expect(begun() == (expected["first_wave"] as? [String])?.sorted())
        let after = try #require(expected["after"] as? [String: [String]])
        for ended in after.keys.sorted() {
            let before = begun()
            for name in ended.split(separator: "+") { lab.end("\(name)/0:1") }
            #expect(begun().filter { !before.contains($0) }.sorted() == after[ended]?.sorted(), "after \(ended)")
        }
        lab.settle()
        for pair in try #require(expected["order_constraints"] as? [[String]]) {
            #expect(lab.moment("■ \(pair[0])/0:1") < lab.moment("▶ \(pair[1])/0:1"))
        }
        #expect(lab.violations == [])
    }

    private func teardownOrder(_ recorded: SchedulerCase) throws {
        let expected = try #require(recorded.fields["expect_better"] as? [String])
        var lab = DirectorHarness()
        lab.submit(request(.up, Self.wikiGroups))
        lab.settle()
        lab.submit(takeDown())
        lab.settle()
        let gone = lab.started("destroy").map { String($0.prefix { $0 != "/" }) }
        var last = -1
        for entry in expected where !entry.hasSuffix("anywhere") {
            let places = entry.split(separator: "|").compactMap { name in gone.firstIndex { $0 == name } }
            #expect(places.count == entry.split(separator: "|").count)
            #expect((places.min() ?? -1) > last, "\(entry) in \(gone)")
            last = places.max() ?? last
        }
        #expect(gone.count == 6)
    }

    // MARK: Failures

    private func partialFailure() {
        var lab = DirectorHarness { $0.label.hasPrefix("a/0:2 run") ? .exits(1) : .succeeds }
        lab.submit(request(.up, [scheduled("a", runs: 2)]))
        lab.settle()
        lab.submit(takeDown("a"))
        lab.settle()
        #expect(lab.started("undo") == ["a/0:2 undo of run: ./p2", "a/0:1 undo of process: ./server"])
        #expect(lab.nodeStates == [])
    }

    private func retry() throws {
        var isBroken = true
        var lab = DirectorHarness { $0.label.hasPrefix("a/0:2 run") && isBroken ? .exits(1) : .succeeds }
        lab.submit(request(.up, [scheduled("db"), scheduled("a", needs: ["db"], runs: 1)]))
        lab.settle()
        #expect(lab.standing("a") == "failed: a/0 failed: exit 1")
        isBroken = false
        let stored = try #require(lab.rows.specs[PlanID(1)])
        lab.submit(stored.again("a"))
        lab.settle()
        #expect(lab.standing("a") == "ready")
        #expect(lab.started("db/0:1 process").count == 1, "what is up is used as it is")
        #expect(lab.violations == [])
    }

    private func isolation() {
        var lab = DirectorHarness { $0.label.hasPrefix("a/") ? .exits(1) : .succeeds }
        lab.submit(request(.up, [scheduled("a"), scheduled("b", runs: 1)]))
        lab.end("b/0:1")
        lab.end("a/0:1")
        #expect(lab.works.map(\.label) == ["b/0:2 run: ./p2"], "the work of b goes on")
        lab.settle()
        #expect(lab.standing("b") == "ready")
    }

    private func firstFailureStops() {
        var isBroken = true
        var lab = DirectorHarness { $0.label.hasPrefix("a/0:2 undo") && isBroken ? .exits(1) : .succeeds }
        lab.submit(request(.up, [scheduled("a", runs: 2)]))
        lab.settle()
        lab.submit(takeDown("a"))
        lab.settle()
        #expect(lab.started("undo").count == 2, "aborted at the first that failed")
        #expect(lab.nodeStates == ["a/0 failed"], "its state is kept")
        isBroken = false
        lab.submit(takeDown("a"))
        lab.settle()
        #expect(lab.started("a/0:3 undo").count == 1, "what was undone is not undone again")
        #expect(lab.nodeStates == [])
    }

    // MARK: Teardown under others

    private func teardownUnderWork() throws {
        for cascades in [false, true] {
            var lab = DirectorHarness()
            let id = lab.submit(request(.up, [scheduled("a"), scheduled("b", needs: ["a"], runs: 1)]))
            lab.end("a/0:1")
            lab.submit(takeDown("a", options: DownOptions(cascades: cascades)))
            #expect(lab.refusals.isEmpty == cascades)
            lab.settle()
            #expect(lab.nodeStates == (cascades ? [] : ["a/0 ready", "b/0 ready"]))
            #expect(lab.plan(id)?.state == .stopped)
            #expect(lab.violations == [])
        }
    }

    private func blockedWithReason() {
        var lab = DirectorHarness { $0.label.hasPrefix("a/") ? .losesNode("its host is gone") : .succeeds }
        lab.submit(request(.up, [scheduled("a"), scheduled("b", needs: ["a"])]))
        lab.end("a/0:1")
        #expect(lab.standing("b") == "blocked: needs a, which failed")
        #expect(lab.wait("b") == "'b' is blocked: needs a, which failed")
        // On purpose it is refused, with who waits.
        var other = DirectorHarness()
        other.submit(request(.up, [scheduled("a"), scheduled("b", needs: ["a"])]))
        #expect(other.submit(takeDown("a")) == nil)
        #expect(other.refusals.last?.message.contains("'b' is waiting in run") == true)
    }

    // MARK: Asking

    private func undeclared() {
        for _ in 0..<2 {
            #expect(throws: LabError.self) { try readLab("groups:\n  a: { needs: [nowhere] }\n") }
        }
    }

    private func waitForUnknown() {
        #expect(DirectorHarness().wait("nowhere") == "nothing brings 'nowhere' up: muster up nowhere")
    }

    private func waitBeforeRun() {
        var lab = DirectorHarness()
        #expect(lab.wait("a") != "pending" && lab.wait("a") != "there")
        lab.submit(request(.up, [scheduled("a", 2)]))
        #expect(lab.wait("a") == "pending")
        lab.end("a/1:1")
        #expect(lab.wait("a") == "pending" && lab.wait("a/1") == "there" && lab.wait("a", quorum: .any) == "there")
        lab.settle()
        #expect(lab.wait("a") == "there")
    }

    private func idempotent() {
        var lab = DirectorHarness()
        lab.submit(request(.up, Self.wikiGroups))
        lab.settle()
        let begun = lab.started().count
        let again = lab.submit(request(.up, Self.wikiGroups))
        lab.settle()
        #expect(lab.plan(again)?.result == .success)
        #expect(lab.started().count == begun, "nothing is done")
        #expect(lab.rows.steps[again ?? PlanID(0)]?.allSatisfy { $0.spec.action == .barrier } == true)
    }

    private func bounded() {
        var lab = DirectorHarness()
        lab.submit(request(.up, (0..<1_000).map { scheduled("g\($0)") }, parallel: 32))
        lab.settle()
        #expect(lab.worksMax == 32)
        #expect(lab.nodeStates.count == 1_000)
    }

    private func addresses(_ recorded: SchedulerCase) throws {
        let subnet = try #require(recorded.fields["subnet"] as? String)
        let pool = try AddressPool(
            cidr: subnet + "/24",
            reserved: try #require(recorded.fields["reserved"] as? [String])
        )
        var holders: [IPv4Address: String] = [:]
        let first = try pool.lowestFree(holders: holders)
        #expect(first.description == recorded.fields["expect_first"] as? String)
        var last = first
        while let next = try? pool.lowestFree(holders: holders) {
            #expect(holders[next] == nil && next >= last)
            holders[next] = "role"
            last = next
        }
        #expect(last.description == recorded.fields["expect_better_last"] as? String)
        let freed = try #require(IPv4Address("10.10.10.77"))
        holders[freed] = nil
        holders[try #require(IPv4Address("10.10.10.99"))] = nil
        #expect(try pool.lowestFree(holders: holders) == freed)
    }
}

/// One entry of the file.
struct SchedulerCase: Sendable, CustomTestStringConvertible {
    let name: String
    /// As it stands in the file.
    let text: Data
    var fields: [String: Any] { (try? JSONSerialization.jsonObject(with: text)) as? [String: Any] ?? [:] }
    var testDescription: String { name }
}

enum SchedulerCases {
    static let reason: Comment = "MUSTER_TEST_DATA names no folder of recorded data"

    /// nil where there is no recorded data.
    static let all: [SchedulerCase]? = {
        guard let folder = ProcessInfo.processInfo.environment["MUSTER_TEST_DATA"],
            let data = FileManager.default.contents(atPath: folder + "/emulab/scenarios/scheduler_cases.json"),
            let entries = try? JSONSerialization.jsonObject(with: data) as? [[String: Any]]
        else { return nil }
        return entries.compactMap { entry in
            guard let text = try? JSONSerialization.data(withJSONObject: entry) else { return nil }
            return SchedulerCase(name: entry["name"] as? String ?? "", text: text)
        }
    }()
}
