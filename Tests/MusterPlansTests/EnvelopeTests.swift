import Foundation
import MusterCore
import MusterPlans
import Testing

@testable import MusterPlans

@Suite struct EnvelopeTests {
    struct Login: Codable, Sendable {
        var user: String
        var password: Secret<String>
        var others: [Secret<Int>]
        var map: [String: Secret<String>]
        var host: Value<String>
    }

    @Test func secretsAreMaskedAndStored() throws {
        let login = Login(
            user: #"quo"te\ ü"#,
            password: Secret("hush"),
            others: [Secret(1), Secret(2)],
            map: ["a.b": Secret("x")],
            host: Value(content: .reference(Reference(plan: 4, step: 3, path: ["place", "host name"])))
        )
        let envelope = try Envelope(.input, login, of: "it", plan: 4, limit: 1000)
        #expect(envelope.uses == [3])
        #expect(envelope.text.contains("hush"))
        let shown = Envelope.masked(envelope.text)
        #expect(
            shown
                == #"{"host":"${3.place.host name}","map":{"a.b":"***"},"others":["***","***"],"#
                + #""password":"***","user":"quo\"te\\ ü"}"#
        )
        let outputs: [StepIndex: String] = [3: #"{"output":{"place":{"host name":"h\u00e4"}}}"#]
        let opened = try Envelope.open(envelope.text, .input, of: "it", outputs: outputs)
        let read = try Envelope.decode(Login.self, opened, of: "it")
        #expect(read.password.value == "hush" && read.others.map(\.value) == [1, 2])
        #expect(try read.host.value == "hä")
        #expect("\(read.password)" == "***" && "\(read)".contains("hush") == false)
    }

    @Test func numbersKeepAllTheirDigits() throws {
        struct Numbers: Codable, Sendable {
            var small: Double
            var large: UInt64
            var low: Int64
        }
        let numbers = Numbers(small: 0.1 + 0.2, large: .max, low: .min)
        let text = try Envelope(.output, numbers, of: "it", limit: 1000).text
        let read = try Envelope.decode(Numbers.self, try Envelope.open(text, .output, of: "it"), of: "it")
        #expect(read.small == numbers.small && read.large == .max && read.low == .min)
        let odd = try Envelope(.output, [Double.infinity], of: "it", limit: 100).text
        #expect(try Envelope.decode([Double].self, try Envelope.open(odd, .output, of: "it"), of: "it") == [.infinity])
    }

    @Test func whatIsTooLargeIsRefusedWhenPlannedAndWhenReturned() async throws {
        let bench = Bench(limit: 2000)
        bench.register(Echo())
        let large = String(repeating: "x", count: 3000)
        let error = #expect(throws: BadValueError.self) {
            try bench.build { try $0.add(Echo.self, .init(text: large)) }
        }
        #expect(error?.description.contains("the input of 'Echo' has 2.9 KiB, at most 2.0 KiB are stored") == true)
        let end = await bench.call("Echo", .run, input: #"{"input":{"text":"\#(large)"}}"#)
        guard case .failed(let failure, true) = end.outcome else { throw PlanningError("\(end)") }
        #expect(failure.code == .badValue && failure.message.contains("the output of 'Echo'"))
    }

    struct Echo: Action {
        struct Input: Codable, Sendable { var text: String }
        func run(_ input: Input, in context: RunContext) async throws -> String { input.text }
    }

    @Test func foreignTextIsTold() throws {
        let error = #expect(throws: BadValueError.self) { try Envelope.open("[1]", .input, of: "the input of 'X'") }
        #expect(error?.description.contains("the input of 'X'") == true)
        #expect(Envelope.masked("not JSON") == "not JSON")
        #expect(Envelope.masked("") == "")
    }

    @Test func slicesFindAnyPath() throws {
        let text = #" { "a" : [ 1 , {"b\"c": "x,]}" , "d": -1.5e3 } , [] ] , "e":null } "#
        let slices = JSONSlices(text)
        #expect(slices.find(["a", "1", "b\"c"]).map(slices.text) == #""x,]}""#)
        #expect(slices.find(["a", "1", "d"]).map(slices.text) == "-1.5e3")
        #expect(slices.find(["a", "2"]).map(slices.text) == "[]")
        #expect(slices.find(["e"]).map(slices.text) == "null")
        #expect(slices.find(["a", "3"]) == nil && slices.find(["f"]) == nil)
    }

    /// No text makes it crash or loop.
    @Test func brokenTextIsHarmless() {
        let text = #"{"input":{"a":[1,"x\u00e9",{"b":null}],"c":"d\"e"},"uses":[{"at":["a"],"step":1,"path":["q"]}]}"#
        let bytes = Array(text.utf8)
        for end in 0...bytes.count {
            let part = String(decoding: bytes[..<end], as: UTF8.self)
            _ = Envelope.masked(part)
            _ = try? Envelope.open(part, .input, of: "it")
        }
        for place in bytes.indices {
            for byte in [UInt8(ascii: "\""), UInt8(ascii: "{"), UInt8(ascii: "]"), UInt8(ascii: "\\"), 0x20] {
                var other = bytes
                other[place] = byte
                _ = Envelope.masked(String(decoding: other, as: UTF8.self))
                _ = try? Envelope.open(String(decoding: other, as: UTF8.self), .input, of: "it")
            }
        }
    }
}
