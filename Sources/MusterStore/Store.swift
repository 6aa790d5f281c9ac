package import MusterCore

/// The truth. Verbs of the domain; every store passes the same conformance suite (`StoreConformance` in MusterTestKit).
///
/// `register`, `load` and `commit` belong to the conductor's own thread. The readers may be called from any thread, at
/// any time, also by processes that are no conductor, and see only what is committed.
package protocol Store: AnyObject, Sendable {
    /// The state's own random name, made with it: 6 characters of `[0-9a-z]`. Part of every operation id.
    var stateName: String { get }

    // MARK: The conductor

    /// Begins the term of a conductor that has the state to itself, and returns its epoch, higher than any before.
    /// Commits of all others are refused from here on.
    func register(host: String, pid: Int32, now: Timestamp) throws(StoreError) -> Epoch

    /// Everything a conductor decides with: unfinished plans whole, nodes that are not gone, counters. One consistent
    /// snapshot.
    ///
    /// - Parameters:
    ///   - labs: whose plans and nodes; nil for all.
    ///   - conductor: whose events are counted.
    func load(_ labs: Set<String>?, for conductor: ConductorID) throws(StoreError) -> Snapshot

    /// Writes all of a turn, or nothing of it. Durable when it returns.
    ///
    /// - Throws: `.fenced` when `turn.epoch` is not the newest; nothing was written. Any other error leaves open
    ///   whether it
    ///   was written: the caller drops what it knows and loads again.
    /// - Returns: the position of its newest event; nil when it has none.
    @discardableResult
    func commit(_ turn: borrowing Turn) throws(StoreError) -> Int64?

    // MARK: Several conductors

    /// Begins a term as one of several conductors. It owns no lab yet.
    ///
    /// - Parameter lease: how long it counts as alive after each renewal, by the store's own clock. Every turn renews
    ///   it.
    func join(host: String, pid: Int32, lease: Duration) throws(StoreError) -> Term

    /// Declares lost the conductors whose leases ended more than `margin` ago: their epochs rise, so that no turn of
    /// theirs lands, and what they held is free. Renews the caller's lease.
    ///
    /// - Throws: `.fenced` when the caller itself was declared lost.
    func declareLost(by term: Term, margin: Duration) throws(StoreError) -> [ConductorID]

    /// Takes up to `limit` labs that nobody alive holds, of those with unfinished plans, nodes that are not gone, or
    /// requests in the inbox, by name; their unfinished plans get the taker's epoch. Where a former holder's epoch was
    /// not lower, the taker's rises above it. A lab with unfinished plans of another host is left to conductors there.
    ///
    /// - Throws: `.fenced` when the caller was declared lost.
    /// - Returns: all labs that the caller holds now, also from before.
    func claim(by term: Term, limit: Int) throws(StoreError) -> Claim

    /// Sets numbers aside for plans and nodes that this conductor will make.
    ///
    /// - Throws: `.fenced` when the caller was declared lost.
    func reserve(plans: Int64, nodes: Int64, by term: Term) throws(StoreError) -> NumberBlock

    /// Has the store know limits under these names; replaces what it knew under them.
    func define(_ limits: [LimitRow], by term: Term) throws(StoreError)

    /// Grants what may be granted by now: a turn in which somebody asks or lets go does it by itself.
    ///
    /// - Throws: `.fenced` when the caller was declared lost.
    func grantPermits(by term: Term) throws(StoreError)

    /// The permits that unfinished plans of these labs hold (nil: of all), and when another may be granted without
    /// anybody letting go.
    func permits(of labs: Set<String>?) throws(StoreError) -> Permits

    /// Deletes what `cleanable` gives for a rule, with everything that is kept of it; numbers are never used again.
    ///
    /// - Throws: `.fenced` when the caller was declared lost.
    /// - Returns: what is gone, by number.
    func clean(_ rule: CleaningRule, by term: Term) throws(StoreError) -> [PlanID]

    /// Ends a term at once: what it held is free. A term that is over already is left alone.
    func leave(_ term: Term) throws(StoreError)

    // MARK: Clients

    /// Puts a request into the conductor's inbox, durably; returns its number.
    func submit(_ request: Request, at now: Timestamp) throws(StoreError) -> Int64

    /// Takes a request back that no turn has answered. False when it was answered already, or taken back.
    ///
    /// A turn that answers a request which was taken back meanwhile is refused whole: of two who race for it, exactly
    /// one gets it.
    func withdraw(request id: Int64) throws(StoreError) -> Bool

    /// Requests with a higher number than `id` that no turn has answered, in order.
    func requests(after id: Int64) throws(StoreError) -> [RequestRow]

    // MARK: Readers

    /// Plans, newest first.
    func plans(lab: String?, limit: Int) throws(StoreError) -> [PlanRow]
    /// Those that a query is about, in its order.
    func plans(matching query: PlanQuery) throws(StoreError) -> [PlanRow]
    /// How many plans of each state a query is about, on all its pages together.
    func counts(matching query: PlanQuery) throws(StoreError) -> [PlanState: Int]
    /// The stopped plans that a rule allows to go and that nothing else depends on, by number.
    func cleanable(_ rule: CleaningRule) throws(StoreError) -> [PlanRow]
    func plan(_ id: PlanID) throws(StoreError) -> PlanRow?
    func plan(request token: String) throws(StoreError) -> PlanRow?
    func spec(of id: PlanID) throws(StoreError) -> RunSpec?
    /// A plan's steps by index. `isNew` is false in what is read.
    func steps(of id: PlanID) throws(StoreError) -> [StepRow]
    func timers(of id: PlanID) throws(StoreError) -> [TimerRow]
    /// A plan's ended attempts, by step.
    ///
    /// What their tests have reported is not in them.
    func attempts(of id: PlanID) throws(StoreError) -> [AttemptRow]

    /// What the tests of a plan have reported, as in `TestFindings`, by the steps of their attempts.
    func testResults(of id: PlanID) throws(StoreError) -> [StepIndex: String]
    /// What was sent to a plan's steps and is not delivered, by number.
    func signals(of id: PlanID) throws(StoreError) -> [SignalRow]
    /// Who holds a limit, in the order of asking, and then who waits for it: the next to get it first.
    func line(for limit: String) throws(StoreError) -> [PermitRow]
    /// How many sub-plans a step has, by how they stand.
    func children(of step: StepID) throws(StoreError) -> ChildCounts
    /// What a step has appended to its output, after a number, in order.
    func chunks(of step: StepID, after number: Int64, limit: Int) throws(StoreError) -> [ChunkRow]
    /// Nodes by lab, group, index, number; those that are gone only when asked for.
    func nodes(lab: String?, includingGone: Bool) throws(StoreError) -> [NodeRow]
    func node(_ id: NodeID) throws(StoreError) -> NodeRow?
    /// The mode and state of a node; nil when nothing is known of them.
    func nodeState(of node: NodeID) throws(StoreError) -> NodeStateRow?
    /// Modes and states, by number of the node; nil for all labs.
    func nodeStates(lab: String?) throws(StoreError) -> [NodeStateRow]
    /// The mode table of a lab.
    func modes(of lab: String) throws(StoreError) -> ModeSet?
    /// Events of a node after a position, in order.
    func events(of node: NodeID, after position: Int64, limit: Int) throws(StoreError) -> [EventRow]
    /// Events after a position, in order.
    func events(after position: Int64, plan: PlanID?, limit: Int) throws(StoreError) -> [EventRow]
    /// The position of the newest event; 0 when there is none.
    func position() throws(StoreError) -> Int64
    /// The newest duration of each test of a suite of a lab that ran to an outcome, by test name.
    func durations(lab: String, suite: String) throws(StoreError) -> [String: Duration]
}

extension Store {
    /// What the conductor of a state that has one at a time begins with.
    package func load() throws(StoreError) -> Snapshot { try load(nil, for: .sole) }
}

/// Why a store did not do what it was asked.
package struct StoreError: Error, Hashable, Sendable, CustomStringConvertible {
    package enum Code: String, Hashable, Sendable, CaseIterable {
        /// Another conductor has registered since.
        case fenced
        /// The state was written by a newer version of Muster.
        case newer
        /// The file is no database, or a broken one.
        case corrupt
        /// No space is left, or the database may not grow.
        case full
        /// The folder or file may not be read or written.
        case permission
        /// Another process holds the database for too long.
        case busy
        /// Something else failed below.
        case failed
    }
    package var code: Code
    /// What happened, where, and what to do.
    package var message: String
    package init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }
    package var description: String { message }
}
