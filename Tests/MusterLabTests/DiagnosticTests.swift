import Foundation
import Testing

@testable import MusterLab

@Suite struct DiagnosticTests {
    @Test func theLastLineCountsErrorsAndWarnings() {
        let error = Diagnostic(file: "f", message: "wrong")
        let warning = Diagnostic(.warning, file: "f", line: 3, column: 2, length: 1, message: "odd", source: "abc")
        #expect(DiagnosticRenderer.render([]) == "")
        #expect(DiagnosticRenderer.render([error]) == "f: wrong\n1 error; nothing was started\n")
        #expect(
            DiagnosticRenderer.render([error, error, warning]) == """
                f: wrong
                f: wrong
                f:3:2: warning: odd
                    3 | abc
                      |  ^
                2 errors, 1 warning; nothing was started

                """
        )
        #expect(DiagnosticRenderer.render([warning]).hasSuffix("^\n1 warning\n"))
    }

    @Test func longLinesAreShownInPart() {
        let text =
            "lab: a\ngroups: {g: {}}\nresults: {directory: \"" + String(repeating: "x", count: 400) + "\", nope: 1}"
        let lines = complaints(text).split(separator: "\n")
        #expect(lines[0].hasPrefix("lab.yaml:3:426: unknown key 'nope'"))
        #expect(lines[1].count < 180)
        let caret = lines[2].distance(from: lines[2].startIndex, to: lines[2].firstIndex(of: "^")!)
        #expect(Array(lines[1])[caret..<(caret + 4)] == ["n", "o", "p", "e"])
    }

    @Test func nothingInAFileReachesTheTerminalAsAControl() {
        let text = complaints("lab: a\ngroups: {g: {}}\n\"x\\e[31m\\u202Ey\": 1")
        #expect(!text.contains("\u{1B}"))
        #expect(!text.contains("\u{202E}"))
    }

    @Test func theJSONShapeLeavesOutWhatDoesNotApply() throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = .sortedKeys
        func json(_ diagnostic: Diagnostic) throws -> String {
            String(decoding: try encoder.encode(diagnostic), as: UTF8.self)
        }
        #expect(try json(Diagnostic(file: "f", message: "m")) == #"{"file":"f","message":"m","severity":"error"}"#)
        let note = Diagnostic.Note(message: "n", file: "f", line: 1, column: 2)
        let full = Diagnostic(
            file: "f",
            line: 3,
            column: 4,
            length: 5,
            message: "m",
            hint: "h",
            notes: [note],
            source: "s"
        )
        #expect(
            try json(full)
                == #"{"column":4,"file":"f","hint":"h","length":5,"line":3,"message":"m","#
                + #""notes":[{"column":2,"file":"f","line":1,"message":"n"}],"severity":"error","source":"s"}"#
        )
    }
}
