/// How a group of a run was set up, whatever came after that: a projection of the store.
package struct GroupReport: Hashable, Sendable {
    /// The step that took longest, on one node.
    package struct Slowest: Hashable, Sendable {
        /// `run: ./setup.sh`
        package var title: String
        /// `app/2`
        package var node: String
        package var took: Duration
        package init(title: String, node: String, took: Duration) {
            self.title = title
            self.node = node
            self.took = took
        }
    }

    package var name: String
    package var needs: [Need]
    /// How many nodes it is to have, and how many came up or were up before.
    package var count: Int
    package var ready: Int
    /// Where the setup has come to. Its teardown counts for nothing here.
    package var state: GroupState
    /// Why it waits, is blocked or has failed.
    package var reason: String?
    /// When its first step began; nil where nothing was to be done.
    package var startedAt: Timestamp?
    /// When the last of its nodes was ready, or it had failed; nil before.
    package var endedAt: Timestamp?
    package var slowest: Slowest?
    /// Tries beyond the first of each step.
    package var retries: Int
    /// Nodes that made way for others.
    package var replaced: Int

    package init(
        name: String,
        needs: [Need] = [],
        count: Int,
        ready: Int = 0,
        state: GroupState,
        reason: String? = nil,
        startedAt: Timestamp? = nil,
        endedAt: Timestamp? = nil,
        slowest: Slowest? = nil,
        retries: Int = 0,
        replaced: Int = 0
    ) {
        self.name = name
        self.needs = needs
        self.count = count
        self.ready = ready
        self.state = state
        self.reason = reason
        self.startedAt = startedAt
        self.endedAt = endedAt
        self.slowest = slowest
        self.retries = retries
        self.replaced = replaced
    }

    /// How long it took to come up; nil before it has, and where nothing was to be done.
    package var took: Duration? {
        guard let startedAt, let endedAt else { return nil }
        return max(.zero, endedAt - startedAt)
    }
}
