import Foundation
import MusterTestKit
import Testing

/// The step `ansible`, with ansible itself.
@Suite(.serialized) struct AnsibleTests {
    static let isInstalled = TestProgram.isExpected("ansible-playbook")
    static let absence: Comment = "there is no ansible-playbook in PATH: pip install ansible-core"
    private static let secret = ["MUSTER_SECRET_TOKEN": "it's \\ a secret {{ 7 * 7 }}"]

    private func folder(_ creator: String, _ rest: String = "", waits: Bool = false) throws -> LabFolder {
        let lab = try LabFolder()
        try lab.write(
            "lab.yaml",
            """
            muster: 1
            lab: play
            groups:
              data-base: { provision: [process: ] }
              app:
                needs: [data-base]
                retry: { times: 2, every: 1s }
                provision:
                  - \(creator)
                  - ansible:
                      playbook: plays/site.yml
                      vars: { number: 3, token: "<${secret.token}>", peer: "${data-base.0.name}" }
            \(rest.replacing("LAB", with: lab.path))
            """
        )
        let wait =
            waits
            ? """
                - ansible.builtin.shell: "touch \(lab.path)/waits; while [ ! -e \(lab.path)/go ]; do sleep 0.05; done"
            """ : ""
        try lab.write(
            "plays/site.yml",
            """
            - hosts: app
              gather_facts: false
              vars: { ansible_python_interpreter: "{{ ansible_playbook_python }}" }
              tasks:
            \(wait)
                - ansible.builtin.copy:
                    dest: "{{ lookup('env', 'MUSTER_LAB_DIR') }}/out-{{ muster_group }}"
                    content: "{{ token }} {{ number + 1 }} {{ peer }} {{ hostvars['data-base-0'].muster_address }}"
                    mode: "0600"
                  no_log: true
                - ansible.builtin.command: sh -c 'echo ran >> \(lab.path)/ran'
            """
        )
        return lab
    }

    private func check(_ lab: LabFolder) throws {
        let out = try #require(lab.read("out-app"))
        #expect(out.hasPrefix("<it's \\ a secret {{ 7 * 7 }}> 4 data-base/0 127."), "\(out)")
        #expect(lab.read("ran") == "ran\n")
        let state = lab.path + "/.muster"
        for name in FileManager.default.enumerator(atPath: state)?.compactMap({ $0 as? String }) ?? [] {
            let content = FileManager.default.contents(atPath: state + "/" + name) ?? Data()
            #expect(content.range(of: Data("it's \\ a secret".utf8)) == nil, "the secret is in \(name)")
        }
    }

    @Test(.enabled(if: isInstalled, absence), .timeLimit(.minutes(5)))
    func aPlaybookConfiguresANodeOfThisHost() async throws {
        let lab = try folder("process: {}")
        let up = try await Program.muster(["up"], in: lab.path, environment: Self.secret)
        #expect(up.status == 0, "\(up.output)\(up.errors)")
        try check(lab)
        let logs = try await Program.muster(["logs", "app/0:2"], in: lab.path)
        #expect(logs.output.contains("PLAY RECAP"), "\(logs.output)\(logs.errors)")
        #expect(try await Program.muster(["down"], in: lab.path).status == 0)
        #expect(lab.processes() == [])
    }

    private static let pool = """
        pools:
          rack:
            hosts: [{ host: \(SSHServer.addresses[21]), name: h, root: LAB/host }]
            port: PORT
            identity: IDENTITY
            known-hosts: KNOWN
        """

    private func remote(waits: Bool = false) throws -> LabFolder {
        let server = try SSHServer.shared.get()
        let pool = Self.pool.replacing("PORT", with: "\(server.port)").replacing("IDENTITY", with: server.identity)
            .replacing("KNOWN", with: server.knownHosts)
        return try folder("ssh: { pool: rack }", pool, waits: waits)
    }

    @Test(.enabled(if: isInstalled && SSHServer.absence == nil, absence), .timeLimit(.minutes(5)))
    func aPlaybookConfiguresAHostBySSH() async throws {
        let lab = try remote()
        let up = try await Program.muster(["up"], in: lab.path, environment: Self.secret)
        #expect(up.status == 0, "\(up.output)\(up.errors)")
        try check(lab)
        // What ran ansible beside the node has ended with it; of this host's processes only the other node's are left.
        let left = lab.processes().filter { $0.contains("supervisor.ansible") }
        #expect(left == [])
        let logs = try await Program.muster(["logs", "app/0:2"], in: lab.path)
        #expect(logs.output.contains("PLAY RECAP"), "\(logs.output)\(logs.errors)")
        #expect(try await Program.muster(["down"], in: lab.path).status == 0)
        #expect(lab.processes() == [])
    }

