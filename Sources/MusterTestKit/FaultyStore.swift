package import MusterCore
package import MusterStore
package import Synchronization

/// A store whose commits fail as a script or chance says; everything else goes through, unless `refuse` has it fail.
///
/// Whoever commits must end at the same state whatever fails: it drops what it knows and loads again.
package final class FaultyStore: Store {
    package enum Fault: Hashable, Sendable, CaseIterable {
        /// Nothing is written.
        case beforeCommit
        /// All is written; then the conductor dies, as it sees by an error of code `.failed`.
        case afterCommit
        /// All is written, but the answer is lost on its way: an error of code `.busy`.
        case answerLost
    }

    /// What else may fail. Nothing is done then.
    package enum Verb: Hashable, Sendable, CaseIterable {
        case load, join, declareLost, claim, reserve, requests
    }

    private enum Source: Sendable {
        case script([Int: Fault])
        case chance(share: Double, any RandomNumberGenerator & Sendable)

        mutating func fault(ofCommit number: Int) -> Fault? {
            switch self {
            case .script(let script): return script[number]
            case .chance(let share, var generator):
                let fails = Double.random(in: 0..<1, using: &generator) < share
                let fault = Fault.allCases.randomElement(using: &generator)
                self = .chance(share: share, generator)
                return fails ? fault : nil
            }
        }
    }

    private struct State {
        var commits = 0
        var faults: [Fault: Int] = [:]
        var refusals: [Verb: Int] = [:]
        var source: Source
    }

    package let base: any Store
    /// Called at the beginning of each commit: what others do just then.
    package let beforeCommit = Mutex<(@Sendable () -> Void)?>(nil)
    private let state: Mutex<State>

    /// - Parameter script: what happens to the n-th commit, from 1; the others succeed.
    package init(_ base: any Store, script: [Int: Fault]) {
        self.base = base
        state = Mutex(State(source: .script(script)))
    }

    /// - Parameters:
    ///   - share: how many of the commits fail, 0 ... 1.
    ///   - generator: decides which, and how; the same seed gives the same faults.
    package init(_ base: any Store, failing share: Double, using generator: any RandomNumberGenerator & Sendable) {
        self.base = base
        state = Mutex(State(source: .chance(share: share, generator)))
    }

    /// How often each kind of fault has happened.
    package var faults: [Fault: Int] { state.withLock { $0.faults } }
    /// Commits asked for, failed or not.
    package var commits: Int { state.withLock { $0.commits } }

    /// Has the next calls of a verb fail.
    package func refuse(_ verb: Verb, times: Int = 1) { state.withLock { $0.refusals[verb] = times } }

    private func pass(_ verb: Verb) throws(StoreError) {
        let isRefused = state.withLock { state in
            guard let left = state.refusals[verb], left > 0 else { return false }
            state.refusals[verb] = left - 1
            return true
        }
        if isRefused { throw StoreError(.busy, "a fault of the test: \(verb)") }
    }

    @discardableResult
    package func commit(_ turn: borrowing Turn) throws(StoreError) -> Int64? {
        beforeCommit.withLock { $0 }?()
        let fault = state.withLock { state -> Fault? in
            state.commits += 1
            let fault = state.source.fault(ofCommit: state.commits)
            if let fault { state.faults[fault, default: 0] += 1 }
            return fault
        }
        switch fault {
        case nil: return try base.commit(turn)
        case .beforeCommit: throw StoreError(.failed, "a fault of the test, before the commit")
        case .afterCommit:
            try base.commit(turn)
            throw StoreError(.failed, "a fault of the test, after the commit")
        case .answerLost:
            try base.commit(turn)
            throw StoreError(.busy, "a fault of the test: the answer was lost")
        }
    }

    // MARK: What goes through

    package var stateName: String { base.stateName }
    package func register(host: String, pid: Int32, now: Timestamp) throws(StoreError) -> Epoch {
        try base.register(host: host, pid: pid, now: now)
    }
    package func load(_ labs: Set<String>?, for conductor: ConductorID) throws(StoreError) -> Snapshot {
        try pass(.load)
        return try base.load(labs, for: conductor)
    }
    package func join(host: String, pid: Int32, lease: Duration) throws(StoreError) -> Term {
        try pass(.join)
        return try base.join(host: host, pid: pid, lease: lease)
    }
    package func declareLost(by term: Term, margin: Duration) throws(StoreError) -> [ConductorID] {
        try pass(.declareLost)
        return try base.declareLost(by: term, margin: margin)
    }
    package func claim(by term: Term, limit: Int) throws(StoreError) -> Claim {
        try pass(.claim)
        return try base.claim(by: term, limit: limit)
    }
    package func reserve(plans: Int64, nodes: Int64, by term: Term) throws(StoreError) -> NumberBlock {
        try pass(.reserve)
        return try base.reserve(plans: plans, nodes: nodes, by: term)
    }
    package func leave(_ term: Term) throws(StoreError) { try base.leave(term) }
    package func submit(_ request: Request, at now: Timestamp) throws(StoreError) -> Int64 {
        try base.submit(request, at: now)
    }
    package func withdraw(request id: Int64) throws(StoreError) -> Bool { try base.withdraw(request: id) }
    package func requests(after id: Int64) throws(StoreError) -> [RequestRow] {
        try pass(.requests)
        return try base.requests(after: id)
    }
    package func plans(lab: String?, limit: Int) throws(StoreError) -> [PlanRow] {
        try base.plans(lab: lab, limit: limit)
    }
    package func plan(_ id: PlanID) throws(StoreError) -> PlanRow? { try base.plan(id) }
    package func plan(request token: String) throws(StoreError) -> PlanRow? { try base.plan(request: token) }
    package func spec(of id: PlanID) throws(StoreError) -> RunSpec? { try base.spec(of: id) }
    package func steps(of id: PlanID) throws(StoreError) -> [StepRow] { try base.steps(of: id) }
    package func timers(of id: PlanID) throws(StoreError) -> [TimerRow] { try base.timers(of: id) }
    package func testResults(of id: PlanID) throws(StoreError) -> [StepIndex: String] { try base.testResults(of: id) }
    package func attempts(of id: PlanID) throws(StoreError) -> [AttemptRow] { try base.attempts(of: id) }
    package func nodes(lab: String?, includingGone: Bool) throws(StoreError) -> [NodeRow] {
        try base.nodes(lab: lab, includingGone: includingGone)
    }
    package func node(_ id: NodeID) throws(StoreError) -> NodeRow? { try base.node(id) }
    package func events(after position: Int64, plan: PlanID?, limit: Int) throws(StoreError) -> [EventRow] {
        try base.events(after: position, plan: plan, limit: limit)
    }
    package func position() throws(StoreError) -> Int64 { try base.position() }
    package func durations(lab: String, suite: String) throws(StoreError) -> [String: Duration] {
        try base.durations(lab: lab, suite: suite)
    }

    // MARK: Plans of programs

    package func define(_ limits: [LimitRow], by term: Term) throws(StoreError) { try base.define(limits, by: term) }
    package func grantPermits(by term: Term) throws(StoreError) { try base.grantPermits(by: term) }
    package func permits(of labs: Set<String>?) throws(StoreError) -> Permits { try base.permits(of: labs) }
    package func nodeState(of node: NodeID) throws(StoreError) -> NodeStateRow? { try base.nodeState(of: node) }
    package func nodeStates(lab: String?) throws(StoreError) -> [NodeStateRow] { try base.nodeStates(lab: lab) }
    package func modes(of lab: String) throws(StoreError) -> ModeSet? { try base.modes(of: lab) }
    package func events(of node: NodeID, after position: Int64, limit: Int) throws(StoreError) -> [EventRow] {
        try base.events(of: node, after: position, limit: limit)
    }
    package func line(for limit: String) throws(StoreError) -> [PermitRow] { try base.line(for: limit) }
    package func signals(of id: PlanID) throws(StoreError) -> [SignalRow] { try base.signals(of: id) }
    package func children(of step: StepID) throws(StoreError) -> ChildCounts { try base.children(of: step) }
    package func chunks(of step: StepID, after number: Int64, limit: Int) throws(StoreError) -> [ChunkRow] {
        try base.chunks(of: step, after: number, limit: limit)
    }
    package func plans(matching query: PlanQuery) throws(StoreError) -> [PlanRow] { try base.plans(matching: query) }
    package func counts(matching query: PlanQuery) throws(StoreError) -> [PlanState: Int] {
        try base.counts(matching: query)
    }
    package func cleanable(_ rule: CleaningRule) throws(StoreError) -> [PlanRow] { try base.cleanable(rule) }
    package func clean(_ rule: CleaningRule, by term: Term) throws(StoreError) -> [PlanID] {
        try base.clean(rule, by: term)
    }
}
