internal import MusterCore

/// `notify:` of a lab: where notifications of its nodes go.
extension LabReader {
    mutating func readNotify(_ entry: YamlNode.Entry) -> [NoticeSink] {
        var sinks: [NoticeSink] = []
        for (index, node) in (list(entry) ?? []).enumerated() {
            let owner = "sink \(index + 1) of 'notify'"
            guard let fields = fields(node, LabKeys.sink, of: owner) else { continue }
            let gap = fields["gap"].map { duration($0, example: "15s") } ?? NoticeSink.gapDefault
            guard let kind = kind(fields, LabKeys.sink, node, of: owner).flatMap({ fields[$0] }),
                let target = kind.key == "command" ? readSinkCommand(kind) : readWebhook(kind), let gap
            else { continue }
            let outlet = NoticeSink(target, gap: gap)
            if sinks.contains(where: { $0.name == outlet.name }) {
                sink.add(node.span, "'notify' has this sink twice", hint: "each is told once of everything")
            } else {
                sinks.append(outlet)
            }
        }
        if sinks.count > NoticeSink.countMax {
            sink.add(entry.keySpan, "'notify' has at most \(NoticeSink.countMax) sinks, not \(sinks.count)")
        }
        return sinks
    }

    /// A program and its arguments, without a shell. Everybody on the host can read them: no secrets.
    private mutating func readSinkCommand(_ entry: YamlNode.Entry) -> NoticeSink.Target? {
        guard let nodes = list(entry) else { return nil }
        var words: [Template] = []
        for node in nodes {
            guard let raw = scalar(node, key: entry.key, wants: "a word") else { return nil }
            guard let template = template(raw, node, .plain) else { return nil }
            if words.isEmpty, template.source.isEmpty {
                sink.add(node.span, "'command' wants a program, not an empty text")
                return nil
            }
            words.append(template)
        }
        guard !words.isEmpty else {
            sink.add(entry.value.span, "'command' wants a program and its arguments", hint: "command: [./tell, ops]")
            return nil
        }
        return .command(words)
    }

    private mutating func readWebhook(_ entry: YamlNode.Entry) -> NoticeSink.Target? {
        guard let raw = scalar(entry.value, key: entry.key, wants: "an address") else { return nil }
        guard let template = template(raw, entry.value, .text(.nobody)) else { return nil }
        guard template.nodes.isEmpty else {
            sink.add(entry.value.span, "'webhook' is an address outside of the lab, not one of its nodes")
            return nil
        }
        // One that begins with a secret is known only when it is used.
        if case .literal(let text)? = template.segments.first {
            guard ["http://", "https://"].contains(where: text.hasPrefix) else {
                let problem = "'webhook' wants an address that begins with https:// or http://"
                sink.add(entry.value.span, problem, hint: "such as https://host/path")
                return nil
            }
        } else if template.segments.isEmpty {
            sink.add(entry.value.span, "'webhook' wants an address, not an empty text")
            return nil
        }
        return .webhook(template)
    }
}
