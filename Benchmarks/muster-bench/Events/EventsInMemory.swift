import Foundation
import MusterCore
import MusterEngine
import MusterStore

/// Events that nobody stores: the deciding and the waking alone, one event after another.
struct EventsInMemory {
    struct Figures {
        /// Until the answer is with whoever waits.
        var told: Latencies
        /// Until it is decided: before anybody is woken.
        var decided: Latencies
        /// Until the task of whoever waits runs.
        var woken: Latencies
        /// To wake a task that waits for something, with nothing decided.
        var bare: Latencies
    }

    let town: EventTown
    let waiters: Int

    func measure() async throws -> Figures {
        let store = MemoryStore()
        try town.fill(store)
        let term = Term(
            conductor: .sole,
            epoch: try store.register(host: "bench", pid: getpid(), now: HostTime().now())
        )
        var director = Director(try store.load(nil, for: .sole), host: "bench", seed: 1)
        let desk = try WaitDesk(store: store)
        var position = try store.position()
        let sleepers = Sleepers(count: waiters)
        let spread = town.nodes / waiters
        for place in 0..<waiters {
            let ticket = try desk.wait(for: StateCondition("BOOTING"), of: [EventTown.id(place * spread)])
            sleepers.add(place, ticket.updates)
        }
        // All have begun to wait.
        await Sleepers.rest()
        var (decided, told): ([Int64], [Int64]) = ([], [])
        for place in 0..<waiters {
            for state in ["SHUTDOWN", "BOOTING"] {
                let begun = Latencies.now()
                if state == "BOOTING" { sleepers.begin(place) }
                var turn = Turn(now: HostTime().now(), term: term)
                director.handle(.reported(EventTown.report(place * spread, state)), into: &turn)
                director.close(&turn)
                position += Int64(turn.events.count)
                if state == "BOOTING" { decided.append(Latencies.now() - begun) }
                try desk.take(turn.events, upTo: position)
                if state == "BOOTING" { told.append(Latencies.now() - begun) }
            }
            while sleepers.awakeCount <= place {}
        }
        return Figures(
            told: Latencies(nanoseconds: told),
            decided: Latencies(nanoseconds: decided),
            woken: await sleepers.latencies(),
            bare: await bareWaking()
        )
    }

    /// The floor: a stream with one value for a task of its own.
    private func bareWaking() async -> Latencies {
        let sleepers = Sleepers(count: waiters)
        var clients: [AsyncStream<StateWaits.Update>.Continuation] = []
        for place in 0..<waiters {
            let (updates, continuation) = AsyncStream.makeStream(of: StateWaits.Update.self)
            clients.append(continuation)
            sleepers.add(place, updates)
        }
        await Sleepers.rest()
        for (place, client) in clients.enumerated() {
            Sleepers.spin(for: 20_000)
            sleepers.begin(place)
            client.yield(.arrived(WaitID(1), node: EventTown.id(place), .finished))
            while sleepers.awakeCount <= place {}
            client.finish()
        }
        return await sleepers.latencies()
    }
}
