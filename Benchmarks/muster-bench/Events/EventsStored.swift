import Foundation
import MusterCore
import MusterEngine
import MusterStore

/// Events by the conductor as a command has one: inbox, group commits on SQLite, and those who wait in its process.
struct EventsStored {
    struct Waking {
        /// From the moment an event is in the inbox until the task of whoever waits runs.
        var woken: Latencies
        var eventsPerCommit: Double
    }

    struct Rate {
        var perSecond: Double
        var eventsPerCommit: Double
        var statements: Double
        /// Microseconds of all threads for an event.
        var cpu: Double
        /// The longest that the log was, in megabytes.
        var log: Double
    }

    let town: EventTown
    let folder: String

    /// Has one event after another wake somebody, at a steady rate.
    func wake(_ waiters: Int, rate: Int) async throws -> Waking {
        let bench = try Workbench(in: folder, waits: true)
        let (spread, town) = (town.nodes / waiters, town)
        return try await bench.conducting {
            let desk = try bench.waitingDesk
            try await report(town.nodes - 1, "BOOTING", bench)
            let sleepers = Sleepers(count: waiters)
            for place in 0..<waiters {
                let ticket = try desk.wait(for: StateCondition("SHUTDOWN"), of: [EventTown.id(place * spread)])
                sleepers.add(place, ticket.updates)
            }
            await Sleepers.rest()
            let before = bench.sqlite?.counters.commits ?? 0
            await Self.pace(waiters, rate: rate) { place in
                let report = EventTown.report(place * spread, "SHUTDOWN")
                sleepers.begin(place)
                bench.conductor.take(report)
            }
            let woken = await sleepers.latencies()
            let commits = (bench.sqlite?.counters.commits ?? 0) - before
            return Waking(woken: woken, eventsPerCommit: Double(waiters) / Double(max(1, commits)))
        }
    }

    /// Has `count` events stored, with two halves of a window under way at once.
    func store(_ count: Int, window: Int) async throws -> Rate {
        let bench = try Workbench(in: folder, waits: true)
        let (nodes, half) = (town.nodes, window / 2)
        return try await bench.conducting {
            try await report(nodes - 1, "BOOTING", bench)
            await Sleepers.rest()
            let before = bench.sqlite?.counters
            let cpu = Usage.cpu
            let begin = ContinuousClock.now
            var underWay: [WaitDesk.Ticket] = []
            for first in stride(from: 0, to: count, by: half) {
                let last = min(first + half, count) - 1
                underWay.append(try wait(for: last, among: nodes, bench))
                for number in first...last {
                    bench.conductor.take(EventTown.report(number % nodes, state(number, among: nodes)))
                }
                if underWay.count > 1 { for await _ in underWay.removeFirst().updates {} }
            }
            for ticket in underWay { for await _ in ticket.updates {} }
            let length = begin.duration(to: .now)
            let used = Usage.cpu - cpu
            let after = bench.sqlite?.counters
            return Rate(
                perSecond: Double(count) / length.inSeconds,
                eventsPerCommit: Double(count) / Double(max(1, (after?.commits ?? 0) - (before?.commits ?? 0))),
                statements: Double((after?.statements ?? 0) - (before?.statements ?? 0)) / Double(count),
                cpu: used / Double(count),
                log: Double(try Workbench.logSize(in: folder)) / 1_048_576
            )
        }
    }

    /// Each node goes round the states, all nodes once before the next state.
    private func state(_ number: Int, among nodes: Int) -> String {
        EventTown.cycle[number / nodes % EventTown.cycle.count]
    }

    private func wait(for number: Int, among nodes: Int, _ bench: Workbench) throws -> WaitDesk.Ticket {
        let condition = try StateCondition(state(number, among: nodes))
        return try bench.waitingDesk.wait(for: condition, of: [EventTown.id(number % nodes)])
    }

    /// Reports a state, and waits until that is stored: the conductor works then.
    private func report(_ index: Int, _ state: String, _ bench: Workbench) async throws {
        let ticket = try bench.waitingDesk.wait(for: StateCondition(state), of: [EventTown.id(index)])
        bench.conductor.take(EventTown.report(index, state))
        for await _ in ticket.updates {}
    }

    /// Has `body` run so many times, evenly, by a thread of its own.
    private static func pace(_ count: Int, rate: Int, _ body: @escaping @Sendable (Int) -> Void) async {
        await withCheckedContinuation { (done: CheckedContinuation<Void, Never>) in
            let thread = Thread {
                let begin = Latencies.now()
                for place in 0..<count {
                    let at = begin + Int64(place) * 1_000_000_000 / Int64(rate)
                    var until = timespec(tv_sec: Int(at / 1_000_000_000), tv_nsec: Int(at % 1_000_000_000))
                    while clock_nanosleep(CLOCK_MONOTONIC, Int32(TIMER_ABSTIME), &until, nil) == EINTR {}
                    body(place)
                }
                done.resume()
            }
            thread.start()
        }
    }
}
