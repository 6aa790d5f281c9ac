import ArgumentParser
import Dispatch
import Foundation
import MusterTestKit
import Synchronization

/// Lives through simulated worlds, many at once, and says which of them went wrong.
struct Simulate: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Live through simulated worlds of conductors, stores, machines and users, each from one seed.",
        discussion: """
              muster-bench simulate --seed 17 --events 1000     one world, and what was wrong in it
              muster-bench simulate --seed 17 --tell            … and everything that happened
              muster-bench simulate --seeds 100000              many, on all cores

            It ends with 1 when something was violated; each line on stdout says how to see it again.
            """
    )
    @Option(help: "The world's seed, or the first of many.") var seed: UInt64 = 1
    @Option(help: "How many worlds, with seeds that follow each other.") var seeds = 1
    @Option(help: "How many events the chaos of each world lasts.") var events = Simulation.eventsDefault
    @Option(help: "How many worlds at once; all cores when 0.") var jobs = 0
    @Option(
        help:
            "Plant a fault of the product on purpose: \(SimulatedMutation.allCases.map(\.rawValue).joined(separator: ", "))."
    )
    var mutation: String?
    @Option(
        help: "How conductors share the state: sole, shared, programs or shared-programs; by the seed when not given."
    ) var kind: String?
    @Flag(help: "Say everything that happens in the one world.") var tell = false
    @Flag(help: "Say what happened how often, and the checksum of it all.") var counts = false

    func validate() throws {
        guard seeds > 0 else { throw ValidationError("--seeds wants 1 or more") }
        guard (1...10_000_000).contains(events) else { throw ValidationError("--events wants 1 to 10,000,000") }
        guard (0...1024).contains(jobs) else { throw ValidationError("--jobs wants 0 to 1024") }
        if let mutation, SimulatedMutation(rawValue: mutation) == nil {
            throw ValidationError("--mutation does not know \(mutation)")
        }
        if let kind, Simulation.Kind(rawValue: kind) == nil {
            throw ValidationError("--kind wants sole, shared, programs or shared-programs")
        }
        if tell, seeds > 1 { throw ValidationError("--tell is for one world") }
    }

    private struct Tally {
        var next: UInt64
        var done = 0
        var failed = 0
        var trace: UInt64 = 0
        var counts = Simulation.Counts()
        var saidAt = 0
    }

    func run() throws {
        let began = DispatchTime.now()
        let tally = Mutex(Tally(next: seed))
        let workers = min(seeds, jobs > 0 ? jobs : ProcessInfo.processInfo.activeProcessorCount)
        DispatchQueue.concurrentPerform(iterations: workers) { _ in
            while let world = next(in: tally) {
                let report = world.run(telling: tell ? { print($0) } : nil)
                note(report, in: tally, began: began)
            }
        }
        let end = tally.withLock { $0 }
        let seconds = secondsSince(began)
        let rate = Int(Double(end.done) / seconds)
        say("\(end.done) worlds of \(events) events: \(end.failed) failed; \(rate)/s, \(Int(seconds)) s")
        if counts {
            print("trace \(String(end.trace, radix: 16))")
            print(end.counts)
        }
        if end.failed > 0 { throw ExitCode(1) }
    }

    private func next(in tally: borrowing Mutex<Tally>) -> Simulation? {
        tally.withLock { tally in
            guard tally.next < seed + UInt64(seeds) else { return nil }
            defer { tally.next += 1 }
            return Simulation(
                seed: tally.next,
                events: events,
                kind: kind.flatMap(Simulation.Kind.init(rawValue:)),
                mutation: mutation.flatMap(SimulatedMutation.init(rawValue:))
            )
        }
    }

    private func note(_ report: Simulation.Report, in tally: borrowing Mutex<Tally>, began: DispatchTime) {
        let (done, failed, isDue) = tally.withLock { tally in
            tally.done += 1
            // Worlds end in any order: the sum does not depend on it.
            tally.trace &+= report.trace
            tally.counts.add(report.counts)
            if report.violation != nil { tally.failed += 1 }
            let second = Int(secondsSince(began)) / 5
            let isDue = second > tally.saidAt
            tally.saidAt = second
            return (tally.done, tally.failed, isDue)
        }
        // Written at once, also into a file: a long run may be ended before its end.
        if let failure = report.failure { FileHandle.standardOutput.write(Data((failure + "\n").utf8)) }
        if isDue {
            say("\(done) of \(seeds) worlds, \(failed) failed, \(Int(Double(done) / secondsSince(began)))/s")
        }
    }

    private func secondsSince(_ began: DispatchTime) -> Double {
        max(Double(DispatchTime.now().uptimeNanoseconds - began.uptimeNanoseconds) / 1e9, 0.001)
    }

    private func say(_ text: String) { FileHandle.standardError.write(Data((text + "\n").utf8)) }
}
