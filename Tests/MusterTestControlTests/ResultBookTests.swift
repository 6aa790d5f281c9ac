import MusterTestControl
import Testing

@Suite struct ResultBookTests {
    private func last(_ stream: [UInt8], _ ending: Ending, rules: ResultRules = ResultRules()) -> ResultRow? {
        Transcript.of(stream, rules: rules, ending: ending).rows.last
    }

    private let pass = Stream.result(#"{"status":"pass","note":"all well"}"#)

    // MARK: Endings

    /// Endings, the outcome of a silent test, and the beginning of the note.
    static let endings: [(Ending, ResultOutcome, String?)] = [
        (.exited(code: 0), .pass, nil), (.exited(code: 77), .skip, nil), (.exited(code: 2), .fail, "exit 2"),
        (.exited(code: -1), .fail, "exit -1"), (.signalled(11), .fail, "ended by signal 11"),
        (.timedOut(after: 5_400_000_000), .fail, "timed out after 1h30m"),
        (.timedOut(after: 1_500_000), .fail, "timed out after 1.5s"),
        (.timedOut(after: nil), .fail, "timed out"), (.cancelled, .skip, "cancelled while it ran"),
        (
            .controlError(ControlError(.emptyLine, offset: 7)), .error,
            "its test-control stream is broken at byte 7: an empty control line"
        ),
        (.nodeLost("its host was restarted"), .infra, "its host was restarted"),
        (.noExitCode, .infra, "it is not known how the test ended"),
        (.setupFailed("no package 'x'"), .error, "no package 'x'"),
    ]

    @Test(arguments: endings) func everyEndingHasItsOutcome(_ ending: Ending, _ outcome: ResultOutcome, _ note: String?)
    {
        let row = last([], ending)
        #expect(row?.outcome == outcome && row?.reported == nil)
        #expect(row?.note?.hasPrefix(note ?? "-") ?? (note == nil))
        let hasOutput = if case .setupFailed = ending { false } else { true }
        #expect(row?.files.contains { $0.isOutput } == hasOutput)
    }

    @Test(arguments: endings) func aReportedPassCountsAfterAnOrderlyEndOnly(
        _ ending: Ending,
        _ outcome: ResultOutcome,
        _ note: String?
    ) {
        let row = last(pass, ending)
        #expect(row?.reported == "pass")
        if case .exited(let code) = ending {
            #expect(row?.outcome == .pass && row?.files == [])
            #expect(row?.note == (code == 0 ? "all well" : "all well; exit \(code)"))
        } else {
            #expect(row?.outcome == outcome)
            #expect(row?.note?.hasPrefix(note ?? "-") == true)
            #expect(row?.note?.hasSuffix("; the test had reported 'pass'; all well") == true)
        }
    }

    @Test func whatEndedATestFromOutsideCountsBeforeABrokenOffStream() {
        let cut = Array(Stream.result(#"{"files":[{"name":"a","length":9}]}"#, "abc"))
        let bad = Stream.line("what")
        let table: [(Ending, ResultOutcome, ResultOutcome)] = [
            (.exited(code: 0), .error, .error), (.signalled(9), .error, .error), (.noExitCode, .error, .error),
            (.timedOut(after: nil), .fail, .error), (.cancelled, .skip, .skip), (.nodeLost("gone"), .infra, .infra),
        ]
        for (ending, ofCut, ofBad) in table {
            #expect(last(cut, ending)?.outcome == ofCut, "\(ending)")
            #expect(last(bad, ending)?.outcome == ofBad, "\(ending)")
        }
    }

    @Test func theCodeOfSkippingIsTheRunnersToSay() {
        #expect(last([], .exited(code: 77), rules: ResultRules(skipCode: nil))?.outcome == .fail)
        #expect(last([], .exited(code: 4), rules: ResultRules(skipCode: 4))?.outcome == .skip)
        #expect(last(pass, .exited(code: 77))?.note == "all well; exit 77")
        #expect(last(Stream.result(#"{"status":"skip"}"#), .exited(code: 77))?.note == nil)
    }

    // MARK: Statuses

    @Test(arguments: ResultOutcome.allCases) func statusesThatMusterKnowsAreOutcomes(_ outcome: ResultOutcome) {
        let row = last(Stream.result(#"{"status":"\#(outcome.rawValue)"}"#), .exited(code: 0))
        #expect(row?.outcome == outcome && row?.reported == outcome.rawValue && row?.status == outcome.rawValue)
    }

    @Test(arguments: [(#""PASS""#, "PASS"), (#""""#, ""), ("5", "5"), (#"["a"]"#, #"["a"]"#), ("true", "true")])
    func otherStatusesAreKeptAndCountAsError(_ json: String, _ reported: String) {
        let row = last(Stream.result(#"{"status":\#(json),"note":5}"#), .exited(code: 0))
        #expect(row?.outcome == .error && row?.reported == reported && row?.status == reported)
        #expect(row?.note == "the status '\(reported)' is none that Muster knows; 5")
    }

    @Test func nullIsNoStatus() {
        let row = last(Stream.result(#"{"status":null,"note":null,"own":null,"name":null}"#), .exited(code: 1))
        #expect(row?.reported == nil && row?.outcome == .fail && row?.note == "exit 1" && row?.custom == ["own": .null])
    }

    @Test func theLastStatusThatTheTestReportedForItselfCounts() {
        #expect(last(pass + Stream.result("{}"), .exited(code: 1))?.outcome == .pass)
        #expect(last(pass + Stream.result(#"{"partial":true,"a":1}"#), .exited(code: 1))?.outcome == .pass)
        #expect(last(pass + Stream.result(#"{"partial":true,"status":"fail"}"#), .exited(code: 0))?.outcome == .fail)
        let kinds = Transcript.of(pass + Stream.result(#"{"partial":true,"a":1}"#)).rows.map(\.kind)
        #expect(kinds == [.superseded, .final])
        // It has closed a result: nothing is added to what follows.
        #expect(last(pass + Stream.result(#"{"partial":true,"a":1}"#), .exited(code: 0))?.files == [])
    }

    @Test func subtestsDoNotDecideTheTestButAreCounted() {
        var machine = ReportMachine()
        var transcript = Transcript()
        let statuses = ["pass", "fail", "warn", "error", "info", "skip", "odd"]
        for status in statuses {
            transcript.read(Stream.result(#"{"name":"\#(status)","status":"\#(status)"}"#), by: &machine)
        }
        #expect(machine.failedSubtests == 4)
        transcript.end(&machine, .exited(code: 0))
        #expect(transcript.rows.last?.outcome == .pass)
        #expect(transcript.rows.map(\.name) == statuses + [nil])
    }

    // MARK: Files and the output

    @Test(arguments: [
        ("a", "a"), ("/etc/passwd", "etc/passwd"), ("../../x", "x"), ("a/./b//c/", "a/b/c"),
        ("a\nb\u{7F}\u{9F}c", "a_b__c"),
        ("...", "..."), (".hidden/f", ".hidden/f"), ("a b/é", "a b/é"), ("a/../b", "a/b"), ("\u{0}", "_"),
        ("-rf", "-rf"),
        ("C:\\x", "C:\\x"),
    ])
    func namesStayBelowTheTest(_ name: String, _ path: String) {
        let json = JSONObject([("name", .text(name)), ("length", 1)]).json
        let transcript = Transcript.of(Stream.result(#"{"status":"pass","files":[\#(json)]}"#, "x"))
        #expect(transcript.files == [path: [0x78]])
        #expect(transcript.rows.last?.files == [ResultFile(path)])
    }

    @Test func twoSpellingsOfALetterAreTwoFilesAndTwoSubtests() {
        let names = ["\u{E9}", "e\u{301}"]
        let stream = names.flatMap {
            Stream.result(#"{"name":"\#($0)","partial":true,"files":[{"name":"\#($0)","length":2}]}"#, "xy")
        }
        let transcript = Transcript.of(stream)
        #expect(transcript.rows.count == 3)
        #expect(
            transcript.rows.prefix(2).map { $0.files.map { Array($0.path.utf8) } }
                == names.map { [Array("\($0)/\($0)".utf8)] }
        )
    }

    @Test func aSubtestNamedLikeNoFolderHasItsFilesWhereTheTestHas() {
        let stream = Stream.result(
            #"{"name":"..","status":"pass","files":[{"name":"f","length":1}],"testout":"o"}"#,
            "x"
        )
        let transcript = Transcript.of(stream)
        #expect(transcript.files == ["f": [0x78]])
        #expect(transcript.rows.first?.name == "..")
        #expect(transcript.rows.first?.files == [ResultFile("o", isOutput: true), ResultFile("f")])
    }

    /// Results of which the last cannot be, and what the message has to say.
    static let clashes: [([String], String)] = [
        ([#"{"testout":"a"}"#, #"{"testout":"a"}"#], "'testout' names 'a'"),
        ([#"{"files":[{"name":"a","length":0}]}"#, #"{"testout":"a"}"#], "'testout' names 'a'"),
        ([#"{"files":[{"name":"a","length":0}],"testout":"./a"}"#], "'testout' names './a'"),
        ([#"{"testout":"a"}"#, #"{"files":[{"name":"a","length":0}]}"#], "a name of the test's output already"),
        ([#"{"files":[{"name":"a/b","length":0}]}"#, #"{"files":[{"name":"a","length":0}]}"#], "'a' is a folder"),
        ([#"{"files":[{"name":"a","length":0}]}"#, #"{"files":[{"name":"a/b","length":0}]}"#], "below 'a', a file"),
        ([#"{"files":[{"name":"a","length":0}]}"#, #"{"name":"a/b","testout":"c"}"#], "below 'a', a file"),
        ([#"{"testout":".."}"#], "'..' names no file"),
        (["{\"files\":[{\"name\":\"\(String(repeating: "x", count: 256))\",\"length\":0}]}"], "a part of 256 bytes"),
    ]

    @Test(arguments: clashes) func whatCannotBeOnADiskIsRefused(_ results: [String], _ words: String) {
        let transcript = Transcript.of(results.flatMap { Stream.result($0) })
        #expect(transcript.error?.description.contains(words) == true, "\(String(describing: transcript.error))")
        #expect(transcript.rows.last?.outcome == .error)
    }

    @Test func anOutputThatClashesAtTheEndIsToldWithItsResult() {
        let stream =
            Stream.result(#"{"name":"s","status":"fail","partial":true,"testout":"a","note":"mine"}"#)
            + Stream.result(#"{"name":"s","partial":true,"files":[{"name":"a","length":1}]}"#, "x")
        let transcript = Transcript.of(stream)
        #expect(transcript.error == nil)
        let row = transcript.rows.first
        #expect(row?.name == "s" && row?.reported == "fail" && row?.outcome == .fail)
        #expect(row?.note == "'testout' names 'a', but there is such a file or folder already; mine")
        #expect(row?.files == [ResultFile("a", path: "s/a")])
        #expect(transcript.rows.last?.outcome == .pass)
    }

    @Test func aResultWithABadOutputIsNotLost() {
        let stream =
            Stream.result(#"{"name":"s","status":"pass","files":[{"name":"a","length":1}]}"#, "x")
            + Stream.result(#"{"name":"s","status":"fail","testout":"a","why":1}"#)
        let rows = Transcript.of(stream).rows
        #expect(rows.map(\.reported) == ["pass", "fail", nil])
        #expect(rows[1].custom == ["why": 1] && rows[1].note?.contains("'testout'") == true)
    }

    @Test func aNameForTheOutputCanBeTakenBack() {
        let stream =
            Stream.result(#"{"partial":true,"testout":"a"}"#) + Stream.result(#"{"status":"pass","testout":null}"#)
        #expect(last(stream, .exited(code: 0))?.files == [])
    }

    @Test func theNameOfTheOutputMayBeTaken() {
        let stream = Stream.result(#"{"name":"output.txt","status":"pass","testout":"log"}"#)
        #expect(last(stream, .exited(code: 0))?.files == [])
        #expect(
            last([], .exited(code: 0), rules: ResultRules(outputName: "logs/out"))?.files == [
                ResultFile("logs/out", isOutput: true)
            ]
        )
    }

    // MARK: Limits

    @Test func openResultsAndPathsAreBound() {
        let rules = ResultRules(openBytesMax: 2000, pathBytesMax: 500)
        let partials = (0..<20).flatMap { Stream.result(#"{"name":"s\#($0)","status":"pass","partial":true}"#) }
        let transcript = Transcript.of(partials, rules: rules)
        #expect(transcript.error?.reason == .overLimit(.openBytes, max: 2000))
        // What came until then is told.
        #expect(transcript.rows.count == 8 && transcript.rows.last?.outcome == .error)
        // Closing makes room.
        let closed = (0..<50).flatMap {
            Stream.result(#"{"name":"s\#($0)","partial":true,"a":[\#($0)]}"#)
                + Stream.result(#"{"name":"s\#($0)","a":[1]}"#)
        }
        #expect(Transcript.of(closed, rules: rules).rows.count == 51)
        let files = (0..<20).flatMap { Stream.result(#"{"files":[{"name":"f\#($0)","length":0}]}"#) }
        #expect(Transcript.of(files, rules: rules).error?.reason == .overLimit(.pathBytes, max: 500))
    }

    @Test func manyOpenResultsKeepTheirOrder() {
        var random = Seeded(11)
        var stream: [UInt8] = []
        var open: [Int] = []
        var closed: [Int] = []
        for number in 0..<500 {
            stream += Stream.result(#"{"name":"\#(number)","partial":true,"n":[\#(number)]}"#)
            open.append(number)
            if Int.random(in: 0..<10, using: &random) < 8 {
                let one = open.remove(at: Int.random(in: open.indices, using: &random))
                stream += Stream.result(#"{"name":"\#(one)","n":[0]}"#)
                closed.append(one)
            }
        }
        let rows = Transcript.of(stream).rows
        #expect(rows.map(\.name) == (closed + open).map { "\($0)" } + [nil])
        #expect(rows.first?.custom == ["n": [.integer(Int64(closed[0])), 0]])
    }
}
