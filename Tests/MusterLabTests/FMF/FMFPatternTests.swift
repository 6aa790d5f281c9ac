import Testing

@testable import MusterLab

/// Regular expressions as Python's `re` has them.
struct FMFPatternTests {
    static let rows = [
        ("b", "abc", "x", "axc"),
        ("", "abc", "-", "-a-b-c-"),
        ("x*", "abxd", "-", "-a-b--d-"),
        ("(a)(b)", "xab", "\\2\\1", "xba"),
        ("(?P<first_name>a)", "aa", "<\\g<first_name>>", "<a><a>"),
        ("a", "a", "\\g<0>\\g<0>", "aa"),
        (".", "a\nb", "x", "x\nx"),
        ("(?s).", "a\nb", "x", "xxx"),
        ("^", "a\nb", ">", ">a\nb"),
        ("(?m)^", "a\nb", ">", ">a\n>b"),
        ("$", "a\n", "<", "a<\n<"),
        ("\\Z", "a\n", "<", "a\n<"),
        ("b$", "ab\n", "x", "ax\n"),
        ("\\bfoo\\b", "foo food", "x", "x food"),
        ("\\w+", "é_1 ²-", "w", "w w-"),
        ("\\s", "a\u{1C}b\u{A0}c", "_", "a_b_c"),
        ("\\d", "1٣²", "d", "dd²"),
        ("[[:alpha:]]", "[:]a:]", "x", "[xax"),
        ("[a&&b]", "a&b", "x", "xxx"),
        ("a{,2}", "aaa", "x", "xxx"),
        ("a{", "a{", "x", "x"),
        ("a{}", "a{}", "x", "x"),
        ("(?i)É", "éÉ", "e", "ee"),
        ("(?P<q>.)(?P=q)", "aab", "\\g<q>", "ab"),
        ("(?<=a)b", "abb", "x", "axb"),
        ("(a|)*", "aab", "x", "xxbx"),
        ("a++b", "aaab", "x", "x"),
        ("\\.", "a.b", "\\n", "a\nb"),
        ("\\x41\\u0042\\103", "ABC", "x", "x"),
        ("(?x) a b # c", "ab", "x", "x"),
        ("[]a]", "a]", "x", "xx"),
        ("[^]a]", "a]b", "x", "a]x"),
        ("(a)?b", "b", "[\\1]", "[]"),
        (".*?", "ab", "x", "xxxxx"),
        ("\\B", "ab", "|", "a|b"),
        ("\\/", "a/b", "|", "a|b"),
        ("$1", "$1", "x", "$1"),
        ("😀", "a😀b", "x", "axb"),
        (".", "a😀", "x", "xx"),
        ("(?:)", "😀a", "-", "-😀-a-"),
    ]

    @Test(arguments: rows)
    func everyMatchIsReplacedAsPythonReplacesIt(
        row: (pattern: String, text: String, replacement: String, result: String)
    ) throws {
        let pattern = try FMFPattern(row.pattern)
        let replacement = try FMFReplacement(row.replacement, for: pattern)
        #expect(try pattern.replacing(in: row.text, with: replacement) == row.result)
    }

    @Test(arguments: [
        "(", ")", "[", "*a", "a**", "a{2,1}", "\\q", "\\8", "(?P<1>a)", "(?P<a>b)(?P<a>c)", "(?P=a)",
        "(?<n>a)", "a(?i)", "(?<=a+)b", "[b-a]", "(?z)", "\\x4", "(\\1)", "(?#", "\\", "^*", "(?L)a",
        "[\\w-z]",
    ])
    func whatPythonRefusesIsRefused(pattern: String) {
        #expect(throws: FMFProblem.self) { try FMFPattern(pattern) }
    }

    @Test(arguments: ["(a)?(?(1)b|c)", "\\N{DASH}", String(repeating: "a", count: 5_000)])
    func whatCannotBeSaidHereIsRefusedByName(pattern: String) {
        let error = #expect(throws: FMFProblem.self) { try FMFPattern(pattern) }
        #expect(error.map { $0.message.contains("cannot be used here") || $0.message.contains("bytes") } == true)
    }

    @Test(arguments: ["\\2", "\\g<x>", "\\g<", "\\q", "a\\", "\\400"])
    func aReplacementThatPythonRefusesIsRefused(replacement: String) throws {
        let pattern = try FMFPattern("(a)")
        #expect(throws: FMFProblem.self) { try FMFReplacement(replacement, for: pattern) }
    }

    @Test func anExpressionThatTakesTooLongIsStopped() throws {
        let pattern = try FMFPattern("(a+)+$")
        #expect(throws: FMFProblem.self) { try pattern.isFound(in: String(repeating: "a", count: 64) + "b") }
    }
}
