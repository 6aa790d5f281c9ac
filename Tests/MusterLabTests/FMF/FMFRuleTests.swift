import Testing

@testable import MusterLab

/// Rules beyond the recorded ones, as fmf 1.7 decides them.
struct FMFRuleTests {
    struct Row: Sendable, CustomTestStringConvertible {
        let rule: String
        let context: [String: [String]]
        /// Nil when it is no rule.
        let decision: FMFRule.Decision?
        var testDescription: String { rule }

        init(_ rule: String, _ context: [String: [String]], _ decision: FMFRule.Decision?) {
            self.rule = rule
            self.context = context
            self.decision = decision
        }
    }

    static let rows = [
        Row("distro == centos", ["distro": ["centos-8.3"]], .matches),
        Row("distro == centos-8", ["distro": ["centos-8.3"]], .matches),
        Row("distro != centos-8.3", ["distro": ["centos-8"]], .matches),
        Row("distro <= centos-8", ["distro": ["centos-8.3"]], .matches),
        Row("distro >= centos-8.3", ["distro": ["centos-8"]], .doesNotMatch),
        Row("distro < centos-8.10", ["distro": ["centos-8.9"]], .matches),
        Row("distro < centos-08", ["distro": ["centos-8"]], .doesNotMatch),
        Row("distro == centos-08", ["distro": ["centos-8"]], .matches),
        Row("distro ~= centos-08", ["distro": ["centos-8"]], .doesNotMatch),
        Row("distro ~= centos-8", ["distro": ["centos-8.3"]], .matches),
        Row("distro ~= centos-8.3", ["distro": ["centos-8"]], .cannotDecide),
        Row("distro ~!= centos-8", ["distro": ["centos-7"]], .matches),
        Row("distro ~< centos-7.2", ["distro": ["centos-6.9"]], .cannotDecide),
        Row("distro ~< centos-7.2", ["distro": ["centos-7.1"]], .matches),
        Row("distro ~<= centos-7.2", ["distro": ["centos-7.2.5"]], .matches),
        Row("distro ~> centos-7", ["distro": ["centos-8.1"]], .matches),
        Row("distro ~>= centos-7.2", ["distro": ["centos-7"]], .cannotDecide),
        Row("distro ~>= centos-7", ["distro": ["centos"]], .cannotDecide),
        Row("distro ~< fedora-33", ["distro": ["centos-8"]], .cannotDecide),
        Row("a == 1_0", ["a": ["10"]], .doesNotMatch),
        Row("v < x-2", ["v": ["x-10"]], .doesNotMatch),
        Row("v < x-b", ["v": ["x-10"]], .matches),
        Row("distro", ["distro": ["x"]], nil),
        Row("", [:], nil),
        Row("distro == x or", ["distro": ["x"]], nil),
        Row("and distro == x", ["distro": ["x"]], nil),
        Row("distro = fedora", ["distro": ["fedora-40"]], .matches),
        Row("distro=fedora-40,centos", ["distro": ["centos-9"]], .matches),
        Row("distro is defined", ["distro": ["x"]], .matches),
        Row("distro is not defined", ["distro": ["x"]], .doesNotMatch),
        Row("arch is defined", [:], .doesNotMatch),
        Row("archis not defined", [:], .matches),
        Row("distro is  defined", ["distro": ["x"]], nil),
        Row("truely", [:], .matches),
        Row("falsehood == 1", ["falsehood": ["1"]], .doesNotMatch),
        Row("True", [:], nil),
        Row("a-or-b == 1", ["a-or-b": ["1"]], nil),
        Row("arch == x86_64 or true", [:], .matches),
        Row("arch == x86_64 and false", [:], .doesNotMatch),
        Row("false and arch == x86_64", [:], .doesNotMatch),
        Row("false or arch == x86_64", [:], .cannotDecide),
        Row("arch == a and arch == b or distro == f", ["distro": ["f"]], .matches),
        Row("distro ~ 40$", ["distro": ["fedora-40"]], .matches),
        Row("distro ~ ^(fedora|rhel), centos", ["distro": ["centos"]], .matches),
        Row("distro !~ ^rhel", ["distro": ["fedora", "rhel"]], .matches),
        Row("distro == == x", ["distro": ["= x"]], .doesNotMatch),
        Row("distro == fedora\n", ["distro": ["fedora"]], .matches),
        Row("x == a, b\nignored", ["x": ["b"]], .matches),
        Row("component >= python3-3.8", ["component": ["python3-3.8.5-5.fc32"]], .matches),
        Row("component < python3-3.8", ["component": ["python3"]], .cannotDecide),
        Row("x == :", ["x": ["-"]], .matches),
        Row("é == 1", ["é": ["1"]], .matches),
        Row("a <> b", ["a": ["b"]], .cannotDecide),
        Row("a =< b", ["a": ["b"]], .doesNotMatch),
        Row("distro ~ [", ["arch": ["1"]], .cannotDecide),
        Row("x != 1", ["x": []], .cannotDecide),
        Row("distro == Fedora and x ~ y", ["distro": ["fedora"], "x": ["y"]], .doesNotMatch),
        Row("x < ١", ["x": ["0"]], .cannotDecide),
        Row("x > fedora-rawhide", ["x": ["fedora-40"]], .doesNotMatch),
        Row("x >= fedora-40", ["x": ["centos-1", "fedora-41"]], .matches),
    ]

    @Test(arguments: rows) func aRuleIsDecidedAsFmfDecidesIt(row: Row) throws {
        guard let decision = row.decision else {
            #expect(throws: FMFRule.Invalid.self) { try FMFRule(row.rule) }
            return
        }
        #expect(try FMFRule(row.rule).decide(FMFContext(row.context)) == decision)
    }

    @Test func anExpressionThatIsNoneIsAnErrorOnlyWhenItIsAsked() throws {
        let rule = try FMFRule("distro ~ [")
        #expect(throws: FMFRule.Invalid.self) { try rule.decide(FMFContext(["distro": ["x"]])) }
        #expect(try rule.decide(FMFContext([:])) == .cannotDecide)
    }

    @Test func parenthesesAreToldToBeNone() {
        let error = #expect(throws: FMFRule.Invalid.self) { try FMFRule("a == 1 and (b == 2)") }
        #expect(error?.hint.contains("no parentheses") == true)
    }

    @Test func aContextIsReadFromWords() throws {
        let context = try FMFContext(words: ["distro=fedora-40", "arch=x86_64,s390x", "arch=aarch64"])
        #expect(try FMFRule("arch == aarch64 and arch == s390x").decide(context) == .matches)
        #expect(throws: FMFRule.Invalid.self) { try FMFContext(words: ["distro"]) }
    }

    @Test func caseMattersUnlessTheContextSaysOtherwise() throws {
        let rule = try FMFRule("distro >= Fedora-40")
        #expect(try rule.decide(FMFContext(["distro": ["fedora-40"]])) == .cannotDecide)
        #expect(try rule.decide(FMFContext(["distro": ["fedora-40"]], isCaseSensitive: false)) == .matches)
    }
}
