/// Why there is no tree: everything that is wrong with it, each with its place.
package struct FMFError: Error, Hashable, Sendable, CustomStringConvertible {
    /// In the order in which they were found.
    package var diagnostics: [Diagnostic]
    /// Errors beyond the number that is kept.
    package var omitted: Int

    /// - Parameter omitted: how many more there were.
    package init(_ diagnostics: [Diagnostic], omitted: Int = 0) {
        self.diagnostics = diagnostics
        self.omitted = omitted
    }

    /// For people: each with its line, and how many they are.
    package var description: String {
        DiagnosticRenderer.render(diagnostics, omitted: omitted, outcome: "the tree was not read")
    }
}

/// The files of a tree, by number, for messages about places in them.
struct FMFFiles {
    /// Of each, relative to the root.
    private(set) var paths: [String] = []
    private var sources: [SourceText] = []

    mutating func add(_ path: String, _ source: SourceText) -> Int32 {
        paths.append(path)
        sources.append(source)
        return Int32(clamping: paths.count - 1)
    }

    private func span(_ place: FMFPlace) -> Span {
        Span(at: Mark(line: Int(place.line), column: Int(place.column)))
    }

    /// A problem as it is told; `file` names what has no place.
    func diagnostic(_ problem: FMFProblem, file: String) -> Diagnostic {
        guard problem.place != .none else {
            return Diagnostic(file: file, message: problem.message, hint: problem.hint)
        }
        let source = sources[Int(problem.place.file)]
        var sink = DiagnosticSink(source)
        sink.add(span(problem.place), problem.message, hint: problem.hint)
        var diagnostic = sink.diagnostics[0]
        if let note = problem.note, note.place != .none {
            let source = sources[Int(note.place.file)]
            let place = source.place(of: span(note.place))
            diagnostic.notes = [
                Diagnostic.Note(message: note.message, file: source.file, line: place.line, column: place.column)
            ]
        }
        return diagnostic
    }
}
