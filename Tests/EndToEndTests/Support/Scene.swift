import Foundation
import Subprocess
import SystemPackage
import Testing

extension LabFolder {
    /// A lab named `scene` with nodes of this group that have no server, and these tests, each an executable script.
    static func scene(
        tests: [String: String],
        count: Int = 1,
        provision: String = "- process: {}",
        extra: String = ""
    ) throws -> LabFolder {
        let lab = try LabFolder()
        try lab.write(
            "lab.yaml",
            """
            muster: 1
            lab: scene
            groups:
              node:
                count: \(count)
                provision:
                  \(provision)
            \(extra)
            tests:
              t:
                where: node
                discover: { files: "tests/*.sh" }
                timeout: 60s
            """
        )
        for (name, text) in tests { try lab.write("tests/\(name).sh", "#!/bin/sh\n" + text, executable: true) }
        return lab
    }

    /// The name of the newest run.
    func newestRun() async throws -> String {
        let end = try await Program.muster(["runs", "--json"], in: path)
        let object = try JSONSerialization.jsonObject(with: Data(end.output.utf8)) as? [String: Any]
        let runs = try #require(object?["runs"] as? [[String: Any]], "\(end.errors)")
        return try #require(runs.first?["run"] as? String)
    }

    /// Changes the state's rows behind Muster's back.
    func changeRows(_ sql: String) async throws {
        let script = "import sqlite3,sys; c=sqlite3.connect(sys.argv[1]); c.execute(sys.argv[2]); c.commit()"
        let python = try #require(Program.python)
        let end = try await Program.run(python, ["-c", script, path + "/.muster/muster.db", sql], in: path)
        #expect(end.status == 0, "\(end.errors)")
    }
}

extension Program {
    /// For tests that reach into a state's rows; nil where there is none.
    static let python: String? = (ProcessInfo.processInfo.environment["PATH"] ?? "").split(separator: ":")
        .map { "\($0)/python3" }.first { FileManager.default.isExecutableFile(atPath: $0) }
}
