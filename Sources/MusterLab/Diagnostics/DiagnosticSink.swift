/// Collects what is wrong while a lab is read, with a bound on how much is kept.
struct DiagnosticSink: Sendable {
    /// Where spans stand.
    var source: SourceText
    private(set) var diagnostics: [Diagnostic] = []
    /// Errors that were counted and not kept.
    private(set) var omitted = 0
    /// Comparisons left for suggestions, so that thousands of unknown names against thousands of right ones stay cheap.
    private var comparisonsLeft = 20_000

    static let keptMax = 200

    init(_ source: SourceText) { self.source = source }

    private(set) var errorCount = 0

    mutating func add(_ diagnostic: Diagnostic) {
        if diagnostic.severity == .error { errorCount += 1 }
        if diagnostics.count < Self.keptMax {
            diagnostics.append(diagnostic)
        } else if diagnostic.severity == .error {
            omitted += 1
        }
    }

    /// Something wrong at a place of the file.
    mutating func add(
        _ span: Span,
        _ message: String,
        hint: String = "",
        notes: [(String, Span)] = [],
        showsSource: Bool = true
    ) {
        add(.error, span, message, hint: hint, notes: notes, showsSource: showsSource)
    }

    /// Something odd at a place of the file.
    mutating func warn(_ span: Span, _ message: String, hint: String = "") {
        add(.warning, span, message, hint: hint, notes: [], showsSource: true)
    }

    private mutating func add(
        _ severity: Diagnostic.Severity,
        _ span: Span,
        _ message: String,
        hint: String,
        notes: [(String, Span)],
        showsSource: Bool
    ) {
        guard diagnostics.count < Self.keptMax else {
            if severity == .error {
                errorCount += 1
                omitted += 1
            }
            return
        }
        if severity == .error { errorCount += 1 }
        let place = source.place(of: span)
        let notes = notes.map { message, span in
            let place = source.place(of: span)
            return Diagnostic.Note(message: message, file: source.file, line: place.line, column: place.column)
        }
        diagnostics.append(
            Diagnostic(
                severity,
                file: source.file,
                line: place.line,
                column: place.column,
                length: place.length,
                message: printable(message),
                hint: printable(hint),
                notes: notes,
                source: showsSource ? place.excerpt?.text : nil,
                sourceOffset: place.excerpt?.dropped ?? 0
            )
        )
    }

    /// The candidate nearest to a word, at most two edits away.
    mutating func nearest(to word: String, among candidates: some Sequence<String>) -> String? {
        Nearest.word(to: word, among: candidates, comparisonsLeft: &comparisonsLeft)
    }

    /// `did you mean 'needs'?`, or what else is known.
    mutating func suggestion(for word: String, among candidates: [String], otherwise: String = "") -> String {
        if let nearest = nearest(to: word, among: candidates) { return "did you mean '\(nearest)'?" }
        return otherwise
    }

    /// Everything in the order of the file, and that of other files after it; what has no line comes first.
    var sorted: [Diagnostic] {
        func file(_ diagnostic: Diagnostic) -> String { diagnostic.file == source.file ? "" : diagnostic.file }
        return diagnostics.enumerated().sorted {
            (file($0.element), $0.element.line, $0.element.column, $0.offset)
                < (file($1.element), $1.element.line, $1.element.column, $1.offset)
        }.map(\.element)
    }
}
