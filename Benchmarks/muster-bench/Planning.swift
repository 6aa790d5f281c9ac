import ArgumentParser
import Foundation
import MusterCore
import MusterLab

/// A lab of many groups is read, checked and planned, from its text to the steps of its run.
struct Planning: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "plan",
        abstract: "Time and memory to read, check and plan a lab of many groups."
    )
    @Option(help: "How many nodes in all.") var nodes = 100_000
    @Option(help: "How many groups.") var groups = 5000
    @Option(help: "Where the flush probe writes.") var folder: String?
    @OptionGroup var rounds: Rounds
    @Flag(help: "One JSON object.") var json = false

    func validate() throws {
        guard (1...20_000).contains(groups) else { throw ValidationError("--groups wants 1 to 20,000") }
        guard (groups...1_000_000).contains(nodes) else { throw ValidationError("--nodes wants --groups to 1,000,000") }
    }

    private struct Figures {
        var check: Double
        var plan: Double
        var expand: Double
        var steps: Double
    }

    private struct NoFiles: FileTree {
        func kind(of path: String) -> FileKind? { path == "setup.sh" ? .file : nil }
        func names(in folder: String) -> [String]? { ["setup.sh"] }
    }

    func run() async throws {
        let scratch = try Scratch(in: folder)
        defer { scratch.remove() }
        let lab = lab()
        let measured = try await rounds.measure(in: scratch.path) { try measure(lab) }
        let (check, plan, expand) = (measured.median(\.check), measured.median(\.plan), measured.median(\.expand))
        let steps = Int(measured.median(\.steps))
        let memory = text(Usage.peakMemoryInMegabytes)
        measured.report(
            asJSON: json,
            [
                "nodes": nodes, "groups": groups, "steps": steps, "check_ms": text(check * 1000),
                "plan_ms": text(plan * 1000), "expand_ms": text(expand * 1000), "peak_rss_mb": memory,
            ],
            [
                "\(nodes) nodes in \(groups) groups, \(lab.utf8.count >> 10) KiB: check \(text(check * 1000)) ms, "
                    + "plan \(text(plan * 1000)) ms, and as \(steps) steps with their rows \(text(expand * 1000)) ms: "
                    + "\(text((check + plan + expand) * 1000)) ms in all; \(memory) MB at most"
            ]
        )
    }

    private func lab() -> String {
        var text = "muster: 1\nlab: bench\ngroups:\n"
        for index in 0..<groups {
            text += "  g\(index):\n    count: \(nodes / groups + (index < nodes % groups ? 1 : 0))\n"
            if index > 0 { text += "    needs: [g\((index - 1) / 2)]\n" }
            let peer = index > 0 ? " ${g\((index - 1) / 2).0.address}" : ""
            text += "    provision:\n      - process: {}\n      - run: ./setup.sh\(peer)\n    ready: [{ tcp: 80 }]\n"
        }
        return text
    }

    private func measure(_ text: String) throws -> Figures {
        let begin = ContinuousClock.now
        let lab = try LabParser.parse(text: text, files: NoFiles())
        let checked = ContinuousClock.now
        let spec = try lab.runSpec(.up, directory: "/bench")
        guard !spec.paths.isEmpty else { throw ValidationError("the lab has no files") }
        let planned = ContinuousClock.now
        var director = Director(Snapshot(), host: "bench", seed: 1)
        var turn = Turn(now: Timestamp(rawValue: 1), epoch: 1)
        director.handle(.submitted(PlanSubmission(token: "plan", spec: spec, steps: [])), into: &turn)
        director.close(&turn)
        let end = ContinuousClock.now
        guard !turn.directives.isEmpty else { throw ValidationError("nothing would be begun") }
        return Figures(
            check: begin.duration(to: checked).inSeconds,
            plan: checked.duration(to: planned).inSeconds,
            expand: planned.duration(to: end).inSeconds,
            steps: Double(nodes * 3)
        )
    }
}
