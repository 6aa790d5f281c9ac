import ArgumentParser
import Foundation
import MusterCore
import MusterStore

/// Durable steps that do nothing, through the same conductor and the same rows as a real run.
struct Steps: AsyncParsableCommand {
    enum StoreKind: String, ExpressibleByArgument, CaseIterable { case memory, sqlite }

    static let configuration = CommandConfiguration(
        abstract: "Steps a second, beside the store's own rate in the same run."
    )
    @Option(help: "fan, chain, layers or diamond.") var shape = Shape.fan
    @Option(help: "How many steps.") var count = 10_000
    @Option(help: "memory or sqlite.") var store = StoreKind.sqlite
    @Option(help: "How many steps may run at once.") var parallel = 1_000_000
    @Option(help: "Where to write.") var folder: String?
    @Option(help: "Measure a plan of so many steps too, and print how much more one of --count costs a step.")
    var against: Int?
    @OptionGroup var rounds: Rounds
    @Flag(help: "Measure the store's own rate too, and print the ratio.") var ratio = false
    @Flag(help: "One JSON object.") var json = false

    func validate() throws {
        for count in [count, against ?? 1] where !(1...10_000_000).contains(count) {
            throw ValidationError("--count and --against want 1 to 10,000,000")
        }
        guard parallel > 0 else { throw ValidationError("--parallel wants a number above 0") }
    }

    func run() async throws {
        let scratch = try Scratch(in: folder)
        defer { scratch.remove() }
        let measured = try await rounds.measure(in: scratch.path) {
            let smaller: Figures? =
                if let against { try await measure(against, in: scratch.folder("smaller")) } else { nil }
            var figures = try await measure(count, in: scratch.folder("plan"))
            figures.growth = smaller.map { $0.rate / figures.rate }
            if ratio && store == .sqlite {
                figures.limit = try SQLiteLimit.rate(in: scratch.path, batch: shape == .chain ? 1 : 100, seconds: 1)
            }
            return figures
        }
        let rate = measured.median(\.rate)
        let cpu = text(measured.median(\.cpu), 2)
        let commits = Int(measured.median { Double($0.commits) })
        let statements = text(measured.median(\.statements), 2)
        let limit = ratio && store == .sqlite ? measured.median { $0.limit ?? .nan } : nil
        let share = ratio && store == .sqlite ? measured.median { $0.rate / ($0.limit ?? .nan) } : nil
        let growth = against == nil ? nil : measured.median { $0.growth ?? .nan }
        let memory = Int(Usage.peakMemoryInMegabytes)
        var lines = [
            "\(shape.rawValue) of \(count) on \(store.rawValue): \(Int(rate)) steps/s, \(cpu) µs CPU and "
                + "\(statements) statements a step, \(commits) commits, \(memory) MB at most"
        ]
        if let limit, let share { lines.append("limit \(Int(limit)) steps/s; ratio \(text(share * 100)) %") }
        if let against, let growth {
            lines.append("a step costs \(text(growth, 2)) times that of a plan of \(against)")
        }
        measured.report(
            asJSON: json,
            [
                "steps_per_s": Int(rate), "cpu_us_per_step": cpu, "commits": commits, "syncs": commits,
                "statements_per_step": statements, "peak_rss_mb": memory,
                "limit_steps_per_s": limit.map { text($0, 0) } ?? "null",
                "ratio": share.map { text($0, 4) } ?? "null", "cost_growth": growth.map { text($0, 3) } ?? "null",
            ],
            lines
        )
    }

    private struct Figures {
        var rate: Double
        var cpu: Double
        var commits: Int
        var statements: Double
        var limit: Double?
        /// What a step costs, as a multiple of what it costs in the smaller plan.
        var growth: Double?
    }

    private func measure(_ count: Int, in folder: String) async throws -> Figures {
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let bench = try Workbench(in: folder, inMemory: store == .memory)
        return try await bench.conducting {
            let plan = Workbench.submission("bench", shape.steps(count), parallel: parallel)
            let before = bench.sqlite?.counters
            let cpu = Usage.cpu
            let begin = ContinuousClock.now
            try await bench.finish(consume plan)
            let length = begin.duration(to: .now)
            let used = Usage.cpu - cpu
            let after = bench.sqlite?.counters
            return Figures(
                rate: Double(count) / length.inSeconds,
                cpu: used / Double(count),
                commits: (after?.commits ?? 0) - (before?.commits ?? 0),
                statements: Double((after?.statements ?? 0) - (before?.statements ?? 0)) / Double(count)
            )
        }
    }
}
