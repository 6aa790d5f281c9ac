import MusterCore
import Testing

@testable import MusterLab

@Suite struct LabRunSpecTests {
    private func spec(
        _ verb: Verb,
        _ change: (inout RunSelection) -> Void = { _ in }
    ) throws -> RunSpec {
        var selection = RunSelection()
        change(&selection)
        return try parse(sampleLab).runSpec(verb, selection: selection, directory: "/lab")
    }

    private func refusal(_ verb: Verb, _ change: (inout RunSelection) -> Void) throws -> String {
        do {
            _ = try spec(verb, change)
            return ""
        } catch let error as SelectionError {
            return error.message
        }
    }

    private func tests(_ spec: RunSpec) -> [String] {
        spec.suites.flatMap { suite in suite.tests.map { "\(suite.name)//\($0.name)" } }
    }

    @Test func upTakesTheGroupsNamedAndAllTheyNeed() throws {
        #expect(try spec(.up).groups.map(\.name) == ["db", "cache", "app"])
        #expect(try spec(.up) { $0.groups = ["app"] }.groups.map(\.name) == ["db", "cache", "app"])
        #expect(try spec(.up) { $0.groups = ["cache"] }.groups.map(\.name) == ["cache"])
        #expect(try spec(.up).suites.isEmpty)
        #expect(try spec(.up).resultsDirectory == nil)
        #expect(
            try refusal(.up) { $0.groups = ["dbb"] } == "no group 'dbb'; did you mean 'db'? there are db, cache, app"
        )
    }

    @Test func downTakesWhatNeedsTheGroupsNamedToo() throws {
        let all = try spec(.down)
        #expect(all.downGroups.isEmpty)
        #expect(all.groups.count == 3)
        let cache = try spec(.down) { $0.groups = ["cache"] }
        #expect(cache.downGroups == ["cache", "app"])
        #expect(cache.groups.map(\.name) == ["db", "cache", "app"])
        #expect(try spec(.down) { $0.groups = ["app"] }.downGroups == ["app"])
    }

    @Test func testTakesTheGroupsOfItsSuites() throws {
        #expect(try spec(.test) { $0.patterns = ["smoke"] }.groups.map(\.name) == ["db"])
        #expect(try spec(.test) { $0.patterns = ["api"] }.groups.map(\.name) == ["db", "cache", "app"])
        #expect(try spec(.test).resultsDirectory == "/lab/out")
        #expect(try spec(.test) { $0.resultsDirectory = "/r" }.resultsDirectory == "/r")
        #expect(try spec(.test).resultFormats == [.jsonl, .junit])
    }

    /// Of ten nodes as many as there are tests, unless something else wants them.
    @Test func aGroupHasNoMoreNodesThanItsTestsCanUse() throws {
        func counts(_ keys: String = "", _ change: (inout RunSelection) -> Void = { _ in }) throws -> [Int?] {
            let lab = try parse(
                """
                muster: 1
                lab: shop
                groups:
                  app: { count: 10, provision: [{ process: {} }] }
                  other: { provision: [{ process: {} }] }
                tests:
                  api:
                    where: app
                    discover: { list: [{ name: a, run: "true" }, { name: b, run: "true" }, { name: c, run: "true" }] }
                \(keys)
                """
            )
            var selection = RunSelection()
            change(&selection)
            let app = try lab.runSpec(.test, selection: selection, directory: "/lab").groups[0]
            return [app.count, app.standby, app.places]
        }
        #expect(try counts() == [3, 7, 10])
        #expect(try counts { $0.patterns = ["api//a"] } == [1, 9, 10])
        #expect(try counts("    spares: 2") == [3, 7, 12])
        #expect(try counts("    reruns: 1\n    rerun-on: other") == [4, 6, 10])
        #expect(try counts { $0.keep = .always } == [10, nil, 10])
        #expect(try counts("    needs: [app]") == [10, nil, 10], "all are to be ready")
        #expect(try counts("    before: echo ${app.5.address}") == [6, 4, 10])
        #expect(try counts("    roles: { server: {}, client: {} }") == [10, nil, 10])
    }

    static let patterns: [([String], [String])] = [
        ([], ["api//tests/login", "api//tests/upgrade", "api//tests/deep/er", "smoke//ping", "smoke//pong"]),
        (["smoke"], ["smoke//ping", "smoke//pong"]),
        (["tests/login"], ["api//tests/login"]),
        (["api//tests/login", "ping"], ["api//tests/login", "smoke//ping"]),
        (["p?ng"], ["smoke//ping", "smoke//pong"]),
        (["*//*in*"], ["api//tests/login", "smoke//ping"]),
        (["smoke//*o*"], ["smoke//pong"]),
        (["tests/*"], ["api//tests/login", "api//tests/upgrade", "api//tests/deep/er"]),
        (["s*"], ["smoke//ping", "smoke//pong"]),
    ]

    @Test(arguments: patterns) func patternsChooseSuitesAndTests(_ patterns: [String], _ expected: [String]) throws {
        #expect(try tests(spec(.test) { $0.patterns = patterns }) == expected)
    }

    @Test func patternsThatChooseNothingAreRefused() throws {
        #expect(
            try refusal(.test) { $0.patterns = ["smoke", "smoka"] }
                == "no suite or test 'smoka'; did you mean 'smoke'? there are api, smoke"
        )
        #expect(
            try refusal(.test) { $0.patterns = ["smoke//pin"] }
                == "no test 'smoke//pin'; did you mean 'smoke//ping'? there are api//tests/login, api//tests/upgrade, "
                + "api//tests/deep/er, smoke//ping, smoke//pong"
        )
        let none = try parse("lab: a\ngroups: {g: {}}")
        #expect(throws: SelectionError(message: "lab.yaml has no tests: the key 'tests' is missing or empty")) {
            try none.runSpec(.test, directory: "/")
        }
    }

    @Test func failedChoosesWhatFailedLast() throws {
        let failed: Set = [
            RunSelection.Test(suite: "smoke", test: "pong"), RunSelection.Test(suite: "gone", test: "x"),
        ]
        #expect(try tests(spec(.test) { $0.failed = failed }) == ["smoke//pong"])
        let refused = try refusal(.test) {
            $0.failed = failed
            $0.patterns = ["api"]
        }
        #expect(refused == "none of the tests that failed last is chosen, or in lab.yaml any more")
    }

    @Test func prioritiesFollowTheOrderOfTheSuite() throws {
        let spec = try spec(.test) {
            $0.durations = [
                RunSelection.Test(suite: "api", test: "tests/login"): .seconds(3),
                RunSelection.Test(suite: "smoke", test: "ping"): .seconds(3),
            ]
        }
        #expect(spec.suites[0].tests.map(\.priority) == [3_000, .max, .max])
        #expect(spec.suites[1].tests.map(\.priority) == [2, 0])
        let listed =
            "lab: a\ngroups: {g: {provision: [process: ]}}\n"
            + "tests: {t: {where: g, discover: {list: [{name: a, run: b, priority: 5}]}}}"
        #expect(try parse(listed).runSpec(.test, directory: "/").suites[0].tests[0].priority == 0)
    }

    @Test func whatTheCommandSaysGoesBeforeWhatTheFileSays() throws {
        #expect(try spec(.test).keep == .onFailure)
        #expect(try spec(.up).keep == .always)
        #expect(try spec(.up) { $0.keep = .onFailure }.keep == .onFailure)
        #expect(try spec(.test) { $0.keep = .always }.keep == .always)
        #expect(try spec(.test).parallel == 8)
        #expect(try spec(.test) { $0.parallel = 1 }.parallel == 1)
        let plain = try parse("lab: a\ngroups: {g: {}}")
        #expect(try plain.runSpec(.up, directory: "/").keep == .always)
        #expect(try plain.runSpec(.up, directory: "/").parallel == RunSpec.parallelDefault)
        #expect(try spec(.test).flakyFails)
        #expect(try !spec(.test) { $0.patterns = ["smoke"] }.flakyFails)
        #expect(
            try spec(.test) {
                $0.patterns = ["smoke"]
                $0.flakyFails = true
            }.flakyFails
        )
    }

    @Test func pathsAreTheFilesARunUses() throws {
        #expect(
            try spec(.test).paths == [
                "app.conf", "fake-db", "setup.sh", "tests/deep/er.py", "tests/login.sh", "tests/upgrade.sh", "unset.sh",
            ]
        )
    }

    @Test func rolesThatRunNothingComeLast() throws {
        let text = """
            lab: a
            groups: {g: {count: 4, provision: [{process: {}}]}}
            tests:
              t:
                where: g
                roles: { switch: { runs: nothing, count: 2 }, server: { runs: test }, client: {} }
                discover: { list: [{ name: a, run: b }] }
            """
        let spec = try parse(text).runSpec(.test, directory: "/lab")
        let members = spec.suites[0].tests[0].members
        #expect(members.map(\.title) == ["server", "client", "switch-0", "switch-1"])
        #expect(members.map(\.isIdle) == [false, false, true, true])
    }

    @Test func phasesForSomeMachinesOfAPlanAskWhichOneTheirNodeIs() throws {
        var lab = try parse(sampleLab)
        lab.groups = [GroupSpec(name: "one", count: 1), GroupSpec(name: "two", count: 5)]
        lab.suites = [Lab.Suite(spec: SuiteSpec(name: "t", group: "one"), flakyFails: false, place: "")]
        lab.suites[0].spec.tests = [TestSpec(name: "a", command: .run(Template("b")))]
        lab.suites[0].spec.alsoOn = ["two"]
        lab.suites[0].spec.nodeRoles = ["server", "client", "client"]
        lab.suites[0].prepare = [
            FMFPlan.Phase(step: .script("serve"), machines: [0, 2]), FMFPlan.Phase(step: .script("all")),
        ]
        lab.suites[0].finish = [FMFPlan.Phase(step: .script("end"), machines: [1])]
        let spec = try lab.runSpec(.test, directory: "/lab")
        let commands = spec.groups.map { group in
            group.steps.map { step in if case .run(let command) = step.kind { command.source } else { "" } }
        }
        let guards = ["", "+ 0) % 3)) in 0|2) ;; *) exit 0 ;; esac", "+ 1) % 3)) in 0|2) ;; *) exit 0 ;; esac"]
        #expect(commands.map(\.count) == [2, 2])
        #expect(commands[0][0].contains(guards[1]) && commands[1][0].contains(guards[2]), "\(commands)")
        #expect(commands.allSatisfy { !$0[1].contains("MUSTER_NODE##") && $0[1].hasSuffix("all") })
        #expect(spec.groups[1].steps[0].undo?.source.contains("+ 1) % 3)) in 1) ;; *) exit 0 ;; esac") == true)
    }
}
