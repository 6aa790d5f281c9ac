import MusterTestKit
import Testing

@testable import MusterCore

/// How long a run takes beside how long it has to take at least, where it is known how long each test takes.
@Suite struct MakespanTests {
    private static let nodes = 10
    private static let makingTime: Int64 = 30_000
    private static let destroyingTime: Int64 = 5_000

    /// Lengths of tests in milliseconds: the one of rank `r` takes ten minutes by `r` to some power, as in Zipf's law.
    /// They are listed in any order.
    private func lengths(_ count: Int, exponent: Double, seed: UInt64) -> [Int64] {
        var chance = SeededChance(seed: seed)
        return (1...count).map { Int64(600_000 / Self.power(Double($0), exponent)) }.shuffled(using: &chance)
    }

    /// `base` to a power that is a multiple of a quarter.
    private static func power(_ base: Double, _ exponent: Double) -> Double {
        let root = base.squareRoot().squareRoot()
        return (0..<Int(exponent * 4)).reduce(1) { value, _ in value * root }
    }

    private struct Run {
        /// When the last test has ended, in milliseconds.
        var makespan: Int64
        /// No run takes less: neither than the making of a node and the longest test on it, nor than all work, shared
        /// by all nodes.
        var bound: Int64
        var passed: Int
        /// By how much it takes longer than that, in percent.
        var excess: Double { Double(makespan - bound) * 100 / Double(bound) }
    }

    /// - Parameter order: gives the priority of a test of this length.
    private func live(_ lengths: [Int64], seed: UInt64, order: (Int64) -> Int64) -> Run {
        var chance = SeededChance(seed: seed &+ 1)
        var api = suite("api", on: "app", lengths.indices.map { "t\($0)" })
        for test in api.tests.indices {
            api.tests[test].priority = order(lengths[test])
            api.tests[test].destructive = Int.random(in: 0..<20, using: &chance) == 0
        }
        let spec = run(.test, [group("app", Self.nodes)], [api])
        var lab = TimedLab(spec, DirectorHarness()) { work in
            switch work.act.spec.action {
            case .provision: .milliseconds(Self.makingTime)
            case .attempt: .milliseconds(lengths[Int(work.act.spec.b)])
            default: .milliseconds(Self.destroyingTime)
            }
        }
        let begin = lab.lab.now
        lab.run()
        lab.lab.expectSound()
        let rows = lab.lab.attempts(lab.plan)
        // After a node's last test nothing has to come in its place.
        let replaced = max(0, Int64(api.tests.count { $0.destructive } - Self.nodes))
        let work =
            lengths.reduce(0, +) + Int64(Self.nodes) * Self.makingTime
            + replaced * (Self.makingTime + Self.destroyingTime)
        return Run(
            makespan: rows.map { ($0.endedAt - begin).milliseconds }.max() ?? 0,
            bound: max(Self.makingTime + (lengths.max() ?? 0), work / Int64(Self.nodes)),
            passed: rows.count { $0.outcome == .pass }
        )
    }

    /// With one test in twenty using its node up. Where the work decides, and where the longest test does.
    @Test(arguments: [0.5, 0.75, 1, 1.25], Seeds.first(1))
    func theLongestFirstTakeHardlyLongerThanTheyMust(_ exponent: Double, _ seed: Int) {
        let lengths = lengths(500, exponent: exponent, seed: UInt64(seed))
        let longestFirst = live(lengths, seed: UInt64(seed)) { $0 }
        #expect(longestFirst.passed == 500)
        #expect(0...5 ~= longestFirst.excess, "\(longestFirst)")
        // In the opposite order it takes much longer: so this says something.
        guard exponent == 0.75 else { return }
        let shortestFirst = live(lengths, seed: UInt64(seed)) { -$0 }
        #expect(shortestFirst.excess > 20, "\(shortestFirst)")
    }
}
