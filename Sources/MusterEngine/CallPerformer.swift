import DequeModule
import MusterCore
import MusterDrivers
import Synchronization

/// Has the actions of a program called, and puts what came of it into the inbox.
///
/// Calls wait in line for workers, tasks that perform one call after another. Beside those at work one stands by: it
/// begins when the system has a thread for it, which is when another processor has nothing to do, or when the call of
/// another worker waits for something. So calls that never wait are performed by few tasks, and calls that wait each
/// have one of their own.
final class CallPerformer: Sendable {
    private struct UnderWay {
        /// Who performs it; nil while it stands in line, and when it has ended.
        var worker: Int?
        /// Whether it is to end as soon as it begins.
        var isCancelled = false
        /// What came of it, kept until that is stored: should the commit fail, it is asked for again.
        var end: CallEnd?
    }

    private struct Job {
        let call: ActionCall
        let host: any ActionHost
        let tenure: Tenure
    }

    /// A worker that was counted in, and whose task is still to be made.
    private struct Standby {
        let number: Int
        let term: Int
    }

    private struct State {
        var underWay: [ActionCall.ID: UnderWay] = [:]
        var waiting: Deque<Job> = []
        /// Those of the present term; nil for a moment, until the task is made.
        var workers: [Int: Task<Void, Never>?] = [:]
        /// Those whose present call was told to end: their tasks perform no other.
        var spent: Set<Int> = []
        var lastWorker = 0
        /// Whether a worker stands by. One does as long as calls wait.
        var hasStandby = false
        /// Calls whose ends were reported and not seen to be stored.
        var reported: [ActionCall.ID] = []
        var plannings: [PlanID: Task<Void, Never>] = [:]
        /// How often everything was abandoned.
        var term = 0
        /// Tasks of a term that is over: they were told to end, and are awaited.
        var endings: [Task<Void, Never>] = []
    }

    private let host: (any ActionHost)?
    private let inbox: Inbox
    private let stateName: String
    private let now: @Sendable () -> Timestamp
    private let state = Mutex(State())

    init(host: (any ActionHost)?, inbox: Inbox, time: any TimeSource, stateName: String) {
        self.host = host
        self.inbox = inbox
        self.stateName = stateName
        now = { time.now() }
    }

    /// Begins calls, those that are not under way already.
    func begin(_ calls: [ActionCall], for tenure: Tenure) {
        if calls.isEmpty { return }
        let (ends, standby) = state.withLock { state in
            var ends: [(ActionCall.ID, CallEnd)] = []
            for call in calls {
                if let known = state.underWay[call.id] {
                    // What came of it was not stored: it is asked for again.
                    if let end = known.end { ends.append((call.id, end)) }
                } else if let host {
                    state.underWay[call.id] = UnderWay()
                    state.waiting.append(Job(call: call, host: host, tenure: tenure))
                } else {
                    let error = StepError(.noAction, "no program is here that has the action '\(call.action)'")
                    let end = CallEnd(.failed(error, isFinal: true))
                    state.underWay[call.id] = UnderWay(end: end)
                    ends.append((call.id, end))
                }
            }
            if tenure.isOver { ends = [] }
            for (id, _) in ends { state.reported.append(id) }
            return (ends, standBy(&state))
        }
        start(standby)
        for (id, end) in ends { inbox.put(.event(.callEnded(id, end))) }
    }

    // MARK: Workers

    /// Counts in a worker to stand by, when there is none and calls wait.
    private func standBy(_ state: inout State) -> Standby? {
        guard !state.hasStandby, !state.waiting.isEmpty else { return nil }
        state.hasStandby = true
        state.lastWorker += 1
        state.workers[state.lastWorker] = .some(nil)
        return Standby(number: state.lastWorker, term: state.term)
    }

    private func start(_ standby: Standby?) {
        guard let standby else { return }
        // Tracked in `workers`, and awaited in `stop()`.
        let task = Task { [self] in await work(as: standby.number) }
        let isOver = state.withLock { state in
            if state.term != standby.term {
                state.endings.append(task)
                return true
            }
            // Unless it is done already.
            if state.workers[standby.number] != nil { state.workers[standby.number] = .some(task) }
            return state.spent.contains(standby.number)
        }
        if isOver { task.cancel() }
    }

    private func work(as number: Int) async {
        var (next, standby): (Job?, Standby?) = state.withLock { state in
            // What was given up on begins nothing.
            guard state.workers[number] != nil else { return (nil, nil) }
            state.hasStandby = false
            return take(for: number, &state)
        }
        start(standby)
        var calls = 0
        while let job = next {
            // Other tasks of the program get a turn too.
            calls += 1
            if calls % Self.callsInARow == 0 { await Task.yield() }
            // Past the lease another conductor may have it performed.
            let mayAct = await job.tenure.awaitLease()
            let end: CallEnd? = mayAct ? await job.host.perform(job.call, in: context(of: job.call)) : nil
            next = ended(job, end, by: number)
        }
    }

    private static let callsInARow = 32

