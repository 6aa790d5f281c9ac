/// Which of a suite's nodes has which role for as long as it is there: the roles go round over the places of its
/// groups, one group behind the other. Whoever takes a place over has its role.
package struct NodeRounds: Hashable, Sendable {
    /// In the order of the places; one may come several times.
    package let roles: [String]
    /// How many places stand before those of each group.
    private let starts: [String: Int]

    /// - Parameter count: how many nodes a group has, without spares.
    /// - Returns: nil when any node plays any role.
    package init?(_ suite: SuiteSpec, count: (String) -> Int) {
        guard let roles = suite.nodeRoles, !roles.isEmpty else { return nil }
        self.roles = roles
        var starts: [String: Int] = [:]
        var next = 0
        for group in suite.groups {
            starts[group] = next
            // What is stored is not believed.
            next += min(max(count(group), 0), Defaults.nodesMax)
        }
        self.starts = starts
    }

    /// The place in a round that the first node of a group has; nil for no group of the suite.
    package func start(of group: String) -> Int? { starts[group].map { $0 % roles.count } }

    /// The role of a group's node; nil for no group of the suite.
    package func role(of place: Int, in group: String) -> String? {
        start(of: group).map { roles[($0 + max(place, 0)) % roles.count] }
    }
}

extension RunSpec {
    /// Which nodes have which roles in a suite; nil when any plays any.
    package func rounds(of suite: SuiteSpec) -> NodeRounds? {
        NodeRounds(suite) { name in groups.first { $0.name == name }?.count ?? 0 }
    }
}
