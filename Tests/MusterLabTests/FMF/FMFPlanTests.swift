import MusterCore
import Testing

@testable import MusterLab

/// What plans of trees say, and what is made of it.
@Suite struct FMFPlanTests {
    static let tests = """
        test: ./run.sh
        /a: {tag: quick, order: 60}
        /b: {tag: [quick, slow]}
        /c: {enabled: false}
        /d: {manual: true}
        /e: {test: echo, enabled: 1}
        /only:
          enabled: false
          adjust: {when: colour == red, enabled: true}

        """

    /// The suite of a plan that is the text given.
    func suite(_ plan: String, _ context: [String: [String]]? = nil, files: [String: String] = [:]) throws -> FMFSuite {
        let tree = try FMFTestTree(["tests.fmf": Self.tests, "plan.fmf": plan].merging(files) { $1 })
        let context = context.map { FMFContext($0) }
        return try FMFSuite(at: tree.root, context: context, FMFSelection(), plan: "/plan")
    }

    /// What is wrong with a plan: message and hint, with the place when it has a line.
    func fault(_ plan: String, files: [String: String] = [:]) throws -> String {
        do {
            _ = try suite(plan, files: files)
            return ""
        } catch let error as FMFError {
            return error.diagnostics.map { diagnostic in
                let place =
                    diagnostic.line > 0
                    ? "\(diagnostic.file.split(separator: "/").last ?? ""):\(diagnostic.line): " : ""
                return "\(place)\(diagnostic.message): \(diagnostic.hint)"
            }.joined(separator: "; ")
        }
    }

    // MARK: Tests

    @Test func aPlanChoosesItsTestsInItsOrder() throws {
        func names(_ discover: String) throws -> [String] {
            try suite("execute: {how: tmt}\n\(discover)\n").tests.map(\.name)
        }
        #expect(try names("") == ["/tests/b", "/tests/e", "/tests/a"])
        #expect(try names("discover: {how: fmf}") == ["/tests/b", "/tests/e", "/tests/a"])
        #expect(try names("discover: {how: fmf, filter: 'tag: quick'}") == ["/tests/b", "/tests/a"])
        #expect(try names("discover: {filter: ['tag: quick', 'tag: -slow']}") == ["/tests/a"])
        #expect(try names("discover: {test: [/e, '/(a|b)$']}") == ["/tests/e", "/tests/b", "/tests/a"])
        #expect(try names("discover: {test: [/e, /a, /e]}") == ["/tests/e", "/tests/a", "/tests/e (2)"])
        #expect(try names("discover: {exclude: /b}") == ["/tests/e", "/tests/a"])
        #expect(try names("discover: {include: [/b, /a]}") == ["/tests/b", "/tests/a"])
    }

    @Test func sectionsStandBeforeTheNamesOfTheirTests() throws {
        let two = """
            discover:
              - {name: second, how: fmf, test: /a, order: 80}
              - {name: first, how: fmf, filter: 'tag: quick'}
              - {name: off, how: fmf, enabled: false}
              - {name: rule, how: fmf, when: colour == blue}
            """
        let suite = try suite(two, ["colour": ["red"]])
        #expect(suite.tests.map(\.name) == ["/first/tests/b", "/first/tests/a", "/second/tests/a"])
        #expect(suite.tests[0].frame?.metadata.contains(#""name": "/tests/b""#) == true)
        #expect(suite.ignored == [])
        #expect(try self.suite("discover: {name: only, test: /a}").tests.map(\.name) == ["/only/tests/a"])
        let unnamed = try self.suite("discover: [{test: /a}, {test: /e}]")
        #expect(unnamed.tests.map(\.name) == ["/default-0/tests/a", "/default-1/tests/e"])
    }

    @Test func testsOfThePlanItselfRunInTheRoot() throws {
        let suite = try suite(
            """
            discover:
              how: shell
              tests:
                - {name: /late, test: ./late.sh, path: /tests, order: 60, require: gcc}
                - {name: early, test: "true", duration: 5m, environment: {X: 1}}
                - {name: off, test: "true", enabled: false}
            environment: {Y: 2}
            """
        )
        #expect(suite.tests.map(\.name) == ["/early", "/late"])
        #expect(suite.tests.map(\.timeout) == [.seconds(300), .seconds(3_600)])
        #expect(suite.tests.map { $0.frame?.directory } == ["", "tests"])
        #expect(suite.tests[0].frame?.environment == ["X": "1", "Y": "2"])
        #expect(suite.tests[1].frame?.packages == PackageNeeds(require: ["gcc"]))
    }

