package import MusterCore

/// Readers of modes and states of nodes.
extension MemoryStore {
    package func nodeState(of node: NodeID) throws(StoreError) -> NodeStateRow? {
        try withRows { $0.nodeStates[node] }
    }

    package func nodeStates(lab: String?) throws(StoreError) -> [NodeStateRow] {
        try withRows { rows in
            rows.nodeStates.values.filter { lab == nil || rows.nodes[$0.node]?.lab == lab }.sorted { $0.node < $1.node }
        }
    }

    package func modes(of lab: String) throws(StoreError) -> ModeSet? { try withRows { $0.modeSets[lab] } }

    package func events(of node: NodeID, after position: Int64, limit: Int) throws(StoreError) -> [EventRow] {
        try withRows { rows in
            Array(rows.events.lazy.filter { $0.position > position && $0.node == node }.prefix(max(limit, 0)))
        }
    }
}
