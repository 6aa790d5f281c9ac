package import MusterCore
import Synchronization

/// Readers of modes and states of nodes.
extension SQLiteStore {
    package func nodeState(of node: NodeID) throws(StoreError) -> NodeStateRow? {
        try all("\(NodeStateReading.rows) WHERE node = ?1", "modes and states of nodes") {
            $0.bind(1, node.rawValue)
        } row: { statement throws(BrokenRow) in
            try NodeStateReading.row(statement)
        }.first
    }

    package func nodeStates(lab: String?) throws(StoreError) -> [NodeStateRow] {
        let sql =
            lab == nil
            ? "\(NodeStateReading.rows) ORDER BY node"
            : "\(NodeStateReading.rows) WHERE node IN (SELECT id FROM nodes WHERE lab = ?1) ORDER BY node"
        return try all(sql, "modes and states of nodes") {
            if let lab { $0.bind(1, lab) }
        } row: { statement throws(BrokenRow) in
            try NodeStateReading.row(statement)
        }
    }

    package func modes(of lab: String) throws(StoreError) -> ModeSet? {
        try all("SELECT modes FROM mode_sets WHERE lab = ?1", "mode tables") {
            $0.bind(1, lab)
        } row: { statement throws(BrokenRow) in
            try modeSet(statement.text(0), of: lab)
        }.first
    }

    /// What is asked for again and again is read once.
    private func modeSet(_ text: String, of lab: String) throws(BrokenRow) -> ModeSet {
        if let known = readModes.withLock({ $0[lab] }), known.text == text { return known.set }
        let set = try StoredJSON.decode(ModeSet.self, from: text)
        readModes.withLock { $0[lab] = (text, set) }
        return set
    }

    package func events(of node: NodeID, after position: Int64, limit: Int) throws(StoreError) -> [EventRow] {
        try all(ReaderSQL.eventsOfNode, "an event") { statement in
            statement.bind(1, position)
            statement.bind(2, node.rawValue)
            statement.bind(3, Int64(max(limit, 0)))
        } row: { statement throws(BrokenRow) in
            try statement.event()
        }
    }
}

/// Reads rows of `node_states`.
enum NodeStateReading {
    static let rows = """
        SELECT node, mode, state, since, mode_since, next_mode, boot_mode, goal, features, flags, timeouts, notices,
            repairs, due_at, due_order, command, triggers FROM node_states
        """

    static func row(_ statement: PreparedStatement) throws(BrokenRow) -> NodeStateRow {
        var row = NodeStateRow(
            node: NodeID(statement.int(0)),
            mode: statement.text(1),
            state: statement.text(2),
            since: statement.time(3),
            nextMode: statement.optionalText(5),
            bootMode: statement.optionalText(6),
            goal: statement.optionalText(7),
            features: NodeFeatures(rawValue: UInt8(truncatingIfNeeded: statement.int(8)))
        )
        row.modeSince = statement.time(4)
        row.flags = NodeFlags(rawValue: UInt8(truncatingIfNeeded: statement.int(9)))
        row.timeouts = Int32(clamping: statement.int(10))
        row.notices = Int32(clamping: statement.int(11))
        row.repairs = Int32(clamping: statement.int(12))
        if let due = statement.optionalTime(13) {
            row.deadline = NodeDeadline(at: due, order: statement.optionalInt(14) ?? 0)
        }
        if let text = statement.optionalText(15) {
            row.command = try StoredJSON.decode(PendingCommand.self, from: text)
        }
        if let text = statement.optionalText(16) {
            row.triggers = try StoredJSON.decode([NodeTrigger].self, from: text)
        }
        return row
    }

    /// Adds what a conductor of these labs begins with.
    ///
    /// - Parameter nodes: those that it knows. A broken row is left out: of that node nothing is known then.
    static func load(_ connection: Connection, labs: Set<String>?, into snapshot: inout Snapshot) throws(StoreError) {
        let sets = try PreparedStatement(connection, "SELECT lab, modes FROM mode_sets")
        while try sets.step() {
            guard labs?.contains(sets.text(0)) ?? true else { continue }
            snapshot.modeSets[sets.text(0)] = try? StoredJSON.decode(ModeSet.self, from: sets.text(1))
        }
        if snapshot.modeSets.isEmpty { return }
        let wanted = labs.map { _ in Set(snapshot.nodes.map(\.id)) }
        let statement = try PreparedStatement(connection, "\(rows) ORDER BY node")
        while try statement.step() {
            guard wanted?.contains(NodeID(statement.int(0))) ?? true, let row = try? row(statement) else { continue }
            snapshot.nodeStates.append(row)
        }
        let marks = try PreparedStatement(connection, "SELECT source, id, at FROM report_marks ORDER BY at")
        while try marks.step() {
            let mark = ReportMark(source: marks.text(0), id: marks.text(1), at: marks.time(2))
            snapshot.reportMarks.append(mark)
        }
    }
}
