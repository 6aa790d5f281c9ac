package import MusterCore

/// A Director with a world around it: a clock moved by hand, rows as a store would hold them, and machines whose acts
/// end as a script says.
///
/// What a script says of an operation holds for ever, as with real machines: when a restarted Director performs an act
/// that is in doubt, it gets the end that the first performance has, or had.
package struct DirectorHarness {
    /// How an act ends.
    package enum Ending: Hashable, Sendable {
        /// As its kind ends when all is well.
        case succeeds
        /// Its command exits with this status.
        case exits(Int)
        case timesOut
        case fails(StepError.Code, String)
        /// Its node is lost, which is heard of before the act's end.
        case losesNode(String)
        /// Its node is lost, which is heard of only from the act itself.
        case ends(lostNode: String)
        /// Its node's server ends, which is heard of; the command itself exits with this status.
        case outlivesNode(status: Int)
        /// A test says that it goes away, and goes.
        case goesAway
    }

    /// An act that is under way.
    package struct Work: Sendable {
        package var act: Act
        /// What people call it: `app/1:2 run: ./setup.sh`.
        package var label: String
        package var node: NodeName?
        package var isInterrupted = false
    }

    struct Operation: Hashable {
        let step: StepID
        let number: Int32
        init(_ act: Act) {
            step = act.step
            number = act.number
        }
    }

    package private(set) var director: Director
    package private(set) var rows = StoredRows()
    package var now = Timestamp(rawValue: 1_000_000_000_000)
    /// How an act ends; asked once for each operation, when it ends.
    package var script: (Work) -> Ending
    /// Acts under way, in the order they began.
    package private(set) var works: [Work] = []
    /// What happened, as people would tell it: `▶ app/0:1 process`, `■ …`, `✗ app/0`.
    package private(set) var story: [String] = []
    /// What was wrong with what the Director did.
    package var violations: [String] { rows.violations + ownViolations }
    /// Called after each turn.
    package var afterTurn: ((inout DirectorHarness) -> Void)?
    package private(set) var turns = 0
    /// How many acts may be under way at once, by plan, as seen.
    package private(set) var worksMax = 0

    /// What a driver says of an act in doubt; nil for the truth.
    package var statusScript: ((Act) -> ActStatus?)?
    /// Acts that no conductor waits for, and that go on on their nodes.
    package var orphans: [Act] = []
    private var ownViolations: [String] = []
    /// What was ever begun.
    private var begun: Set<Operation> = []
    /// How operations have ended: their nodes keep it, also where the Director forgets it in a restart.
    private var ended: [Operation: ActOutcome] = [:]
    private var isSettled = true
    private var endings: [Operation: Ending] = [:]
    private var lostNodes: [NodeID: String] = [:]
    private var lastRequest: Int64 = 0
    private let seed: UInt64
    private let policies: TestPolicies

    package init(
        seed: UInt64 = 1,
        policies: TestPolicies = .declared,
        script: @escaping (Work) -> Ending = { _ in .succeeds }
    ) {
        self.seed = seed
        self.policies = policies
        self.script = script
        director = Director(Snapshot(), host: "here", seed: seed, policies: policies)
    }

    // MARK: Turns

    /// One turn: all that arrived is decided, the rows are stored, and the directives begin.
    package mutating func turn(_ events: [Director.Event]) {
        var turn = Turn(now: now, epoch: 1)
        if !isSettled {
            isSettled = true
            director.settle(into: &turn)
        }
        for event in events { director.handle(event, into: &turn) }
        director.handle(.woke, into: &turn)
        director.close(&turn)
        rows.apply(turn)
        var inquired: [Act] = []
        var surveyed: [NodeID] = []
        for directive in turn.directives {
            switch directive {
            case .perform(let act): begin(act)
            case .inquire(let act): inquired.append(act)
            case .interrupt(let act):
                if let i = orphans.firstIndex(where: { Operation($0) == Operation(act) }) { orphans.remove(at: i) }
                for i in works.indices where Operation(works[i].act) == Operation(act) { works[i].isInterrupted = true }
            case .survey(let node): surveyed.append(node)
            case .watch, .call, .cancelCall, .inquireCall, .plan, .lookUp, .node, .errand: break
            }
        }
        turns += 1
        worksMax = max(worksMax, works.count)
        let answers = inquired.map { Director.Event.actFound($0, status(of: $0)) }
        if !answers.isEmpty { self.turn(answers) }
        let found = surveyed.flatMap { node in
            (works.map(\.act) + orphans).filter { $0.node == node }.map {
                Director.Event.operationFound($0.step, number: $0.number, on: node)
            }
        }
        if !found.isEmpty { self.turn(found) }
        afterTurn?(&self)
    }

    /// What is true of an act in doubt: one that was begun goes on, whoever began it.
    private func status(of act: Act) -> ActStatus {
        if let reason = statusScript?(act) { return reason }
        if let outcome = ended[Operation(act)] { return .ended(outcome) }
        return begun.contains(Operation(act)) ? .running : .neverStarted
    }

    private mutating func begin(_ act: Act) {
        let isNew = begun.insert(Operation(act)).inserted
        let spec = rows.specs[act.step.plan]
        let name = act.node.flatMap { rows.nodes[$0]?.name }
        let creator = act.node.flatMap { rows.nodes[$0]?.createdBy }.flatMap { rows.specs[$0] }
        let labelled = act.spec.action == .undo || act.spec.action == .destroy ? creator : spec
        let label = labelled?.label(of: act.spec) ?? "?"
        if works.contains(where: { $0.act.step == act.step }) {
            if !act.isInDoubt { ownViolations.append("\(label) is performed twice at once") }
            return
        }
        if isNew {
            story.append("▶ \(label)" + (act.spec.pool >= 0 ? " on \(name?.description ?? "nothing")" : ""))
        }
        if act.spec.pool >= 0 && act.node == nil { ownViolations.append("\(label) got no node from its pool") }
        works.append(Work(act: act, label: label, node: name))
    }

    // MARK: Requests

    /// Asks for a run; nil when it was refused.
    @discardableResult
    package mutating func submit(_ spec: RunSpec, token: String? = nil) -> PlanID? {
        let token = token ?? "t\(lastRequest + 1)"
        request(.submit(token: token, spec: spec))
        return rows.plans.values.first { $0.request == token }?.id
    }

    package mutating func request(_ request: Request) {
        lastRequest += 1
        turn([.requested(RequestRow(id: lastRequest, request: request))])
    }

    // MARK: The world goes on

    /// Ends one act that is under way, as the script says.
    package mutating func end(_ position: Int) {
        let work = works[position]
        let operation = Operation(work.act)
        let ending = endings[operation] ?? script(work)
        endings[operation] = ending
        if let node = work.act.node, case .losesNode(let reason) = ending, lostNodes[node] == nil {
            lose(node, reason)
            // The act ends after the loss was heard of, and after what that made the Director do.
            guard works.contains(where: { Operation($0.act) == operation }) else { return }
        }
        if let node = work.act.node, case .outlivesNode = ending, lostNodes[node] == nil { lose(node, "server ended") }
        guard let current = works.firstIndex(where: { Operation($0.act) == operation }) else { return }
        let outcome = outcome(of: works[current], ending)
        ended[operation] = outcome
        works.remove(at: current)
        story.append("■ \(work.label): \(outcome.error?.code.rawValue ?? "ok")")
        turn([.actEnded(work.act, outcome)])
    }

    /// Ends the first act under way whose label contains this text.
    package mutating func end(_ text: String) {
        guard let position = works.firstIndex(where: { $0.label.contains(text) }) else {
            ownViolations.append("nothing like '\(text)' is under way: \(works.map(\.label))")
            return
        }
        end(position)
    }

    /// A node's server ends by itself.
    package mutating func lose(_ node: NodeID, _ reason: String = "server ended") {
        lostNodes[node] = reason
        story.append("✗ \(rows.nodes[node]?.name.description ?? "?")")
        turn([.nodeLost(node, reason: reason)])
    }

    package mutating func lose(_ name: String, lab: String = "lab") {
        guard let name = NodeName(name), let node = director.node(lab: lab, name) else {
            ownViolations.append("there is no node \(name)")
            return
        }
        lose(node.id)
    }

    /// Moves the clock to the next timer; false when there is none.
    package mutating func passTime() -> Bool {
        guard let due = director.nextDue() else { return false }
        now = max(now, due)
        turn([.woke])
        return true
    }

    /// Lets the world go on until nothing is under way and no timer is set, ending the oldest act first.
    package mutating func settle(until done: (DirectorHarness) -> Bool = { _ in false }) {
        var steps = 0
        while !done(self) {
            steps += 1
            if steps > 20_000 {
                ownViolations.append("it never ends: \(works.map(\.label))")
                return
            }
            if !works.isEmpty { end(0) } else if !passTime() { return }
        }
    }

    private func outcome(of work: Work, _ ending: Ending) -> ActOutcome {
        let action = work.act.spec.action
        if let node = work.act.node, let reason = lostNodes[node], ending == .succeeds || work.isInterrupted {
            if action == .destroy { return .succeeded(facts: [:]) }
            return .failed(StepError(.lost, reason))
        }
        if work.isInterrupted {
            if action == .ready { return .failed(StepError(.cancelled, "ended on request")) }
            return .exited(ProcessExit(signal: 15, interrupted: true, startedAt: now, endedAt: now))
        }
        switch ending {
        case .succeeds: return succeeded(work)
        case .exits(let status), .outlivesNode(let status):
            return .exited(ProcessExit(status: status, startedAt: now, endedAt: now))
        case .timesOut: return .exited(ProcessExit(signal: 9, timedOut: true, startedAt: now, endedAt: now))
        case .goesAway:
            var exit = ProcessExit(status: 0, startedAt: now, endedAt: now)
            exit.findings = TestFindings(outcome: .pass, restarts: true)
            return .exited(exit)
        case .fails(let code, let message): return .failed(StepError(code, message))
        case .losesNode(let reason), .ends(let reason): return .failed(StepError(.lost, reason))
        }
    }

    private func succeeded(_ work: Work) -> ActOutcome {
        switch work.act.spec.action {
        case .provision where work.act.spec.b == 0:
            return .succeeded(facts: ["address": "127.64.0.\(work.act.node?.rawValue ?? 0)"])
        case .provision, .ready, .destroy, .barrier, .noop, .call, .finalize, .revert, .command, .pause, .capability:
            return .succeeded(facts: [:])
        case .undo, .before, .after, .attempt, .member, .exec:
            return .exited(ProcessExit(status: 0, startedAt: now, endedAt: now))
        }
    }

    /// Lets operations end as the script says now, also those whose end it has said before.
    package mutating func forgetEndings() {
        endings = [:]
        ended = [:]
    }

    // MARK: Restart

    /// The conductor is killed and another one starts: what is not in the rows is forgotten. Acts go on under their
    /// supervisors, and are found again when they are performed in doubt.
    package mutating func restart() {
        works.removeAll()
        let hook = afterTurn
        afterTurn = nil
        director = Director(rows.snapshot(), host: "here", seed: seed &+ UInt64(turns), policies: policies)
        isSettled = false
        // As the conductor does, what was lost meanwhile is told before anything else.
        let lost = director.watchedNodes.compactMap { node in
            lostNodes[node.id].map { Director.Event.nodeLost(node.id, reason: $0) }
        }
        turn(lost)
        afterTurn = hook
    }

    /// Restarts, and goes on with every run that was interrupted.
    package mutating func restartAndResume() {
        restart()
        let hook = afterTurn
        afterTurn = nil
        for plan in rows.plans.values.filter({ $0.state == .running || $0.state == .pending }).map(\.id).sorted() {
            request(.resume(plan))
        }
        afterTurn = hook
    }

    /// A node's server ends while no conductor is there to hear of it.
    package mutating func loseUnheard(_ node: NodeID, _ reason: String = "server ended") { lostNodes[node] = reason }

    // MARK: Looking

    package func plan(_ id: PlanID?) -> PlanRow? { id.flatMap { rows.plans[$0] } }
    package func attempts(_ id: PlanID?) -> [AttemptRow] { id.flatMap { rows.attempts[$0] } ?? [] }

    /// `api//login#1 pass`, sorted; `cancelled` in place of an outcome that says nothing.
    package func results(_ id: PlanID?) -> [String] {
        attempts(id).map {
            "\($0.suite)//\($0.test)#\($0.number) \($0.isCancelled ? "cancelled" : $0.outcome.rawValue)"
        }.sorted()
    }

    /// The state of each node that is not gone, by name: `app/0 ready`.
    package var nodeStates: [String] {
        rows.nodes.values.filter { $0.state != .gone }.map { "\($0.name) \($0.state.rawValue)" }.sorted()
    }

    /// The labels of what was started, in order, those that contain a text.
    package func started(_ text: String = "") -> [String] {
        story.filter { $0.hasPrefix("▶") && $0.contains(text) }.map { String($0.dropFirst(2)) }
    }

    /// Where something first stands in the story; the end when it does not.
    package func moment(_ text: String) -> Int { story.firstIndex { $0.contains(text) } ?? story.count }
}
