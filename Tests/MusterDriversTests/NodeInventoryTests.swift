import Foundation
import MusterCore
import MusterDrivers
import MusterTestKit
import Testing

@Suite(.timeLimit(.minutes(1))) struct NodeInventoryTests {
    private static func host(
        _ group: String,
        _ index: Int,
        _ reach: NodeReach?,
        address: String? = "10.0.0.1",
        problem: String? = nil,
        settings: [SSHSetting] = []
    ) -> NodeInventory.Host {
        NodeInventory.Host(
            node: NodeName(group: group, index: index),
            lab: "shop",
            driver: reach?.kind ?? "ssh",
            facts: address.map { ["address": $0] } ?? [:],
            reach: reach,
            problem: problem,
            settings: settings
        )
    }

    private static var machine: SSHHost {
        SSHHost(
            name: "db-1",
            destination: "10.0.0.7",
            user: "ana",
            port: 2222,
            identityFile: "/keys/a b%h",
            configFile: "/dev/null",
            knownHostsFile: "/state/known hosts",
            options: ["StrictHostKeyChecking=accept-new", "ProxyCommand=nc -x 'p' %h %p"]
        )
    }

    private static var sample: NodeInventory {
        NodeInventory([
            host("web-db", 1, .ssh(machine)),
            host("web-db", 0, .ssh(SSHHost(name: "x", destination: "gate", configFile: nil)), address: "gate.example"),
            host("app", 0, .container(name: "muster-s-n4", podman: ["podman"])),
            host("job", 0, .here(folder: "/state/nodes/1-job-0 {{ x }}"), address: "127.64.0.1"),
            host("apart", 0, .namespaces(folder: "/state/nodes/2-apart-0"), address: "10.64.0.2"),
            host("own", 0, .streams("plug-in 'x'"), address: "fe80::1"),
            host("lost", 0, nil, address: nil, problem: "lost/0 is lost:\nits machine\u{7}is gone"),
        ])
    }

    /// What a program says to a file with this text.
    private static func ask(_ text: String, _ program: String) async throws -> RemoteEnd {
        let folder = try temporaryFolder("inv")
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let path = "\(folder)/hosts.yaml"
        try Data(text.utf8).write(to: URL(fileURLWithPath: path))
        return try await LocalConnection().run(RemoteRequest(program: "F=\(path)\n\(program)", within: .seconds(50)))
    }

    @Test func hostsFileHasAddressesAndNames() {
        let text = Self.sample.hostsFile()
        #expect(
            text.text.split(separator: "\n").filter { !$0.hasPrefix("#") }.map(String.init)
                == [
                    "10.0.0.1\tapp-0 app-0.shop", "10.64.0.2\tapart-0 apart-0.shop", "127.64.0.1\tjob-0 job-0.shop",
                    "fe80::1\town-0 own-0.shop", "10.0.0.1\tweb-db-1 web-db-1.shop",
                ].sorted { Self.order($0) < Self.order($1) }
        )
        #expect(text.leftOut.map(\.node) == ["lost/0", "web-db/0"])
        #expect(text.text.contains("# web-db/0 is left out: 'gate.example' is no numeric address"))
    }

    private static func order(_ line: String) -> String { String(line.split(separator: "\t")[1]) }

    @Test func sshReadsItsConfiguration() async throws {
        let text = Self.sample.sshConfiguration()
        #expect(text.leftOut.map(\.node) == ["apart/0", "app/0", "job/0", "lost/0", "own/0"])
        #expect(!text.text.contains("\u{7}is gone\n\n") && text.text.contains("# lost/0 is left out"))
        let end = try await Self.ask(
            text.text,
            "ssh -G -F \"$F\" web-db-1 && ssh -G -F \"$F\" web-db/1 | grep ^hostname"
        )
        let said = String(decoding: end.output, as: UTF8.self)
        #expect(end.status == 0, "\(end.error)")
        for line in [
            "hostname 10.0.0.7", "user ana", "port 2222", "identityfile /keys/a b%h", "identitiesonly yes",
            "userknownhostsfile /state/known hosts", "stricthostkeychecking accept-new",
            "proxycommand nc -x 'p' %h %p", "globalknownhostsfile /dev/null",
        ] {
            // Versions of ssh show a % once or twice.
            let shown = said.replacing("%%h", with: "%h").split(separator: "\n").map { String($0) }
            #expect(shown.contains(line), "\(line) is not in \(said)")
        }
        #expect(said.split(separator: "\n").filter { $0 == "hostname 10.0.0.7" }.count == 2)
    }

    @Test func whatOpenSSHKnowsOfAHostIsTakenOver() async throws {
        let host = Self.host(
            "db",
            0,
            .ssh(SSHHost(name: "x", destination: "alias", configFile: "/some/config file")),
            settings: [
                SSHSetting("hostname", "10.1.1.1"), SSHSetting("user", "bo"), SSHSetting("proxyjump", "gate"),
                SSHSetting("sendenv", "LANG"), SSHSetting("identityfile", "~/.ssh/one"),
                SSHSetting("identityfile", "~/.ssh/two"), SSHSetting("proxycommand", "none"),
            ]
        )
        let text = NodeInventory([host]).sshConfiguration().text
        #expect(text.contains("Include \"/some/config file\"") && !text.contains("sendenv"))
        let end = try await Self.ask(text.replacing("    Include", with: "    # Include"), "ssh -G -F \"$F\" db-0")
        let said = String(decoding: end.output, as: UTF8.self)
        #expect(end.status == 0, "\(end.error)")
        for line in [
            "hostname 10.1.1.1", "user bo", "proxyjump gate", "identityfile ~/.ssh/one", "identityfile ~/.ssh/two",
        ] {
            #expect(said.contains(line + "\n"), "\(line) is not in \(said)")
        }
    }

    @Test func whatWouldBreakAConfigurationIsLeftOut() {
        var machine = Self.machine
        machine.identityFile = "/a\n    ProxyCommand touch /tmp/x"
        let text = NodeInventory([Self.host("db", 0, .ssh(machine))]).sshConfiguration()
        #expect(text.leftOut.count == 1)
        #expect(!text.text.split(separator: "\n").contains { !$0.hasPrefix("#") }, "\(text.text)")
    }

    @Test func ansibleSaysWhatItIs() {
        let text = Self.sample.ansible()
        #expect(text.leftOut.map(\.node) == ["apart/0", "lost/0", "own/0"])
        #expect(text.text.contains("    \"web_db\":\n      hosts:\n        \"web-db-0\":\n"))
        #expect(text.text.contains("muster_node_dir: !unsafe \"/state/nodes/1-job-0 {{ x }}\""))
        #expect(text.text.contains("# lost/0 is left out: lost/0 is lost: its machine"))
        #expect(NodeInventory([]).ansible().text == "all:\n  hosts: {}\n")
    }

    @Test(.enabled(if: TestProgram.isExpected("ansible-inventory"), "there is no ansible-inventory in PATH"))
    func ansibleReadsIt() async throws {
        let end = try await Self.ask(
            Self.sample.ansible().text,
            "export LC_ALL=C.UTF-8 ANSIBLE_LOCAL_TEMP=$(dirname \"$F\")/t HOME=$(dirname \"$F\"); ansible-inventory -i \"$F\" --list"
        )
        #expect(end.status == 0 && !end.error.contains("WARNING"), "\(end.error)")
        let object = try JSONSerialization.jsonObject(with: Data(end.output)) as? [String: Any]
        let hosts = ((object?["_meta"] as? [String: Any])?["hostvars"] as? [String: [String: Any]]) ?? [:]
        #expect(hosts.keys.sorted() == ["app-0", "job-0", "web-db-0", "web-db-1"])
        let machine = try #require(hosts["web-db-1"])
        #expect(machine["ansible_host"] as? String == "10.0.0.7" && machine["ansible_port"] as? Int == 2222)
        #expect(machine["ansible_user"] as? String == "ana" && machine["muster_node"] as? String == "web-db/1")
        #expect(machine["ansible_ssh_private_key_file"] as? String == "/keys/a b%h")
        let arguments = try #require(machine["ansible_ssh_common_args"] as? String)
        #expect(
            arguments == """
                -F /dev/null -o IdentitiesOnly=yes -o 'UserKnownHostsFile="/state/known hosts"' \
                -o GlobalKnownHostsFile=/dev/null -o StrictHostKeyChecking=accept-new \
                -o 'ProxyCommand=nc -x '\\''p'\\'' %h %p'
                """
        )
        #expect(hosts["app-0"]?["ansible_connection"] as? String == "containers.podman.podman")
        #expect(hosts["job-0"]?["ansible_connection"] as? String == "local")
    }

    @Test func shellsAreStartedByArguments() throws {
        let node = NodeHandle(
            id: NodeID(7),
            name: NodeName(group: "db", index: 0),
            lab: "shop",
            directory: "/state/nodes/7-db-0",
            facts: ["directory": "/srv/ana/it's"],
            tenure: Tenure(0)
        )
        func wish(_ command: [String], terminal: Bool) -> NodeShell.Wish {
            NodeShell.Wish(
                command: command,
                isTerminal: terminal,
                environment: ["MUSTER_NODE": "db/0"],
                shell: "/bin/bash",
                controlPath: "/run/c"
            )
        }
        let here = try NodeShell(node, .here(folder: node.directory), wish([], terminal: true))
        #expect(here.arguments == ["/bin/bash"] && here.folder == node.directory)
        #expect(here.environment == ["MUSTER_NODE": "db/0"])
        let container = NodeReach.container(name: "c1", podman: ["podman", "--log-level", "error"])
        let inside = try NodeShell(node, container, wish(["ls", "-l"], terminal: false))
        #expect(
            inside.arguments == [
                "podman", "--log-level", "error", "exec", "--interactive", "--workdir", "/srv/ana/it's", "--env",
                "MUSTER_NODE=db/0", "c1", "ls", "-l",
            ]
        )
        let far = try NodeShell(node, .ssh(Self.machine), wish(["echo", "a b"], terminal: true))
        #expect(far.arguments.starts(with: ["ssh", "-F", "/dev/null", "-l", "ana", "-p", "2222", "-i", "/keys/a b%h"]))
        #expect(Array(far.arguments.suffix(4).prefix(3)) == ["-t", "--", "10.0.0.7"])
        #expect(far.arguments.contains("ControlPath=/run/c") && far.arguments.contains("ControlMaster=auto"))
        #expect(
            far.arguments.last
                == "exec /bin/sh -c "
                + ShellText.quoted(
                    #"cd '/srv/ana/it'\''s' || exit 125; export MUSTER_NODE='db/0'; exec 'echo' 'a b'"#
                )
        )
        #expect(throws: StepError.self) { try NodeShell(node, .streams("plug-in 'x'"), wish([], terminal: true)) }
    }
}
