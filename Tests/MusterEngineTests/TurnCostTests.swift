import CWorkCounter
import Foundation
import MusterCore
import MusterEngine
import MusterStore
import MusterTestKit
import Testing

/// What a durable step costs, counted: the same on every computer. A change that makes steps dearer fails here, and
/// says by how much.
///
/// Costs are those of one step more: of a plan of 2,000 steps less one of 1,000, so that what a plan costs once is left
/// out. Times are measured by `muster-bench`, instructions by `scripts/instructions`.
@Suite struct TurnCostTests {
    enum Shape: CaseIterable { case fan, chain }

    private struct Work {
        var commits = 0.0
        var statements = 0.0
        var syncs = 0.0
        var allocations = 0.0
    }

    @Test func aStepOfAChainCostsOneCommit() throws {
        let cost = try costOfAStep(.chain)
        #expect(cost.commits == 1)
        // The fence, the new row, its start and its end, two events; a row for every 256 events.
        #expect(cost.statements >= 6 && cost.statements <= 6.01, "\(cost)")
        guard cost.syncs >= 0 else { return }
        // One a commit, and one each time that the log is begun anew, which takes 1,000 pages or more. Those that bring
        // it into the database are not this thread's.
        #expect(cost.syncs >= 1 && cost.syncs <= 1.01, "\(cost)")
        #expect(cost.allocations <= Self.allocationsMax(.chain), "\(cost)")
    }

    @Test func aStepOfAFanCostsFourStatementsAndNoCommitOfItsOwn() throws {
        let cost = try costOfAStep(.fan)
        #expect(cost.commits == 0)
        #expect(cost.statements >= 4 && cost.statements <= 4.01, "\(cost)")
        guard cost.syncs >= 0 else { return }
        #expect(cost.syncs <= 0.005, "\(cost)")
        #expect(cost.allocations <= Self.allocationsMax(.fan), "\(cost)")
    }

    /// Beginning changes the plan, two of its indexes, the step and the events; ending all but the index by request.
    @Test func aPlanOfOneStepCostsTwoCommitsOfNinePages() throws {
        let folder = FileManager.default.temporaryDirectory.path + "/muster-cost-\(UUID().uuidString)"
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let now = Timestamp(rawValue: 1_700_000_000_000_000)
        let store = try SQLiteStore(path: folder + "/muster.db", options: SQLiteStore.Options(clock: { now }))
        var core = try ConductorCore(
            store: store,
            identity: ConductorCore.Identity(host: "here", pid: 1, seed: 1),
            time: ManualTime(now)
        )
        func pages() throws -> Double {
            let log = try FileManager.default.attributesOfItem(atPath: folder + "/muster.db-wal")
            return Double(log[.size] as? Int ?? 0) / Double(4096 + 24)
        }
        var before = (pages: 0.0, counters: StoreCounters())
        for plan in 0..<20 {
            if plan == 10 { before = (try pages(), store.counters) }
            let submission = PlanSubmission(
                token: "t\(plan)",
                spec: RunSpec(verb: .plan, lab: "shop", labDirectory: "/lab"),
                steps: [PlanSubmission.Step(StepSpec(.noop))]
            )
            for case .perform(let act) in try core.takeTurn([.event(.submitted(submission))]) {
                _ = try core.takeTurn([.event(.actEnded(act, .succeeded(facts: [:])))])
            }
        }
        #expect(try store.plan(request: "t19")?.result == .success)
        #expect(store.counters.commits - before.counters.commits == 20)
        // Two fences; the plan, its end; the step, its end; five events.
        #expect(store.counters.statements - before.counters.statements == 110)
        #expect((try pages() - before.pages) / 10 <= 9.5, "pages into the log")
    }

    /// A tenth above what was counted when it was last looked at, without optimization.
    private static func allocationsMax(_ shape: Shape) -> Double {
        switch shape {
        case .fan: 33
        case .chain: 60
        }
    }

    private func costOfAStep(_ shape: Shape) throws -> Work {
        _ = try work(shape, 10)  // what is done once in a process
        let (few, many) = (try work(shape, 1000), try work(shape, 2000))
        return Work(
            commits: (many.commits - few.commits) / 1000,
            statements: (many.statements - few.statements) / 1000,
            syncs: (many.syncs - few.syncs) / 1000,
            allocations: (many.allocations - few.allocations) / 1000
        )
    }

    /// All turns of a plan, on this thread, where no time passes.
    private func work(_ shape: Shape, _ count: Int) throws -> Work {
        let folder = FileManager.default.temporaryDirectory.path + "/muster-cost-\(UUID().uuidString)"
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let now = Timestamp(rawValue: 1_700_000_000_000_000)
        let store = try SQLiteStore(path: folder + "/muster.db", options: SQLiteStore.Options(clock: { now }))
        var core = try ConductorCore(
            store: store,
            identity: ConductorCore.Identity(host: "here", pid: 1, seed: 1),
            time: ManualTime(now)
        )
        let steps = (0..<count).map { index in
            PlanSubmission.Step(
                StepSpec(.noop),
                needs: shape == .chain && index > 0 ? [StepIndex(index - 1)] : []
            )
        }
        var spec = RunSpec(verb: .plan, lab: "shop", labDirectory: "/lab")
        spec.parallel = count
        let before = (store.counters, muster_work_of_this_thread())
        var items: [Inbox.Item] = [.event(.submitted(PlanSubmission(token: "t", spec: spec, steps: steps)))]
        while !items.isEmpty {
            let directives = try core.takeTurn(items)
            items = directives.compactMap { directive in
                guard case .perform(let act) = directive else { return nil }
                return .event(.actEnded(act, .succeeded(facts: [:])))
            }
        }
        let after = (store.counters, muster_work_of_this_thread())
        #expect(try store.plan(request: "t")?.result == .success)
        return Work(
            commits: Double(after.0.commits - before.0.commits),
            statements: Double(after.0.statements - before.0.statements),
            syncs: Double(after.1.syncs - before.1.syncs),
            allocations: Double(after.1.allocations - before.1.allocations)
        )
    }
}
