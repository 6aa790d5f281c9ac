extension Director {
    /// Whether a plan was asked for before another. Numbers are no order where several conductors share a state: each
    /// has its own.
    func comesBefore(_ plan: PlanID, _ other: PlanID) -> Bool {
        guard let a = runs[plan]?.plan.row, let b = runs[other]?.plan.row else { return plan < other }
        return (a.createdAt, a.id) < (b.createdAt, b.id)
    }
}
