import MusterTestControl
import Testing

@Suite struct ControlMachineTests {
    private func error(_ stream: [UInt8], limits: ControlLimits = ControlLimits()) -> ControlError? {
        Transcript.of(stream, limits: limits).error
    }

    private func line(_ text: String) -> [UInt8] { Stream.line(text) }

    // MARK: Words

    @Test(
        arguments: [
            ("exitcode 0", .exitCode(0)), ("exitcode -1", .exitCode(-1)), ("exitcode  +137 ", .exitCode(137)),
            ("duration 90", .duration(.set(90_000_000))), ("disconnect", .disconnect), ("disconnect now", .disconnect),
            ("reconnect", .reconnect(.once)), ("reconnect always", .reconnect(.always)), ("noop", .noop),
            ("noop anything goes", .noop),
        ] as [(String, ReportEvent)]
    )
    func wordsAreUnderstood(_ text: String, _ event: ReportEvent) {
        let transcript = Transcript.of(line(text))
        #expect(transcript.said == [event] && transcript.error == nil)
        #expect(transcript.checkpoint.offset == text.utf8.count + 1)
    }

    @Test func theLastExitCodeCounts() {
        var machine = ReportMachine()
        var transcript = Transcript()
        transcript.read(line("exitcode 1") + line("exitcode 0"), by: &machine)
        #expect(machine.exitCode == 0)
    }

    /// Broken lines, and the error of each when 5 bytes stand before it.
    static let brokenLines: [(String, ControlError.Reason)] = [
        ("", .emptyLine), ("reslut 5", .unknownWord("reslut")), (" noop", .unknownWord("")),
        ("NOOP", .unknownWord("NOOP")), ("noop\t", .unknownWord("noop\t")), ("noop\r", .unknownWord("noop\r")),
        ("result", .badLength("")), ("result ", .badLength("")), ("result x", .badLength("x")),
        ("result 0", .badLength("0")), ("result -5", .badLength("-5")), ("result 1_0", .badLength("1_0")),
        ("result 5 5", .badLength("5 5")),
        ("result 99999999999999999999", .badLength("99999999999999999999")),
        ("exitcode", .argumentMissing(word: "exitcode")), ("exitcode ", .argumentMissing(word: "exitcode")),
        ("exitcode zero", .badExitCode("zero")), ("exitcode 1.0", .badExitCode("1.0")),
        ("exitcode -", .badExitCode("-")),
        ("duration", .argumentMissing(word: "duration")), ("duration 5x", .badDuration("5x")),
        ("duration +", .badDuration("+")), ("duration m", .badDuration("m")), ("duration 1h30m", .badDuration("1h30m")),
        ("duration  5", .badDuration(" 5")), ("duration Save", .badDuration("Save")),
        ("duration 99999999999999d", .badDuration("99999999999999d")),
        ("reconnect never", .badReconnect("never")),
        ("result 1048577", .overLimit(.jsonBytes, max: 1 << 20)),
    ]

