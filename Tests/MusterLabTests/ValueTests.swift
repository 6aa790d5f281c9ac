import Foundation
import MusterCore
import Testing

@testable import MusterLab

@Suite struct ValueTests {
    @Test func durationsAreReadAndWritten() throws {
        let right: [(String, Duration, String)] = [
            ("500ms", .milliseconds(500), "500ms"), ("30s", .seconds(30), "30s"), ("90m", .seconds(5_400), "1h30m"),
            ("1h30m", .seconds(5_400), "1h30m"), ("2d3h4m5s6ms", .milliseconds(183_845_006), "2d3h4m5s6ms"),
            ("0s", .zero, "0s"), ("24h", .seconds(86_400), "1d"),
        ]
        for (text, duration, shown) in right {
            #expect(try DurationText.parse(text) == duration)
            #expect(DurationText.format(duration) == shown)
        }
        let wrong: [(String, DurationText.Problem)] = [
            ("", .notADuration), ("s", .notADuration), ("7200", .unitMissing(seconds: "2h")), ("1h30", .notADuration),
            ("1m1m", .order), ("1s1h", .order), ("1.5h", .fraction), ("9223372036854775807d", .tooLong),
            ("99999999999999999999s", .tooLong), ("5sec", .unitUnknown("sec", suggestion: "5s")),
            ("5x", .unitUnknown("x", suggestion: nil)), ("5S", .unitUnknown("S", suggestion: "5s")),
            ("1h 30m", .unitUnknown("h ", suggestion: nil)), ("١s", .notADuration),
        ]
        for (text, problem) in wrong {
            #expect(throws: problem) { try DurationText.parse(text) }
        }
    }

    @Test func globsMatchAsShellsDo() {
        let cases: [(String, String, Bool)] = [
            ("*", "", true), ("*", "a/b", true), ("a*c", "abc", true), ("a*c", "ab", false), ("a?c", "abc", true),
            ("a?c", "ac", false), ("[a-c]x", "bx", true), ("[!a-c]x", "bx", false), ("[]]", "]", true),
            ("\\*", "*", true), ("\\*", "a", false), ("*a*b*", "xxaxxbxx", true), ("*a*b*", "xxbxxaxx", false),
            ("é*", "été", true),
        ]
        for (pattern, text, expected) in cases {
            #expect(Glob(pattern)?.matches(text) == expected, "\(pattern) \(text)")
        }
        #expect(Glob("[a") == nil)
        #expect(Glob("[z-a]") == nil)
        let slow = Glob(String(repeating: "*a", count: 40) + "b")
        #expect(slow?.matches(String(repeating: "a", count: 2_000)) == false)
    }

    @Test func namesAreCheckedAndRepaired() {
        for name in ["a", "a-b", "app1", String(repeating: "a", count: 32)] { #expect(NameText.isValid(name)) }
        for name in ["", "A", "1a", "-a", "a_b", "a.b", "é", String(repeating: "a", count: 33)] {
            #expect(!NameText.isValid(name))
        }
        #expect(NameText.repaired("My_App 2") == "my-app-2")
        #expect(NameText.repaired("9lives_") == "lives")
        #expect(NameText.repaired("___") == nil)
    }

    @Test func theNearestWordIsAtMostTwoEditsAway() {
        func nearest(_ word: String, _ words: [String]) -> String? {
            var left = 100
            return Nearest.word(to: word, among: words, comparisonsLeft: &left)
        }
        #expect(nearest("need", ["name", "needs"]) == "needs")
        #expect(nearest("tiemout", ["timeout"]) == "timeout")
        #expect(nearest("provision", ["process"]) == nil)
        #expect(nearest("xy", ["ab"]) == nil)
        #expect(Nearest.distance(Array("kitten".utf8), Array("sitting".utf8)) == 3)
        var left = 1
        #expect(Nearest.word(to: "abc", among: ["abx", "abc"], comparisonsLeft: &left) == "abx")
    }

    @Test func filesAreFoundByPatterns() throws {
        func found(_ pattern: String) throws -> [String] { try FileGlob(pattern).files(in: someFiles) }
        #expect(try found("tests/*.sh") == ["tests/login.sh", "tests/upgrade.sh"])
        #expect(try found("./tests//*.sh") == ["tests/login.sh", "tests/upgrade.sh"])
        #expect(try found("tests/.*") == ["tests/.hidden.sh"])
        #expect(try found("**/*.py") == ["tests/deep/er.py"])
        #expect(try found("tests/**") == ["tests/deep/er.py", "tests/login.sh", "tests/notes", "tests/upgrade.sh"])
        #expect(try found("*/web.conf") == ["conf/web.conf"])
        #expect(try found("setup.sh") == ["setup.sh"])
        #expect(try found("tests") == [])
        #expect(throws: FileGlob.Problem.outside) { try FileGlob("../x") }
        #expect(throws: FileGlob.Problem.outside) { try FileGlob("/x") }
        #expect(throws: FileGlob.Problem.brokenSet) { try FileGlob("a/[b") }
        #expect(throws: FileGlob.Problem.empty) { try FileGlob("./") }
    }

    @Test func labsAreReadFromDisk() throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "muster-lab-\(UUID().uuidString)").path
        let files = FileManager.default
        try files.createDirectory(atPath: folder + "/tests/sub", withIntermediateDirectories: true)
        defer { try? files.removeItem(atPath: folder) }
        try files.createSymbolicLink(atPath: folder + "/tests/sub/loop", withDestinationPath: folder)
        let text =
            "lab: a\ngroups: {g: {provision: [process: ]}}\ntests: {t: {where: g, discover: {files: 'tests/**/*.sh'}}}"
        try text.write(toFile: folder + "/lab.yaml", atomically: true, encoding: .utf8)
        try "exit 0".write(toFile: folder + "/tests/sub/a.sh", atomically: true, encoding: .utf8)
        try files.createSymbolicLink(atPath: folder + "/tests/b.sh", withDestinationPath: "sub/a.sh")

        let lab = try LabParser.load(path: folder + "/lab.yaml")
        #expect(lab.suites[0].spec.tests.map(\.name) == ["tests/b", "tests/sub/a"])

        func message(_ path: String) -> String {
            do throws(LabError) {
                _ = try LabParser.load(path: path)
                return ""
            } catch {
                return error.diagnostics[0].message
            }
        }
        #expect(message(folder + "/none.yaml") == "there is no such file")
        #expect(message(folder) == "this is a folder")
        #expect(message("/dev/zero") == "the file is larger than 4 MiB, the limit for a lab file")
    }
}
