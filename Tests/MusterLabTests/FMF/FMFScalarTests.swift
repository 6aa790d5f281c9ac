import Testing

@testable import MusterLab

/// What YAML values are to fmf's loader, and how they are written as JSON.
struct FMFScalarTests {
    static let rows = [
        ("yes", "\"yes\""),
        ("no", "\"no\""),
        ("on", "\"on\""),
        ("Off", "\"Off\""),
        ("y", "\"y\""),
        ("true", "true"),
        ("True", "true"),
        ("TRUE", "true"),
        ("tRue", "\"tRue\""),
        ("null", "null"),
        ("Null", "null"),
        ("~", "null"),
        ("", "null"),
        ("nUll", "\"nUll\""),
        ("0", "0"),
        ("-0", "0"),
        ("+5", "5"),
        ("007", "7"),
        ("0o17", "15"),
        ("0x1F", "31"),
        ("-0x1f", "-31"),
        ("0b101", "5"),
        ("1_000", "1000"),
        ("1__0", "10"),
        ("08", "8"),
        ("0o8", "\"0o8\""),
        ("12e3", "12000.0"),
        ("1e5", "100000.0"),
        ("1.", "1.0"),
        (".5", "0.5"),
        ("-.5", "-0.5"),
        ("+.5", "0.5"),
        (".5e3", "\".5e3\""),
        (".5e+3", "500.0"),
        ("1.5e3", "1500.0"),
        ("1_0.5_0", "10.5"),
        (".inf", "Infinity"),
        ("-.INF", "-Infinity"),
        ("+.Inf", "Infinity"),
        (".nan", "NaN"),
        ("-.nan", "\"-.nan\""),
        (".Nan", "\".Nan\""),
        ("1:30", "\"1:30\""),
        ("1.2.3", "\"1.2.3\""),
        ("0.1", "0.1"),
        ("1e16", "1e+16"),
        ("1e15", "1000000000000000.0"),
        ("1e-5", "1e-05"),
        ("0.0001", "0.0001"),
        ("1e400", "Infinity"),
        ("123456789.123456789", "123456789.12345679"),
        ("5e-324", "5e-324"),
        ("-0.0", "-0.0"),
        ("99999999999999999999", "99999999999999999999"),
        ("-0xFFFFFFFFFFFFFFFFFF", "-4722366482869645213695"),
        ("2020-01-02", "\"2020-01-02\""),
        ("2020-1-2", "\"2020-1-2\""),
        ("2020-01-02 03:04:05", "\"2020-01-02 03:04:05\""),
        ("2020-01-02T03:04:05.5Z", "\"2020-01-02 03:04:05.500000+00:00\""),
        ("2020-1-2 3:04:05.1234567 +01:30", "\"2020-01-02 03:04:05.123457+01:30\""),
        ("2001-12-31 23:59:59.9999999 -5", "\"2002-01-01 00:00:00-05:00\""),
        ("2020-01-02 03:04", "\"2020-01-02 03:04\""),
        ("a b", "\"a b\""),
        ("a #c", "\"a\""),
        ("a#c", "\"a#c\""),
        ("\"1\"", "\"1\""),
        ("'yes'", "\"yes\""),
        ("! \"12\"", "12"),
        ("!!str 12", "\"12\""),
        ("!!int \"0x10\"", "16"),
        ("!!float 3", "3.0"),
        ("!!float -0", "-0.0"),
        ("!!bool on", "true"),
        ("!!null x", "null"),
        ("!!timestamp 2020-1-2", "\"2020-01-02\""),
        ("[a, {b: 1}, [c]]", "[\"a\", {\"b\": 1}, [\"c\"]]"),
        ("{a: 1, b: [2]}", "{\"a\": 1, \"b\": [2]}"),
        ("\"\\u00e9\\x41\\/\\0\"", "\"éA/\\u0000\""),
        ("|\n  a\n   b\n\n", "\"a\\n b\\n\""),
        (">-\n  a\n  b\n\n  c", "\"a b\\nc\""),
        (">+\n  a\n\n", "\"a\\n\\n\\n\""),
        ("a\n  b\n\n  c", "\"a b\\nc\""),
        ("é 日", "\"é 日\""),
        ("--", "\"--\""),
        ("<", "\"<\""),
        ("a:b", "\"a:b\""),
        ("\"a\tb\"", "\"a\\tb\""),
        ("{1: a, 0x1F: b}", "{\"1\": \"a\", \"31\": \"b\"}"),
        ("{~: a}", "{\"null\": \"a\"}"),
        ("{1.5: a}", "{\"1.5\": \"a\"}"),
        ("{true: 1}", "{\"true\": 1}"),
    ]

