import Foundation
import MusterTestKit
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
    static let python = TestProgram.path(of: "python3")
}

extension LabFolder {
    struct Event: Sendable {
        let position: Int64
        /// Microseconds since 1970.
        let at: Int64
        let kind: String
        let run: String?

        /// Reads a line of `events --json`.
        init?(_ line: String) {
            guard let fields = try? JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any],
                let position = (fields["position"] as? String).flatMap({ Int64($0) }),
                let kind = fields["event"] as? String, let at = (fields["at"] as? String).flatMap({ Self.time($0) })
            else { return nil }
            self.position = position
            self.kind = kind
            self.at = at
            run = fields["run"] as? String
        }

        /// `2026-01-31T12:34:56.123456Z` in microseconds since 1970.
        private static func time(_ text: String) -> Int64? {
            let numbers = text.split { !$0.isNumber }.compactMap { Int32($0) }
            guard numbers.count >= 6 else { return nil }
            var parts = tm()
            (parts.tm_year, parts.tm_mon, parts.tm_mday) = (numbers[0] - 1900, numbers[1] - 1, numbers[2])
            (parts.tm_hour, parts.tm_min, parts.tm_sec) = (numbers[3], numbers[4], numbers[5])
            let fraction = text.split(separator: ".").last.flatMap { Int64($0.dropLast()) } ?? 0
            return Int64(timegm(&parts)) * 1_000_000 + fraction
        }
    }

    /// Everything that happened in the lab's state.
    func events() async throws -> [Event] {
        let end = try await Program.muster(["events", "--since", "0", "--json"], in: path)
        return end.output.split(separator: "\n").compactMap { Event(String($0)) }
    }

    /// Begins `muster test`, kills it when a test of the lab has written into the fifo `up`, and then lets that test go
    /// on, which reads from the fifo `go`.
    func killTestWhenUp() async throws {
        for name in ["up", "go"] { mkfifo("\(path)/\(name)", 0o600) }
        let running = try Running(["test"], in: path)
        _ = try await Program.run("/bin/cat", ["up"], in: path)
        running.send(SIGKILL)
        _ = await running.ending()
        _ = try await Program.run("/bin/sh", ["-c", "echo go >go"], in: path)
    }

    /// What came of each test of the newest run, and of its parts: `name` and `name part`.
    func outcomes() throws -> [String: String] {
        var found: [String: String] = [:]
        for line in read("results/latest/results.jsonl")?.split(separator: "\n") ?? [] {
            let object = try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any] ?? [:]
            let part = (object["subtest"] as? String).map { " \($0)" } ?? ""
            found["\(object["test"] ?? "")\(part)"] = object["outcome"] as? String
        }
        return found
    }

    /// Waits until a file is there that some test makes.
    func awaitFile(_ name: String) async throws {
        let watch = try FileWatch(folder: path)
        while read(name) == nil {
            try Task.checkCancellation()
            await watch.change()
        }
    }

    /// Waits until a file holds some text.
    func awaitText(_ part: String, in name: String) async throws {
        let watch = try FileWatch(folder: path)
        while read(name)?.contains(part) != true {
            try Task.checkCancellation()
            await watch.change()
        }
    }
}

/// Tells when something in a folder has changed.
private final class FileWatch: Sendable {
    private let descriptor: Int32

    init(folder: String) throws {
        descriptor = inotify_init1(Int32(IN_CLOEXEC))
        try #require(
            descriptor >= 0
                && inotify_add_watch(descriptor, folder, UInt32(IN_CREATE) | UInt32(IN_MOVED_TO) | UInt32(IN_MODIFY))
                    >= 0
        )
    }

    deinit { close(descriptor) }

    /// At the latest after a while, so that a file that never comes fails its test's waiting.
    func change() async {
        await withCheckedContinuation { (done: CheckedContinuation<Void, Never>) in
            Thread.detachNewThread { [descriptor] in
                var wait = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
                if poll(&wait, 1, 60_000) > 0 {
                    var buffer = [UInt8](repeating: 0, count: 4096)
                    _ = Foundation.read(descriptor, &buffer, buffer.count)
                }
                done.resume()
            }
        }
    }
}
