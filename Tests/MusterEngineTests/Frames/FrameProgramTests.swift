import Foundation
import MusterCore
import MusterTestKit
import Testing

@testable import MusterEngine

/// What starts tests of trees, and what they find beside them, by the shells of this host.
@Suite struct FrameProgramTests {
    private let folder: String
    private var frame: TestFrame

    init() throws {
        folder = try TestFolder.make("frame")
        frame = TestFrame(tree: folder, directory: "")
        for (name, script) in GuestScripts.all { try put("bin/\(name)", script) }
    }

    private func write(_ name: String, _ text: String) throws {
        try Data(text.utf8).write(to: URL(fileURLWithPath: "\(folder)/\(name)"))
    }

    private func put(_ name: String, _ script: String) throws {
        let path = "\(folder)/\(name)"
        let own = (path as NSString).deletingLastPathComponent
        try FileManager.default.createDirectory(atPath: own, withIntermediateDirectories: true)
        try SpawnedProgram.put(script, as: [path], folder: folder)
    }

    private func run(_ command: String, packages: [String] = []) throws -> SpawnedProgram {
        let words = FrameProgram.arguments(frame, in: folder, command: command, packages: packages)
        return try SpawnedProgram(
            words,
            environment: [
                "PATH": "\(folder)/fakes:/usr/bin:/bin", "MUSTER_TEST_CONTROL": SpawnedProgram.controlDescriptor,
                "TMT_SCRIPTS_DIR": "\(folder)/bin", "TMT_TEST_DATA": "\(folder)/own/data",
                "TMT_PLAN_DATA": "\(folder)/plan-data", "TMT_PLAN_ENVIRONMENT_FILE": "\(folder)/variables.env",
            ],
            folder: folder
        )
    }

    private func done() { try? FileManager.default.removeItem(atPath: folder) }

    @Test func aTestEndsAsItsShellDoes() throws {
        defer { done() }
        try write("variables.env", "ONE=1\nTWO='a b'\n")
        let end = try run("echo \"$ONE $TWO\"; pwd; test -d \"$TMT_TEST_DATA\"; command -v tmt-reboot; exit 3")
        #expect(end.status == 3 && end.control.isEmpty)
        #expect(end.output == "1 a b\n\(folder)\n\(folder)/bin/tmt-reboot\n")
        #expect(try run("false; echo no").status == 1)
        #expect(try run("kill -KILL $$").signal == 9)
    }

    @Test func aTestWhosePackagesAreNotThereDoesNotBegin() throws {
        defer { done() }
        // No system's tool is in this PATH that knows its own system but the fake.
        try put("fakes/rpm", "#!/bin/sh\n[ \"$2\" = rpm ]\n")
        let stamp = "\(folder)/packages/x"
        let end = try run("echo began", packages: PackageNeeds(require: ["no one's"]).arguments(stamp: stamp))
        #expect(end.status == 2 && !end.output.contains("began"))
        #expect(end.control.contains(#""muster":"not-set-up","note":"required packages are missing: no one's;"#))
        #expect(!FileManager.default.fileExists(atPath: stamp))
        let there = try run("echo began", packages: PackageNeeds(require: ["/bin/sh"]).arguments(stamp: stamp))
        #expect(there.status == 0 && there.output == "began\n")
        #expect(FileManager.default.fileExists(atPath: stamp))
    }

    @Test(.enabled(if: TestProgram.isExpected("script")))
    mutating func aTestThatWantsATerminalHasOne() throws {
        defer { done() }
        let command = "[ -t 0 ] && [ -t 1 ] && stty size; echo \"it's $TERM\"; echo noop >&5; exit 4"
        #expect(try run("[ -t 0 ] || [ -t 1 ] || echo none").output == "none\n")
        frame.hasTerminal = true
        let end = try run(command)
        #expect(end.status == 4 && end.control == "noop\n")
        #expect(end.output == "24 80\r\nit's vt100\r\n")
        #expect(try run("env").output.contains("MUSTER_TEST_TEXT") == false)
    }

    @Test mutating func withoutOneItIsSaid() throws {
        defer { done() }
        try put("fakes/script", "#!/bin/sh\nexit 1\n")
        frame.hasTerminal = true
        let end = try run("echo runs")
        #expect(end.status == 0)
        #expect(end.output == "muster: the test has no terminal, as there is no \"script\" of util-linux\nruns\n")
    }
}
