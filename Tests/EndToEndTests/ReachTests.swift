import Foundation
import MusterTestKit
import Testing

/// Copies, shells and inventories, by the built program.
@Suite(.timeLimit(.minutes(5))) struct ReachTests {
    private static func up(_ lab: LabFolder) async throws {
        let up = try await Program.muster(["up"], in: lab.path)
        #expect(up.status == 0, "\(up.output)\(up.errors)")
    }

    private static func down(_ lab: LabFolder) async throws {
        let down = try await Program.muster(["down"], in: lab.path)
        #expect(down.status == 0, "\(down.output)\(down.errors)")
    }

    private static func pair() throws -> LabFolder {
        let lab = try LabFolder()
        try lab.write(
            "lab.yaml",
            """
            muster: 1
            lab: pair
            groups:
              db:
                provision:
                  - process: {}
                  - run: mkdir etc && echo from-$MUSTER_NODE > log
              app:
                count: 2
                needs: [db]
                provision:
                  - process: {}
                  - run: mkdir -p out/in && echo $MUSTER_NODE > out/in/name && echo x > log
            """
        )
        return lab
    }

    private static func object(_ end: Program.Ending) throws -> [String: Any] {
        let object = try JSONSerialization.jsonObject(with: Data(end.output.utf8)) as? [String: Any]
        return try #require(object, "\(end.output)\(end.errors)")
    }

    @Test func filesGoToNodesAndComeBack() async throws {
        let lab = try Self.pair()
        try await Self.up(lab)
        try lab.write("conf", "some text")
        try lab.write("site/a/b", "deep")
        let one = try await Program.muster(["cp", "conf", "db:etc/conf"], in: lab.path)
        #expect(one.status == 0 && one.output.hasPrefix("conf -> db/0:"), "\(one.output)\(one.errors)")
        let folder = try await Program.muster(["cp", "site", "conf", "app:", "--json"], in: lab.path)
        let copied = try #require(try Self.object(folder)["copied"] as? [[String: Any]])
        #expect(copied.map { $0["node"] as? String } == ["app/0", "app/0", "app/1", "app/1"])
        #expect(copied[0]["files"] as? Int == 1 && copied[1]["bytes"] as? Int == 9)
        let exec = try await Program.muster(
            ["exec", "app", "--", "sh", "-c", "cat conf site/a/b; ls -A | grep part"],
            in: lab.path
        )
        #expect(exec.output.contains("some textdeep"))
        let back = try await Program.muster(["cp", "app:out", "db/0:etc/conf", "got"], in: lab.path)
        #expect(back.status == 0, "\(back.errors)")
        #expect(lab.read("got/app-1/out/in/name") == "app/1\n" && lab.read("got/app-0/out/in/name") == "app/0\n")
        #expect(lab.read("got/db-0/conf") == "some text")
        let log = try await Program.muster(["cp", "db/0:log", "."], in: lab.path)
        #expect(log.status == 0 && lab.read("log") == "from-db/0\n")
        let whole = try await Program.muster(["cp", "db/0:", "all"], in: lab.path)
        #expect(whole.status == 0, "\(whole.errors)")
        let names = try FileManager.default.contentsOfDirectory(atPath: lab.path + "/all")
        #expect(names.contains("etc") && names.contains("log"), "\(names)")
        #expect(!names.contains { $0.hasPrefix("supervisor.") || $0.hasPrefix("op-") }, "\(names)")
        try await Self.down(lab)
    }

    @Test func whatIsWantedWronglyIsTaught() async throws {
        let lab = try Self.pair()
        try await Self.up(lab)
        try lab.write("conf", "some text")
        let cases: [([String], String)] = [
            (["cp", "conf"], "cp wants what to copy and where to"),
            (["cp", "conf", "other"], "none of these is on a node"),
            (["cp", "app/0:log", "db:log"], "not from node to node"),
            (["cp", "app/7:log", "."], "no node or group is called 'app/7'; there are"),
            (["cp", "nothing", "app/0:"], "'nothing' is not there"),
            (["cp", "db:nothing", "."], "there is no such file"),
            (["cp", "db:/etc/passwd", "."], "a folder of this host"),
            (["cp", "conf", "db:no/such/place"], "there is no such folder"),
            (["cp", "conf", "db:supervisor.json"], "a name that Muster uses"),
            (["cp", "conf", "db:../x"], "without '..'"),
            (["cp", "db/0:log", "no/such/"], "there is no folder 'no/such/'"),
            (["cp", "app/0:out", "app/0:log", "conf"], "is a file"),
            (["cp", "app/0:log", "app/0:./log", "."], "would both become"),
            (["ssh"], "ssh wants a node"),
            (["ssh", "app"], "is a group of 2 nodes"),
            (["ssh", "nobody"], "no node or group is called 'nobody'; there are"),
            (["inventory", "nobody"], "no node or group is called 'nobody'"),
        ]
        for (arguments, message) in cases {
            let end = try await Program.muster(arguments, in: lab.path)
            let status: Int32 = arguments[0] == "ssh" ? 125 : 2
            #expect(end.status == status, "\(arguments): \(end.status)")
            #expect((end.errors + end.output).contains(message), "\(arguments): \(end.errors)")
        }
        _ = try await Program.muster(["cp", "db:etc", "."], in: lab.path)
        let again = try await Program.muster(["cp", "db:etc", "."], in: lab.path)
        #expect(again.status == 2 && again.errors.contains("say --replace"), "\(again.errors)")
        #expect(try await Program.muster(["cp", "--replace", "db:etc", "."], in: lab.path).status == 0)
        try await Self.down(lab)
        let gone = try await Program.muster(["ssh", "db/0"], in: lab.path)
        #expect(gone.status == 125 && gone.errors.contains("nothing is up"), "\(gone.errors)")
    }

    @Test func aShellOnANodeOfThisHostIsInItsFolder() async throws {
        let lab = try Self.pair()
        try await Self.up(lab)
        let end = try await Program.muster(
            ["ssh", "app/1", "--", "sh", "-c", "pwd; echo $MUSTER_NODE $MUSTER_DB_0_ADDRESS; cat log; exit 42"],
            in: lab.path
        )
        let lines = end.output.split(separator: "\n")
        #expect(end.status == 42 && lines.count == 3, "\(end.output)\(end.errors)")
        #expect(lines.first?.hasSuffix("-app-1") == true && lines.last == "x")
        #expect(lines.dropFirst().first?.hasPrefix("app/1 127.") == true)
        // A terminal of its own, in which the node's shell is.
        let shell = try await Program.run(
            "/bin/sh",
            [
                "-c",
                "printf 'tty; echo $MUSTER_NODE; exit 7\\n' | SHELL=/bin/sh script -qec '\(Program.folder)/muster ssh db' /dev/null",
            ],
            in: lab.path
        )
        #expect(
            shell.status == 7 && shell.output.contains("/dev/pts/") && shell.output.contains("db/0"),
            "\(shell.output)"
        )
        let missing = try await Program.muster(["ssh", "db", "--", "no-such-program"], in: lab.path)
        #expect(missing.status == 125 && missing.errors.contains("cannot be started"), "\(missing.errors)")
        try await Self.down(lab)
    }

    @Test func inventoriesNameWhatIsUp() async throws {
        let lab = try Self.pair()
        try await Self.up(lab)
        let json = try Self.object(try await Program.muster(["inventory", "--json"], in: lab.path))
        let hosts = try #require(json["hosts"] as? [[String: Any]])
        #expect(hosts.map { $0["name"] as? String } == ["app-0", "app-1", "db-0"])
        #expect((hosts[0]["reach"] as? [String: Any])?["kind"] as? String == "local")
        let file = try await Program.muster(["inventory", "--format", "hosts", "app"], in: lab.path)
        #expect(file.output.split(separator: "\n").count == 2 && file.output.contains("\tapp-1 app-1.pair\n"))
        let ssh = try await Program.muster(["inventory", "--format", "ssh"], in: lab.path)
        #expect(ssh.status == 0 && ssh.errors.contains("left out: db/0"), "\(ssh.errors)")
        let bad = try await Program.muster(["inventory", "--format", "toml"], in: lab.path)
        #expect(bad.status == 2, "\(bad.errors)")
        try await Self.down(lab)
    }

    @Test func aLabIsDraftedFromAComposeFile() async throws {
        let lab = try LabFolder()
        let text = """
            services:
              web:
                image: localhost/web
                depends_on: [db]
                restart: always
              db: { image: localhost/db, environment: { DB_PASSWORD: hunter2 } }
            """
        try lab.write("compose.yaml", text)
        let draft = try await Program.muster(["init", "--from", "compose.yaml"], in: lab.path)
        #expect(
            draft.status == 0 && draft.errors.contains("left out: compose.yaml:5: services.web.restart"),
            "\(draft.errors)"
        )
        #expect(lab.read("lab.yaml")?.contains("hunter2") == false)
        let check = try await Program.muster(["check"], in: lab.path)
        #expect(check.status == 0, "\(check.output)\(check.errors)")
        let again = try await Program.muster(["init", "--from", "compose.yaml"], in: lab.path)
        #expect(again.status == 2 && again.errors.contains("is there already"))
        try lab.write("hosts.ini", "[web]\nweb[1:3]\n")
        let rack = try await Program.muster(["init", "--from", "hosts.ini", "-f", "rack.yaml", "--json"], in: lab.path)
        #expect((try Self.object(rack)["left_out"] as? [Any])?.isEmpty == true, "\(rack.errors)")
        #expect(try await Program.muster(["check", "-f", "rack.yaml"], in: lab.path).status == 0)
    }

    @Test(.enabled(if: SSHServer.absence == nil, Comment(rawValue: SSHServer.absence ?? "")))
    func hostsAreReachedByOpenSSH() async throws {
        let server = try SSHServer.shared.get()
        let lab = try LabFolder()
        try lab.write(
            "lab.yaml",
            """
            muster: 1
            lab: rack
            pools:
              one:
                hosts: [{ host: \(SSHServer.addresses[20]), root: \(lab.path)/host }]
                port: \(server.port)
                identity: \(server.identity)
                known-hosts: \(server.knownHosts)
            groups:
              db:
                provision:
                  - ssh: { pool: one }
            """
        )
        try lab.write("conf", "some text")
        try lab.write("far/away", "outside of the node's folder")
        try await Self.up(lab)
        #expect(try await Program.muster(["cp", "conf", "db:"], in: lab.path).status == 0)
        let far = try await Program.muster(["cp", "db/0:\(lab.path)/far", "got"], in: lab.path)
        #expect(far.status == 0 && lab.read("got/away") == "outside of the node's folder", "\(far.errors)")
        let exec = try await Program.muster(
            ["ssh", "db", "--", "sh", "-c", "cat conf; echo \"$1 $MUSTER_NODE\"; exit 9", "sh", "it's  so"],
            in: lab.path
        )
        #expect(exec.status == 9 && exec.output == "some textit's  so db/0\n", "\(exec.output)\(exec.errors)")
        let config = try await Program.muster(["inventory", "--format", "ssh"], in: lab.path)
        try lab.write("config", config.output)
        let ssh = try await Program.run(
            "/usr/bin/ssh",
            ["-F", "config", "-o", "BatchMode=yes", "db-0", "echo", "in"],
            in: lab.path
        )
        #expect(ssh.status == 0 && ssh.output == "in\n", "\(ssh.errors) \(config.output)")
        // Nothing but what stood there before.
        #expect(config.errors.isEmpty, "\(config.errors)")
        try await Self.down(lab)
        // The connection that shells share is left to end by itself; what runs at its end is none of the lab's.
        let shape = try await Program.muster(["ssh", "db", "--json"], in: lab.path)
        #expect(shape.status == 125, "\(shape.output)")
    }
}
