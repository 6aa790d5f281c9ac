import Foundation
import Testing

@testable import MusterLab

/// What fmf refuses, or ends with an exception at, is an error with its place.
struct FMFErrorTests {
    @Test(arguments: [
        ("/: {inherits: true}", "1:5: unknown directive 'inherits' in '/'"),
        ("/: {inherit: 1}", "1:5: the directive 'inherit' in '/' is a number"),
        ("/: []", "1:1: '/' in '/' is a list, and directives are a mapping"),
        ("/x: text", "1:1: '/x' holds text, and a node is a mapping or nothing"),
        ("- a", "1:1: the file holds a list, and a node is a mapping or nothing"),
        ("a: 1\na: 2", "2:1: duplicate key 'a'"),
        ("a: {1: 2}\n/x:\n  a+: {2: 3}", "3:8: the key '2' in /x is no text"),
        ("s: a\n/x:\n  s+: [1]", "3:3: 's+' in /x cannot be merged: text and a list do not go together"),
        ("s: [a]\n/x:\n  s+: {b: 1}", "a list and a mapping merge when the list holds mappings only, and it has text"),
        ("s: a\n/x:\n  s-: [1]", "3:3: 's-' in /x cannot be merged: a list cannot be taken from text"),
        ("s: {a: 1}\n/x:\n  s-: [[]]", "'s-' in /x cannot be merged: a list is no key"),
        ("s: a\n/x:\n  s~: /a", "'/a' does not end with its first character"),
        ("s: a\n/x:\n  s~: /a/", "'/a/' is not two parts between three signs '/'"),
        ("s: a\n/x:\n  s~: //a/", "the expression of '//a/' is empty"),
        ("s: a\n/x:\n  s~: /(/a/", "3:3: the regular expression '(' is wrong: a ')' is missing"),
        ("s: [1]\n/x:\n  s~: /a/b/", "the list has a number, and only text has parts to substitute"),
        ("s: 1\n/x:\n  s-~: a", "expressions remove items, keys and text, not a number"),
        ("s: a\n/x:\n  s-~: 1", "it wants text or a list of texts, not a number"),
        ("s: 9223372036854775807\n/x:\n  s+: 1", "the number gets larger than 64 bits"),
        ("a: [1, 2", "no YAML: did not find expected ',' or ']'"),
        ("_a: &a {b: *a}", "1:12: '*a' stands inside of what '&a' names"),
        ("_a: &a {b: 1}\nv: *a\nv+: {c: *a}", "a value contains itself"),
    ])
    func whatCannotBeReadSaysWhereAndWhy(text: String, fault: String) throws {
        let faults = try fmfFaults(text + "\n")
        #expect(faults.count == 1 && faults[0].contains(fault), "\(faults)")
    }

    @Test(arguments: [
        ("adjust: 1", "1:1: 'adjust' in / is a number"), ("adjust: [1]", "a rule of 'adjust' in / is a number"),
        ("adjust:\n- when: 1\n", "2:3: 'when' in / is a number"), ("adjust:\n- when:\n", "'when' in / is nothing"),
        ("adjust:\n- when: a (b)\n", "2:3: 'when' in /: 'a (b)' is no condition"),
        ("adjust:\n- when: a ~ [\n", "2:3: 'when' in /: the regular expression '[' is wrong"),
        ("adjust:\n- continue: 1\n", "2:3: 'continue' in / is a number"),
    ])
    func aRuleThatIsNoneSaysWhereAndWhy(text: String, fault: String) throws {
        let faults = try fmfFaults(text + "\n", ["a": ["b"]])
        #expect(faults.count == 1 && faults[0].contains(fault), "\(faults)")
    }

    @Test func everyFileIsLookedAtBeforeTheTreeIsRefused() throws {
        let files = ["a.fmf": "x: [\n", "b.fmf": "/: 1\n", "c.fmf": "x: 1\nx: 2\n"]
        let faults = try FMFTestTree(files).faults()
        #expect(faults.map { String($0.prefix(6)) } == ["a.fmf:", "b.fmf:", "c.fmf:"])
    }

