import Foundation
import MusterTestKit
import Testing

/// Trees of fmf by the built program: looked at, and run.
@Suite struct FMFTests {
    private func tree() throws -> LabFolder {
        let lab = try LabFolder()
        try lab.write("tree/.fmf/version", "1\n")
        try lab.write(
            "tree/tests/main.fmf",
            """
            duration: 60s
            environment: {COLOUR: red}
            /pass: {test: ./run.sh 0, tag: quick}
            /fail: {test: ./run.sh 1, tag: quick}
            /error: {test: ./run.sh 2}
            /xfail: {test: ./run.sh 1, result: xfail}
            /env:
              test: |
                test "$COLOUR $FROM_PLAN" = "red yes" && test "$TMT_TEST_NAME" = /tests/env
                test -d "$TMT_TEST_DATA" && grep -q '"duration"' "$TMT_TEST_METADATA"
            /report:
              test: |
                tmt-report-result -m 'a "quoted" \\ message' sub/one PASS
                echo log > "$TMT_TEST_DATA/log"
                tmt-report-result sub/two WARN "$TMT_TEST_DATA/log"
                tmt-file-submit -l "$TMT_TEST_DATA/log"
            /reboot:
              test: if [ $TMT_REBOOT_COUNT -lt 2 ]; then tmt-reboot; fi
            /again:
              test: if [ $TMT_TEST_RESTART_COUNT = 0 ]; then exit 42; fi
              restart-on-exit-code: 42
            /abort: {test: tmt-abort}
            /pipe: {test: false | true, require: [bash]}
            /missing: {test: "true", require: [surely-no-package], result: pass}
            /library: {test: "true", require: [{type: library, url: nowhere}]}
            /variables: {test: test "$WRITTEN" = down}
            /off: {test: "true", enabled: false}
            /rule:
              test: "true"
              enabled: false
              adjust: {when: distro == fedora, enabled: true}
            """
        )
        try lab.write("tree/tests/run.sh", "#!/bin/sh\nexit $1\n", executable: true)
        try lab.write(
            "tree/plans/main.fmf",
            """
            discover: {how: fmf}
            execute: {how: tmt}
            prepare:
              - how: shell
                script: echo prepared >>"$MUSTER_LAB_DIR/prepared"; echo WRITTEN=down >>"$TMT_PLAN_ENVIRONMENT_FILE"
              - {how: install, package: bash}
            finish: {how: shell, script: echo finished >>"$MUSTER_LAB_DIR/finished"}
            environment: {FROM_PLAN: "yes"}
            """
        )
        return lab
    }

    @Test func aTreeRunsWithoutALabFile() async throws {
        let lab = try tree()
        let arguments = [
            "test", "--fmf", "tree", "--plan", "/plans", "--context", "distro=fedora-40", "--remotes", "3",
        ]
        let end = try await Program.muster(arguments, in: lab.path)
        #expect(end.status == 1, "\(end.output)\(end.errors)")
        #expect(
            try lab.outcomes() == [
                "/tests/pass": "pass", "/tests/fail": "fail", "/tests/error": "error", "/tests/xfail": "pass",
                "/tests/env": "pass", "/tests/report": "warn", "/tests/report sub/one": "pass",
                "/tests/report sub/two": "warn", "/tests/reboot": "pass", "/tests/again": "pass",
                "/tests/abort": "fail", "/tests/pipe": "fail", "/tests/rule": "pass",
                "/tests/missing": "error", "/tests/library": "error", "/tests/variables": "pass",
            ]
        )
        #expect(lab.read("prepared") == "prepared\nprepared\nprepared\n")
        #expect(lab.read("finished") == "finished\nfinished\nfinished\n")
        let notes = lab.read("results/latest/results.jsonl") ?? ""
        #expect(notes.contains(#"a \"quoted\" \\ message"#), "\(notes)")
        #expect(notes.contains("required packages are missing: surely-no-package"), "\(notes)")
        #expect(lab.read("results/latest/files/fmf/_/tests/report/1/sub/two/log") == "log\n")
        #expect(lab.processes() == [])
    }

    @Test func aLabNamesATreeAndAKilledRunGoesOn() async throws {
        let lab = try tree()
        try lab.write(
            "tree/tests/slow.fmf",
            "test: echo up >\"$MUSTER_LAB_DIR/up\"; cat \"$MUSTER_LAB_DIR/go\" >/dev/null\n"
        )
        try lab.write(
            "lab.yaml",
            """
            lab: l
            groups: { app: { provision: [process: {}] } }
            tests:
              t: { where: app, discover: { fmf: { path: tree, names: [/slow, /pass] } } }
            """
        )
        try await lab.killTestWhenUp()
        let end = try await Program.muster(["test"], in: lab.path)
        #expect(end.status == 0, "\(end.output)\(end.errors)")
        #expect(try lab.outcomes() == ["/tests/pass": "pass", "/tests/slow": "pass"])
        #expect(lab.read("results/latest/results.jsonl")?.contains("\"attempt\":2") == false, "none is repeated")
    }

    @Test func whatIsWrongIsSaidBeforeAnythingIsStarted() async throws {
        let lab = try tree()
        let cases: [(arguments: [String], message: String)] = [
            (["test", "--fmf", "nothing"], "nothing"),
            (["test", "--fmf", "tree", "--plan", "/plan"], "there is no plan '/plan'"),
            (["test", "--fmf", "tree", "--name", "zzz"], "no test of"),
            (["test", "--fmf", "tree", "--filter", "tag: ["], "--filter"),
            (["test", "--fmf", "tree", "--context", "fedora"], "name=value"),
            (["test", "--filter", "tag: quick"], "--filter goes with --fmf"),
            (["fmf", "when", "a ==="], "is no rule"),
            (["fmf", "ls", "tree", "--condition", "True"], "Python code"),
        ]
        for (arguments, message) in cases {
            let end = try await Program.muster(arguments, in: lab.path)
            #expect(end.status == 2, "\(arguments): \(end.output)\(end.errors)")
            #expect(end.errors.contains(message), "\(arguments): \(end.errors)")
        }
        #expect(lab.read("results/latest/results.jsonl") == nil)
        try lab.write("tree/tests/bad.fmf", "test: true\n")
        let end = try await Program.muster(["test", "--fmf", "tree"], in: lab.path)
        #expect(end.status == 2)
        #expect(end.errors.contains("tests/bad.fmf:1:1: 'test' of /tests/bad is a shell command"), "\(end.errors)")
    }

    @Test func rulesAndNodesAreShown() async throws {
        let lab = try tree()
        func said(_ arguments: String...) async throws -> String {
            try await Program.muster(["fmf"] + arguments, in: lab.path).output
        }
        #expect(try await said("when", "distro < fedora-33", "--context", "distro=fedora-40") == "false\n")
        #expect(try await said("when", "distro < fedora-33") == "cannot-decide\n")
        let listed = try await said("ls", "tree", "--filter", "tag: quick")
        #expect(listed == "test  /tests/fail\ntest  /tests/pass\n")
        let exported = try await said("export", "tree", "--name", "/pass$")
        #expect(exported.hasPrefix(#"{"data": {"duration": "60s", "environment": {"COLOUR": "red"}"#), "\(exported)")
        let why = try await said("why", "tree", "/tests/rule", "--context", "distro=fedora")
        #expect(why.contains("distro == fedora: applied, changes enabled"), "\(why)")
    }
}
