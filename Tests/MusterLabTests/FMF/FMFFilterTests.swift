import Testing

@testable import MusterLab

/// Which nodes filters and selections mean.
struct FMFFilterTests {
    private static let data = """
        tag: [Tier1, x, "a|b", "q&a"]
        n: 5
        flag: true
        none:
        deep: {a: 1, b: [x, null]}
        text: "a b\\n"

        """

    @Test(
        arguments: [
            ("", true), ("tag: Tier1", true), ("tag: Tier", false), ("tag: Tier.*", true), ("tag: -Tier2", true),
            ("tag: -Tier1", false), ("tag: no, x", true), ("tag: no , x", true), ("tag: x & tag: Tier1", true),
            ("tag: x & tag: no", false), ("tag: no | tag: x", true), ("tag:x&n:5", true), ("n: [1-5]", true),
            ("flag: True", true), ("flag: true", false), ("none: None", true), ("deep: \\{'a': 1.*", true),
            ("text: a b", true), ("tag: a\\\\\\|b", false), ("tag: a\\|b", true), ("tag: q\\&a", true),
            ("nope: 1", nil),
            ("tag: x | nope: 1", nil),
            ("tag: no & nope: 1", nil), ("/wrong & nope: 1", false), ("core", true), ("^/tests & tag: x", true),
            ("tag : x", nil), (" tag: x", nil), ("tag: x ", false), ("tag: x\n", true), ("tag: -no, Tier2", true),
        ] as [(String, Bool?)]
    )
    func aFilterPassesWhatFmfPasses(filter: String, passes: Bool?) throws {
        let tree = try FMFTestTree(["tests/core.fmf": Self.data]).read()
        #expect(try FMFFilter(filter).passes(try #require(tree.node("/tests/core"))) == passes)
    }

    @Test func anExpressionThatIsNoneIsAnErrorOfTheFilter() throws {
        let tree = try FMFTestTree(["main.fmf": Self.data]).read()
        let filter = try FMFFilter("tag: [")
        #expect(throws: FMFError.self) { try filter.passes(try #require(tree.node("/"))) }
    }

    @Test func aSelectionAsksForKeysNamesFiltersAndSources() throws {
        let tree = try FMFTestTree([
            "a.fmf": "tag: x\n/one: {test: t}\n/two: {test: t, tag+: y}\n", "b.fmf": "tag: z\n/one:\n",
        ]).read()
        func names(_ selection: FMFSelection) throws -> [String] { try tree.nodes(selection).map(\.name) }
        #expect(try names(FMFSelection()) == ["/a/one", "/a/two", "/b/one"])
        #expect(try names(FMFSelection(keys: ["test"])) == ["/a/one", "/a/two"])
        #expect(try names(FMFSelection(names: ["two$", "^/b"])) == ["/a/two", "/b/one"])
        #expect(try names(FMFSelection(filters: ["tag: xy | tag: z"])) == ["/a/two", "/b/one"])
        #expect(try names(FMFSelection(filters: ["tag: z", "test: t"])) == [])
        var selection = FMFSelection()
        selection.sources = ["b.fmf"]
        selection.isWhole = true
        #expect(try names(selection) == ["/b", "/b/one"])
        #expect(throws: FMFError.self) { try FMFSelection(names: ["["]) }
    }
}
