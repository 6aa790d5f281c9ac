import Foundation
import MusterTestKit
import Testing

/// Trees of fmf on machines that have no files of this host: the tree is copied to each, once.
@Suite(.serialized) struct FMFElsewhereTests {
    struct Kind: Sendable, CustomTestStringConvertible {
        let name: String
        /// The pools of hosts, given the lab's folder.
        var pools: @Sendable (String) -> String = { _ in "" }
        let creator: String
        var environment: [String: String] = [:]
        var testDescription: String { name }
    }

    private static let podman: Kind? = {
        guard case .success(let store) = PodmanStore.shared else { return nil }
        let path = ProcessInfo.processInfo.environment["PATH"] ?? "/usr/bin:/bin"
        return Kind(
            name: "podman",
            creator: "podman: { image: '\(PodmanStore.image)', network: \(PodmanStore.network) }",
            environment: ["PATH": store.folder + ":" + path]
        )
    }()

    private static let ssh: Kind? = {
        guard case .success(let server) = SSHServer.shared else { return nil }
        return Kind(
            name: "ssh",
            pools: { folder in
                """
                pools:
                  rack:
                    hosts: [{ host: \(SSHServer.addresses[0]), name: h0, root: \(folder)/hosts/0 }]
                    port: \(server.port)
                    identity: \(server.identity)
                    known-hosts: \(server.knownHosts)
                """
            },
            creator: "ssh: { pool: rack }"
        )
    }()

    static let kinds = [podman, ssh].compactMap { $0 }

    private func folder(_ kind: Kind) throws -> LabFolder {
        let lab = try LabFolder()
        try lab.write(
            "lab.yaml",
            """
            lab: f\((lab.path as NSString).lastPathComponent.prefix(20))
            \(kind.pools(lab.path))
            groups: { app: { provision: [\(kind.creator)] } }
            tests:
              t: { where: app, discover: { fmf: { path: tree } } }
            """
        )
        try lab.write("tree/.fmf/version", "1\n")
        try lab.write("tree/.git/config", "secret of the repository\n")
        try lab.write("tree/lib/common.sh", "answer() { echo 42; }\n")
        try FileManager.default.createSymbolicLink(
            atPath: lab.path + "/tree/outside",
            withDestinationPath: "/etc/hostname"
        )
        try lab.write(
            "tree/tests/main.fmf",
            """
            duration: 60s
            /a-beside: {test: ./run.sh 0}
            /b-library: {test: . "$TMT_TREE/lib/common.sh"; test "$(answer)" = 42 && touch "$TMT_TREE/marker"}
            /c-same-copy: {test: test -e ../marker && test ! -e ../.git && test ! -e ../outside}
            /d-fail: {test: ./run.sh 1}
            /e-report:
              test: |
                echo log > "$TMT_TEST_DATA/log"
                tmt-report-result sub/two WARN "$TMT_TEST_DATA/log"
            /f-reboot:
              test: if [ $TMT_REBOOT_COUNT -lt 2 ]; then tmt-reboot; fi
            """
        )
        try lab.write("tree/tests/run.sh", "#!/bin/sh\nexit $1\n", executable: true)
        return lab
    }

    @Test(.timeLimit(.minutes(5)), arguments: kinds) func theTreeIsCopiedOnceAndTestsFindIt(_ kind: Kind) async throws {
        let lab = try folder(kind)
        let end = try await Program.muster(["test"], in: lab.path, environment: kind.environment)
        #expect(end.status == 1, "\(end.output)\(end.errors)")
        #expect(end.errors.contains("not copied to machines") && end.errors.contains("outside"), "\(end.errors)")
        #expect(
            try lab.outcomes() == [
                "/tests/a-beside": "pass", "/tests/b-library": "pass", "/tests/c-same-copy": "pass",
                "/tests/d-fail": "fail", "/tests/e-report": "warn", "/tests/e-report sub/two": "warn",
                "/tests/f-reboot": "pass",
            ],
            "\(end.output)"
        )
        #expect(lab.read("results/latest/files/t/_/tests/e-report/1/sub/two/log") == "log\n")
        #expect(lab.processes() == [])
    }

    @Test(.timeLimit(.minutes(5)), arguments: kinds)
    func aKilledRunGoesOnWithTheTreeItBeganWith(_ kind: Kind) async throws {
        for point in ["after-directive:1", "after-directive:2", "before-directive:3", "after-directive:4"] {
            let lab = try folder(kind)
            try lab.write(
                "tree/tests/more.fmf",
                "/1: {test: ./run.sh 0}\n/2: {test: ./run.sh 0}\n/3: {test: ./run.sh 0}\n"
            )
            let yaml = try #require(lab.read("lab.yaml"))
            try lab.write("lab.yaml", yaml.replacing("path: tree", with: "path: tree, names: [/more]"))
            let killed = try await Program.muster(
                ["test"],
                in: lab.path,
                environment: kind.environment.merging(["MUSTER_CRASH_AT": point]) { $1 }
            )
            #expect(killed.signal == SIGKILL, "\(point): \(killed.output)\(killed.errors)")
            // What is edited meanwhile is no part of the run.
            try lab.write("tree/tests/run.sh", "#!/bin/sh\nexit 9\n", executable: true)
            let end = try await Program.muster(["test"], in: lab.path, environment: kind.environment)
            #expect(end.status == 0, "\(point): \(end.output)\(end.errors)")
            let outcomes = try lab.outcomes()
            #expect(
                outcomes == ["/tests/more/1": "pass", "/tests/more/2": "pass", "/tests/more/3": "pass"],
                "\(point)"
            )
            #expect(lab.processes() == [])
        }
    }
}
