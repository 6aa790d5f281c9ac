import Foundation
import MusterTestKit
import Testing

/// Tests that report by themselves, by the built program: results of parts, files, deadlines, and going away.
@Suite struct TestControlTests {
    private static let say = #"say() { printf 'result %s\n%s' "${#1}" "$1" >&$MUSTER_TEST_CONTROL; }"#

    private func lab(_ tests: [String: String], reruns: Int = 0) throws -> LabFolder {
        let lab = try LabFolder()
        try lab.write(
            "lab.yaml",
            """
            lab: ctl
            groups:
              app: { provision: [process: {}] }
            tests:
              api:
                where: app
                reruns: \(reruns)
                discover: { files: "t/*.sh" }
            results: { write: [jsonl, junit, tap, html, tmt, atex] }
            """
        )
        for (name, text) in tests {
            try lab.write("t/\(name).sh", "#!/bin/sh\n\(Self.say)\n\(text)\n", executable: true)
        }
        return lab
    }

    /// Lines of the results as `test subtest outcome`, and whole, by these.
    private func results(_ lab: LabFolder) throws -> [String: [String: Any]] {
        var found: [String: [String: Any]] = [:]
        for line in lab.read("results/latest/results.jsonl")?.split(separator: "\n") ?? [] {
            let object = try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any] ?? [:]
            let part = object["subtest"] as? String ?? "-"
            found["\(object["test"] ?? "") \(part) \(object["outcome"] ?? "")"] = object
        }
        return found
    }

    @Test func partsFilesAndOwnResultsCome() async throws {
        let lab = try lab([
            "parts": #"""
            say '{"status":"pass","name":"one","note":"fine"}'
            say '{"status":"fail","name":"two/a","files":[{"name":"../log.txt","length":6}],"colour":"red"}'
            printf 'ab\000de\n' >&$MUSTER_TEST_CONTROL
            say '{"status":"pass","name":"three","partial":true,"files":[{"name":"x","length":1}]}'; printf 1 >&3
            say '{"status":"warn","note":"all in all"}'
            exit 3
            """#,
            "silent": "exit 0",
        ])
        let end = try await Program.muster(["test"], in: lab.path)
        #expect(end.status == 0, "\(end.output)\(end.errors)")
        let results = try results(lab)
        #expect(
            results.keys.sorted() == [
                "t/parts - warn", "t/parts one pass", "t/parts three pass", "t/parts two/a fail", "t/silent - pass",
            ]
        )
        #expect((results["t/parts - warn"]?["note"] as? String)?.contains("all in all") == true)
        #expect((results["t/parts two/a fail"]?["extra"] as? [String: String]) == ["colour": "red"])
        let file = try #require((results["t/parts two/a fail"]?["files"] as? [String])?.first)
        let bytes = FileManager.default.contents(atPath: "\(lab.path)/results/latest/\(file)")
        #expect(bytes == Data("ab\0de\n".utf8), "a name never leads out")
        for name in ["junit.xml", "results.tap", "report.html", "results.yaml", "results.atex.jsonl"] {
            #expect(lab.read("results/latest/\(name)")?.contains("two/a") == true, "\(name)")
        }
        let shown = try await Program.muster(["results", "--subtests"], in: lab.path)
        #expect(shown.output.contains("two/a"), "\(shown.output)\(shown.errors)")
    }

    @Test func aReportedPassIsNoneWhenTheTestHangsOrTalksNonsense() async throws {
        let lab = try lab([
            "hang": #"say '{"status":"pass"}'; printf 'duration 1s\n' >&3; exec sleep 100"#,
            "nonsense": #"say '{"status":"pass"}'; printf 'hello there\n' >&3"#,
            "short": #"printf 'result 99\n{"status":"pass"}' >&3"#,
        ])
        let end = try await Program.muster(["test"], in: lab.path)
        #expect(end.status == 1, "\(end.output)\(end.errors)")
        let results = try results(lab)
        #expect(results.keys.sorted() == ["t/hang - fail", "t/nonsense - error", "t/short - error"])
        #expect((results["t/hang - fail"]?["note"] as? String)?.contains("'pass'") == true)
        #expect((results["t/nonsense - error"]?["note"] as? String)?.contains("unknown control word") == true)
        #expect(lab.read("results/latest/results.atex.jsonl")?.contains("\"pass\"") == false)
    }

    @Test func aTestThatGoesAwayIsStartedAgainAlsoWhenMusterIsKilledMeanwhile() async throws {
        let lab = try lab([
            "away": #"""
            echo start $MUSTER_RESTARTS
            say "{\"status\":\"info\",\"name\":\"start-$MUSTER_RESTARTS\"}"
            if [ "$MUSTER_RESTARTS" = 1 ]; then echo up >"$MUSTER_LAB_DIR/up"; cat "$MUSTER_LAB_DIR/go" >/dev/null; fi
            if [ "$MUSTER_RESTARTS" -lt 2 ]; then
                printf 'disconnect\n' >&3
                while printf 'noop\n' >&3; do :; done 2>/dev/null
                exit 1
            fi
            say '{"status":"pass"}'
            """#
        ])
        try await lab.killTestWhenUp()
        let end = try await Program.muster(["test"], in: lab.path)
        #expect(end.status == 0, "\(end.output)\(end.errors)")
        let results = try results(lab)
        #expect(
            results.keys.sorted() == [
                "t/away - pass", "t/away start-0 info", "t/away start-1 info", "t/away start-2 info",
            ]
        )
        #expect(results["t/away - pass"]?["attempt"] as? Int == 1, "it is one attempt")
        #expect(lab.read("results/latest/files/api/t/away/1/output.txt") == "start 2\n")
        #expect(lab.read("results/latest/files/api/t/away/1/output.1.txt") == "start 0\n")
    }

    @Test func secretsAreMaskedInWhatTestsReport() async throws {
        let lab = try LabFolder()
        let file = #"{\"name\":\"f\",\"length\":${#TOKEN}}"#
        let run =
            Self.say + #"; say "{\"status\":\"pass\",\"note\":\"it is $TOKEN\",\"files\":["# + file + #"]}"; "#
            + #"printf %s "$TOKEN" >&3"#
        try lab.write(
            "lab.yaml",
            """
            lab: ctl
            groups:
              app: { provision: [process: {}] }
            tests:
              api:
                where: app
                discover:
                  list:
                    - name: secret
                      run: |
                        TOKEN=${secret.token}
                        \(run.replacing("${#", with: "$${#"))
            """
        )
        let secret = ["MUSTER_SECRET_TOKEN": "s3cr3t-of-a-report"]
        let end = try await Program.muster(["test"], in: lab.path, environment: secret)
        #expect(end.status == 0, "\(end.output)\(end.errors)")
        #expect(lab.read("results/latest/results.jsonl")?.contains("it is ***") == true)
        #expect(lab.read("results/latest/files/api/secret/1/f") == "***")
        let found = try await Program.run("/bin/grep", ["-rl", "s3cr3t-of-a-report", "results"], in: lab.path)
        #expect(found.output == "")
    }
}
