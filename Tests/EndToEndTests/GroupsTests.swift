import Foundation
import Testing

/// Groups as people bring them up, change them, wait for them and take them down.
@Suite struct GroupsTests {
    private func makeLab(_ app: String = "count: 1", setup: String = "true", extra: String = "") throws -> LabFolder {
        let lab = try LabFolder()
        try put(lab, app, setup: setup, extra: extra)
        return lab
    }

    private func put(_ lab: LabFolder, _ app: String, setup: String = "true", extra: String = "") throws {
        try lab.write(
            "lab.yaml",
            """
            muster: 1
            lab: shop
            groups:
              db:
                provision:
                  - process: {}
                  - run: "\(setup)"
                    undo: "test ! -e $MUSTER_LAB_DIR/stuck"
              app:
                \(app)
                needs: [db]
                provision:
                  - process: {}
                  - run: "test ! -e $MUSTER_LAB_DIR/broken"
            \(extra)
            """
        )
    }

    private func muster(_ lab: LabFolder, _ arguments: String...) async throws -> Program.Ending {
        try await Program.muster(arguments, in: lab.path, killAfter: .seconds(60))
    }

    @Test func anUpThatFindsAllThereSaysSo() async throws {
        let lab = try makeLab("count: 2")
        #expect(try await muster(lab, "up").status == 0)
        let again = try await muster(lab, "up")
        #expect(again.status == 0)
        #expect(again.output.contains("nothing to do: 3 nodes in 2 groups are up"), "\(again.output)")
        #expect(try await muster(lab, "up", "--json").output.contains("\"nothing_to_do\":true"))
        #expect(try await muster(lab, "down").status == 0)
    }

    @Test func graphsTellOfNowAndOfRuns() async throws {
        let lab = try makeLab("count: 2", setup: "sleep 0.3")
        let before = try await muster(lab, "graph")
        #expect(before.status == 0 && before.output.contains("db     gone"), "\(before.output)")
        #expect(try await muster(lab, "up").status == 0)
        #expect(try await muster(lab, "graph", "app").output.contains("app    ready  2/2"))
        let picture = try await muster(lab, "graph", "--format", "svg")
        #expect(picture.output.hasPrefix("<svg xmlns=") && picture.output.contains(">ready 2/2</text>"))
        #expect(try await muster(lab, "graph", "--format", "dot").output.contains("  n0 -> n1;"))
        let run = try #require(try await muster(lab, "runs").output.firstMatch(of: /r-[0-9a-z]+/)?.output)
        #expect(try await muster(lab, "down").status == 0)
        // Of a run what it had come to, though all of it is gone since.
        let ran = try await muster(lab, "graph", String(run))
        #expect(ran.output.contains(/db +ready +1\/1 .*run: sleep 0\.3 on db\/0/), "\(ran.output)")
        #expect(ran.output.contains(/app +ready +2\/2/), "\(ran.output)")
        #expect(try await muster(lab, "graph", "nobody").status == 2)
        #expect(try await muster(lab, "graph", "r-zzzz").status == 2)
    }

    @Test func whatIsNeededIsRefusedOrGoesLast() async throws {
        let lab = try makeLab()
        #expect(try await muster(lab, "up").status == 0)
        let refused = try await muster(lab, "down", "db")
        #expect(refused.status == 2)
        #expect(refused.errors.contains("'app' is up, and needs 'db'"), "\(refused.errors)")
        #expect(refused.errors.contains("muster down db --cascade"))
        let kept = try await muster(lab, "down", "--except", "db")
        #expect(kept.status == 0, "\(kept.errors)")
        #expect(try await muster(lab, "status", "--json").output.contains("\"group\":\"db\""))
        #expect(try await muster(lab, "down", "--except", "dbb").status == 2)
        #expect(try await muster(lab, "up").status == 0)
        let all = try await muster(lab, "down", "db", "--cascade")
        #expect(all.status == 0, "\(all.errors)")
        #expect(all.errors.contains("also down, as it needs what goes: app"), "\(all.errors)")
        #expect(try await muster(lab, "status").output.contains("nothing is up"))
        #expect(lab.processes() == [])
    }

    @Test func anUndoThatFailsStopsADownThatIsNotForced() async throws {
        let lab = try makeLab()
        #expect(try await muster(lab, "up").status == 0)
        try lab.write("stuck", "")
        let stopped = try await muster(lab, "down")
        #expect(stopped.status == 3, "\(stopped.output)\(stopped.errors)")
        #expect(stopped.output.contains("db/0:2 undo of"), "\(stopped.output)")
        #expect(stopped.output.contains("muster down --force"))
        let status = try await muster(lab, "status")
        #expect(status.output.contains("could not be undone"), "\(status.output)")
        let forced = try await muster(lab, "down", "--force")
        #expect(forced.status == 0, "\(forced.output)\(forced.errors)")
        #expect(forced.output.contains("passed over"), "\(forced.output)")
        #expect(lab.processes() == [])
    }

