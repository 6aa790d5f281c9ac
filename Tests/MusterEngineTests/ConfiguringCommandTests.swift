import Foundation
import MusterCore
import MusterDrivers
import MusterTestKit
import Testing

@testable import MusterEngine

/// What is put together for `template`, `script` and `ansible`.
@Suite struct ConfiguringCommandTests {
    private func row(
        _ number: Int64,
        _ name: NodeName,
        _ facts: [String: String],
        driver: String = "process"
    ) -> NodeRow {
        NodeRow(
            id: NodeID(number),
            lab: "lab",
            name: name,
            driver: driver,
            state: .ready,
            createdBy: PlanID(1),
            heldBy: nil,
            facts: facts,
            since: Timestamp(rawValue: 1)
        )
    }

    private var db: NodeRow { row(1, NodeName(group: "data-base", index: 0), ["address": "127.64.0.1"]) }

    private func builder(
        isRemote: Bool = false,
        secrets: [String: String] = [:],
        labDirectory: String = "/lab",
        state: String = "/state",
        files: [LabFile] = []
    ) -> CommandBuilder {
        var spec = RunSpec(verb: .up, lab: "lab", labDirectory: labDirectory)
        spec.files = files
        var app = GroupSpec(name: "app")
        app.needs = [Need(group: "data-base")]
        var base = GroupSpec(name: "data-base")
        base.steps = [ProvisionStep(.process(run: nil))]
        spec.groups = [base, app]
        let facts = isRemote ? ["address": "10.0.0.1", "directory": "/srv/.muster/n2"] : ["address": "127.64.0.2"]
        let node = row(2, NodeName(group: "app", index: 0), facts, driver: isRemote ? "ssh" : "process")
        let others = [db.name: db, node.name: node]
        return CommandBuilder(
            run: RunName(PlanID(1)),
            spec: spec,
            node: node,
            directory: "/state/nodes/2-app-0",
            isRemote: isRemote,
            archive: FileArchive(StateDirectory(path: state)),
            surroundings: CommandBuilder.Surroundings(
                environment: ["PATH": "/bin"],
                ofHost: ["SSH_AUTH_SOCK": "/agent"],
                secret: { secrets[$0] }
            ),
            find: { others[$0] }
        )
    }

    @Test func scriptsGetWordsAndSecretsOnlyByTheirEnvironment() throws {
        var script = ScriptCall(file: "../up/setup.sh")
        script.arguments = [Template("a b"), Template(segments: [.node(db.name, field: "address")])]
        script.environment = ["A": Template("x"), "PATH": Template(segments: [.literal("="), .secret("t")])]
        let command = try builder(secrets: ["t": "s3cret"]).script(script, timeout: .seconds(5))
        #expect(command.program == .arguments(["/state/nodes/2-app-0/lab/_up/up/setup.sh", "a b", "127.64.0.1"]))
        #expect(command.environment["A"] == "x" && command.environment["PATH"] == nil)
        #expect(command.secrets == ["PATH": "=s3cret"] && command.masked == ["s3cret"])
        #expect(command.files.map(\.to) == ["lab/_up/up/setup.sh"] && command.files.map(\.mode) == [0o700])
        let remote = try builder(isRemote: true, secrets: ["t": "s"]).script(script, timeout: .seconds(5))
        guard case .arguments(let words) = remote.program else { return }
        #expect(words.first == "/srv/.muster/n2/lab/_up/up/setup.sh")
        #expect(throws: StepError.self) { try builder().script(script, timeout: .seconds(5)) }
    }

    @Test func whatATemplateLacksIsToldWithItsLine() {
        var template = TemplateFile(from: "a.in", to: "a")
        template.references = [TemplateFile.Reference(segment: .secret("t"), line: 7)]
        let error = #expect(throws: StepError.self) { try builder().filling(template) }
        #expect(error?.code == .missingSecret)
        #expect(error?.message.hasPrefix("a.in:7: the secret 't' is not there") == true)
    }

    private func object(_ bytes: [UInt8]) throws -> [String: Any] {
        try #require(JSONSerialization.jsonObject(with: Data(bytes)) as? [String: Any])
    }

