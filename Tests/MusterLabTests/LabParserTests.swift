import MusterCore
import Testing

@testable import MusterLab

@Suite struct LabParserTests {
    @Test func everyPartOfTheSampleArrivesAsWritten() throws {
        let lab = try parse(sampleLab)
        #expect(lab.name == "shop")
        #expect(lab.keep == .onFailure)
        #expect(lab.parallel == 8)
        #expect(lab.vars == ["colour": "red", "home": "/u/ana/x"])
        #expect(lab.groups.map(\.name) == ["db", "cache", "app"])
        #expect(lab.resultFormats == [.jsonl, .junit])
        #expect(lab.resultsDirectory == "out")
        #expect(lab.nodeCount == 6)
        #expect(lab.testCount == 5)

        let db = lab.groups[0]
        #expect(db.place == "lab.yaml:9")
        #expect(db.steps.map(\.kind) == [.process(run: Template("./fake-db --listen $MUSTER_ADDRESS:5555"))])
        #expect(
            db.ready.map(\.probe) == [
                .tcp(port: 5555), .http(port: 8080, path: "/healthz"), .http(port: 80, path: "/x"),
            ]
        )
        #expect(db.ready.map(\.within) == [.seconds(30), Defaults.readyWithin, Defaults.readyWithin])

        let cache = lab.groups[1]
        #expect(cache.steps[0].timeout == .seconds(60))
        #expect(cache.steps[0].retry == RetryPolicy(times: 2))
        #expect(cache.ready == db.ready)

