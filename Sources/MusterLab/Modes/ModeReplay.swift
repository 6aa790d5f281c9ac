package import MusterCore

/// A script of what happens to some nodes, in the form of Emulab's recorded cases, and what comes of it.
package struct ReplayCase: Codable, Hashable, Sendable {
    package struct Node: Codable, Hashable, Sendable {
        package var id: String
        /// How it can be known that the node is up: `isup`, `ping`.
        package var osfeat: [String]?
        package var mode: String
        package var state: String
        package var bootmode: String?
        package var nextMode: String?

        enum CodingKeys: String, CodingKey {
            case id, osfeat, mode, state, bootmode
            case nextMode = "next_mode"
        }
    }

    /// How a node ended. `deadline` is when its state lasts too long, in seconds from the beginning.
    package struct Final: Codable, Hashable, Sendable {
        package var mode: String
        package var state: String
        package var deadline: ReplayValue?

        package func encode(to encoder: any Encoder) throws {
            var container = encoder.container(keyedBy: CodingKeys.self)
            try container.encode(mode, forKey: .mode)
            try container.encode(state, forKey: .state)
            try container.encode(deadline, forKey: .deadline)
        }
    }

    package var name: String?
    package var description: String?
    package var initial: [Node]
    package var steps: [[ReplayValue]]
    package var trace: [[ReplayValue]]?
    package var final: [String: Final]?
}

/// A text or a number in a script.
package enum ReplayValue: Codable, Hashable, Sendable {
    case text(String)
    case whole(Int)
    case number(Double)
    case none

    package init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        if container.decodeNil() {
            self = .none
        } else if let whole = try? container.decode(Int.self) {
            self = .whole(whole)
        } else if let number = try? container.decode(Double.self) {
            self = .number(number)
        } else {
            self = .text(try container.decode(String.self))
        }
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        switch self {
        case .text(let text): try container.encode(text)
        case .whole(let whole): try container.encode(whole)
        case .number(let number): try container.encode(number)
        case .none: try container.encodeNil()
        }
    }

    var text: String? { if case .text(let text) = self { text } else { nil } }
    var seconds: Double? {
        switch self {
        case .whole(let whole): Double(whole)
        case .number(let number): number
        case .text, .none: nil
        }
    }

    init(_ time: Timestamp) {
        self =
            time.rawValue % 1_000_000 == 0
            ? .whole(Int(time.rawValue / 1_000_000)) : .number(Double(time.rawValue) / 1_000_000)
    }
}

package struct ReplayError: Error, Hashable, Sendable {
    package var message: String
}

