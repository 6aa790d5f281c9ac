import Foundation
import Testing

/// Programs as users of the library of plans write them, as they are built.
@Suite struct ExampleTests {
    @Test func anOrderThatCannotBeSentIsUndone() async throws {
        let end = try await Program.run(Program.folder + "/order-fulfilment", [], in: Program.repository)
        #expect(end.status == 0, "\(end.errors)")
        #expect(end.output.contains("sent as parcel-2"))
        #expect(end.output.contains("no courier goes to Atlantis"))
        #expect(end.output.contains("gave the lamp back") && end.output.contains("refunded 4500 cents"))
        #expect(end.output.contains("left: 2 books, 1 lamp; charged: [1200]"), "\(end.output)")
        #expect(!end.output.contains("4222"), "a secret is shown: \(end.output)")
    }

    @Test func anExternalJobIsAskedAfterUntilItIsDone() async throws {
        let end = try await Program.run(Program.folder + "/external-job", [], in: Program.repository)
        #expect(end.status == 0, "\(end.errors)")
        #expect(end.output.contains("published at https://films.example/nosferatu.mp4"), "\(end.output)")
        #expect(end.output.components(separatedBy: "the farm begins").count == 2)
    }

    @Test func noMoreSubPlansGoAtOnceThanAllowed() async throws {
        let end = try await Program.run(Program.folder + "/fan-out", [], in: Program.repository)
        #expect(end.status == 0, "\(end.errors)")
        #expect(end.output == "40 of 40 images resized, at most 4 at once\n", "\(end.output)\(end.errors)")
    }

    /// `kill -9` in the middle of many sub-plans: the next start goes on by itself, and none is made twice.
    @Test func aKilledProgramGoesOnWithItsSubPlans() async throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "muster-killed-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: folder) }
        for _ in 0..<3 {
            let running = try Running([folder.path, "300"], in: Program.repository, program: "fan-out")
            try await running.line("image-")
            running.send(SIGKILL)
            _ = await running.ending()
        }
        let end = try await Program.run(
            Program.folder + "/fan-out",
            [folder.path, "300"],
            in: Program.repository,
            killAfter: .seconds(60)
        )
        #expect(end.status == 0, "\(end.errors)")
        #expect(end.output.contains("300 of 300 images resized"), "\(end.output)\(end.errors)")
        let list = ["runs", "--children", "--limit", "1000", "--json", "--state", folder.path]
        let runs = try await Program.muster(list, in: Program.repository)
        #expect(runs.output.components(separatedBy: "\"success\"").count == 302, "\(runs.errors)")
    }
}
