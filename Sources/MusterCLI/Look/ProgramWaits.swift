import MusterCore
import MusterStore

/// What a plan of a program waits for, beyond its own steps: times, other plans, limits, sub-plans, events.
struct ProgramWaits {
    let row: PlanRow
    let program: ProgramSpec
    let steps: [StepRow]
    let store: any Store
    let lookup: RunLookup

    /// A plan itself, by this index, asks for the key of its singleton.
    private static let itself: StepIndex = -1

    init?(_ record: RunRecord, store: any Store, lookup: RunLookup) {
        guard let program = record.spec.program else { return nil }
        row = record.row
        self.program = program
        steps = record.steps
        self.store = store
        self.lookup = lookup
    }

    // MARK: The plan

    /// What keeps it from beginning or from going on.
    func ofPlan() throws -> [String] {
        var waits: [String] = []
        if row.state == .scheduled { waits += try delays() }
        waits += try limits(of: Self.itself)
        return waits
    }

    private func delays() throws -> [String] {
        var waits: [String] = []
        if row.isFrozen { waits.append("somebody who lets it go: it is frozen") }
        if let start = program.startAt {
            let latest = program.startBefore.map { ", and ends in error if it has not begun by \($0.rfc3339)" } ?? ""
            waits.append("\(start.rfc3339): not begun before\(latest)")
        }
        for id in program.prerequisites {
            let other = try lookup.read { () throws(StoreError) in try store.plan(id) }
            guard other?.state.isFinal != true else { continue }
            waits.append("\(RunName(id)) to end (\(other?.state.rawValue ?? "gone"))")
        }
        return waits
    }

    // MARK: A step

    /// What a step waits for besides other steps of its plan.
    func of(_ step: StepRow) throws -> [String] {
        guard step.spec.action.isCall, !step.state.hasEnded else { return [] }
        var waits = try limits(of: step.index)
        switch step.state {
        case .suspended: waits += try wakes(of: step)
        case .pending where waits.isEmpty && step.needs.allSatisfy { steps[Int($0)].state.satisfiesNeeds }:
            if row.state == .running {
                waits.append("a free place in the queue '\(spec(of: step)?.queue ?? "default")'")
            }
        default: break
        }
        return waits
    }

    private func wakes(of step: StepRow) throws -> [String] {
        if let wanted = step.call?.children {
            let id = StepID(plan: row.id, index: step.index)
            let counts = try lookup.read { () throws(StoreError) in try store.children(of: id) }
            var text = "its sub-plans: \(counts.succeeded + counts.failed) of \(wanted.total) have ended"
            if counts.failed > 0 { text += ", \(counts.failed) failed" }
            if counts.paused > 0 { text += ", \(counts.paused) wait for a person" }
            return [text + "; muster runs --children \(RunName(row.id))"]
        }
        let signals = try lookup.read { () throws(StoreError) in try store.signals(of: row.id) }
        let next = signals.filter { $0.step.index == step.index }.compactMap(\.dueAt).min()
        return [next.map { "an event; it wakes by itself at \($0.rfc3339)" } ?? "an event that somebody sends to it"]
    }

    private func spec(of step: StepRow) -> ActionSpec? {
        program.actions.indices.contains(Int(step.spec.a)) ? program.actions[Int(step.spec.a)] : nil
    }

    // MARK: Limits

    /// The limits that a step has asked for and does not hold, with those who hold them.
    private func limits(of step: StepIndex) throws -> [String] {
        guard !row.state.isFinal else { return [] }
        let id = StepID(plan: row.id, index: step)
        let names: [String]
        if step == Self.itself {
            names = program.singleton.map { [$0.key] } ?? []
        } else {
            names = spec(of: steps[Int(step)])?.limits ?? []
        }
        return try names.compactMap { name in
            let line = try lookup.read { () throws(StoreError) in try store.line(for: name) }
            guard let place = line.firstIndex(where: { $0.step == id }), !line[place].isHeld else { return nil }
            let holders = line[..<place].filter(\.isHeld).map { RunName($0.step.plan).description }
            let ahead = place - holders.count
            var text = "the limit '\(name)'"
            if !holders.isEmpty {
                let shown = Array(Set(holders)).sorted()
                text += ", held by \(shown.prefix(3).joined(separator: ", "))" + (shown.count > 3 ? " and others" : "")
            }
            return text + (ahead > 0 ? "; \(ahead) before it in the line" : "")
        }
    }
}
