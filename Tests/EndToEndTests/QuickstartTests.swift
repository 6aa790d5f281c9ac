import Foundation
import Testing

@Suite struct QuickstartTests {
    @Test func itShowsWhatItPromises() async throws {
        let lab = try LabFolder(example: "quickstart")
        let end = try await Program.muster(["test"], in: lab.path)
        #expect(end.status == 1, "\(end.output)\(end.errors)")
        #expect(end.output.contains("1 failed"))
        #expect(end.output.contains("1 flaky"))
        for name in ["results.jsonl", "junit.xml", "results.tap", "report.html"] {
            #expect(lab.read("results/latest/\(name)")?.isEmpty == false, "\(name)")
        }
        let failed = try #require(end.output.range(of: "failed     api//tests/total"))
        let flaky = try #require(end.output.range(of: "flaky      "))
        #expect(failed.lowerBound < flaky.lowerBound)
        #expect(lab.processes() == [])
        let gc = try await Program.muster(["gc"], in: lab.path)
        #expect(gc.output.contains("no process is left behind"))
    }

    /// Machines that stay up are used again, and a test run leaves them as it found them: all of them, also those that
    /// a destructive test has used.
    @Test func aLabThatIsUpIsUsedAndLeftUp() async throws {
        let lab = try LabFolder(example: "quickstart")
        #expect(try await Program.muster(["up"], in: lab.path).status == 0)
        #expect(try await Program.muster(["test"], in: lab.path).status == 1)
        for line in (lab.read("results/latest/results.jsonl") ?? "").split(separator: "\n") {
            let object = try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any]
            for file in try #require(object?["files"] as? [String]) {
                #expect(lab.read("results/latest/\(file)") != nil, "\(file) is among the results")
            }
        }
        let status = try await Program.muster(["status"], in: lab.path)
        let ready = status.output.split(separator: "\n").filter {
            $0.contains("/") && $0.contains(" ready ") && $0.contains("127.")
        }
        #expect(ready.count == 5, "\(status.output)")
        let failed = try await Program.muster(["test", "--failed", "--json"], in: lab.path)
        #expect(failed.status == 1)
        #expect(failed.output.contains("\"test\":\"tests/total\""))
        #expect(!failed.output.contains("\"test\":\"tests/health\""))
        let exec = try await Program.muster(
            ["exec", "app/1", "--", "sh", "-c", "echo $MUSTER_NODE; exit 3"],
            in: lab.path
        )
        #expect(exec.status == 3)
        #expect(exec.output == "app/1\n")
        #expect(try await Program.muster(["down", "db"], in: lab.path).status == 2)
        #expect(try await Program.muster(["down"], in: lab.path).status == 0)
        #expect(lab.processes() == [])
    }

    /// Every verb prints one object, or one a line, with `--json`, in every state of a lab.
    @Test func everyVerbSpeaksJSON() async throws {
        let lab = try LabFolder(example: "quickstart")
        func json(_ arguments: [String], status: Int32 = 0) async throws -> [String: Any] {
            // After the verb: what follows `--` belongs to the command of an exec.
            let end = try await Program.muster([arguments[0], "--json"] + arguments.dropFirst(), in: lab.path)
            #expect(end.status == status, "\(arguments): \(end.errors)")
            let line = try #require(end.output.split(separator: "\n").last, "\(arguments): \(end.errors)")
            let object = try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any]
            let fields = try #require(object, "\(arguments)")
            return fields
        }
        #expect(try await json(["check"])["ok"] as? Bool == true)
        #expect((try await json(["plan"])["groups"] as? [Any])?.count == 3)
        #expect(try await json(["up"])["exit_code"] as? Int == 0)
        #expect((try await json(["status"])["groups"] as? [Any])?.count == 3)
        #expect(try await json(["test", "edge"])["exit_code"] as? Int == 0)
        #expect(try await json(["why", "app/0"])["state"] as? String == "ready")
        #expect(try await json(["events"])["event"] as? String != nil)
        #expect((try await json(["logs", "app/0"])["logs"] as? [Any])?.isEmpty == false)
        #expect((try await json(["results"])["tests"] as? [Any])?.count == 3)
        #expect((try await json(["runs"])["runs"] as? [Any])?.count == 2)
        #expect(try await json(["exec", "db/0", "--", "true"])["exit_code"] as? Int == 0)
        #expect(try await json(["down"])["exit_code"] as? Int == 0)
        #expect((try await json(["gc"])["leftovers"] as? [Any])?.isEmpty == true)
    }
}
