import CWorkCounter
import Foundation
import MusterCore
import MusterEngine
import MusterStore
import MusterTestKit
import Testing

/// What a node costs that comes up, counted: the same on every computer. Costs are those of one node more: of 1,000
/// less those of 500.
@Suite struct BringUpCostTests {
    private struct Work {
        var turns = 0.0
        var commits = 0.0
        var statements = 0.0
        var allocations = 0.0
        var bytes = 0.0
    }

    /// A node that is made and has one command: two acts.
    @Test func aNodeCostsTheSameHoweverManyThereAre() throws {
        _ = try work(nodes: 10)  // what is done once in a process
        let (few, some, many) = (try work(nodes: 500), try work(nodes: 1000), try work(nodes: 2000))
        let first = difference(some, few, 500)
        let second = difference(many, some, 1000)
        #expect(first.commits == 0 && second.commits == 0, "they share those of their group")
        #expect(second.statements >= 10 && second.statements <= 17, "\(second)")
        #expect(abs(second.statements - first.statements) < 0.1, "\(first) \(second)")
        guard second.allocations >= 0 else { return }
        #expect(second.allocations <= Self.allocationsMax, "\(second)")
        // What copies a whole plan for each node shows here.
        #expect(second.bytes <= first.bytes * 1.15, "\(first) \(second)")
    }

    /// A tenth above what was counted when it was last looked at, without optimization.
    private static let allocationsMax = 475.0

    private func difference(_ many: Work, _ few: Work, _ count: Double) -> Work {
        Work(
            turns: (many.turns - few.turns) / count,
            commits: (many.commits - few.commits) / count,
            statements: (many.statements - few.statements) / count,
            allocations: (many.allocations - few.allocations) / count,
            bytes: (many.bytes - few.bytes) / count
        )
    }

    /// All turns of an `up`, on this thread, where no time passes.
    private func work(nodes: Int) throws -> Work {
        let folder = FileManager.default.temporaryDirectory.path + "/muster-cost-\(UUID().uuidString)"
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let now = Timestamp(rawValue: 1_700_000_000_000_000)
        let store = try SQLiteStore(path: folder + "/muster.db", options: SQLiteStore.Options(clock: { now }))
        var core = try ConductorCore(
            store: store,
            identity: ConductorCore.Identity(host: "here", pid: 1, seed: 1),
            time: ManualTime(now)
        )
        var spec = RunSpec(verb: .up, lab: "shop", labDirectory: "/lab")
        spec.parallel = nodes
        var group = GroupSpec(name: "app", count: nodes)
        group.steps = [ProvisionStep(.process(run: nil)), ProvisionStep(.run(Template("./setup")))]
        spec.groups = [group]
        let before = (store.counters, muster_work_of_this_thread())
        var turns = 0
        var items: [Inbox.Item] = [.event(.submitted(PlanSubmission(token: "t", spec: spec, steps: [])))]
        while !items.isEmpty {
            turns += 1
            let directives = try core.takeTurn(items)
            items = directives.compactMap { directive in
                guard case .perform(let act) = directive else { return nil }
                let exit = ProcessExit(status: 0, startedAt: now, endedAt: now)
                let isCommand = act.spec.action == .provision && act.spec.b == 1
                return .event(.actEnded(act, isCommand ? .exited(exit) : .succeeded(facts: ["address": "127.64.0.1"])))
            }
        }
        let after = (store.counters, muster_work_of_this_thread())
        #expect(try store.plan(request: "t")?.result == .success)
        return Work(
            turns: Double(turns),
            commits: Double(after.0.commits - before.0.commits),
            statements: Double(after.0.statements - before.0.statements),
            allocations: Double(after.1.allocations - before.1.allocations),
            bytes: Double(after.1.bytes - before.1.bytes)
        )
    }
}
