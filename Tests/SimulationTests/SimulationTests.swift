import Dispatch
import Glibc
import MusterTestKit
import Testing

/// Worlds are lived through on one thread of their own: they never wait, and would keep tests of real processes, which
/// do, from the two or three threads that all tests share.
enum WorldThread {
    private static let queue = DispatchQueue(label: "worlds")

    static func run<Value: Sendable>(_ body: @escaping @Sendable () -> Value) async -> Value {
        await withCheckedContinuation { continuation in
            queue.async { continuation.resume(returning: body()) }
        }
    }
}

/// Many worlds, each from one seed. The counts and the seed of the soak come from `scripts/soak`.
@Suite struct SimulationTests {
    private static func setting(_ name: String) -> UInt64? { getenv(name).flatMap { UInt64(String(cString: $0)) } }

    /// Where the seeds begin: those of the soak leave the first million to people.
    private static let base = setting("MUSTER_SOAK_SEED").map { 1_000_000 + $0 * 100_000 } ?? 1
    private static let worlds = setting("MUSTER_SOAK_WORLDS") ?? 100
    private static let programWorlds = setting("MUSTER_SOAK_PROGRAMS") ?? 100
    private static let batch: UInt64 = 25

    @Test(arguments: Array(stride(from: 0, to: SimulationTests.worlds, by: Int(SimulationTests.batch))))
    func nothingIsEverViolated(_ first: UInt64) async {
        for offset in first..<min(first + Self.batch, Self.worlds) {
            let seed = Self.base + offset
            let kind: Simulation.Kind = seed.isMultiple(of: 2) ? .shared : .sole
            let failure = await WorldThread.run { Simulation(seed: seed, events: 500, kind: kind).run().failure }
            #expect(failure == nil)
        }
    }

    /// From new seeds in a whole soak, otherwise from seeds that stay.
    @Test(arguments: Array(stride(from: 0, to: SimulationTests.programWorlds, by: Int(SimulationTests.batch))))
    func noProgramIsEverViolated(_ first: UInt64) async {
        let base = Self.setting("MUSTER_SOAK_PROGRAMS") == nil ? 1 : Self.base
        for offset in first..<min(first + Self.batch, Self.programWorlds) {
            let seed = base + offset
            let kind: Simulation.Kind = seed.isMultiple(of: 2) ? .sharedPrograms : .programs
            let failure = await WorldThread.run { Simulation(seed: seed, events: 500, kind: kind).run().failure }
            #expect(failure == nil)
        }
    }

    /// The same seed is the same world: otherwise no failure could be seen again.
    @Test(arguments: [UInt64(1), 2, 3, 4, 5])
    func aSeedIsAWorld(_ seed: UInt64) async {
        let (once, again, other) = await WorldThread.run {
            (
                Simulation(seed: seed, events: 500).run(), Simulation(seed: seed, events: 500).run(),
                Simulation(seed: seed + 100, events: 500).run()
            )
        }
        #expect(once.trace == again.trace)
        #expect(once.counts == again.counts)
        #expect(once.trace != other.trace)
    }

    /// The chaos reaches what it should: a world in which nothing goes wrong proves nothing.
    @Test func theChaosReachesEverything() async {
        let counts = await WorldThread.run {
            var counts = Simulation.Counts()
            for seed in 1...25 as ClosedRange<UInt64> { counts.add(Simulation(seed: seed, events: 500).run().counts) }
            return counts
        }
        #expect(counts.crashes > 20)
        #expect(counts.fenced > 0)
        #expect(counts.failedCommits > 20)
        #expect(counts.lostNodes > 20)
        #expect(counts.duplicates > 20)
        #expect(counts.attached > 0)
        #expect(counts.resumes > 0)
        #expect(counts.plans > 60)
        #expect(counts.operations > 200)
    }

    /// The same of worlds with programs.
    @Test(arguments: [Simulation.Kind.programs, .sharedPrograms])
    func theChaosReachesPrograms(_ kind: Simulation.Kind) async {
        let counts = await WorldThread.run {
            var counts = Simulation.Counts()
            for seed in 1...20 as ClosedRange<UInt64> {
                counts.add(Simulation(seed: seed, events: 500, kind: kind).run().counts)
            }
            return counts
        }
        #expect(counts.calls > 300)
        #expect(counts.subPlans > 20)
        #expect(counts.suspended > 50)
        #expect(counts.skipped > 5)
        #expect(counts.reverted > 5)
        #expect(counts.finalized > 20)
        #expect(counts.rejected > 2)
    }
}

/// Faults of the product that are planted on purpose are found: what the simulation does not see it does not prove.
@Suite struct MutationTests {
    @Test(arguments: SimulatedMutation.allCases)
    func aPlantedFaultIsFound(_ mutation: SimulatedMutation) async {
        let found = await WorldThread.run {
            (1...1000 as ClosedRange<UInt64>).first { seed in
                Simulation(seed: seed, events: 500, mutation: mutation).run().violation != nil
            }
        }
        #expect(found != nil, "\(mutation.rawValue) is not found within 1,000 worlds")
    }
}
