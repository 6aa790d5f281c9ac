package import MusterCore
package import MusterDrivers
package import MusterStore

/// What a state's drivers have made outside, against what is on record: what nobody owns is found, and removed.
///
/// A node is on record before it is made, and its number is never another's. So what is outside first and then not on
/// record, or gone there, belongs to nobody, whoever conducts meanwhile.
package struct Census: Sendable {
    /// Something that is there and that nobody owns.
    package struct Orphan: Hashable, Sendable {
        package var belonging: Belonging
        /// Why nobody owns it, for people.
        package var reason: String
    }

    package var orphans: [Orphan]
    package var staleLeases: [StaleLease]
    /// Whoever could not be asked.
    package var problems: [StepError]

    private let state: StateDirectory

    /// Asks the drivers of all kinds of nodes that the state ever had, and of these kinds besides.
    package init(
        of store: any Store,
        state: StateDirectory,
        drivers: Drivers,
        kinds: Set<String> = []
    ) async throws(StoreError) {
        self.state = state
        let known = try store.nodes(lab: nil, includingGone: true)
        let found = await drivers.belongings(of: kinds.union(known.map(\.driver)))
        staleLeases = found.staleLeases
        problems = found.problems
        var nodes: [NodeID: NodeRow] = [:]
        for node in try store.nodes(lab: nil, includingGone: true) { nodes[node.id] = node }
        orphans = found.found.compactMap { belonging in
            guard let node = nodes[belonging.node] else {
                return Orphan(belonging: belonging, reason: "no node with this number is on record")
            }
            guard node.state == .gone else { return nil }
            return Orphan(belonging: belonging, reason: "node \(node.name) is gone")
        }
    }

    /// Removes one. Asked only by who holds the right to conduct the state, in its term.
    package func remove(_ orphan: Orphan, by drivers: Drivers, _ tenure: Tenure) async throws(StepError) {
        let belonging = orphan.belonging
        let name = NodeName(belonging.nodeName) ?? NodeName(group: "node", index: 0)
        let node = NodeHandle(
            id: belonging.node,
            name: name,
            lab: belonging.lab,
            driver: belonging.driver,
            directory: state.node(belonging),
            facts: [:],
            tenure: tenure
        )
        try await drivers.of(node).remove(belonging, of: node)
    }
}
