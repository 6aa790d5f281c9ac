import MusterCore
import Testing

@testable import MusterLab

/// Whatever stands in a lab file, the answer is a lab or errors that can be shown.
@Suite struct LabFuzzTests {
    private static let seed: UInt64 = 0x6D75_7374_6572

    private func check(_ bytes: [UInt8], _ what: @autoclosure () -> String) {
        do throws(LabError) {
            let lab = try LabParser.parse(bytes: bytes, environment: ["HOME": "/h"], files: someFiles)
            // What is accepted can be planned.
            for verb in [Verb.up, .down] {
                #expect(throws: Never.self, "\(what())") { try lab.runSpec(verb, directory: "/") }
            }
        } catch {
            #expect(!error.diagnostics.isEmpty, "\(what())")
            let lines = bytes.count { $0 == 0x0A || $0 == 0x0D } + 1
            for diagnostic in error.diagnostics {
                #expect(!diagnostic.message.isEmpty)
                #expect(diagnostic.line <= lines + 1, "\(what())")
                #expect((diagnostic.line == 0) == (diagnostic.column == 0), "\(what())")
            }
            #expect(error.description.contains("nothing was started"))
        }
    }

    @Test func everyBeginningOfALabIsReadWithoutACrash() {
        let bytes = Array(sampleLab.utf8)
        for end in 0..<bytes.count { check(Array(bytes[..<end]), "the first \(end) bytes") }
    }

    @Test func mutatedLabsAreReadWithoutACrash() {
        let original = Array(sampleLab.utf8)
        let pieces = [
            "${", "}", "$${", "&a ", "*a", "<<: ", "[", "]", "{", "}", ": ", "- ", "\n", "\t", "\"", "'", "|\n", "# ",
            "é", "\u{0}",
            "---\n", "...\n", "%TAG x\n", "!!str ", "? ", "99999999999999999999", "${db.0.address}", "~", "\r",
            "\u{FEFF}", "\u{2028}",
        ].map { Array($0.utf8) }
        for round in 0..<4_000 {
            var random = Seeded(state: Self.seed &+ UInt64(round))
            var bytes = original
            for _ in 0..<Int.random(in: 1...4, using: &random) {
                let place = Int.random(in: 0..<bytes.count, using: &random)
                switch Int.random(in: 0..<6, using: &random) {
                case 0: bytes[place] = UInt8.random(in: 0...255, using: &random)
                case 1: bytes.remove(at: place)
                case 2: bytes.insert(contentsOf: pieces.randomElement(using: &random)!, at: place)
                case 3:
                    let end = min(place + Int.random(in: 1...40, using: &random), bytes.count)
                    bytes.removeSubrange(place..<end)
                case 4:
                    let end = min(place + Int.random(in: 1...40, using: &random), bytes.count)
                    bytes.insert(contentsOf: bytes[place..<end], at: Int.random(in: 0..<bytes.count, using: &random))
                default: bytes.swapAt(place, Int.random(in: 0..<bytes.count, using: &random))
                }
                if bytes.isEmpty { break }
            }
            check(bytes, "round \(round)")
        }
    }

    @Test func garbageIsReadWithoutACrash() {
        for round in 0..<500 {
            var random = Seeded(state: Self.seed &+ UInt64(round))
            let letters = Array("ab:-[]{}&*!|>'\"%@`#,? \n\t$.0".utf8)
            let count = Int.random(in: 1...200, using: &random)
            check((0..<count).map { _ in letters.randomElement(using: &random)! }, "round \(round)")
            check((0..<count).map { _ in UInt8.random(in: 0...255, using: &random) }, "bytes of round \(round)")
        }
    }
}