    @Test(arguments: rows) func aValueIsReadAndWrittenAsFmfDoes(yaml: String, json: String) throws {
        #expect(try FMFTestTree(["main.fmf": "k: \(yaml)\n"]).read().json("/", "k") == json)
    }

    @Test(arguments: [
        "._", "0b_", "0x", "-_", "2020-13-01", "2021-02-29", "2020-01-02 25:00:00", "=", "<<", "[<<]", "!foo x",
        "!!int x", "!!bool maybe", "!!set {a, b}", "!!binary aGk=", "!!map x", "\t1", "a\tb", "a\t", "'a'\t# c",
        "*nowhere", "&a [*a]", "{1: a, true: b}", "{a: 1, a: 2}", "{[a]: 1}", "{<<: 1}", "@a", "1\n---\nk: 2",
    ])
    func aValueThatFmfRefusesIsAnErrorWithItsPlace(yaml: String) throws {
        let faults = try fmfFaults("k: \(yaml)\n")
        // Numbers without digits after a prefix are text to fmf, too.
        if yaml == "0x" { return #expect(faults.isEmpty) }
        #expect(faults.count >= 1 && faults.allSatisfy { $0.hasPrefix("main.fmf:") }, "\(faults)")
    }

    @Test func yamlOnePointOneIsReadWhereAFileAsksForIt() throws {
        let data = try fmfData("%YAML 1.1\n---\na: [yes, off, 010, 1:30, 1:30.5, 08, -0x1f]\n")
        #expect(data == ["/": #"{"a": [true, false, 8, 90, 90.5, "08", -31]}"#])
    }

    @Test func mergeKeysBringWhatIsNotThere() throws {
        let data = try fmfData("_a: &a {x: 1, y: 2}\n_b: &b {y: 3, z: 4}\nc: {<<: [*a, *b], x: 9}\n/n: {}\n")
        #expect(data["/n"]?.contains(#""c": {"x": 9, "y": 2, "z": 4}"#) == true)
    }

    @Test func ofAnchorsWithOneNameTheLastThatBeganIsMeant() throws {
        #expect(try fmfData("a: &x {b: &x 1}\nc: *x\n") == ["/": #"{"a": {"b": 1}, "c": 1}"#])
    }

    @Test func tabsMayStandInQuotesBracketsBlocksAndComments() throws {
        let text = "a: \"x\ty\"\nb: [1,\t2]\nc: |\n  x\ty\nd: 1 #\tc\n# \tc\n"
        #expect(try fmfFaults(text).isEmpty)
    }

    @Test func keysThatAreNoTextStandBelowValuesOnly() throws {
        #expect(try fmfData("a: {1: x, 2: y}\n") == ["/": #"{"a": {"1": "x", "2": "y"}}"#])
        #expect(try fmfFaults("1: x\n")[0].hasPrefix("main.fmf:1:1: the key '1' is no text"))
        #expect(try fmfFaults("~: x\n")[0].hasPrefix("main.fmf:1:1: a key of '/' is nothing"))
    }

    @Test func keysThatCannotBeSortedAreToldWhenTheyAreWritten() throws {
        let tree = try FMFTestTree(["main.fmf": "a: {1: x, y: z}\n"]).read()
        let error = #expect(throws: FMFError.self) { try FMFExport.jsonLines(of: tree) }
        #expect(error?.diagnostics.first?.line == 1)
    }
}
