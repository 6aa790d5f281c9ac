import GRDB
import MusterCore
import MusterStore
import MusterTestKit
import Testing

/// What plans of programs cost in SQLite, counted: the same on every computer.
@Suite struct ProgramStoreTests {
    private let folder = TemporaryFolder()

    /// A store in which one conductor writes turns.
    private struct Stage {
        let store: SQLiteStore
        let epoch: Epoch
        let now = Timestamp(rawValue: 1_700_000_000_000_000)

        init(_ path: String) throws {
            store = try SQLiteStore(path: path, options: SQLiteStore.Options { [now] in now })
            epoch = try store.register(host: "host", pid: 1, now: now)
        }

        func commit(_ fill: (inout Turn) -> Void) throws {
            var turn = Turn(now: now, epoch: epoch)
            fill(&turn)
            try store.commit(turn)
        }

        /// Statements and instructions that work takes.
        func cost(_ body: () throws -> Void) rethrows -> (statements: Int, instructions: Int) {
            let before = store.counters
            try body()
            let after = store.counters
            return (after.statements - before.statements, after.virtualMachineSteps - before.virtualMachineSteps)
        }
    }

    private func step(_ plan: Int64) -> StepID { StepID(plan: PlanID(plan), index: 0) }

    @Test func aHundredThousandThatWaitDoNotSlowATurn() throws {
        let stage = try Stage(folder.file())
        try stage.store.define(
            [LimitRow(name: "busy", size: 1), LimitRow(name: "rated", size: nil, interval: .seconds(60))],
            by: Term(conductor: .sole, epoch: stage.epoch)
        )
        try stage.commit { turn in
            fill(&turn, plan: 1)
            for index in 0..<100_000 as Range<Int32> {
                let step = StepID(plan: PlanID(1), index: index)
                turn.asks.append(PermitRow(step: step, limit: index % 2 == 0 ? "busy" : "rated"))
            }
        }
        #expect(try stage.store.permits(of: nil).rows.count == 2)
        // A fence, and for each limit its row, its holders, its first in line, the grant.
        let clock = ContinuousClock()
        let cost = try stage.cost {
            for _ in 0..<20 {
                try stage.commit { turn in
                    turn.asks = [PermitRow(step: StepID(plan: PlanID(1), index: 100_000), limit: "rated")]
                    turn.releases = [StepID(plan: PlanID(1), index: 100_000)]
                }
            }
        }
        #expect(cost.statements == 20 * 5)
        let taken = try clock.measure {
            for index in 0..<20 as Range<Int32> {
                try stage.commit { $0.releases = [StepID(plan: PlanID(1), index: 2 * index)] }
            }
        }
        #expect(try stage.store.permits(of: nil).rows.map(\.step.index).sorted() == [1, 40])
        #expect(taken < .seconds(2), "20 turns took \(taken)")
    }

    @Test func subPlansAreCountedInTheIndexAlone() throws {
        let path = folder.file()
        let stage = try Stage(path)
        try stage.commit { turn in
            fill(&turn, plan: 1)
            for number in 2...501 as ClosedRange<Int64> {
                fill(&turn, plan: number, state: number % 2 == 0 ? .stopped : .running)
                turn.plans[turn.plans.count - 1].parent = step(1)
                turn.plans[turn.plans.count - 1].result = .success
            }
        }
        #expect(try stage.store.children(of: step(1)) == ChildCounts(planned: 500, succeeded: 250))
        let queue = try DatabaseQueue(path: path)
        let plan = try queue.read { database in
            try Row.fetchAll(
                database,
                sql: """
                    EXPLAIN QUERY PLAN SELECT state, result, count(*) FROM plans
                    WHERE parent_plan = 1 AND parent_step = 0 GROUP BY state, result
                    """
            ).map { $0["detail"] as String }
        }
        #expect(plan.contains { $0.contains("USING COVERING INDEX plans_by_parent") }, "\(plan)")
        #expect(!plan.contains { $0.contains("TEMP B-TREE") }, "\(plan)")
        // One that ends costs what every other costs.
        let cost = try stage.cost {
            try stage.commit { turn in
                fill(&turn, plan: 3, state: .stopped)
                turn.newSpecs = [:]
            }
        }
        #expect(cost.statements == 2)
    }

    @Test func permitsOfPlansWhoseRowsAreGoneAreDropped() throws {
        let path = folder.file()
        let stage = try Stage(path)
        try stage.commit { turn in
            for number in 1...3 as ClosedRange<Int64> {
                fill(&turn, plan: number)
                turn.asks.append(PermitRow(step: step(number), limit: "key"))
            }
        }
        #expect(try stage.store.permits(of: nil).rows.map(\.step) == [step(1)])
        let queue = try DatabaseQueue(path: path)
        try queue.write { try $0.execute(sql: "DELETE FROM plans WHERE id <= 2") }
        #expect(try stage.store.permits(of: nil).rows == [])
        try stage.store.grantPermits(by: Term(conductor: .sole, epoch: stage.epoch))
        #expect(try stage.store.permits(of: nil).rows.map(\.step) == [step(3)])
        try queue.write { try $0.execute(sql: "DELETE FROM plans") }
        _ = try stage.store.register(host: "host", pid: 2, now: stage.now)
        #expect(try queue.read { try Int.fetchOne($0, sql: "SELECT count(*) FROM permits") } == 0)
    }
}
