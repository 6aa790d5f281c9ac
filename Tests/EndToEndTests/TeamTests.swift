import Foundation
import MusterTestKit
import Testing

/// Tests that run on several nodes at once, by the built program.
@Suite struct TeamTests {
    private func folder(_ creator: String, _ pools: String = "", tests: String) throws -> LabFolder {
        let lab = try LabFolder()
        try lab.write(
            "lab.yaml",
            """
            lab: t\((lab.path as NSString).lastPathComponent.prefix(20))
            \(pools)
            groups: { app: { count: 3, provision: [\(creator)] } }
            tests:
              t:
                where: app
                roles: { server: {}, client: { count: 2 } }
                discover:
                  list:
            \(tests.split(separator: "\n").map { "        \($0)" }.joined(separator: "\n"))
            """
        )
        return lab
    }

    private static let talk = """
        - name: talk
          timeout: 60s
          run: |
            set -e
            test "$MUSTER_MEMBERS" = "server client-0 client-1"
            if [ $MUSTER_ROLE = server ]; then echo "$MUSTER_MEMBER is up"; fi
            muster-barrier up
            test -n "$MUSTER_ROLE_CLIENT_ADDRESSES" && test -n "$MUSTER_MEMBER_SERVER_ADDRESS"
            grep -q "^TMT_GUEST.name.='$MUSTER_MEMBER'" "$TMT_TOPOLOGY_BASH"
            grep -q "name: '$MUSTER_MEMBER'" "$TMT_TOPOLOGY_YAML"
            muster-barrier down
            echo "$MUSTER_MEMBER has seen all"
        """

    static let kinds = FMFElsewhereTests.kinds.map(\.name) + ["process"]

