/// Makes a value of the one document of a file, as fmf's loader does: YAML 1.2, with merge keys that 1.1 had.
struct FMFReader: ~Copyable {
    static let depthMax = 100
    /// Values that aliases may add, counted once for each use and through aliases in aliases.
    static let aliasedValuesMax = 200_000
    private static let problemsMax = 100

    /// A value with how deep it goes and how many values it has.
    private struct Measured {
        var value: FMFValue
        var height = 0
        var size = 1
    }

    /// What an alias of a name stands for: of several such anchors, that which began last.
    private struct Anchor {
        let number: Int
        /// Nil while it is being read: an alias to it would put a value into itself.
        var measured: Measured?
    }

    private let events: YamlEvents
    private let file: Int32
    private var isOld = false
    private var anchors: [String: Anchor] = [:]
    private var anchorCount = 0
    private var aliasedValues = 0
    private var problems: [YamlProblem] = []
    private var hasAnchors = false
    private var tabs: FMFTabs

    private init(_ events: consuming YamlEvents, _ source: SourceText, file: Int32) {
        tabs = FMFTabs(source)
        self.events = events
        self.file = file
    }

    /// The document; `.null` when there is none, nil when something is wrong, which the sink is told.
    /// `hasAnchors`: whether any of its mappings may be reached in several ways.
    static func read(file: Int32, into sink: inout DiagnosticSink) -> (value: FMFValue, hasAnchors: Bool)? {
        let source = sink.source
        if let problem = YamlComposer.tooManyDirectives(source) {
            sink.add(problem.span, problem.message)
            return nil
        }
        return source.bytes.withUnsafeBufferPointer { bytes in
            var reader = FMFReader(YamlEvents(bytes, source: source), source, file: file)
            var root: FMFValue?
            do throws(YamlProblem) {
                root = try reader.document()
            } catch {
                reader.problems.append(error)
            }
            for problem in reader.problems {
                sink.add(problem.span, problem.message, hint: problem.hint, notes: problem.notes)
            }
            guard let root, reader.problems.isEmpty else { return nil }
            return (root, reader.hasAnchors)
        }
    }

    private mutating func document() throws(YamlProblem) -> FMFValue {
        let start = try events.next()
        guard case .documentStart = start.kind else { return .null }
        isOld = start.isVersion1_1
        let root = try value(events.next(), depth: 1, isShared: false)
        _ = try events.next()
        let end = try events.next()
        if case .documentStart = end.kind {
            let hint = "a file of metadata is one document; take the '---' out or make two files"
            report(end.span, "a second document begins here", hint: hint)
        }
        if let mark = tabs.firstWrong { reportTab(at: Span(at: mark)) }
        return root.value
    }

    private mutating func reportTab(at span: Span) {
        report(span, "a tab stands where none may", hint: "use spaces; in quotes a tab is a character")
    }

    private mutating func report(_ span: Span, _ message: String, hint: String = "", notes: [(String, Span)] = []) {
        guard problems.count < Self.problemsMax else { return }
        problems.append(YamlProblem(span: span, message: message, hint: hint, notes: notes))
    }

    private mutating func value(
        _ event: YamlEvents.Event,
        depth: Int,
        isShared: Bool
    ) throws(YamlProblem) -> Measured {
        if case .alias(let name) = event.kind { return try alias(name, event.span, depth: depth) }
        let isShared = isShared || event.anchor != nil
        if let anchor = event.anchor {
            hasAnchors = true
            anchorCount += 1
            anchors[anchor] = Anchor(number: anchorCount)
        }
        let number = anchorCount
        let result: Measured
        switch event.kind {
        case .scalar(let text, let isPlain):
            if !isPlain { tabs.cover(event.span) } else if text.utf8.contains(0x09) { reportTab(at: event.span) }
            result = Measured(value: scalar(text, isPlain: isPlain, event))
        case .sequenceStart:
            checkTag(event, "seq")
            result = try sequence(event, depth: depth, isShared: isShared)
        case .mappingStart:
            checkTag(event, "map")
            result = try mapping(event, depth: depth, isShared: isShared)
        case .alias, .streamEnd, .documentStart, .documentEnd, .sequenceEnd, .mappingEnd:
            throw YamlProblem(span: event.span, message: "no YAML: a value is missing here")
        }
        if let anchor = event.anchor, anchors[anchor]?.number == number { anchors[anchor]?.measured = result }
        return result
    }

    private mutating func alias(_ name: String, _ span: Span, depth: Int) throws(YamlProblem) -> Measured {
        guard let anchor = anchors[name] else {
            let message = "no '&\(name)' before this '*\(name)'"
            throw YamlProblem(span: span, message: message, hint: "put text that begins with '*' in quotes")
        }
        guard let measured = anchor.measured else {
            let hint = "a value cannot contain itself"
            throw YamlProblem(span: span, message: "'*\(name)' stands inside of what '&\(name)' names", hint: hint)
        }
        guard depth + measured.height <= Self.depthMax else { throw .tooDeep(span) }
        let (sum, overflow) = aliasedValues.addingReportingOverflow(measured.size)
        guard !overflow, sum <= Self.aliasedValuesMax else {
            let message = "aliases make the file more than \(Self.aliasedValuesMax) values larger"
            throw YamlProblem(span: span, message: message)
        }
        aliasedValues = sum
        return measured
    }

