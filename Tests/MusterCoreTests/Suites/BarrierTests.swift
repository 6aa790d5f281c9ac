import MusterTestKit
import Testing

@testable import MusterCore

@Suite struct BarrierTests {
    private func go(_ member: Int, _ barrier: String = "up") -> Barriers.Release {
        Barriers.Release(member: member, barrier: barrier, verdict: .go)
    }

    @Test func allGoOnWhenTheLastHasCome() {
        var barriers = Barriers(titles: ["server", "client-0", "client-1"])
        #expect(barriers.arrive(1, at: "up") == [])
        #expect(barriers.arrive(0, at: "up") == [])
        #expect(barriers.arrive(0, at: "up") == [], "once more changes nothing")
        #expect(barriers.arrive(2, at: "other") == [], "barriers are apart")
        #expect(barriers.arrive(2, at: "up") == [go(0), go(1), go(2)])
        #expect(barriers.arrive(1, at: "up") == [], "each is told once")
    }

    @Test func whoWaitsForOneThatHasEndedIsToldSo() {
        var barriers = Barriers(titles: ["server", "client-0", "client-1"])
        #expect(barriers.arrive(1, at: "up") == [])
        let reason = "server has ended without coming to 'up'"
        #expect(barriers.end(0) == [Barriers.Release(member: 1, barrier: "up", verdict: .stop(reason))])
        #expect(barriers.arrive(2, at: "up") == [Barriers.Release(member: 2, barrier: "up", verdict: .stop(reason))])
        #expect(!barriers.allHaveEnded)
        #expect(barriers.end(0) == [] && barriers.end(1) == [] && barriers.end(2) == [])
        #expect(barriers.allHaveEnded)
    }

    @Test func nobodyWaitsForMembersThatRunNothing() {
        var barriers = Barriers(titles: ["client", "agent-0", "agent-1"], idle: [1, 2])
        #expect(barriers.end(1) == [])
        #expect(barriers.arrive(0, at: "up") == [go(0)])
        #expect(barriers.end(0) == [] && !barriers.allHaveEnded && barriers.end(2) == [] && barriers.allHaveEnded)
    }

    @Test func whoHasPassedMayEnd() {
        var barriers = Barriers(titles: ["a", "b"])
        #expect(barriers.arrive(0, at: "up") == [])
        #expect(barriers.arrive(1, at: "up").count == 2)
        #expect(barriers.end(0) == [])
        #expect(barriers.arrive(1, at: "down").map(\.verdict) == [.stop("a has ended without coming to 'down'")])
    }

    @Test func namesAndNumbersAreBounded() {
        for name in ["", ".x", "a/b", "a b", "ä", String(repeating: "x", count: 65)] { #expect(!Barriers.isName(name)) }
        for name in ["a", "phase-2", "A.b_c", String(repeating: "x", count: 64)] { #expect(Barriers.isName(name)) }
        var barriers = Barriers(titles: ["a", "b"])
        for number in 0..<Barriers.countMax { _ = barriers.arrive(0, at: "b\(number)") }
        for member in [0, 1] {
            let told = barriers.arrive(member, at: "more")
            #expect(told.count == 1 && told.first?.verdict != .go, "nobody waits for what never comes")
        }
        #expect(barriers.arrive(1, at: "b7").count == 2)
        #expect(barriers.arrive(5, at: "up") == [] && barriers.end(9) == [])
    }

    /// Whatever happens in whatever order, and is told how often: nobody goes on alone, and nobody waits for ever.
    @Test(arguments: Seeds.first(100)) func allGoOnOrAreStopped(_ seed: Int) {
        var chance = Chance(seed: seed)
        let count = Int.random(in: 2...5, using: &chance)
        let names = ["a", "b", "c"]
        var barriers = Barriers(titles: (0..<count).map { "m\($0)" })
        var told: [Barriers.Release] = []
        var arrived: [String: Set<Int>] = [:]
        var ended: Set<Int> = []
        var waits: [Int: String] = [:]
        for _ in 0..<200 {
            let member = Int.random(in: 0...(count - 1), using: &chance)
            if ended.contains(member) { continue }
            if Int.random(in: 0...20, using: &chance) == 0 {
                ended.insert(member)
                waits[member] = nil
                told += barriers.end(member)
            } else if let name = waits[member] {
                told += barriers.arrive(member, at: name)
            } else {
                let name = names[Int.random(in: 0...2, using: &chance)]
                arrived[name, default: []].insert(member)
                let before = told.filter { $0.member == member && $0.barrier == name }
                told += barriers.arrive(member, at: name)
                if before.isEmpty { waits[member] = name }
            }
            for release in told {
                if waits[release.member] == release.barrier { waits[release.member] = nil }
                if release.verdict == .go { #expect(arrived[release.barrier]?.count == count, "seed \(seed)") }
            }
        }
        for member in 0..<count where !ended.contains(member) {
            ended.insert(member)
            waits[member] = nil
            for release in barriers.end(member) where waits[release.member] == release.barrier {
                waits[release.member] = nil
            }
        }
        #expect(waits.isEmpty && barriers.allHaveEnded, "seed \(seed)")
    }
}
