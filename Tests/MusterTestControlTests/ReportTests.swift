import MusterTestControl
import Testing

/// Whole streams up to their rows.
@Suite struct ReportTests {
    @Test func thereAreAsManyCasesAsATEXHas() {
        #expect(ReportedCase.all.count == 47)
        #expect(Set(ReportedCase.all.map(\.description)).count == 47)
    }

    @Test(arguments: ReportedCase.all) func whatIsReportedBecomesRows(_ reported: ReportedCase) {
        let transcript = Transcript.of(reported.stream, ending: reported.ending)
        #expect(transcript.rows == reported.rows)
        #expect(transcript.files.mapValues { String(decoding: $0, as: UTF8.self) } == reported.files)
        #expect(transcript.error == reported.error)
    }

    @Test(arguments: ReportedCase.all) func rowsDoNotDependOnChunks(_ reported: ReportedCase) {
        #expect(Transcript.differingCuts(reported.stream, ending: reported.ending) == nil)
    }

    @Test(arguments: ReportedCase.all) func aStreamThatIsCutOffAnywhereHasOneFinalRow(_ reported: ReportedCase) {
        for count in 0...reported.stream.count {
            let stream = Array(reported.stream.prefix(count))
            let transcript = Transcript.of(stream, ending: reported.ending)
            #expect(transcript.rows.filter { $0.kind == .final }.count == 1)
            #expect(transcript.rows.last?.kind == .final && transcript.rows.last?.name == nil)
            #expect(transcript.checkpoint.offset <= count)
            // Whatever is missing, nothing but the end is wrong about what is there.
            if let error = transcript.error, error != reported.error { #expect(error.isEndTooEarly) }
        }
    }

    @Test(arguments: ReportedCase.all) func aCopyGoesOnAsTheOriginalWould(_ reported: ReportedCase) {
        let whole = Transcript.of(reported.stream, ending: reported.ending)
        for place in 0...reported.stream.count {
            var machine = ReportMachine()
            var transcript = Transcript()
            transcript.read(Array(reported.stream.prefix(place)), by: &machine)
            var copy = machine
            // The original goes another way meanwhile.
            _ = machine.finish(with: .cancelled)
            transcript.read(Array(reported.stream.dropFirst(place)), by: &copy)
            transcript.end(&copy, reported.ending)
            #expect(transcript == whole, "copied at byte \(place)")
        }
    }

    @Test(arguments: ReportedCase.all) func aStreamIsReadOnFromEachCheckpoint(_ reported: ReportedCase) {
        let whole = Events(reported.stream)
        var machine = ControlMachine()
        var events = 0
        var files = 0
        for place in reported.stream.indices {
            var checkpoint = machine.checkpoint
            #expect(checkpoint.offset <= place)
            let rest = Events(reported.stream, from: checkpoint)
            // All that had not been told by the checkpoint is told.
            #expect(rest.events == Array(whole.events.dropFirst(events)))
            #expect(rest.data == Array(whole.data.dropFirst(files)))
            let byte = [reported.stream[place]]
            var seen = 0
            var begun = 0
            machine.read(byte.span) { event in
                switch event {
                case .fileBegan: begun += 1
                case .fileData: break
                case .result, .exitCode, .duration, .disconnect, .reconnect, .noop, .partialLine, .error: seen += 1
                }
            }
            checkpoint = machine.checkpoint
            if seen > 0, machine.error == nil {
                #expect(checkpoint.offset == place + 1 && machine.isBetweenWords)
                events = whole.events.count - Events(reported.stream, from: checkpoint).events.count
                files = checkpoint.files
            }
            #expect(begun == 0 || checkpoint.offset <= place)
        }
    }

    @Test(arguments: ReportedCase.all) func dataMovedByOtherMeansLeaveTheRowsAsTheyAre(_ reported: ReportedCase) {
        var machine = ReportMachine()
        var transcript = Transcript()
        var start = 0
        while start < reported.stream.count {
            // Only what the machine has to see is given to it.
            let skipped = min(machine.pendingFileBytes, reported.stream.count - start)
            if skipped > 0 {
                machine.skip(skipped)
                start += skipped
            } else {
                transcript.read([reported.stream[start]], by: &machine)
                start += 1
            }
        }
        transcript.end(&machine, reported.ending)
        let whole = Transcript.of(reported.stream, ending: reported.ending)
        #expect(transcript.rows == whole.rows)
        #expect(transcript.error == whole.error && transcript.checkpoint == whole.checkpoint)
    }

    @Test func aTestThatIsStartedAgainGoesOnWithItsResults() {
        var machine = ReportMachine()
        var transcript = Transcript()
        let file = #"{"partial": true, "status": "error", "files": [{"name": "log", "length": 3}]}"#
        transcript.read(
            Stream.result(file, "one") + Stream.line("exitcode 3") + Stream.line("disconnect"),
            by: &machine
        )
        #expect(machine.exitCode == 3)
        while let event = machine.end() { transcript.take(event, []) }
        machine.reopen()
        #expect(machine.offset == 0 && machine.checkpoint.files == 1 && machine.exitCode == nil)
        transcript.read(Stream.result(#"{"status":"pass","files":[{"name":"log","length":3}]}"#, "two"), by: &machine)
        transcript.end(&machine, .exited(code: 0))
        #expect(transcript.files == ["log": Array("onetwo".utf8)])
        #expect(
            transcript.rows == [
                ResultRow(kind: .final, reported: "pass", outcome: .pass, files: [ResultFile("log")])
            ]
        )
        #expect(transcript.said == [.exitCode(3), .disconnect])
    }

    @Test func writersOfWholeResultsMayBeMixedAndOthersNot() {
        let one = (0..<4).map { Stream.result(#"{"name":"a\#($0)","status":"pass"}"#) }
        let two = (0..<4).map { Stream.result(#"{"name":"b\#($0)","status":"fail"}"#) } + [Stream.line("noop")]
        var random = Seeded(1)
        for _ in 0..<50 {
            var (left, right) = (one[...], two[...])
            var stream: [UInt8] = []
            while !left.isEmpty || !right.isEmpty {
                let takesLeft = right.isEmpty || (!left.isEmpty && Bool.random(using: &random))
                stream += takesLeft ? left.removeFirst() : right.removeFirst()
            }
            let rows = Transcript.of(stream).rows
            #expect(rows.compactMap(\.name).filter { $0.hasPrefix("a") } == ["a0", "a1", "a2", "a3"])
            #expect(rows.compactMap(\.name).filter { $0.hasPrefix("b") } == ["b0", "b1", "b2", "b3"])
            #expect(rows.last?.outcome == .pass)
        }
        // A line of another writer between the length and its JSON.
        let torn = Array("result 17\n".utf8) + Stream.line("noop") + Array(#"{"status":"pass"}"#.utf8)
        #expect(Transcript.of(torn).rows.map(\.outcome) == [.error])
    }
}
