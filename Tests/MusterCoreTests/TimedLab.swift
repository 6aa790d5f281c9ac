import MusterTestKit

@testable import MusterCore

/// A harness whose acts take time: the clock goes from the end of one act to the end of the next.
///
/// Each step of it is one turn, so that between any two steps the conductor can be killed. An act under way goes on
/// while nobody is there, and ends when its time has come.
struct TimedLab {
    /// What the next conductor finds.
    enum Crash: CaseIterable {
        /// All that was begun is under way.
        case attached
        /// What the last turn decided was stored and never left.
        case unsent
        /// For a while there was no conductor; some acts have ended meanwhile.
        case absent
        /// Of tests that ran nobody can tell what became of them.
        case forgotten
    }

    private struct Operation: Hashable {
        let step: StepID
        let number: Int32
        init(_ act: Act) {
            step = act.step
            number = act.number
        }
    }

    private(set) var lab: DirectorHarness
    private(set) var plan: PlanID?
    /// What happened, with the seconds since the beginning: `40 ▶ api//t4#1 on app/1`.
    private(set) var chronicle: [String] = []
    private(set) var steps = 0
    /// How long an act takes.
    private let length: (DirectorHarness.Work) -> Duration
    private let begin: Timestamp
    private var ends: [Operation: Timestamp] = [:]
    /// What was begun by the last turn, and what it told to end, with the time at which that would have ended.
    private var newest: Set<Operation> = []
    private var cutShort: [Operation: Timestamp] = [:]

    /// Between being told to end and ending.
    static let grace: Duration = .seconds(1)
    /// For how long nobody is there.
    static let absence: Duration = .seconds(15)

    init(_ spec: RunSpec, _ lab: DirectorHarness, length: @escaping (DirectorHarness.Work) -> Duration) {
        self.lab = lab
        self.length = length
        begin = lab.now
        plan = self.lab.submit(spec)
        note()
    }

    /// Seconds since the beginning.
    func seconds(_ time: Timestamp?) -> Int { time.map { Int(($0 - begin).milliseconds / 1000) } ?? -1 }

    var elapsed: Int { seconds(lab.now) }
    var row: PlanRow? { lab.plan(plan) }

    /// The tests that run now, with the numbers of their attempts.
    var runningTests: [String] { lab.works.filter { $0.act.spec.action == .attempt }.map(\.label) }

    // MARK: Time

    /// The next act ends, or a timer comes due; false when there is neither.
    mutating func step() -> Bool {
        let position = lab.works.indices.min { soon($0) < soon($1) }
        let end = position.flatMap { ends[Operation(lab.works[$0].act)] }
        if let due = lab.rows.timers.values.map(\.dueAt).min(), end.map({ due < $0 }) ?? true {
            guard lab.passTime() else { return false }
        } else if let position, let end {
            lab.now = max(lab.now, end)
            lab.end(position)
        } else {
            return false
        }
        steps += 1
        note()
        return true
    }

    /// Of acts that end at once the one of the first step goes first: also after a restart.
    private func soon(_ position: Int) -> (Timestamp, StepIndex) {
        let act = lab.works[position].act
        return (ends[Operation(act)] ?? lab.now, act.step.index)
    }

    /// Goes on until nothing is under way, or for so many steps.
    mutating func run(for most: Int = 2_000, _ afterStep: (inout TimedLab) -> Void = { _ in }) {
        let last = steps + most
        while steps < last, step() { afterStep(&self) }
    }

    mutating func request(_ request: Request) {
        lab.request(request)
        note()
    }

    @discardableResult
    mutating func submit(_ spec: RunSpec) -> PlanID? {
        defer { note() }
        return lab.submit(spec)
    }

    private mutating func note() {
        for line in lab.story.dropFirst(chronicle.count) { chronicle.append("\(elapsed) \(line)") }
        newest = []
        cutShort = [:]
        for work in lab.works {
            let operation = Operation(work.act)
            if ends[operation] == nil {
                ends[operation] = lab.now + length(work)
                newest.insert(operation)
            }
            let last = lab.now + Self.grace
            guard work.isInterrupted, let end = ends[operation], end > last else { continue }
            cutShort[operation] = end
            ends[operation] = last
        }
    }

    // MARK: Crashes

    /// The conductor is killed, and the next one goes on with the run, when somebody asks it to.
    mutating func crash(_ crash: Crash, goesOn: Bool = true) {
        switch crash {
        case .attached: break
        case .unsent:
            let unsent = newest
            for operation in unsent { ends[operation] = nil }
            ends.merge(cutShort) { $1 }
            lab.statusScript = { unsent.contains(Operation($0)) ? .neverStarted : nil }
        case .absent:
            lab.now = lab.now + Self.absence
            let ended = lab.works.filter { ends[Operation($0.act)].map { $0 <= lab.now } ?? false }
            let outcomes = Dictionary(
                uniqueKeysWithValues: ended.map { (Operation($0.act), outcome(of: $0, by: lab.script($0))) }
            )
            lab.statusScript = { outcomes[Operation($0)].map { .ended($0) } }
        case .forgotten:
            lab.statusScript = { $0.spec.action == .attempt ? .unknown("no record") : nil }
        }
        if goesOn { lab.restartAndResume() } else { lab.restart() }
        lab.statusScript = nil
        note()
    }

    /// As a supervisor would have written it down.
    private func outcome(of work: DirectorHarness.Work, by ending: DirectorHarness.Ending) -> ActOutcome {
        let status: Int
        switch ending {
        case .exits(let code): status = code
        default:
            if work.act.spec.action == .provision, work.act.spec.b == 0 { return .succeeded(facts: [:]) }
            status = 0
        }
        let end = ends[Operation(work.act)] ?? lab.now
        return .exited(ProcessExit(status: status, startedAt: end, endedAt: end))
    }

    // MARK: Looking

    /// `t2#1 fail on app/0, 20-100`, in the order of the ends.
    var rows: [String] {
        lab.attempts(plan).map { row in
            let place = row.node.map { "on \($0), \(seconds(row.startedAt))-\(seconds(row.endedAt))" } ?? "nowhere"
            return "\(row.test)#\(row.number) \(row.outcome.rawValue) \(place)"
        }
    }

    /// What came of each test: its outcomes in the order of its attempts, without those that say nothing of it.
    var verdicts: [String: [Outcome]] {
        Dictionary(grouping: lab.attempts(plan).filter { !$0.isCancelled && $0.outcome != .infra }, by: \.test)
            .mapValues { $0.sorted { $0.number < $1.number }.map(\.outcome) }
    }

    /// The nodes that are ready for tests and have nothing to do.
    var idleNodes: [NodeRow] {
        let busy = Set(lab.works.compactMap(\.act.node))
        return lab.rows.nodes.values.filter { $0.state == .ready && !busy.contains($0.id) }
    }

    /// Whether a test runs, or waits for a node.
    var testsAreLeft: Bool {
        guard let plan, let steps = lab.rows.steps[plan] else { return false }
        return steps.contains { $0.spec.action == .attempt && !$0.state.hasEnded }
    }
}
