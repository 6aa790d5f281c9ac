import Foundation

@testable import MusterLab

/// `docs/formats/lab.schema.json`, and as much of JSON Schema as it uses.
struct LabSchema {
    var root: [String: Any]

    static let repository = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent()

    init() throws {
        let data = try Data(contentsOf: Self.repository.appending(path: "docs/formats/lab.schema.json"))
        root = try JSONSerialization.jsonObject(with: data) as? [String: Any] ?? [:]
    }

    var definitions: [String: Any] {
        get { root["$defs"] as? [String: Any] ?? [:] }
        set { root["$defs"] = newValue }
    }

    func definition(_ name: String) -> [String: Any] { definitions[name] as? [String: Any] ?? [:] }

    func properties(_ name: String) -> [String: Any] { definition(name)["properties"] as? [String: Any] ?? [:] }

    /// Changes one definition.
    func with(_ name: String, _ change: (inout [String: Any]) -> Void) -> LabSchema {
        var copy = self
        var definition = self.definition(name)
        change(&definition)
        copy.definitions[name] = definition
        return copy
    }

    // MARK: - Validation

    /// Keywords that say nothing about validity.
    private static let silent: Set = ["$schema", "$defs", "title", "description", "default"]

    func accepts(_ value: Any) -> Bool { accepts(value, root) }

    private func accepts(_ value: Any, _ schema: [String: Any]) -> Bool {
        schema.allSatisfy { keyword, argument in
            Self.silent.contains(keyword) || holds(keyword, argument, schema, value)
        }
    }

    private func holds(_ keyword: String, _ argument: Any, _ schema: [String: Any], _ value: Any) -> Bool {
        let object = value as? [String: Any]
        switch keyword {
        case "$ref":
            let name = (argument as? String)?.replacingOccurrences(of: "#/$defs/", with: "") ?? ""
            return definitions[name] != nil && accepts(value, definition(name))
        case "type": return (argument as? [String] ?? [argument as? String ?? ""]).contains { Self.isA(value, $0) }
        case "enum": return (argument as? [Any] ?? []).contains { Self.equal($0, value) }
        case "const": return Self.equal(argument, value)
        case "anyOf": return (argument as? [[String: Any]] ?? []).contains { accepts(value, $0) }
        case "oneOf": return (argument as? [[String: Any]] ?? []).count { accepts(value, $0) } == 1
        case "not": return !accepts(value, argument as? [String: Any] ?? [:])
        case "required": return object.map { o in (argument as? [String] ?? []).allSatisfy { o[$0] != nil } } ?? true
        case "properties":
            let properties = argument as? [String: [String: Any]] ?? [:]
            return object?.allSatisfy { name, value in properties[name].map { accepts(value, $0) } ?? true } ?? true
        case "additionalProperties":
            let known = schema["properties"] as? [String: Any] ?? [:]
            let others = object?.filter { known[$0.key] == nil } ?? [:]
            if let schema = argument as? [String: Any] { return others.values.allSatisfy { accepts($0, schema) } }
            return others.isEmpty
        case "propertyNames": return object?.keys.allSatisfy { accepts($0, argument as? [String: Any] ?? [:]) } ?? true
        case "minProperties": return object.map { $0.count >= Self.int(argument) } ?? true
        case "items": return (value as? [Any])?.allSatisfy { accepts($0, argument as? [String: Any] ?? [:]) } ?? true
        case "minItems": return (value as? [Any]).map { $0.count >= Self.int(argument) } ?? true
        case "minLength": return (value as? String).map { $0.count >= Self.int(argument) } ?? true
        case "pattern":
            guard let text = value as? String else { return true }
            return text.range(of: argument as? String ?? "", options: .regularExpression) != nil
        case "minimum": return Self.number(value).map { $0 >= Self.limit(argument) } ?? true
        case "maximum": return Self.number(value).map { $0 <= Self.limit(argument) } ?? true
        default: return false  // a keyword that this reader does not know would be skipped in silence
        }
    }

    private static func isA(_ value: Any, _ type: String) -> Bool {
        switch type {
        case "object": value is [String: Any]
        case "array": value is [Any]
        case "string": value is String
        case "boolean": Swift.type(of: value) == Bool.self
        case "null": value is NSNull
        case "integer": number(value).map { $0 == $0.rounded() } ?? false
        case "number": number(value) != nil
        default: false
        }
    }

    private static func int(_ argument: Any) -> Int { Int(limit(argument)) }

    /// A number that stands in the schema.
    private static func limit(_ argument: Any) -> Double {
        (argument as? NSNumber)?.doubleValue ?? argument as? Double ?? Double(argument as? Int ?? 0)
    }

    /// A number that stands in a lab.
    private static func number(_ value: Any) -> Double? {
        if type(of: value) == Bool.self { return nil }
        return (value as? Int).map(Double.init) ?? value as? Double
    }

    private static func equal(_ argument: Any, _ value: Any) -> Bool {
        if let argument = argument as? String { return argument == value as? String }
        return number(value) == limit(argument)
    }
}

extension YamlNode {
    /// As JSON, by the rules of YAML 1.2's core schema.
    var json: Any {
        switch value {
        case .mapping(let entries): return Dictionary(uniqueKeysWithValues: entries.map { ($0.key, $0.value.json) })
        case .sequence(let nodes): return nodes.map(\.json)
        case .scalar(let text, let isPlain):
            guard isPlain else { return text }
            if isNull { return NSNull() }
            if text == "true" || text == "false" { return text == "true" }
            if let number = Int(text) { return number }
            if let number = Double(text), text.first?.isNumber ?? false { return number }
            return text
        }
    }

    /// A value of YAML as JSON.
    static func json(of text: String) -> Any? {
        var sink = DiagnosticSink(SourceText(file: "", bytes: Array(text.utf8)))
        return YamlComposer.compose(into: &sink)?.json
    }
}
