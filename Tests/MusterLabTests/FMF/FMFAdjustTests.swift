import Testing

@testable import MusterLab

/// Rules of `adjust`, and what is told of them.
struct FMFAdjustTests {
    private let fedora = ["distro": ["fedora-40"], "arch": ["x86_64"]]

    @Test func aParentsAdjustedResultDoesNotFlowToChildren() throws {
        let text = "tag: [t]\nadjust:\n  tag+: [p]\n/x:\n  tag+: [c]\n"
        #expect(try FMFTestTree(["main.fmf": text]).read([:]).json("/x", "tag") == #"["t", "c", "p"]"#)
    }

    @Test func withoutAContextNoRuleIsLookedAt() throws {
        #expect(try fmfData("a: 1\nadjust: nonsense\n") == ["/": #"{"a": 1, "adjust": "nonsense"}"#])
    }

    @Test func aMatchThatDoesNotContinueEndsTheRules() throws {
        let rules = "adjust:\n- {when: distro == fedora, a: 1, continue: false}\n- {a: 2}\n"
        #expect(try FMFTestTree(["main.fmf": rules]).read(fedora).json("/", "a") == "1")
        #expect(try FMFTestTree(["main.fmf": rules]).read(["distro": ["rhel"]]).json("/", "a") == "2")
    }

    @Test func undecidedRulesAreSkippedOrRefused() throws {
        let tree = try FMFTestTree(["main.fmf": "a: 1\nadjust:\n- when: nope == 1\n  a: 2\n"])
        #expect(try tree.read(fedora).json("/", "a") == "1")
        let faults = try tree.faults(fedora, undecided: .refuse)
        #expect(faults == ["main.fmf:3:3: the rule 'nope == 1' in / cannot be decided"])
    }

    @Test func aRulesMappingsBecomeTheNodesAndShowLaterChanges() throws {
        let text = "adjust:\n- d: {x: 1}\n- d+: {y: 2}\n/n: {}\n"
        let tree = try FMFTestTree(["main.fmf": text]).read([:])
        #expect(try tree.json("/n", "d") == #"{"x": 1, "y": 2}"#)
        #expect(try tree.json("/n", "adjust") == #"[{"d": {"x": 1, "y": 2}}, {"d+": {"y": 2}}]"#)
    }

    @Test func everyRuleIsToldWithItsPlaceAndWhatItDid() throws {
        let text = """
            tag: [a]
            adjust:
              - when: distro == fedora
                tag+: [f]
                because: it is
              - when: arch == s390x
                enabled: false
              - when: nope == 1
                enabled: false
              - when: arch == x86_64
                env: {A: 1}
                continue: false
              - enabled: false
            /x:
              tag+: [x]

            """
        let tree = try FMFTestTree(["main.fmf": text]).read(fedora)
        let reports = try tree.why(try #require(tree.node("/x")))
        #expect(reports.map(\.outcome) == [.applied, .notApplied, .undecided, .applied, .notReached])
        #expect(reports.map(\.rule) == ["distro == fedora", "arch == s390x", "nope == 1", "arch == x86_64", ""])
        #expect(reports.map { $0.location?.line } == [3, 6, 8, 10, 13])
        #expect(reports[0].reason == "it is")
        let change = try #require(reports[0].changes.first)
        #expect(reports[0].changes.count == 1 && change.key == "tag")
        #expect(try change.before.map { try FMFExport.json($0) } == #"["a", "x"]"#)
        #expect(try change.after.map { try FMFExport.json($0) } == #"["a", "x", "f"]"#)
        #expect(reports[3].changes.map(\.key) == ["env"] && reports[3].changes[0].before == nil)
    }

    @Test func withoutAContextRulesAreToldAsNotAsked() throws {
        let tree = try FMFTestTree(["main.fmf": "adjust:\n- a: 1\n- when: b == 1\n"]).read()
        let reports = try tree.why(try #require(tree.node("/")))
        #expect(reports.map(\.outcome) == [.notAsked, .notAsked])
        #expect(try tree.why(try #require(FMFTestTree(["main.fmf": "a: 1"]).read().node("/"))).isEmpty)
    }
}
