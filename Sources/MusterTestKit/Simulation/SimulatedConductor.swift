import MusterCore
import MusterEngine

/// One life of one conductor: its core, and what its performer knows.
final class SimulatedConductor {
    /// Counts lives, not processes' slots: a restarted conductor is another one.
    let number: Int
    var core: ConductorCore
    let clock: SimulatedClock
    var inbox: [Inbox.Item] = []
    var isPoked = false
    /// Acts under way here, each with the number of its task: a task ends once.
    var underWay: [SimulatedOperationKey: UnderWay] = [:]
    /// When its next turn is due; nil when nothing wakes it.
    var turnAt: Int64?
    /// It does nothing until then, as if it was stopped by a signal.
    var sleepsUntil: Int64 = 0
    var isAlive = true
    /// When the last request to each node arrives: one connection keeps the order.
    var lastArrivals: [NodeID: Int64] = [:]

    /// Calls of programs' actions under way here, and plans that are being planned.
    var calls: [ActionCall.ID: SimulatedCall] = [:]
    var plannings: Set<PlanID> = []
    /// Calls whose ends were reported and not seen to be stored.
    var reported: [ActionCall.ID] = []

    struct UnderWay {
        let task: Int
        var isInterrupted = false
    }

    init(number: Int, core: ConductorCore, clock: SimulatedClock) {
        self.number = number
        self.core = core
        self.clock = clock
    }

    var epoch: Epoch { core.epoch }
    /// It stands still between a commit and its acts.
    var isBetween = false
    /// How often it was fenced, as far as its performer has heard.
    var timesFenced = 0
}
