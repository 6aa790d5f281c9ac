import Foundation
import MusterCore
import MusterTestKit
import Testing

@testable import MusterEngine

/// Programs that the conductor itself starts.
@Suite struct HostCommandTests {
    let folder: ReportFolder

    init() throws { folder = try ReportFolder() }

    private func command(_ arguments: String..., input: String = "", timeout: Duration = .seconds(30)) -> HostCommand {
        HostCommand(
            arguments: arguments,
            environment: ["PATH": "/usr/bin:/bin", "MUSTER_NODE": "app/0", "1": "no name", "": ""],
            directory: folder.path,
            input: Array(input.utf8),
            timeout: timeout
        )
    }

    private func text(_ ending: HostCommand.Ending) -> String { String(decoding: ending.output, as: UTF8.self) }

    @Test func itGetsItsInputItsFolderAndOnlyItsEnvironment() async {
        let ending = await command("sh", "-c", "cat; pwd; echo $MUSTER_NODE; echo ${HOME-none}", input: "in\n")
            .run(HostTime())
        #expect(ending.failure == nil)
        let real = realpath(folder.path, nil).map { String(cString: $0) } ?? ""
        #expect(text(ending) == "in\n\(real)\napp/0\nnone\n")
    }

    @Test func wordsAreNotReadByAShell() async {
        let ending = await command("printf", "%s|", "$HOME `id` $(id)", "a b", "'", "").run(HostTime())
        #expect(text(ending) == "$HOME `id` $(id)|a b|'||")
    }

    @Test func failuresSayHow() async throws {
        #expect(await command("sh", "-c", "echo no luck; exit 3").run(HostTime()).shown == "it ended with 3: no luck")
        #expect(await command("sh", "-c", "kill -9 $$").run(HostTime()).failure == "it was ended by signal 9")
        let missing = await command("./none").run(HostTime())
        #expect(missing.failure?.contains("there is no program './none'") == true)
        #expect(await command("no-such-program").run(HostTime()).failure?.contains("'no-such-program'") == true)
        try "echo".write(toFile: folder.path + "/text", atomically: false, encoding: .utf8)
        chmod(folder.path + "/text", 0o755)
        #expect(await command("./text").run(HostTime()).failure?.contains("#!/bin/sh") == true)
        var lost = command("true")
        lost.directory += "/none"
        #expect(await lost.run(HostTime()).failure?.contains("it cannot be started in \(lost.directory)") == true)
    }

    @Test func longOutputIsCutAndWhatIsLeftIsEnded() async {
        let ending = await command("sh", "-c", "yes | head -c 300000; (trap '' TERM HUP; sleep 1000)& exit 0")
            .run(HostTime())
        #expect(ending.failure == nil && ending.isCut && ending.output.count == HostCommand.outputMax)
    }

    @Test func whatLeftItsSessionHoldsNothingUp() async {
        let ending = await command("setsid", "sh", "-c", "(setsid yes & echo $! > escaped); exit 0").run(HostTime())
        #expect(ending.failure == nil)
        let pid = (try? String(contentsOfFile: folder.path + "/escaped", encoding: .utf8)).flatMap {
            pid_t($0.trimmingCharacters(in: .newlines))
        }
        if let pid { kill(pid, SIGKILL) }
    }

    @Test func whatItPrintsWhenItIsToEndIsKept() async {
        let script = "trap 'echo bye; exit 0' TERM; echo begun; while :; do sleep 0.1; done"
        let ending = await command("sh", "-c", script, timeout: .milliseconds(300)).run(HostTime())
        #expect(ending.failure == "it took longer than 300ms" && text(ending).hasPrefix("begun\n"))
        #expect(text(ending).hasSuffix("bye\n"))
    }

    @Test func inputThatNobodyReadsHoldsNothingUp() async {
        let ending = await command("true", input: String(repeating: "x", count: 1 << 20)).run(HostTime())
        #expect(ending.failure == nil)
    }

    @Test func whoTakesTooLongIsEndedAlsoOneThatDoesNotListen() async {
        let script = "trap '' TERM; echo begun; while :; do sleep 1000; done"
        var stubborn = command("sh", "-c", script, timeout: .milliseconds(200))
        stubborn.grace = .milliseconds(200)
        let ending = await stubborn.run(HostTime())
        #expect(ending.failure == "it took longer than 200ms" && text(ending).hasPrefix("begun"))
    }

    @Test func oneThatIsNotWantedAnyMoreEnds() async {
        let command = command("sleep", "1000", timeout: .seconds(600))
        let task = Task { await command.run(HostTime()) }
        task.cancel()
        #expect(await task.value.failure != nil)
    }
}
