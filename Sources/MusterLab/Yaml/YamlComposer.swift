/// Makes the nodes of one document from events, within limits that keep hostile files harmless.
struct YamlComposer: ~Copyable {
    static let depthMax = 100
    static let aliasesMax = 1_000
    /// Nodes that aliases may add, counted once for each use and through aliases in aliases.
    static let aliasedNodesMax = 200_000
    static let directivesMax = 16
    private static let problemsMax = 1_000

    private let events: YamlEvents
    private var anchors: [String: YamlNode] = [:]
    private var aliases = 0
    private var aliasedNodes = 0
    /// What is wrong and does not end the reading: duplicate keys, keys that are no text.
    private var problems: [YamlProblem] = []

    private init(_ events: consuming YamlEvents) { self.events = events }

    /// The root of the only document; nil when there is none. Problems that do not end the reading are reported to
    /// the sink.
    static func compose(into sink: inout DiagnosticSink) -> YamlNode? {
        let source = sink.source
        if let problem = tooManyDirectives(source) {
            sink.add(problem.span, problem.message)
            return nil
        }
        return source.bytes.withUnsafeBufferPointer { bytes in
            var composer = YamlComposer(YamlEvents(bytes, source: source))
            defer {
                for problem in composer.problems {
                    sink.add(problem.span, problem.message, hint: problem.hint, notes: problem.notes)
                }
            }
            do throws(YamlProblem) {
                return try composer.document()
            } catch {
                composer.problems.append(error)
                return nil
            }
        }
    }

    /// libyaml compares each directive with all before it.
    static func tooManyDirectives(_ source: SourceText) -> YamlProblem? {
        var count = 0
        for number in 1...source.lineCount where source.line(number).first == UInt8(ascii: "%") {
            count += 1
            guard count > directivesMax else { continue }
            let span = Span(at: Mark(line: number, column: 1))
            return YamlProblem(span: span, message: "more than \(directivesMax) YAML directives")
        }
        return nil
    }

    private mutating func document() throws(YamlProblem) -> YamlNode? {
        guard case .documentStart = try events.next().kind else { return nil }
        let root = try node(events.next(), depth: 1)
        _ = try events.next()
        let end = try events.next()
        if case .documentStart = end.kind {
            let hint = "a lab file is one document; take the '---' out or make two files"
            report(YamlProblem(span: end.span, message: "a second document begins here", hint: hint))
        }
        return root
    }

    private mutating func node(_ event: YamlEvents.Event, depth: Int) throws(YamlProblem) -> YamlNode {
        let node: YamlNode
        switch event.kind {
        case .alias(let name): return try alias(name, event.span, depth: depth)
        case .scalar(let text, let isPlain):
            let isText = checkedTag(event, allowed: ["str"]) == "str"
            node = YamlNode(.scalar(text, isPlain: isPlain && !isText), span: event.span)
        case .sequenceStart:
            _ = checkedTag(event, allowed: ["seq"])
            node = try sequence(event, depth: depth)
        case .mappingStart:
            _ = checkedTag(event, allowed: ["map"])
            node = try mapping(event, depth: depth)
        case .streamEnd, .documentStart, .documentEnd, .sequenceEnd, .mappingEnd:
            throw YamlProblem(span: event.span, message: "no YAML: a value is missing here")
        }
        if let anchor = event.anchor { anchors[anchor] = node }
        return node
    }

    private mutating func alias(_ name: String, _ span: Span, depth: Int) throws(YamlProblem) -> YamlNode {
        guard let node = anchors[name] else {
            let message = "no '&\(name)' before this '*\(name)'"
            throw YamlProblem(span: span, message: message, hint: "put text that begins with '*' in quotes")
        }
        aliases += 1
        guard aliases <= Self.aliasesMax else {
            throw YamlProblem(span: span, message: "more than \(Self.aliasesMax) aliases in one file")
        }
        guard depth + node.height <= Self.depthMax else { throw .tooDeep(span) }
        let (sum, overflow) = aliasedNodes.addingReportingOverflow(node.size)
        guard !overflow, sum <= Self.aliasedNodesMax else {
            let message = "aliases make the file more than \(Self.aliasedNodesMax) values larger"
            throw YamlProblem(span: span, message: message)
        }
        aliasedNodes = sum
        return node
    }