    /// The next call for a worker; nil when it is done, for there is none or its task was told to end.
    private func take(for number: Int, _ state: inout State) -> (Job?, Standby?) {
        guard let task = state.workers[number] else { return (nil, nil) }
        if state.spent.contains(number) || state.waiting.isEmpty {
            state.spent.remove(number)
            state.workers[number] = nil
            return (nil, standBy(&state))
        }
        let job = state.waiting.removeFirst()
        state.underWay[job.call.id]?.worker = number
        if state.underWay[job.call.id]?.isCancelled == true {
            state.spent.insert(number)
            // It is its own task: nobody is told besides. One that is still to be made is cancelled then.
            task?.cancel()
        }
        return (job, standBy(&state))
    }

    /// Reports what came of a call; nil when it could not begin. A worker of a term that is over says nothing.
    private func ended(_ job: Job, _ end: CallEnd?, by number: Int) -> Job? {
        let id = job.call.id
        let (isOwn, next, standby, isLast) = state.withLock { state in
            let isOwn = state.underWay[id]?.worker == number
            if isOwn, let end {
                state.underWay[id] = UnderWay(end: end)
                if !job.tenure.isOver { state.reported.append(id) }
            } else if isOwn {
                state.underWay[id] = nil
            }
            let (next, standby) = take(for: number, &state)
            return (isOwn, next, standby, state.waiting.isEmpty)
        }
        start(standby)
        guard isOwn else { return next }
        if let end {
            // As long as calls wait in line, their ends follow soon.
            if !job.tenure.isOver { inbox.put(.event(.callEnded(id, end)), mayWait: !isLast) }
        } else {
            inbox.put(.event(.callFound(id, isUnderWay: false)))
        }
        return next
    }

    private func context(of call: ActionCall) -> CallContext {
        let (inbox, stateName, id) = (inbox, stateName, call.id)
        return CallContext(
            operation: OperationID(state: stateName, step: id.step, attempt: Int(id.number)),
            now: now,
            write: { text in inbox.put(.event(.wrote(id, text))) }
        )
    }

    // MARK: Turns

    /// A turn was committed: ends that its Director has taken in are stored, and need not be kept.
    func turnEnded(with director: borrowing Director) {
        let ids = state.withLock { state in
            defer { state.reported = [] }
            return state.reported
        }
        guard !ids.isEmpty else { return }
        var open: [ActionCall.ID] = []
        var stored: [ActionCall.ID] = []
        stored.reserveCapacity(ids.count)
        for id in ids {
            if director.isCurrent(id) { open.append(id) } else { stored.append(id) }
        }
        state.withLock { state in
            state.reported += open
            for id in stored { state.underWay[id] = nil }
        }
    }

    /// Says whether a call that the store has begun is under way here. Of one that is, the end comes anyway.
    func inquire(_ id: ActionCall.ID) {
        let known = state.withLock { $0.underWay[id] }
        if let end = known?.end {
            inbox.put(.event(.callEnded(id, end)))
        } else {
            inbox.put(.event(.callFound(id, isUnderWay: known != nil)))
        }
    }

    /// Tells a call that it is to end.
    func cancel(_ id: ActionCall.ID, byForce isForced: Bool) {
        let task: Task<Void, Never>? = state.withLock { state in
            guard let call = state.underWay[id], call.end == nil else { return nil }
            guard let worker = call.worker else {
                state.underWay[id]?.isCancelled = true
                return nil
            }
            state.spent.insert(worker)
            return state.workers[worker] ?? nil
        }
        task?.cancel()
    }

    /// Tells those calls that they are to end which nobody waits for: the turn that said so was stored, and its answer
    /// was lost.
    func endStale(by director: borrowing Director) {
        let ids = state.withLock { state in Array(state.underWay.filter { $0.value.end == nil }.keys) }
        for id in ids where !director.isCurrent(id) { cancel(id, byForce: true) }
    }

    /// Whether a call is under way, or its end not stored yet, for which the Director waits.
    func isAwaited(by director: borrowing Director) -> Bool {
        let ids = state.withLock { Array($0.underWay.keys) }
        for id in ids where director.isCurrent(id) { return true }
        return false
    }

    // MARK: Planning

    func plan(_ program: ProgramSpec, of id: PlanID, for tenure: Tenure) {
        state.withLock { state in
            guard state.plannings[id] == nil else { return }
            // Tracked in `plannings`, and awaited in `stop()`.
            state.plannings[id] = Task { [self] in
                let result: Result<ChildPlan, StepError> =
                    if let host {
                        await host.plan(program, of: id)
                    } else {
                        .failure(StepError(.noAction, "no program is here that has the action '\(program.name)'"))
                    }
                let isKnown = self.state.withLock { $0.plannings.removeValue(forKey: id) != nil }
                if isKnown, !tenure.isOver { inbox.put(.event(.planned(id, result))) }
            }
        }
    }

    // MARK: Ending

    /// Forgets what is under way: it belongs to another conductor now.
    func abandon() {
        let tasks = state.withLock { state in
            let tasks = state.workers.values.compactMap(\.self) + state.plannings.values
            state.term += 1
            state.underWay = [:]
            state.waiting = []
            state.workers = [:]
            state.spent = []
            state.hasStandby = false
            state.reported = []
            state.plannings = [:]
            state.endings += tasks
            return tasks
        }
        for task in tasks { task.cancel() }
    }

    /// Tells everything that it is to end, and waits until it has.
    func stop() async {
        abandon()
        for task in state.withLock({ $0.endings }) { await task.value }
    }
}
