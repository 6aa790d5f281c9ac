/// Reads an Ansible inventory, in INI or YAML, or the hosts of an OpenSSH configuration, into an `Inventory`, or into
/// everything that is wrong with it.
package enum InventoryReader {
    /// - Parameter file: for messages, and by its ending: `.yaml`, `.yml` and `.json` are YAML.
    package static func read(_ bytes: [UInt8], file: String) throws(LabError) -> Inventory {
        guard bytes.count <= Inventory.bytesMax else {
            let limit = "\(Inventory.bytesMax >> 20) MiB"
            throw LabError([Diagnostic(file: file, message: "the inventory is larger than \(limit)")])
        }
        guard LabParser.firstInvalidByte(bytes) == nil else {
            throw LabError([Diagnostic(file: file, message: "the file is not UTF-8", hint: "save it as UTF-8")])
        }
        var sink = DiagnosticSink(SourceText(file: file, bytes: bytes))
        let isYaml = [".yaml", ".yml", ".json"].contains(where: file.hasSuffix)
        let inventory = isYaml ? yaml(&sink) : ini(bytes, &sink)
        if sink.errorCount > 0 { throw LabError(sink.sorted, omitted: sink.omitted) }
        return inventory
    }

    // MARK: INI

    private enum Section {
        case hosts(String?)
        case children(String)
        case variables(String)
    }

    private static func ini(_ bytes: [UInt8], _ sink: inout DiagnosticSink) -> Inventory {
        var inventory = Inventory()
        var section = Section.hosts(nil)
        let lines = String(decoding: bytes, as: UTF8.self).split(separator: "\n", omittingEmptySubsequences: false)
        for (index, raw) in lines.enumerated() {
            let line = raw.drop { $0 == " " || $0 == "\t" }
            let span = Span(at: Mark(line: index + 1, column: raw.count - line.count + 1), length: max(1, line.count))
            if line.isEmpty || line.hasPrefix("#") || line.hasPrefix(";") || line == "\r" { continue }
            if line.hasPrefix("[") {
                if let next = header(line) {
                    section = next
                    switch next {
                    case .hosts(let group?), .children(let group), .variables(let group): inventory.add(group: group)
                    case .hosts(nil): break
                    }
                } else {
                    let hint = "such as [web], [web:children] or [web:vars]"
                    sink.add(span, "a section of an inventory is a name in brackets", hint: hint)
                }
                continue
            }
            guard let words = words(line) else {
                sink.add(span, "a quote is opened and not closed")
                continue
            }
            guard let first = words.first else { continue }
            switch section {
            case .hosts(let group): addHosts(first, words.dropFirst(), group, span, &inventory, &sink)
            case .children(let group): inventory.add(child: first, to: group)
            case .variables(let group):
                let parts = line.split(separator: "=", maxSplits: 1)
                guard parts.count == 2, let value = self.words(parts[1]) else {
                    sink.add(span, "'\(line)' is no variable: write name=value")
                    continue
                }
                inventory.set(trimmed(parts[0]), value.joined(separator: " "), of: group)
            }
        }
        return inventory
    }

    private static func header(_ line: Substring) -> Section? {
        guard let close = line.firstIndex(of: "]") else { return nil }
        let parts = line[line.index(after: line.startIndex)..<close].split(separator: ":")
        guard let name = parts.first.map(String.init), !name.isEmpty else { return nil }
        switch (parts.count, parts.dropFirst().first) {
        case (1, _): return .hosts(name == "ungrouped" ? nil : name)
        case (2, "children"?): return .children(name)
        case (2, "vars"?): return .variables(name)
        default: return nil
        }
    }

    private static func addHosts(
        _ pattern: String,
        _ words: ArraySlice<String>,
        _ group: String?,
        _ span: Span,
        _ inventory: inout Inventory,
        _ sink: inout DiagnosticSink
    ) {
        var variables: [String: String] = [:]
        for word in words {
            let parts = word.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            guard parts.count == 2, !parts[0].isEmpty else {
                sink.add(span, "'\(word)' is no variable of '\(pattern)': write name=value")
                continue
            }
            variables[String(parts[0])] = String(parts[1])
        }
        guard let names = HostRange.names(pattern) else {
            sink.add(span, "'\(pattern)' has a range that is none", hint: "such as web[01:10] or db[a:f]")
            return
        }
        guard inventory.hostNames.count + names.count <= Inventory.hostsMax else {
            return sink.add(span, "an inventory has at most \(Inventory.hostsMax) hosts")
        }
        for var name in names {
            var own = variables
            // `host:2222`, unless it is an address of IPv6.
            let parts = name.split(separator: ":")
            if parts.count == 2, let port = Int(parts[1]) {
                own["ansible_port"] = own["ansible_port"] ?? String(port)
                name = String(parts[0])
            }
            inventory.add(host: name, own, to: group)
        }
    }

    /// The words of a line, with quotes taken off, up to a comment; nil when a quote is not closed.
    private static func words(_ line: some StringProtocol) -> [String]? {
        var words: [String] = []
        var word: String?
        var quote: Character?
        for character in line {
            if let open = quote {
                if character == open { quote = nil } else { word = (word ?? "") + String(character) }
            } else if character == "\"" || character == "'" {
                quote = character
                word = word ?? ""
            } else if character.isWhitespace {
                if let whole = word { words.append(whole) }
                word = nil
            } else if character == "#", word == nil {
                break
            } else {
                word = (word ?? "") + String(character)
            }
        }
        if let whole = word { words.append(whole) }
        return quote == nil ? words : nil
    }

    private static func trimmed(_ text: Substring) -> String {
        let text = text.drop { $0.isWhitespace }
        return String(text.reversed().drop { $0.isWhitespace }.reversed())
    }

    // MARK: YAML

    private static func yaml(_ sink: inout DiagnosticSink) -> Inventory {
        var inventory = Inventory()
        guard let root = YamlComposer.compose(into: &sink), !root.isNull else { return inventory }
        for entry in entries(root, "an inventory", &sink) {
            readGroup(entry, depth: 0, &inventory, &sink)
        }
        return inventory
    }

    private static func entries(_ node: YamlNode, _ what: String, _ sink: inout DiagnosticSink) -> [YamlNode.Entry] {
        if node.isNull { return [] }
        if case .mapping(let entries) = node.value { return entries }
        sink.add(node.span, "\(what) wants a mapping, not \(node.kindWord)")
        return []
    }

    private static func readGroup(
        _ entry: YamlNode.Entry,
        depth: Int,
        _ inventory: inout Inventory,
        _ sink: inout DiagnosticSink
    ) {
        let group = entry.key
        guard depth <= Inventory.depthMax else {
            return sink.add(entry.keySpan, "groups are nested more than \(Inventory.depthMax) deep")
        }
        inventory.add(group: group)
        for part in entries(entry.value, "group '\(group)'", &sink) {
            let inner = entries(part.value, "'\(part.key)' of group '\(group)'", &sink)
            switch part.key {
            case "hosts":
                for host in inner { readHosts(host, group, &inventory, &sink) }
            case "children":
                for child in inner {
                    if group != "all" { inventory.add(child: child.key, to: group) }
                    readGroup(child, depth: depth + 1, &inventory, &sink)
                }
            case "vars":
                for variable in inner { inventory.set(variable.key, text(variable.value), of: group) }
            default:
                let hint = "its keys are hosts, children and vars"
                sink.add(part.keySpan, "unknown key '\(part.key)' in group '\(group)'", hint: hint)
            }
        }
    }

    private static func readHosts(
        _ entry: YamlNode.Entry,
        _ group: String,
        _ inventory: inout Inventory,
        _ sink: inout DiagnosticSink
    ) {
        guard let names = HostRange.names(entry.key) else {
            let hint = "such as web[01:10] or db[a:f]"
            return sink.add(entry.keySpan, "'\(entry.key)' has a range that is none", hint: hint)
        }
        guard inventory.hostNames.count + names.count <= Inventory.hostsMax else {
            return sink.add(entry.keySpan, "an inventory has at most \(Inventory.hostsMax) hosts")
        }
        var variables: [String: String] = [:]
        for variable in entries(entry.value, "host '\(entry.key)'", &sink) {
            variables[variable.key] = text(variable.value)
        }
        for name in names { inventory.add(host: name, variables, to: group == "all" ? nil : group) }
    }

    /// A single value; of others only their presence counts.
    private static func text(_ node: YamlNode) -> String {
        if case .scalar(let text, _) = node.value, !node.isNull { text } else { "" }
    }

    // MARK: OpenSSH

    /// The hosts that an OpenSSH configuration names one by one: its `Host` lines without patterns.
    package static func hosts(inConfiguration bytes: [UInt8]) -> [String] {
        var names: [String] = []
        for line in String(decoding: bytes, as: UTF8.self).split(separator: "\n") {
            let parts = line.split { $0 == " " || $0 == "\t" || $0 == "=" || $0 == "\r" }
            guard let keyword = parts.first, keyword.lowercased() == "host" else { continue }
            for part in parts.dropFirst() {
                let name = part.filter { $0 != "\"" }
                if name.hasPrefix("#") { break }
                if !name.isEmpty, !name.contains(where: { "*?!".contains($0) }), !names.contains(name),
                    names.count < Inventory.hostsMax
                {
                    names.append(name)
                }
            }
        }
        return names
    }
}
