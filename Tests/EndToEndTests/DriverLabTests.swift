import Foundation
import MusterTestKit
import Testing

/// Labs of containers, namespaces and virtual machines, by the built program: what comes up, what is done there, and
/// that nothing is left, whoever is killed when.
@Suite(.serialized) struct DriverLabTests {
    /// One kind of node, as a user has it.
    struct Kind: Sendable, CustomTestStringConvertible {
        let name: String
        /// The creating step, with a server that waits.
        let creator: String
        var environment: [String: String] = [:]
        /// What is there now of a lab's nodes, beside processes that name its folder.
        let left: @Sendable (LabFolder) async throws -> [String]
        var count = 2

        var testDescription: String { name }
    }

    private static let podman: Kind? = {
        guard case .success(let store) = PodmanStore.shared else { return nil }
        let path = ProcessInfo.processInfo.environment["PATH"] ?? "/usr/bin:/bin"
        return Kind(
            name: "podman",
            creator: "podman: { image: '\(PodmanStore.image)', network: \(PodmanStore.network), run: exec sleep 3600 }",
            environment: ["PATH": store.folder + ":" + path],
            left: { lab in
                let end = try await Program.run(
                    store.podman[0],
                    ["ps", "--all", "--filter", "label=muster.lab=\(labName(lab))", "--format", "{{.Names}}"],
                    in: lab.path
                )
                return end.output.split(separator: "\n").map(String.init)
            }
        )
    }()

    private static let namespaces: Kind? = {
        guard geteuid() == 0, access("/proc/self/ns/net", F_OK) == 0, TestProgram.path(of: "ip") != nil else {
            return nil
        }
        return Kind(
            name: "netns",
            creator: "netns: { run: exec sleep 3600 }",
            left: { lab in
                // Interfaces say by their alias which folder they are of.
                let end = try await Program.run("/bin/sh", ["-c", "cat /sys/class/net/*/ifalias 2>/dev/null"], in: "/")
                return end.output.split(separator: "\n").map(String.init).filter { $0.contains(lab.path) }
            }
        )
    }()

    private static let machines: Kind? = {
        let given = ProcessInfo.processInfo.environment["MUSTER_TEST_GUEST"]
        let guest = given ?? Program.repository + "/.build/guest"
        guard FileManager.default.fileExists(atPath: guest + "/initrd"),
            TestProgram.path(of: "qemu-system-x86_64") != nil
        else {
            return nil
        }
        return Kind(
            name: "qemu",
            creator: """
                qemu: { kernel: \(guest)/vmlinuz, initrd: \(guest)/initrd, append: "console=ttyS0 panic=-1 quiet", \
                memory: 192MiB, accelerator: tcg, identity: \(guest)/key, boot-timeout: 4m }
                """,
            left: { _ in [] },
            count: 1
        )
    }()

    static let kinds = [podman, namespaces, machines].compactMap { $0 }

    private static func labName(_ lab: LabFolder) -> String {
        "l" + String((lab.path as NSString).lastPathComponent.prefix(20))
    }

    private func folder(_ kind: Kind) throws -> LabFolder {
        let lab = try LabFolder()
        try lab.write(
            "lab.yaml",
            """
            muster: 1
            lab: \(Self.labName(lab))
            groups:
              db:
                provision:
                  - process: { run: exec sleep 3600 }
              app:
                count: \(kind.count)
                needs: [db]
                provision:
                  - \(kind.creator)
                  - files: { etc/conf: conf }
                  - template: { from: conf.in, to: etc/db }
                  - script: { file: setup, arguments: ["${db.0.address}", "a  b"] }
                ready:
                  - file: done
            tests:
              t:
                where: app
                discover: { files: "tests/*.sh" }
            """
        )
        try lab.write("conf", "some value\n")
        try lab.write("conf.in", "db=${db.0.address}\n")
        try lab.write("setup", "#!/bin/sh\nprintf '%s|' \"$@\" >> done\n")
        try lab.write("tests/a.sh", "#!/bin/sh\n[ -s done ] && grep -q db=127 etc/db\n", executable: true)
        return lab
    }