    @Test(arguments: brokenLines) func aBrokenLineEndsTheStreamAndSaysWhere(
        _ text: String,
        _ reason: ControlError.Reason
    ) {
        let stream = line("noop") + line(text) + line("exitcode 0") + Stream.result(#"{"status":"pass"}"#)
        let transcript = Transcript.of(stream)
        #expect(transcript.error == ControlError(reason, offset: 5))
        #expect(transcript.said == [.noop])
        #expect(transcript.ignored == stream.count - 5 - text.utf8.count - 1)
        #expect(transcript.checkpoint.offset == 5)
        #expect(transcript.rows.map(\.outcome) == [.error])
        #expect(Transcript.differingCuts(stream) == nil)
        #expect(transcript.error?.description.contains(/^byte 5: .{20,}$/) == true)
    }

    @Test func bytesBeyondASCIIAreNamedWithTheirPlace() {
        #expect(error(line("noop") + line("noop é")) == ControlError(.notASCII(0xC3), offset: 10))
        #expect(error(line("résult 5")) == ControlError(.notASCII(0xC3), offset: 1))
        #expect(error([0xFF, 0x0A]) == ControlError(.notASCII(0xFF), offset: 0))
        #expect(Transcript.differingCuts(line("noop") + line("noop é") + line("noop")) == nil)
        // Other control characters are part of a word or of an argument that says nothing.
        #expect(error([0x6E, 0x6F, 0x6F, 0x70, 0x20, 0, 0x0A]) == nil)
    }

    // MARK: Long and partial lines

    @Test(arguments: [4095, 4096, 4097, 5000, 20_000])
    func aLineHas4096BytesWithItsNewlineAtMost(_ count: Int) {
        let stream = line("noop") + line("noop " + String(repeating: "x", count: count - 6)) + line("noop")
        let transcript = Transcript.of(stream)
        if count <= 4096 {
            #expect(transcript.error == nil && transcript.said == [.noop, .noop, .noop])
        } else {
            #expect(transcript.error == ControlError(.lineTooLong, offset: 5))
            #expect(transcript.ignored == count - 4096 + 5)
        }
        for cut in [0, 1, 5, 6, 100, 4095, 4096, 4099, 4100, 4101, 4102, 4103] where cut <= stream.count {
            #expect(Transcript.of(stream, cuts: [cut]) == transcript, "cut at \(cut)")
        }
        #expect(Transcript.of(stream, cuts: Array(0...stream.count)) == transcript)
    }

    @Test func aLineWithoutItsNewlineIsDroppedAndTold() {
        let stream = line("noop") + Array("exitcode 0".utf8)
        let transcript = Transcript.of(stream)
        #expect(transcript.said == [.noop, .partialLine(byteCount: 10, offset: 5)])
        #expect(transcript.error == nil && transcript.checkpoint.offset == 5)
        #expect(transcript.rows.map(\.outcome) == [.pass])
        // One byte more than 4095 can be no line, whatever comes.
        let long = [UInt8](repeating: 0x61, count: 4095)
        #expect(Transcript.of(long).said == [.partialLine(byteCount: 4095, offset: 0)])
        #expect(error(long + [0x61]) == ControlError(.lineTooLong, offset: 0))
    }

    @Test func theEndIsToldOnceAndWhatFollowsIsCounted() {
        var machine = ControlMachine()
        machine.read(Array("noop".utf8).span) { _ in }
        #expect(machine.end() == .partialLine(byteCount: 4, offset: 0))
        #expect(machine.end() == nil && machine.isOver)
        machine.read(Array("noop\n".utf8).span) { Issue.record("\($0) behind the end") }
        #expect(machine.ignored == 5 && machine.offset == 9)
    }

    // MARK: Results

    @Test func theEndInTheJSONIsAnError() {
        for count in 11..<29 {
            let stream = Array("result 19\n".utf8) + Array(#"{"status": "pass"}\#n"#.utf8)
            let cut = Array(stream.prefix(count))
            #expect(error(cut) == ControlError(.endInJSON(have: count - 10, of: 19), offset: count))
        }
        #expect(error(line("result 2")) == ControlError(.endInJSON(have: 0, of: 2), offset: 9))
    }

    /// JSON that is no result, and what the message has to say.
    static let badResults: [(String, String)] = [
        ("[]", "not a list"), ("5", "not a number"), (#""pass""#, "not a text"), ("null", "not null"),
        (#"{"name": 5}"#, "'name' is a number"), (#"{"name": ""}"#, "'name' is empty"),
        (#"{"partial": "yes"}"#, "'partial' is a text"), (#"{"partial": 1}"#, "'partial' is a number"),
        (#"{"testout": ""}"#, "'testout' is empty"), (#"{"testout": 5}"#, "'testout' is a number"),
        (#"{"files": null}"#, "'files' is null"), (#"{"files": {}}"#, "'files' is an object"),
        (#"{"files": ["a"]}"#, "entry 0 of 'files' is a text"),
        (#"{"files": [{"length": 5}]}"#, "entry 0 of 'files' has no 'name'"),
        (#"{"files": [{"name": "", "length": 5}]}"#, "has no 'name'"),
        (#"{"files": [{"name": 5, "length": 5}]}"#, "has no 'name'"),
        (#"{"files": [{"name": "a", "length": 0}, {"name": "b"}]}"#, "the file 'b' has no 'length'"),
        (#"{"files": [{"name": "a", "length": null}]}"#, "has no 'length'"),
        (#"{"files": [{"name": "a", "length": -1}]}"#, "is '-1'"),
        (#"{"files": [{"name": "a", "length": 1.5}]}"#, "is '1.5'"),
        (#"{"files": [{"name": "a", "length": "x"}]}"#, "is 'x'"),
        (#"{"files": [{"name": "a", "length": [1]}]}"#, "is 'a list'"),
        (#"{"files": [{"name": "..", "length": 1}]}"#, "'..' names no file"),
        (#"{"files": [{"name": "/", "length": 1}]}"#, "'/' names no file"),
    ]

    @Test(arguments: badResults) func whatIsNoResultEndsTheStreamAndSaysWhatIsRight(_ json: String, _ words: String) {
        let stream = line("noop") + Stream.result(json, "data of a file") + line("noop")
        let transcript = Transcript.of(stream)
        let start = 5 + "result \(json.utf8.count)\n".utf8.count
        #expect(transcript.error?.offset == start)
        #expect(transcript.error?.description.contains(words) == true, "\(String(describing: transcript.error))")
        #expect(transcript.said == [.noop] && transcript.rows.map(\.outcome) == [.error])
        #expect(Transcript.differingCuts(stream) == nil)
    }

    @Test func badJSONIsNamedWithItsByte() {
        let stream = line("noop") + Stream.result(#"{"status": pass}"#)
        #expect(error(stream)?.offset == 5 + 10 + 11)
        #expect(error(stream)?.description == "byte 26: no JSON: 'p' where a value should begin")
        #expect(error(Stream.result("{\"a\":\"\u{1}\"}"))?.offset == 15)
    }

    @Test func lengthsInQuotesAreRead() {
        let transcript = Transcript.of(Stream.result(#"{"files": [{"name": "a", "length": " 3"}]}"#, "abc"))
        #expect(transcript.files == ["a": Array("abc".utf8)] && transcript.error == nil)
    }

    @Test func emptyFilesAreFilesToo() {
        let stream = Stream.result(
            #"{"files": [{"name": "a", "length": 0}, {"name": "b", "length": 2}, {"name": "c", "length": 0}]}"#,
            "bb"
        )
        #expect(Transcript.of(stream).files == ["a": [], "b": Array("bb".utf8), "c": []])
        #expect(Transcript.differingCuts(stream) == nil)
        #expect(
            Transcript.of(stream).checkpoint
                == ControlCheckpoint(offset: stream.count, results: 1, files: 3, fileBytes: 2)
        )
    }

    @Test func dataArePassedOnAndNotKept() {
        var machine = ControlMachine()
        machine.read(Stream.result(#"{"files": [{"name": "a", "length": 1000000}]}"#).span) { _ in }
        var ranges: [Range<Int>] = []
        var offsets: [Int] = []
        for _ in 0..<10 {
            let chunk = [UInt8](repeating: 0x0A, count: 100_000)
            machine.read(chunk.span) { event in
                if case .fileData(let file, let offset, let range) = event {
                    #expect(file == ControlFile(index: 0, subtest: nil, name: "a", byteCount: 1_000_000))
                    ranges.append(range)
                    offsets.append(offset)
                }
            }
        }
        #expect(ranges == Array(repeating: 0..<100_000, count: 10))
        #expect(offsets == (0..<10).map { $0 * 100_000 })
        #expect(machine.isBetweenWords)
    }

    // MARK: Limits

    @Test func eachLimitEndsTheStream() {
        let limits = ControlLimits(
            jsonBytesMax: 90,
            depthMax: 3,
            resultsMax: 2,
            filesMax: 2,
            fileBytesMax: 10,
            nameBytesMax: 8
        )
        func reason(_ stream: [UInt8]) -> ControlError.Reason? { error(stream, limits: limits)?.reason }
        let result = Stream.result("{}")
        #expect(reason(result + result) == nil)
        #expect(reason(result + result + result) == .overLimit(.results, max: 2))
        #expect(
            reason(Stream.result(#"{"a":""# + String(repeating: "x", count: 83) + #""}"#))
                == .overLimit(.jsonBytes, max: 90)
        )
        #expect(reason(Stream.result(#"{"a":[[1]]}"#)) == nil)
        #expect(reason(Stream.result(#"{"a":[[[1]]]}"#))?.description.contains("more than 3 deep") == true)
        #expect(reason(Stream.result(#"{"name":"123456789"}"#)) == .overLimit(.nameBytes, max: 8))
        #expect(reason(Stream.result(#"{"testout":"123456789"}"#)) == .overLimit(.nameBytes, max: 8))
        #expect(
            reason(Stream.result(#"{"files":[{"name":"123456789","length":1}]}"#)) == .overLimit(.nameBytes, max: 8)
        )
        let file = #"{"name":"a","length":5}"#
        #expect(reason(Stream.result(#"{"files":[\#(file),\#(file)]}"#, "1234567890")) == nil)
        #expect(
            reason(
                Stream.result(#"{"files":[\#(file)]}"#, "12345")
                    + Stream.result(#"{"files":[{"name":"b","length":6}]}"#)
            ) == .overLimit(.fileBytes, max: 10)
        )
        #expect(
            reason(Stream.result(#"{"files":[{"name":"b","length":9223372036854775807}]}"#))
                == .overLimit(.fileBytes, max: 10)
        )
        let empty = #"{"name":"a","length":0}"#
        #expect(
            reason(Stream.result(#"{"files":[\#(empty),\#(empty)]}"#) + Stream.result(#"{"files":[\#(empty)]}"#))
                == .overLimit(.files, max: 2)
        )
    }

    @Test func lengthsThatDoNotFitTogetherAreNoOverflow() {
        let big = #"{"name":"a","length":9223372036854775807}"#
        let limits = ControlLimits(fileBytesMax: .max)
        #expect(
            error(Stream.result(#"{"files":[\#(big),\#(big)]}"#), limits: limits)?.reason
                == .overLimit(.fileBytes, max: .max)
        )
    }

    @Test func whatTheReceiverRefusesIsRefusedAgainFromTheCheckpoint() {
        let first = Stream.result(#"{"name":"a","status":"pass","testout":"out"}"#)
        let stream = first + Stream.result(#"{"name":"a","status":"pass","testout":"out"}"#) + line("noop")
        let transcript = Transcript.of(stream)
        #expect(transcript.error?.description.contains("'testout' names 'out'") == true)
        #expect(transcript.error?.offset == first.count + 10)
        #expect(transcript.checkpoint == ControlCheckpoint(offset: first.count, results: 1))
        #expect(transcript.ignored == 5)
        #expect(transcript.rows.map(\.kind) == [.subtest, .subtest, .final])
        #expect(Transcript.differingCuts(stream) == nil)
    }
}
