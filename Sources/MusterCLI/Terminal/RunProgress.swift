import MusterCore

/// How a run stands, for people: a projection of its request and its rows.
///
/// It is fed with whole lists of rows whenever something has changed. Between two looks only `now` moves on, and with
/// it what is measured from now. It decides nothing and asks nobody.
struct RunProgress: Sendable {
    let spec: RunSpec
    /// Whether only the setup counts, as if nothing had been taken down since.
    let passesOverTeardown: Bool
    /// nil before the first look.
    private(set) var plan: PlanRow?
    /// The time that running things are measured to.
    var now = Timestamp(rawValue: 0)
    /// In the order of the request, which is an order of dependency. It never changes; groups may be added at the end.
    var groups: [GroupProgress] = []
    var suites: [SuiteProgress] = []
    /// Attempts, and commands around suites, that run now, by node.
    var running: [RunningWork] = []
    /// Tests that have failed, those that ended with it first.
    var failures: [FailedTest] = []
    /// Tests that will not run, by suite and cause.
    var unrun: [UnrunTests] = []
    /// Steps that failed for good, and nodes that were lost and are not replaced.
    var problems: [Problem] = []
    var replacements: [Replacement] = []

    // What was read, for those who put events into words.
    private(set) var steps: [StepRow] = []
    private(set) var attempts: [AttemptRow] = []
    private(set) var attemptOfStep: [StepIndex: Int] = [:]
    /// Every node that was ever seen; rows that other runs have taken over stay as they were.
    private(set) var nodes: [NodeID: NodeRow] = [:]
    /// The last reason that each node gave, also after it has gone.
    private(set) var reasons: [NodeID: String] = [:]
    private var tries: [StepIndex: Try] = [:]

    /// The present try of a running step. A row knows only when the first one began.
    private struct Try {
        var number: Int32
        var since: Timestamp?
    }

    init(spec: RunSpec, passesOverTeardown: Bool = false) {
        self.spec = spec
        self.passesOverTeardown = passesOverTeardown
        derive()
    }

    /// Takes in the rows of the run as they are.
    ///
    /// - Parameters:
    ///   - nodes: those that the run made or holds, also such as have gone; others are passed over.
    ///   - takesAllNodes: whether others stand for what the run has found there.
    mutating func update(
        plan: PlanRow,
        steps: [StepRow],
        nodes: [NodeRow],
        attempts: [AttemptRow],
        now: Timestamp,
        takesAllNodes: Bool = false
    ) {
        let isFirst = self.plan == nil
        self.plan = plan
        self.steps = steps
        self.attempts = attempts
        self.now = now
        attemptOfStep = Dictionary(
            attempts.indices.map { (attempts[$0].step, $0) },
            uniquingKeysWith: { $1 }
        )
        for node in nodes
        where takesAllNodes || node.createdBy == plan.id || node.heldBy == plan.id || self.nodes[node.id] != nil {
            self.nodes[node.id] = node
            if let reason = node.reason { reasons[node.id] = reason }
        }
        for step in steps where step.state == .running { noteTry(of: step, isFirst: isFirst) }
        derive()
    }

    private mutating func noteTry(of step: StepRow, isFirst: Bool) {
        if step.tries <= 1 {
            tries[step.index] = Try(number: step.tries, since: step.startedAt)
        } else if tries[step.index]?.number != step.tries {
            // Between two looks it began again; at the first look nobody knows when.
            tries[step.index] = Try(number: step.tries, since: isFirst ? nil : now)
        }
    }

    private mutating func derive() {
        let slots = deriveGroups()
        deriveProblems(slots)
        deriveTests()
    }

    // MARK: The run

    var run: RunName? { plan.map { RunName($0.id) } }
    var startedAt: Timestamp? { plan.map { $0.startedAt ?? $0.createdAt } }
    var isOver: Bool { plan?.state == .stopped }
    var isPaused: Bool { plan?.state == .paused }
    /// Whether machines are being taken down: after the work of this run, or as its work.
    var isTakingDown: Bool { !passesOverTeardown && (plan?.phase == .teardown || spec.verb == .down) }

    var elapsed: Duration {
        guard let plan, let startedAt else { return .zero }
        return max(.zero, (plan.endedAt ?? now) - startedAt)
    }

    /// Nodes there are to be, and nodes that are ready (or, when taking down, still there).
    var nodesTotal: Int { groups.reduce(0) { $0 + $1.total } }
    var nodesDone: Int { groups.reduce(0) { $0 + $1.done } }
    var groupsWithNodes: Int { groups.count { $0.total > 0 } }
    var testsTotal: Int { suites.reduce(0) { $0 + $1.total } }
    var testsDone: Int { suites.reduce(0) { $0 + $1.done } }

    // MARK: Rows

    func step(_ index: StepIndex) -> StepRow? {
        // A plan's steps are read by index, from 0.
        steps.indices.contains(Int(index)) ? steps[Int(index)] : nil
    }

    func attempt(of step: StepIndex) -> AttemptRow? { attemptOfStep[step].map { attempts[$0] } }

