extension EventAddress {
    /// The object types of a node's states and modes; every other is the kind of event before the point.
    package static let nodeState = "node-state"
    package static let nodeMode = "node-mode"

    /// What a stored event is about.
    ///
    /// - Parameters:
    ///   - lab: of its node or its plan.
    ///   - name: what people call its subject.
    ///   - host: where its plan's machines are.
    package init(of event: EventRow, lab: String?, node: NodeName?, name: String?, host: String?) {
        self.init()
        self[.experiment] = lab ?? Self.unset
        self[.group] = node?.group ?? Self.unset
        self[.host] = host ?? Self.unset
        self[.objectName] = name ?? Self.unset
        let parts = event.kind.rawValue.split(separator: ".", maxSplits: 1).map(String.init)
        let change = event.detail.flatMap { StateChange($0) }
        switch event.kind {
        case .nodeState where change != nil:
            self[.objectType] = Self.nodeState
            self[.eventType] = change?.state ?? Self.unset
        case .nodeMode where change != nil:
            self[.objectType] = Self.nodeMode
            self[.eventType] = change?.mode ?? Self.unset
        default:
            self[.objectType] = parts[0]
            self[.eventType] = parts.count > 1 ? parts[1] : Self.unset
        }
    }
}
