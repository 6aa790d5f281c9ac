import Foundation
import MusterCore
import MusterTestKit

@testable import MusterEngine

/// A folder in which tests of trees are started by the shells of this host, with programs that stand in for the
/// system's.
protocol FrameHouse {
    var folder: String { get }
    var frame: TestFrame { get }
}

extension FrameHouse {
    /// The folder of a suite's test.
    static func folder() throws -> String {
        let folder = try TestFolder.make("frame")
        for (name, script) in GuestScripts.all { try put("bin/\(name)", script, in: folder) }
        return folder
    }

    func write(_ name: String, _ text: String) throws {
        try Data(text.utf8).write(to: URL(fileURLWithPath: "\(folder)/\(name)"))
    }

    func put(_ name: String, _ script: String) throws { try Self.put(name, script, in: folder) }

    private static func put(_ name: String, _ script: String, in folder: String) throws {
        let path = "\(folder)/\(name)"
        let own = (path as NSString).deletingLastPathComponent
        try FileManager.default.createDirectory(atPath: own, withIntermediateDirectories: true)
        try SpawnedProgram.put(script, as: [path], folder: folder)
    }

    func run(_ command: String, packages: [String] = []) throws -> SpawnedProgram {
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

    func done() { try? FileManager.default.removeItem(atPath: folder) }
}
