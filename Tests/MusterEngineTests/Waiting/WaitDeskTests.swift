import MusterCore
import MusterEngine
import MusterStore
import MusterTestKit
import Testing

/// Waits over the stream of events.
@Suite struct WaitDeskTests {
    private func town(_ count: Int = 2) throws -> NodeTown {
        var town = try NodeTown(count)
        try town.ask(.useModes(lab: "shop", NodeTown.modes))
        return town
    }

    /// The answer of a wait that is over; nil for one that is not.
    private func answer(_ ticket: WaitDesk.Ticket, _ desk: WaitDesk) async -> StateWait? {
        guard desk.standing(of: ticket.id) == nil else { return nil }
        for await update in ticket.updates { if case .over(let wait, _) = update { return wait } }
        return nil
    }

    @Test(.timeLimit(.minutes(5))) func whatComesBetweenRegisteringAndLookingCounts() async throws {
        var town = try town()
        let desk = try WaitDesk(store: town.store)
        let ticket = try desk.wait(for: StateCondition("SHUTDOWN>ISUP"), of: [NodeID(1)])
        // An ISUP from before does not count.
        try desk.look()
        #expect(desk.standing(of: ticket.id)?.pending == [NodeID(1)])
        for state in ["SHUTDOWN", "BOOTING", "ISUP"] { try town.report(state) }
        try desk.look()
        #expect(await answer(ticket, desk)?.finished == [NodeID(1)])
    }

    @Test(.timeLimit(.minutes(5))) func readyMayBeSoAlready() async throws {
        let town = try town()
        let desk = try WaitDesk(store: town.store)
        let ticket = try desk.wait(for: .ready, of: [NodeID(1), NodeID(2), NodeID(1)])
        #expect(await answer(ticket, desk)?.finished == [NodeID(1), NodeID(2)])
    }

    @Test(.timeLimit(.minutes(5))) func aFailureEndsTheWaitOfItsNodeAndOthersGoOn() async throws {
        var town = try town()
        let desk = try WaitDesk(store: town.store)
        let all = try desk.wait(for: StateCondition("BOOTING"), of: [NodeID(1), NodeID(2)])
        let any = try desk.wait(for: StateCondition("BOOTING"), of: [NodeID(1), NodeID(2)], quorum: .any)
        try town.turn([.nodeLost(NodeID(1), reason: "its server ended")])
        try desk.look()
        #expect(desk.standing(of: all.id)?.failed == [NodeID(1)])
        for state in ["SHUTDOWN", "BOOTING"] { try town.report(state, of: 1) }
        try desk.look()
        let answer = await answer(all, desk)
        #expect(answer?.finished == [NodeID(2)])
        #expect(answer?.isSatisfied == false)
        #expect(await self.answer(any, desk)?.isSatisfied == true)
    }

    @Test(.timeLimit(.minutes(5))) func whoComesBackWithItsPositionMissesNothing() async throws {
        var town = try town()
        let first = try WaitDesk(store: town.store)
        let position = try town.store.position()
        for state in ["SHUTDOWN", "BOOTING", "ISUP"] { try town.report(state) }
        // Another process, and one that has read further already.
        let late = try first.wait(for: StateCondition("SHUTDOWN>ISUP"), of: [NodeID(1)], since: position)
        #expect(await answer(late, first)?.finished == [NodeID(1)])
        let without = try first.wait(for: StateCondition("SHUTDOWN>ISUP"), of: [NodeID(1)])
        try first.look()
        #expect(first.standing(of: without.id) != nil)
    }

    @Test(.timeLimit(.minutes(5))) func timeEndsAWaitWithWhatItHas() async throws {
        var town = try town()
        let desk = try WaitDesk(store: town.store)
        let deadline = town.time.now() + .seconds(10)
        let ticket = try desk.wait(for: StateCondition("SHUTDOWN"), of: [NodeID(1), NodeID(2)], deadline: deadline)
        try town.report("SHUTDOWN", of: 1)
        try desk.look()
        #expect(desk.nextDeadline == deadline)
        desk.advance(to: deadline)
        let answer = await answer(ticket, desk)
        #expect(answer?.finished == [NodeID(2)])
        #expect(answer?.pending == [NodeID(1)])
    }

    @Test func whatCannotBeWaitedForIsRefused() throws {
        let town = try town()
        let desk = try WaitDesk(store: town.store)
        #expect(throws: WaitError.noNodes) { try desk.wait(for: .ready, of: []) }
        #expect(throws: WaitError.countImpossible(3, of: 1)) {
            try desk.wait(for: .ready, of: [NodeID(1)], quorum: .count(3))
        }
        #expect(throws: WaitError.unknownNode(NodeID(99))) { try desk.wait(for: .ready, of: [NodeID(1), NodeID(99)]) }
        let without = try WaitDesk(store: NodeTown(1).store)
        #expect(throws: WaitError.noModes(lab: "shop")) { try without.wait(for: .ready, of: [NodeID(1)]) }
    }

    /// What was committed is handed over, and read only where somebody else has written in between.
    @Test(.timeLimit(.minutes(5))) func aDeskThatIsToldHearsTheSameAsOneThatReads() async throws {
        var town = try town()
        let (told, reading) = (try WaitDesk(store: town.store), try WaitDesk(store: town.store))
        let condition = try StateCondition("SHUTDOWN>BOOTING>ISUP")
        let tickets = try [told, reading].map { try $0.wait(for: condition, of: [NodeID(1), NodeID(2)]) }
        for (number, state) in ["SHUTDOWN", "ISUP", "BOOTING", "SHUTDOWN", "BOOTING", "ISUP"].enumerated() {
            // What it was not told of it reads with what comes next.
            town.core.desk = number == 1 ? nil : told
            for node in [0, 1] { try town.report(state, of: node) }
        }
        // Nothing was said of what came while it was not told, until now.
        #expect(told.standing(of: tickets[0].id) == nil)
        try reading.look()
        let answers = (await answer(tickets[0], told), await answer(tickets[1], reading))
        #expect(answers.0?.finished == [NodeID(1), NodeID(2)])
        #expect(answers.0?.standings == answers.1?.standings)
        #expect(answers.0?.position == answers.1?.position)
    }

    @Test(.timeLimit(.minutes(5))) func aNodeThatIsGoneFailsAtOnce() async throws {
        let town = try town()
        let desk = try WaitDesk(store: town.store)
        let both = try desk.wait(for: StateCondition("BOOTING"), of: [NodeID(1), NodeID(2)])
        try town.destroy(0)
        try desk.look()
        #expect(desk.standing(of: both.id)?.standings == [.failed("it is gone"), .pending(seen: 0)])
        // Also for who comes later.
        let late = try desk.wait(for: StateCondition("BOOTING"), of: [NodeID(1)])
        #expect(await answer(late, desk)?.standings == [.failed("it is gone")])
    }

    /// Of many who wait, those of other nodes cost nothing and hear nothing.
    @Test(.timeLimit(.minutes(5))) func manyWaitAndOnlyThoseConcernedAreWoken() async throws {
        var town = try town(50)
        let desk = try WaitDesk(store: town.store)
        let tickets = try (1...50).flatMap { node in
            try (0..<20).map { _ in try desk.wait(for: StateCondition("SHUTDOWN"), of: [NodeID(Int64(node))]) }
        }
        try town.report("SHUTDOWN", of: 6)
        try desk.look()
        let over = tickets.filter { desk.standing(of: $0.id) == nil }
        #expect(over.count == 20)
        for ticket in over { #expect(await answer(ticket, desk)?.finished == [NodeID(7)]) }
    }
}