    private mutating func scalar(_ text: String, isPlain: Bool, _ event: YamlEvents.Event) -> FMFValue {
        do throws(FMFProblem) {
            guard let tag = event.tag, tag != "!" else {
                // A lone `!` has quotes ignored.
                return isPlain || event.tag != nil ? try FMFScalar.resolve(text, isOld: isOld) : .string(text)
            }
            guard tag.hasPrefix(Self.ownTags) else { throw FMFProblem("the tag '\(tag)' is not read") }
            return try FMFScalar.resolve(text, tag: String(tag.dropFirst(Self.ownTags.count)), isOld: isOld)
        } catch {
            report(event.span, error.message, hint: error.hint)
            return .null
        }
    }

    private static let ownTags = "tag:yaml.org,2002:"

    private mutating func checkTag(_ event: YamlEvents.Event, _ word: String) {
        guard let tag = event.tag, tag != "!", tag != Self.ownTags + word else { return }
        let shown = tag.hasPrefix(Self.ownTags) ? "!!" + tag.dropFirst(Self.ownTags.count) : tag
        report(event.span, "the tag '\(shown)' is not read", hint: "leave it out")
    }

    private mutating func sequence(
        _ start: YamlEvents.Event,
        depth: Int,
        isShared: Bool
    ) throws(YamlProblem) -> Measured {
        guard depth < Self.depthMax else { throw .tooDeep(start.span) }
        var items: [FMFValue] = []
        var (height, size) = (0, 1)
        while true {
            let event = try events.next()
            if case .sequenceEnd = event.kind {
                coverFlow(start, event)
                return Measured(value: .list(items), height: height + 1, size: size)
            }
            let item = try value(event, depth: depth + 1, isShared: isShared)
            items.append(item.value)
            (height, size) = (max(height, item.height), Self.sum(size, item.size))
        }
    }

    /// Tabs may stand between brackets.
    private mutating func coverFlow(_ start: YamlEvents.Event, _ end: YamlEvents.Event) {
        // Only a bracket takes room.
        guard start.span.end > start.span.start else { return }
        tabs.cover(Span(start: start.span.start, end: end.span.end))
    }

    private static func sum(_ a: Int, _ b: Int) -> Int {
        let (sum, overflow) = a.addingReportingOverflow(b)
        return overflow ? .max : sum
    }

    private mutating func mapping(
        _ start: YamlEvents.Event,
        depth: Int,
        isShared: Bool
    ) throws(YamlProblem) -> Measured {
        guard depth < Self.depthMax else { throw .tooDeep(start.span) }
        var own = FMFMap()
        var merged: FMFMap?
        var duplicates: [(key: FMFKey, span: Span)] = []
        var (height, size) = (0, 1)
        while true {
            let event = try events.next()
            if case .mappingEnd = event.kind {
                coverFlow(start, event)
                break
            }
            let isMerge = Self.isMergeKey(event)
            let key = isMerge || Self.isValueKey(event) ? nil : try self.value(event, depth: depth + 1, isShared: false)
            let valueEvent = try events.next()
            let value = try value(valueEvent, depth: depth + 1, isShared: isShared)
            (height, size) = (max(height, value.height), Self.sum(size, 1 + value.size))
            if isMerge {
                if merged != nil { report(event.span, "a second '<<' in one mapping", hint: "'<<' takes a list, too") }
                if let more = mergeable(value.value, valueEvent.span), !more.isEmpty { merged = more }
                continue
            }
            guard let name = FMFKey(key?.value ?? .string("=")) else {
                report(event.span, "a key must be a single value, not \(key?.value.kindWord ?? "")")
                continue
            }
            if own.position(of: name) != nil { duplicates.append((name, event.span)) }
            own.set(name, value.value, at: place(event.span))
        }
        // What a merge brings in has its check of duplicates left out, as the loader leaves it out.
        if merged == nil { for duplicate in duplicates { reportDuplicate(duplicate.key, duplicate.span, in: own) } }
        var map = merged ?? own
        if merged != nil { for entry in own.entries { map.set(entry.key, entry.value, at: entry.place) } }
        return Measured(value: isShared ? .shared(FMFCell(map)) : .map(map), height: height + 1, size: size)
    }

    private func place(_ span: Span) -> FMFPlace {
        FMFPlace(file: file, line: Int32(clamping: span.start.line), column: Int32(clamping: span.start.column))
    }

    private mutating func reportDuplicate(_ key: FMFKey, _ span: Span, in map: FMFMap) {
        let name = (try? FMFText.text(of: key.value)) ?? ""
        report(span, "duplicate key '\(name)'", hint: "keep one of them")
    }

    private static func isMergeKey(_ event: YamlEvents.Event) -> Bool { isPlain(event, "<<") }
    private static func isValueKey(_ event: YamlEvents.Event) -> Bool { isPlain(event, "=") }

    private static func isPlain(_ event: YamlEvents.Event, _ word: String) -> Bool {
        guard case .scalar(let text, let isPlain) = event.kind else { return false }
        return isPlain && text == word && (event.tag == nil || event.tag == "!") && event.anchor == nil
    }

    /// The entries that `<<: *defaults` brings. Of a list, the first mapping that has a key gives its value.
    private mutating func mergeable(_ value: FMFValue, _ span: Span) -> FMFMap? {
        if let map = value.map { return map }
        var merged = FMFMap()
        for item in (value.list ?? [.null]).reversed() {
            guard let map = item.map else {
                report(span, "'<<' wants a mapping or a list of mappings", hint: "such as '<<: *defaults'")
                return nil
            }
            for entry in map.entries { merged.set(entry.key, entry.value, at: entry.place) }
        }
        return merged
    }
}
