import ArgumentParser
import Foundation
import MusterCore
import MusterEngine
import MusterStore

struct Nodes: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Show nodes with their modes and states.",
        discussion: """
              muster nodes                     all
              muster nodes app                 those of a group
              muster nodes app/1 --history     its states, and how long each lasted
            """
    )
    @OptionGroup var options: GlobalOptions
    @Flag(help: "The states it was in.") var history = false
    @Option(help: "So many of the newest states.") var limit = 50
    @Argument(help: "Nodes or groups.", completion: Completions.nodes) var names: [String] = []

    func validate() throws {
        if history, names.count != 1 { throw ValidationError("--history wants one node: muster nodes app/1 --history") }
        if limit < 1 { throw ValidationError("--limit wants a number from 1") }
    }

    func run() async throws {
        let session = try StateSession.open(options, to: .read)
        let lookup = NodeLookup(store: session.store)
        if history { return try showHistory(of: lookup.one(names[0]), session) }
        let rows =
            try names.isEmpty
            ? RunLookup(store: session.store).read { () throws(StoreError) in
                try session.store.nodes(lab: nil, includingGone: false)
            } : lookup.find(names)
        let states = try RunLookup(store: session.store).read { () throws(StoreError) in
            try session.store.nodeStates(lab: nil)
        }
        let byNode = Dictionary(uniqueKeysWithValues: states.map { ($0.node, $0) })
        if options.json {
            return Output.json(Shape(nodes: rows.map { Shape.Node($0, byNode[$0.id]) }))
        }
        if rows.isEmpty { return Output.line("nothing is up") }
        var table = TextTable(header: ["NODE", "LAB", "IS", "MODE", "STATE", "SINCE", "ADDRESS", "NOTE"])
        for row in rows {
            let state = byNode[row.id]
            table.add([
                row.name.description, row.lab, row.state.rawValue, state?.mode ?? "", state?.state ?? "",
                (state?.since ?? row.since).rfc3339, row.facts["address"] ?? "", state?.note ?? "",
            ])
        }
        Output.lines(table.lines)
    }

    private func showHistory(of row: NodeRow, _ session: StateSession) throws {
        let events = try RunLookup(store: session.store).read { () throws(StoreError) in
            try session.store.events(of: row.id, after: 0, limit: 1_000_000)
        }
        let changes: [(at: Timestamp, change: StateChange)] = events.compactMap { event in
            guard event.kind == .nodeState || event.kind == .nodeMode else { return nil }
            return event.detail.flatMap { StateChange($0) }.map { (event.at, $0) }
        }
        let ends = changes.dropFirst().map(\.at) + [nil]
        let all = zip(changes, ends).map { History.Entry($0.0.change, from: $0.0.at, to: $0.1, now: HostTime().now()) }
        let shown = Array(all.suffix(limit))
        if options.json { return Output.json(History(node: row.name.description, states: shown)) }
        if shown.isEmpty { return Output.line("nothing is known of the states of \(row.name)") }
        var table = TextTable(header: ["SINCE", "MODE", "STATE", "FOR"])
        for entry in shown { table.add([entry.since, entry.mode, entry.state, entry.lasted]) }
        Output.lines(table.lines)
    }

    private struct Shape: Encodable {
        struct Node: Encodable {
            var node: String
            var lab: String
            var lifecycle: String
            var mode: String?
            var state: String?
            var since: String
            var address: String?

            init(_ row: NodeRow, _ state: NodeStateRow?) {
                node = row.name.description
                lab = row.lab
                lifecycle = row.state.rawValue
                mode = state?.mode
                self.state = state?.state
                since = (state?.since ?? row.since).rfc3339
                address = row.facts["address"]
            }
        }
        var format = 1
        var nodes: [Node]
    }

    private struct History: Encodable {
        struct Entry: Encodable {
            var since: String
            var mode: String
            var state: String
            var durationMs: Int64
            var lasted: String

            init(_ change: StateChange, from begin: Timestamp, to end: Timestamp?, now: Timestamp) {
                since = begin.rfc3339
                mode = change.mode
                state = change.state
                let length = (end ?? now) - begin
                durationMs = length.milliseconds
                lasted = length.shortText + (end == nil ? " so far" : "")
            }

            enum CodingKeys: String, CodingKey {
                case since, mode, state
                case durationMs = "duration_ms"
            }
        }
        var format = 1
        var node: String
        var states: [Entry]
    }
}

extension NodeStateRow {
    /// What people should know besides.
    fileprivate var note: String {
        var notes: [String] = []
        if let command { notes.append("\(command.name) under way") }
        if flags.contains(.givenUp) { notes.append("given up") }
        if flags.contains(.isLeftDown) { notes.append("left down") }
        if let nextMode { notes.append("next mode \(nextMode)") }
        return notes.joined(separator: ", ")
    }
}