    private func muster(
        _ arguments: [String],
        _ kind: Kind,
        in lab: LabFolder,
        crash: String? = nil
    ) async throws
        -> Program.Ending
    {
        var environment = kind.environment
        environment["MUSTER_CRASH_AT"] = crash
        return try await Program.muster(arguments, in: lab.path, environment: environment)
    }

    private func isEmpty(_ lab: LabFolder, _ kind: Kind) async throws {
        #expect(try await kind.left(lab) == [])
        #expect(lab.processes() == [])
    }

    @Test func everyKindIsThereWhereAllIsRequired() {
        guard TestProgram.mustBeThere else { return }
        #expect(Self.kinds.map(\.name) == ["podman", "netns", "qemu"])
    }

    @Test(.timeLimit(.minutes(10)), arguments: kinds)
    func aLabComesUpRunsItsTestsAndGoes(_ kind: Kind) async throws {
        let lab = try folder(kind)
        let up = try await muster(["up"], kind, in: lab)
        #expect(up.status == 0, "\(up.output)\(up.errors)")
        let exec = try await muster(["exec", "app", "--", "cat", "etc/conf", "done"], kind, in: lab)
        #expect(exec.status == 0 && exec.output.contains("some value"), "\(exec.output)\(exec.errors)")
        #expect(exec.output.contains("|a  b|"))
        let again = try await muster(["up"], kind, in: lab)
        #expect(again.status == 0, "\(again.output)\(again.errors)")
        let test = try await muster(["test"], kind, in: lab)
        #expect(test.status == 0, "\(test.output)\(test.errors)")
        let down = try await muster(["down"], kind, in: lab)
        #expect(down.status == 0, "\(down.output)\(down.errors)")
        try await isEmpty(lab, kind)
    }

    @Test(.timeLimit(.minutes(15)), arguments: kinds)
    func aBringUpThatWasKilledGoesOnAndLeavesNothing(_ kind: Kind) async throws {
        // The making of the second group's nodes lies between these.
        let points =
            kind.name == "qemu" ? ["after-directive:3"] : ["after-directive:3", "after-commit:4", "before-commit:6"]
        for point in points {
            let lab = try folder(kind)
            let killed = try await muster(["up"], kind, in: lab, crash: point)
            #expect(killed.signal == SIGKILL, "\(point): \(killed.output)\(killed.errors)")
            let resumed = try await muster(["up"], kind, in: lab)
            #expect(resumed.status == 0, "\(point): \(resumed.output)\(resumed.errors)")
            let exec = try await muster(["exec", "app", "--", "cat", "done"], kind, in: lab)
            let count = exec.output.split(separator: "|").count { $0 == "a  b" }
            #expect(count == kind.count, "\(point): nothing is set up twice: \(exec.output)")
            if kind.name == "podman" { #expect(try await kind.left(lab).count == kind.count, "\(point)") }
            let down = try await muster(["down"], kind, in: lab)
            #expect(down.status == 0, "\(point): \(down.output)\(down.errors)")
            try await isEmpty(lab, kind)
        }
    }

    @Test(.timeLimit(.minutes(10)), arguments: kinds.filter { $0.name != "qemu" })
    func aTakingDownThatWasKilledIsFinishedByTheNext(_ kind: Kind) async throws {
        let lab = try folder(kind)
        #expect(try await muster(["up"], kind, in: lab).status == 0)
        let killed = try await muster(["down"], kind, in: lab, crash: "after-directive:2")
        #expect(killed.signal == SIGKILL, "\(killed.output)\(killed.errors)")
        let down = try await muster(["down"], kind, in: lab)
        #expect(down.status == 0, "\(down.output)\(down.errors)")
        try await isEmpty(lab, kind)
    }
}
