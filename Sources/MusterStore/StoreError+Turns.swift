package import MusterCore

extension StoreError {
    /// The turn belongs to a term that is over.
    package static func fenced(epoch: Epoch, path: String) -> StoreError {
        StoreError(
            .fenced,
            "another conductor took over the state in \(path): epoch \(epoch) is over. Nothing was written; "
                + "the other one goes on with the work"
        )
    }

    static func missing(_ step: StepRow) -> StoreError {
        StoreError(
            .failed,
            "step \(step.index) of \(RunName(step.plan)) is not in the store, so it cannot change; nothing was written"
        )
    }

    static func missing(_ plan: PlanRow) -> StoreError {
        StoreError(
            .failed,
            "\(RunName(plan.id)) is not in the store, so it cannot change: it may have been deleted; nothing was written"
        )
    }

    static func withoutPlan(_ plan: PlanID) -> StoreError {
        StoreError(.failed, "the request of \(RunName(plan)) comes without a new run; nothing was written")
    }

    static func another(_ plan: PlanID) -> StoreError {
        StoreError(.failed, "\(RunName(plan)) belongs to another request already; nothing was written")
    }

    static func gap(event position: Int64, last: Int64) -> StoreError {
        StoreError(.failed, "event \(position) does not follow \(last), the newest of its term; nothing was written")
    }
}

extension StoreError {
    static func taken(_ plan: PlanRow) -> StoreError {
        StoreError(.failed, "the request \(plan.request) already made another run; nothing was written")
    }

    static func withdrawn(_ request: Int64) -> StoreError {
        StoreError(.failed, "request \(request) was taken back, or answered before; nothing was written")
    }

    static func twice(_ what: String) -> StoreError {
        StoreError(.failed, "\(what) is in the store already; nothing was written")
    }
}
