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
        let attempts = Samples.shop.tests.flatMap(\.attempts)
        #expect(lines.count == attempts.count + attempts.reduce(0) { $0 + $1.parts.count })
        #expect(lines.count { $0["subtest"] is NSNull } == attempts.count)
        for line in lines { #expect(Set(line.keys).subtracting(["status", "extra"]) == keys) }
    }

    @Test func partsFollowTheirAttemptWithWhatTheySay() throws {
        let extra = "{\n  \"a\": [1, -2.5e3, true, null],\t\"b\\u2028\": \"x\u{2028}\"\n}"
        let attempt = Samples.attempt(
            2,
            .pass,
            files: ["files/api/tests/login/2/output.txt"],
            results: [
                TestResult(outcome: .pass, status: "good", files: ["own.log"], extra: "{\"x\": 1}"),
                TestResult(name: "a/b", outcome: .fail, note: "why", files: ["../x", "y"], extra: extra),
                TestResult(name: "c", outcome: .info, status: "odd", extra: "no object"),
            ]
        )
        let bytes = JSONLinesReport.render(Samples.one(attempt))
        let lines = try objects(bytes)
        #expect(lines.map { $0["subtest"] as? String } == [nil, "a/b", "c"])
        #expect(lines[0]["status"] as? String == "good")
        #expect((lines[0]["extra"] as? [String: Int]) == ["x": 1])
        let files = lines.map { $0["files"] as? [String] }
        #expect(files[0] == ["files/api/tests/login/2/output.txt", "files/api/tests/login/2/own.log"])
        #expect(files[1] == ["files/api/tests/login/2/=2E./x", "files/api/tests/login/2/y"])
        #expect(lines[1]["outcome"] as? String == "fail" && lines[1]["note"] as? String == "why")
        #expect(lines[1]["attempt"] as? Int == 2 && lines[1]["duration_ms"] as? Int == 0)
        #expect(lines[1]["started_at"] is NSNull && lines[1]["node"] as? String == "app/0")
        #expect(lines[1]["status"] == nil)
        let read = try #require(lines[1]["extra"] as? [String: Any])
        #expect(read["b\u{2028}"] as? String == "x\u{2028}")
        #expect((read["a"] as? [Any])?.count == 4)
        #expect((lines[2]["extra"] as? [String: String]) == ["text": "no object"])
        #expect(String(decoding: bytes, as: UTF8.self).split(whereSeparator: \.isNewline).count == 3)
    }

    @Test func whatIsNoJSONObjectStandsInOne() throws {
        let wrong = [
            "", "1", "[]", "{", "{}x", "{\"a\"}", "{\"a\":}", "{\"a\":01}", "{\"a\":1,}", "{'a':1}", "{\"a\":\"\n\"}",
            "{\"a\":\"\\x\"}", "{\"a\":\"\\u12G4\"}", "{\"a\":tru}", "{\"a\":1.}", "{\"a\":-}", "{\"a\":1e}",
            "{\"a\":\"",
            String(repeating: "{\"a\":", count: 100) + "1" + String(repeating: "}", count: 100),
        ]
        for text in wrong {
            let attempt = Samples.attempt(1, .pass, results: [TestResult(outcome: .pass, extra: text)])
            let line = try #require(try objects(JSONLinesReport.render(Samples.one(attempt))).first)
            #expect((line["extra"] as? [String: String]) == ["text": text], "\(text)")
        }
        for text in ["{}", " { } ", "{\"a\":{\"b\":[]}}", "{\"a\":[0,-0.5,1E+9]}", "{\"\\u00e4\":\"\\n\\/\"}"] {
            let attempt = Samples.attempt(1, .pass, results: [TestResult(outcome: .pass, extra: text)])
            let line = try #require(try objects(JSONLinesReport.render(Samples.one(attempt))).first)
            #expect((line["extra"] as? [String: Any])?["text"] == nil, "\(text)")
        }
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
        #expect(lines.count == 3 * Samples.hostileTexts.count)
        for (index, text) in Samples.hostileTexts.enumerated() {
            // Foundation's own reader drops a byte order mark here and there; compare scalars without it.
            let read = try #require(lines[3 * index]["test"] as? String)
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
