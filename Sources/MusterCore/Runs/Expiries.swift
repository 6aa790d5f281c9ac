/// When labs are to be gone, by the `lifetime` of the runs of which something may be left.
///
/// A lab goes as a whole, at the earliest of the times of its runs.
struct Expiries: Sendable {
    private struct Entry {
        var lab: String
        var at: Timestamp
    }

    /// What could not be taken down is taken down again after so long.
    static let pause: Duration = .seconds(300)

    private var entries: [PlanID: Entry] = [:]
    /// Labs that are being taken down for it: not looked at again before.
    private var notBefore: [String: Timestamp] = [:]

    /// Notes a run whose request says when its lab is to be gone.
    mutating func note(_ plan: PlanID, _ spec: RunSpec) {
        if let end = spec.expiresAt { entries[plan] = Entry(lab: spec.lab, at: end) }
    }

    /// Forgets runs of which nothing is left.
    mutating func keep(_ isLeft: (PlanID) -> Bool) {
        if entries.isEmpty { return }
        entries = entries.filter { isLeft($0.key) }
        let labs = Set(entries.values.map(\.lab))
        notBefore = notBefore.filter { labs.contains($0.key) }
    }

    /// When something is due; nil when nothing will be.
    var nextDue: Timestamp? { entries.values.map(due).min() }

    /// The labs that are over and were not looked at just now, each with a run whose request says so.
    func due(at now: Timestamp) -> [(lab: String, plan: PlanID)] {
        var found: [String: PlanID] = [:]
        for (plan, entry) in entries where due(entry) <= now { found[entry.lab] = min(found[entry.lab] ?? plan, plan) }
        return found.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
    }

    /// Whether a lab was to be gone by now.
    func isOver(_ lab: String, at now: Timestamp) -> Bool {
        entries.values.contains { $0.lab == lab && $0.at <= now }
    }

    /// How many runs there may be at once that take a lab down for it.
    var labCount: Int { Set(entries.values.map(\.lab)).count }

    mutating func lookAtOnce(_ lab: String) { notBefore[lab] = nil }

    /// It is looked at again after a while.
    mutating func wasTakenDown(_ lab: String, at now: Timestamp) { notBefore[lab] = now + Self.pause }

    private func due(_ entry: Entry) -> Timestamp { max(entry.at, notBefore[entry.lab] ?? entry.at) }
}
