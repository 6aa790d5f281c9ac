import Foundation
import MusterTestKit
import Testing

/// `kill -9` of `up` and `down` at random moments, again and again: at the end nothing is left, and nothing is gone
/// that was not ours. What is there is looked up from outside.
@Suite(.serialized) struct KillTests {
    /// How many commands are killed, for each kind of machine.
    private static let rounds = max(10, (setting("MUSTER_SOAK_CRASHES") ?? 0) / 5)
    private static let seed = setting("MUSTER_SOAK_SEED").map { UInt64($0) } ?? 1

    private static func setting(_ name: String) -> Int? {
        ProcessInfo.processInfo.environment[name].flatMap { Int($0) }
    }

    private static func lab(_ name: String, machine: String, extra: String = "") -> String {
        """
        muster: 1
        lab: \(name)
        \(extra)
        groups:
          db:
            provision:
              - \(machine)
              - run: echo up > set
                undo: rm -f set
          app:
            count: 2
            needs: [db]
            provision:
              - \(machine)
              - run: echo ${db.0.address} > db
                undo: rm -f db
        """
    }

    /// Kills `up` and `down` in turn, each after a random part of `length`; then lets both come to their ends.
    private func disturb(
        _ lab: LabFolder,
        length: Duration,
        environment: [String: String] = [:]
    ) async throws {
        var chance = Self.seed
        for round in 0..<Self.rounds {
            let verb = round % 3 == 2 ? "down" : "up"
            // Knuth's, of 64 bits: its upper half is random enough for moments.
            chance = chance &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            let part = length * (Double(chance >> 32) / Double(UInt32.max))
            let end = try await Program.muster([verb], in: lab.path, environment: environment, killAfter: part)
            // An `up` is told that a killed `down` holds the lab (4), or that one has cancelled it (5).
            let expected: [Int32] = verb == "up" ? [0, 4, 5] : [0]
            #expect(
                end.signal == SIGKILL || expected.contains(end.status),
                "round \(round) of seed \(Self.seed): \(verb) after \(part): \(end.output)\(end.errors)"
            )
        }
        let end = try await Program.muster(["down"], in: lab.path, environment: environment)
        #expect(end.status == 0, "seed \(Self.seed): \(end.output)\(end.errors)")
        let up = try await Program.muster(["up"], in: lab.path, environment: environment)
        #expect(up.status == 0, "seed \(Self.seed): \(up.output)\(up.errors)")
        let check = try await Program.muster(["exec", "app", "db", "--", "ls"], in: lab.path, environment: environment)
        #expect(check.status == 0, "seed \(Self.seed): \(check.output)\(check.errors)")
        let down = try await Program.muster(["down"], in: lab.path, environment: environment)
        #expect(down.status == 0, "seed \(Self.seed): \(down.output)\(down.errors)")
        let gc = try await Program.muster(["gc", "--json"], in: lab.path, environment: environment)
        for empty in [#""leftovers":[]"#, #""outside":[]"#, #""not_asked":[]"#] {
            #expect(gc.output.contains(empty), "seed \(Self.seed): \(gc.output)\(gc.errors)")
        }
    }

    @Test(.timeLimit(.minutes(20))) func processesAreNeverLost() async throws {
        let stranger = try LabFolder()
        try stranger.write("lab.yaml", Self.lab("stranger", machine: "process: { run: sleep 1000 }"))
        #expect(try await Program.muster(["up"], in: stranger.path).status == 0)
        let theirs = Set(stranger.processes())
        let lab = try LabFolder()
        try lab.write("lab.yaml", Self.lab("kills", machine: "process: { run: sleep 1000 }"))
        try await disturb(lab, length: .milliseconds(900))
        #expect(lab.processes() == [])
        #expect(Set(stranger.processes()) == theirs, "another state's machines are left alone")
        #expect(try await Program.muster(["down"], in: stranger.path).status == 0)
    }

    @Test(.timeLimit(.minutes(30)), .enabled(if: SSHServer.absence == nil, Comment(rawValue: SSHServer.absence ?? "")))
    func hostsAreNeverLost() async throws {
        let server = try SSHServer.shared.get()
        let lab = try LabFolder()
        // Four hosts, one of which is another state's.
        let hosts = (0..<4).map { "{ host: \(SSHServer.addresses[$0]), name: h\($0), root: \(lab.path)/hosts/\($0) }" }
        func pool(_ hosts: [String]) -> String {
            """
            pools:
              rack:
                hosts: [\(hosts.joined(separator: ", "))]
                port: \(server.port)
                identity: \(server.identity)
                known-hosts: \(server.knownHosts)
            """
        }
        try lab.write(
            "stranger/lab.yaml",
            """
            lab: stranger
            \(pool([hosts[0]]))
            groups:
              x:
                provision:
                  - ssh: { pool: rack, run: sleep 1000 }
            """
        )
        let stranger = try await Program.muster(["up"], in: lab.path + "/stranger")
        #expect(stranger.status == 0, "\(stranger.output)\(stranger.errors)")
        try lab.write(
            "lab.yaml",
            Self.lab("kills", machine: "ssh: { pool: rack, run: sleep 1000 }", extra: pool(hosts))
        )
        try await disturb(lab, length: .milliseconds(4000))
        for index in 1..<4 {
            let folder = lab.path + "/hosts/\(index)"
            let left = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
            #expect(left.allSatisfy { $0.hasPrefix("lease.") }, "seed \(Self.seed): \(left)")
            for lease in left { #expect(lab.read("hosts/\(index)/\(lease)") == "free\n", "seed \(Self.seed)") }
            #expect(LabFolder.processes(of: folder) == [], "seed \(Self.seed)")
        }
        let theirs = try await Program.muster(["exec", "x", "--", "true"], in: lab.path + "/stranger")
        #expect(theirs.status == 0, "another state's host is left alone: \(theirs.output)\(theirs.errors)")
        #expect(try await Program.muster(["down"], in: lab.path + "/stranger").status == 0)
    }

    @Test(
        .timeLimit(.minutes(30)),
        .enabled(if: PodmanStore.absence == nil, Comment(rawValue: PodmanStore.absence ?? ""))
    )
    func containersAreNeverLost() async throws {
        let store = try PodmanStore.shared.get()
        let path = ProcessInfo.processInfo.environment["PATH"] ?? "/usr/bin:/bin"
        let environment = ["PATH": "\(store.folder):\(path)"]
        let machine = "podman: { image: '\(PodmanStore.image)', network: \(PodmanStore.network), run: exec sleep 1000 }"
        let lab = try LabFolder()
        // Names that no other test uses: the store is shared.
        let name = "kills" + (lab.path as NSString).lastPathComponent.lowercased().filter { $0.isASCII && $0.isLetter }
        func containers(_ lab: String) async throws -> [String] {
            let format = ["--filter", "label=muster.lab=\(lab)", "--format", "{{.ID}} {{.Names}}"]
            let end = try await Program.run(store.podman[0], ["ps", "--all"] + format, in: "/")
            return end.output.split(separator: "\n").map(String.init).sorted()
        }
        try lab.write("stranger/lab.yaml", Self.lab("s\(name)", machine: machine))
        let stranger = try await Program.muster(["up"], in: lab.path + "/stranger", environment: environment)
        #expect(stranger.status == 0, "\(stranger.output)\(stranger.errors)")
        let theirs = try await containers("s\(name)")
        #expect(theirs.count == 3)
        try lab.write("lab.yaml", Self.lab(name, machine: machine))
        try await disturb(lab, length: .milliseconds(5000), environment: environment)
        #expect(try await containers(name) == [], "seed \(Self.seed)")
        #expect(try await containers("s\(name)") == theirs, "another state's containers are left alone")
        let check = try await Program.muster(
            ["exec", "app", "--", "true"],
            in: lab.path + "/stranger",
            environment: environment
        )
        #expect(check.status == 0, "\(check.output)\(check.errors)")
        #expect(
            try await Program.muster(["down"], in: lab.path + "/stranger", environment: environment).status == 0
        )
    }
}
