/// The shape of files: length, width, doc comments, notes to oneself, paths of somebody's machine.
enum ShapeRules {
    static let linesMax = 450
    static let columnsMax = 120
    /// State machines that are each one machine and may be longer.
    static let machineLinesMax = 700
    static let machines: Set<String> = []

    static func length(of file: SwiftFile) -> [Finding] {
        let limit = machines.contains(file.path) ? machineLinesMax : linesMax
        guard file.lines.count > limit else { return [] }
        return [Finding(file.path, "\(file.lines.count) lines, \(limit) at most: one job each")]
    }

    /// A line that is text and nothing else may be longer: a message is found by searching for it.
    static func width(of file: SwiftFile) -> [Finding] {
        width(file.path, file.lines) { index in
            let code = file.code[index].drop(while: \.isWhitespace)
            return code.hasPrefix("\"") || code.hasPrefix("+ \"")
                || (code.isEmpty && file.comments[index].allSatisfy(\.isWhitespace))
        }
    }

    static func width(of file: TrackedFile) -> [Finding] { width(file.path, file.lines) { _ in false } }

    private static func width(_ path: String, _ lines: [String], isText: (Int) -> Bool) -> [Finding] {
        lines.indices.filter { lines[$0].count > columnsMax && !isText($0) }.map {
            Finding(path, $0 + 1, "\(lines[$0].count) columns, \(columnsMax) at most")
        }
    }

    /// Each `public` declaration says what it does.
    static func undocumented(in file: SwiftFile) -> [Finding] {
        let kinds: Set<Substring> = [
            "actor", "associatedtype", "class", "enum", "func", "init", "let", "protocol", "struct", "subscript",
            "typealias", "var",
        ]
        var findings: [Finding] = []
        for (index, code) in file.code.enumerated() {
            let words = code.split { $0.isWhitespace || $0 == "(" || $0 == "<" || $0 == "?" || $0 == "[" }
            guard let place = words.firstIndex(of: "public"), !words.contains("import"),
                words[place...].contains(where: kinds.contains)
            else { continue }
            var above = index - 1
            while above >= 0, file.code[above].drop(while: \.isWhitespace).first == "@" { above -= 1 }
            guard above < 0 || !file.comments[above].drop(while: \.isWhitespace).hasPrefix("///") else { continue }
            findings.append(Finding(file.path, index + 1, "a public declaration without a doc comment"))
        }
        return findings
    }

    private static let marks = ["TO" + "DO", "FIX" + "ME", "XX" + "X", "HA" + "CK"]

    /// Comments that put work off: it is done, or it is in the issue tracker.
    static func notes(in path: String, comments: [String]) -> [Finding] {
        var findings: [Finding] = []
        for (index, comment) in comments.enumerated() {
            let words = comment.split { !$0.isLetter && !$0.isNumber && $0 != "_" }
            for mark in marks where words.contains(Substring(mark)) {
                findings.append(Finding(path, index + 1, "\(mark): do it, or file it"))
            }
        }
        return findings
    }

    private static let folders = ["/ho" + "me/", "/ro" + "ot/", "/wo" + "rk/", "/Us" + "ers/"]

    /// Absolute paths that exist on one machine only.
    static func machinePaths(in file: TrackedFile) -> [Finding] {
        var findings: [Finding] = []
        for (index, line) in file.lines.enumerated() {
            for folder in folders {
                var rest = line[...]
                while let range = rest.firstRange(of: folder) {
                    rest = rest[range.upperBound...]
                    // `docs/work/a` and `$HOME/work/a` are no absolute paths.
                    if let previous = line[..<range.lowerBound].last,
                        previous.isLetter || previous.isNumber || "._-~}*".contains(previous)
                    {
                        continue
                    }
                    findings.append(Finding(file.path, index + 1, "a path of somebody's machine: \(folder)…"))
                }
            }
        }
        return findings
    }
}

extension Finding {
    init(_ path: String, _ message: String) { self.init(path, 0, message) }
}
