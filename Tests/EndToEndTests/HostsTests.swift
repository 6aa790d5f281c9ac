import Foundation
import MusterTestKit
import Testing

/// Labs on hosts that exist already, by the built program and a real sshd.
@Suite(.enabled(if: SSHServer.absence == nil, Comment(rawValue: SSHServer.absence ?? ""))) struct HostsTests {
    /// Three hosts, each with a folder of its own, as all are this machine.
    private func folder() throws -> LabFolder {
        let server = try SSHServer.shared.get()
        let lab = try LabFolder()
        let hosts = (0..<3).map { "{ host: \(SSHServer.addresses[$0]), name: h\($0), root: \(lab.path)/hosts/\($0) }" }
        let text = """
            muster: 1
            lab: rack
            pools:
              rack:
                hosts: [\(hosts.joined(separator: ", "))]
                port: \(server.port)
                identity: \(server.identity)
                known-hosts: \(server.knownHosts)
            groups:
              db:
                provision:
                  - ssh: { pool: rack, run: ./serve.sh up }
                  - files: { etc/conf: conf }
                ready:
                  - file: started
              app:
                count: 2
                needs: [db]
                provision:
                  - ssh: { pool: rack }
                  - run: ./setup.sh ${db.0.address}
            tests:
              t:
                where: app
                discover: { files: "tests/*.sh" }
            """
        try lab.write("lab.yaml", text)
        try lab.write("conf", "some value")
        try lab.write("serve.sh", "#!/bin/sh\necho \"$1\" > started\nexec sleep 1000\n", executable: true)
        try lab.write(
            "setup.sh",
            "#!/bin/sh\n[ -n \"$1\" ] && echo \"$1 $MUSTER_DB_0_ADDRESS\" > db\n",
            executable: true
        )
        try lab.write("tests/a.sh", "#!/bin/sh\n[ \"$(pwd)\" = \"$MUSTER_NODE_DIR\" ] && [ -s db ]\n", executable: true)
        return lab
    }

    @Test(.timeLimit(.minutes(5))) func aLabOnHostsComesUpRunsItsTestsAndGoes() async throws {
        let lab = try folder()
        let test = try await Program.muster(["test", "--keep", "always"], in: lab.path)
        #expect(test.status == 0, "\(test.output)\(test.errors)")
        let exec = try await Program.muster(["exec", "db", "--", "cat", "etc/conf", "started"], in: lab.path)
        #expect(exec.status == 0 && exec.output.contains("some value") && exec.output.contains("up"))
        // All hosts are taken: another state is told by whom.
        let other = try await Program.muster(["up", "db", "--state", lab.path + "/other"], in: lab.path)
        #expect(other.status == 3 && (other.output + other.errors).contains("is held by"), "\(other.output)")
        #expect(try await Program.muster(["down"], in: lab.path).status == 0)
        for index in 0..<3 {
            let left = try FileManager.default.contentsOfDirectory(atPath: lab.path + "/hosts/\(index)")
            #expect(left.allSatisfy { $0.hasPrefix("lease.") }, "\(left)")
        }
    }
}
