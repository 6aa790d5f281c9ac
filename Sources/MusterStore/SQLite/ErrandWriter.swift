import MusterCore

/// What of a turn's errands is JSON, encoded before the transaction begins.
struct ErrandTexts {
    let sinks: [(lab: String, text: String)]

    init(_ turn: Turn) throws(StoreError) {
        var sinks: [(lab: String, text: String)] = []
        for (lab, list) in turn.noticeSinks.sorted(by: { $0.key < $1.key }) {
            sinks.append((lab, try StoredJSON.encode(list, "where notifications of lab '\(lab)' go")))
        }
        self.sinks = sinks
    }
}

/// Writes what is to be done outside, and how far reports were read, as part of a turn.
final class ErrandWriter {
    private let putPosition: PreparedStatement
    private let put: PreparedStatement
    private let removeScript: PreparedStatement
    private let removeNotices: PreparedStatement
    private let putSinks: PreparedStatement

    init(_ connection: Connection) throws(StoreError) {
        func prepare(_ sql: String) throws(StoreError) -> PreparedStatement {
            try PreparedStatement(connection, sql, isKept: true)
        }
        putPosition = try prepare(
            """
            INSERT INTO report_positions (node, file, position, print) VALUES (?1, ?2, ?3, ?4)
            ON CONFLICT (node) DO UPDATE SET file = excluded.file, position = excluded.position, print = excluded.print
            """
        )
        put = try prepare(
            """
            INSERT INTO errands (lab, sink, number, node, group_name, group_index, at, text, folder, mode, state)
            VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)
            """
        )
        removeScript = try prepare("DELETE FROM errands WHERE lab = ?1 AND sink = '' AND number = ?2")
        removeNotices = try prepare("DELETE FROM errands WHERE lab = ?1 AND sink = ?3 AND number <= ?2")
        putSinks = try prepare(
            """
            INSERT INTO notice_sinks (lab, sinks) VALUES (?1, ?2)
            ON CONFLICT (lab) DO UPDATE SET sinks = excluded.sinks
            """
        )
    }

    /// Returns how many statements that took.
    func write(_ turn: Turn, _ texts: ErrandTexts) throws(StoreError) -> Int {
        for (node, position) in turn.reportPositions.sorted(by: { $0.key < $1.key }) {
            putPosition.bind(1, node.rawValue)
            putPosition.bind(2, position.file)
            putPosition.bind(3, position.offset)
            putPosition.bind(4, position.print)
            try putPosition.run()
        }
        for (lab, text) in texts.sinks {
            putSinks.bind(1, lab)
            putSinks.bind(2, text)
            try putSinks.run()
        }
        for row in turn.errandsNew {
            bind(row)
            try put.run()
        }
        for done in turn.errandsDone {
            let statement = done.sink == nil ? removeScript : removeNotices
            statement.bind(1, done.lab)
            statement.bind(2, done.number)
            if let sink = done.sink { statement.bind(3, sink) }
            try statement.run()
        }
        return turn.reportPositions.count + texts.sinks.count + turn.errandsNew.count + turn.errandsDone.count
    }

    private func bind(_ row: ErrandRow) {
        put.bind(1, row.lab)
        put.bind(3, row.number)
        put.bind(4, row.node.rawValue)
        put.bind(5, row.name.group)
        put.bind(6, Int64(row.name.index))
        put.bind(7, row.at.rawValue)
        switch row.kind {
        case .script(let path, let folder, let mode, let state):
            put.bind(2, "")
            put.bind(8, path)
            put.bind(9, folder)
            put.bind(10, mode)
            put.bind(11, state)
        case .notice(let sink, let text):
            put.bind(2, sink)
            put.bind(8, text)
            for place in 9...11 as ClosedRange<Int32> { put.bind(place, nil as String?) }
        }
    }
}

/// Reads what a conductor of these labs begins with.
enum ErrandReading {
    static func load(_ connection: Connection, labs: Set<String>?, into snapshot: inout Snapshot) throws(StoreError) {
        let sinks = try PreparedStatement(connection, "SELECT lab, sinks FROM notice_sinks")
        while try sinks.step() {
            guard labs?.contains(sinks.text(0)) ?? true else { continue }
            snapshot.noticeSinks[sinks.text(0)] = try? StoredJSON.decode([NoticeSink].self, from: sinks.text(1))
        }
        let rows = try PreparedStatement(
            connection,
            """
            SELECT lab, sink, number, node, group_name, group_index, at, text, folder, mode, state FROM errands
            ORDER BY lab, sink, number
            """
        )
        while try rows.step() {
            guard labs?.contains(rows.text(0)) ?? true else { continue }
            let kind: ErrandRow.Kind =
                rows.text(1).isEmpty
                ? .script(
                    path: rows.text(7),
                    folder: rows.optionalText(8) ?? "",
                    mode: rows.optionalText(9) ?? "",
                    state: rows.optionalText(10) ?? ""
                )
                : .notice(sink: rows.text(1), text: rows.text(7))
            snapshot.errands.append(
                ErrandRow(
                    lab: rows.text(0),
                    number: rows.int(2),
                    node: NodeID(rows.int(3)),
                    name: NodeName(group: rows.text(4), index: Int(rows.int(5))),
                    at: rows.time(6),
                    kind: kind
                )
            )
        }
        let known = Set(snapshot.nodeStates.map(\.node))
        if known.isEmpty { return }
        let positions = try PreparedStatement(connection, "SELECT node, file, position, print FROM report_positions")
        while try positions.step() {
            let node = NodeID(positions.int(0))
            guard known.contains(node) else { continue }
            snapshot.reportPositions[node] = ReportPosition(
                file: positions.int(1),
                offset: positions.int(2),
                print: positions.int(3)
            )
        }
    }
}

extension Turn {
    var hasErrands: Bool {
        !(reportPositions.isEmpty && errandsNew.isEmpty && errandsDone.isEmpty && noticeSinks.isEmpty)
    }
}