    /// When the present try of a running step began; nil when that is not known.
    func tryBegan(_ step: StepRow) -> Timestamp? { tries[step.index]?.since }
}

/// How one group stands.
struct GroupProgress: Hashable, Sendable {
    var name: String
    /// Nodes that are ready; when it is taken down, nodes that are still there.
    var done: Int
    var total: Int
    var state: GroupState
    /// Why it waits, is blocked or has failed.
    var reason: String?
    /// When its first step began, and when the state it has now was reached; nil while it works.
    var startedAt: Timestamp?
    var endedAt: Timestamp?
    /// What happens in it now: the step that has run the longest, and how many others run.
    var work: StepWork?
    var othersWorking = 0

    func elapsed(now: Timestamp) -> Duration? { startedAt.map { max(.zero, (endedAt ?? now) - $0) } }

    /// What happens in it now, or why nothing does.
    func detail(now: Timestamp) -> String? {
        guard let work else { return reason }
        let others = othersWorking > 0 ? ", \(othersWorking) more" : ""
        return work.text(now: now) + others
    }
}

/// A step that runs or is about to be tried again.
struct StepWork: Hashable, Sendable {
    var words: StepWords
    /// When this try began; nil when it is not known or has ended.
    var since: Timestamp?
    var timeout: Duration?
    /// From 1, and how many there are at most.
    var tryNumber = 1
    var triesMax = 1
    /// How the try before ended.
    var lastError: String?
    /// Between two tries.
    var isWaitingToRetry = false

    func text(now: Timestamp) -> String {
        if isWaitingToRetry {
            return "\(words.short) failed: \(lastError ?? ""); try \(tryNumber + 1) of \(triesMax) next"
        }
        var text = words.short
        if let since { text += " " + SpanText.whole(now - since, of: timeout) }
        if tryNumber > 1 { text += ", try \(tryNumber)" + (triesMax >= tryNumber ? " of \(triesMax)" : "") }
        if tryNumber > 1, let lastError { text += " (\(lastError))" }
        return text
    }
}

/// What a step is called.
struct StepWords: Hashable, Sendable {
    /// The node or suite it belongs to: `app/2`, `api`.
    var owner: String
    /// What it does: `run: ./setup.sh`.
    var title: String
    /// What people type to name it: `app/2:2`.
    var thing: String

    /// On one line with others: the beginning of a long command, so that what came of it is not cut off.
    var short: String {
        let words = title.count > Self.titleMax ? title.prefix(Self.titleMax - 1) + "…" : title[...]
        return owner.isEmpty ? String(words) : "\(owner) \(words)"
    }

    private static let titleMax = 28
}

/// How one suite stands. Each test is counted once, when it has ended.
struct SuiteProgress: Hashable, Sendable {
    var name: String
    var group: String
    var total: Int
    var done = 0
    /// Flaky tests are not among the passes.
    var counts: [Outcome: Int] = [:]
    var flaky = 0
    /// Attempts that were lost with their machines and are, or were, repeated.
    var infraRetried = 0
    /// Tests that were given up because the run was cancelled or halted.
    var cancelled = 0
    var running = 0
    var startedAt: Timestamp?
    var endedAt: Timestamp?
    /// What its first test waits for.
    var reason: String?

    var failed: Int { counts[.fail, default: 0] + counts[.error, default: 0] + counts[.infra, default: 0] }

    func elapsed(now: Timestamp) -> Duration? { startedAt.map { max(.zero, (endedAt ?? now) - $0) } }
}

/// An attempt or another command that runs on a node now.
struct RunningWork: Hashable, Sendable {
    var step: StepIndex
    var node: String
    var name: String
    var since: Timestamp?
    var timeout: Duration?
    /// `rerun 1 of 2`.
    var note: String?
}

struct FailedTest: Hashable, Sendable {
    enum Next: Hashable, Sendable {
        /// It has ended with this failure.
        case nothing
        case waitsForRerun
        case runsAgain(node: String)
    }
    var name: String
    /// The attempt that people want to look at.
    var thing: String
    var outcome: Outcome
    var attempts: Int
    var nodes: [String]
    /// Of its last failure.
    var note: String?
    var next: Next

    var isFinal: Bool { next == .nothing }
}

struct UnrunTests: Hashable, Sendable {
    var suite: String
    var count: Int
    var note: String
    /// Whether that is a failure: its machines failed, or its preparation.
    var isFailure: Bool
}

struct Problem: Hashable, Sendable {
    /// `app/2 run: ./setup.sh failed: exit 1`, `app/1 lost: its server ended`.
    var text: String
    /// What people type to look at it.
    var thing: String
    /// The run goes on without it, as the lab says.
    var isTolerated: Bool
}

/// A node that made way for a fresh one of its name.
struct Replacement: Hashable, Sendable {
    var node: String
    var reason: String?
    var began: Timestamp?
    /// When its successor was ready; nil while it is not.
    var ended: Timestamp?
    /// Which of the replacements after failures it is; nil when it counts as none.
    var number: Int?
}
