import MusterCore
import Testing

@testable import MusterLab

/// Every kind of error, as people see it.
@Suite struct LabErrorTests {
    /// The three errors that the experience draft shows, from one file that has all of them.
    @Test func threeErrorsAreReportedTogether() {
        let text = """
            muster: 1
            lab: shop
            keep: always
            lifetime: 7200
            groups:
              db:
                provision:
                  - process: { run: ./db }
                ready:
                  - tcp: 5555
                    within: 30s
              # 12
              # 13
              # 14
              # 15
              # 16
              # 17
              cache:
                provision:
                  - process: {}
                needs: [web]
              # 22
              # 23
              # 24
              app:
                count: 3
                provision:
                  - process: {}
                need: [db, cache]
              # 30
              # 31
              # 32
              # 33
              # 34
              # 35
              # 36
              # 37
              # 38
              # 39
              web:
                provision:
                  - process: {}
                needs: [ app ]
            """
        #expect(
            complaints(text) == """
                lab.yaml:4:11: 'lifetime' wants a duration with a unit, such as 2h
                    4 | lifetime: 7200
                      |           ^^^^ 7200 seconds is 2h
                lab.yaml:29:5: unknown key 'need' in group 'app'
                   29 |     need: [db, cache]
                      |     ^^^^ did you mean 'needs'?
                lab.yaml:43:14: groups depend on each other: cache -> web -> app -> cache
                      cache needs web    lab.yaml:21:13
                      web needs app      lab.yaml:43:14
                      app needs cache    lab.yaml:29:16
                3 errors; nothing was started

                """
        )
    }

    struct Case: CustomTestStringConvertible {
        var text: String
        var expected: String
        var testDescription: String { expected }
        init(_ text: String, _ expected: String) {
            self.text = text
            self.expected = expected
        }
    }

    private static let g = "groups: {g: {provision: [process: ]}}"

    static let cases: [Case] = [
        // Keys
        Case("lab: a\nlab: b\n\(g)", "lab.yaml:2:1: duplicate key 'lab'"),
        Case("lab: a\n\(g)\ncolours: red", "lab.yaml:3:1: unknown key 'colours' in the lab"),
        Case("\(g)", "lab.yaml:1:1: the lab lacks the key 'lab'"),
        Case("lab: a", "lab.yaml:1:1: the lab lacks the key 'groups'"),
        Case("lab: a\n\(g)\n? [x]\n: 1", "lab.yaml:3:3: a key must be text, not a list"),
        Case("lab: a\ngroups: {}", "lab.yaml:2:9: a lab wants at least one group"),
        Case("lab: a\ngroups:\n  g: {}\n  g: {}", "lab.yaml:4:3: duplicate key 'g'"),
        Case("- a", "lab.yaml:1:1: the lab wants a mapping, not a list"),
        Case("", "lab.yaml: the file is empty"),
        Case("# nothing\n", "lab.yaml: the file is empty"),
        Case("lab: a\n\(g)\n---\nlab: b", "lab.yaml:3:1: a second document begins here"),
        Case("muster: 2\nlab: a\n\(g)", "lab.yaml:1:9: this Muster reads version 1 of the lab file, not 2"),
        Case("lab: a\n\(g)\nlifetime: 0s", "lab.yaml:3:11: 'lifetime' must be longer than nothing"),
        Case(
            "lab: a\ngroups: {g: {provision: [{pool: {}}]}}",
            "lab.yaml:2:27: 'pool' is not supported by this version yet"
        ),
        // Types
        Case("lab: [a]\n\(g)", "lab.yaml:1:6: 'lab' wants a name, not a list"),
        Case("lab:\n\(g)", "lab.yaml:1:5: 'lab' wants a name, not nothing"),
        Case("lab: Shop_1\n\(g)", "lab.yaml:1:6: 'Shop_1' is no name for a lab"),
        Case("lab: a\ngroups: {G: {}}", "lab.yaml:2:10: 'G' is no name for a group"),
        Case("lab: a\ngroups: {vars: {}}", "lab.yaml:2:10: 'vars' means something else in '${…}'"),
        Case("lab: a\ngroups: [g]", "lab.yaml:2:9: 'groups' wants a mapping from names to groups, not a list"),
        Case("lab: a\ngroups: {g: 5}", "lab.yaml:2:10: group 'g' wants a mapping, not a single value"),
        Case("lab: a\ngroups: {g: {count: 0}}", "lab.yaml:2:21: 'count' wants a whole number from 1 to 100000, not 0"),
        Case(
            "lab: a\ngroups: {g: {count: 1.5}}",
            "lab.yaml:2:21: 'count' wants a whole number from 1 to 100000, not '1.5'"
        ),
        Case("lab: a\ngroups: {g: {count: '3'}}", "take the quotes away"),
        Case("lab: a\ngroups: {g: {count: 99999999999999999999}}", "not 99999999999999999999"),
        Case("lab: a\ngroups: {g: {count: 010}}", "not '010'"),
        Case(
            "lab: a\n\(g)\nkeep: allways",
            "lab.yaml:3:7: 'keep' wants one of never, on-failure, always, not 'allways'"
        ),
        Case("lab: a\n\(g)\nkeep: allways", "^^^^^^^ did you mean 'always'?"),
        Case(
            "lab: a\n\(g)\nresults: {write: [pdf]}",
            "'write' wants one of jsonl, junit, tap, html, tmt, atex, atex-gzip, not 'pdf'"
        ),
        // Durations
        Case("lab: a\ngroups: {g: {timeout: 90}}", "^^ 90 seconds is 1m30s"),
        Case("lab: a\ngroups: {g: {timeout: 5min}}", "'timeout' has the unknown unit 'min'; units are ms, s, m, h, d"),
        Case("lab: a\ngroups: {g: {timeout: 5 minutes}}", "did you mean 5m?"),
        Case("lab: a\ngroups: {g: {timeout: 1m2h}}", "'timeout' wants each unit once and the largest first"),
        Case("lab: a\ngroups: {g: {timeout: 1.5h}}", "'timeout' wants whole numbers, such as 1h30m"),
        Case("lab: a\ngroups: {g: {timeout: 0s}}", "'timeout' must be longer than nothing"),
        Case("lab: a\ngroups: {g: {timeout: soon}}", "'timeout' wants a duration with a unit, such as 2m, not 'soon'"),
        Case("lab: a\ngroups: {g: {timeout: 99999999d}}", "'timeout' is longer than 3650d"),
        Case("lab: a\ngroups: {g: {timeout: -5s}}", "not '-5s'"),
        // Needs
        Case("lab: a\ngroups: {g: {needs: [gg]}, group: {}}", "lab.yaml:2:22: unknown group 'gg'"),
        Case("lab: a\ngroups: {g: {needs: [xxxxxx]}}", "^^^^^^ the groups are g"),
        Case("lab: a\ngroups: {g: {needs: [g]}}", "lab.yaml:2:22: group 'g' needs itself"),
        Case("lab: a\ngroups: {g: {needs: h}, h: {}}", "'needs' wants a list of groups, not a single value"),
        Case("lab: a\ngroups: {g: {needs: [h, h]}, h: {}}", "lab.yaml:2:25: 'h' is needed twice"),
        Case(
            "lab: a\ngroups: {g: {needs: {h: {ready: 4}}}, h: {count: 3, provision: [process: ]}}",
            "lab.yaml:2:22: group 'h' has 3 nodes; 4 can never be ready"
        ),
        Case("lab: a\ngroups: {g: {needs: {h: {ready: 1}}}, h: {}}", "group 'h' has no nodes, so 1 can never be ready"),
        Case(
            "lab: a\ngroups: {a: {needs: [b]}, b: {needs: [a]}, c: {needs: [d]}, d: {needs: [c]}}",
            "groups depend on each other: c -> d -> c"
        ),
        // Steps
        Case(
            labWithStep("{ run: a, files: { x: app.conf } }"),
            "lab.yaml:11:19: step 2 of group 'app' has 'run' and 'files'; it takes exactly one of them"
        ),
        Case(
            labWithStep("{ timeout: 3s }"),
            "step 2 of group 'app' wants one of 'process', 'netns', 'podman', 'qemu', 'ssh', 'plugin', 'run', 'files', "
                + "'template', 'script' or 'ansible'"
        ),
        Case(labWithStep("{ process: {} }"), "step 2 of group 'app' creates the node a second time"),
        Case(
            "lab: a\ngroups: {g: {provision: [{run: a}, {process: {}}]}}",
            "lab.yaml:2:37: a step that creates the node comes first; 'run' stands before it"
        ),
        Case("lab: a\ngroups: {g: {provision: [{run: a}]}}", "lab.yaml:2:27: 'run' has no node to work on"),
        Case("lab: a\ngroups: {g: {provision: [process]}}", "write 'process: {}'"),
        Case("lab: a\ngroups: {g: {provision: {process: {}}}}", "'provision' wants a list, not a mapping"),
        Case("lab: a\ngroups: {g: {provision: [{process: ./x}]}}", "'process' wants a mapping, not a single value"),
        Case(labWithStep("{ run: }"), "'run' wants a command, not nothing"),
        Case(labWithStep("{ run: ' ' }"), "'run' wants a command, not an empty text"),
        Case(labWithStep("{ run: a, retry: 3 }"), "write { times: 3 }"),
        Case(
            "muster: 1\nlab: a\ngroups: { g: { provision: [process: ], quarantine: 10m } }",
            "such as { after: 2, for: 10m }"
        ),
        Case(
            "muster: 1\nlab: a\ngroups: { g: { provision: [process: ], quarantine: { after: 2 } } }",
            "'quarantine' lacks the key 'for'"
        ),
        Case(labWithStep("{ run: a, retry: { every: 2s } }"), "'retry' lacks the key 'times'"),
        Case(
            labWithStep("{ run: a, retry: { times: 2, backoff: 0.5 } }"),
            "'backoff' wants a number from 1 to 100, not '0.5'"
        ),
        Case(labWithStep("{ run: a, on-failure: retry }"), "'on-failure' wants one of pause, replace, skip, fail"),
        Case(labWithStep("{ run: a, when: red }"), "'when' wants a list of 'key: value', not a single value"),
        Case(labWithStep("{ run: a, when: { color: red } }"), "did you mean 'colour'?"),
        Case(labWithStep("{ run: a, when: { db.0.name: red } }"), "'when' does not know 'db.0.name'"),
        // Files
        Case(labWithStep("{ files: { x: app.conv } }"), "did you mean 'app.conf'?"),
        Case(labWithStep("{ files: { x: conf } }"), "'conf' is a folder"),
        Case(
            labWithStep("{ files: { ../x: app.conf } }"),
            "the target is a path inside the folder; '../x' leads out of it"
        ),
        Case(labWithStep("{ files: { a/../../x: app.conf } }"), "leads out of it"),
        Case(labWithStep("{ files: { x: /etc/passwd } }"), "'/etc/passwd' is absolute"),
        Case(labWithStep("{ files: { from: app.conf, to: x } }"), "put '- ' before it"),
        Case(labWithStep("{ files: [{ from: app.conf, text: a, to: x }] }"), "a file has 'from' and 'text'"),
        Case(labWithStep("{ files: [{ text: a, to: x, mode: 999 }] }"), "'mode' wants permissions as octal digits"),
        Case(labWithStep("{ files: [{ text: a, to: x }, { text: b, to: ./x }] }"), "two files go to 'x'"),
        // Ready
        Case("lab: a\ngroups: {g: {ready: [{tcp: 80}]}}", "group 'g' has no nodes that could be ready"),
        Case("lab: a\ngroups: {g: {provision: [process: ], ready: {tcp: 80}}}", "'ready' wants a list, not a mapping"),
        Case(
            "lab: a\ngroups: {g: {provision: [process: ], ready: [{tcp: 80, http: 80}]}}",
            "a condition of 'ready' has 'tcp' and 'http'; it takes exactly one of them"
        ),
        Case("lab: a\ngroups: {g: {provision: [process: ], ready: [{tcp: 70000}]}}", "from 1 to 65535, not 70000"),
        Case(
            "lab: a\ngroups: {g: {provision: [process: ], ready: [{http: \"http://x/\"}]}}",
            "the address is the node's own"
        ),
        Case(
            "lab: a\ngroups: {g: {provision: [process: ], ready: [{http: {port: 1, path: x}}]}}",
            "begins with '/', not 'x'"
        ),
        // Suites
        Case("lab: a\n\(g)\ntests: {t: {where: h, discover: {files: tests/*.sh}}}", "lab.yaml:3:20: unknown group 'h'"),
        Case("lab: a\n\(g)\ntests: {t: {where: g}}", "suite 't' lacks the key 'discover'"),
        Case(
            "lab: a\ngroups: {g: {}}\ntests: {t: {where: g, discover: {files: tests/*.sh}}}",
            "lab.yaml:3:20: group 'g' has no nodes to run tests on"
        ),
        Case(
            "lab: a\n\(g)\ntests: {t: {where: g, discover: {files: test/*.sh}}}",
            "there is no folder 'test' beside the lab file"
        ),
        Case("lab: a\n\(g)\ntests: {t: {where: g, discover: {files: tests/*.rb}}}", "no file matches 'tests/*.rb'"),
        Case(
            "lab: a\n\(g)\ntests: {t: {where: g, discover: {files: ../*.rb}}}",
            "'../*.rb' leads out of the lab's folder"
        ),
        Case(
            "lab: a\n\(g)\ntests: {t: {where: g, discover: {fmf: {context: fedora}}}}",
            "a dimension of a context is 'name=value'"
        ),
        Case(
            "lab: a\n\(g)\ntests: {t: {where: [g, g], discover: {files: tests/*.sh}}}",
            "'where' names 'g' twice"
        ),
        Case("lab: a\n\(g)\ntests: {t: {where: [], discover: {files: tests/*.sh}}}", "'where' names no group"),
        Case(
            "lab: a\n\(g)\ntests: {t: {where: [g, h], discover: {files: tests/*.sh}}}",
            "lab.yaml:3:24: unknown group 'h'"
        ),
        Case(
            "lab: a\n\(g)\ntests: {t: {where: g, discover: {files: tests/*.sh}, rerun-on: another}}",
            "'rerun-on' wants one of any, same, other, fresh, not 'another'"
        ),
        Case(
            "lab: a\n\(g)\ntests: {t: {where: g, discover: {files: tests/*.sh}, rerun-when: [infra]}}",
            "'rerun-when' wants one of fail, error, not 'infra'"
        ),
        Case(
            "lab: a\n\(g)\ntests: {t: {where: g, discover: {files: tests/*.sh}, destructive: [upgrade]}}",
            "names are paths without extension, such as 'tests/login'"
        ),
        Case(
            "lab: a\n\(g)\ntests: {t: {where: g, discover: {list: [{name: a, run: b}, {name: a, run: c}]}}}",
            "lab.yaml:3:67: two tests of suite 't' are named 'a'"
        ),
        Case(
            "lab: a\n\(g)\ntests: {t: {where: g, discover: {list: [{name: ../a, run: b}]}}}",
            "'../a' is no name for a test"
        ),
        Case(
            "lab: a\n\(g)\ntests: {t: {where: g, roles: {r: {runs: no}}, discover: {list: [{name: a, run: b}]}}}",
            "lab.yaml:3:41: 'runs' wants one of test, nothing, not 'no'"
        ),
        Case(
            "lab: a\n\(g)\ntests: {t: {where: g, roles: {r: {runs: nothing}}, discover: {list: [{name: a, run: b}]}}}",
            "'a' of suite 't' cannot run: none of its roles runs anything"
        ),
        Case(
            "lab: a\n\(g)\ntests: {t: {where: g, needs: [x], discover: {list: [{name: a, run: b}]}}}",
            "unknown group 'x'"
        ),
        Case(
            "lab: a\n\(g)\ntests: {T: {where: g, discover: {list: [{name: a, run: b}]}}}",
            "'T' is no name for a suite"
        ),
    ]

    @Test(arguments: cases) func eachMistakeIsNamedWhereItStands(_ example: Case) {
        let text = complaints(example.text)
        #expect(text.contains(example.expected), "\(text)")
        #expect(text.hasSuffix("; nothing was started\n"))
    }

    @Test func twoFilesOfOneNameCollide() {
        let files = MemoryFiles(["tests/a.sh", "tests/a.py"])
        let text = complaints("lab: a\n\(Self.g)\ntests: {t: {where: g, discover: {files: tests/*}}}", files: files)
        #expect(text.contains("two tests of suite 't' are named 'tests/a', from tests/a.py and tests/a.sh"), "\(text)")
    }

    @Test func varsGivenButNotDeclaredAreRefused() {
        let text = complaints("{lab: a, vars: {colour: red}, groups: {g: {}}}", variables: ["color": "x"])
        #expect(
            text == """
                --var color: lab.yaml declares no var 'color'
                      did you mean 'colour'?
                1 error; nothing was started

                """
        )
        let needed = "{lab: a, vars: {colour: }, groups: {g: {}}}"
        #expect(complaints(needed).contains("var 'colour' has no value"))
        #expect(complaints(needed, variables: ["colour": "red"]).isEmpty)
    }

    @Test func unknownKeysAreReadAsTheirNearestSoThatErrorsBelowThemShowToo() {
        let found = messages("lab: a\ngroups: {g: {provison: [{run: x, process: {}}]}}")
        #expect(
            found == [
                "unknown key 'provison' in group 'g'",
                "step 1 of group 'g' has 'run' and 'process'; it takes exactly one of them",
            ]
        )
    }

    @Test func manyErrorsAreCountedAndNotAllKept() {
        let keys = (0..<1_000).map { "zzzzzz\($0): 1\n" }.joined()
        let text = complaints("lab: a\ngroups: {g: {}}\n" + keys)
        #expect(text.contains("… and 800 more\n1000 errors; nothing was started\n"))
    }
}
