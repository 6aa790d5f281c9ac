import ArgumentParser
import Foundation
import MusterCore
import MusterEngine
import MusterStore

/// Plans of one step: many started at once, and one after the other.
struct Plans: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Plans of one step a second, and what one alone takes in commits."
    )
    @Option(help: "How many plans start at once.") var count = 5000
    @Option(help: "How many plans run one after the other.") var alone = 500
    @Option(help: "Where to write.") var folder: String?
    @OptionGroup var rounds: Rounds
    @Flag(help: "One JSON object.") var json = false

    func validate() throws {
        guard (1...1_000_000).contains(count), (1...1_000_000).contains(alone) else {
            throw ValidationError("--count and --alone want 1 to 1,000,000")
        }
    }

    private struct Figures {
        var rate: Double
        var lost: Int
        /// Of the plan with the median time.
        var alone: Parts
        var commit: Double
    }

    func run() async throws {
        let scratch = try Scratch(in: folder)
        defer { scratch.remove() }
        let measured = try await rounds.measure(in: scratch.path) {
            let (rate, lost) = try await atOnce(in: scratch.folder("at-once"))
            // Half of the floor before and half after: one commit, with nothing but one small row in it.
            let before = try SQLiteLimit.rate(in: scratch.path, batch: 1, seconds: 0.5)
            let alone = try await oneByOne(in: scratch.folder("alone"))
            let after = try SQLiteLimit.rate(in: scratch.path, batch: 1, seconds: 0.5)
            return Figures(rate: rate, lost: lost, alone: alone, commit: 2e6 / (before + after))
        }
        let rate = measured.median(\.rate)
        let lost = measured.figures.map(\.lost).max() ?? 0
        let alone = measured.median(\.alone.all)
        let commits = measured.median { $0.alone.all / $0.commit }
        func part(_ part: KeyPath<Parts, Double>) -> String { text(measured.median { $0.alone[keyPath: part] }, 0) }
        let commit = text(measured.median(\.commit))
        measured.report(
            asJSON: json,
            [
                "plans_per_s": Int(rate), "lost": lost, "alone_p50_us": text(alone), "commit_us": commit,
                "alone_p50_commits": text(commits, 3),
            ],
            [
                "\(count) plans of one step at once: \(Int(rate)) plans/s, \(lost) lost",
                "one at a time: p50 \(text(alone)) µs = \(text(commits, 2)) commits of \(commit) µs",
                "of these: \(part(\.toTurn)) µs to its first turn, \(part(\.intent)) to the second, "
                    + "\(part(\.end)) until its author is awake, \(part(\.reading)) to read",
            ]
        )
    }

    private func atOnce(in folder: String) async throws -> (rate: Double, lost: Int) {
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let bench = try Workbench(in: folder)
        return try await bench.conducting {
            let wakeUps = bench.bell.listen()
            let plans = (0..<count).map { Workbench.submission("p\($0)", Shape.fan.steps(1)) }
            let begin = ContinuousClock.now
            for plan in plans { bench.conductor.submit(plan) }
            var position: Int64 = 0
            var stopped = 0
            for await newest in wakeUps {
                while position < newest {
                    let events = try bench.store.events(after: position, plan: nil, limit: 10_000)
                    guard let last = events.last else { break }
                    position = last.position
                    stopped += events.count { $0.kind == .planStopped }
                }
                if stopped >= count { break }
            }
            let length = begin.duration(to: .now)
            let rows = try bench.store.plans(lab: "bench", limit: count + 1)
            let good = Set(rows.filter { $0.state == .stopped && $0.result == .success }.map(\.request))
            return (Double(count) / length.inSeconds, plans.count { !good.contains($0.token) })
        }
    }

    /// Where the time of one plan goes, in microseconds.
    private struct Parts {
        /// From its submission to the begin of its first turn.
        var toTurn: Double
        /// The first turn: the plan is stored and its step intended.
        var intent: Double
        /// The second turn: its end is stored, and its author woken.
        var end: Double
        /// Its author reads the row.
        var reading: Double
        var all: Double { toTurn + intent + end + reading }
    }

    private func oneByOne(in folder: String) async throws -> Parts {
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let bench = try Workbench(in: folder)
        return try await bench.conducting {
            let time = HostTime()
            let wakeUps = bench.bell.listen()
            var iterator = wakeUps.makeAsyncIterator()
            var parts: [Parts] = []
            for index in 0..<alone {
                let plan = Workbench.submission("p\(index)", Shape.fan.steps(1))
                let known = try bench.store.position()
                let begin = time.now()
                var woken = begin
                bench.conductor.submit(plan)
                while await iterator.next() != nil {
                    woken = time.now()
                    if try bench.store.plan(request: plan.token)?.state == .stopped { break }
                }
                let end = time.now()
                let events = try bench.store.events(after: known, plan: nil, limit: 10)
                guard let created = events.first(where: { $0.kind == .planCreated })?.at,
                    let stopped = events.first(where: { $0.kind == .planStopped })?.at
                else { throw Workbench.Failure(description: "\(plan.token) left no trace") }
                parts.append(
                    Parts(
                        toTurn: (created - begin).inMicroseconds,
                        intent: (stopped - created).inMicroseconds,
                        end: (woken - stopped).inMicroseconds,
                        reading: (end - woken).inMicroseconds
                    )
                )
            }
            parts.sort { $0.all < $1.all }
            return parts[parts.count / 2]
        }
    }
}
