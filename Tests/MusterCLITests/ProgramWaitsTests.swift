import MusterCore
import MusterStore
import Testing

@testable import MusterCLI

/// `why` names what plans of programs wait for: times, plans, limits, sub-plans, events.
@Suite struct ProgramWaitsTests {
    private static let at = Timestamp(rawValue: 1_700_000_000_000_000)

    /// A state into which rows are written as a conductor would.
    private struct House {
        let store = MemoryStore()
        let term: Term

        init() throws {
            let epoch = try store.register(host: "host", pid: 1, now: at)
            term = Term(conductor: .sole, epoch: epoch)
            try store.define([LimitRow(name: "api", size: 1)], by: term)
        }

        static var order: ProgramSpec {
            var charge = ActionSpec(name: "Charge")
            charge.limits = ["api"]
            return ProgramSpec(name: "Order", actions: [charge])
        }

        @discardableResult func plan(
            _ number: Int64,
            _ program: ProgramSpec = order,
            state: PlanState = .running,
            step: StepState? = nil,
            fill: (inout Turn, inout PlanRow, inout CallColumns) -> Void = { _, _, _ in }
        ) throws -> String {
            let id = PlanID(number)
            var row = PlanRow(
                id: id,
                request: "q\(number)",
                verb: .plan,
                lab: "shop",
                host: "host",
                epoch: term.epoch,
                createdAt: at
            )
            row.state = state
            row.isFrozen = program.isFrozen
            var turn = Turn(now: at, term: term)
            var columns = CallColumns(input: "{}")
            fill(&turn, &row, &columns)
            turn.plans = [row]
            var spec = RunSpec(verb: .plan, lab: "shop", labDirectory: "")
            spec.program = program
            turn.newSpecs[id] = spec
            if let step {
                turn.steps = [
                    StepRow(
                        plan: id,
                        index: 0,
                        isNew: true,
                        spec: StepSpec(.call, input: "{}"),
                        needs: [],
                        state: step,
                        call: columns
                    )
                ]
            }
            _ = try store.commit(turn)
            return RunName(id).description
        }

        func waits(_ thing: String) throws -> [String] {
            try Explainer(store: store, isConducted: true).explain(thing).waitsFor
        }
    }

    @Test func aDelayedPlanNamesItsTimesAndPrerequisites() throws {
        let house = try House()
        let first = try house.plan(1)
        var program = ProgramSpec(name: "Order", actions: [ActionSpec(name: "Charge")])
        program.isFrozen = true
        program.startAt = Self.at + .seconds(60)
        program.startBefore = Self.at + .seconds(90)
        program.prerequisites = [PlanID(1)]
        let name = try house.plan(2, program, state: .scheduled)
        let waits = try house.waits(name)
        #expect(waits.count == 3)
        #expect(waits[0].contains("frozen"))
        #expect(waits[1].contains((Self.at + .seconds(60)).rfc3339) && waits[1].contains("in error"))
        #expect(waits[2] == "\(first) to end (running)")
    }

    @Test func aStepNamesTheLimitAndWhoHoldsIt() throws {
        let house = try House()
        let holder = try house.plan(1, step: .running) { turn, row, _ in
            turn.asks = [PermitRow(step: StepID(plan: row.id, index: 0), limit: "api")]
        }
        let name = try house.plan(2, step: .pending) { turn, row, _ in
            turn.asks = [PermitRow(step: StepID(plan: row.id, index: 0), limit: "api")]
        }
        let waits = try house.waits(name + ":1")
        #expect(waits == ["the limit 'api', held by \(holder)"])
        #expect(try house.waits(holder).contains { $0.contains("limit") } == false)
    }

    @Test func aStepThatMayRunWaitsForItsQueue() throws {
        let house = try House()
        let name = try house.plan(1, step: .pending)
        #expect(try house.waits(name + ":Charge") == ["a free place in the queue 'default'"])
    }

    @Test func aSuspendedStepNamesItsSubPlansOrItsNextWake() throws {
        let house = try House()
        let parent = try house.plan(1, step: .suspended) { _, _, columns in
            columns.children = CallColumns.Children(total: 3, limit: nil)
        }
        let child = try house.plan(2, state: .paused) { _, row, _ in row.parent = StepID(plan: PlanID(1), index: 0) }
        let waits = try house.waits(parent + ":1")
        #expect(waits.first?.hasPrefix("its sub-plans: 0 of 3 have ended, 1 wait") == true)
        let answer = try Explainer(store: house.store, isConducted: true).explain(child)
        #expect(answer.because.contains { $0.thing == "\(parent):1" })

        let due = Self.at + .seconds(5)
        let timed = try house.plan(3, step: .suspended) { turn, row, _ in
            turn.signalsSet = [
                SignalRow(step: StepID(plan: row.id, index: 0), number: 1, payload: "{}", dueAt: due)
            ]
        }
        #expect(try house.waits(timed + ":1") == ["an event; it wakes by itself at \(due.rfc3339)"])
        let asleep = try house.plan(4, step: .suspended)
        #expect(try house.waits(asleep) == ["Charge: an event that somebody sends to it"])
    }
}
