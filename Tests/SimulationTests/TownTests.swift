import Glibc
import MusterTestKit
import Testing

/// Nodes with modes, in many worlds.
@Suite struct TownTests {
    private static let worlds = getenv("MUSTER_SOAK_WORLDS").flatMap { UInt64(String(cString: $0)) } ?? 100
    private static let base =
        getenv("MUSTER_SOAK_SEED").flatMap { UInt64(String(cString: $0)) }.map { 1_000_000 + $0 * 100_000 } ?? 1

    @Test func nothingIsEverViolated() async {
        var all = SimulatedTown.Outcome()
        for seed in Self.base..<Self.base + Self.worlds {
            let outcome = await SimulatedTown.run(seed: seed, events: 600)
            #expect(outcome.failure == nil)
            all.crashes += outcome.crashes
            all.failedCommits += outcome.failedCommits
            all.timeouts += outcome.timeouts
            all.commands += outcome.commands
            all.givenUp += outcome.givenUp
            all.answers += outcome.answers
        }
        // All of it has happened, often.
        for count in [all.crashes, all.failedCommits, all.timeouts, all.commands, all.givenUp, all.answers] {
            #expect(count > Int(Self.worlds), "\(all)")
        }
    }

    @Test(arguments: SimulatedTown.Mutation.allCases)
    func aPlantedFaultIsFound(_ mutation: SimulatedTown.Mutation) async {
        for seed in UInt64(1)...50 {
            if await SimulatedTown.run(seed: seed, events: 600, mutation: mutation).failure != nil { return }
        }
        Issue.record("\(mutation) was not found")
    }

    @Test func aSeedIsAWorld() async {
        let (once, again) = (
            await SimulatedTown.run(seed: 5, events: 600), await SimulatedTown.run(seed: 5, events: 600)
        )
        #expect(once.trace == again.trace && once.crashes == again.crashes && once.commands == again.commands)
    }
}
