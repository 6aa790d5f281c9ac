import Dispatch
package import Logging
package import MusterCore
package import MusterDrivers
import Synchronization

/// Does what turns decided, after their commit, and puts what came of it into the inbox.
///
/// It decides nothing. An act that is under way already is not begun again; acting twice is harmless all the same, as
/// each carries its operation id.
package final class Performer: Sendable {
    package struct Settings: Sendable {
        package var state: StateDirectory
        package var stateName: String
        package var surroundings: CommandBuilder.Surroundings
        package init(state: StateDirectory, stateName: String, surroundings: CommandBuilder.Surroundings) {
            self.state = state
            self.stateName = stateName
            self.surroundings = surroundings
        }
    }

    struct Key: Hashable {
        let step: StepID
        let number: Int32
    }

    private struct UnderWay {
        /// For which it was begun. What is heard of it for an older one is dropped.
        let tenure: Tenure
        var isInterrupted = false
        var task: Task<Void, Never>?
    }

    let drivers: Drivers
    private let inbox: Inbox
    let time: any TimeSource
    let settings: Settings
    let logger: Logger
    private let underWay = Mutex<[Key: UnderWay]>([:])
    /// The ending of operations: bounded by their grace, and not given up when the conductor ends.
    private let endings = Mutex<[Task<Void, Never>]>([])
    private let watches = Mutex<[Task<Void, Never>]>([])
    /// Surveys that have not been answered.
    private let surveys = DispatchGroup()
    private let tenure: Mutex<Tenure>
    private let calls: CallPerformer
    private let nodes: NodeCommander
    private let reports: ReportReader
    private let errands: ErrandRunner
    private let kits = KitKeeper()
    private let teams: TeamDesk

    package init(
        drivers: Drivers,
        inbox: Inbox,
        time: any TimeSource,
        settings: Settings,
        host: (any ActionHost)? = nil,
        logger: Logger
    ) {
        self.drivers = drivers
        self.inbox = inbox
        self.time = time
        self.settings = settings
        self.logger = logger
        tenure = Mutex(Self.tenure(by: time))
        nodes = NodeCommander(
            drivers: drivers,
            inbox: inbox,
            time: time,
            stateName: settings.stateName,
            logger: logger
        )
        reports = ReportReader(inbox: inbox, state: settings.state, logger: logger)
        errands = ErrandRunner(inbox: inbox, time: time, settings: settings, logger: logger)
        teams = TeamDesk(logger: logger)
        calls = CallPerformer(host: host, inbox: inbox, time: time, stateName: settings.stateName)
    }

    private static func tenure(by time: any TimeSource) -> Tenure { Tenure(0) { time.now() } }

    private var present: Tenure { tenure.withLock { $0 } }

    /// Begins everything a turn decided. Called on the conductor's thread, with the Director as the turn left it.
    package func perform(_ directives: [Directive], with director: borrowing Director) {
        let tenure = present
        calls.turnEnded(with: director)
        for team in teams.present {
            guard director.run(team.plan)?.plan.state(of: team.index).hasEnded != false else { continue }
            teams.forget(team)
        }
        // Calls begin many at a time, and before whatever comes after them.
        var begun: [ActionCall] = []
        for directive in directives {
            CrashPoint.reached(.beforeDirective)
            if case .call(let call) = directive {
                begun.append(call)
            } else {
                calls.begin(begun, for: tenure)
                begun = []
                begin(directive, with: director, for: tenure)
            }
            CrashPoint.reached(.afterDirective)
        }
        calls.begin(begun, for: tenure)
    }

    private func begin(_ directive: Directive, with director: borrowing Director, for tenure: Tenure) {
        switch directive {
        case .perform(let act): begin(act, with: director, for: tenure)
        case .inquire(let act): inquire(act, with: director, for: tenure)
        case .interrupt(let act): interrupt(act, with: director, for: tenure)
        case .watch(let node):
            if let row = director.node(node) { watch(handle(for: row, tenure)) }
        case .call(let call): calls.begin([call], for: tenure)
        case .cancelCall(let call, let isForced): calls.cancel(call, byForce: isForced)
        case .inquireCall(let call): calls.inquire(call)
        case .plan(let id):
            if let program = director.program(id) { calls.plan(program.program, of: id, for: tenure) }
        // The conductor's core asks the store.
        case .lookUp: break
        case .survey(let node):
            guard let row = director.node(node) else { break }
            let handle = handle(for: row, tenure)
            survey(handle)
            if let seat = presentSeat(beside: handle) { survey(seat) }
        case .node(.readReports(let node, let position)): reports.read(node, after: position)
        case .errand(let errand): errands.begin(errand, tenure)
        case .node(let directive):
            guard let row = director.node(directive.node) else { break }
            nodes.perform(directive, on: handle(for: row, tenure), readying(row, with: director))
        }
    }

    /// The term as a turn left it. Acts that would leave later than `end` do not: another conductor may be acting. nil
    /// lets all leave.
    package func renew(_ epoch: Epoch, until end: Timestamp?) { present.renew(epoch, until: end) }

    /// Forgets what is under way: it belongs to another conductor now. What runs on nodes goes on. Nothing of it leaves
    /// any more, and what was heard of it and not decided yet is dropped.
    package func abandon() {
        let former = tenure.withLock { tenure in
            defer { tenure = Self.tenure(by: time) }
            return tenure
        }
        former.end()
        let tasks = underWay.withLock { acts in
            defer { acts = [:] }
            return acts.values.compactMap(\.task)
        }
        for task in tasks { task.cancel() }
        endings.withLock { $0 += tasks }
        calls.abandon()
        nodes.abandon()
        teams.abandon()
        kits.abandon()
        reports.abandon()
        errands.abandon()
        inbox.dropReports()
    }

    /// Tells calls of programs' actions to end that the Director does not wait for any more.
    package func endStaleCalls(by director: borrowing Director) { calls.endStale(by: director) }

    /// Whether the Director waits for a call of a program's action that is under way.
    func awaitsCalls(of director: borrowing Director) -> Bool { calls.isAwaited(by: director) }

    /// Stops waiting for what is under way, and waits until nobody waits any more. What runs on nodes goes on.
    package func stop() async {
        present.renewNoMore()
        let tasks = underWay.withLock { $0.values.compactMap(\.task) } + watches.withLock { $0 }
        for task in tasks { task.cancel() }
        for task in tasks { await task.value }
        for task in endings.withLock({ $0 }) { await task.value }
        await calls.stop()
        await nodes.stop()
        await teams.stop()
        await errands.stop()
        reports.stop()
        await drivers.close()
    }

    // MARK: Acts

    private func begin(_ act: Act, with director: borrowing Director, for tenure: Tenure) {
        if act.spec.action == .noop {
            inbox.put(.actEnded(act, .succeeded(facts: [:])))
            return
        }
        let key = Key(step: act.step, number: act.number)
        guard isNew(key, tenure) else { return }
        let job: Job
        do throws(StepError) {
            job = try makeJob(act, with: director, for: tenure)
        } catch {
            report(.actEnded(act, .failed(error)), of: key, tenure)
            return
        }
        if let seat = job.seat { teams.join(seat) }
        // One task an act, tracked in `underWay` and awaited in `stop()`.
        let task = Task { [self] in
            // The lease has ended before it could begin. Should it be renewed after all, the act is decided again.
            guard tenure.mayAct else {
                return report(.actFound(act, act.isInDoubt ? .running : .neverStarted), of: key, tenure)
            }
            guard let outcome = await carryOut(job) else { return }
            let completed = await Self.completed(outcome, by: job.findings)
            if let seat = job.seat, seat.isLeft(after: completed, try: act.number) { teams.end(seat) }
            report(.actEnded(act, completed), of: key, tenure)
        }
        underWay.withLock { $0[key]?.task = task }
    }

    /// Notes that an act is under way; false when it was already.
    private func isNew(_ key: Key, _ tenure: Tenure) -> Bool {
        underWay.withLock { acts in
            guard acts[key] == nil else { return false }
            acts[key] = UnderWay(tenure: tenure)
            return true
        }
    }

    /// Asks what is true of an act that may have been begun. Of one that is under way here the outcome comes anyway.
    private func inquire(_ act: Act, with director: borrowing Director, for tenure: Tenure) {
        let key = Key(step: act.step, number: act.number)
        guard isNew(key, tenure) else { return }
        guard let node = act.node.flatMap({ director.node($0) }) else {
            return report(.actFound(act, .ended(.failed(Self.nodeIsGone))), of: key, tenure)
        }
        let handle = place(of: act, handle(for: node, tenure), director.spec(node.createdBy))
        let inquiry = Inquiry(driver: drivers.of(handle), node: handle, operation: operation(of: act))
        let creates = act.spec.action == .provision && director.spec(node.createdBy)?.creates(act.spec) == true
        let findings = findings(of: act, at: node, with: director, for: tenure)
        let seat = seat(of: act, handle, with: director)
        if let seat { teams.join(seat) }
        // As above.
        let task = Task { [self] in
            guard let found = await creates ? inquiry.creation() : inquiry.command() else { return }
            var status = Self.known(found, at: handle)
            if case .ended(let outcome) = status {
                let completed = await Self.completed(outcome, by: findings)
                if let seat, seat.isLeft(after: completed, try: act.number) { teams.end(seat) }
                status = .ended(completed)
            }
            if case .ended = status { await vacate(handle) }
            report(.actFound(act, status), of: key, tenure)
        }
        underWay.withLock { $0[key]?.task = task }
    }

    /// The end of a test with what the test has said of itself.
    private static func completed(_ outcome: ActOutcome, by findings: FindingsReader?) async -> ActOutcome {
        guard let findings, case .exited(var exit) = outcome else { return outcome }
        exit.findings = await findings.findings(after: exit)
        return .exited(exit)
    }

    static let nodeIsGone = StepError(.lost, "its node is not there any more")

    /// What became of an act. One that was abandoned meanwhile says nothing, also when the same act was begun again.
    private func report(_ event: Director.Event, of key: Key, _ tenure: Tenure) {
        underWay.withLock { acts in
            guard acts[key]?.tenure === tenure else { return }
            acts[key] = nil
            inbox.put(event)
        }
    }

    private func interrupt(_ act: Act, with director: borrowing Director, for tenure: Tenure) {
        let key = Key(step: act.step, number: act.number)
        let task: Task<Void, Never>? = underWay.withLock { acts in
            acts[key]?.isInterrupted = true
            return acts[key]?.task
        }
        guard let node = act.node.flatMap({ director.node($0) }) else { return }
        if act.spec.action == .ready || act.spec.action == .capability {
            task?.cancel()
            return
        }
        let place = place(of: act, handle(for: node, tenure), director.spec(node.createdBy))
        end(operation(of: act), on: place)
    }

    /// Ends what an operation runs on a node, as was asked for.
    func end(_ operation: OperationID, on node: NodeHandle) {
        // Awaited in `stop()`.
        let ending = Task { [driver = drivers.of(node), logger] in
            // An end that was asked for waits for the lease: nobody would ask for it again.
            guard await node.tenure.awaitLease() else { return }
            do {
                try await driver.end(operation, on: node, grace: Defaults.grace)
            } catch {
                logger.warning("ending \(operation) on \(node.name) failed: \(error)")
            }
        }
        endings.withLock { $0.append(ending) }
    }

    /// Whether an act was ended on request, and not only left alone because the conductor ends.
    func isInterrupted(_ job: Job) -> Bool {
        underWay.withLock { acts in acts[job.key].map { $0.tenure === job.node.tenure && $0.isInterrupted } == true }
    }

    private func watch(_ node: NodeHandle) {
        // Awaited in `stop()`.
        let task = Task { await watchNow(node) }
        watches.withLock { $0.append(task) }
    }

    /// Looks for what runs on a node and belongs to no step any more. What cannot be asked has nothing told of it.
    private func survey(_ node: NodeHandle) {
        let survey = Survey(driver: drivers.of(node), node: node, stateName: settings.stateName)
        // Awaited in `stop()`.
        surveys.enter()
        let task = Task { [inbox, logger, surveys] in
            defer { surveys.leave() }
            do throws(StepError) {
                for (step, number) in try await survey.tries() where !node.tenure.isOver {
                    inbox.put(.operationFound(step, number: number, on: node.id))
                }
            } catch {
                if error.code == .cancelled || error.code == .lost { return }
                logger.warning("what runs on \(node.name) is not known: \(error.message)")
            }
        }
        watches.withLock { $0.append(task) }
    }

    /// Waits until what runs on nodes is known, or a supervisor has taken too long to say.
    func awaitSurveys() { _ = surveys.wait(timeout: .now() + .seconds(2)) }

    /// Waits until what nodes have reported by now is read, and errands that are under way are done, or it takes too
    /// long.
    func awaitErrands() {
        reports.awaitReading()
        errands.awaitEnds()
    }

    /// Watches nodes and waits until it is known what they have said and which of them were lost while nobody looked.
    package func settle(_ nodes: [(row: NodeRow, reports: ReportPosition?)]) async {
        let tenure = present
        await withTaskGroup(of: Void.self) { group in
            for node in nodes {
                let handle = handle(for: node.row, tenure)
                group.addTask {
                    // What it has said came before its loss.
                    self.reports.watch(handle, after: node.reports)
                    await self.watchLoss(handle)
                }
            }
        }
    }

    /// Any other failure than a loss says nothing of the node: its driver goes on trying.
    private func watchNow(_ node: NodeHandle) async {
        reports.watch(node)
        await watchLoss(node)
    }

    private func watchLoss(_ node: NodeHandle) async {
        do throws(StepError) {
            try await drivers.of(node).watch(node)
        } catch {
            if node.tenure.isOver { return }
            if error.code == .lost {
                inbox.put(.nodeLost(node.id, reason: error.message))
            } else if error.code != .cancelled {
                logger.warning("\(node.name) is not watched: \(error.message)")
            }
        }
    }

    func handle(for node: NodeRow, _ tenure: Tenure) -> NodeHandle {
        NodeHandle(
            id: node.id,
            name: node.name,
            lab: node.lab,
            driver: node.driver,
            directory: settings.state.node(node),
            facts: node.facts,
            tenure: tenure
        )
    }

    func operation(of act: Act) -> OperationID {
        OperationID(state: settings.stateName, step: act.step, attempt: Int(act.number))
    }

    // MARK: Work

    /// Does the work; nil when it was only stopped to wait, because the conductor ends.
    private func carryOut(_ job: Job) async -> ActOutcome? {
        let driver = drivers.of(job.node)
        do throws(StepError) {
            switch job.work {
            case .create(let server):
                let facts = try await driver.create(job.node, operation: job.operation, server: server)
                reports.watch(job.node)
                return .succeeded(facts: facts)
            case .run(let command):
                if job.key.number > 1 {
                    let survey = Survey(driver: driver, node: job.node, stateName: settings.stateName)
                    try await survey.endFormerTries(of: job.key.step, before: job.key.number)
                }
                try await kits.put(command.kits, on: job.node, by: driver)
                return .exited(try await driver.runWithFiles(command, on: job.node, operation: job.operation))
            case .attach:
                return .exited(try await attach(to: job.operation, on: job.node))
            case .play(let play):
                if job.key.number > 1 {
                    let place = presentSeat(beside: job.node) ?? job.node
                    let survey = Survey(driver: drivers.of(place), node: place, stateName: settings.stateName)
                    try await survey.endFormerTries(of: job.key.step, before: job.key.number)
                }
                return .exited(try await run(play, on: job.node, operation: job.operation))
            case .fill(let filling):
                try await driver.put([try filling.content()], on: job.node)
                return .succeeded(facts: [:])
            case .put(let files):
                try await driver.put(files, on: job.node)
                return .succeeded(facts: [:])
            case .ready(let conditions, let commands):
                try await Readiness(driver: driver, time: time).await(
                    conditions,
                    commands: commands,
                    on: job.node,
                    operation: job.operation
                )
                return .succeeded(facts: [:])
            case .perform(let capability, let parts, let readying):
                // Its files may not be there any more.
                kits.forget(job.node.id)
                return .succeeded(facts: try await perform(capability, parts, readying, job))
            case .destroy:
                await vacate(presentSeat(beside: job.node))
                try await driver.destroy(job.node)
                reports.forget(job.node.id)
                kits.forget(job.node.id)
                return .succeeded(facts: [:])
            }
        } catch {
            return Task.isCancelled && !isInterrupted(job) ? nil : .failed(error)
        }
    }
}
