import MusterCore
import MusterStore

/// What `--json` prints, one shape for each kind of thing (`docs/formats/json.md`). Times are RFC 3339, lengths
/// milliseconds.
enum JSONShape {
    struct Run: Encodable {
        var run: String
        var verb: String
        var lab: String
        var state: String
        var result: String
        var phase: String
        var interrupted: Bool
        /// What is wrong with its rows.
        var broken: String?
        var reason: String?
        var createdAt: String
        var startedAt: String?
        var endedAt: String?

        enum CodingKeys: String, CodingKey {
            case run, verb, lab, state, result, phase, interrupted, broken, reason
            case createdAt = "created_at"
            case startedAt = "started_at"
            case endedAt = "ended_at"
        }

        init(_ row: PlanRow, isConducted: Bool, flaw: String? = nil) {
            broken = flaw
            run = RunName(row.id).description
            verb = row.verb.rawValue
            lab = row.lab
            state = row.state.rawValue
            result = row.result.rawValue
            phase = row.phase.rawValue
            interrupted = flaw == nil && row.isInterrupted(isConducted: isConducted)
            reason = row.reason
            createdAt = row.createdAt.rfc3339
            startedAt = row.startedAt?.rfc3339
            endedAt = row.endedAt?.rfc3339
        }
    }

    struct Node: Encodable {
        var node: String
        var state: String
        var since: String
        var address: String?
        var reason: String?
        var heldBy: String?

        enum CodingKeys: String, CodingKey {
            case node, state, since, address, reason
            case heldBy = "held_by"
        }

        init(_ row: NodeRow) {
            node = row.name.description
            state = row.state.rawValue
            since = row.since.rfc3339
            address = row.facts["address"]
            reason = row.reason
            heldBy = row.heldBy.map { RunName($0).description }
        }
    }

    struct Event: Encodable {
        var position: String
        var at: String
        var event: String
        var run: String?
        var step: Int32?
        var thing: String?
        var detail: String?

        init(_ row: EventRow, thing: String?) {
            position = String(row.position)
            at = row.at.rfc3339
            event = row.kind.rawValue
            run = row.plan.map { RunName($0).description }
            step = row.step
            self.thing = thing
            detail = row.detail
        }
    }

    struct Group: Encodable {
        var group: String
        var state: String
        var ready: Int
        var count: Int
        /// Why it waits, is blocked or has failed.
        var reason: String?
        /// The run that works on it, or the newest that did.
        var run: String?
        var nodes: [Node]

        init(_ standing: GroupStanding, nodes: [NodeRow]) {
            group = standing.group
            state = standing.state.rawValue
            ready = standing.ready
            count = standing.wanted
            reason = standing.reason
            run = standing.run.map { RunName($0.id).description }
            self.nodes = nodes.map(Node.init)
        }
    }

    /// A list under a name of its own, with the format's version.
    struct List<Element: Encodable>: Encodable {
        var name: String
        var elements: [Element]

        private struct Key: CodingKey {
            var stringValue: String
            var intValue: Int? { nil }
            init(stringValue: String) { self.stringValue = stringValue }
            init?(intValue: Int) { nil }
        }

        func encode(to encoder: any Encoder) throws {
            var container = encoder.container(keyedBy: Key.self)
            try container.encode(1, forKey: Key(stringValue: "format"))
            try container.encode(elements, forKey: Key(stringValue: name))
        }
    }
}

extension PlanRow {
    /// Whether it has work to do and nobody does it.
    func isInterrupted(isConducted: Bool) -> Bool { (state == .running || state == .pending) && !isConducted }

    /// Its state in a word for people.
    func stateText(isConducted: Bool, flaw: String? = nil) -> String {
        if flaw != nil { return "broken" }
        if isInterrupted(isConducted: isConducted) { return "interrupted" }
        return state == .stopped ? result.rawValue : state.rawValue
    }
}
