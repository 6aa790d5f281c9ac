import Foundation
import Testing

@testable import MusterLab

/// How nodes grow from files, and what they inherit.
struct FMFTreeTests {
    @Test func aChildReplacesWhatItsParentSays() throws {
        #expect(try fmfData("a: 1\nb: 2\n/x:\n  b: 3\n") == ["/x": #"{"a": 1, "b": 3}"#])
    }

    @Test(arguments: [
        ("v: 1", "v+: 2", "3"), ("v: 1", "v+: 0.5", "1.5"), ("v: true", "v+: 1", "2"), ("v: a", "v+: b", "\"ab\""),
        ("v: a", "v+<: b", "\"ba\""), ("v: [1]", "v+<: [2]", "[2, 1]"), ("w: 1", "v+: [2]", "[2]"),
        ("v: {a: 1}", "v+: {a+: 1, b: 2}", #"{"a": 2, "b": 2}"#), ("v: {a: 1}", "v: {a+: 1}", #"{"a+": 1}"#),
        ("v: [{a: 1}, {}]", "v+: {a+: 1}", #"[{"a": 2}, {"a": 1}]"#),
        ("v: {a: 1}", "v+: [{a+: 1}, {b: 1}]", #"[{"a": 2}, {"a": 1, "b": 1}]"#),
        ("v: 5", "v-: 2", "3"), ("v: foo bar", "v-: o+", "\"f bar\""),
        ("v: [1, a, {b: 1}]", "v-: [{b: 1}, true]", "[\"a\"]"),
        ("v: {a: 1, b: 2}", "v-: [a, c]", #"{"b": 2}"#), ("v: {}", "v-: [{}]", "{}"),
        ("v: [ab, b]", "v~: '|(a)b|\\1c|'", #"["ac", "b"]"#), ("v: foo", "v~: [/o/0/, /^f//]", "\"00\""),
        ("v: [ab, 1, null]", "v-~: [^a, None]", "[1]"), ("v: foo", "v-~: x", "\"foo\""), ("v: foo", "v-~: o", "\"\""),
        ("v: {ab: 1, c: 2}", "v-~: b$", #"{"c": 2}"#), ("v: 1", "v++: 1", "2"), ("v: 1", "\"v+<\": 1", "2"),
    ])
    func aSuffixMergesIntoWhatIsInherited(parent: String, child: String, json: String) throws {
        let tree = try FMFTestTree(["main.fmf": "\(parent)\n/x:\n  \(child)\n"]).read()
        #expect(try tree.json("/x", "v") == json)
    }

    @Test func suffixesOfKeysThatAreNotThereDoNothing() throws {
        #expect(try fmfData("a-: 1\nb~: /x/y/\nc-~: z\nd+: 1\n") == ["/": #"{"d": 1}"#])
    }

    @Test func onlyTheSignsOfItsOwnSuffixGoFromAKey() throws {
        // All of `+<` in any order, but not the `-` before them.
        #expect(try fmfData("\"a-+<\": 1\n\"b<+<\": 2\n\"c<\": 3\n") == ["/": #"{"a-": 1, "b": 2, "c<": 3}"#])
    }

    @Test func filesOfOneNodeAreReadFromMainToFolder() throws {
        let tree = try FMFTestTree([
            "main.fmf": "/x:\n  v: 1\n  tag: [a]\n", "x.fmf": "v: 2\ntag+: [b]\n", "x/main.fmf": "v: 3\ntag+: [c]\n",
            "x/y.fmf": "",
        ]).read()
        // `tag+` is one key: the later file's replaces that of the earlier one.
        #expect(try tree.data() == ["/x/y": #"{"tag": ["a", "c"], "v": 3}"#])
        #expect(tree.node("/x/y")?.sources == ["main.fmf", "x.fmf", "x/main.fmf", "x/y.fmf"])
        #expect(tree.node("/x/y")?.workingDirectory == "x")
        #expect(tree.node("/")?.workingDirectory?.isEmpty == true)
    }

    @Test func foldersWithoutMetadataAreNoNodesAndEmptyNodesAre() throws {
        let files = ["a/b/c.txt": "x", "e.fmf": "", "main.fmf": "/x:\n/y: {}\n"]
        let tree = try FMFTestTree(files, folders: ["d"]).read()
        #expect(tree.nodes.map(\.name) == ["/", "/e", "/x", "/y"])
    }

    @Test func hiddenFilesSubtreesAndOtherFilesAreLeftOut() throws {
        let files = [
            ".h.fmf": "a: 1", ".d/main.fmf": "a: 1", "s/.fmf/version": "1\n", "s/main.fmf": "a: 1", "t.yaml": "a: 1",
            "v.fmf": "c: 1",
        ]
        #expect(try FMFTestTree(files).read().nodes.map(\.name) == ["/", "/v"])
        let config = [".fmf/config": "explore: {include: [.d, .h.fmf]}\n"]
        let tree = try FMFTestTree(files.merging(config) { $1 }).read()
        #expect(tree.nodes.map(\.name) == ["/", "/.d", "/.h", "/v"])
    }

    @Test func directivesSayWhatIsInheritedAndSelected() throws {
        let text = "a: 1\n/:\n  select: true\n/x:\n  /: {inherit: false}\n  b: 1\n/y:\n  /: {select: false}\n"
        let tree = try FMFTestTree(["main.fmf": text]).read()
        #expect(try tree.data() == ["/": #"{"a": 1}"#, "/x": #"{"b": 1}"#])
        #expect(tree.node("/y")?.isSelected == false)
        #expect(tree.node("/x")?.sources == [] && tree.node("/x")?.workingDirectory == nil)
    }

    @Test func nodesComeInTheOrderOfTheirNamesAndParentsFirst() throws {
        let tree = try FMFTestTree(["main.fmf": "/b:\n/a-b:\n/a/c:\n/a/b:\n/é:\n/Z:\n"]).read()
        #expect(tree.nodes.map(\.name) == ["/", "/Z", "/a", "/a/b", "/a/c", "/a-b", "/b", "/é"])
        // Written are they by their whole names, as text.
        let lines = try FMFExport.jsonLines(of: tree).split(separator: "\n").map { $0.dropFirst(12) }
        #expect(lines.map { $0.contains("/a-b") } == [false, true, false, false, false, false])
    }

    @Test func aFolderBelowTheRootReadsTheWholeTree() throws {
        let tree = try FMFTestTree(["a/b.fmf": "x: 1", "c.fmf": ""])
        let read = try FMFTree(at: tree.root + "/a")
        #expect(read.nodes.map(\.name) == ["/", "/a", "/a/b", "/c"])
        #expect(read.root == tree.root)
    }

    @Test func aLinkThatLeadsBackIsFollowedOnce() throws {
        let tree = try FMFTestTree(["main.fmf": "a: 1", "d/x.fmf": ""])
        try tree.link("d/loop", to: "..")
        try tree.link("d/again", to: ".")
        try tree.link("e", to: "d")
        // `loop` leads to a folder with `.fmf`, which is a tree of its own; what `again` and `e` lead to is one folder.
        #expect(try tree.read().nodes.map(\.name) == ["/", "/d", "/d/again", "/d/again/x", "/d/x"])
    }

    @Test func whatIsMergedIntoAnAliasIsSeenAtItsAnchor() throws {
        let text = "_b: &b {x: 1}\nv: *b\nv+: {y: 2}\n/n: {}\n"
        #expect(try fmfData(text) == ["/n": #"{"_b": {"x": 1, "y": 2}, "v": {"x": 1, "y": 2}}"#])
    }

    @Test func childrenHaveTheirOwnCopiesOfSharedValues() throws {
        let text = "_b: &b {x: 1}\nv: *b\n/m:\n  v+: {y: 2}\n/n: {}\n"
        let data = try fmfData(text)
        #expect(data["/m"] == #"{"_b": {"x": 1, "y": 2}, "v": {"x": 1, "y": 2}}"#)
        #expect(data["/n"] == #"{"_b": {"x": 1}, "v": {"x": 1}}"#)
    }

    @Test func copiesReachMappingsInsideOfSharedOnes() throws {
        let data = try fmfData("_b: &b {x: {k: 1}}\nv: *b\n/m:\n  v+: {x+: {y: 2}}\n/n: {}\n")
        #expect(data["/m"] == #"{"_b": {"x": {"k": 1, "y": 2}}, "v": {"x": {"k": 1, "y": 2}}}"#)
        #expect(data["/n"] == #"{"_b": {"x": {"k": 1}}, "v": {"x": {"k": 1}}}"#)
    }

    @Test func aMappingMergedIntoItselfHasItsOwnChanges() throws {
        let text = "_x: &x {s-: o, s: foo}\nv: *x\nv+: *x\n"
        #expect(try fmfData(text) == ["/": #"{"_x": {"s": "f", "s-": "o"}, "v": {"s": "f", "s-": "o"}}"#])
        #expect(try fmfFaults("_x: &x {s+: o}\nv: *x\nv+: *x\n")[0].contains("merged into itself"))
    }

    @Test func itemsOfAListShareWhatIsMergedIntoAllOfThem() throws {
        // `n` is added to twice: both items have one and the same `d`.
        let text = "l: [{}, {}]\n/x:\n  l+: {d: {n: 1}}\n  /y:\n    l+: {d+: {n+: 1}}\n"
        #expect(try fmfData(text) == ["/x/y": #"{"l": [{"d": {"n": 3}}, {"d": {"n": 3}}]}"#])
    }

    @Test func directivesOfAnAliasedNodeAreTakenOnce() throws {
        let text = "a: 1\n/b: &t\n  /: {inherit: false}\n  x: 1\n/c: *t\n"
        #expect(try fmfData(text) == ["/b": #"{"x": 1}"#, "/c": #"{"a": 1, "x": 1}"#])
    }

    @Test func aKeySaysWhereItsValueStands() throws {
        let tree = try FMFTestTree([
            "main.fmf": "test: ./a.sh\nrequire: [a]\n", "x/main.fmf": "/y:\n  require+: [b]\n  test: ./b.sh\n/z:\n",
        ]).read()
        let node = try #require(tree.node("/x/y"))
        #expect(tree.location(of: "test", in: node) == FMFLocation(file: "x/main.fmf", line: 3, column: 3))
        #expect(tree.location(of: "require", in: node)?.description == "x/main.fmf:2")
        #expect(tree.location(of: "nope", in: node) == nil)
        #expect(tree.location(of: "test", in: try #require(tree.node("/x/z")))?.description == "main.fmf:1")
    }

    @Test func namesThatDifferInTheirScalarsAreDifferent() throws {
        // Both show as é.
        #expect(try fmfData("\u{E9}: 1\ne\u{301}: 2\n") == ["/": "{\"e\u{301}\": 2, \"\u{E9}\": 1}"])
    }
}
