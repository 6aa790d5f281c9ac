internal import CYaml

/// Why a text is no YAML, or more than Muster reads.
struct YamlProblem: Error {
    var span: Span
    var message: String
    var hint = ""
    var notes: [(String, Span)] = []

    static func tooDeep(_ span: Span) -> YamlProblem {
        YamlProblem(span: span, message: "values are nested more than \(YamlComposer.depthMax) deep")
    }
}

/// The events of libyaml over one text, which must outlive it.
///
/// Yams composes its own nodes from these, but refuses a mapping with a duplicate key as a whole and follows aliases
/// to any depth and size; so the nodes are composed here, from the parser that Yams brings.
struct YamlEvents: ~Copyable {
    struct Event {
        enum Kind {
            case streamEnd, documentEnd, sequenceEnd, mappingEnd
            case documentStart
            case alias(String)
            case scalar(String, isPlain: Bool)
            case sequenceStart
            case mappingStart
        }
        var kind: Kind
        var span: Span
        var anchor: String?
        var tag: String?
        /// Of the start of a document: whether it says that it is YAML 1.1.
        var isVersion1_1 = false
    }

    private let parser: UnsafeMutablePointer<yaml_parser_t>
    private let source: SourceText

    init(_ bytes: UnsafeBufferPointer<UInt8>, source: SourceText) {
        parser = .allocate(capacity: 1)
        parser.initialize(to: yaml_parser_t())
        yaml_parser_initialize(parser)
        yaml_parser_set_encoding(parser, YAML_UTF8_ENCODING)
        yaml_parser_set_input_string(parser, bytes.baseAddress, bytes.count)
        self.source = source
    }

    deinit {
        yaml_parser_delete(parser)
        parser.deallocate()
    }

    /// The next event. After the end of the stream, the end again.
    func next() throws(YamlProblem) -> Event {
        while true {
            var event = yaml_event_t()
            guard yaml_parser_parse(parser, &event) == 1 else { throw problem() }
            defer { yaml_event_delete(&event) }
            if event.type != YAML_STREAM_START_EVENT { return Self.event(&event) }
        }
    }

    private static func event(_ event: inout yaml_event_t) -> Event {
        let span = Span(start: mark(event.start_mark), end: mark(event.end_mark))
        switch event.type {
        case YAML_DOCUMENT_START_EVENT:
            let version = event.data.document_start.version_directive?.pointee
            let isOld = version.map { $0.major == 1 && $0.minor == 1 } ?? false
            return Event(kind: .documentStart, span: span, isVersion1_1: isOld)
        case YAML_DOCUMENT_END_EVENT: return Event(kind: .documentEnd, span: span)
        case YAML_SEQUENCE_END_EVENT: return Event(kind: .sequenceEnd, span: span)
        case YAML_MAPPING_END_EVENT: return Event(kind: .mappingEnd, span: span)
        case YAML_ALIAS_EVENT: return Event(kind: .alias(text(event.data.alias.anchor) ?? ""), span: span)
        case YAML_SCALAR_EVENT:
            let scalar = event.data.scalar
            let bytes = UnsafeBufferPointer(start: scalar.value, count: scalar.length)
            let isPlain = scalar.style == YAML_PLAIN_SCALAR_STYLE
            let kind = Event.Kind.scalar(String(decoding: bytes, as: UTF8.self), isPlain: isPlain)
            return Event(kind: kind, span: span, anchor: text(scalar.anchor), tag: text(scalar.tag))
        case YAML_SEQUENCE_START_EVENT:
            let start = event.data.sequence_start
            return Event(kind: .sequenceStart, span: span, anchor: text(start.anchor), tag: text(start.tag))
        case YAML_MAPPING_START_EVENT:
            let start = event.data.mapping_start
            return Event(kind: .mappingStart, span: span, anchor: text(start.anchor), tag: text(start.tag))
        default: return Event(kind: .streamEnd, span: span)  // no event at all: the stream has ended
        }
    }

    private static func text(_ pointer: UnsafeMutablePointer<yaml_char_t>?) -> String? {
        pointer.map { String(cString: $0) }
    }

    private static func mark(_ mark: yaml_mark_t) -> Mark { Mark(line: mark.line + 1, column: mark.column + 1) }

    private func problem() -> YamlProblem {
        let parser = parser.pointee
        let what = parser.problem.map { String(cString: $0) } ?? "it cannot be read"
        if parser.error == YAML_READER_ERROR {
            let span = Span(at: source.mark(ofByte: min(parser.problem_offset, source.bytes.count)))
            return YamlProblem(span: span, message: "no YAML: \(what)")
        }
        let span = Span(at: Self.mark(parser.problem_mark))
        if what.hasPrefix("Maximum nesting level") { return .tooDeep(span) }
        var problem = YamlProblem(span: span, message: "no YAML: \(what)")
        if let context = parser.context {
            problem.message += " " + String(cString: context)
            let begin = Self.mark(parser.context_mark)
            if begin != span.start { problem.notes = [("what is being read begins here", Span(at: begin))] }
        }
        problem.hint = hint(for: problem.message, at: span.start)
        return problem
    }

    /// What is usually behind a message of libyaml.
    private func hint(for problem: String, at mark: Mark) -> String {
        let line = source.line(mark.line)
        let offset = source.byte(of: mark)
        let byte = offset < line.endIndex ? line[offset] : 0
        let indent = line.prefix { $0 == 0x20 || $0 == 0x09 }
        if byte == 0x09 || (indent.contains(0x09) && problem.contains("expected")) {
            return "indent with spaces; YAML takes no tabs there"
        }
        if problem.contains("cannot start any token") {
            return "put text that begins with '\(Character(Unicode.Scalar(byte)))' in quotes"
        }
        if problem.contains("mapping values are not allowed") {
            return "put text that contains ': ' in quotes, or check the indentation"
        }
        if problem.contains("unexpected end of stream"), problem.contains("quoted") {
            return "the quote is never closed"
        }
        if problem.contains("did not find expected key") || problem.contains("did not find expected '-'") {
            return "check the indentation: keys of one mapping stand in one column"
        }
        if problem.contains("expected ',' or") { return "a bracket is not closed, or a comma is missing" }
        return ""
    }
}
