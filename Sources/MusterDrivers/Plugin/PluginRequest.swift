import Foundation
import MusterCore

/// What a plug-in is asked: a line on its standard input, and the same in its environment for those who read no JSON.
/// `docs/formats/plugin.md` describes it.
struct PluginRequest: Sendable {
    enum Verb: String, Sendable, CaseIterable {
        case describe, create, inspect, destroy, list, power, watch
        /// What no plug-in knows; the doctor asks it.
        case unheardOf = "no-such-request"
    }

    enum Power: String, Sendable { case on, off }

    /// The version of the protocol.
    static let format = 1

    var verb: Verb
    /// Of this one request: every line of the answer says it.
    var id: String
    var state: String
    var options: PluginValue = .object([:])
    var timeout: Duration
    /// Of the machine; nil for `describe` and `list`.
    var machine: PluginName?
    /// For what acts.
    var operation: OperationID?
    var epoch: Epoch = 0
    var power: Power?
    var grace: Duration = .zero

    /// Whether it changes what is outside.
    var acts: Bool {
        switch verb {
        case .create, .destroy, .power: true
        case .describe, .inspect, .list, .watch, .unheardOf: false
        }
    }

    private static func seconds(_ length: Duration) -> Double { Double(length.microseconds) / 1_000_000 }

    /// The line, with its end.
    var line: [UInt8] {
        var values: [String: PluginValue] = [
            "format": .number(Double(Self.format)), "id": .text(id), "request": .text(verb.rawValue),
            "state": .text(state), "options": options, "timeout_s": .number(Self.seconds(timeout)),
        ]
        if let machine {
            values["machine"] = .text(machine.machine)
            values["lab"] = .text(machine.lab)
            values["node"] = .text(machine.node)
            values["node_id"] = .number(Double(machine.nodeID))
            values["labels"] = .object(labels.mapValues { .text($0) })
        }
        if let operation { values["operation"] = .text(operation.description) }
        if acts { values["epoch"] = .number(Double(epoch)) }
        if let power {
            values["power"] = .text(power.rawValue)
            values["grace_s"] = .number(Self.seconds(grace))
        }
        return PluginValue.object(values).json + [UInt8(ascii: "\n")]
    }

    /// What a created thing carries.
    var labels: [String: String] {
        var labels = ["muster.state": state]
        if let machine {
            labels["muster.machine"] = machine.machine
            labels["muster.lab"] = machine.lab
            labels["muster.node"] = machine.node
        }
        if let operation { labels["muster.operation"] = operation.description }
        return labels
    }

    /// The same in the environment. A text that is too long for it is left out.
    var environment: [String: String] {
        var values = [
            "PLUGIN_FORMAT": "\(Self.format)", "PLUGIN_REQUEST": verb.rawValue, "PLUGIN_ID": id, "PLUGIN_STATE": state,
            "PLUGIN_TIMEOUT": "\(timeout.microseconds / 1_000_000)",
        ]
        if let machine {
            values["PLUGIN_MACHINE"] = machine.machine
            values["PLUGIN_LAB"] = machine.lab
            values["PLUGIN_NODE"] = machine.node
            values["PLUGIN_NODE_ID"] = "\(machine.nodeID)"
            let labels = PluginValue.object(labels.mapValues { .text($0) })
            values["PLUGIN_LABELS"] = String(decoding: labels.json, as: UTF8.self)
        }
        if let operation { values["PLUGIN_OPERATION"] = operation.description }
        if let power {
            values["PLUGIN_POWER"] = power.rawValue
            values["PLUGIN_GRACE"] = "\((grace.microseconds + 999_999) / 1_000_000)"
        }
        if case .object(let options) = options {
            for (name, value) in options {
                guard let text = value.plain, text.utf8.count <= 64 << 10, !text.contains("\0") else { continue }
                let variable = name.uppercased().map { $0.isASCII && ($0.isLetter || $0.isNumber) ? $0 : "_" }
                values["PLUGIN_OPTION_" + String(variable)] = text
            }
        }
        return values
    }

    /// Variables that are the protocol's own: what stands in them from outside is not passed on.
    static func isReserved(_ variable: some StringProtocol) -> Bool {
        if variable.hasPrefix("PLUGIN_OPTION_") { return true }
        return [
            "PLUGIN_FORMAT", "PLUGIN_REQUEST", "PLUGIN_ID", "PLUGIN_STATE", "PLUGIN_TIMEOUT", "PLUGIN_MACHINE",
            "PLUGIN_LAB", "PLUGIN_NODE", "PLUGIN_NODE_ID", "PLUGIN_OPERATION", "PLUGIN_POWER", "PLUGIN_GRACE",
            "PLUGIN_LABELS",
        ].contains { $0 == variable }
    }
}

