import Foundation
import MusterTestKit
import Testing

/// SIGUSR2 to a command that conducts: it says how everything stands, and goes on.
@Suite struct StatusSignalTests {
    private func folder() throws -> LabFolder {
        let lab = try LabFolder()
        try lab.write(
            "lab.yaml",
            """
            muster: 1
            lab: signals
            groups:
              db: { provision: [process: ] }
              app:
                needs: [db]
                provision:
                  - process: {}
                  - run: touch "$MUSTER_LAB_DIR/waits"; while [ ! -e "$MUSTER_LAB_DIR/go" ]; do sleep 0.05; done
              web: { needs: [app], provision: [process: ] }
            tests:
              t:
                where: web
                discover: { files: "tests/*.sh" }
            """
        )
        try lab.write(
            "tests/a.sh",
            "#!/bin/sh\ntouch \"$MUSTER_LAB_DIR/begun\"; while [ ! -e \"$MUSTER_LAB_DIR/end\" ]; do sleep 0.05; done\n",
            executable: true
        )
        return lab
    }

    @Test(.timeLimit(.minutes(3))) func groupsAndTestsAreToldAndTheRunGoesOn() async throws {
        let lab = try folder()
        let test = try Running(["test"], in: lab.path)
        try await lab.awaitFile("waits")
        test.send(SIGUSR2)
        try await test.line("ready    db 1/1")
        try await test.line("working  app/0 run: touch")
        try await test.line("waiting  web: waits for app")
        try lab.write("go", "")
        try await lab.awaitFile("begun")
        test.send(SIGUSR2)
        try await test.line("ready    db 1/1, app 1/1, web 1/1")
        try await test.line("running  web/0 t//tests/a")
        try lab.write("end", "")
        let end = await test.ending()
        #expect(end.status == 0, "\(end.output)")
        #expect(lab.processes() == [])
    }

    /// On a terminal the same lines stand above the screen, which is drawn again below them.
    @Test(.enabled(if: TestProgram.isExpected("script"), "there is no 'script' in PATH"), .timeLimit(.minutes(3)))
    func onATerminalItStandsAboveTheScreen() async throws {
        let lab = try folder()
        let command = "exec '\(Program.folder)/muster' up"
        // The program takes the shell's place, so that its number is known before it begins.
        try lab.write("tell", "#!/bin/sh\nprintf '%s' $$ > pid\n\(command)\n", executable: true)
        async let ending = Program.run(
            "/usr/bin/env",
            ["TERM=xterm", "script", "-qefc", "./tell", "typescript"],
            in: lab.path,
            killAfter: .seconds(90)
        )
        try await lab.awaitFile("waits")
        let pid = try #require(lab.read("pid").flatMap { Int32($0) })
        kill(pid, SIGUSR2)
        try await lab.awaitText("waiting  web: waits for app", in: "typescript")
        try lab.write("go", "")
        let end = try await ending
        #expect(end.status == 0, "\(end.output)\(end.errors)")
        let text = try #require(lab.read("typescript"))
        let told = try #require(text.range(of: "working  app/0 run: touch"))
        #expect(text[told.upperBound...].contains("app"), "the screen is drawn again")
        #expect(try await Program.muster(["down"], in: lab.path).status == 0)
    }
}
