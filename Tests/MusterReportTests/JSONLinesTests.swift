import Foundation
import MusterCore
import MusterReport
import Testing

@Suite struct JSONLinesTests {
    private func objects(_ bytes: [UInt8]) throws -> [[String: Any]] {
        try String(decoding: bytes, as: UTF8.self).split(separator: "\n").map {
            try #require(try JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: Any])
        }
    }

    @Test func aRunIsWrittenAsDocumented() throws {
        try Goldens.expect(JSONLinesReport.render(Samples.shop), equals: "results.jsonl")
    }

    @Test func everyLineHasExactlyTheKeys() throws {
        let keys: Set<String> = [
            "run", "suite", "test", "subtest", "attempt", "outcome", "note", "node", "started_at", "duration_ms",
            "files",
        ]
        let lines = try objects(JSONLinesReport.render(Samples.shop))
        #expect(lines.count == Samples.shop.tests.reduce(0) { $0 + $1.attempts.count })
        for line in lines { #expect(Set(line.keys) == keys) }
    }

    @Test func whatNeverRanHasNullsAndACancelledAttemptSaysSo() throws {
        let report = Samples.one(
            Samples.attempt(1, .infra, node: nil),
            Samples.attempt(2, .fail, isCancelled: true),
            Samples.attempt(3, .pass, isCancelled: true)
        )
        let lines = try objects(JSONLinesReport.render(report))
        #expect(lines[0]["node"] is NSNull && lines[0]["started_at"] is NSNull && lines[0]["note"] is NSNull)
        #expect(lines.map { $0["outcome"] as? String } == ["infra", "cancelled", "cancelled"])
        #expect(lines[1]["note"] as? String == "ended on request")
    }

    @Test func hostileTextComesBackUnchanged() throws {
        let bytes = JSONLinesReport.render(Samples.hostile)
        let lines = try objects(bytes)
        #expect(lines.count == 2 * Samples.hostileTexts.count)
        for (index, text) in Samples.hostileTexts.enumerated() {
            // Foundation's own reader drops a byte order mark here and there; compare scalars without it.
            let read = try #require(lines[2 * index]["test"] as? String)
            #expect(read.unicodeScalars.filter { $0 != "\u{FEFF}" } == text.unicodeScalars.filter { $0 != "\u{FEFF}" })
        }
        // No reader breaks a line inside an object.
        let text = String(decoding: bytes, as: UTF8.self)
        #expect(text.split(whereSeparator: \.isNewline).count == lines.count)
    }

    @Test func everyScalarIsEscapedToValidJSON() throws {
        var text = ""
        for value in (0...0x2FFF as ClosedRange<UInt32>) { text.unicodeScalars.append(Unicode.Scalar(value)!) }
        text.unicodeScalars.append("\u{10FFFF}")
        let data = Data("[\(JSONText.quoted(text))]".utf8)
        let read = try #require(try JSONSerialization.jsonObject(with: data) as? [String])
        #expect(Array(read[0].unicodeScalars) == Array(text.unicodeScalars))
        #expect(JSONText.quoted("\u{2028}\u{85}\u{0}\"\\\n") == "\"\\u2028\\u0085\\u0000\\\"\\\\\\n\"")
    }

    @Test func bytesThatAreNoUTF8AreReplaced() {
        #expect(JSONText.quoted(bytes: [0x61, 0xFF, 0x62, 0xC3]) == "\"a\u{FFFD}b\u{FFFD}\"")
    }

    @Test func aLongNoteIsCutWithAMarker() throws {
        let note = String(repeating: "ä", count: 500_000)
        let lines = JSONLinesReport.render(Samples.one(Samples.attempt(1, .fail, note: note)))
        let read = try #require(try objects(lines)[0]["note"] as? String)
        #expect(read.hasSuffix("ä [… truncated, 1000000 bytes in all]"))
        #expect(lines.count < 70_000)
    }

    @Test func timesAreUTCWithMicroseconds() throws {
        let times: [(Int64, String)] = [
            (0, "1970-01-01T00:00:00.000000Z"), (1_772_357_400_123_456, "2026-03-01T09:30:00.123456Z"),
            (951_782_400_000_000, "2000-02-29T00:00:00.000000Z"), (-1, "1969-12-31T23:59:59.999999Z"),
            (4_107_542_399_000_001, "2100-02-28T23:59:59.000001Z"),
            (4_107_542_400_000_000, "2100-03-01T00:00:00.000000Z"),
            (.max, "9999-12-31T23:59:59.999999Z"), (.min, "0000-01-01T00:00:00.000000Z"),
        ]
        for (micros, text) in times {
            var attempt = Samples.attempt(1, .pass)
            attempt.startedAt = Timestamp(rawValue: micros)
            let line = String(decoding: JSONLinesReport.render(Samples.one(attempt)), as: UTF8.self)
            #expect(line.contains("\"started_at\":\"\(text)\""), "\(micros): \(line)")
        }
    }
}
