package import MusterCore

/// The truth. Verbs of the domain; every store passes the same conformance suite (`StoreConformance` in MusterTestKit).
///
/// `register`, `load` and `commit` belong to the conductor's own thread. The readers may be called from any thread, at
/// any time, also by processes that are no conductor, and see only what is committed.
package protocol Store: AnyObject, Sendable {
    /// The state's own random name, made with it: 6 characters of `[0-9a-z]`. Part of every operation id.
    var stateName: String { get }

    // MARK: The conductor

    /// Begins a new term and returns its epoch, one higher than any before. Commits of older epochs are refused from
    /// here on.
    func register(host: String, pid: Int32, now: Timestamp) throws(StoreError) -> Epoch

    /// Everything a conductor decides with: unfinished plans whole, nodes that are not gone, counters. One consistent
    /// snapshot.
    func load() throws(StoreError) -> Snapshot

    /// Writes all of a turn, or nothing of it. Durable when it returns.
    ///
    /// - Throws: `.fenced` when `turn.epoch` is not the newest; nothing was written. Any other error leaves open
    ///   whether it
    ///   was written: the caller drops what it knows and loads again.
    func commit(_ turn: borrowing Turn) throws(StoreError)

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
    func plan(_ id: PlanID) throws(StoreError) -> PlanRow?
    func plan(request token: String) throws(StoreError) -> PlanRow?
    func spec(of id: PlanID) throws(StoreError) -> RunSpec?
    /// A plan's steps by index. `isNew` is false in what is read.
    func steps(of id: PlanID) throws(StoreError) -> [StepRow]
    func timers(of id: PlanID) throws(StoreError) -> [TimerRow]
    /// A plan's ended attempts, by step.
    func attempts(of id: PlanID) throws(StoreError) -> [AttemptRow]
    /// Nodes by lab, group, index, number; those that are gone only when asked for.
    func nodes(lab: String?, includingGone: Bool) throws(StoreError) -> [NodeRow]
    func node(_ id: NodeID) throws(StoreError) -> NodeRow?
    /// Events after a position, in order.
    func events(after position: Int64, plan: PlanID?, limit: Int) throws(StoreError) -> [EventRow]
    /// The position of the newest event; 0 when there is none.
    func position() throws(StoreError) -> Int64
    /// The newest duration of each test of a suite of a lab that ran to an outcome, by test name.
    func durations(lab: String, suite: String) throws(StoreError) -> [String: Duration]
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
