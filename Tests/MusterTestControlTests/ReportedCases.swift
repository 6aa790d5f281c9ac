import MusterTestControl

/// A stream, how the test ended, and what has to come of it.
struct ReportedCase: Sendable, CustomStringConvertible {
    let description: String
    let stream: [UInt8]
    var ending = Ending.exited(code: 0)
    let rows: [ResultRow]
    var files: [String: String] = [:]
    var error: ControlError?

    init(
        _ description: String,
        _ stream: [UInt8],
        _ ending: Ending = .exited(code: 0),
        rows: [ResultRow],
        files: [String: String] = [:],
        error: ControlError? = nil
    ) {
        self.description = description
        self.stream = stream
        self.ending = ending
        self.rows = rows
        self.files = files
        self.error = error
    }
}

private func final(
    _ outcome: ResultOutcome,
    reported: String? = nil,
    note: String? = nil,
    _ files: [ResultFile] = [],
    _ custom: JSONObject = [:]
) -> ResultRow {
    ResultRow(kind: .final, reported: reported, outcome: outcome, note: note, files: files, custom: custom)
}

private func sub(_ name: String, _ reported: String?, _ outcome: ResultOutcome, _ files: [ResultFile] = []) -> ResultRow
{
    ResultRow(kind: .subtest, name: name, reported: reported, outcome: outcome, files: files)
}

private func earlier(_ reported: String, _ outcome: ResultOutcome, _ files: [ResultFile] = []) -> ResultRow {
    ResultRow(kind: .superseded, reported: reported, outcome: outcome, files: files)
}

private func output(_ name: String = "output.txt", path: String? = nil) -> ResultFile {
    ResultFile(name, path: path, isOutput: true)
}

private let timeout = Ending.timedOut(after: 5_000_000)

extension ReportedCase {
    /// What ATEX tries of its results, with Muster's rows for it.
    static let all: [ReportedCase] = withoutResult + plain + subtests + withFiles + partials + outputs + broken

    static let withoutResult = [
        ReportedCase("a silent test that exits with 0 passes", [], rows: [final(.pass, [output()])]),
        ReportedCase(
            "a silent test that exits with 1 fails",
            [],
            .exited(code: 1),
            rows: [final(.fail, note: "exit 1", [output()])]
        ),
        ReportedCase(
            "a silent test that hangs fails",
            [],
            timeout,
            rows: [final(.fail, note: "timed out after 5s", [output()])]
        ),
    ]

