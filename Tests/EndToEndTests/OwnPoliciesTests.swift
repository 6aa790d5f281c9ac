import Foundation
import Testing

/// A program with policies of its own, as its user writes it, in place of `muster`.
@Suite struct OwnPoliciesTests {
    private static let program = Program.folder + "/own-policies"

    /// What its policies make of its lab, in the order in which the attempts began.
    private static let story = [
        "slow#1 pass", "installs#1 pass", "clean#1 pass", "known#1 warn", "broken#1 fail", "flaky#1 fail",
        "flaky#2 pass",
    ]

    private static func story(of lab: LabFolder) throws -> [String] {
        let lines = (lab.read("results/latest/results.jsonl") ?? "").split(separator: "\n")
        let attempts = try lines.map { line in
            let object = try JSONSerialization.jsonObject(with: Data(line.utf8))
            let fields = try #require(object as? [String: Any], "a line is an object: \(line)")
            let parts = ["started_at", "test", "attempt", "outcome"].map { "\(fields[$0] ?? "missing")" }
            return (begun: parts[0], text: "\(parts[1])#\(parts[2]) \(parts[3])")
        }
        return attempts.sorted { $0.begun < $1.begun }.map(\.text)
    }

    @Test func aRunGoesByThePoliciesOfItsProgram() async throws {
        let lab = try LabFolder(example: "own-policies")
        let end = try await Program.run(Self.program, ["test"], in: lab.path)
        #expect(end.status == 1, "\(end.output)\(end.errors)")
        #expect(try Self.story(of: lab) == Self.story)
        #expect(lab.processes() == [])
    }

    /// The same lab, as the lab itself says.
    @Test func musterItselfGoesByTheLab() async throws {
        let lab = try LabFolder(example: "own-policies")
        let end = try await Program.muster(["test"], in: lab.path)
        #expect(end.status == 1, "\(end.output)\(end.errors)")
        let story = try Self.story(of: lab)
        #expect(
            story.prefix(6).map { $0.prefix { $0 != "#" } } == [
                "installs", "clean", "known", "broken", "flaky", "slow",
            ]
        )
        #expect(story.count == 13 && story.contains("known#3 fail") && story.contains("clean#3 fail"), "\(story)")
    }

    /// `kill -9` before the first test began, and between tests. What `muster` makes of the rest is another story.
    @Test(arguments: [1, 4, 7, 9, 11, 13], ["resume", "test"])
    func aRunThatIsGoneOnWithGoesByThemToo(_ number: Int, _ verb: String) async throws {
        let lab = try LabFolder(example: "own-policies")
        let crash = ["MUSTER_CRASH_AT": "after-directive:\(number)"]
        let killed = try await Program.run(Self.program, ["test"], in: lab.path, environment: crash)
        #expect(killed.signal == SIGKILL, "\(killed.output)\(killed.errors)")
        let end = try await Program.run(Self.program, [verb], in: lab.path)
        #expect(end.status == 1, "\(end.output)\(end.errors)")
        #expect(try Self.story(of: lab) == Self.story)
        #expect(lab.processes() == [])
    }
}
