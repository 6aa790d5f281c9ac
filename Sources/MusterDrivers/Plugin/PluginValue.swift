import Foundation

/// Any JSON value of a plug-in.
enum PluginValue: Hashable, Sendable, Codable {
    case null
    case bool(Bool)
    case number(Double)
    case text(String)
    case list([PluginValue])
    case object([String: PluginValue])

    init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        if container.decodeNil() {
            self = .null
        } else if let value = try? container.decode(Bool.self) {
            self = .bool(value)
        } else if let value = try? container.decode(Double.self) {
            self = .number(value)
        } else if let value = try? container.decode(String.self) {
            self = .text(value)
        } else if let value = try? container.decode([PluginValue].self) {
            self = .list(value)
        } else {
            self = .object(try container.decode([String: PluginValue].self))
        }
    }

    func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        switch self {
        case .null: try container.encodeNil()
        case .bool(let value): try container.encode(value)
        case .number(let value):
            if let whole = Int64(exactly: value) { try container.encode(whole) } else { try container.encode(value) }
        case .text(let value): try container.encode(value)
        case .list(let value): try container.encode(value)
        case .object(let value): try container.encode(value)
        }
    }

    /// nil when it is not JSON.
    init?(json: some Sequence<UInt8>) {
        guard let value = try? JSONDecoder().decode(PluginValue.self, from: Data(json)) else { return nil }
        self = value
    }

    /// In one line.
    var json: [UInt8] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return (try? encoder.encode(self)).map(Array.init) ?? Array("null".utf8)
    }

    /// What kind of value it is, for people.
    var kind: String {
        switch self {
        case .null: "null"
        case .bool: "true or false"
        case .number: "a number"
        case .text: "a text"
        case .list: "a list"
        case .object: "an object"
        }
    }

    /// As a variable of the environment has it; nil for what has parts.
    var plain: String? {
        switch self {
        case .bool(let value): value ? "true" : "false"
        case .text(let value): value
        case .number: String(decoding: json, as: UTF8.self)
        case .null, .list, .object: nil
        }
    }
}

/// What is wrong with a value: what, and where in the answer.
struct PluginValueError: Error, Hashable, Sendable {
    var message: String
}

/// An object of an answer, with its place in it.
struct PluginObject {
    private let values: [String: PluginValue]
    private let place: String

    init(_ value: PluginValue?, at place: String) throws(PluginValueError) {
        guard case .object(let values)? = value else { throw Self.wrong(value, place, "an object") }
        self.values = values
        self.place = place
    }

    private static func wrong(_ value: PluginValue?, _ place: String, _ wanted: String) -> PluginValueError {
        guard let value else { return PluginValueError(message: "'\(place)' is missing: it must be \(wanted)") }
        return PluginValueError(message: "'\(place)' is \(value.kind), and must be \(wanted)")
    }

    private func at(_ name: String) -> String { place.isEmpty ? name : "\(place).\(name)" }

    func value(_ name: String) -> PluginValue? {
        let value = values[name]
        return value == .null ? nil : value
    }

    func text(_ name: String) throws(PluginValueError) -> String {
        guard let text = try textIfThere(name) else { throw Self.wrong(nil, at(name), "a text") }
        if text.isEmpty { throw PluginValueError(message: "'\(at(name))' is an empty text") }
        return text
    }

    func textIfThere(_ name: String) throws(PluginValueError) -> String? {
        guard let value = value(name) else { return nil }
        guard case .text(let text) = value else { throw Self.wrong(value, at(name), "a text") }
        if text.contains("\0") { throw PluginValueError(message: "'\(at(name))' contains a zero byte") }
        return text
    }

    /// An empty one where it is missing.
    func texts(_ name: String) throws(PluginValueError) -> [String] {
        var found: [String] = []
        for (index, value) in try list(name).enumerated() {
            guard case .text(let text) = value else { throw Self.wrong(value, "\(at(name))[\(index)]", "a text") }
            if text.contains("\0") { throw PluginValueError(message: "'\(at(name))[\(index)]' contains a zero byte") }
            found.append(text)
        }
        return found
    }

    func objects(_ name: String) throws(PluginValueError) -> [PluginObject] {
        if values[name] == nil { throw Self.wrong(nil, at(name), "a list") }
        var found: [PluginObject] = []
        for (index, value) in try list(name).enumerated() {
            found.append(try PluginObject(value, at: "\(at(name))[\(index)]"))
        }
        return found
    }

    private func list(_ name: String) throws(PluginValueError) -> [PluginValue] {
        guard let value = value(name) else { return [] }
        guard case .list(let values) = value else { throw Self.wrong(value, at(name), "a list") }
        return values
    }

    /// An empty one where it is missing.
    func textsByName(_ name: String) throws(PluginValueError) -> [String: String] {
        guard let value = value(name) else { return [:] }
        guard case .object(let values) = value else { throw Self.wrong(value, at(name), "an object of texts") }
        var found: [String: String] = [:]
        for (key, value) in values {
            guard case .text(let text) = value else {
                throw Self.wrong(value, "\(at(name)).\(key)", "a text (a number goes in quotes)")
            }
            found[key] = text
        }
        return found
    }
}
