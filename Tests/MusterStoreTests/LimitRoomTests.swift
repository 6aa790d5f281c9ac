import MusterCore
import MusterStore
import Testing

/// How limits are granted, whatever store keeps them.
@Suite struct LimitRoomTests {
    private let now = Timestamp(rawValue: 1_000_000_000)

    /// The first of `waiting` that are granted, and how many of them were looked at.
    private func grant(_ room: inout LimitRoom, _ waiting: [Int], at now: Timestamp) -> (granted: [Int], looked: Int) {
        var looked = 0
        let granted = room.grant(now: now) { () -> Int? in
            looked += 1
            return looked <= waiting.count ? waiting[looked - 1] : nil
        }
        return (granted, looked)
    }

    @Test(arguments: [nil, 0, 1, 3, 9] as [Int?])
    func noMoreThanItsSize(_ size: Int?) {
        var room = LimitRoom(LimitRow(name: "x", size: size), held: 1)
        let (granted, looked) = grant(&room, [1, 2, 3, 4], at: now)
        #expect(granted == Array([1, 2, 3, 4].prefix(max(0, (size ?? 99) - 1))))
        #expect(room.held == granted.count + 1)
        #expect(looked <= granted.count + 1)
        #expect(room.scheduled == nil)
        #expect(room.nextGrantAt == nil)
    }

    @Test func whatIsFullAsksForNobody() {
        var room = LimitRoom(LimitRow(name: "x", size: 2), held: 2)
        #expect(grant(&room, [1], at: now).looked == 0)
        var slow = LimitRoom(LimitRow(name: "x", size: nil, interval: .seconds(1)), scheduled: now + .seconds(1))
        #expect(grant(&slow, [1], at: now).looked == 0)
        #expect(slow.nextGrantAt == now + .seconds(1))
    }

    @Test func aRateIsKeptOverAnyPattern() {
        let limit = LimitRow(name: "x", size: nil, interval: .milliseconds(10), burst: 3)
        for seed in 1...20 as ClosedRange<UInt64> {
            var random = SeededChance(seed: seed)
            var room = LimitRoom(limit)
            var now = now
            var grants: [Timestamp] = []
            for _ in 0..<200 {
                now = now + .microseconds(Int64.random(in: 0..<15_000, using: &random))
                let wanted = Int.random(in: 0..<4, using: &random)
                let granted = grant(&room, Array(0..<wanted), at: now).granted.count
                grants += Array(repeating: now, count: granted)
                // Who waits is told when to look again, and then there is something.
                guard granted < wanted else { continue }
                let due = room.nextGrantAt
                #expect(due.map { $0 > now } == true)
                guard let due else { continue }
                now = due
                #expect(grant(&room, [1], at: now).granted == [1])
                grants.append(now)
            }
            // In any stretch there are at most the burst and one for each interval in it.
            for first in grants.indices.dropLast(4) {
                let stretch = grants[first + 4] - grants[first]
                #expect(stretch >= limit.interval * 2, "five grants within \(stretch)")
            }
        }
    }

    @Test func aClockThatGoesBackGrantsNothingTwice() {
        let limit = LimitRow(name: "x", size: nil, interval: .seconds(1))
        var room = LimitRoom(limit)
        #expect(grant(&room, [1, 2], at: now).granted == [1])
        #expect(grant(&room, [2], at: now + .seconds(-5)).granted == [])
        #expect(grant(&room, [2], at: now + .seconds(1)).granted == [2])
    }
}
