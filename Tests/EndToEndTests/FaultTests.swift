import Foundation
import Testing

/// What goes wrong outside of Muster ends in a clear message, the right exit code, and nothing lost or left behind.
@Suite struct FaultTests {
    /// A lab with one node of this name and the given tests, each an executable script.
    private func lab(
        _ scripts: [String: String],
        node: String = "{}",
        reruns: Int = 0
    ) throws -> LabFolder {
        let lab = try LabFolder()
        try lab.write(
            "lab.yaml",
            """
            muster: 1
            lab: faults
            groups:
              node:
                provision:
                  - process: \(node)
            tests:
              t:
                where: node
                discover: { files: "tests/*.sh" }
                reruns: \(reruns)
                timeout: 5m
            """
        )
        for (name, text) in scripts { try lab.write("tests/\(name).sh", "#!/bin/sh\n" + text, executable: true) }
        return lab
    }

    /// `test attempt outcome` of each attempt, in order.
    private func outcomes(_ lab: LabFolder) throws -> [String] {
        try (lab.read("results/latest/results.jsonl") ?? "").split(separator: "\n").map { line in
            let fields = try #require(try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any])
            return ["test", "attempt", "outcome"].map { "\(fields[$0] ?? "")" }.joined(separator: " ")
        }
    }

    private func note(_ lab: LabFolder) throws -> String {
        let line = (lab.read("results/latest/results.jsonl") ?? "").split(separator: "\n").last ?? ""
        let fields = try #require(try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any])
        return fields["note"] as? String ?? ""
    }

    @Test func aTestThatPrintsAGigabyteIsCutNotLost() async throws {
        let lab = try lab(["loud": "head -c 1073741824 /dev/zero | tr '\\0' x\necho the last words"])
        let end = try await Program.muster(["test"], in: lab.path)
        #expect(end.status == 0, "\(end.output)\(end.errors)")
        #expect(try note(lab).contains("dropped"))
        let output = try #require(lab.read("results/latest/files/t/tests/loud/1/output.txt"))
        #expect(output.utf8.count < 20 << 20)
        #expect(output.hasSuffix("the last words\n"))
        #expect(lab.processes() == [])
    }

    @Test func whatATestLeavesBehindIsEnded() async throws {
        let lab = try lab([
            "daemon": """
            setsid sh -c 'sleep 1000' >/dev/null 2>&1 &
            env -i setsid sleep 1001 >/dev/null 2>&1 &
            nohup sleep 1002 &
            exit 0
            """
        ])
        let end = try await Program.muster(["test", "--keep", "always"], in: lab.path)
        #expect(end.status == 0, "\(end.output)\(end.errors)")
        #expect(try note(lab).contains("behind"))
        // The node is still up, with its supervisor and nothing else.
        #expect(lab.processes().filter { !$0.contains("muster-supervise") } == [])
        _ = try await Program.muster(["down"], in: lab.path)
        #expect(lab.processes() == [])
    }

    @Test func aNodeThatDiesMidTestSpendsNoRerun() async throws {
        let lab = try lab(
            [
                "victim": """
                if [ ! -e "$MUSTER_LAB_DIR/killed" ]; then
                    touch "$MUSTER_LAB_DIR/killed"
                    kill -9 "$(cat server.pid)"
                    sleep 30
                fi
                """
            ],
            node: "{ run: 'echo $$ > server.pid; exec sleep 1000' }\n    ready:\n      - file: server.pid"
        )
        let end = try await Program.muster(["test"], in: lab.path)
        #expect(end.status == 0, "\(end.output)\(end.errors)")
        #expect(try outcomes(lab) == ["tests/victim 1 infra", "tests/victim 2 pass"])
        #expect(end.output.contains("flaky") == false || end.output.contains("0 flaky"))
        #expect(lab.processes() == [])
    }

    @Test func aNodeThatAlwaysDiesEndsWithThree() async throws {
        let lab = try lab(
            ["killer": "kill -9 \"$(cat server.pid)\"\nsleep 30"],
            node: "{ run: 'echo $$ > server.pid; exec sleep 1000' }\n    ready:\n      - file: server.pid",
            reruns: 5
        )
        let end = try await Program.muster(["test"], in: lab.path)
        #expect(end.status == 3, "\(end.output)\(end.errors)")
        #expect(try outcomes(lab) == (1...3).map { "tests/killer \($0) infra" })
    }

