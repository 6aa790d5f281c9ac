import Foundation
import Testing

/// What was asked for and begun by nobody: it goes with the command that asked.
@Suite struct WithdrawTests {
    /// The state's lock, held by a conductor that never listens: this process.
    private final class Silent: Sendable {
        private let descriptor: Int32
        init(_ lab: LabFolder) throws {
            try FileManager.default.createDirectory(
                atPath: lab.path + "/.muster",
                withIntermediateDirectories: true,
                attributes: [.posixPermissions: 0o700]
            )
            descriptor = open(lab.path + "/.muster/conductor.lock", O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
            try #require(flock(descriptor, LOCK_EX | LOCK_NB) == 0)
            let pid = "\(getpid())\n"
            _ = pid.withCString { pwrite(descriptor, $0, pid.utf8.count, 0) }
        }
        deinit { close(descriptor) }
    }

    private func lab() throws -> LabFolder {
        try LabFolder.scene(tests: ["a": "touch $MUSTER_LAB_DIR/ran-a", "b": "touch $MUSTER_LAB_DIR/ran-b"])
    }

    private func leave(_ arguments: [String], in lab: LabFolder, by signal: Int32) async throws -> Program.Ending {
        let silent = try Silent(lab)
        let command = try Running(arguments, in: lab.path)
        try await command.line("cannot be reached")
        command.send(signal)
        let end = await command.ending()
        withExtendedLifetime(silent) {}
        return end
    }

    @Test func ctrlCTakesTheRequestBack() async throws {
        let lab = try lab()
        let end = try await leave(["test", "t//tests/a"], in: lab, by: SIGINT)
        #expect(end.status == 130, "\(end.output)")
        #expect(end.output.contains("nothing was started"))
        #expect(try await Program.muster(["test", "t//tests/b"], in: lab.path).status == 0)
        #expect(lab.read("ran-a") == nil)
        #expect(lab.read("ran-b") != nil)
    }

    @Test(arguments: [[], ["--new"]]) func anotherSelectionIsNotTakenForIt(options: [String]) async throws {
        let lab = try lab()
        #expect(try await leave(["test", "t//tests/a"], in: lab, by: SIGKILL).signal == SIGKILL)
        let end = try await Program.muster(["test", "t//tests/b"] + options, in: lab.path, killAfter: .seconds(60))
        #expect(end.status == 0, "\(end.output)\(end.errors)")
        #expect(lab.read("ran-a") == nil)
        #expect(lab.read("ran-b") != nil)
        let runs = try await Program.muster(["runs", "--json"], in: lab.path)
        #expect(runs.output.components(separatedBy: "\"run\":").count == 2, "\(runs.output)")
    }

    @Test func aStaleExecIsNotPerformed() async throws {
        let lab = try lab()
        #expect(try await Program.muster(["up"], in: lab.path).status == 0)
        let killed = try await leave(
            ["exec", "node/0", "--", "touch", lab.path + "/ran-a"],
            in: lab,
            by: SIGKILL
        )
        #expect(killed.signal == SIGKILL)
        let end = try await Program.muster(["exec", "node/0", "--", "echo", "present"], in: lab.path)
        #expect(end.status == 0)
        #expect(end.output == "present\n")
        #expect(end.errors.contains("dropped: exec"))
        #expect(try await Program.muster(["down"], in: lab.path).status == 0)
        #expect(lab.read("ran-a") == nil)
    }

    /// A conductor that could not make its socket is waited for as long as an end may take, and not for ever.
    @Test func whoeverCannotBeReachedIsNamedAndNotWaitedForForEver() async throws {
        let lab = try lab()
        let silent = try Silent(lab)
        let command = try Running(["test"], in: lab.path)
        try await command.line("the command with pid \(getpid()) conducts this state and cannot be reached")
        let end = await command.ending()
        withExtendedLifetime(silent) {}
        #expect(end.status == 4, "\(end.output)")
        #expect(end.output.contains("kill \(getpid())"))
    }

    /// Nobody asks again and again whether the lock is free: it is there at once when it is let go.
    @Test func theLockIsTakenWhenItIsLetGo() async throws {
        let lab = try lab()
        var silent: Silent? = try Silent(lab)
        let command = try Running(["test"], in: lab.path)
        try await command.line("cannot be reached")
        withExtendedLifetime(silent) {}
        let released = Running.now()
        silent = nil
        let end = await command.ending()
        #expect(end.status == 0, "\(end.output)")
        let events = try await lab.events()
        let first = try #require(events.first?.at)
        let time = Double(first - released) / 1000
        print("lock let go to first event: \(time) ms")
        #expect(time < 2000)
    }
}
