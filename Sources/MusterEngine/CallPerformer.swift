import MusterCore
import MusterDrivers
import Synchronization

/// Has the actions of a program called, and puts what came of it into the inbox.
final class CallPerformer: Sendable {
    private struct UnderWay {
        var task: Task<Void, Never>?
        /// What came of it, kept until that is stored: should the commit fail, it is asked for again.
        var end: CallEnd?
    }

    private let host: (any ActionHost)?
    private let inbox: Inbox
    private let time: any TimeSource
    private let stateName: String
    private let underWay = Mutex<[ActionCall.ID: UnderWay]>([:])
    /// Calls whose ends were reported and not seen to be stored.
    private let reported = Mutex<[ActionCall.ID]>([])
    private let plannings = Mutex<[PlanID: UnderWay]>([:])
    /// Calls of a term that is over: they were told to end, and are awaited.
    private let endings = Mutex<[Task<Void, Never>]>([])

    init(host: (any ActionHost)?, inbox: Inbox, time: any TimeSource, stateName: String) {
        self.host = host
        self.inbox = inbox
        self.time = time
        self.stateName = stateName
    }

    /// Begins a call, unless it is under way already.
    func begin(_ call: ActionCall, for tenure: Tenure) {
        let (isNew, end) = underWay.withLock { calls in
            if let known = calls[call.id] { return (false, known.end) }
            calls[call.id] = UnderWay()
            return (true, nil)
        }
        // What came of it was not stored: it is asked for again.
        if let end { report(call.id, end, for: tenure) }
        guard isNew else { return }
        guard let host else {
            let error = StepError(.noAction, "no program is here that has the action '\(call.action)'")
            return report(call.id, CallEnd(.failed(error, isFinal: true)), for: tenure)
        }
        let context = context(of: call)
        // One task a call, tracked in `underWay` and awaited in `stop()`.
        let task = Task { [self] in
            // Past the lease another conductor may have it performed.
            guard await tenure.awaitLease() else { return drop(call.id) }
            let end = await host.perform(call, in: context)
            report(call.id, end, for: tenure)
        }
        underWay.withLock { $0[call.id]?.task = task }
    }

    private func context(of call: ActionCall) -> CallContext {
        let (inbox, time, id) = (inbox, time, call.id)
        return CallContext(
            operation: OperationID(state: stateName, step: id.step, attempt: Int(id.number)),
            now: { time.now() },
            write: { text in inbox.put(.event(.wrote(id, text))) }
        )
    }

    private func report(_ id: ActionCall.ID, _ end: CallEnd, for tenure: Tenure) {
        let isKnown = underWay.withLock { calls in
            guard calls[id] != nil else { return false }
            calls[id] = UnderWay(task: nil, end: end)
            return true
        }
        guard isKnown, !tenure.isOver else { return }
        reported.withLock { $0.append(id) }
        inbox.put(.event(.callEnded(id, end)))
    }

    /// A turn was committed: ends that its Director has taken in are stored, and need not be kept.
    func turnEnded(with director: borrowing Director) {
        let ids = reported.withLock { ids in
            defer { ids = [] }
            return ids
        }
        guard !ids.isEmpty else { return }
        var open: [ActionCall.ID] = []
        var stored: [ActionCall.ID] = []
        for id in ids {
            if director.isCurrent(id) { open.append(id) } else { stored.append(id) }
        }
        if !open.isEmpty { reported.withLock { $0 += open } }
        if !stored.isEmpty { underWay.withLock { calls in for id in stored { calls[id] = nil } } }
    }

    private func drop(_ id: ActionCall.ID) {
        let isKnown = underWay.withLock { $0.removeValue(forKey: id) != nil }
        if isKnown { inbox.put(.event(.callFound(id, isUnderWay: false))) }
    }

    /// Says whether a call that the store has begun is under way here. Of one that is, the end comes anyway.
    func inquire(_ id: ActionCall.ID) {
        let (isUnderWay, end) = underWay.withLock { ($0[id] != nil, $0[id]?.end) }
        if let end {
            inbox.put(.event(.callEnded(id, end)))
        } else {
            inbox.put(.event(.callFound(id, isUnderWay: isUnderWay)))
        }
    }

    /// Tells a call that it is to end.
    func cancel(_ id: ActionCall.ID, byForce isForced: Bool) {
        underWay.withLock { $0[id]?.task }?.cancel()
    }

    /// Tells those calls that they are to end which nobody waits for: the turn that said so was stored, and its answer
    /// was lost.
    func endStale(by director: borrowing Director) {
        let calls = underWay.withLock { $0.compactMap { id, call in call.task.map { (id, $0) } } }
        for (id, task) in calls where !director.isCurrent(id) { task.cancel() }
    }

    /// Whether a call is under way, or its end not stored yet, for which the Director waits.
    func isAwaited(by director: borrowing Director) -> Bool {
        let calls = underWay.withLock { Array($0.keys) }
        for id in calls where director.isCurrent(id) { return true }
        return false
    }

    func plan(_ program: ProgramSpec, of id: PlanID, for tenure: Tenure) {
        let isNew = plannings.withLock { plannings in
            guard plannings[id] == nil else { return false }
            plannings[id] = UnderWay()
            return true
        }
        guard isNew else { return }
        // As above.
        let task = Task { [self] in
            let result: Result<ChildPlan, StepError> =
                if let host {
                    await host.plan(program, of: id)
                } else {
                    .failure(StepError(.noAction, "no program is here that has the action '\(program.name)'"))
                }
            let isKnown = plannings.withLock { $0.removeValue(forKey: id) != nil }
            if isKnown, !tenure.isOver { inbox.put(.event(.planned(id, result))) }
        }
        plannings.withLock { $0[id]?.task = task }
    }

    /// Forgets what is under way: it belongs to another conductor now.
    func abandon() {
        let tasks =
            underWay.withLock { calls in
                defer { calls = [:] }
                return calls.values.compactMap(\.task)
            }
            + plannings.withLock { plannings in
                defer { plannings = [:] }
                return plannings.values.compactMap(\.task)
            }
        for task in tasks { task.cancel() }
        endings.withLock { $0 += tasks }
    }

    /// Tells everything that it is to end, and waits until it has.
    func stop() async {
        abandon()
        for task in endings.withLock({ $0 }) { await task.value }
    }
}
