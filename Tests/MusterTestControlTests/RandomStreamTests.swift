import MusterTestControl
import Testing

/// Streams from a seed: right, nearly right, and anything.
@Suite struct RandomStreamTests {
    private func word(_ random: inout Seeded) -> [UInt8] {
        let names = ["a", "b", "a/b", "..", "x\u{1}y", "é", "."]
        func name(_ random: inout Seeded) -> String { names[Int.random(in: names.indices, using: &random)] }
        switch Int.random(in: 0..<20, using: &random) {
        case 0: return Stream.line("noop")
        case 1: return Stream.line("exitcode \(Int.random(in: -1...200, using: &random))")
        case 2:
            return Stream.line(
                ["duration 5m", "duration save", "duration restore", "duration -5"].randomElement(using: &random)!
            )
        case 3: return Stream.line("disconnect")
        case 4: return Stream.line("duration \(name(&random))")
        case 5:
            return (0..<Int.random(in: 0...20, using: &random)).map { _ in UInt8.random(in: 0...255, using: &random) }
        case 6: return Stream.result(#"{"name":"\#(name(&random))","#)
        case 7...12:
            let status = ["pass", "fail", "skip", "odd", "infra"].randomElement(using: &random)!
            let partial = Bool.random(using: &random)
            let own = Bool.random(using: &random) ? "" : #""name":"s\#(name(&random))","#
            let out = Int.random(in: 0..<6, using: &random) == 0 ? #","testout":"o\#(name(&random))""# : ""
            return Stream.result(#"{\#(own)"status":"\#(status)","partial":\#(partial)\#(out)}"#)
        default:
            let length = Int.random(in: 0...40, using: &random)
            let file = #"{"name":"f\#(name(&random))","length":\#(length)}"#
            let own = Bool.random(using: &random) ? "" : #""name":"\#(name(&random))","#
            return Stream.result(
                #"{\#(own)"files":[\#(file),\#(file)]}"#,
                String(repeating: "\n", count: length),
                String(repeating: "n", count: length)
            )
        }
    }

    @Test func whateverComesThereIsOneFinalRowAndChunksDoNotMatter() {
        var random = Seeded(20_260_801)
        var errors = 0
        for number in 0..<1500 {
            var stream: [UInt8] = []
            for _ in 0..<Int.random(in: 0...12, using: &random) { stream += word(&random) }
            if Bool.random(using: &random) {
                stream.removeLast(min(stream.count, Int.random(in: 0...9, using: &random)))
            }
            let endings: [Ending] = [
                .exited(code: 0), .exited(code: 1), .exited(code: 77), .signalled(9), .timedOut(after: nil), .cancelled,
                .nodeLost("gone"), .noExitCode, .setupFailed("no package"),
            ]
            let ending = endings[number % endings.count]
            let whole = Transcript.of(stream, ending: ending)
            #expect(whole.rows.filter { $0.kind == .final }.count == 1 && whole.rows.last?.kind == .final)
            #expect(!ending.isOrderly || whole.error == nil || whole.rows.last?.outcome == .error)
            if !ending.isOrderly { #expect(whole.rows.last?.outcome != .pass) }
            #expect(
                whole.files.keys.allSatisfy { path in
                    !path.isEmpty
                        && path.split(separator: "/", omittingEmptySubsequences: false).allSatisfy {
                            !$0.isEmpty && $0 != "." && $0 != ".."
                        }
                }
            )
            // Each file of a row was written, and each name for the output is free of data.
            for file in whole.rows.flatMap(\.files) { #expect((whole.files[file.path] == nil) == file.isOutput) }
            if whole.error != nil { errors += 1 }
            for _ in 0..<4 {
                let cuts = (0..<Int.random(in: 0...8, using: &random)).map { _ in
                    Int.random(in: 0...stream.count, using: &random)
                }
                #expect(Transcript.of(stream, cuts: cuts.sorted(), ending: ending) == whole, "stream \(number)")
            }
            #expect(Events(stream, chunk: 1) == Events(stream))
        }
        #expect(errors > 300 && errors < 1400)
    }

    @Test func bytesThatMeanNothingAreBorne() {
        var random = Seeded(3)
        for _ in 0..<300 {
            let stream = (0..<Int.random(in: 0...9000, using: &random)).map { _ in
                UInt8.random(in: 0...255, using: &random)
            }
            let cut = Int.random(in: 0...stream.count, using: &random)
            #expect(Transcript.of(stream, cuts: [cut]) == Transcript.of(stream))
        }
    }
}
