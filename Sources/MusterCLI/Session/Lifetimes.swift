import MusterCore
import MusterStore

/// When the labs of a state are to be gone, as the store has it.
struct Lifetimes {
    /// The earliest time of each lab that has one.
    private(set) var ends: [String: Timestamp] = [:]

    /// Of what is up, and of unfinished runs that bring something up.
    init(_ store: any Store) throws(StoreError) {
        var plans = Set(try store.nodes(lab: nil, includingGone: false).map(\.createdBy))
        for row in try store.plans(lab: nil, limit: 200) where !row.state.isFinal { plans.insert(row.id) }
        for plan in plans {
            guard let spec = try store.spec(of: plan), let end = spec.expiresAt else { continue }
            ends[spec.lab] = min(ends[spec.lab] ?? end, end)
        }
    }

    /// The earliest of all.
    var next: Timestamp? { ends.values.min() }

    func over(at now: Timestamp) -> [String] { ends.filter { $0.value <= now }.keys.sorted() }
}
