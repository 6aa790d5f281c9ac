import Foundation
import MusterCore
import MusterReport
import Testing

@Suite struct ATEXTests {
    private func rows(_ report: RunReport, platform: String? = nil) throws -> [[Any]] {
        try String(decoding: ATEXReport.render(report, platform: platform), as: UTF8.self).split(separator: "\n").map {
            try #require(try JSONSerialization.jsonObject(with: Data($0.utf8)) as? [Any])
        }
    }

    @Test func aRunIsWrittenAsDocumented() throws {
        try Goldens.expect(ATEXReport.render(Samples.shop), equals: "results.atex.jsonl")
    }

    @Test func linesAreOfTheDecidingAttemptPartsFirst() throws {
        let test = Samples.test(
            "/t",
            Samples.attempt(1, .fail, note: "bad", results: [TestResult(name: "old", outcome: .fail)]),
            Samples.attempt(
                2,
                .pass,
                node: "rhel9/3",
                files: ["files/o"],
                results: [TestResult(name: "a/b", outcome: .info, status: "hm", note: "so", files: ["x"])]
            )
        )
        let rows = try rows(Samples.report([test, Samples.test("/none")]))
        #expect(rows.count == 2)
        #expect(rows[0].prefix(4).map { $0 as? String } == ["rhel9", "hm", "/t", "a/b"])
        #expect(rows[0][4] as? [String] == ["files/api/_/t/2/x"] && rows[0][5] as? String == "so")
        #expect(rows[1].prefix(3).map { $0 as? String } == ["rhel9", "pass", "/t"])
        #expect(rows[1][3] is NSNull && rows[1][4] as? [String] == ["files/o"] && rows[1][5] is NSNull)
    }

    @Test func thePlatformIsTheGroupOrWhatIsGiven() throws {
        var report = Samples.one(Samples.attempt(1, .infra, node: nil))
        #expect(try rows(report)[0][0] as? String == "api")
        report.suites[0].group = "fedora"
        #expect(try rows(report)[0][0] as? String == "fedora")
        #expect(try rows(report, platform: "any")[0][0] as? String == "any")
        #expect(try rows(report)[0][1] as? String == "infra")
    }

    @Test func testsOfOnePlatformAreToldApart() throws {
        let tests = [
            Samples.test("/t", Samples.attempt(1, .pass)), Samples.test("/t", suite: "web", Samples.attempt(1, .pass)),
            Samples.test("/u", Samples.attempt(1, .pass)),
        ]
        #expect(try Set(rows(Samples.report(tests)).map { $0[2] as? String }) == ["api//t", "web//t", "/u"])
    }

    @Test func hostileTextStaysOnItsLine() throws {
        let bytes = ATEXReport.render(Samples.hostile)
        let lines = String(decoding: bytes, as: UTF8.self).split(whereSeparator: \.isNewline)
        #expect(lines.count == 2 * Samples.hostileTexts.count)
        #expect(try rows(Samples.hostile).allSatisfy { $0.count == 6 })
    }

    // MARK: Compressed

    /// Another program's gzip makes the same of it, at any size: the counts of zlib are smaller than those of an array.
    @Test(.enabled(if: Python.isWanted("gzip"))) func othersReadWhatIsCompressed() throws {
        let folder = try TemporaryFolder()
        let writer = ResultsWriter(directory: folder.path, run: Samples.shop.run, formats: [.atex, .atexGzip])
        try writer.write(Samples.shop)
        let place = "\(Samples.shop.run)/results.atex.jsonl"
        let compressed = try folder.read(place + ".gz")
        let script = "import gzip, sys; sys.stdout.buffer.write(gzip.decompress(sys.stdin.buffer.read()))"
        #expect(try Python.run(script, input: compressed) == String(decoding: folder.read(place), as: UTF8.self))
        try writer.write(Samples.shop)
        #expect(try folder.read(place + ".gz") == compressed, "there is no time in it")
        let many = Samples.report((0..<4_000).map { Samples.test("/t\($0)", Samples.attempt(1, .pass, note: "é\n")) })
        let other = ResultsWriter(directory: folder.path, run: many.run, formats: [.atexGzip])
        try other.write(many)
        let large = try folder.read("\(many.run)/results.atex.jsonl.gz")
        let text = try Python.run(script, input: large)
        #expect(text == String(decoding: ATEXReport.render(many), as: UTF8.self) && text.utf8.count > 2 << 16)
        #expect(large.count < text.utf8.count / 10)
        let none = Samples.report([])
        try ResultsWriter(directory: folder.path, run: none.run, formats: [.atexGzip]).write(none)
        #expect(try Python.run(script, input: folder.read("\(none.run)/results.atex.jsonl.gz")) == "")
    }
}
