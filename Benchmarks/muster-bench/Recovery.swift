import ArgumentParser
import Foundation
import MusterCore
import MusterEngine
import MusterStore

/// A plan is killed at a random moment; the next process goes on with it.
struct Recovery: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "From the start of the next program to its first new step, after SIGKILL at a random step."
    )
    @Option(help: "How many steps.") var count = 10_000
    @Option(help: "fan, chain, layers or diamond.") var shape = Shape.fan
    @Option(help: "How many steps may run at once.") var parallel = 16
    @Option(help: "Where to write.") var folder: String?
    @OptionGroup var rounds: Rounds
    @Flag(help: "One JSON object.") var json = false

    func validate() throws {
        guard (10...1_000_000).contains(count) else { throw ValidationError("--count wants 10 to 1,000,000") }
        guard parallel > 0 else { throw ValidationError("--parallel wants a number above 0") }
    }

    private struct Figures {
        var milliseconds: Double
        var doneBefore: Int
        var rerun: Int
        /// Events that somebody was told of and that are not in the store.
        var unstored: Int64
    }

    func run() async throws {
        let scratch = try Scratch(in: folder)
        defer { scratch.remove() }
        let measured = try await rounds.measure(in: scratch.path) { try killAndGoOn(in: scratch.folder("state")) }
        let first = measured.median(\.milliseconds)
        let worst = measured.figures.map(\.milliseconds).max() ?? 0
        let rerun = measured.figures.reduce(0) { $0 + $1.rerun }
        let unstored = measured.figures.map(\.unstored).max() ?? 0
        let done = measured.figures.map(\.doneBefore).sorted()
        measured.report(
            asJSON: json,
            [
                "first_step_ms": text(first), "first_step_ms_max": text(worst), "rerun": rerun,
                "acknowledged_but_lost": unstored, "done_before_kill": done,
            ],
            [
                "\(shape.rawValue) of \(count), killed with \(done) steps done:",
                "first new step \(text(first)) ms after the program starts (at most \(text(worst))), \(rerun) re-run, "
                    + "\(unstored) acknowledged and lost",
            ]
        )
        if rerun > 0 || unstored > 0 { throw ExitCode.failure }
    }

    private func killAndGoOn(in folder: String) throws -> Figures {
        try? FileManager.default.removeItem(atPath: folder)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let common = [
            "--folder", folder, "--count", "\(count)", "--shape", shape.rawValue, "--parallel", "\(parallel)",
        ]
        let victim = try Child(["recovery-run"] + common)
        let last = Int64.random(in: 10..<Int64(2 * count))
        var told: Int64 = 0
        while let record = victim.next() {
            told = max(told, record.position)
            if told >= last { break }
        }
        kill(victim.pid, SIGKILL)
        while let record = victim.next() { told = max(told, record.position) }
        try victim.end { _ in true }
        let path = StateDirectory(path: folder).database
        let (known, before) = try succeeded(in: path, after: 0)
        // It was quicker than the signal: killed after its end it shows nothing.
        if before.count == count { return try killAndGoOn(in: folder) }
        let begin = Child.time()
        let next = try Child(["recovery-run", "--resume"] + common)
        var records: [Child.Record] = []
        while let record = next.next() { records.append(record) }
        try next.end()
        let events = try self.events(in: path, after: known)
        guard let first = events.first(where: { $0.kind == .stepStarted || $0.kind == .stepSucceeded })?.position,
            let reached = records.first(where: { $0.position >= first })
        else { throw Child.Failure(description: "the plan had ended already: take more steps") }
        let (_, all) = try succeeded(in: path, after: 0)
        guard Set(all).count == count, all.count == count else {
            throw Child.Failure(description: "\(all.count) ends of \(Set(all).count) steps, not \(count)")
        }
        let done = Set(before)
        let rerun = events.count { $0.kind == .stepStarted && $0.step.map(done.contains) == true }
        return Figures(
            milliseconds: Double(reached.at - begin) / 1000,
            doneBefore: before.count,
            rerun: rerun,
            unstored: max(0, told - known)
        )
    }

    private func events(in path: String, after position: Int64) throws -> [EventRow] {
        try SQLiteStore(path: path, options: .init(access: .reading)).events(after: position, plan: nil, limit: .max)
    }

    private func succeeded(in path: String, after position: Int64) throws -> (position: Int64, steps: [StepIndex]) {
        let events = try events(in: path, after: position)
        return (events.last?.position ?? 0, events.filter { $0.kind == .stepSucceeded }.compactMap(\.step))
    }
}

/// What `recovery` kills: it says each position that it was told of.
struct RecoveryRun: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "recovery-run", shouldDisplay: false)
    @Option var folder: String
    @Option var count: Int
    @Option var shape: Shape
    @Option var parallel: Int
    @Flag var resume = false

    func run() async throws {
        let bench = try Workbench(in: folder) { store in
            guard resume, let plan = try store.plan(request: "bench") else { return }
            _ = try store.submit(.resume(plan.id), at: HostTime().now())
        }
        let positions = bench.bell.listen()
        let ends = bench.bell.listen()
        let teller = Task {
            for await position in positions { Child.Record.now(position).write() }
        }
        try await bench.conducting {
            if !resume {
                bench.conductor.submit(Workbench.submission("bench", shape.steps(count), parallel: parallel))
            }
            try await bench.awaitEnd(of: "bench", ends)
        }
        await teller.value
    }
}
