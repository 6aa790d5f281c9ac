import MusterCore

/// The statements that write modes and states of nodes.
enum NodeStateSQL {
    static let put = """
        INSERT INTO node_states (node, mode, state, since, mode_since, next_mode, boot_mode, goal, features, flags,
            timeouts, notices, repairs, due_at, due_order, command, triggers)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17)
        ON CONFLICT (node) DO UPDATE SET mode = excluded.mode, state = excluded.state, since = excluded.since,
            mode_since = excluded.mode_since, next_mode = excluded.next_mode, boot_mode = excluded.boot_mode,
            goal = excluded.goal, features = excluded.features, flags = excluded.flags, timeouts = excluded.timeouts,
            notices = excluded.notices, repairs = excluded.repairs, due_at = excluded.due_at,
            due_order = excluded.due_order, command = excluded.command, triggers = excluded.triggers
        """
    static let remove = "DELETE FROM node_states WHERE node = ?1"
    static let removePosition = "DELETE FROM report_positions WHERE node = ?1"
    static let putModes = """
        INSERT INTO mode_sets (lab, modes) VALUES (?1, ?2) ON CONFLICT (lab) DO UPDATE SET modes = excluded.modes
        """
    static let putMark = """
        INSERT INTO report_marks (source, id, at) VALUES (?1, ?2, ?3)
        ON CONFLICT (source, id) DO UPDATE SET at = excluded.at
        """
    static let dropMarks = "DELETE FROM report_marks WHERE at < ?1"
}

/// What of a turn's modes and states is JSON, encoded before the transaction begins.
struct NodeStateTexts {
    let modes: [(lab: String, text: String)]
    /// By place in `turn.nodeStates`, of the few that have something.
    let commands: [Int: String]
    let triggers: [Int: String]

    init(_ turn: Turn) throws(StoreError) {
        var modes: [(lab: String, text: String)] = []
        for (lab, set) in turn.modeSets.sorted(by: { $0.key < $1.key }) {
            modes.append((lab, try StoredJSON.encode(set, "the mode table of lab '\(lab)'")))
        }
        self.modes = modes
        var commands: [Int: String] = [:]
        var triggers: [Int: String] = [:]
        for (place, row) in turn.nodeStates.enumerated() {
            if let command = row.command {
                commands[place] = try StoredJSON.encode(command, "a command to node \(row.node.rawValue)")
            }
            if !row.triggers.isEmpty {
                triggers[place] = try StoredJSON.encode(row.triggers, "the triggers of node \(row.node.rawValue)")
            }
        }
        self.commands = commands
        self.triggers = triggers
    }
}

/// Writes modes and states of nodes, as part of a turn.
final class NodeStateWriter {
    private let put: PreparedStatement
    private let remove: PreparedStatement
    private let removePosition: PreparedStatement
    private let putModes: PreparedStatement
    private let putMark: PreparedStatement
    private let dropMarks: PreparedStatement

    init(_ connection: Connection) throws(StoreError) {
        put = try PreparedStatement(connection, NodeStateSQL.put, isKept: true)
        remove = try PreparedStatement(connection, NodeStateSQL.remove, isKept: true)
        removePosition = try PreparedStatement(connection, NodeStateSQL.removePosition, isKept: true)
        putModes = try PreparedStatement(connection, NodeStateSQL.putModes, isKept: true)
        putMark = try PreparedStatement(connection, NodeStateSQL.putMark, isKept: true)
        dropMarks = try PreparedStatement(connection, NodeStateSQL.dropMarks, isKept: true)
    }

    /// Returns how many statements that took.
    func write(_ turn: Turn, _ texts: NodeStateTexts) throws(StoreError) -> Int {
        for (lab, text) in texts.modes {
            putModes.bind(1, lab)
            putModes.bind(2, text)
            try putModes.run()
        }
        for (place, row) in turn.nodeStates.enumerated() {
            bind(row)
            put.bind(16, texts.commands[place])
            put.bind(17, texts.triggers[place])
            try put.run()
        }
        // A node that has gone in this turn may have changed before.
        for node in turn.nodeStatesGone {
            remove.bind(1, node.rawValue)
            try remove.run()
            removePosition.bind(1, node.rawValue)
            try removePosition.run()
        }
        for mark in turn.reportMarks {
            putMark.bind(1, mark.source)
            putMark.bind(2, mark.id)
            putMark.bind(3, mark.at.rawValue)
            try putMark.run()
        }
        var count = texts.modes.count + turn.nodeStates.count + 2 * turn.nodeStatesGone.count + turn.reportMarks.count
        if !turn.reportMarks.isEmpty {
            dropMarks.bind(1, (turn.now + (.zero - ReportMark.age)).rawValue)
            try dropMarks.run()
            count += 1
        }
        return count
    }

    private func bind(_ row: NodeStateRow) {
        put.bind(1, row.node.rawValue)
        put.bind(2, row.mode)
        put.bind(3, row.state)
        put.bind(4, row.since.rawValue)
        put.bind(5, row.modeSince.rawValue)
        put.bind(6, row.nextMode)
        put.bind(7, row.bootMode)
        put.bind(8, row.goal)
        put.bind(9, Int64(row.features.rawValue))
        put.bind(10, Int64(row.flags.rawValue))
        put.bind(11, row.timeouts)
        put.bind(12, row.notices)
        put.bind(13, row.repairs)
        put.bind(14, row.deadline?.at.rawValue)
        put.bind(15, row.deadline?.order)
    }
}

extension Turn {
    var hasNodeStates: Bool {
        !(nodeStates.isEmpty && nodeStatesGone.isEmpty && modeSets.isEmpty && reportMarks.isEmpty)
    }
}
