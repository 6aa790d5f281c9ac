import MusterCore

/// Reports that several tests read.
enum Samples {
    static let start = Timestamp(rawValue: 1_772_357_400_000_000)  // 2026-03-01 09:30:00 UTC

    static func attempt(
        _ number: Int,
        _ outcome: Outcome,
        note: String? = nil,
        node: String? = "app/0",
        at ms: Int64 = 0,
        took: Int64 = 100,
        isCancelled: Bool = false,
        files: [String] = [],
        results: [TestResult] = []
    ) -> AttemptReport {
        AttemptReport(
            number: number,
            outcome: outcome,
            note: note,
            node: node,
            startedAt: node == nil ? nil : start + .milliseconds(ms),
            duration: .milliseconds(took),
            isCancelled: isCancelled,
            files: files,
            results: results
        )
    }

    static func test(_ name: String, suite: String = "api", _ attempts: AttemptReport...) -> TestReport {
        TestReport(suite: suite, name: name, attempts: attempts)
    }

    static func report(
        _ tests: [TestReport],
        state: PlanState = .stopped,
        result: PlanResult = .success,
        problems: [String] = [],
        flakyFails: Bool = false
    ) -> RunReport {
        var names: [String] = []
        for test in tests where !names.contains(test.suite) { names.append(test.suite) }
        return RunReport(
            run: RunName(PlanID(1)),
            lab: "shop",
            verb: .test,
            state: state,
            result: result,
            startedAt: start,
            endedAt: state == .stopped ? start + .milliseconds(3_200) : nil,
            nodes: 5,
            problems: problems,
            suites: names.map { name in SuiteReport(name: name, tests: tests.filter { $0.suite == name }) },
            flakyFails: flakyFails
        )
    }

    static func one(_ attempts: AttemptReport...) -> RunReport {
        report([TestReport(suite: "api", name: "tests/login", attempts: attempts)])
    }

    private static func output(_ test: String, _ attempt: Int) -> [String] {
        ["files/api/tests/\(test)/\(attempt)/output.txt"]
    }

    /// A run with one test of every kind, whose renderings stand in `docs/formats/examples`.
    static var shop: RunReport {
        var tests = [
            test(
                "tests/checkout",
                attempt(
                    1,
                    .fail,
                    note: "exit 1: cart total 41.90, expected 42.00",
                    node: "app/0",
                    at: 610,
                    took: 312,
                    files: output("checkout", 1)
                ),
                attempt(
                    2,
                    .fail,
                    note: "exit 1: cart total 41.90, expected 42.00",
                    node: "app/2",
                    at: 1_204,
                    took: 298,
                    files: output("checkout", 2)
                ),
                attempt(
                    3,
                    .fail,
                    note: "exit 1: cart total 41.90, expected 42.00\nsee cart.json, line 7",
                    node: "app/1",
                    at: 1_760,
                    took: 305,
                    files: output("checkout", 3) + ["files/api/tests/checkout/3/cart.json"],
                    results: [
                        TestResult(name: "cart/add", outcome: .pass),
                        TestResult(
                            name: "cart/total",
                            outcome: .fail,
                            note: "41.90, expected 42.00",
                            files: ["total.log"],
                            extra: "{\"currency\": \"EUR\"}"
                        ),
                        TestResult(name: "cart/tax", outcome: .warn, status: "rounded"),
                    ]
                )
            ),
            test(
                "tests/search",
                attempt(1, .fail, note: "exit 1", node: "app/1", at: 600, took: 455, files: output("search", 1)),
                attempt(2, .pass, node: "app/2", at: 1_520, took: 440, files: output("search", 2))
            ),
            test(
                "tests/upgrade",
                attempt(1, .infra, note: "app/0 was lost: its server ended", node: "app/0", at: 1_300, took: 210),
                attempt(2, .pass, node: "app/0", at: 1_530, took: 402, files: output("upgrade", 2))
            ),
            test(
                "tests/audit",
                attempt(1, .error, note: "tests/audit.sh: not executable", node: "app/1", at: 1_070, took: 2)
            ),
            test(
                "tests/ipv6",
                attempt(1, .skip, note: "no IPv6 address on this node", node: "app/2", at: 1_990, took: 31)
            ),
        ]
        for (index, name) in ["login", "logout", "cart", "orders", "prices", "stock", "users"].enumerated() {
            let node = "app/\(index % 3)"
            tests.append(
                test(
                    "tests/\(name)",
                    attempt(
                        1,
                        .pass,
                        node: node,
                        at: 2_110 + Int64(index / 3) * 340,
                        took: 120 + Int64(index) * 27,
                        files: output(name, 1)
                    )
                )
            )
        }
        tests.append(
            test(
                "/smoke",
                suite: "web",
                attempt(
                    1,
                    .pass,
                    node: "web/0",
                    at: 2_700,
                    took: 380,
                    files: ["files/web/_/smoke/1/output.txt"],
                    results: [TestResult(name: "index", outcome: .pass)]
                )
            )
        )
        tests.append(
            test(
                "/cache",
                suite: "web",
                attempt(1, .infra, note: "web/0 was lost: no route to host", node: "web/0", at: 3_090, took: 40),
                attempt(2, .infra, note: "web/0 was lost: no route to host", node: "web/0", at: 3_132, took: 22),
                attempt(3, .infra, note: "web/0 was lost: no route to host", node: "web/0", at: 3_160, took: 19)
            )
        )
        var report = report(
            tests,
            result: .warning,
            problems: ["web/0 was lost 3 times: no route to host; muster logs web/0"]
        )
        report.nodesReplaced = 1
        return report
    }

