/// Writes one flat JSON object by hand: the supervisor carries no JSON library, and reads none.
package struct JSONText {
    private var text = "{"

    package init() {}

    /// The object, with a line feed.
    package var finished: String { text + "}\n" }

    package mutating func add(_ key: String, _ value: String?) { add(key, raw: value.map(Self.quoted) ?? "null") }
    package mutating func add(_ key: String, _ value: Bool) { add(key, raw: value ? "true" : "false") }
    package mutating func add(_ key: String, _ value: some FixedWidthInteger) { add(key, raw: "\(value)") }
    package mutating func add(_ key: String, _ value: (some FixedWidthInteger)?) {
        add(key, raw: value.map { "\($0)" } ?? "null")
    }
    package mutating func add(_ key: String, _ values: [String]) {
        add(key, raw: "[" + values.map(Self.quoted).joined(separator: ",") + "]")
    }
    package mutating func add(_ key: String, _ values: [(String, String)]) {
        let members = values.map { Self.quoted($0.0) + ":" + Self.quoted($0.1) }
        add(key, raw: "{" + members.joined(separator: ",") + "}")
    }

    private mutating func add(_ key: String, raw: String) {
        if text.utf8.count > 1 { text += "," }
        text += Self.quoted(key) + ":" + raw
    }

    package static func quoted(_ text: String) -> String {
        var quoted = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": quoted += "\\\""
            case "\\": quoted += "\\\\"
            case "\n": quoted += "\\n"
            case "\r": quoted += "\\r"
            case "\t": quoted += "\\t"
            case "\u{0}"..."\u{1F}", "\u{7F}", "\u{2028}", "\u{2029}":
                let hex = String(scalar.value, radix: 16)
                quoted += "\\u" + String(repeating: "0", count: 4 - hex.utf8.count) + hex
            default: quoted.unicodeScalars.append(scalar)
            }
        }
        return quoted + "\""
    }
}

extension OperationSpec {
    /// What was asked for, without the values of secrets.
    package func json(requestedAt: Int64) -> String {
        var json = JSONText()
        json.add("format", 1)
        json.add("operation", operation)
        switch program {
        case .shell(let text): json.add("shell", text)
        case .arguments(let arguments): json.add("arguments", arguments)
        }
        json.add("directory", directory)
        json.add("environment", environment.map { ($0.name, $0.value) })
        json.add("secret_names", secrets.map(\.name))
        json.add("timeout_us", timeout)
        json.add("grace_us", grace)
        json.add("keeps_leftovers", keepsLeftovers)
        json.add("output_limit", outputLimit)
        json.add("is_server", isServer)
        json.add("requested_at", requestedAt)
        return json.finished
    }
}

extension ExitRecord {
    package var json: String {
        var json = JSONText()
        json.add("format", 1)
        json.add("operation", operation)
        json.add("status", status)
        json.add("signal", signal)
        json.add("timed_out", timedOut)
        json.add("interrupted", interrupted)
        json.add("not_started", notStarted)
        json.add("started_at", startedAt)
        json.add("ended_at", endedAt)
        json.add("output_kept", outputKept)
        json.add("output_dropped", outputDropped)
        json.add("leftovers", leftovers)
        return json.finished
    }
}
