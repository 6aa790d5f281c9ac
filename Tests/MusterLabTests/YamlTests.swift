import Testing

@testable import MusterLab

@Suite struct YamlTests {
    @Test func brokenYAMLIsLocated() {
        #expect(
            complaints("lab: a\ngroups:\n\tg: {}\n") == """
                lab.yaml:3:1: no YAML: found character that cannot start any token while scanning for the next token
                    3 | \tg: {}
                      | ^ indent with spaces; YAML takes no tabs there
                1 error; nothing was started

                """
        )
        #expect(
            complaints("lab: a\ngroups: {g: {}\n") == """
                lab.yaml:2:15: no YAML: did not find expected ',' or '}' while parsing a flow mapping
                    2 | groups: {g: {}
                      |               ^ a bracket is not closed, or a comma is missing
                      what is being read begins here    lab.yaml:2:9
                1 error; nothing was started

                """
        )
        #expect(complaints("lab: a: b").contains("lab.yaml:1:7: no YAML: mapping values are not allowed"))
        #expect(complaints("lab: \"a").contains("the quote is never closed"))
        #expect(complaints("lab: @a").contains("put text that begins with '@' in quotes"))
        #expect(complaints("lab: a\u{1}b").contains("lab.yaml:1:7: no YAML: control characters are not allowed"))
        #expect(complaints("lab: *x").contains("lab.yaml:1:6: no '&x' before this '*x'"))
        #expect(complaints("lab: !!int 5\ngroups: {g: {}}").contains("the tag '!!int' has no meaning"))
    }

    @Test func textThatIsNotUTF8IsLocated() {
        let bytes = Array("lab: a\n# caf".utf8) + [0xE9, 0x0A]
        #expect(throws: LabError.self) { try LabParser.parse(bytes: bytes, files: someFiles) }
        do throws(LabError) {
            _ = try LabParser.parse(bytes: bytes, files: someFiles)
        } catch {
            #expect(
                error.description == """
                    lab.yaml:2:6: the file is not UTF-8: byte 0xE9 here
                        2 | # caf\u{FFFD}
                          |      ^ save it as UTF-8
                    1 error; nothing was started

                    """
            )
        }
        for offset in [0, 1, 5] {
            var bytes = Array("añb€c".utf8)
            bytes.insert(0xFF, at: [0, 1, 4][offset % 3])
            #expect(LabParser.firstInvalidByte(bytes) == [0, 1, 4][offset % 3])
        }
    }

    @Test func columnsCountCharactersAndCaretsFollowTabsAndWideLetters() {
        #expect(
            complaints("lab: a\ngroups: {g: {}}\nresults: {\"été\": 1}").contains("lab.yaml:3:11: unknown key 'été'")
        )
        let wide = complaints("lab: a\ngroups: {g: {provision: [{process: , name: 機械}, {x: 1}]}}")
        #expect(wide.contains("lab.yaml:2:50: unknown key 'x'"), "\(wide)")
        #expect(wide.contains("機械}, {x: 1}]}}\n      |" + String(repeating: " ", count: 52) + "^ its keys"), "\(wide)")
        // One flag is one character of several scalars.
        let flag = complaints("lab: a\ngroups: {g: {}}\nresults: {directory: 🇩🇪, x: 1}")
        #expect(flag.contains("lab.yaml:3:25: unknown key 'x'"), "\(flag)")
        let tab = complaints("lab: a\ngroups: {g: {}}\nkeep:\tnope")
        #expect(tab.contains("lab.yaml:3:7: "))
        #expect(tab.contains("    3 | keep:\tnope\n      |      \t^^^^"), "\(tab)")
    }

    @Test func limitsKeepHostileFilesHarmless() {
        let deep = String(repeating: "[", count: 5_000)
        #expect(messages("lab: \(deep)") == ["values are nested more than 100 deep"])

        var bomb = "a: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
        for i in 1..<30 {
            let uses = (0..<10).map { _ in "*a\(i - 1)" }.joined(separator: ", ")
            bomb += "b\(i): &a\(i) [\(uses)]\n"
        }
        #expect(messages(bomb) == ["aliases make the file more than 200000 values larger"])

        var chain = "a: &a0 x\n"
        for i in 1..<300 { chain += "b\(i): &a\(i) [*a\(i - 1)]\n" }
        #expect(messages(chain) == ["values are nested more than 100 deep"])

        let aliases = "a: &a x\nb: [" + (0..<1_001).map { _ in "*a" }.joined(separator: ",") + "]"
        #expect(messages(aliases) == ["more than 1000 aliases in one file"])

        let directives = (0..<1_000).map { "%TAG !a\($0)! b\n" }.joined() + "---\nlab: a"
        #expect(messages(directives) == ["more than 16 YAML directives"])

        let large = "lab: a # " + String(repeating: "x", count: LabParser.bytesMax)
        #expect(messages(large) == ["the file is larger than 4 MiB, the limit for a lab file"])
    }

    @Test func aFileAtItsLimitIsReadInTime() {
        var text = "lab: a\ngroups: {g: {}}\nvars:\n"
        var i = 0
        while text.utf8.count < LabParser.bytesMax - 100 {
            text += "  name\(i): a value of some length, as people write them\n"
            i += 1
        }
        var found: [String] = ["not read"]
        let time = processorTime { found = messages(text) }
        #expect(found == [])
        #expect(time < .seconds(10))
        let oneLine = "{lab: a, groups: {g: {}}, " + (0..<200_000).map { "k\($0): [é]" }.joined(separator: ", ") + "}"
        let wrongTime = processorTime { found = messages(oneLine) }
        #expect(found.count == DiagnosticSink.keptMax)
        #expect(wrongTime < .seconds(10))
    }

    @Test func linesEndWhereYAMLEndsThem() {
        let source = SourceText(file: "f", bytes: Array("a\nb\r\nc\rd\u{85}e\u{2028}f".utf8))
        #expect(source.lineCount == 6)
        #expect((1...6).map { String(decoding: source.line($0), as: UTF8.self) } == ["a", "b", "c", "d", "e", "f"])
        #expect(source.mark(ofByte: 2) == Mark(line: 2, column: 1))
    }
}
