import Foundation
import MusterCore
import MusterStore

/// The steps of a program's plan, as a table or as JSON.
struct ProgramStatus {
    let row: PlanRow
    let spec: RunSpec
    let steps: [StepRow]
    let children: [StepIndex: ChildCounts]
    let isConducted: Bool

    init(_ row: PlanRow, _ spec: RunSpec, in session: StateSession, isConducted: Bool) throws {
        let lookup = RunLookup(store: session.store)
        self.row = row
        self.spec = spec
        self.isConducted = isConducted
        steps = try lookup.read { () throws(StoreError) in try session.store.steps(of: row.id) }
        var children: [StepIndex: ChildCounts] = [:]
        for step in steps where step.call?.children != nil {
            children[step.index] = try lookup.read { () throws(StoreError) in
                try session.store.children(of: StepID(plan: row.id, index: step.index))
            }
        }
        self.children = children
    }

    private var shown: [StepRow] { steps.filter { $0.spec.action != .barrier } }

    var lines: [String] {
        let name = RunName(row.id)
        var lines = [
            "run \(name) (\(spec.program?.name ?? row.verb.rawValue) of \(row.lab)) is "
                + row.stateText(isConducted: isConducted) + (row.reason.map { ": " + printable($0) } ?? "")
        ]
        var table = TextTable(header: ["STEP", "ACTION", "STATE", "TRIES", "TOOK", "NOTE"])
        for step in shown {
            let took = step.startedAt.flatMap { begin in step.endedAt.map { ($0 - begin).shortText } } ?? ""
            table.add([
                "\(step.index + 1)", spec.label(of: step.spec), step.state.rawValue,
                step.tries > 0 ? "\(step.tries)" : "", took, note(of: step),
            ])
        }
        lines += table.lines
        if row.state == .paused, let failed = steps.first(where: { $0.state == .error }) {
            let step = "\(name):\(failed.index + 1)"
            lines += [
                "", "  muster retry \(step)   try it again (--input FILE: with another input)",
                "  muster skip \(step)    go on without it", "  muster cancel \(name)    end the plan",
            ]
        }
        return lines
    }

    private func note(of step: StepRow) -> String {
        if let error = step.error { return printable(error.message) }
        guard let counts = children[step.index], let wanted = step.call?.children else { return "" }
        var parts = ["\(counts.succeeded + counts.failed) of \(wanted.total) sub-plans"]
        if counts.failed > 0 { parts.append("\(counts.failed) failed") }
        if counts.paused > 0 { parts.append("\(counts.paused) paused") }
        return parts.joined(separator: ", ")
    }

    struct Shape: Encodable {
        struct Step: Encodable {
            var step: Int
            var action: String
            var kind: String
            var state: String
            var tries: Int32
            var error: String?
            var children: ChildCounts?
            var startedAt: String?
            var endedAt: String?

            enum CodingKeys: String, CodingKey {
                case step, action, kind, state, tries, error, children
                case startedAt = "started_at"
                case endedAt = "ended_at"
            }
        }
        var format = 1
        var run: JSONShape.Run
        var action: String
        var steps: [Step]
    }

    var shape: Shape {
        Shape(
            run: JSONShape.Run(row, isConducted: isConducted),
            action: spec.program?.name ?? "",
            steps: shown.map { step in
                Shape.Step(
                    step: Int(step.index) + 1,
                    action: spec.label(of: step.spec),
                    kind: step.spec.action.rawValue,
                    state: step.state.rawValue,
                    tries: step.tries,
                    error: step.error?.message,
                    children: children[step.index],
                    startedAt: step.startedAt?.rfc3339,
                    endedAt: step.endedAt?.rfc3339
                )
            }
        )
    }
}
