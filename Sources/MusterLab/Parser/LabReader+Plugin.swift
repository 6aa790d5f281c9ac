import Foundation
internal import MusterCore

/// `plugin:` of a step: a machine that a program of the user's makes.
extension LabReader {
    mutating func readPlugin(_ entry: YamlNode.Entry, _ user: User) -> ProvisionStep.Kind? {
        guard let fields = fields(entry.value, LabKeys.plugin, of: "'plugin'", at: entry.keySpan) else { return nil }
        let words = fields["command"].flatMap { readProgram($0) }
        let options = fields["options"].map { readOptions($0) } ?? "{}"
        let timeout = fields["timeout"].map { duration($0, example: "5m") } ?? Defaults.pluginTimeout
        let run = fields["run"].map { command($0, user) } ?? .some(nil)
        guard let words, let options, let timeout, let run else { return nil }
        return .machine(.plugin(PluginMachine(command: words, options: options, timeout: timeout)), run: run)
    }

    /// A program and its arguments, without a shell; a text is cut at its spaces. One that begins with `./` is a file
    /// of the lab.
    private mutating func readProgram(_ entry: YamlNode.Entry) -> [String]? {
        let errors = sink.errorCount
        var words = texts(entry, wants: "a program and its arguments", mayBeSingle: true)
        guard sink.errorCount == errors else { return nil }
        if case .scalar = entry.value.value, let (text, span) = words.first {
            if text.contains(where: { "'\"\\|&;<>()$`*?".contains($0) }) {
                let message = "'command' is run without a shell"
                sink.add(span, message, hint: "write its words as a list: command: [./driver, 'a b']")
                return nil
            }
            words = text.split(whereSeparator: \.isWhitespace).map { (String($0), span) }
        }
        guard let (program, span) = words.first else {
            sink.add(entry.value.span, "'command' wants a program and its arguments", hint: "command: ./driver")
            return nil
        }
        if let bad = words.first(where: { $0.text.unicodeScalars.contains("\0") }) {
            sink.add(bad.span, "'command' holds a NUL, which no command can")
            return nil
        }
        guard program.contains("/"), !program.hasPrefix("/") else { return words.map(\.text) }
        guard program.hasPrefix("./") else {
            sink.add(span, "'\(program)' is neither a name in PATH nor an absolute path", hint: "write './\(program)'")
            return nil
        }
        guard let path = source(String(program.dropFirst(2)), span) else { return nil }
        return ["./" + path] + words.dropFirst().map(\.text)
    }

    /// What the program is told, as a JSON object: plain `true`, `null` and numbers are such, all else is text.
    private mutating func readOptions(_ entry: YamlNode.Entry) -> String? {
        guard case .mapping = entry.value.value else {
            let hint = "such as { region: north }"
            sink.add(entry.value.span, "'options' wants a mapping, not \(entry.value.kindWord)", hint: hint)
            return nil
        }
        let errors = sink.errorCount
        let value = json(entry.value)
        guard sink.errorCount == errors,
            let data = try? JSONSerialization.data(
                withJSONObject: value,
                options: [.sortedKeys, .withoutEscapingSlashes]
            )
        else { return nil }
        return String(decoding: data, as: UTF8.self)
    }

    private mutating func json(_ node: YamlNode) -> Any {
        switch node.value {
        case .mapping(let entries):
            var object: [String: Any] = [:]
            for entry in entries { object[entry.key] = json(entry.value) }
            return object
        case .sequence(let nodes):
            var list: [Any] = []
            for node in nodes { list.append(json(node)) }
            return list
        case .scalar(let raw, let isPlain):
            guard isPlain, !Interpolation.contains(raw) else { return plainText(raw, node) ?? "" }
            if node.isNull { return NSNull() }
            if raw == "true" || raw == "false" { return raw == "true" }
            // 010 is eight to some and ten to others: it stays text.
            let digits = raw.hasPrefix("-") ? raw.dropFirst() : raw[...]
            if digits.first?.isNumber == true, digits.first != "0" || digits.count == 1 || digits.hasPrefix("0.") {
                if let number = Int(raw) { return number }
                if let number = Double(raw), number.isFinite { return number }
            }
            return raw
        }
    }
}
