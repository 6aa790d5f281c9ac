import MusterCore
import MusterStore

/// Has a conductor delete old plans when it has nothing else to do: some at once, and again after a while.
package struct Housekeeping: Sendable {
    /// Which plans go, and how often somebody looks.
    package struct Policy: Hashable, Sendable {
        /// Plans that ended longer ago go.
        package var age: Duration
        /// How long after the last look the next one is.
        package var every: Duration
        /// The file that gets the record of each plan before it goes; nil for none.
        package var backup: String?

        package init(age: Duration, every: Duration, backup: String?) {
            self.age = age
            self.every = every
            self.backup = backup
        }
    }

    private let policy: Policy
    private var dueAt: Timestamp

    /// Begins at once: what has become old while nobody conducted goes first.
    init(_ policy: Policy, now: Timestamp) {
        self.policy = policy
        dueAt = now
    }

    func timeLeft(at now: Timestamp) -> Duration { max(.zero, dueAt - now) }

    /// Deletes some of what is old, where it is time to; where there was something, more is looked for at once.
    ///
    /// - Returns: how many plans were deleted.
    /// - Throws: `StoreError`, or what the file system says of the backup. The next try is after the usual time.
    mutating func work(on store: any Store, term: Term, now: Timestamp) throws -> Int {
        guard dueAt <= now else { return 0 }
        dueAt = now + policy.every
        let end = now + (.zero - policy.age)
        let count = try Cleaner(store: store, term: term).cleanSome(
            endedBefore: end,
            lab: nil,
            backup: policy.backup
        )
        if count > 0 { dueAt = now }
        return count
    }
}
