/// Where notifications of a lab's nodes go.
package struct NoticeSink: Hashable, Sendable, Codable {
    package enum Target: Hashable, Sendable, Codable {
        /// A program of the conductor's host and its arguments; it gets the message on its standard input.
        case command([Template])
        /// An address that gets the message by HTTP POST.
        case webhook(Template)
    }

    package var target: Target
    /// Two messages are never closer than this.
    package var gap: Duration
    /// Where a command is started: the lab's folder.
    package var folder = ""

    package init(_ target: Target, gap: Duration = Self.gapDefault) {
        self.target = target
        self.gap = gap
    }

    package static let gapDefault: Duration = .seconds(15)
    /// As many as a lab may have.
    package static let countMax = 8

    /// As its author wrote it: what it is called, and what makes it this one. Secrets stay references.
    package var name: String {
        switch target {
        case .command(let words): "command " + words.map(\.source).joined(separator: " ")
        case .webhook(let address): "webhook " + address.source
        }
    }
}

/// Something to be done outside that a turn has decided: kept until it is known to be done, so that it is done at least
/// once.
package struct ErrandRow: Hashable, Sendable {
    package enum Kind: Hashable, Sendable {
        /// A trigger runs a file of the lab.
        case script(path: String, folder: String, mode: String, state: String)
        /// A sink is to be told this.
        case notice(sink: String, text: String)
    }

    package var lab: String
    /// Rises within a lab and is never used twice.
    package var number: Int64
    package var node: NodeID
    package var name: NodeName
    package var at: Timestamp
    package var kind: Kind

    package init(lab: String, number: Int64, node: NodeID, name: NodeName, at: Timestamp, kind: Kind) {
        self.lab = lab
        self.number = number
        self.node = node
        self.name = name
        self.at = at
        self.kind = kind
    }
}

/// Errands that are done with: one script, or all that a sink was to be told up to a number.
package struct ErrandDone: Hashable, Sendable {
    package var lab: String
    /// nil for a script.
    package var sink: String?
    package var number: Int64

    package init(lab: String, sink: String?, number: Int64) {
        self.lab = lab
        self.sink = sink
        self.number = number
    }
}

extension ErrandDone {
    /// Whether an errand is among these.
    package func covers(_ row: ErrandRow) -> Bool {
        guard row.lab == lab else { return false }
        switch row.kind {
        case .script: return sink == nil && row.number == number
        case .notice(let name, _): return sink == name && row.number <= number
        }
    }
}

/// One or more errands, for the performer.
package enum Errand: Hashable, Sendable {
    case script(ErrandRow)
    case notices(NoticeMessage)
}

/// What a sink is told at once.
package struct NoticeMessage: Hashable, Sendable {
    package var lab: String
    package var sink: NoticeSink
    /// The last errand that is among it.
    package var upTo: Int64
    /// From 1.
    package var attempt: Int
    package var content: NotificationDigest.Message

    package init(lab: String, sink: NoticeSink, upTo: Int64, attempt: Int, content: NotificationDigest.Message) {
        self.lab = lab
        self.sink = sink
        self.upTo = upTo
        self.attempt = attempt
        self.content = content
    }
}
