import Foundation
import Testing

/// Labs that go by themselves, and what is done about what is left, by the built program.
@Suite struct LifetimeTests {
    private func folder(_ lifetime: String) throws -> LabFolder {
        let lab = try LabFolder()
        try lab.write(
            "lab.yaml",
            """
            muster: 1
            lab: short
            lifetime: \(lifetime)
            groups:
              app:
                count: 2
                provision:
                  - process: { run: sleep 1000 }
                    undo: touch "$MUSTER_LAB_DIR/gone-$MUSTER_NODE_INDEX"
            """
        )
        return lab
    }

    @Test(.timeLimit(.minutes(2))) func aLabGoesByItselfThoughNobodyTypesAnything() async throws {
        let lab = try folder("3s")
        let up = try await Program.muster(["up"], in: lab.path)
        #expect(up.status == 0, "\(up.errors)")
        let status = try await Program.muster(["status", "--json"], in: lab.path)
        #expect(status.output.contains(#""lifetimes":{"short":"#), "\(status.output)")
        try await lab.awaitEnd()
        let after = try await Program.muster(["status"], in: lab.path)
        #expect(after.output.contains("nothing is up"), "\(after.output)")
        let runs = try await Program.muster(["runs"], in: lab.path)
        #expect(runs.output.contains("down"), "\(runs.output)")
    }

    /// The reaper is killed, and the time passes: whoever conducts next does what was due.
    @Test(.timeLimit(.minutes(2))) func withoutItsReaperTheNextCommandKeepsIt() async throws {
        let lab = try folder("2s")
        #expect(try await Program.muster(["up"], in: lab.path).status == 0)
        try await lab.killReaper()
        let wait = try await Program.muster(["wait", "app/0", "ready", "--for", "3s"], in: lab.path)
        #expect(wait.status != 2, "\(wait.errors)")
        try await lab.passTime()
        let again = try await Program.muster(["up"], in: lab.path)
        #expect(again.status == 0, "\(again.output)\(again.errors)")
        let nodes = try await Program.muster(["status"], in: lab.path)
        #expect(nodes.output.contains("app/0") && nodes.output.contains("ready"), "\(nodes.output)")
        let runs = try await Program.muster(["runs"], in: lab.path)
        #expect(runs.output.contains("down"), "the old machines went first: \(runs.output)")
        _ = try await Program.muster(["down"], in: lab.path)
        try await lab.awaitEnd()
    }
}

extension LabFolder {
    private var reapers: [Int32] {
        ((try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []).compactMap { Int32($0) }.filter { pid in
            guard let data = FileManager.default.contents(atPath: "/proc/\(pid)/cmdline") else { return false }
            let words = String(decoding: data, as: UTF8.self).split(separator: "\0")
            return words.contains("reap") && words.contains { $0.hasPrefix(path) }
        }
    }

    /// Waits until nothing of it runs any more: its reaper ends last.
    fileprivate func awaitEnd() async throws {
        while let pid = reapers.first {
            let end = try await Program.run("/usr/bin/tail", ["--pid=\(pid)", "-f", "/dev/null"], in: path)
            #expect(end.status == 0)
        }
        #expect(processes() == [])
    }

    fileprivate func killReaper() async throws {
        let pids = reapers
        #expect(pids.count == 1)
        for pid in pids { kill(pid, SIGKILL) }
    }

    /// Until the lab's time is over. A real clock goes on by itself only.
    fileprivate func passTime() async throws {
        _ = try await Program.run("/bin/sleep", ["2"], in: path)
    }
}