    /// Ansible outlives the command; the next one waits for the same, and plays nothing twice.
    @Test(.enabled(if: isInstalled && SSHServer.absence == nil, absence), .timeLimit(.minutes(5)))
    func aPlaybookThatRanWhenTheCommandWasKilledIsNotPlayedTwice() async throws {
        let lab = try remote(waits: true)
        let up = try Running(["up"], in: lab.path, environment: Self.secret)
        try await lab.awaitFile("waits")
        up.send(SIGKILL)
        _ = await up.ending()
        try lab.write("go", "")
        let resume = try await Program.muster(["resume"], in: lab.path, environment: Self.secret)
        #expect(resume.status == 0, "\(resume.output)\(resume.errors)")
        try check(lab)
        #expect(try await Program.muster(["down"], in: lab.path).status == 0)
        #expect(lab.processes() == [])
    }

    /// What runs ansible is killed: nobody can tell how far it came, and only a person has it played again.
    @Test(
        .enabled(if: isInstalled && SSHServer.absence == nil, absence),
        .timeLimit(.minutes(5)),
        arguments: [false, true]
    )
    func aPlayWhoseEndIsNotKnownPausesTheRun(commandIsKilled: Bool) async throws {
        let lab = try remote(waits: true)
        let up = try Running(["up"], in: lab.path, environment: Self.secret)
        try await lab.awaitFile("waits")
        if commandIsKilled {
            up.send(SIGKILL)
            _ = await up.ending()
        }
        let names = FileManager.default.enumerator(atPath: lab.path + "/.muster")?.compactMap { $0 as? String } ?? []
        let facts = try #require(names.first { $0.hasSuffix("/supervisor.ansible/supervisor.json") })
        let content = try #require(FileManager.default.contents(atPath: lab.path + "/.muster/" + facts))
        let object = try JSONSerialization.jsonObject(with: content) as? [String: Any]
        let pid = try #require(object?["pid"] as? Int)
        kill(pid_t(pid), SIGKILL)
        let end =
            try await commandIsKilled
            ? Program.muster(["resume"], in: lab.path, environment: Self.secret) : up.ending()
        #expect(end.status == 5, "\(end.output)\(end.errors)")
        #expect((end.output + end.errors).contains("how is not known"), "\(end.output)\(end.errors)")
        try lab.write("go", "")
        let resume = try await Program.muster(["resume"], in: lab.path, environment: Self.secret)
        #expect(resume.status == 0, "\(resume.output)\(resume.errors)")
        try check(lab)
        #expect(try await Program.muster(["down"], in: lab.path).status == 0)
        // A connection that ansible keeps for later plays ends by itself.
        #expect(lab.processes().filter { !$0.contains("[mux]") } == [])
    }

    @Test(.enabled(if: isInstalled, absence), .timeLimit(.minutes(5)))
    func aPlaybookThatWasEditedMeanwhileIsRefused() async throws {
        let waits = "touch \"$MUSTER_LAB_DIR/waits\"; while [ ! -e \"$MUSTER_LAB_DIR/go\" ]; do sleep 0.05; done"
        let lab = try folder("process: {}\n      - run: \(waits)")
        let up = try Running(["up"], in: lab.path, environment: Self.secret)
        try await lab.awaitFile("waits")
        up.send(SIGKILL)
        _ = await up.ending()
        try lab.write("plays/site.yml", lab.read("plays/site.yml")! + "# edited\n")
        try lab.write("go", "")
        let resume = try await Program.muster(["resume"], in: lab.path, environment: Self.secret)
        #expect(resume.status != 0)
        let told = resume.output + resume.errors
        #expect(told.contains("'plays/site.yml' has changed since the run was planned"), "\(told)")
        #expect(lab.read("ran") == nil)
        #expect(try await Program.muster(["down"], in: lab.path).status == 0)
        #expect(lab.processes() == [])
    }

    @Test func withoutAnsibleNothingIsStarted() async throws {
        let lab = try folder("process: {}")
        for verb in ["up", "test"] {
            let end = try await Program.muster(
                [verb],
                in: lab.path,
                environment: ["PATH": "/usr/bin:/bin", "MUSTER_SECRET_TOKEN": "x"]
            )
            guard !FileManager.default.isExecutableFile(atPath: "/usr/bin/ansible-playbook") else { return }
            #expect(end.status == 2, "\(end.output)\(end.errors)")
            if verb == "up" { #expect(end.errors.contains("there is no program 'ansible-playbook' in PATH")) }
        }
        #expect(!FileManager.default.fileExists(atPath: lab.path + "/.muster/muster.db"))
    }
}
