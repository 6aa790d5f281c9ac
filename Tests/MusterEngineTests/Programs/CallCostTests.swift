import CWorkCounter
import Foundation
import MusterCore
import MusterEngine
import MusterStore
import MusterTestKit
import Testing

/// What calls of a program's actions cost, counted: as `TurnCostTests` does for steps that do nothing.
@Suite struct CallCostTests {
    private struct Work {
        var commits = 0.0
        var statements = 0.0
        var allocations = 0.0
        var bytes = 0.0

        static func - (a: Work, b: Work) -> Work {
            Work(
                commits: a.commits - b.commits,
                statements: a.statements - b.statements,
                allocations: a.allocations - b.allocations,
                bytes: a.bytes - b.bytes
            )
        }

        static func / (a: Work, count: Double) -> Work {
            Work(
                commits: a.commits / count,
                statements: a.statements / count,
                allocations: a.allocations / count,
                bytes: a.bytes / count
            )
        }
    }

    /// A plan, and what its calls come to.
    private struct Plan {
        var program = ProgramSpec(name: "root", actions: [ActionSpec(name: "work")])
        var steps: [PlanSubmission.Step] = []
        var atOnce = 1_000_000
        var end: (ActionCall) -> CallEnd = { _ in CallEnd(.succeeded, output: "{}") }

        static func calls(_ count: Int, atOnce: Int = 1_000_000) -> Plan {
            var plan = Plan()
            plan.steps = (0..<count).map { _ in .call(0) }
            plan.atOnce = atOnce
            return plan
        }

        static func parent(of count: Int) -> Plan {
            var plan = Plan.calls(1, atOnce: 64)
            plan.end = { call in
                switch call.kind {
                case .run where call.input == "{}": return CallEnd(.spawned(total: count, limit: nil))
                case .children(let from, let to):
                    let program = ProgramSpec(name: "child", actions: [ActionSpec(name: "work")])
                    let child = ChildPlan(program: program, steps: [.call(0, input: "child")])
                    return CallEnd(.children((from..<to).map { _ in child }))
                default: return CallEnd(.succeeded, output: "{}")
                }
            }
            return plan
        }

        static func events(_ count: Int) -> Plan {
            var plan = Plan.calls(count)
            plan.end = { call in
                guard call.kind == .run else { return CallEnd(.succeeded, output: "{}") }
                return CallEnd(.suspended, wakes: [CallEnd.Wake(payload: "{}", delay: .zero)])
            }
            return plan
        }
    }

    /// The new row, its start and its end, two events: as many as of a step that does nothing.
    @Test func aCallCostsFourStatementsAndNoCommitOfItsOwn() throws {
        let cost = try costOfOneMore { .calls($0) }
        #expect(cost.commits == 0)
        #expect(cost.statements >= 4 && cost.statements <= 4.01, "\(cost)")
        #expect(cost.allocations <= 61, "\(cost)")
    }

    /// One that stands in line is stored before it begins.
    @Test func aCallInLineCostsOneStatementMore() throws {
        let cost = try costOfOneMore { .calls($0, atOnce: 50) }
        #expect(cost.commits == 1.0 / 50)
        // With the fence of each commit.
        #expect(cost.statements >= 5 && cost.statements <= 5.04, "\(cost)")
        #expect(cost.allocations <= 68, "\(cost)")
    }

    /// Suspended and woken: two changes of its row, two events, and what it is told comes and goes.
    @Test func aSuspensionCostsSixStatements() throws {
        let cost = try costOfOneMore { .events($0) }
        let plain = try costOfOneMore { .calls($0) }
        #expect(cost.statements - plain.statements <= 6.01, "\(cost)")
    }

    /// However many there are: neither rows nor memory of the others are gone through.
    @Test func aSubPlanCostsTheSameHoweverManyThereAre() throws {
        _ = try work(.parent(of: 10))
        let few = try work(.parent(of: 1000)) / 1000
        let many = try work(.parent(of: 10_000)) / 10_000
        #expect(many.statements <= few.statements * 1.05, "\(few) \(many)")
        #expect(many.allocations <= few.allocations * 1.05, "\(few) \(many)")
        #expect(many.bytes <= few.bytes * 1.1, "\(few) \(many)")
        #expect(many.statements <= 12, "\(many)")
    }

    private func costOfOneMore(_ plan: (Int) -> Plan) throws -> Work {
        _ = try work(plan(10))  // what is done once in a process
        let (few, many) = (try work(plan(1000)), try work(plan(2000)))
        return (many - few) / 1000
    }

    /// All turns of a plan, on this thread, where no time passes.
    private func work(_ plan: Plan) throws -> Work {
        let folder = FileManager.default.temporaryDirectory.path + "/muster-cost-\(UUID().uuidString)"
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let now = Timestamp(rawValue: 1_700_000_000_000_000)
        let store = try SQLiteStore(path: folder + "/muster.db", options: SQLiteStore.Options(clock: { now }))
        var core = try ConductorCore(
            store: store,
            identity: ConductorCore.Identity(host: "here", pid: 1, seed: 1, queues: ["default": plan.atOnce]),
            time: ManualTime(now)
        )
        var spec = RunSpec(verb: .plan, lab: "program", labDirectory: "/")
        spec.parallel = 1_000_000
        spec.program = plan.program
        let submission = PlanSubmission(token: "t", spec: spec, steps: plan.steps)
        let before = (store.counters, muster_work_of_this_thread())
        var items: [Inbox.Item] = [.event(.submitted(submission))]
        while !items.isEmpty {
            let directives = try core.takeTurn(items)
            items = directives.compactMap { directive in
                guard case .call(let call) = directive else { return nil }
                return .event(.callEnded(call.id, plan.end(call)))
            }
        }
        let after = (store.counters, muster_work_of_this_thread())
        #expect(try store.plan(request: "t")?.result == .success)
        return Work(
            commits: Double(after.0.commits - before.0.commits),
            statements: Double(after.0.statements - before.0.statements),
            allocations: Double(after.1.allocations - before.1.allocations),
            bytes: Double(after.1.bytes - before.1.bytes)
        )
    }
}