    static let plain = [
        ReportedCase(
            "a pass on one line",
            Stream.result(#"{"status": "pass"}"#),
            rows: [final(.pass, reported: "pass")]
        ),
        ReportedCase(
            "a pass on several lines",
            Stream.result("{\n  \"status\": \"pass\"\n}"),
            rows: [final(.pass, reported: "pass")]
        ),
        ReportedCase(
            "of two results for the test the later one counts",
            Stream.result(#"{"status": "pass"}"#) + Stream.result(#"{"status": "fail"}"#),
            rows: [earlier("pass", .pass), final(.fail, reported: "fail")]
        ),
        ReportedCase(
            "a reported pass counts before exit code 1",
            Stream.result(#"{"status": "pass"}"#),
            .exited(code: 1),
            rows: [final(.pass, reported: "pass", note: "exit 1")]
        ),
        ReportedCase(
            "a reported pass does not count when the test then hangs",
            Stream.result(#"{"status": "pass"}"#),
            timeout,
            rows: [
                final(
                    .fail,
                    reported: "pass",
                    note: "timed out after 5s; the test had reported 'pass'",
                    [output()]
                )
            ]
        ),
        ReportedCase(
            "keys of its own",
            Stream.result(
                #"{"status": "pass", "a_text": "some text", "a_number": 123, "a_list": [1, 2], "an_object": {"k":"v"}}"#
            ),
            rows: [
                final(
                    .pass,
                    reported: "pass",
                    [],
                    ["a_text": "some text", "a_number": 123, "a_list": [1, 2], "an_object": ["k": "v"]]
                )
            ]
        ),
    ]

    static let subtests = [
        ReportedCase(
            "a subtest",
            Stream.result(#"{"status": "fail", "name": "part"}"#) + Stream.result(#"{"status": "pass"}"#),
            rows: [sub("part", "fail", .fail), final(.pass, reported: "pass")]
        ),
        ReportedCase(
            "a subtest below others",
            Stream.result(#"{"status": "fail", "name": "a/b/c"}"#) + Stream.result(#"{"status": "pass"}"#),
            rows: [sub("a/b/c", "fail", .fail), final(.pass, reported: "pass")]
        ),
        ReportedCase(
            "a subtest without a status",
            Stream.result(#"{"name": "part"}"#),
            rows: [sub("part", nil, .info), final(.pass, [output()])]
        ),
        ReportedCase(
            "the test's output as a file of a subtest",
            Stream.result(#"{"status": "fail", "name": "part", "testout": "out.txt"}"#)
                + Stream.result(#"{"status": "pass"}"#),
            rows: [
                sub("part", "fail", .fail, [output("out.txt", path: "part/out.txt")]), final(.pass, reported: "pass"),
            ]
        ),
    ]

    static let withFiles = [
        ReportedCase(
            "a file of binary data",
            Stream.result(#"{"status": "pass", "files": [{"name": "a_file", "length": 5}]}"#, "\u{0}\u{10}\n\u{7F}\""),
            rows: [final(.pass, reported: "pass", [ResultFile("a_file")])],
            files: ["a_file": "\u{0}\u{10}\n\u{7F}\""]
        ),
        ReportedCase(
            "a larger file that looks like control lines",
            Stream.result(
                #"{"status": "pass", "files": [{"name": "log", "length": 700}]}"#,
                String(repeating: "noop\n{}", count: 100)
            ),
            rows: [final(.pass, reported: "pass", [ResultFile("log")])],
            files: ["log": String(repeating: "noop\n{}", count: 100)]
        ),
        ReportedCase(
            "a file in a folder",
            Stream.result(#"{"status": "pass", "files": [{"name": "some/file", "length": 3}]}"#, "abc"),
            rows: [final(.pass, reported: "pass", [ResultFile("some/file")])],
            files: ["some/file": "abc"]
        ),
        ReportedCase(
            "two files of one result",
            Stream.result(
                #"{"status": "pass", "files": [{"name": "first", "length": 2}, {"name": "second", "length": 3}]}"#,
                "ab",
                "cde"
            ),
            rows: [final(.pass, reported: "pass", [ResultFile("first"), ResultFile("second")])],
            files: ["first": "ab", "second": "cde"]
        ),
        ReportedCase(
            "a file each of two results",
            Stream.result(#"{"status": "fail", "files": [{"name": "first", "length": 2}]}"#, "ab")
                + Stream.result(#"{"status": "pass", "files": [{"name": "second", "length": 3}]}"#, "cde"),
            rows: [
                earlier("fail", .fail, [ResultFile("first")]), final(.pass, reported: "pass", [ResultFile("second")]),
            ],
            files: ["first": "ab", "second": "cde"]
        ),
        ReportedCase(
            "a file twice in one result is appended to",
            Stream.result(
                #"{"status": "pass", "files": [{"name": "one", "length": 2}, {"name": "one", "length": 3}]}"#,
                "abcde"
            ),
            rows: [final(.pass, reported: "pass", [ResultFile("one")])],
            files: ["one": "abcde"]
        ),
        ReportedCase(
            "a file of a subtest",
            Stream.result(#"{"status": "pass", "name": "a/b", "files": [{"name": "f", "length": 2}]}"#, "ab"),
            rows: [sub("a/b", "pass", .pass, [ResultFile("f", path: "a/b/f")]), final(.pass, [output()])],
            files: ["a/b/f": "ab"]
        ),
        ReportedCase(
            "files are sorted by name",
            Stream.result(
                """
                {"status": "pass", "files": [{"name": "file_B", "length": 1}, {"name": "file_C", "length": 1},
                {"name": "file_A", "length": 1}]}
                """,
                "bca"
            ),
            rows: [
                final(.pass, reported: "pass", [ResultFile("file_A"), ResultFile("file_B"), ResultFile("file_C")])
            ],
            files: ["file_A": "a", "file_B": "b", "file_C": "c"]
        ),
        ReportedCase(
            "an empty list of files",
            Stream.result(#"{"status": "pass", "files": []}"#),
            rows: [final(.pass, reported: "pass")]
        ),
    ]
}

extension ReportedCase {
    static let partials = [
        ReportedCase(
            "a partial result is closed by one without the key",
            Stream.result(#"{"status": "fail", "partial": true}"#) + Stream.result(#"{"status": "pass"}"#),
            rows: [final(.pass, reported: "pass")]
        ),
        ReportedCase(
            "a partial result is closed by one that says so",
            Stream.result(#"{"status": "fail", "partial": true}"#)
                + Stream.result(#"{"status": "pass", "partial": false}"#),
            rows: [final(.pass, reported: "pass")]
        ),
        ReportedCase(
            "a partial status counts when the test ends without another",
            Stream.result(#"{"status": "fail", "partial": true}"#),
            rows: [final(.fail, reported: "fail", [output()])]
        ),
        ReportedCase(
            "a partial result without a status goes by the exit code",
            Stream.result(#"{"partial": true}"#),
            .exited(code: 1),
            rows: [final(.fail, note: "exit 1", [output()])]
        ),
        ReportedCase(
            "a test's own file of the output's name stays",
            Stream.result(
                #"{"status": "pass", "partial": true, "files": [{"name": "output.txt", "length": 3}]}"#,
                "own"
            ),
            .exited(code: 1),
            rows: [final(.pass, reported: "pass", note: "exit 1", [ResultFile("output.txt")])],
            files: ["output.txt": "own"]
        ),
        ReportedCase(
            "the output is added to other files",
            Stream.result(
                #"{"status": "pass", "partial": true, "files": [{"name": "custom.txt", "length": 3}]}"#,
                "own"
            ),
            .exited(code: 1),
            rows: [final(.pass, reported: "pass", note: "exit 1", [output(), ResultFile("custom.txt")])],
            files: ["custom.txt": "own"]
        ),
        ReportedCase(
            "a partial result of files alone is finished by the end",
            Stream.result(#"{"partial": true, "files": [{"name": "custom.txt", "length": 3}]}"#, "own"),
            .exited(code: 1),
            rows: [final(.fail, note: "exit 1", [output(), ResultFile("custom.txt")])],
            files: ["custom.txt": "own"]
        ),
        ReportedCase(
            "a timeout counts before a partial status",
            Stream.result(#"{"status": "pass", "note": "half", "partial": true}"#),
            timeout,
            rows: [
                final(
                    .fail,
                    reported: "pass",
                    note: "timed out after 5s; the test had reported 'pass'; half",
                    [output()]
                )
            ]
        ),
        ReportedCase(
            "keys of several partial results are put together",
            Stream.result(#"{"status": "fail", "partial": true, "a": "1"}"#)
                + Stream.result(#"{"status": "error", "partial": true, "b": "2"}"#)
                + Stream.result(#"{"status": "pass"}"#),
            rows: [final(.pass, reported: "pass", [], ["a": "1", "b": "2"])]
        ),
        ReportedCase(
            "null deletes a key",
            Stream.result(#"{"status": "fail", "partial": true, "a": "1"}"#)
                + Stream.result(#"{"status": "pass", "a": null}"#),
            rows: [final(.pass, reported: "pass")]
        ),
        ReportedCase(
            "texts and numbers are replaced, lists and objects grow",
            Stream.result(
                #"{"status": "fail", "t": "one", "n": 1, "l": [1, 2], "o": {"a": 1}, "x": [1], "partial": true}"#
            ) + Stream.result(#"{"status": "pass", "t": "two", "n": 2, "l": [3], "o": {"b": 2}, "x": "other"}"#),
            rows: [
                final(
                    .pass,
                    reported: "pass",
                    [],
                    ["t": "two", "n": 2, "l": [1, 2, 3], "o": ["a": 1, "b": 2], "x": "other"]
                )
            ]
        ),
        ReportedCase(
            "partial results of subtests are kept apart, and told at the end",
            Stream.result(#"{"status": "fail", "name": "one", "partial": true}"#)
                + Stream.result(#"{"status": "error", "name": "two", "partial": true}"#)
                + Stream.result(#"{"status": "pass", "name": "one"}"#) + Stream.result(#"{"status": "pass"}"#),
            rows: [sub("one", "pass", .pass), sub("two", "error", .error), final(.pass, reported: "pass")]
        ),
        ReportedCase(
            "files of partial results are put together",
            Stream.result(#"{"status": "fail", "partial": true, "files": [{"name": "first", "length": 2}]}"#, "ab")
                + Stream.result(#"{"status": "pass", "files": [{"name": "second", "length": 3}]}"#, "cde"),
            rows: [final(.pass, reported: "pass", [ResultFile("first"), ResultFile("second")])],
            files: ["first": "ab", "second": "cde"]
        ),
        ReportedCase(
            "a file of partial results is appended to",
            Stream.result(#"{"status": "fail", "partial": true, "files": [{"name": "one", "length": 2}]}"#, "ab")
                + Stream.result(#"{"status": "pass", "files": [{"name": "one", "length": 3}]}"#, "cde"),
            rows: [final(.pass, reported: "pass", [ResultFile("one")])],
            files: ["one": "abcde"]
        ),
    ]

    static let outputs = [
        ReportedCase(
            "the test's output under a name it asks for",
            Stream.result(#"{"status": "pass", "testout": "here.txt"}"#),
            rows: [final(.pass, reported: "pass", [output("here.txt")])]
        ),
        ReportedCase(
            "a later name for the output replaces a partial one",
            Stream.result(#"{"status": "fail", "testout": "here.txt", "partial": true}"#)
                + Stream.result(#"{"status": "pass", "testout": "there.txt"}"#),
            rows: [final(.pass, reported: "pass", [output("there.txt")])]
        ),
        ReportedCase(
            "the output under several names",
            Stream.result(#"{"status": "fail", "testout": "here.txt"}"#)
                + Stream.result(#"{"status": "pass", "testout": "there.txt"}"#),
            rows: [
                earlier("fail", .fail, [output("here.txt")]), final(.pass, reported: "pass", [output("there.txt")]),
            ]
        ),
        ReportedCase(
            "the output of a test that says nothing but exits",
            Stream.line("exitcode 0"),
            rows: [final(.pass, [output()])]
        ),
        ReportedCase(
            "no second name for an output that a partial result named",
            Stream.result(#"{"testout": "here.txt", "partial": true}"#),
            .exited(code: 1),
            rows: [final(.fail, note: "exit 1", [output("here.txt")])]
        ),
    ]

    private static func broken(_ note: String, reported: String? = nil) -> [ResultRow] {
        let said = reported.map { "; the test had reported '\($0)'" } ?? ""
        return [
            final(.error, reported: reported, note: "its test-control stream is broken at \(note)\(said)", [output()])
        ]
    }

    private static func failing(_ name: String, _ stream: [UInt8], _ error: ControlError) -> ReportedCase {
        ReportedCase(name, stream, rows: broken("\(error)"), error: error)
    }

    static let broken = [
        failing(
            "a key without a value",
            Stream.result(#"{"key_without_value": "#),
            ControlError(.badJSON("the end where a value should begin"), offset: 32)
        ),
        ReportedCase("an empty object", Stream.result("{}"), rows: [final(.pass)]),
        ReportedCase(
            "a result without a status goes by the exit code",
            Stream.result(#"{"attr1": "value1"}"#),
            rows: [final(.pass, [], ["attr1": "value1"])]
        ),
        ReportedCase(
            "the end where a file's data should be",
            Stream.result(#"{"status": "pass", "files": [{"name": "f", "length": 2}]}"#),
            rows: broken("byte 67: the end after 0 of 2 bytes of the file 'f'"),
            files: ["f": ""],
            error: ControlError(.endInFile("f", have: 0, of: 2), offset: 67)
        ),
        ReportedCase(
            "the end within a file's data",
            Stream.result(#"{"status": "pass", "files": [{"name": "f", "length": 3}]}"#, "ab"),
            rows: broken("byte 69: the end after 2 of 3 bytes of the file 'f'"),
            files: ["f": "ab"],
            error: ControlError(.endInFile("f", have: 2, of: 3), offset: 69)
        ),
        failing(
            "an empty name for the output",
            Stream.result(#"{"status": "pass", "testout": ""}"#),
            ControlError(.badResult("'testout' is empty; right is a file's name for the test's output"), offset: 10)
        ),
    ]
}