    @Test func scriptsOfExecuteAreTests() throws {
        let suite = try suite("execute: {script: [./one.sh, two --now], duration: 2m}\ndiscover: {how: shell}\n")
        #expect(suite.tests.map(\.name) == ["/script-00", "/script-01"])
        #expect(suite.tests.map(\.timeout) == [.seconds(120), .seconds(120)])
        guard case .run(let command) = suite.tests[1].command else { throw StepError(.unresolved, "no command") }
        #expect(command == Template("two --now"))
        #expect(try self.suite("execute: {script: ./run}").tests.map(\.timeout) == [.seconds(3_600)])
    }

    @Test func whatTheUserChoosesIsChosenOfThePlan() throws {
        let tree = try FMFTestTree(["tests.fmf": Self.tests, "plan.fmf": "discover: {filter: 'tag: quick'}\n"])
        let selection = try FMFSelection(names: ["/a", "/e"])
        #expect(try FMFSuite(at: tree.root, selection, plan: "/plan").tests.map(\.name) == ["/tests/a"])
        let out = try FMFSelection(names: ["/a"])
        #expect(
            try FMFSuite(at: tree.root, FMFSelection(), excluding: out, plan: "/plan").tests.map(\.name)
                == ["/tests/b"]
        )
    }

    @Test func theExitOfTheFirstEndsIt() throws {
        #expect(try suite("execute: {how: tmt, exit-first: true}").stopsAtFirst)
        #expect(try !suite("execute: {how: tmt}").stopsAtFirst)
    }

    // MARK: Context and environment

    @Test func aPlansContextHoldsForItsTests() throws {
        let plan = "context: {colour: red, trigger: [a, b]}\nexecute: {how: tmt}\n"
        #expect(try suite(plan).tests.map(\.name).contains("/tests/only"))
        // What its user says counts.
        #expect(try !suite(plan, ["colour": ["blue"]]).tests.map(\.name).contains("/tests/only"))
        #expect(try !suite("execute: {how: tmt}").tests.map(\.name).contains("/tests/only"))
    }

    @Test func thePlansVariablesCountBeforeTheTests() throws {
        let files = [
            "one.env": "# a comment\nA=1\nB='two words' C=\"it's \\\"so\\\"\"\nexportless=x#y\n",
            "two.yaml": "A: 5\nD: yes\n",
            "more.fmf": "test: go\nenvironment: {A: test, E: test}\n",
        ]
        let suite = try suite(
            "environment-file: [one.env, ./two.yaml]\nenvironment: {D: 4}\ndiscover: {test: /more}\n",
            files: files
        )
        #expect(
            suite.tests.first?.frame?.environment
                == ["A": "5", "B": "two words", "C": "it's \"so\"", "D": "4", "E": "test", "exportless": "x"]
        )
        let script = try self.suite(
            "environment-file: one.env\nexecute: {how: tmt}\nprepare: {script: echo}\n",
            files: files
        )
        guard case .script(let command)? = script.prepare.first?.step else { throw StepError(.unresolved, "no script") }
        #expect(command.contains("export B='two words'\n"), "\(command)")
    }

    @Test func filesOfVariablesThatAreNoneAreTold() throws {
        let cases: [(text: String, message: String)] = [
            ("A=1\nb c\n", "bad.env:2: 'b' is no variable"), ("A='1\n", "bad.env:1: a quote is not closed"),
            ("1A=1\n", "bad.env:1: '1A' is no variable"),
        ]
        for (text, message) in cases {
            let fault = try fault("execute: {how: tmt}\nenvironment-file: bad.env\n", files: ["bad.env": text])
            #expect(fault.hasPrefix(message), "\(fault)")
        }
        for (path, message) in [
            ("https://example.org/x.env", "nothing is fetched"), ("../x.env", "leads out of the tree"),
            ("none.env", "no file of the tree"),
        ] {
            let fault = try fault("execute: {how: tmt}\nenvironment-file: \(path)\n")
            #expect(fault.hasPrefix("plan.fmf:2: 'environment-file'") && fault.contains(message), "\(fault)")
        }
    }

    // MARK: Before and after

    /// The first words of scripts, and packages.
    private func steps(_ phases: [FMFPlan.Phase]) -> [String] {
        phases.map { phase in
            switch phase.step {
            case .script(let text): text.split(separator: " -c '").last.map { String($0.prefix { $0 != "'" }) } ?? ""
            case .packages(let packages): "+\(packages.require.joined(separator: ",")) ~\(packages.recommend)"
            }
        }
    }

    @Test func phasesComeByTheirOrderWhereTheirRulesHold() throws {
        let suite = try suite(
            """
            execute: {how: tmt}
            prepare:
              - {how: install, package: [gcc, make], order: 60}
              - {how: install, package: maybe, missing: skip, order: 90, copr: x/y}
              - {how: shell, script: [one, two]}
              - {script: zero, order: 10}
              - {script: red, when: [colour == blue, colour == red]}
              - {script: blue, when: colour == blue}
              - {script: unknown, when: size == 3}
              - {script: never, enabled: false}
              - {how: ansible, playbook: x.yml}
            finish: {how: shell, script: end}
            report: {how: polarion}
            """,
            ["colour": ["red"]]
        )
        #expect(steps(suite.prepare) == ["zero", "one", "two", "red", "+gcc,make ~[]", "+ ~[\"maybe\"]"])
        #expect(steps(suite.finish) == ["end"])
        #expect(
            suite.ignored == [
                "prepare: how: ansible (1)", "prepare: install: copr (1)", "prepare: when, for want of a context (1)",
                "report: how: polarion (1)",
            ]
        )
    }

    // MARK: Packages of tests

    @Test func packagesOfTestsAreTextsAndOthersAreNoted() throws {
        let tree = try FMFTestTree([
            "main.fmf": """
            test: ./x
            /a: {require: [gcc, {type: file, pattern: /x}, {url: u, name: /y}, library(a/b), gcc], recommend: a b}
            /b: {require: {type: library, url: u}, recommend: [{type: magic}]}
            /c: {require: 7zip}
            """
        ])
        let suite = try FMFSuite(try tree.read(), FMFSelection())
        #expect(suite.tests[0].frame?.packages == PackageNeeds(require: ["gcc"], recommend: ["a b"]))
        #expect(suite.tests[1].frame?.packages == nil)
        #expect(suite.tests[2].frame?.packages == PackageNeeds(require: ["7zip"]))
        #expect(suite.ignored == ["recommend: magic (1)", "require: library without a url (1)"])
        for wrong in ["-y", "''", "[[a]]", "\"a\\nb\""] {
            let tree = try FMFTestTree(["main.fmf": "test: x\nrequire: \(wrong)\n"])
            #expect(throws: FMFError.self, "\(wrong)") { try FMFSuite(try tree.read(), FMFSelection()) }
        }
    }

    // MARK: Terminals and checks

    @Test func terminalsAndChecksOfTestsAreTaken() throws {
        let tree = try FMFTestTree([
            "main.fmf": """
            test: ./x
            /a: {tty: true, check: dmesg}
            /b:
              tty: false
              check: [avc, {how: dmesg, result: xfail, failure-pattern: x}, {how: coredump, result: info}]
            /c: {check: [{how: dmesg, enabled: false}, {how: watchdog}], restart-with-reboot: true}
            """
        ])
        let suite = try FMFSuite(try tree.read(), FMFSelection())
        #expect(suite.tests.map { $0.frame?.hasTerminal } == [true, nil, nil])
        #expect(suite.tests.map { $0.frame?.dmesg } == [.respect, .xfail, nil])
        #expect(suite.tests.map { $0.frame?.avc } == [nil, .respect, nil])
        #expect(suite.tests.map { $0.frame?.coredump } == [nil, .info, nil])
        #expect(
            suite.ignored == [
                "check: dmesg: failure-pattern (1)", "check: watchdog (1)", "restart-with-reboot (1)",
            ]
        )
        for wrong in ["tty: sometimes", "check: 3", "check: [{result: x}]", "check: {how: dmesg, result: pass}"] {
            let tree = try FMFTestTree(["main.fmf": "test: x\n\(wrong)\n"])
            let error = try #require(throws: FMFError.self) { try FMFSuite(try tree.read(), FMFSelection()) }
            #expect(error.diagnostics.map(\.line) == [2], "\(wrong)")
        }
    }

    // MARK: Several machines

    @Test func rolesOfMachinesAreToldWithTheTestsThatAreTheirs() throws {
        let plan = """
            provision:
              - {name: one, role: server}
              - {name: two, role: client}
              - {name: three, role: client}
              - name: lonely
            discover:
              - {name: s, where: server, test: /a}
              - {name: c, where: [client, lonely], test: /a}
              - {name: n, where: one, test: /a}
              - {name: all, test: /a}
            prepare:
              - {script: here, where: [server]}
              - {script: everywhere}
            """
        let suite = try suite(plan)
        #expect(
            suite.roles == [
                FMFPlan.Role(name: "server", count: 1), FMFPlan.Role(name: "client", count: 2),
                FMFPlan.Role(name: "lonely", count: 1),
            ]
        )
        #expect(
            suite.rolesOfTests == [
                "/s/tests/a": ["server"], "/c/tests/a": ["client", "lonely"], "/n/tests/a": ["server"],
            ]
        )
        #expect(suite.ignored == [])
        let two = try self.suite(plan.replacing("where: one,", with: "where: two,"))
        #expect(two.ignored == ["discover: where: one machine of several in a role (1)"])
    }

    @Test func phasesAreForTheMachinesThatTheyName() throws {
        let machines =
            "provision: [{name: one, role: server}, {name: two, role: client}, {name: three, role: client}]\n"
        let suite = try suite(
            machines + """
                execute: {how: tmt}
                prepare:
                  - {script: here, where: [server]}
                  - {script: there, where: client}
                  - {how: install, package: gcc, where: three}
                  - {script: all, where: [client, one]}
                  - {script: everywhere}
                finish: {script: end, where: [two, server]}
                """
        )
        #expect(suite.prepare.map(\.machines) == [[0], [1, 2], [2], nil, nil])
        #expect(suite.finish.map(\.machines) == [[0, 1]])
        #expect(suite.nodeRoles == ["server", "client", "client"])
        #expect(suite.ignored == [])
        let free = try self.suite(machines + "execute: {how: tmt}\nprepare: {script: x}\n")
        #expect(free.nodeRoles == nil, "nobody is set up for one role alone")
        let single = "provision: {name: one, role: server, how: local}\nexecute: {how: tmt}\nprepare:\n"
        for name in ["one", "server"] {
            let suite = try self.suite(single + "  script: x\n  where: \(name)\n")
            #expect(suite.prepare.map(\.machines) == [nil] && suite.nodeRoles == nil && suite.roles == [])
        }
        let unnamed = try self.suite("provision: {how: local}\ndiscover: {how: fmf, where: default-0}\n")
        #expect(unnamed.ignored == ["provision of the plan (1)"])
        #expect(
            try fault(single + "  script: x\n  where: two\n")
                == "plan.fmf:5: 'where' of prepare of /plan names 'two', which no machine of the plan is or plays: "
                + "its only machine is server, one"
        )
        #expect(try fault("execute: {how: tmt}\nfinish: {script: x, where: y}\n").hasPrefix("plan.fmf:2: 'where' of"))
    }

    // MARK: Mistakes

    @Test func whatAPlanCannotMeanIsToldWithItsPlace() throws {
        let cases: [(plan: String, message: String)] = [
            (
                "execute: {how: tmt}\nenabled: false\n",
                "plan.fmf:2: 'enabled' of /plan is false: such a plan is not run"
            ),
            (
                "discover:\n  how: fmf\n  url: https://x\n",
                "plan.fmf:3: 'url' of discover of /plan is about another tree"
            ),
            ("discover: {how: fmf, ref: main}\n", "plan.fmf:1: 'ref' of discover of /plan"),
            ("discover: [{name: a}, {name: a}]\n", "'name' of discover of /plan is 'a', as that of another section"),
            ("discover: {how: magic}\n", "'how' of discover of /plan is 'magic', which finds no tests here"),
            ("discover: {how: shell}\n", "'tests' of discover of /plan is missing"),
            ("discover: {how: shell, tests: [{test: x}]}\n", "'name' of tests of discover of /plan is missing"),
            ("discover: {how: shell, tests: [{name: x}]}\n", "'test' of tests of discover of /plan is missing"),
            ("discover: {test: '['}\n", "'test' of discover of /plan cannot be read"),
            ("discover: text\n", "'discover' of /plan is a mapping, or a list of mappings"),
            ("execute: {how: upgrade}\n", "'how' of execute of /plan is 'upgrade'"),
            ("execute: {script: x}\ndiscover: {how: fmf, test: /a}\n", "'script' of execute of /plan is there beside"),
            ("execute: {how: tmt}\nprepare: {how: shell}\n", "'script' of prepare of /plan is missing"),
            ("execute: {how: tmt}\nprepare: {script: x, when: a ==}\n", "'when' of prepare of /plan is no rule"),
            ("execute: {how: tmt}\nimport: {url: x}\n", "plan.fmf:2: 'import' of /plan takes a plan from elsewhere"),
            ("provision: [{role: a}, {role: b}]\ndiscover: {where: c}\n", "names 'c', which no machine of the plan"),
            ("execute: {how: tmt}\ncontext: red\n", "'context' of /plan is a mapping"),
        ]
        for (plan, message) in cases {
            let fault = try fault(plan)
            #expect(fault.contains(message), "\(plan): \(fault)")
        }
    }
}
