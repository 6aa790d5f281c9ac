import Foundation
import Testing

/// Nobody waits for ever for a run that nothing can be done about.
@Suite struct RefusalTests {
    /// A run that was interrupted, with its rows changed since.
    private func interrupted(_ sql: String) async throws -> (lab: LabFolder, run: String) {
        let lab = try LabFolder.scene(tests: ["good": "exit 0"])
        let end = try await Program.muster(
            ["test"],
            in: lab.path,
            environment: ["MUSTER_CRASH_AT": "after-directive:1"]
        )
        #expect(end.signal == SIGKILL)
        try await lab.changeRows(sql)
        return (lab, try await lab.newestRun())
    }

    @Test(.enabled(if: Program.python != nil)) func aBrokenRunIsSaidToBeBrokenAndCanBeHalted() async throws {
        let (lab, run) = try await interrupted("DELETE FROM steps WHERE plan = 1 AND step = 0")
        for verb in [["resume", run], ["cancel", run], ["test"]] {
            let end = try await Program.muster(verb, in: lab.path, killAfter: .seconds(20))
            #expect(end.status == 2, "\(verb): \(end.output)\(end.errors)")
            #expect(end.errors.contains("step 0 is missing"), "\(verb): \(end.errors)")
            #expect(end.errors.contains("muster halt \(run)"), "\(verb): \(end.errors)")
        }
        let runs = try await Program.muster(["runs"], in: lab.path)
        #expect(runs.output.contains("broken"))
        #expect(runs.output.contains("step 0 is missing"))
        let why = try await Program.muster(["why", run], in: lab.path)
        #expect(why.output.contains("is broken"))
        #expect(why.output.contains("step 0 is missing"))
        let halt = try await Program.muster(["halt", run], in: lab.path, killAfter: .seconds(20))
        #expect(halt.status == 0, "\(halt.output)\(halt.errors)")
        #expect(halt.output.contains("step 0 is missing"))
        #expect(try await Program.muster(["runs"], in: lab.path).output.contains("cancelled"))
        let test = try await Program.muster(["test"], in: lab.path, killAfter: .seconds(60))
        #expect(test.status == 0, "\(test.output)\(test.errors)")
        _ = try await Program.muster(["down"], in: lab.path)
        #expect(lab.processes() == [])
    }

    @Test(.enabled(if: Program.python != nil)) func aRunOfAnotherHostNamesThatHost() async throws {
        let (lab, run) = try await interrupted("UPDATE plans SET host = 'far-away' WHERE id = 1")
        for verb in ["resume", "cancel", "halt"] {
            let end = try await Program.muster([verb, run], in: lab.path, killAfter: .seconds(20))
            #expect(end.status == 2, "\(verb): \(end.output)\(end.errors)")
            #expect(end.errors.contains("far-away"), "\(verb): \(end.errors)")
        }
    }

    /// A paused run has stopped already when it is asked to go on: the answer is waited for, not the state it had.
    @Test func aPausedRunGoesOn() async throws {
        let lab = try LabFolder.scene(
            tests: ["good": "exit 0"],
            provision: "- process: {}\n      - run: test -e $MUSTER_LAB_DIR/mended",
            extra: "    on-failure: pause"
        )
        let paused = try await Program.muster(["test"], in: lab.path, killAfter: .seconds(60))
        #expect(paused.status == 5, "\(paused.output)\(paused.errors)")
        try lab.write("mended", "")
        let resumed = try await Program.muster(["resume"], in: lab.path, killAfter: .seconds(60))
        #expect(resumed.status == 0, "\(resumed.output)\(resumed.errors)")
        #expect(lab.processes() == [])
    }
}
