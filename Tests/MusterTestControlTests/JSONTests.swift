import MusterTestControl
import Testing

@Suite struct JSONTests {
    /// Texts and what is written for them.
    static let good: [(String, String)] = [
        ("null", "null"), (" true ", "true"), ("\t\r\nfalse\n", "false"), ("0", "0"), ("-0", "-0"), ("-1", "-1"),
        ("9223372036854775807", "9223372036854775807"), ("-9223372036854775808", "-9223372036854775808"),
        ("9223372036854775808", "9223372036854775808"), ("-9223372036854775809", "-9223372036854775809"),
        ("123456789012345678901234567890", "123456789012345678901234567890"),
        ("1.50", "1.50"), ("1e5", "1e5"), ("-1.0E+05", "-1.0E+05"), ("0.1e-7", "0.1e-7"),
        (#""""#, #""""#), (#""a""#, #""a""#), (#""\"\\\/\b\f\n\r\t""#, #""\"\\/\u0008\u000c\n\r\t""#),
        (#""\u0041\u00e9\u20AC""#, #""Aé€""#), (#""é€😀""#, #""é€😀""#), (#""\ud83d\ude00""#, #""😀""#),
        (#""\uD83D\uDE00!""#, #""😀!""#), (#""\ud83d""#, "\"\u{FFFD}\""), (#""\ude00x""#, "\"\u{FFFD}x\""),
        (#""\ud83d\u0041""#, "\"\u{FFFD}A\""), (#""\ud83d\n""#, "\"\u{FFFD}\\n\""),
        (#""\ud83d\ud83d\ude00""#, "\"\u{FFFD}😀\""), (#""\udc80\udcff""#, "\"\u{FFFD}\u{FFFD}\""),
        (#""\u0000\u007f\u2028\ufeff""#, #""\u0000\u007f\u2028\ufeff""#),
        ("\"\u{7F}\u{85}\u{2029}\"", #""\u007f\u0085\u2029""#),
        ("[]", "[]"), ("[ ]", "[]"), ("[1, [2, []], {}]", "[1,[2,[]],{}]"), ("{}", "{}"), ("{ }", "{}"),
        (#"{"b": 1, "a": {"c": [true, null]}}"#, #"{"b":1,"a":{"c":[true,null]}}"#),
        (#"{"a": 1, "b": 2, "a": 3}"#, #"{"a":3,"b":2}"#), (#"{"": 0}"#, #"{"":0}"#),
        (#"{"\u0061": 1, "a": 2}"#, #"{"a":2}"#),
    ]

    @Test(arguments: good) func whatIsRightIsReadAndWritten(_ text: String, _ written: String) throws {
        let value = try JSONReader.value(of: text)
        #expect(value.json == written)
        #expect(try JSONReader.value(of: written) == value)
    }

    /// Texts and the byte at fault.
    static let bad: [(String, Int)] = [
        ("", 0), ("  ", 2), ("nul", 0), ("True", 0), ("NaN", 0), ("Infinity", 0), ("-Infinity", 1), ("'a'", 0),
        ("1 2", 2), ("1,", 1), ("01", 0), ("-01", 1), ("+1", 0), (".5", 0), ("1.", 2), ("1.e5", 2), ("1e", 2),
        ("1e+", 3),
        ("-", 1), ("0x10", 1), ("1_000", 1), ("[", 1), ("[1", 2), ("[1,", 3), ("[1,]", 3), ("[,1]", 1), ("[1 2]", 3),
        ("{", 1), (#"{"a""#, 4), (#"{"a":"#, 5), (#"{"a":1"#, 6), (#"{"a":1,"#, 7), (#"{"a":1,}"#, 7), (#"{a:1}"#, 1),
        (#"{"a" 1}"#, 5), (#"{1:1}"#, 1), (#"{"a":1 "b":2}"#, 7), ("{]", 1), ("[}", 1), (#"""#, 1), (#""a"#, 2),
        ("\"a\nb\"", 2), ("\"\u{0}\"", 1), (#""\x""#, 2), (#""\"#, 2), (#""\u12"#, 5), (#""\u12g4""#, 5),
        (#""\ud83d\u12""#, 11),
        ("// c\n1", 0), ("[1]]", 3), ("\u{FEFF}{}", 0), ("nullx", 4),
    ]

    @Test(arguments: bad) func whatIsWrongIsNamedWithItsByte(_ text: String, _ offset: Int) {
        let error = #expect(throws: JSONError.self) { try JSONReader.value(of: text) }
        #expect(error?.offset == offset, "\(String(describing: error))")
        #expect((error?.reason.utf8.count ?? 0) > 10)
    }

    @Test(
        arguments: [
            ([0x22, 0xFF, 0x22], 1), ([0x22, 0x61, 0xC3, 0x22], 2), ([0x22, 0xC3, 0xA9, 0xE2, 0x82, 0x22], 3),
            // Too long a form, half a surrogate pair, beyond the last character, a continuation alone.
            ([0x22, 0xC0, 0x80, 0x22], 1), ([0x22, 0xED, 0xA0, 0x80, 0x22], 1),
            ([0x22, 0xF4, 0x90, 0x80, 0x80, 0x22], 1),
            ([0x22, 0x80, 0x22], 1), ([0x22, 0x5C, 0x6E, 0xF0, 0x9F, 0x98, 0x22], 3),
            ([0x7B, 0x22, 0xFE, 0x22, 0x3A, 0x31, 0x7D], 2),
        ] as [([UInt8], Int)]
    )
    func whatIsNoUTF8IsNamedWithItsByte(_ bytes: [UInt8], _ offset: Int) {
        let error = #expect(throws: JSONError.self) { try JSONReader.value(of: bytes.span) }
        #expect(error?.offset == offset && error?.reason.contains("UTF-8") == true)
    }

    @Test func depthIsBound() throws {
        func nested(_ depth: Int) -> String {
            String(repeating: "[", count: depth) + String(repeating: "]", count: depth)
        }
        _ = try JSONReader.value(of: nested(100))
        #expect(throws: JSONError.self) { try JSONReader.value(of: nested(101)) }
        #expect(throws: JSONError.self) { try JSONReader.value(of: "[1]", depthMax: 0) }
        _ = try JSONReader.value(of: "1", depthMax: 0)
        // However much the caller allows, the stack is not the limit.
        _ = try JSONReader.value(of: nested(1000), depthMax: .max)
        #expect(throws: JSONError.self) { try JSONReader.value(of: nested(1001), depthMax: .max) }
        #expect(throws: JSONError.self) { try JSONReader.value(of: String(repeating: "[", count: 1_000_000)) }
    }

    @Test func numbersKeepWhatTheyAre() throws {
        #expect(try JSONReader.value(of: "-9223372036854775808") == .integer(.min))
        #expect(try JSONReader.value(of: "9223372036854775807") == .integer(.max))
        #expect(try JSONReader.value(of: "9223372036854775808") == .number("9223372036854775808"))
        #expect(try JSONReader.value(of: "1.0") == .number("1.0"))
        #expect(try JSONReader.value(of: "-0") == .number("-0"))
    }

    @Test func objectsOfManyKeysAreFoundChangedAndShrunk() throws {
        var object = JSONObject()
        for key in 0..<1000 { object["k\(key)"] = .integer(Int64(key)) }
        #expect((0..<1000).allSatisfy { object["k\($0)"] == .integer(Int64($0)) })
        for key in stride(from: 0, to: 1000, by: 2) { object["k\(key)"] = "even" }
        #expect(object.members.map(\.key) == (0..<1000).map { "k\($0)" })
        object.merge(JSONObject((10..<1000).map { ("k\($0)", .null) }))
        #expect(object.members.map(\.key) == (0..<10).map { "k\($0)" })
        #expect(object["k9"] == 9 && object["k8"] == "even" && object["k10"] == nil)
        object["k0"] = nil
        object["k0"] = 0
        #expect(object.members.last?.key == "k0" && object.members.count == 10)
        object.remove("k1", "k2", "none")
        #expect(object.members.map(\.key) == ["k3", "k4", "k5", "k6", "k7", "k8", "k9", "k0"])
        #expect(try JSONReader.value(of: object.json) == .object(object))
    }

    @Test func mergingFollowsTheRules() throws {
        func merged(_ first: String, _ second: String) throws -> String {
            var value = try JSONReader.value(of: first)
            value.merge(try JSONReader.value(of: second))
            return value.json
        }
        #expect(try merged(#"{"a":1}"#, #"{"b":2}"#) == #"{"a":1,"b":2}"#)
        #expect(try merged(#"{"a":1,"b":2}"#, #"{"a":null}"#) == #"{"b":2}"#)
        #expect(try merged(#"{"b":2}"#, #"{"a":null}"#) == #"{"b":2}"#)
        #expect(try merged(#"{"a":[1]}"#, #"{"a":[2,null]}"#) == #"{"a":[1,2,null]}"#)
        #expect(try merged(#"{"a":[1]}"#, #"{"a":"x"}"#) == #"{"a":"x"}"#)
        #expect(try merged(#"{"a":{"b":1,"c":2}}"#, #"{"a":{"b":null,"d":[1]}}"#) == #"{"a":{"c":2,"d":[1]}}"#)
        #expect(try merged(#"{"a":true}"#, #"{"a":1}"#) == #"{"a":1}"#)
        // What is new comes as it is.
        #expect(try merged("{}", #"{"a":{"b":null}}"#) == #"{"a":{"b":null}}"#)
    }

    @Test func whateverIsReadIsWrittenAndReadAgain() {
        var random = Seeded(7)
        let alphabet = Array(#"{}[]",:\u0123d8eE+-.truefalsn "#.utf8) + [0xC3, 0xA9, 0xFF, 0x00]
        var read = 0
        for _ in 0..<20_000 {
            var bytes = Array(Self.good[Int.random(in: 0..<Self.good.count, using: &random)].0.utf8)
            for _ in 0..<Int.random(in: 0...3, using: &random) where !bytes.isEmpty {
                let place = Int.random(in: bytes.indices, using: &random)
                let byte = alphabet[Int.random(in: alphabet.indices, using: &random)]
                switch Int.random(in: 0..<3, using: &random) {
                case 0: bytes[place] = byte
                case 1: bytes.insert(byte, at: place)
                default: bytes.remove(at: place)
                }
            }
            do throws(JSONError) {
                let value = try JSONReader.value(of: bytes.span)
                #expect(try JSONReader.value(of: value.json) == value)
                read += 1
            } catch {
                #expect((0...bytes.count).contains(error.offset))
            }
        }
        #expect(read > 4000)
    }
}
