import CWorkCounter
import Foundation
import MusterCore
import MusterEngine
import MusterStore
import Testing

/// What an event of a node costs, counted, as `TurnCostTests` does for steps: the same however many nodes there are and
/// however many wait.
@Suite struct EventCostTests {
    private struct Work {
        var commits = 0.0
        var statements = 0.0
        var allocations = 0.0
        var bytes = 0.0
    }

    /// A new event and the node's row; a reboot has a trigger too, and every turn its fence.
    @Test func anEventCostsTwoStatementsHoweverManyNodesAndWaitersThereAre() throws {
        _ = try costOfAnEvent(nodes: 100, waiters: 10)  // what is done once in a process
        let few = try costOfAnEvent(nodes: 100, waiters: 100)
        let many = try costOfAnEvent(nodes: 10_000, waiters: 5_000)
        let nobody = try costOfAnEvent(nodes: 10_000, waiters: 0)
        for cost in [few, many, nobody] {
            #expect(cost.commits == 0.02)
            #expect(cost.statements >= 2.35 && cost.statements <= 2.36, "\(cost)")
            #expect(cost.allocations <= Self.allocationsMax, "\(cost)")
        }
        #expect(many.allocations <= few.allocations * 1.02, "\(few) \(many)")
        #expect(many.bytes <= few.bytes * 1.05, "\(few) \(many)")
        #expect(nobody.allocations <= few.allocations, "\(few) \(nobody)")
    }

    /// A tenth above what was counted when it was last looked at, without optimization.
    private static let allocationsMax = 45.0

    /// Of one event more, in turns of 50: of 3,000 less 1,500, with the same 100 nodes going round.
    private func costOfAnEvent(nodes: Int, waiters: Int) throws -> Work {
        let folder = FileManager.default.temporaryDirectory.path + "/muster-cost-\(UUID().uuidString)"
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let now = Timestamp(rawValue: 1_700_000_000_000_000)
        let store = try SQLiteStore(path: folder + "/muster.db", options: SQLiteStore.Options(clock: { now }))
        var town = try NodeTown(nodes, store: store)
        try town.ask(.useModes(lab: "shop", NodeTown.modes))
        let desk = try WaitDesk(store: store)
        town.core.desk = desk
        for place in 0..<waiters {
            _ = try desk.wait(for: StateCondition("LOST>SHUTDOWN"), of: [NodeID(Int64(place + 1))])
        }
        func report(_ count: Int) throws -> Work {
            let before = (store.counters, muster_work_of_this_thread())
            for first in stride(from: 0, to: count, by: 50) {
                let events = (first..<first + 50).map { number in
                    let state = ["SHUTDOWN", "BOOTING", "ISUP"][number / 100 % 3]
                    let name = NodeName(group: "app", index: number % 100)
                    return Director.Event.reported(
                        NodeReport(lab: "shop", node: name, .state(state), source: "node")
                    )
                }
                try town.turn(events)
            }
            let after = (store.counters, muster_work_of_this_thread())
            return Work(
                commits: Double(after.0.commits - before.0.commits),
                statements: Double(after.0.statements - before.0.statements),
                allocations: Double(after.1.allocations - before.1.allocations),
                bytes: Double(after.1.bytes - before.1.bytes)
            )
        }
        let (few, many) = (try report(1500), try report(3000))
        return Work(
            commits: (many.commits - few.commits) / 1500,
            statements: (many.statements - few.statements) / 1500,
            allocations: (many.allocations - few.allocations) / 1500,
            bytes: (many.bytes - few.bytes) / 1500
        )
    }
}