    @Test func aFailedGroupIsToldRetriedAndWaitedFor() async throws {
        let lab = try makeLab()
        try lab.write("broken", "")
        #expect(try await muster(lab, "up").status == 3)
        let status = try await muster(lab, "status")
        #expect(status.output.contains("app    failed"), "\(status.output)")
        let why = try await muster(lab, "why", "app")
        #expect(why.output.contains("app is failed") && why.output.contains("muster retry app"), "\(why.output)")
        let never = try await muster(lab, "wait", "app", "db", "ready", "--for", "20s")
        #expect(never.status == 3)
        #expect(never.errors.contains("app/0"), "\(never.errors)")
        let partial = try await muster(lab, "wait", "app", "db", "ready", "--json")
        #expect(partial.output.contains("\"node\":\"db/0\",\"standing\":\"finished\""), "\(partial.output)")
        try FileManager.default.removeItem(atPath: lab.path + "/broken")
        let retried = try await muster(lab, "retry", "app")
        #expect(retried.status == 0, "\(retried.output)\(retried.errors)")
        #expect(try await muster(lab, "wait", "app", "db/0", "ready").status == 0)
        let nothing = try await muster(lab, "retry", "app")
        #expect(nothing.status == 0 && nothing.output.contains("nothing to retry"), "\(nothing.output)")
        let unknown = try await muster(lab, "wait", "nowhere", "ready")
        #expect(unknown.status == 2 && unknown.errors.contains("no node or group is called 'nowhere'"))
        #expect(try await muster(lab, "down").status == 0)
        let gone = try await muster(lab, "wait", "app", "ready", "--for", "20s")
        #expect(gone.status == 3 && gone.errors.contains("muster up app"), "\(gone.errors)")
    }

    @Test func whoWaitsForAGroupIsWokenWhenItIsReady() async throws {
        let lab = try makeLab(setup: "test -p $MUSTER_LAB_DIR/gate && read line < $MUSTER_LAB_DIR/gate")
        #expect(mkfifo(lab.path + "/gate", 0o600) == 0)
        let up = try Running(["up"], in: lab.path)
        try await up.line("run r-")
        let wait = try Running(["wait", "app", "ready", "--for", "60s"], in: lab.path)
        let late = try await muster(lab, "wait", "app", "ready", "--for", "300ms")
        #expect(late.status == 4, "\(late.errors)")
        #expect(late.errors.contains("app/0 not ready"), "\(late.errors)")
        // Opening it for writing waits for the one who reads.
        let gate = open(lab.path + "/gate", O_WRONLY)
        _ = write(gate, "go\n", 3)
        close(gate)
        let end = await wait.ending()
        #expect(end.status == 0, "\(end.output)")
        #expect(await up.ending().status == 0)
        #expect(try await muster(lab, "down").status == 0)
    }

    @Test func aChangedLabIsShownAndNothingGoesUnasked() async throws {
        let lab = try makeLab("count: 2", extra: "  old:\n    provision: [{ process: {} }]")
        #expect(try await muster(lab, "up").status == 0)
        try put(lab, "count: 3")
        let shown = try await muster(lab, "plan")
        #expect(shown.output.contains("2 kept, 1 added") && shown.output.contains("taken away"), "\(shown.output)")
        let refused = try await muster(lab, "up")
        #expect(refused.status == 2)
        #expect(refused.errors.contains("1 taken away") && refused.errors.contains("--yes"), "\(refused.errors)")
        #expect(try await muster(lab, "status").output.contains("old/0"))
        #expect(try await muster(lab, "up", "--yes").status == 0)
        let status = try await muster(lab, "status")
        #expect(status.output.contains("app/2") && !status.output.contains("old/0"), "\(status.output)")
        try put(lab, "count: 1", setup: "echo other")
        let changed = try await muster(lab, "up", "--yes", "--json")
        #expect(changed.status == 0, "\(changed.errors)")
        let after = try await muster(lab, "status")
        #expect(after.output.contains("app/0") && !after.output.contains("app/1"), "\(after.output)")
        #expect(try await muster(lab, "up").output.contains("nothing to do"))
        #expect(try await muster(lab, "down").status == 0)
        #expect(lab.processes() == [])
    }

    /// Whoever is killed when: the next command goes on, and nothing is left behind.
    @Test(arguments: ["before-commit:2", "after-commit:2", "after-directive:1", "before-directive:3", "after-commit:4"])
    func aTeardownAndAChangeThatAreKilledAreGoneOnWith(_ point: String) async throws {
        let lab = try makeLab("count: 2")
        let crash = ["MUSTER_CRASH_AT": point]
        #expect(try await muster(lab, "up").status == 0)
        try put(lab, "count: 1", setup: "echo other")
        _ = try await Program.muster(["up", "--yes"], in: lab.path, environment: crash, killAfter: .seconds(60))
        let up = try await muster(lab, "up", "--yes")
        #expect(up.status == 0, "\(point): \(up.output)\(up.errors)")
        let nothing = try await muster(lab, "up")
        #expect(nothing.output.contains("nothing to do: 2 nodes"), "\(point): \(nothing.output)\(nothing.errors)")
        _ = try await Program.muster(
            ["down", "db", "--cascade"],
            in: lab.path,
            environment: crash,
            killAfter: .seconds(60)
        )
        let down = try await muster(lab, "down")
        #expect(down.status == 0, "\(point): \(down.output)\(down.errors)")
        #expect(try await muster(lab, "status").output.contains("nothing is up"))
        #expect(lab.processes() == [], "\(point)")
    }
}
