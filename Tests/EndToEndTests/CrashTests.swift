import Foundation
import Testing

/// `kill -9` of `muster` at 50 points of the quickstart: the run that resumes ends like one that nobody disturbed.
@Suite(.serialized) struct CrashTests {
    struct Point: Sendable, CustomStringConvertible {
        /// `before-commit:7`, or nil for a moment in time.
        var at: String?
        var after: Duration?
        var description: String { at ?? "after \(after ?? .zero)" }
        var kind: String { at.map { String($0.prefix { $0 != ":" }) } ?? "time" }
    }

    /// Ten numbers of each kind of point, and ten moments before the quickstart can be over.
    static let points: [Point] = {
        let kinds = ["before-commit", "after-commit", "before-directive", "after-directive"]
        let numbers = [1, 2, 3, 5, 8, 13, 19, 26, 34, 45]
        let named = kinds.flatMap { kind in numbers.map { Point(at: "\(kind):\($0)", after: nil) } }
        return named + (1...10).map { Point(at: nil, after: .milliseconds(71 * $0)) }
    }()

    /// What is compared: every attempt with its outcome. Not times, nodes or order.
    static func attempts(_ text: String) throws -> [String] {
        try text.split(separator: "\n").map { line in
            let fields = try #require(
                JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any],
                "a line is an object: \(line)"
            )
            let parts = ["suite", "test", "attempt", "outcome"].map { "\(fields[$0] ?? "missing")" }
            return parts.joined(separator: " ")
        }.sorted()
    }

    struct Final: Equatable, Sendable {
        var attempts: [String]
        var status: Int32
        var statusText: String
    }

    static func final(of lab: LabFolder, ending: Program.Ending) async throws -> Final {
        let results = lab.read("results/latest/results.jsonl") ?? ""
        #expect(!results.isEmpty, "results are written: \(ending.errors)")
        let status = try await Program.muster(["status"], in: lab.path)
        return Final(attempts: try attempts(results), status: ending.status, statusText: status.output)
    }

    @Test func fiftyCrashesLoseNothing() async throws {
        let undisturbed = try LabFolder(example: "quickstart")
        let ending = try await Program.muster(["test"], in: undisturbed.path)
        let expected = try await Self.final(of: undisturbed, ending: ending)
        #expect(ending.status == 1, "\(ending.output)\(ending.errors)")
        #expect(undisturbed.processes() == [])

        let failures = try await withThrowingTaskGroup(of: (kind: String, failure: String?).self) { group in
            var rest = Self.points[...]
            var failures: [String] = []
            var hit: [String: Int] = [:]
            for _ in 0..<2 {
                if let point = rest.popFirst() { group.addTask { try await Self.crash(at: point, expected) } }
            }
            for try await (kind, failure) in group {
                hit[kind, default: 0] += 1
                if let failure { failures.append(failure) }
                if let point = rest.popFirst() { group.addTask { try await Self.crash(at: point, expected) } }
            }
            // A kind of point that few crashes have reached proves nothing.
            for kind in ["before-commit", "after-commit", "before-directive", "after-directive", "time"] {
                if hit[kind, default: 0] < 8 { failures.append("only \(hit[kind, default: 0]) crashes \(kind)") }
            }
            return failures
        }
        #expect(failures == [], "\(failures.count) of \(Self.points.count) crashes ended differently")
    }

    /// A halt that is committed is done, though nobody was left to end what ran: the next command ends it.
    @Test func aHaltThatCrashedEndsWhatRan() async throws {
        let nap = "sleep 10\(getpid())"
        let lab = try LabFolder.scene(tests: ["long": "touch \"$MUSTER_LAB_DIR/ran\"; exec \(nap)"])
        let command = try Running(["test"], in: lab.path)
        try await lab.awaitFile("ran")
        command.send(SIGKILL)
        _ = await command.ending()
        let halt = try await Program.muster(["halt"], in: lab.path, environment: ["MUSTER_CRASH_AT": "after-commit:1"])
        #expect(halt.signal == SIGKILL, "\(halt.output)\(halt.errors)")
        #expect(lab.processes().contains { $0.contains(nap) })
        let exec = try await Program.muster(["exec", "node/0", "--", "true"], in: lab.path)
        #expect(exec.status == 0, "\(exec.output)\(exec.errors)")
        let left = lab.processes()
        #expect(!left.contains { $0.contains(nap) }, "\(left)")
        #expect(left.contains { $0.contains("muster-supervise") }, "the machine stays: \(left)")
        #expect(try await Program.muster(["down"], in: lab.path).status == 0)
        #expect(lab.processes() == [])
    }

    private static func crash(at point: Point, _ expected: Final) async throws -> (kind: String, failure: String?) {
        let lab = try LabFolder(example: "quickstart")
        let environment = point.at.map { ["MUSTER_CRASH_AT": $0] } ?? [:]
        let killed = try await Program.muster(["test"], in: lab.path, environment: environment, killAfter: point.after)
        guard killed.signal == SIGKILL else {
            // On a busy machine more is decided in one turn, and there may not be as many.
            let final = try await Self.final(of: lab, ending: killed)
            return ("missed", final == expected ? nil : "\(point): it was not killed\n\(killed.output)\(killed.errors)")
        }
        let resumed = try await Program.muster(["test"], in: lab.path)
        guard lab.read("results/latest/results.jsonl") != nil else {
            return (point.kind, "\(point): no results; \(resumed.status)\n\(resumed.output)\(resumed.errors)")
        }
        let final = try await Self.final(of: lab, ending: resumed)
        var failures: [String] = []
        if final != expected {
            let missing = Set(expected.attempts).subtracting(final.attempts)
            let added = Set(final.attempts).subtracting(expected.attempts)
            failures.append(
                "status \(final.status), missing \(missing.sorted()), added \(added.sorted()), left: \(final.statusText)"
            )
        }
        if final.attempts.count != Set(final.attempts).count { failures.append("an attempt was counted twice") }
        let left = lab.processes()
        if !left.isEmpty { failures.append("left behind: \(left)") }
        guard !failures.isEmpty else { return (point.kind, nil) }
        return (point.kind, "\(point): \(failures.joined(separator: "; "))\n\(resumed.output)\(resumed.errors)")
    }
}
