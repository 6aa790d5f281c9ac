import MusterCore
import MusterStore

/// Finds the nodes that people name: `app/1`, or a group for all of its nodes.
struct NodeLookup {
    let store: any Store

    /// Each node once, in the order they were named.
    ///
    /// - Throws: `CLIError` for a name that is nobody's.
    func find(_ names: [String]) throws -> [NodeRow] {
        let rows = try RunLookup(store: store).read { () throws(StoreError) in
            try store.nodes(lab: nil, includingGone: false)
        }
        var found: [NodeRow] = []
        for name in names {
            let mine = rows.filter { $0.name.description == name || $0.name.group == name }
            guard !mine.isEmpty else {
                let known = rows.prefix(10).map(\.name.description).joined(separator: ", ")
                let hint = known.isEmpty ? "nothing is up" : "there are \(known)" + (rows.count > 10 ? ", …" : "")
                throw CLIError("no node or group is called '\(name)'; \(hint)")
            }
            for row in mine where !found.contains(where: { $0.id == row.id }) { found.append(row) }
        }
        return found
    }

    func one(_ name: String) throws -> NodeRow {
        let found = try find([name])
        guard let row = found.first, found.count == 1 else {
            throw CLIError("'\(name)' is a group of \(found.count) nodes; name one: \(found[0].name)")
        }
        return row
    }
}
