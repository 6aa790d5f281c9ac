import MusterTestKit
import Testing

@testable import MusterCore

/// Rows that cannot be: the run is set aside with what is wrong, and nothing traps.
@Suite struct FlawTests {
    /// A run in its teardown: undoing, with attempts that have ended.
    private func snapshot() throws -> Snapshot {
        var lab = DirectorHarness()
        let groups = [group("app", runs: 1, undo: true)]
        _ = try lab.begin(run(.test, groups, [suite("api", on: "app", ["a"])]))
        lab.settle { $0.works.contains { $0.label.contains("undo") } }
        return lab.rows.snapshot()
    }

    struct Damage: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let damage: @Sendable (inout Snapshot) throws -> Void
        init(_ text: String, _ damage: @escaping @Sendable (inout Snapshot) throws -> Void) {
            testDescription = text
            self.damage = damage
        }

        /// Changes the first step of a kind.
        static func step(
            _ text: String,
            _ action: ActionKind,
            _ change: @escaping @Sendable (inout StepRow) -> Void
        )
            -> Damage
        {
            Damage(text) { snapshot in
                let index = try #require(snapshot.plans[0].steps.firstIndex { $0.spec.action == action })
                change(&snapshot.plans[0].steps[index])
            }
        }
    }

    static let all: [Damage] = [
        .step("an undo of a step that is not there", .undo) { $0.spec.b = 9 },
        .step("an undo of a step before the first", .undo) { $0.spec.b = -1 },
        .step("an undo in a group that is not there", .undo) { $0.spec.a = 9 },
        .step("an undo without a node", .undo) { $0.spec.node = nil },
        .step("a destruction in a group that is not there", .destroy) { $0.spec.a = 9 },
        .step("tries at the end of their range", .undo) { $0.tries = .max },
        .step("less tries than none", .undo) { $0.tries = -1 },
        .step("a step that runs without a try", .undo) { $0.tries = 0 },
        .step("an attempt with a number at the end of its range", .attempt) { $0.spec.c = .max },
        .step("an attempt before the first", .attempt) { $0.spec.c = 0 },
        .step("a threshold below none", .barrier) { $0.spec.threshold = .min },
        Damage("a node that another run has made") { snapshot in
            for index in snapshot.nodes.indices { snapshot.nodes[index].createdBy = PlanID(99) }
        },
        Damage("a group of less than no nodes") { $0.plans[0].spec.groups[0].count = -1 },
        Damage("a group of more nodes than there can be") { $0.plans[0].spec.groups[0].count = .max },
        Damage("reruns at the end of their range") { $0.plans[0].attempts[0].rerunsSpent = .max },
        Damage("lost attempts below none") { $0.plans[0].attempts[0].infraSpent = -1 },
    ]

    @Test(arguments: all) func setsItsRunAside(_ damage: Damage) throws {
        var snapshot = try snapshot()
        let id = snapshot.plans[0].row.id
        #expect(Director(snapshot, host: "here", seed: 1).broken == [:])
        try damage.damage(&snapshot)
        var director = Director(snapshot, host: "here", seed: 1)
        #expect(director.broken[id]?.isEmpty == false)
        #expect(director.run(id) == nil)
        var turn = Turn(now: Timestamp(rawValue: 5), epoch: 2)
        director.settle(into: &turn)
        director.handle(.requested(RequestRow(id: 1, request: .resume(id))), into: &turn)
        director.close(&turn)
        #expect(turn.events.map(\.kind) == [.requestRefused])
    }

    /// What is undone stands in the request of the run that made the node, not in that of the one that takes it down.
    @Test func aDownIsHeldAgainstTheRequestOfWhoMadeTheNode() throws {
        var lab = DirectorHarness()
        _ = try lab.begin(run(.up, [group("app", runs: 1, undo: true)]))
        lab.settle()
        let id = try lab.begin(down())
        var snapshot = lab.rows.snapshot()
        #expect(Director(snapshot, host: "here", seed: 1).broken == [:])
        let maker = try #require(snapshot.nodes.first?.createdBy)
        snapshot.specs[maker]?.groups[0].steps.removeLast()
        #expect(Director(snapshot, host: "here", seed: 1).broken[id]?.contains("app/0") == true)
    }
}
