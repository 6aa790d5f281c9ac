import Foundation
import Testing

/// Few descriptors are no reason to believe that machines are gone.
@Suite struct OpenFilesTests {
    /// The usual limit of a session, far below what is needed, is raised; commands on nodes get the user's own.
    @Test func aSmallLimitIsRaisedForMusterAndKeptForCommands() async throws {
        // As many tests as nodes: otherwise fewer nodes would be made.
        var tests = ["limit": "ulimit -Sn"]
        for number in 1..<30 { tests["other-\(number)"] = "exit 0" }
        let lab = try LabFolder.scene(
            tests: tests,
            count: 30,
            provision: "- process: {}\n      - run: ulimit -Sn > limit; test $(cat limit) = 48"
        )
        let running = try Running(["test"], in: lab.path, shell: "ulimit -Sn 48")
        let end = await running.ending()
        #expect(end.status == 0, "\(end.output)")
        #expect(lab.read("results/latest/files/t/tests/limit/1/output.txt") == "48\n")
        #expect(lab.processes() == [])
    }

    /// A limit that cannot be raised: what could not be done says so, and no node is called lost.
    @Test func whereTheLimitIsReachedNoNodeIsLost() async throws {
        let lab = try LabFolder.scene(tests: ["good": "exit 0"], count: 60)
        let running = try Running(["up"], in: lab.path, shell: "ulimit -n 64")
        let end = await running.ending()
        #expect(end.status == 3, "\(end.output)")
        #expect(end.output.contains("ulimit -n"), "\(end.output)")
        let events = try await lab.events()
        #expect(events.contains { $0.kind == "node.ready" })
        #expect(!events.contains { $0.kind == "node.lost" })
        #expect(try await Program.muster(["down"], in: lab.path).status == 0)
        #expect(lab.processes() == [])
    }
}
