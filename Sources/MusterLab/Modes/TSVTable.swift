internal import MusterCore

/// Rows of text parted by tabs, with a line of column names, and where each stands.
struct TSVTable {
    struct Row {
        let line: Int
        let fields: [String: String]
        let text: String

        subscript(column: String) -> String { fields[column] ?? "" }
    }

    let file: String
    private(set) var rows: [Row] = []

    /// - Parameter required: columns without which the table says nothing.
    init(_ bytes: [UInt8], file: String, required: [String]) throws(LabError) {
        self.file = file
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw LabError([Diagnostic(file: file, message: "the file is not UTF-8", hint: "save it as UTF-8")])
        }
        let lines = text.split(omittingEmptySubsequences: false) { $0 == "\n" || $0 == "\r\n" }
        let columns = (lines.first ?? "").split(separator: "\t", omittingEmptySubsequences: false).map(String.init)
        let missing = required.filter { !columns.contains($0) }
        guard missing.isEmpty else {
            let message = "the first line names the columns, and lacks \(missing.joined(separator: ", "))"
            throw LabError([Diagnostic(file: file, line: 1, column: 1, length: 1, message: message)])
        }
        var problems: [Diagnostic] = []
        for (index, line) in lines.enumerated().dropFirst() where !line.isEmpty {
            let values = line.split(separator: "\t", omittingEmptySubsequences: false).map(String.init)
            // An editor that strips blanks takes the empty last columns away.
            guard values.count <= columns.count, values.count >= required.count else {
                let message = "\(values.count) columns where the first line names \(columns.count)"
                problems.append(
                    Diagnostic(
                        file: file,
                        line: index + 1,
                        column: 1,
                        length: 1,
                        message: message,
                        source: String(line)
                    )
                )
                continue
            }
            var fields: [String: String] = [:]
            for (column, value) in zip(columns, values) { fields[column] = value }
            rows.append(Row(line: index + 1, fields: fields, text: String(line)))
        }
        guard problems.isEmpty else { throw LabError(Array(problems.prefix(DiagnosticSink.keptMax))) }
    }

    func place(of row: Row) -> ModePlace {
        ModePlace(
            file: file,
            line: row.line,
            column: 1,
            length: max(row.text.count, 1),
            source: printable(row.text),
            sourceOffset: 0
        )
    }

    func diagnostic(_ row: Row, _ message: String, hint: String = "") -> Diagnostic {
        Diagnostic(
            file: file,
            line: row.line,
            column: 1,
            length: max(row.text.count, 1),
            message: message,
            hint: hint,
            source: printable(row.text)
        )
    }
}
