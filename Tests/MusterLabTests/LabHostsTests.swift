import MusterCore
import Testing

@testable import MusterLab

/// `pools:` and the step `ssh`.
@Suite struct LabHostsTests {
    private static func lab(_ pools: String, _ ssh: String) -> String {
        "lab: a\npools:\n  rack: \(pools)\ngroups:\n  g:\n    provision:\n      - ssh: \(ssh)\n"
    }

    private func hosts(_ pools: String, _ ssh: String = "{ pool: rack }") throws -> [SSHHost] {
        let texts = [
            "inv/hosts.ini": "[w]\nh[1:2] ansible_user=u\n[w:vars]\nansible_ssh_private_key_file=key\n",
            "ssh.conf": "Host x y\nHost z*\n",
        ]
        let lab = try parse(Self.lab(pools, ssh), files: MemoryFiles(texts: texts))
        let spec = try lab.runSpec(.up, directory: "/lab")
        guard case .ssh(let pool)? = spec.groups[0].machine else { return [] }
        return pool.hosts
    }

    @Test func hostsAreWrittenInAnyOfTheirForms() throws {
        let all = try hosts(
            "{ hosts: [a, root@b:2222, '[::1]:22', '::1', { host: c, name: d, port: 7 }], user: u, identity: k, options: [ProxyJump=gate] }"
        )
        #expect(all.map(\.name) == ["a", "root@b:2222", "[::1]:22", "::1", "d"])
        #expect(all.map(\.destination) == ["a", "b", "::1", "::1", "c"])
        #expect(all.map(\.user) == ["u", "root", "u", "u", "u"])
        #expect(all.map(\.port) == [nil, 2222, 22, nil, 7])
        #expect(all.allSatisfy { $0.identityFile == "/lab/k" && $0.options == ["ProxyJump=gate"] })
        #expect(try hosts("{ hosts: [x] }", "{ hosts: [q] }").map(\.name) == ["q"])
    }

    @Test func inventoriesAndConfigurationsGiveHosts() throws {
        let all = try hosts("{ inventory: inv/hosts.ini, group: w, hosts: [a] }")
        #expect(all.map(\.name) == ["a", "h1", "h2"])
        #expect(all.map(\.user) == [nil, "u", "u"])
        #expect(all[1].identityFile == "/lab/inv/key")
        let configured = try hosts("{ config: ssh.conf }")
        #expect(configured.map(\.name) == ["x", "y"])
        #expect(configured[0].configFile == "/lab/ssh.conf")
    }

    @Test(arguments: [
        ("{}", "has no hosts"), ("{ hosts: [] }", "at least one host"), ("{ hosts: [a, a] }", "twice"),
        ("{ hosts: ['-oProxyCommand=x'] }", "is no address"), ("{ hosts: ['a b'] }", "is no address"),
        ("{ hosts: ['a:0'] }", "is no host"), ("{ hosts: [a], options: [ProxyCommand=x] }", "is no option"),
        ("{ hosts: [a], options: [StrictHostKeyChecking=no] }", "is no option"),
        ("{ hosts: [a], options: ['Permit\\nX=1'] }", "is no option"),
        ("{ hosts: [a], group: w }", "one of an inventory"), ("{ inventory: none.ini }", "cannot be read"),
        ("{ inventory: inv/hosts.ini, group: v }", "has no group 'v'"),
    ]) func whatIsWrongIsSaid(pool: String, part: String) throws {
        let error = try #require(throws: LabError.self) { try hosts(pool) }
        #expect(error.diagnostics.contains { $0.message.contains(part) }, "\(error.diagnostics)")
    }

    @Test func poolsAndFieldsMustBeThere() throws {
        let error = try #require(throws: LabError.self) { try hosts("{ hosts: [a] }", "{ pool: rock }") }
        #expect(error.diagnostics.first?.message == "there is no pool 'rock'")
        #expect(error.diagnostics.first?.hint.contains("rack") == true)
        let text = Self.lab("{ hosts: [a] }", "{ pool: rack }")
        _ = try parse(text + "  h:\n    provision: [process: , {run: 'x ${g.0.hostname} ${g.0.address}'}]\n")
        #expect(throws: LabError.self) {
            try parse(text + "  h:\n    provision: [process: , {run: 'x ${g.0.image}'}]\n")
        }
    }
}