    /// Runs before `shop`, of the same tests, which went otherwise.
    static var past: [RunReport] {
        (0..<3).map { (back: Int64) -> RunReport in
            var run = shop
            run.run = RunName(PlanID(2 + back))
            for index in run.suites[0].tests.indices {
                let name = run.suites[0].tests[index].name
                let outcome: Outcome = name == "tests/checkout" && back == 2 ? .fail : .pass
                run.suites[0].tests[index].attempts = [attempt(1, outcome, note: outcome == .fail ? "exit 1" : nil)]
            }
            return run
        }
    }

    /// The same, broken off early.
    static var interrupted: RunReport {
        var report = report(
            [
                test("tests/login", attempt(1, .pass, at: 610)),
                test("tests/cart", attempt(1, .fail, note: "ended by signal 15", at: 900, isCancelled: true)),
                test("tests/orders"), test("tests/users"),
            ],
            result: .cancelled
        )
        report.reason = "interrupted by Ctrl-C"
        return report
    }

    /// Everything that a name or a note could do to a format.
    static let hostileTexts = [
        "<script>alert(1)</script>", "a & b 'c' \"d\" ]]> <!-- -- -->", "tab\tnewline\nreturn\rend",
        "nul \u{0} bell \u{7} escape \u{1B}[31m delete \u{7F} c1 \u{85}\u{9B}",
        "line \u{2028} paragraph \u{2029} bom \u{FEFF}",
        "not a character \u{FFFE}\u{FFFF}", "👩‍🚀 emoji 🎉 日本語 ünïcödé", "rtl \u{202E}txt.exe\u{202C} עברית",
        "ok 1 - # SKIP fake # TODO", "back\\slash \\# \\n", "../../etc/passwd", "&#0; &amp;amp; %00 %2e%2e/",
        "${HOME} `id` $(id)", "{\"json\": [1]}", "--- ...\n  ...\nBail out! now", " leading and trailing ",
    ]

    static var hostile: RunReport {
        let tests = hostileTexts.enumerated().map { index, text in
            test(
                text,
                attempt(
                    1,
                    index % 3 == 0 ? .infra : .fail,
                    note: text,
                    node: "n\(text)",
                    files: ["files/api/\(text)/out"]
                ),
                attempt(
                    2,
                    index % 2 == 0 ? .fail : .pass,
                    note: text,
                    node: text,
                    files: ["files/api/\(text)/out"],
                    results: [
                        TestResult(outcome: .fail, status: text, files: [text], extra: text),
                        TestResult(name: text, outcome: .fail, status: text, note: text, files: [text], extra: text),
                    ]
                )
            )
        }
        var report = report(tests, problems: hostileTexts)
        report.lab = hostileTexts[0]
        report.reason = hostileTexts[2]
        return report
    }
}