    @Test(.timeLimit(.minutes(5)), arguments: kinds) func membersWaitForEachOther(_ name: String) async throws {
        var environment: [String: String] = [:]
        let lab: LabFolder
        switch name {
        case "podman":
            let kind = try #require(FMFElsewhereTests.kinds.first { $0.name == name })
            environment = kind.environment
            lab = try folder(kind.creator, tests: Self.talk)
        case "ssh":
            let server = try SSHServer.shared.get()
            let root = try LabFolder().path
            let hosts = (0..<3).map { "{ host: \(SSHServer.addresses[$0]), name: h\($0), root: \(root)/\($0) }" }
            let pools = """
                pools:
                  rack:
                    hosts: [\(hosts.joined(separator: ", "))]
                    port: \(server.port)
                    identity: \(server.identity)
                    known-hosts: \(server.knownHosts)
                """
            lab = try folder("ssh: { pool: rack }", pools, tests: Self.talk)
        default: lab = try folder("process: {}", tests: Self.talk)
        }
        let end = try await Program.muster(["test"], in: lab.path, environment: environment)
        #expect(end.status == 0, "\(end.output)\(end.errors)")
        #expect(
            try lab.outcomes() == [
                "talk": "pass", "talk client-0": "pass", "talk client-1": "pass", "talk server": "pass",
            ],
            "\(end.output)\(lab.read("results/latest/results.jsonl") ?? "")"
        )
        let folder = "results/latest/files/t/talk/1"
        #expect(lab.read("\(folder)/client-1/output.txt")?.contains("client-1 has seen all") == true)
        #expect(lab.read("\(folder)/output.txt")?.contains("server is up") == true)
        #expect(lab.processes() == [])
    }

    @Test(.timeLimit(.minutes(3))) func whoWaitsForAMemberThatHasFailedIsToldSo() async throws {
        let lab = try folder(
            "process: {}",
            tests: """
                - name: broken
                  timeout: 60s
                  run: |
                    [ $MUSTER_ROLE = client ] || exit 3
                    muster-barrier up
                - { name: wrong, timeout: 60s, run: "muster-barrier a/b; test $? = 2" }
                """
        )
        let end = try await Program.muster(["test"], in: lab.path)
        #expect(end.status == 1, "\(end.output)\(end.errors)")
        #expect(
            try lab.outcomes() == [
                "broken": "fail", "broken client-0": "fail", "broken client-1": "fail", "broken server": "fail",
                "wrong": "pass", "wrong client-0": "pass", "wrong client-1": "pass", "wrong server": "pass",
            ]
        )
        let output = lab.read("results/latest/files/t/broken/1/client-0/output.txt") ?? ""
        #expect(output.contains("up: server has ended without coming to 'up'"), "\(output)")
        #expect(lab.processes() == [])
    }

    @Test(.timeLimit(.minutes(5))) func aKilledConductorLeavesTheMembersWhereTheyAre() async throws {
        let lab = try folder(
            "process: {}",
            tests: """
                - name: long
                  timeout: 120s
                  run: |
                    echo $MUSTER_MEMBER >>"$MUSTER_LAB_DIR/begun"
                    if [ $MUSTER_ROLE = server ]; then
                        echo up >"$MUSTER_LAB_DIR/up"
                        cat "$MUSTER_LAB_DIR/go" >/dev/null
                    fi
                    muster-barrier up
                    echo $MUSTER_MEMBER >>"$MUSTER_LAB_DIR/passed"
                """
        )
        try await lab.killTestWhenUp()
        let end = try await Program.muster(["test"], in: lab.path)
        #expect(end.status == 0, "\(end.output)\(end.errors)")
        #expect(try lab.outcomes().count == 4)
        for file in ["begun", "passed"] {
            let lines = lab.read(file)?.split(separator: "\n").sorted() ?? []
            #expect(lines == ["client-0", "client-1", "server"], "\(file): none is begun twice")
        }
        #expect(lab.processes() == [])
    }

    /// A plan's tests run where their section says, and find the others.
    @Test(.timeLimit(.minutes(3))) func aPlanReservesMachinesOnWhichItsTestsDoNotRun() async throws {
        let lab = try LabFolder()
        try lab.write("tree/.fmf/version", "1\n")
        try lab.write(
            "tree/plan.fmf",
            """
            provision:
              - { name: one, role: client, how: virtual }
              - { name: two, role: server, how: virtual }
              - { name: three, role: server, how: virtual }
            discover: { how: fmf, where: client }
            execute: { how: tmt }
            """
        )
        try lab.write(
            "tree/t.fmf",
            """
            test: |
              muster-barrier alone
              test "$MUSTER_ROLE $MUSTER_MEMBERS" = "client client server-0 server-1"
              grep -c hostname "$TMT_TOPOLOGY_YAML" | grep -qx 4
            """
        )
        let arguments = ["test", "--fmf", "tree", "--plan", "/plan"]
        let few = try await Program.muster(arguments, in: lab.path)
        #expect(few.status == 2 && few.errors.contains("it needs 3 nodes at once"), "\(few.output)\(few.errors)")
        let end = try await Program.muster(arguments + ["--remotes", "3"], in: lab.path)
        #expect(end.status == 0, "\(end.output)\(end.errors)")
        #expect(try lab.outcomes() == ["/t": "pass", "/t client": "pass"])
    }

    /// What a plan does for a role is done on its machines, and nowhere else.
    @Test(.timeLimit(.minutes(3))) func phasesOfAPlanAreForTheMachinesOfTheirRole() async throws {
        let lab = try LabFolder()
        try lab.write("tree/.fmf/version", "1\n")
        try lab.write(
            "tree/plan.fmf",
            """
            provision:
              - { name: one, role: server, how: virtual }
              - { name: two, role: client, how: virtual }
            prepare:
              - { script: 'echo server >>"$TMT_PLAN_DATA/done"', where: server }
              - { script: 'echo all >>"$TMT_PLAN_DATA/done"' }
              - { script: 'echo client >>"$TMT_PLAN_DATA/done"', where: two }
            finish: { script: 'cat "$TMT_PLAN_DATA/done" >>"\(lab.path)/finished"', where: client }
            execute: { how: tmt }
            """
        )
        let test = """
            test: |
              case $MUSTER_ROLE in server) wanted="server all" ;; client) wanted="all client" ;; esac
              test "$(tr '\\n' ' ' <"$TMT_PLAN_DATA/done")" = "$wanted "

            """
        for name in ["a", "b", "c"] { try lab.write("tree/\(name).fmf", test) }
        let arguments = ["test", "--fmf", "tree", "--plan", "/plan", "--remotes", "4"]
        let end = try await Program.muster(arguments, in: lab.path)
        #expect(end.status == 0, "\(end.output)\(end.errors)")
        #expect(try lab.outcomes().values.allSatisfy { $0 == "pass" } && lab.outcomes().count == 9)
        #expect(!end.errors.contains("not honoured are prepare"), "\(end.errors)")
        #expect(lab.read("finished") == "all\nclient\nall\nclient\n")
    }

    @Test(.timeLimit(.minutes(3))) func aProgramThatCannotBeStartedIsAnErrorOfItsTest() async throws {
        let lab = try folder("process: {}", tests: "")
        let text = try #require(lab.read("lab.yaml"))
        let list = try #require(text.range(of: "      list:"))
        try lab.write("lab.yaml", text[..<list.lowerBound] + "      files: tests/*\n")
        try lab.write("tests/bad.sh", "#!/no/such\n", executable: true)
        let end = try await Program.muster(["test"], in: lab.path)
        #expect(end.status != 0)
        #expect(try lab.outcomes()["tests/bad"] == "error", "\(end.output)\(end.errors)")
        #expect(end.output.contains("cannot start "), "\(end.output)")
    }

    @Test(.timeLimit(.minutes(3))) func rolesThatRunNothingAreThereForTheOthers() async throws {
        let lab = try folder(
            "process: {}",
            tests: """
                - name: alone
                  timeout: 60s
                  roles: { peer: { count: 2, runs: nothing }, client: {} }
                  run: muster-barrier up; test "$MUSTER_ROLE $MUSTER_MEMBERS" = "client client peer-0 peer-1"
                """
        )
        let end = try await Program.muster(["test"], in: lab.path)
        #expect(end.status == 0, "\(end.output)\(end.errors)")
        #expect(try lab.outcomes() == ["alone": "pass", "alone client": "pass"])
    }

    @Test func whatCannotBeIsSaidBeforeAnythingIsStarted() async throws {
        let cases = [
            ("roles: { server: {}, client: { count: 3 } }", "it needs 4 nodes at once, and 'app' has 3"),
            ("roles: { server: { on: other } }", "'server' is for 'other'"),
            ("roles: { client: { count: 0 } }", "from 1 to 64"),
            ("roles: {}", "'roles' names none"),
            ("roles: [server]", "'roles'"),
        ]
        for (roles, message) in cases {
            let lab = try folder("process: {}", tests: "- { name: a, run: 'true' }")
            let text = try #require(lab.read("lab.yaml"))
            try lab.write("lab.yaml", text.replacing("roles: { server: {}, client: { count: 2 } }", with: roles))
            let end = try await Program.muster(["check"], in: lab.path)
            #expect(end.status == 2 && end.errors.contains(message), "\(roles): \(end.output)\(end.errors)")
        }
    }
}
