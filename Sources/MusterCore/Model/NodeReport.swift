/// What a node, its driver or a person says of it.
package struct NodeReport: Hashable, Sendable, Codable {
    package enum Content: Hashable, Sendable, Codable {
        /// It is in this state.
        case state(String)
        /// This has come to pass, for modes that are driven by events.
        case event(String, goal: String?)
        /// It takes up this mode at the next state in which it may; nil: none any more.
        case nextMode(String?)
        /// It is going to boot something of this mode.
        case bootMode(String?)
    }

    package var lab: String
    package var node: NodeName
    package var content: Content
    /// Who says so: `node`, `driver`, `person`, or the name of a program.
    package var source: String
    /// The source's own name for this report: the same twice counts once. nil: every one counts.
    package var id: String?

    package init(lab: String, node: NodeName, _ content: Content, source: String, id: String? = nil) {
        self.lab = lab
        self.node = node
        self.content = content
        self.source = source
        self.id = id
    }
}

/// That a report was taken, so that it is not taken again when it comes twice.
package struct ReportMark: Hashable, Sendable {
    package var source: String
    package var id: String
    package var at: Timestamp

    package init(source: String, id: String, at: Timestamp) {
        self.source = source
        self.id = id
        self.at = at
    }

    /// How long a mark is kept.
    package static let age: Duration = .seconds(600)
}
