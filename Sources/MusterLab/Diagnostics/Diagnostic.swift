/// Something wrong in a lab file, or in what was given with it: where, what, and what would be right.
package struct Diagnostic: Hashable, Sendable, Error {
    package enum Severity: String, Hashable, Sendable, Codable { case error, warning }

    /// Another place that belongs to the matter: an edge of a cycle, the first of two equal keys.
    package struct Note: Hashable, Sendable, Codable {
        package var message: String
        package var file: String
        package var line: Int
        package var column: Int

        package init(message: String, file: String, line: Int, column: Int) {
            self.message = message
            self.file = file
            self.line = line
            self.column = column
        }
    }

    package var severity: Severity
    /// The file as its user named it, or what else was wrong: `--var colour=red`.
    package var file: String
    /// From 1; 0 when the matter is the file as a whole.
    package var line: Int
    /// Characters from 1; 0 when the matter is the file as a whole.
    package var column: Int
    /// Characters that the matter takes on its line.
    package var length: Int
    package var message: String
    /// What would be right; empty when the message says it.
    package var hint: String
    package var notes: [Note]
    /// The line itself, or a part of a very long one; nil where the notes say more than the line.
    package var source: String?
    /// How many characters of the line stand before `source`.
    package var sourceOffset: Int

    package init(
        _ severity: Severity = .error,
        file: String,
        line: Int = 0,
        column: Int = 0,
        length: Int = 0,
        message: String,
        hint: String = "",
        notes: [Note] = [],
        source: String? = nil,
        sourceOffset: Int = 0
    ) {
        self.severity = severity
        self.file = file
        self.line = line
        self.column = column
        self.length = length
        self.message = message
        self.hint = hint
        self.notes = notes
        self.source = source
        self.sourceOffset = sourceOffset
    }

    /// `lab.yaml:4:11`, or the file alone.
    package var place: String { line > 0 ? "\(file):\(line):\(column)" : file }
}

extension Diagnostic: Encodable {
    private enum CodingKeys: String, CodingKey {
        case severity, file, line, column, length, message, hint, notes, source
    }

    /// The shape of `docs/formats/lab.md`: what does not apply is left out.
    package func encode(to encoder: any Encoder) throws {
        var object = encoder.container(keyedBy: CodingKeys.self)
        try object.encode(severity, forKey: .severity)
        try object.encode(file, forKey: .file)
        if line > 0 {
            try object.encode(line, forKey: .line)
            try object.encode(column, forKey: .column)
            try object.encode(length, forKey: .length)
        }
        try object.encode(message, forKey: .message)
        if !hint.isEmpty { try object.encode(hint, forKey: .hint) }
        if !notes.isEmpty { try object.encode(notes, forKey: .notes) }
        if let source { try object.encode(source, forKey: .source) }
    }
}

/// Why there is no lab: everything that is wrong with it, in the order of the file.
package struct LabError: Error, Hashable, Sendable, CustomStringConvertible {
    package var diagnostics: [Diagnostic]
    /// Errors beyond the number that is kept.
    package var omitted: Int

    package init(_ diagnostics: [Diagnostic], omitted: Int = 0) {
        self.diagnostics = diagnostics
        self.omitted = omitted
    }

    package var description: String { DiagnosticRenderer.render(diagnostics, omitted: omitted) }
}
