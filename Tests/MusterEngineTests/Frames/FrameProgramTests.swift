import Foundation
import MusterCore
import MusterTestKit
import Testing

@testable import MusterEngine

/// What starts tests of trees, and what they find beside them, by the shells of this host.
@Suite struct FrameProgramTests: FrameHouse {
    let folder: String
    var frame: TestFrame

    init() throws {
        folder = try Self.folder()
        frame = TestFrame(tree: folder, directory: "")
    }

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
