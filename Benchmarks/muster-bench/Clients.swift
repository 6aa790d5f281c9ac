import ArgumentParser
import Foundation
import MusterCore
import MusterEngine
import MusterStore
import NIOPosix

/// What it costs a conductor that other commands follow its state.
struct Clients: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "A conductor's rate with other processes that follow its state, beside its rate without."
    )
    @Option(help: "How many other processes.") var count = 16
    @Option(help: "How many steps.") var steps = 10_000
    @Option(help: "fan, chain, layers or diamond.") var shape = Shape.chain
    @Option(help: "How many steps may run at once.") var parallel = 1_000_000
    @Option(help: "Where to write.") var folder: String?
    @Flag(help: "Each reads every event, and not only those of a run of its own.") var all = false
    @OptionGroup var rounds: Rounds
    @Flag(help: "One JSON object.") var json = false

    func validate() throws {
        guard (1...1000).contains(count) else { throw ValidationError("--count wants 1 to 1,000") }
        guard (1...10_000_000).contains(steps) else { throw ValidationError("--steps wants 1 to 10,000,000") }
    }

    private struct Figures {
        var alone: Double
        var followed: Double
    }

    func run() async throws {
        let scratch = try Scratch(in: folder)
        defer { scratch.remove() }
        let measured = try await rounds.measure(in: scratch.path) {
            Figures(
                alone: try await rate(followers: 0, in: scratch.folder("alone")),
                followed: try await rate(followers: count, in: scratch.folder("followed"))
            )
        }
        let cost = measured.median { 1 - $0.followed / $0.alone }
        let alone = Int(measured.median(\.alone))
        let followed = Int(measured.median(\.followed))
        measured.report(
            asJSON: json,
            [
                "clients": count, "steps_per_s_alone": alone, "steps_per_s_followed": followed, "cost": text(cost, 4),
            ],
            [
                "\(shape.rawValue) of \(steps): \(alone) steps/s alone, \(followed) with \(count) followers",
                "each follows \(all ? "everything" : "a run of its own")",
                "they cost \(text(cost * 100)) %",
            ]
        )
    }

    private func rate(followers: Int, in folder: String) async throws -> Double {
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let bench = try Workbench(in: folder)
        var children: [Child] = []
        let (rate, position) = try await bench.conducting {
            // The socket is there when the first turn was taken.
            for number in 0..<max(1, followers) {
                try await bench.finish(Workbench.submission("own-\(number)", Shape.fan.steps(1)))
            }
            for number in 0..<followers {
                children.append(try Child(["follow", "--folder", folder] + (all ? [] : ["--run", "own-\(number)"])))
            }
            for child in children where child.next() == nil {
                throw Child.Failure(description: "a follower did not reach the conductor")
            }
            let plan = Workbench.submission("bench", shape.steps(steps), parallel: parallel)
            let begin = ContinuousClock.now
            try await bench.finish(plan)
            return (Double(steps) / begin.duration(to: .now).inSeconds, try bench.store.position())
        }
        for child in children {
            let last = child.next()?.position
            try child.end()
            guard last == position || !all else {
                throw Child.Failure(description: "a follower saw \(last ?? 0) of \(position) events")
            }
        }
        return rate
    }
}

/// A command that follows a state, or a run: it reads after each wake-up what is new there, until the conductor ends.
struct Follow: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "follow", shouldDisplay: false)
    @Option var folder: String
    @Option var run: String?

    func run() async throws {
        let state = StateDirectory(path: folder)
        guard let link = await ConductorLink.connect(state, group: MultiThreadedEventLoopGroup.singleton) else {
            throw ExitCode.failure
        }
        let store = try SQLiteStore(path: state.database, options: .init(access: .reading))
        let plan = try run.flatMap { try store.plan(request: $0) }?.id
        var seen = try read(store, after: 0, of: plan)
        Child.Record.now(seen).write()
        for await _ in link.wakeUps { seen = try read(store, after: seen, of: plan) }
        seen = try read(store, after: seen, of: plan)
        Child.Record.now(seen).write()
        await link.close()
    }

    private func read(_ store: SQLiteStore, after position: Int64, of plan: PlanID?) throws -> Int64 {
        var seen = position
        while let last = try store.events(after: seen, plan: plan, limit: 1000).last { seen = last.position }
        return seen
    }
}
