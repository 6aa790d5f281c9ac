import Foundation
import MusterTestKit
import Testing

@testable import MusterEngine

/// What starts the members of tests on several nodes, by the shells of this host.
@Suite struct TeamProgramTests {
    static let shells = ["sh", "dash", "bash", "busybox"].filter { TestProgram.path(of: $0) != nil }

    private func run(_ shell: String, _ words: [String], in folder: String) throws -> SpawnedProgram {
        let sh = shell == "busybox" ? ["busybox", "sh"] : [shell]
        let program = try #require(TestProgram.path(of: sh[0]))
        return try SpawnedProgram(
            [program] + sh.dropFirst() + TeamProgram.arguments(programs: "\(folder)/own", words: words).dropFirst(),
            environment: ["PATH": "/usr/bin:/bin", "MUSTER_TEST_CONTROL": SpawnedProgram.controlDescriptor],
            folder: folder
        )
    }

    @Test(arguments: shells) func aProgramRunsAsItIs(_ shell: String) throws {
        let folder = try TestFolder.make("team")
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let end = try run(shell, ["/bin/sh", "-c", "echo \"$PATH $1\"; exit 127", "x", "a  b"], in: folder)
        #expect(end.status == 127 && end.output == "\(folder)/own:/usr/bin:/bin a  b\n")
        #expect(end.control == "", "a program that ends so has been started")
        #expect(try run(shell, ["/bin/sh", "-c", "kill -KILL $$"], in: folder).signal == 9)
    }

    @Test(arguments: shells) func oneThatCannotBeStartedIsNotSetUp(_ shell: String) throws {
        let folder = try TestFolder.make("team")
        defer { try? FileManager.default.removeItem(atPath: folder) }
        try SpawnedProgram.put("#!/no/such\n", as: ["\(folder)/bad"], folder: folder)
        try Data("x".utf8).write(to: URL(fileURLWithPath: "\(folder)/plain"))
        for (program, status, why) in [
            ("\(folder)/none \"q\" \\", 127, "there is no such file"),
            ("\(folder)/plain", 126, "it cannot be run, or what its first line names is not there"),
            ("\(folder)/bad", 127, "it cannot be run, or what its first line names is not there"),
        ] {
            let end = try run(shell, [program, "argument"], in: folder)
            #expect(end.status.map { $0 == status || program.hasSuffix("bad") && $0 == 126 } == true)
            let object = end.control.split(separator: "\n", maxSplits: 1).last.map { Data($0.utf8) } ?? Data()
            let said = try JSONSerialization.jsonObject(with: object) as? [String: String]
            #expect(
                said == ["status": "error", "muster": "not-set-up", "note": "cannot start \(program): \(why)"],
                "\(end.control) \(end.output)"
            )
            #expect(end.control.hasPrefix("result \(object.count)\n"))
        }
    }
}