/// How a machine is called.
struct PluginName: Hashable, Sendable {
    /// Unique among all states' machines: letters, digits, `.`, `_`, `-`.
    var machine: String
    var lab: String
    var node: String
    var nodeID: Int64
}

/// What a plug-in answers; each is read from the object after `ok`.
enum PluginAnswer {
    /// What it is and can do.
    struct Description: Hashable, Sendable {
        var name: String
        var version: String
        var requests: Set<String>

        static let required: [PluginRequest.Verb] = [.create, .inspect, .destroy, .list]

        init(_ ok: PluginObject) throws(PluginValueError) {
            guard let format = ok.value("format") else {
                throw PluginValueError(message: "'ok.format' is missing: it must be \(PluginRequest.format)")
            }
            guard format == .number(Double(PluginRequest.format)) else {
                let text = String(decoding: format.json, as: UTF8.self)
                throw PluginValueError(
                    message: "it speaks format \(text) of the protocol, and this program format \(PluginRequest.format)"
                )
            }
            name = try ok.text("name")
            version = try ok.textIfThere("version") ?? ""
            requests = Set(try ok.texts("requests"))
            for verb in Self.required where !requests.contains(verb.rawValue) {
                throw PluginValueError(message: "'ok.requests' lacks '\(verb.rawValue)', which every plug-in must know")
            }
        }

        func knows(_ verb: PluginRequest.Verb) -> Bool { requests.contains(verb.rawValue) }
    }

    /// A machine that is there.
    struct Created: Hashable, Sendable, Codable {
        var address: String
        var facts: [String: String]
        /// The program of this host that attaches the standard streams of a `sh` on the machine; nil for a machine that
        /// runs no commands.
        var connect: [String]?
        /// The folder on the machine for its nodes.
        var root: String

        init(_ ok: PluginObject) throws(PluginValueError) {
            address = try ok.text("address")
            facts = try ok.textsByName("facts")
            if ok.value("connect") != nil {
                let words = try ok.texts("connect")
                guard let first = words.first, !first.isEmpty else {
                    throw PluginValueError(
                        message: "'ok.connect' names no program; leave it out for a machine that runs no commands"
                    )
                }
                connect = words
            }
            root = try ok.textIfThere("root") ?? "~/.muster"
            guard root.hasPrefix("/") || root.hasPrefix("~/") else {
                throw PluginValueError(message: "'ok.root' is '\(root)', and must begin with / or ~/")
            }
        }
    }

    /// What is true of a machine.
    struct Inspected: Hashable, Sendable {
        enum State: String, Sendable, CaseIterable { case ready, off, gone }
        var state: State
        var facts: [String: String]

        init(_ ok: PluginObject) throws(PluginValueError) {
            let text = try ok.text("state")
            guard let state = State(rawValue: text) else {
                throw PluginValueError(message: "'ok.state' is '\(text)', and must be 'ready', 'off' or 'gone'")
            }
            self.state = state
            facts = try ok.textsByName("facts")
        }
    }

    /// A machine of a state.
    struct Listed: Hashable, Sendable {
        var machine: String
        var labels: [String: String]

        static func all(_ ok: PluginObject) throws(PluginValueError) -> [Listed] {
            var found: [Listed] = []
            for object in try ok.objects("machines") {
                found.append(Listed(machine: try object.text("machine"), labels: try object.textsByName("labels")))
            }
            return found
        }
    }

    /// Why it did not do it.
    enum ErrorCode: String, Sendable, CaseIterable {
        case refused, lost, unknown, unsupported
        case timedOut = "timed-out"
        case missingSecret = "missing-secret"

        var step: StepError.Code {
            switch self {
            case .refused, .unsupported: .refused
            case .lost: .lost
            case .unknown: .unknown
            case .timedOut: .timedOut
            case .missingSecret: .missingSecret
            }
        }
    }
}

extension PluginAnswer.Created {
    /// As the node's facts. What the plug-in says of its own does not hide what Muster knows.
    var nodeFacts: [String: String] { facts.merging(["address": address]) { $1 } }
}
