import Foundation
import MusterTestKit
import Testing

/// The steps `template` and `script`, by the built program.
@Suite struct ConfiguringTests {
    private static let secret = ["MUSTER_SECRET_TOKEN": "s3cr3t-of-the-test"]

    private func steps(_ creator: String) -> String {
        """
        muster: 1
        lab: conf
        vars: { colour: "it's $(red)" }
        groups:
          db: { provision: [process: ] }
          app:
            needs: [db]
            provision:
              - \(creator)
              - template: { from: conf/app.in, to: etc/app.conf }
              - script:
                  file: conf/setup
                  arguments: ["a  b", "${db.0.name}", "$(id)"]
                  env: { TOKEN: "${secret.token}", COLOUR: "${colour}" }
        """
    }

    private func folder(_ text: String) throws -> LabFolder {
        let lab = try LabFolder()
        try lab.write("lab.yaml", text)
        try lab.write(
            "conf/app.in",
            "colour = ${colour}\ndb = ${db.0.address}\ntoken = ${secret.token}\nkeep $${this}\n"
        )
        // Not executable here, and its interpreter is not a shell's own choice.
        try lab.write(
            "conf/setup",
            """
            #!/bin/sh -e
            printf '<%s>' "$@" > arguments
            printf '%s %s' "$(printf %s "$TOKEN" | wc -c)" "$COLOUR" > environment
            stat -c %a etc/app.conf > mode
            tr '\\0' ' ' < /proc/$$/cmdline > own
            """
        )
        return lab
    }

    /// Looks at what the steps have done, and that the secret is nowhere else.
    private func check(_ lab: LabFolder) async throws {
        let exec = try await Program.muster(
            ["exec", "app/0", "--", "sh", "-c", "cat etc/app.conf arguments environment mode own"],
            in: lab.path
        )
        #expect(exec.output.contains("colour = it's $(red)\ndb = 127."), "\(exec.output)\(exec.errors)")
        #expect(exec.output.contains("token = \(Self.secret.values.first!)\nkeep ${this}\n"))
        #expect(exec.output.contains("<a  b><db/0><$(id)>18 it's $(red)600\n"), "\(exec.output)")
    }

    private func filesWithTheSecret(_ folder: String) -> [String] {
        let names = FileManager.default.enumerator(atPath: folder)?.compactMap { $0 as? String } ?? []
        return names.filter { name in
            FileManager.default.contents(atPath: folder + "/" + name)
                .map { $0.range(of: Data(Self.secret.values.first!.utf8)) != nil } ?? false
        }
    }

    @Test func nodesOfThisHostAreConfigured() async throws {
        let lab = try folder(steps("process: {}"))
        let up = try await Program.muster(["up"], in: lab.path, environment: Self.secret)
        #expect(up.status == 0, "\(up.output)\(up.errors)")
        #expect(!(up.output + up.errors).contains(Self.secret.values.first!))
        let found = filesWithTheSecret(lab.path)
        #expect(found.count == 1 && found[0].hasSuffix("app-0/etc/app.conf"), "\(found)")
        try await check(lab)
        #expect(try await Program.muster(["down"], in: lab.path).status == 0)
        #expect(lab.processes() == [])
    }

    @Test(.enabled(if: SSHServer.absence == nil, Comment(rawValue: SSHServer.absence ?? "")))
    func nodesElsewhereAreConfigured() async throws {
        let server = try SSHServer.shared.get()
        let pool = """
            pools:
              rack:
                hosts: [{ host: \(SSHServer.addresses[20]), name: h, root: LAB/host }]
                port: \(server.port)
                identity: \(server.identity)
                known-hosts: \(server.knownHosts)
            """
        let lab = try folder(steps("ssh: { pool: rack }") + "\n" + pool)
        try lab.write("lab.yaml", lab.read("lab.yaml")!.replacing("LAB", with: lab.path))
        let up = try await Program.muster(["up"], in: lab.path, environment: Self.secret)
        #expect(up.status == 0, "\(up.output)\(up.errors)")
        let found = filesWithTheSecret(lab.path)
        #expect(found.count == 1 && found[0].hasPrefix("host/") && found[0].hasSuffix("etc/app.conf"), "\(found)")
        try await check(lab)
        #expect(try await Program.muster(["down"], in: lab.path).status == 0)
    }

    @Test func aSecretInALongerValueIsMasked() async throws {
        let lab = try folder(
            """
            muster: 1
            lab: conf
            groups:
              app:
                provision:
                  - process: {}
                  - script: { file: conf/setup, env: { DSN: "postgres://u:${secret.token}@h" } }
            """
        )
        try lab.write(
            "conf/setup",
            """
            #!/bin/sh -e
            password=${DSN#postgres://u:}
            echo "password=${password%@h}, all=$DSN"
            """
        )
        let up = try await Program.muster(["up"], in: lab.path, environment: Self.secret)
        #expect(up.status == 0, "\(up.output)\(up.errors)")
        let logs = try await Program.muster(["logs", "app/0:2"], in: lab.path)
        #expect(logs.output.contains("password=***, all=***"), "\(logs.output)\(logs.errors)")
        #expect(filesWithTheSecret(lab.path) == [])
        #expect(try await Program.muster(["down"], in: lab.path).status == 0)
    }

    @Test func aResumedRunUsesTheFilesItBeganWith() async throws {
        let lab = try folder(
            """
            muster: 1
            lab: conf
            groups:
              app:
                provision:
                  - process: {}
                  - run: touch "$MUSTER_LAB_DIR/waits"; while [ ! -e "$MUSTER_LAB_DIR/go" ]; do sleep 0.05; done
                  - template: { from: conf/app.in, to: a }
                  - script: { file: conf/setup }
            """
        )
        try lab.write("conf/app.in", "old\n")
        try lab.write("conf/setup", "#!/bin/sh\necho old > b\n")
        let up = try Running(["up"], in: lab.path)
        try await lab.awaitFile("waits")
        up.send(SIGKILL)
        _ = await up.ending()
        try lab.write("conf/app.in", "new ${vars.none}\n")
        try lab.write("conf/setup", "#!/bin/sh\necho new > b\n")
        try lab.write("go", "")
        let resume = try await Program.muster(["resume"], in: lab.path)
        #expect(resume.status == 0, "\(resume.output)\(resume.errors)")
        let exec = try await Program.muster(["exec", "app/0", "--", "cat", "a", "b"], in: lab.path)
        #expect(exec.output == "old\nold\n", "\(exec.output)\(exec.errors)")
        #expect(try await Program.muster(["down"], in: lab.path).status == 0)
    }

    @Test func whatATemplateLacksIsToldWithItsLine() async throws {
        let lab = try folder(steps("process: {}"))
        try lab.write("conf/app.in", "a\nb ${db.0.port}\n")
        let check = try await Program.muster(["check"], in: lab.path)
        #expect(check.status == 2)
        #expect((check.output + check.errors).contains("conf/app.in:2:3: '${db.0.port}'"), "\(check.errors)")
        // A secret that is missing is known only when it is wanted: the run waits for somebody to bring it.
        try lab.write("conf/app.in", "a\n\nb ${secret.token}\n")
        let up = try await Program.muster(["up"], in: lab.path)
        #expect(up.status == 5, "\(up.output)\(up.errors)")
        #expect((up.output + up.errors).contains("conf/app.in:3: the secret 'token' is not there"), "\(up.output)")
        let resume = try await Program.muster(["resume"], in: lab.path, environment: Self.secret)
        #expect(resume.status == 0, "\(resume.output)\(resume.errors)")
        #expect(try await Program.muster(["down"], in: lab.path).status == 0)
    }
}