    private mutating func report(_ problem: YamlProblem) {
        if problems.count < Self.problemsMax { problems.append(problem) }
    }

    private mutating func sequence(
        _ start: YamlEvents.Event,
        depth: Int
    ) throws(YamlProblem) -> YamlNode {
        guard depth < Self.depthMax else { throw .tooDeep(start.span) }
        var nodes: [YamlNode] = []
        while true {
            let event = try events.next()
            if case .sequenceEnd = event.kind {
                return YamlNode(.sequence(nodes), span: Self.span(start, event))
            }
            nodes.append(try node(event, depth: depth + 1))
        }
    }

    private mutating func mapping(
        _ start: YamlEvents.Event,
        depth: Int
    ) throws(YamlProblem) -> YamlNode {
        guard depth < Self.depthMax else { throw .tooDeep(start.span) }
        var entries: [YamlNode.Entry] = []
        var merged: [YamlNode.Entry] = []
        var seen: [String: Span] = [:]
        while true {
            let event = try events.next()
            if case .mappingEnd = event.kind {
                // What is merged in gives way to what is written out.
                for entry in merged where seen[entry.key] == nil {
                    seen[entry.key] = entry.keySpan
                    entries.append(entry)
                }
                return YamlNode(.mapping(entries), span: Self.span(start, event))
            }
            let key = try node(event, depth: depth + 1)
            let value = try node(events.next(), depth: depth + 1)
            // The place of a key that is an alias is where the alias stands.
            guard case .scalar(let text, let isPlain) = key.value, !key.isNull else {
                report(YamlProblem(span: event.span, message: "a key must be text, not \(key.kindWord)"))
                continue
            }
            if text == "<<", isPlain {
                merged += merge(value, at: event.span)
            } else if let first = seen[text] {
                let message = "duplicate key '\(text)'"
                let notes = [("it is already given", first)]
                report(YamlProblem(span: event.span, message: message, hint: "keep one of them", notes: notes))
            } else {
                seen[text] = event.span
                entries.append(YamlNode.Entry(key: text, keySpan: event.span, value: value))
            }
        }
    }

    /// The entries that `<<: *defaults` brings.
    private mutating func merge(_ value: YamlNode, at span: Span) -> [YamlNode.Entry] {
        switch value.value {
        case .mapping(let entries): return entries
        case .sequence(let nodes):
            var entries: [YamlNode.Entry] = []
            for node in nodes {
                if case .mapping(let more) = node.value { entries += more } else { return notMergeable(span) }
            }
            return entries
        case .scalar: return notMergeable(span)
        }
    }

    private mutating func notMergeable(_ span: Span) -> [YamlNode.Entry] {
        report(YamlProblem(span: span, message: "'<<' wants a mapping, such as '<<: *defaults'"))
        return []
    }

    /// The tag without its prefix; a problem when it is not one of those allowed.
    private mutating func checkedTag(_ event: YamlEvents.Event, allowed: [String]) -> String? {
        guard let tag = event.tag, tag != "!" else { return nil }
        let prefix = "tag:yaml.org,2002:"
        let word = tag.hasPrefix(prefix) ? String(tag.dropFirst(prefix.count)) : tag
        if !allowed.contains(word) {
            let shown = tag.hasPrefix(prefix) ? "!!" + word : tag
            report(YamlProblem(span: event.span, message: "the tag '\(shown)' has no meaning in a lab file"))
        }
        return word
    }

    /// A flow collection ends at its bracket; a block one is shown by its first character.
    private static func span(_ start: YamlEvents.Event, _ end: YamlEvents.Event) -> Span {
        let isFlow = start.span.end > start.span.start
        return isFlow ? Span(start: start.span.start, end: end.span.end) : Span(at: start.span.start)
    }
}