        let app = lab.groups[2]
        #expect(app.count == 3)
        #expect(app.onFailure == .replace)
        #expect(app.needs == [Need(group: "cache", ready: 1), Need(group: "db")])
        #expect(
            app.steps[1].kind
                == .run(
                    Template(segments: [
                        .literal("./setup.sh --db "), .node(NodeName(group: "db", index: 0), field: "address"),
                        .literal(" --colour 'red'"),
                    ])
                )
        )
        #expect(app.steps[1].name == "set up")
        #expect(app.steps[1].retry == RetryPolicy(times: 3, every: .seconds(2), backoff: 2))
        #expect(app.steps[1].timeout == .seconds(120))
        #expect(app.steps[1].undo?.source == "./unset.sh ${app.1.name}")
        #expect(app.steps[2].kind == .files([FileSpec(source: .lab("app.conf"), to: "etc/app.conf")]))
        let text = Template(segments: [.literal("home=/u/ana/x\nsecret="), .secret("token"), .literal("\n")])
        #expect(app.steps[3].kind == .files([FileSpec(source: .text(text), to: "etc/env", mode: 0o600)]))
        #expect(app.ready.map(\.probe) == [.run(Template("test -e x")), .file("etc/env")])

        let api = lab.suites[0]
        #expect(api.flakyFails)
        #expect(api.spec.tests.map(\.name) == ["tests/login", "tests/upgrade", "tests/deep/er"])
        #expect(api.spec.tests.map(\.destructive) == [false, true, false])
        #expect(api.spec.tests.allSatisfy { $0.timeout == .seconds(300) })
        #expect(api.spec.tests[0].command == .file("tests/login.sh"))
        #expect(api.spec.reruns == 2)
        #expect(api.spec.order == .longestFirst)
        #expect(api.spec.needs == [Need(group: "db")])
        #expect(api.spec.after == Template("true"))
        let smoke = lab.suites[1].spec
        #expect(smoke.tests.map(\.priority) == [2, 0])
        #expect(smoke.tests.map(\.timeout) == [.seconds(3), Defaults.testTimeout])
        #expect(smoke.tests[0].tags == ["fast"])
        #expect(smoke.needs.isEmpty)
    }

    @Test func anEmptyLabUsesDefaults() throws {
        let lab = try parse("{lab: a, groups: {g: {}}}")
        #expect(lab.keep == nil)
        #expect(
            lab.groups == [
                {
                    var g = GroupSpec(name: "g")
                    g.place = "lab.yaml:1"
                    return g
                }()
            ]
        )
        #expect(lab.resultFormats == ResultFormat.standard)
        #expect(lab.resultsDirectory == "results")
        #expect(lab.warnings.isEmpty)
    }

    @Test func groupsComeAfterWhatTheyNeedAndOtherwiseInTheOrderOfTheFile() throws {
        let lab = try parse(
            "lab: a\ngroups: {web: {needs: [app]}, x: {}, app: {needs: [db, cache]}, cache: {}, db: {}}"
        )
        #expect(lab.groups.map(\.name) == ["db", "cache", "app", "web", "x"])
    }

    @Test func yesAndOffAreTextAndNeverBooleans() throws {
        let lab = try parse("{lab: a, vars: {a: yes, b: off, c: on, d: no, e: true, f: 012, g: 1e3}, groups: {g: {}}}")
        #expect(lab.vars == ["a": "yes", "b": "off", "c": "on", "d": "no", "e": "true", "f": "012", "g": "1e3"])
        #expect(
            messages("{lab: a, keep: no, groups: {g: {}}}") == [
                "'keep' wants one of never, on-failure, always, not 'no'"
            ]
        )
    }

    @Test func whenDecidesBetweenStepsWhileReading() throws {
        let text = labWithStep("{ run: a, when: [{ vars.size: 3 }, { env.HOME: /u/ana }] }")
        #expect(try parse(text).groups[1].steps.count == 2)
        #expect(try parse(text, variables: ["size": "4"]).groups[1].steps.count == 1)
        // A step that is left out implies no need.
        let dropped = try parse(labWithStep("{ run: \"a ${db.0.address}\", when: { size: 9 } }"))
        #expect(dropped.groups.first { $0.name == "app" }?.needs == [])
    }

    @Test func valuesOfVarsCanStandAnywhere() throws {
        let text = """
            lab: a
            vars: { n: 2, t: 5s, port: 80 }
            groups:
              g:
                count: ${n}
                timeout: ${vars.t}
                provision: [process: ]
                ready: [{ tcp: "${port}", within: "${t}" }, { http: ":${port}/x" }]
            """
        let group = try parse(text, variables: ["n": "7"]).groups[0]
        #expect(group.count == 7)
        #expect(group.steps[0].timeout == .seconds(5))
        #expect(group.ready.map(\.probe) == [.tcp(port: 80), .http(port: 80, path: "/x")])
    }

    @Test func mergeKeysGiveWayToWhatIsWritten() throws {
        let lab = try parse(
            "{lab: a, groups: {a: &a {count: 2}, b: {<<: *a, count: 5}, c: {<<: [*a, {retry: {times: 1}}]}}}"
        )
        #expect(lab.groups.map(\.count) == [2, 5, 2])
    }

    @Test func byteOrderMarkAndCarriageReturnsAreNoErrors() throws {
        #expect(try parse("\u{FEFF}lab: a\r\ngroups:\r\n  g: {}\r\n").groups[0].place == "lab.yaml:3")
    }

    @Test func hundredThousandNodesAndTwoThousandGroupsAreReadInNoTime() throws {
        let many = "{lab: a, groups: {g: {count: 100000, provision: [process: ]}}}"
        var lab = try parse(many)
        #expect(lab.nodeCount == 100_000)

        var text = "lab: a\ngroups:\n"
        for i in 0..<2_000 {
            text += "  g\(i):\n    count: 2\n"
            if i > 0 { text += "    needs: [g\(i - 1), g0]\n".replacing("[g0, g0]", with: "[g0]") }
            text += "    provision:\n      - process: { run: ./server }\n      - run: ./setup.sh ${g0.0.address}\n"
                .replacing(i == 0 ? " ${g0.0.address}" : "\0", with: "")
            text += "    ready:\n      - tcp: 80\n"
        }
        let time = try processorTime { lab = try parse(text) }
        #expect(lab.groups.count == 2_000)
        #expect(time < .seconds(2))

        // A chain of needs that closes, unknown names against many known ones, thousands of errors.
        let wrong = text.replacing("  g0:\n", with: "  g0:\n    needs: [g1999]\n").replacing(
            "count: 2",
            with: "cuont: x"
        )
        let wrongTime = processorTime { #expect(messages(wrong).count == DiagnosticSink.keptMax) }
        #expect(wrongTime < .seconds(2))
    }

    @Test func testsMayFollowOneAnotherBySnapshot() throws {
        let text = """
            muster: 1
            lab: a
            groups: { g: { provision: [process: ] } }
            tests:
              t:
                where: g
                order: same-snapshot
                discover: { list: [{ name: a, run: "true", tags: ["snapshot:clean"] }] }
            """
        let suite = try parse(text).suites[0].spec
        #expect(suite.order == .sameSnapshot)
        #expect(suite.tests[0].snapshot == "clean")
    }

    @Test func aGroupMayLeaveBadPlacesAlone() throws {
        func quarantine(_ value: String) throws -> Quarantine? {
            try parse("muster: 1\nlab: a\ngroups: { g: { provision: [process: ], quarantine: \(value) } }").groups[0]
                .quarantine
        }
        #expect(try quarantine("{ after: 2, for: 10m }") == Quarantine(after: 2, length: .seconds(600)))
        #expect(try quarantine("{ for: 1m }") == Quarantine(after: 1, length: .seconds(60)))
    }

    @Test func aGroupMaySayHowManySetupsMayFail() throws {
        func text(_ value: String) -> String {
            "muster: 1\nlab: a\ngroups:\n  g:\n    max-failed-setups: \(value)\n    provision: [{ process: {} }]\n"
        }
        #expect(try parse(text("3")).groups[0].failedSetupsMax == 3)
        #expect(try parse(text("0")).groups[0].failedSetupsMax == 0)
        #expect(try parse("muster: 1\nlab: a\ngroups: { g: {} }").groups[0].failedSetupsMax == nil)
        for wrong in ["-1", "many", "1000001"] { #expect(!messages(text(wrong)).isEmpty, "\(wrong)") }
    }
}
