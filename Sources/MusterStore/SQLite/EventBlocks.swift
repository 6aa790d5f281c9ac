import MusterCore

/// Which blocks of events are known to be noted for their plans; forgotten whenever that is in doubt.
struct EventBlocks {
    private var newest: [PlanID: Int64] = [:]
    private var last: (plan: PlanID, block: Int64)?

    /// So many plans are remembered at most: writing a row that is there changes nothing.
    static let plansMax = 10_000

    /// The block that a plan's event lies in, when that is to be noted; nil when it is known to be.
    mutating func add(_ position: Int64, of plan: PlanID) -> Int64? {
        let block = position >> 8
        if let last, last == (plan, block) { return nil }
        last = (plan, block)
        if newest.count >= Self.plansMax { newest.removeAll(keepingCapacity: true) }
        return newest.updateValue(block, forKey: plan) == block ? nil : block
    }
}