/// Plays scripts on a clock of its own, which goes from one thing to the next.
package struct ModeReplay {
    private let table: ModeTable
    private var machines: NodeMachines
    private var now = Timestamp(rawValue: 0)
    private var ids: [String: NodeID] = [:]
    private var names: [NodeID: String] = [:]
    private var trace: [[ReplayValue]] = []

    /// Something that stands still for a long time and is repaired for ever ends here.
    private static let timersMax = 100_000

    private init(_ table: ModeTable) {
        self.table = table
        machines = NodeMachines(table)
    }

    /// The case with its trace and how its nodes ended.
    package static func play(_ script: ReplayCase, on table: ModeTable) throws(ReplayError) -> ReplayCase {
        var replay = ModeReplay(table)
        try replay.begin(script.initial)
        for (index, step) in script.steps.enumerated() { try replay.take(step, number: index + 1) }
        var result = script
        result.trace = replay.trace
        result.final = [:]
        for node in script.initial {
            guard let row = replay.ids[node.id].flatMap({ replay.machines.row(of: $0) }) else { continue }
            let deadline = row.deadline.map { ReplayValue($0.at) }
            result.final?[node.id] = ReplayCase.Final(mode: row.mode, state: row.state, deadline: deadline)
        }
        return result
    }

    private mutating func begin(_ nodes: [ReplayCase.Node]) throws(ReplayError) {
        var rows: [NodeStateRow] = []
        for (index, node) in nodes.enumerated() {
            let id = NodeID(Int64(index + 1))
            guard ids.updateValue(id, forKey: node.id) == nil else {
                throw ReplayError(message: "node '\(node.id)' stands in 'initial' twice")
            }
            names[id] = node.id
            for mode in [node.mode, node.bootmode, node.nextMode].compactMap({ $0 }) where table.mode(mode) == nil {
                throw ReplayError(message: "node '\(node.id)': the table has no mode '\(mode)'")
            }
            guard table.state(node.state) != nil else {
                throw ReplayError(message: "node '\(node.id)': the table has no state '\(node.state)'")
            }
            var features: NodeFeatures = []
            for feature in node.osfeat ?? ["isup"] {
                switch feature {
                case "isup": features.insert(.reportsUp)
                case "ping": features.insert(.answersPing)
                default: break
                }
            }
            rows.append(
                NodeStateRow(
                    node: id,
                    mode: node.mode,
                    state: node.state,
                    since: now,
                    nextMode: node.nextMode,
                    bootMode: node.bootmode,
                    features: features
                )
            )
        }
        var sink = NodeSink()
        for row in rows { machines.add(row, now: now, into: &sink) }
    }

    // MARK: Steps

    private mutating func take(_ step: [ReplayValue], number: Int) throws(ReplayError) {
        func wrong(_ text: String) -> ReplayError { ReplayError(message: "step \(number): \(text)") }
        guard let word = step.first?.text else { throw wrong("a step begins with a word, such as \"event\"") }
        if ["advance", "wait", "sleep", "tick", "elapse"].contains(word) {
            guard let seconds = step.last?.seconds, seconds >= 0 else { throw wrong("\"\(word)\" wants seconds") }
            return try advance(to: now + .microseconds(Int64(seconds * 1_000_000)))
        }
        if ["at", "until", "time"].contains(word) {
            guard let seconds = step.last?.seconds else { throw wrong("\"\(word)\" wants seconds") }
            return try advance(to: max(now, Timestamp(rawValue: Int64(seconds * 1_000_000))))
        }
        guard step.count >= 2, let name = step[1].text else { throw wrong("\"\(word)\" wants a node") }
        guard let node = ids[name] else { throw wrong("there is no node '\(name)' in 'initial'") }
        let argument = step.count > 2 ? step[2].text : nil
        func needed() throws(ReplayError) -> String {
            guard let argument else { throw wrong("\"\(word)\" of '\(name)' wants one more text") }
            return argument
        }
        let input: NodeInput
        switch word {
        case "event": input = .reported(try needed())
        case "fire": input = .fired(try needed())
        case "command": input = .commanded(try needed(), by: .person)
        case "next_mode": input = .nextModeSet(argument)
        case "bootmode", "boot_mode": input = .bootModeSet(argument)
        default:
            let words = "event, fire, command, next_mode, bootmode, advance and at"
            throw wrong("there is no \"\(word)\"; steps are \(words)")
        }
        var sink = NodeSink()
        machines.handle(input, of: node, now: now, into: &sink)
        note(sink)
    }

    private mutating func advance(to end: Timestamp) throws(ReplayError) {
        var count = 0
        while let due = machines.nextDue(), due <= end {
            now = max(now, due)
            var sink = NodeSink()
            machines.advance(to: now, limit: 1, into: &sink)
            note(sink)
            count += 1
            guard count <= Self.timersMax else { throw ReplayError(message: "more than \(Self.timersMax) timeouts") }
        }
        now = end
    }

    // MARK: Trace

    private mutating func note(_ sink: NodeSink) {
        for happening in sink.happenings {
            guard let words = Self.words(happening.kind) else { continue }
            let name = names[happening.node] ?? ""
            trace.append(
                [ReplayValue(happening.at), .text(words[0]), .text(name)] + words.dropFirst().map { .text($0) }
            )
        }
    }

    /// What a trace says of a happening: its name and what belongs to it; nil for what a trace leaves out.
    private static func words(_ kind: NodeHappening.Kind) -> [String]? {
        switch kind {
        case .stateChanged(let mode, _, let to): ["STATE", mode, to]
        case .invalid(let mode, let from, let to, _): ["INVALID", mode, from, to]
        case .modeChanged(_, let to, let state, _): ["MODE", to, state]
        case .invalidMode(let mode, let state, let to, _): ["INVALID_MODE", mode, state, to]
        case .triggered(let action): ["TRIGGER", action]
        case .upCheck(let check): ["GENISUP", check.rawValue]
        case .wrongMode(let mode, let expected): ["WRONGMODE", mode, expected]
        case .timedOut(let mode, let state, let action, _): ["TIMEOUT", mode, state, text(action)]
        case .unknownState(let name): ["UNKNOWN", name]
        case .unknownMode(let name): ["UNKNOWN_MODE", name]
        case .refused(let event, let state, _): ["REFUSED", state, event]
        case .commandSent(let name, let rung, let attempt): attempt > 1 ? ["RETRY", name, rung.rawValue] : nil
        case .commandUnexpected(let name, let state): ["UNEXPECTED", name, state]
        case .commandRefused(let name, let reason): ["COMMAND_REFUSED", name, reason]
        case .commandFailed(let name, let rung, let reason): ["COMMAND_FAILED", name, rung.rawValue, reason]
        case .gaveUp(let reason): ["FAILED", reason]
        case .leftAlone(let state, let reason): ["LEFT", state, reason]
        case .unknownNode, .commandObeyed, .outdated, .notified: nil
        }
    }

    private static func text(_ action: TimeoutAction) -> String {
        switch action {
        case .notify: "NOTIFY"
        case .reboot: "REBOOT"
        case .state(let state): "STATE:\(state)"
        case .retryCommand: "CMDRETRY"
        }
    }
}
