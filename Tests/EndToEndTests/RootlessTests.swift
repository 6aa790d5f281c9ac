import Foundation
import MusterTestKit
import Testing

/// Containers of a user who is not root, by the built program.
@Suite struct RootlessTests {
    private static let absence = PodmanStore.rootlessAbsence

    @Test(.timeLimit(.minutes(10)), .enabled(if: absence == nil, Comment(rawValue: absence ?? "")))
    func containersComeUpAndGoWhoeverIsKilled() async throws {
        let store = try PodmanStore.shared.get()
        let lab = try LabFolder()
        try lab.write(
            "lab.yaml",
            """
            muster: 1
            lab: rootless
            groups:
              app:
                count: 2
                provision:
                  - podman: { image: '\(PodmanStore.image)', network: host, run: exec sleep 3600 }
                  - run: id -u >> user
                ready: [ { file: user } ]
            """
        )
        for program in ["muster", "muster-supervise"] {
            let copy = lab.path + "/" + program
            try FileManager.default.copyItem(atPath: Program.folder + "/" + program, toPath: copy)
        }
        try #require(chown(lab.path, 65534, 65534) == 0)

        func muster(_ arguments: String..., crash: String? = nil) async throws -> Program.Ending {
            try await Program.run(
                store.asUser,
                [lab.path + "/muster"] + arguments,
                in: lab.path,
                environment: crash.map { ["MUSTER_CRASH_AT": $0] } ?? [:]
            )
        }
        func containers() async throws -> Int {
            let end = try await Program.run(store.asUser, ["podman", "ps", "--all", "--quiet"], in: lab.path)
            #expect(end.status == 0, "\(end.errors)")
            return end.output.split(separator: "\n").count
        }

        let killed = try await muster("up", crash: "after-directive:2")
        #expect(killed.signal == SIGKILL || killed.status == 128 + SIGKILL, "\(killed.output)\(killed.errors)")
        let up = try await muster("up")
        #expect(up.status == 0, "\(up.output)\(up.errors)")
        #expect(try await containers() == 2)
        let exec = try await muster("exec", "app", "--", "cat", "user")
        #expect(
            exec.output.split(separator: "\n").map { $0.suffix(3) } == ["| 0", "| 0"],
            "root in there: \(exec.output)"
        )
        #expect(try await muster("reconcile").output.contains("2 nodes as recorded"))
        _ = try await muster("down", crash: "after-directive:1")
        let down = try await muster("down")
        #expect(down.status == 0, "\(down.output)\(down.errors)")
        #expect(try await containers() == 0)
        #expect(lab.processes() == [])
    }
}