    @Test func aTimeoutEndsAllDescendants() async throws {
        let lab = try lab(["slow": "sleep 1003 & sleep 1004"])
        try lab.write("lab.yaml", try #require(lab.read("lab.yaml")).replacingOccurrences(of: "5m", with: "300ms"))
        let end = try await Program.muster(["test"], in: lab.path)
        #expect(end.status == 1)
        #expect(try note(lab).hasPrefix("timed out after 300ms"))
        #expect(lab.processes() == [])
    }

    @Test func aScriptThatCannotStartIsAnError() async throws {
        let lab = try lab(["plain": "exit 0", "lost": "exit 0"])
        try FileManager.default.setAttributes([.posixPermissions: 0o644], ofItemAtPath: lab.path + "/tests/plain.sh")
        try lab.write("tests/lost.sh", "#!/no/such/interpreter\n", executable: true)
        let end = try await Program.muster(["test"], in: lab.path)
        #expect(end.status == 1, "\(end.output)\(end.errors)")
        #expect(try outcomes(lab) == ["tests/lost 1 error", "tests/plain 1 error"])
        #expect(end.output.contains("/no/such/interpreter"))
        #expect(end.output.contains("executable"))
    }

    @Test func outputThatIsNotTextStaysValidInEveryFormat() async throws {
        let lab = try lab(["bytes": "printf '\\377\\376\\000\\033[31m<&>\\n'; exit 1"])
        let end = try await Program.muster(["test"], in: lab.path)
        #expect(end.status == 1)
        #expect(String(validating: Array((lab.read("results/latest/junit.xml") ?? "").utf8), as: UTF8.self) != nil)
        #expect(lab.read("results/latest/junit.xml")?.contains("\u{1B}") == false)
        #expect(lab.read("results/latest/report.html")?.contains("<&>") == false)
    }

    @Test func aBrokenDatabaseIsNotTouched() async throws {
        let lab = try lab(["good": "exit 0"])
        let garbage = String(repeating: "this is no database ", count: 1000)
        try lab.write(".muster/muster.db", garbage)
        for verb in [["status"], ["test"], ["runs"]] {
            let end = try await Program.muster(verb, in: lab.path)
            #expect(end.status == 2, "\(verb): \(end.errors)")
            #expect(end.errors.contains("muster.db"))
        }
        #expect(lab.read(".muster/muster.db") == garbage)
    }

    @Test func aFolderThatCannotBeWrittenIsNamedWithTheWayOut() async throws {
        let lab = try lab(["good": "exit 0"])
        try lab.write(".muster", "a file where the folder should be")
        let state = try await Program.muster(["test"], in: lab.path)
        #expect(state.status == 2)
        #expect(state.errors.contains("--state"))
        try FileManager.default.removeItem(atPath: lab.path + "/.muster")
        try lab.write("results", "a file where the folder should be")
        let results = try await Program.muster(["test"], in: lab.path)
        #expect(results.status == 3, "\(results.output)\(results.errors)")
        #expect(results.errors.contains("--results"))
        #expect(lab.processes() == [])
        let again = try await Program.muster(["test", "--results", "other"], in: lab.path)
        #expect(again.status == 0, "\(again.errors)")
        #expect(lab.read("other/latest/results.jsonl")?.contains("\"outcome\":\"pass\"") == true)
        let elsewhere = try await Program.muster(["results", "--write", "elsewhere"], in: lab.path)
        #expect(elsewhere.status == 0, "\(elsewhere.errors)")
    }

    @Test func aLabBeyondItsLimitsStartsNothing() async throws {
        let lab = try lab(["good": "exit 0"])
        try lab.write("big.yaml", "muster: 1\nlab: big\n#" + String(repeating: "x", count: 4 << 20) + "\n")
        let big = try await Program.muster(["check", "-f", "big.yaml"], in: lab.path)
        #expect(big.status == 2)
        #expect(big.errors.contains("4 MiB"))
        try lab.write(
            "many.yaml",
            "muster: 1\nlab: many\ngroups:\n  n:\n    count: 100000\n    provision: [{ process: {} }]\n"
        )
        for verb in ["check", "plan"] {
            let end = try await Program.muster([verb, "-f", "many.yaml"], in: lab.path)
            #expect(end.status == 0, "\(end.errors)")
            #expect(end.output.contains("100000 nodes"))
        }
        let up = try await Program.muster(["up", "-f", "many.yaml"], in: lab.path)
        #expect(up.status == 2)
        #expect(up.errors.contains("--max-nodes 100000"))
        #expect(!FileManager.default.fileExists(atPath: lab.path + "/.muster/muster.db"))
    }

    @Test func ctrlCEndsTheRunAndTakesItDown() async throws {
        let lab = try lab([
            "long": """
            while [ ! -s "$MUSTER_LAB_DIR/pid" ]; do sleep 0.02; done
            kill -USR2 "$(cat "$MUSTER_LAB_DIR/pid")"
            kill -INT "$(cat "$MUSTER_LAB_DIR/pid")"
            sleep 1005
            """
        ])
        let end = try await Program.muster(["test"], in: lab.path, pidFile: lab.path + "/pid")
        #expect(end.status == 130, "\(end.output)\(end.errors)")
        #expect(try outcomes(lab).first?.hasPrefix("tests/long 1 cancelled") == true)
        #expect(lab.processes() == [])
        let again = try await Program.muster(["status"], in: lab.path)
        #expect(again.output.contains("nothing is up"))
    }

    @Test func twoCommandsOnOneLabAreToldApart() async throws {
        let lab = try lab(["long": "while [ ! -e \"$MUSTER_LAB_DIR/go\" ]; do sleep 0.02; done"])
        let path = lab.path
        async let first = Program.muster(["test"], in: path)
        // The first is under way when its test has begun.
        var second: Program.Ending?
        for _ in 0..<200 {
            let status = try await Program.muster(["status", "--json"], in: path)
            guard status.output.contains("\"state\":\"ready\"") else { continue }
            second = try await Program.muster(["up"], in: path)
            break
        }
        try lab.write("go", "")
        #expect(second?.status == 4, "\(second?.errors ?? "the first never began")")
        #expect(second?.errors.contains("muster cancel") == true)
        #expect(try await first.status == 0)
    }
}
