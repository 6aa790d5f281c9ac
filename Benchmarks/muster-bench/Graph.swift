import ArgumentParser
import Foundation
import MusterCore

/// The graph alone, without a store, a thread or a clock: what deciding costs.
struct Graph: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Nanoseconds an edge for deciding a plan in memory, by layer of the code."
    )
    @Option(help: "How many steps.") var steps = 1_000_000
    @Option(help: "fan, chain, layers or diamond.") var shape = Shape.layers
    @Option(help: "How many outcomes a turn takes in.") var batch = 1000
    @Option(help: "Where the flush probe writes.") var folder: String?
    @OptionGroup var rounds: Rounds
    @Flag(help: "One JSON object.") var json = false

    func validate() throws {
        guard (1...10_000_000).contains(steps) else { throw ValidationError("--steps wants 1 to 10,000,000") }
        guard batch > 0 else { throw ValidationError("--batch wants a number above 0") }
    }

    private struct Figures {
        /// Seconds: the ready set alone, and with rows, events and acts for every step.
        var build: Double
        var walk: Double
        var director: Double
    }

    func run() async throws {
        let scratch = try Scratch(in: folder)
        defer { scratch.remove() }
        let edges = Double(max(1, shape.edges(steps)))
        let measured = try await rounds.measure(in: scratch.path) {
            let (build, walk) = walkPlan()
            return Figures(build: build, walk: walk, director: try walkDirector())
        }
        func each(_ figure: (Figures) -> Double) -> String { text(measured.median(figure) * 1e9 / edges) }
        let memory = Int(Usage.peakMemoryInMegabytes)
        measured.report(
            asJSON: json,
            [
                "steps": steps, "edges": Int(edges), "ns_per_edge": each { $0.build + $0.walk },
                "build_ns_per_edge": each(\.build), "walk_ns_per_edge": each(\.walk),
                "director_ns_per_edge": each(\.director), "peak_rss_mb": memory,
            ],
            [
                "\(shape.rawValue) of \(steps), \(Int(edges)) edges, \(memory) MB at most",
                "plan: \(each { $0.build + $0.walk }) ns an edge (\(each(\.build)) to build, \(each(\.walk)) to run); "
                    + "with the Director, rows and events: \(each(\.director)) ns",
            ]
        )
    }

    /// The plan's own machine: what is ready, what starts, what ends.
    private func walkPlan() -> (build: Double, walk: Double) {
        let needs = (0..<steps).map { shape.needs(of: $0, among: steps) }
        let row = PlanRow(
            id: PlanID(1),
            request: "graph",
            verb: .plan,
            lab: "bench",
            host: "bench",
            epoch: 1,
            createdAt: Timestamp(rawValue: 1)
        )
        let begin = ContinuousClock.now
        var plan = PlanMachine(row: row, slots: steps)
        plan.gateIsOpen = true
        plan.reserve(steps: steps, edges: needs.reduce(0) { $0 + $1.count })
        for needs in needs { plan.append(StepSpec(.noop), needs: needs) }
        let built = begin.duration(to: .now).inSeconds
        let ended = run(&plan)
        precondition(ended == steps, "\(ended) of \(steps) steps ended")
        return (built, begin.duration(to: .now).inSeconds - built)
    }

    /// Ends what has started, turn after turn, until nothing starts any more.
    private func run(_ plan: inout PlanMachine) -> Int {
        var open: [StepIndex] = []
        var ended = 0
        repeat {
            var next: [StepIndex] = []
            for part in stride(from: 0, to: max(1, open.count), by: batch) {
                var turn = Turn(now: Timestamp(rawValue: 1), epoch: 1)
                turn.reserve(outcomes: min(batch, open.count - part))
                for step in open[part..<min(part + batch, open.count)] {
                    plan.finish(step, .success, into: &turn)
                    ended += 1
                }
                while let barrier = plan.startNext(into: &turn) { plan.finish(barrier, .success, into: &turn) }
                for case .perform(let act) in turn.directives { next.append(act.step.index) }
            }
            open = next
        } while !open.isEmpty
        return ended
    }

    /// Everything a conductor decides, with the rows and events it would commit.
    private func walkDirector() throws -> Double {
        let submission = Workbench.submission("graph", shape.steps(steps))
        let begin = ContinuousClock.now
        var director = Director(Snapshot(), host: "bench", seed: 1)
        var now: Int64 = 1
        var turn = Turn(now: Timestamp(rawValue: now), epoch: 1)
        director.handle(.submitted(submission), into: &turn)
        director.close(&turn)
        var open = turn.directives
        var ended = 0
        while !open.isEmpty {
            var next: [Directive] = []
            for part in stride(from: 0, to: open.count, by: batch) {
                now += 1
                turn = Turn(now: Timestamp(rawValue: now), epoch: 1)
                turn.reserve(outcomes: min(batch, open.count - part))
                for case .perform(let act) in open[part..<min(part + batch, open.count)] {
                    director.handle(.actEnded(act, .succeeded(facts: [:])), into: &turn)
                    ended += 1
                }
                director.close(&turn)
                next += turn.directives
            }
            open = next
        }
        precondition(ended == steps, "\(ended) of \(steps) steps ended")
        return begin.duration(to: .now).inSeconds
    }
}