    @Test func bytesThatAreNoTextAreTold() throws {
        let tree = try FMFTestTree([:])
        try tree.write("x.fmf", Data([0x61, 0x3A, 0x20, 0xFF, 0x0A]))
        #expect(try tree.faults() == ["x.fmf:1:4: the file is not UTF-8: byte 0xFF here"])
    }

    @Test(arguments: ["2\n", "", "x", "1.0"]) func aVersionOtherThanOneIsRefused(version: String) throws {
        let faults = try FMFTestTree([".fmf/version": version]).faults()
        #expect(faults.count == 1 && faults[0].hasPrefix(".fmf/version: this Muster reads version 1"))
    }

    @Test func withoutARootThereIsNoTree() throws {
        let tree = try FMFTestTree([:])
        try FileManager.default.removeItem(atPath: tree.root + "/.fmf")
        #expect(try tree.faults()[0].contains("no tree of metadata"))
        #expect(throws: FMFError.self) { try FMFTree(at: tree.root + "/nowhere") }
    }

    @Test(arguments: ["", "explore:\n", "explore: {include: x}\n", "explore: {include: [.fmf]}\n", "[a]\n"])
    func aConfigurationThatIsNoneIsRefused(config: String) throws {
        let faults = try FMFTestTree([".fmf/config": config]).faults()
        #expect(faults.count == 1 && faults[0].hasPrefix(".fmf/config:1:"), "\(faults)")
    }

    @Test func aFileBeyondTheLimitIsRefused() throws {
        let text = "a: \"" + String(repeating: "x", count: FMFGrowth.bytesMax) + "\"\n"
        #expect(try fmfFaults(text) == ["main.fmf: the file is larger than 4 MiB, the limit for one file"])
    }

    @Test func aLinkToNothingIsTold() throws {
        let tree = try FMFTestTree([:])
        try tree.link("x.fmf", to: "nowhere")
        #expect(try tree.faults()[0].hasPrefix("x.fmf: it cannot be read"))
    }

    @Test func deepTreesAndDeepValuesAreRefused() throws {
        let key = String(repeating: "/a", count: 101)
        #expect(try fmfFaults("\(key): {}\n") == ["main.fmf:1:1: the tree is more than 100 nodes deep"])
        let deep = String(repeating: "[", count: 101) + String(repeating: "]", count: 101)
        #expect(try fmfFaults("a: \(deep)\n")[0].contains("nested more than 100 deep"))
        #expect(try fmfFaults("\(String(repeating: "/a", count: 100)): {}\n").isEmpty)
    }

    @Test func aliasesOfAliasesDoNotGrowWithoutEnd() throws {
        var text = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n"
        for i in 1...9 {
            text += "a\(i): &a\(i) [" + Array(repeating: "*a\(i - 1)", count: 9).joined(separator: ", ") + "]\n"
        }
        #expect(try fmfFaults(text)[0].contains("aliases make the file more than"))
    }

    @Test func mergesThatMultiplyDoNotGrowWithoutEnd() throws {
        // Each level turns every mapping into a list of four.
        var text = "v: {n: {}}\n"
        var indent = ""
        for depth in 1...16 {
            var value = "[{a: 1}, {b: 1}, {c: 1}, {d: 1}]"
            for _ in 1..<depth { value = "{n+: \(value)}" }
            text += "\(indent)/x:\n\(indent)  v+: {n+: \(value)}\n"
            indent += "  "
        }
        let faults = try fmfFaults(text)
        #expect(faults.count == 1, "\(faults)")
    }

    @Test func conditionsAreRefusedByName() {
        let error = #expect(throws: FMFError.self) { try FMFSelection(conditions: ["tier == 1"]) }
        #expect(error?.diagnostics.first?.message.contains("never run") == true)
    }
}
