import MusterReport
import Testing

@Suite struct ResultsPathTests {
    private func path(_ test: String, suite: String = "api", attempt: Int = 1, name: String = "output.txt") -> String {
        ResultsPath.file(suite: suite, test: test, attempt: attempt, name: name)
    }

    @Test func plainNamesAreTheirOwnPath() {
        #expect(path("tests/login") == "files/api/tests/login/1/output.txt")
        #expect(path("/tests/log_in-2.b+c,d@e") == "files/api/_/tests/log_in-2.b+c,d@e/1/output.txt")
        #expect(path("tests/größe/日本") == "files/api/tests/größe/日本/1/output.txt")
    }

    @Test func nothingLeavesItsFolder() {
        let names = [
            "..", "../..", "/", "//", "", ".", "a/../../../b", "a//b", "\u{0}", "a\\b", "~", "/etc/passwd", "-rf", "\n",
            "%2e",
        ]
        for name in names {
            for whole in [path(name), path("t", name: name), path("t", suite: name)] {
                #expect(whole.hasPrefix("files/"))
                let parts = whole.split(separator: "/", omittingEmptySubsequences: false)
                #expect(!parts.contains { $0.isEmpty || $0.hasPrefix(".") }, "\(name): \(whole)")
                #expect(!whole.unicodeScalars.contains { $0.value < 0x20 || $0 == "\\" })
            }
        }
        #expect(path("a/../b") == "files/api/a/=2E./b/1/output.txt")
    }

    @Test func twoTestsNeverShareAFolder() {
        let long = String(repeating: "x", count: 5_000)
        let parts = [
            "a", "1", "a/1", "a/b", "", "/", "//", "_", "_/a", "/a", "//a", "a/", "a//", "a//b", "=", "=5F", "=31", ".",
            "..",
        ]
        let more = [
            "=2E", "a b", "a=20b", "a+b", "A", "é", "e\u{301}", long, long + "y", "y" + long, long + "/", "a/1/b",
            "1/1", "01",
        ]
        var seen: [[UInt8]: [UInt8]] = [:]
        for name in parts + more {
            for attempt in [1, 11] {
                let folder = Array(
                    ResultsPath.folder(suite: "s", test: name, attempt: attempt).joined(separator: "/").utf8
                )
                let key = Array("\(attempt) \(name)".utf8)
                if let other = seen[folder] {
                    Issue.record("\(String(decoding: other, as: UTF8.self)) and \(name) share")
                }
                seen[folder] = key
            }
        }
        #expect(seen.count == 2 * (parts + more).count)
        // Nor is one inside another.
        let folders = seen.keys.map { $0 + [UInt8(ascii: "/")] }
        for folder in folders {
            let inside = folders.filter { $0.count > folder.count && $0.starts(with: folder) }
            #expect(inside.isEmpty, "in \(String(decoding: folder, as: UTF8.self))")
        }
    }

    @Test func longNamesAreCutAndStayApart() {
        let long = String(repeating: "é/", count: 3_000)
        for name in [long, long + "b", String(repeating: " ", count: 121)] {
            let parts = path(name, name: name).split(separator: "/")
            #expect(parts.count == 5)
            #expect(parts.allSatisfy { $0.utf8.count <= 120 })
        }
        #expect(path(long) != path(long + "b"))
    }
}