    @Test func playsHaveAnInventoryAndVariablesWithoutSecrets() throws {
        var play = AnsiblePlay(playbook: "site.yml", tags: ["a", "b"])
        play.variables = [
            "n": AnsiblePlay.Variable(value: Template("3"), isJSON: true),
            "s": AnsiblePlay.Variable(value: Template("3")),
            "t": AnsiblePlay.Variable(value: Template(segments: [.literal("it's \\ "), .secret("a-b")])),
        ]
        let made = try builder(isRemote: true, secrets: ["a-b": "s3cret"]).play(play, timeout: .seconds(5))
        let command = made.command(reaching: ["ansible_host": "db-1"])
        #expect(
            command.program
                == .arguments([
                    "ansible-playbook", "--inventory", "muster-ansible/hosts.json", "--limit", "app-0", "--extra-vars",
                    "@muster-ansible/vars.json", "--tags", "a,b", "/lab/site.yml",
                ])
        )
        #expect(command.secrets == ["MUSTER_SECRET_A_B": "s3cret"])
        #expect(command.environment["PATH"] == "/bin" && command.environment["SSH_AUTH_SOCK"] == "/agent")
        #expect(command.leftovers == .end)
        var files: [String: [UInt8]] = [:]
        for file in command.files {
            #expect(file.mode == 0o600)
            if case .bytes(let bytes) = file.source { files[file.to] = bytes }
        }
        let variables = try object(files["muster-ansible/vars.json"] ?? [])
        #expect(variables["n"] as? Int == 3 && variables["s"] as? String == "3")
        let expression = #"{{ 'it\'s \\ ' ~ lookup('ansible.builtin.env', 'MUSTER_SECRET_A_B') }}"#
        #expect(variables["t"] as? String == expression)
        let hosts = try object(files["muster-ansible/hosts.json"] ?? [])
        let groups = (hosts["all"] as? [String: Any])?["children"] as? [String: [String: [String: [String: String]]]]
        #expect(
            groups?["app"]?["hosts"]?["app-0"] == [
                "ansible_host": "db-1", "muster_address": "10.0.0.1", "muster_directory": "/srv/.muster/n2",
                "muster_group": "app", "muster_node": "app/0",
            ]
        )
        #expect(groups?["data_base"]?["hosts"]?["data-base-0"]?["muster_address"] == "127.64.0.1")
        #expect(groups?["data_base"]?["hosts"]?["data-base-0"]?["ansible_host"] == nil)
    }

    /// What it names lies beside it, and there are no copies of that.
    @Test func playbooksThatHaveChangedAreRefused() throws {
        let folder = try TestFolder.make("play")
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let playbook = URL(fileURLWithPath: folder + "/site.yml")
        let state = folder + "/state"
        try Data("- hosts: app\n".utf8).write(to: playbook)
        let kept = try FileArchive(StateDirectory(path: state)).keep("site.yml", labDirectory: folder)
        let file = try #require(kept)
        let builder = builder(labDirectory: folder, state: state, files: [file])
        let play = AnsiblePlay(playbook: "site.yml", tags: [])
        let made = try builder.play(play, timeout: .seconds(5))
        guard case .arguments(let words) = made.command.program else { return }
        #expect(words.last == folder + "/site.yml")
        try Data("- hosts: all\n".utf8).write(to: playbook)
        let changed = #expect(throws: StepError.self) { try builder.play(play, timeout: .seconds(5)) }
        #expect(changed?.message.hasPrefix("'site.yml' has changed since the run was planned: put it back") == true)
        try FileManager.default.removeItem(at: playbook)
        #expect(throws: StepError.self) { try builder.play(play, timeout: .seconds(5)) }
    }

    /// An end that is lost beside a node says nothing of the node.
    @Test func whatIsLostBesideANodeIsNotKnown() {
        func place(_ directory: String) -> NodeHandle {
            NodeHandle(
                id: NodeID(2),
                name: NodeName(group: "app", index: 0),
                lab: "lab",
                driver: "process",
                directory: directory,
                facts: [:],
                tenure: Tenure(Epoch(1))
            )
        }
        let seat = place(Performer.seatFolder(of: "/state/nodes/2-app-0"))
        let lost = ActStatus.ended(.failed(StepError(.lost, "gone")))
        guard case .unknown(let reason) = Performer.known(lost, at: seat) else {
            Issue.record("it is taken for known")
            return
        }
        #expect(reason.hasSuffix("how is not known: gone"))
        #expect(Performer.known(lost, at: place("/state/nodes/2-app-0")) == lost)
        #expect(Performer.known(.running, at: seat) == .running)
    }

    @Test func hostsAreReachedWithTheirOwnOptions() {
        var host = SSHHost(name: "a", destination: "db.example", user: "ana", port: 2222)
        host.identityFile = "/k"
        host.knownHostsFile = "/known hosts"
        host.options = ["ProxyJump=gate"]
        let variables = host.inventoryVariables
        #expect(variables["ansible_host"] == "db.example" && variables["ansible_port"] == "2222")
        #expect(variables["ansible_ssh_private_key_file"] == "/k")
        let words = variables["ansible_ssh_common_args"] ?? ""
        #expect(words.contains(#"'UserKnownHostsFile="/known hosts"'"#) && words.hasSuffix("-o ProxyJump=gate"))
    }
}
