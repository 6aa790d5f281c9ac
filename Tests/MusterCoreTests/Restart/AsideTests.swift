import MusterTestKit
import Testing

@testable import MusterCore

/// Runs that a Director did not take in: whoever asks something of them is told why nothing happens.
@Suite struct AsideTests {
    private func stored(_ change: (inout Snapshot) -> Void) throws -> (snapshot: Snapshot, id: PlanID) {
        var lab = DirectorHarness()
        let id = try lab.begin(run(.test, [group("app")], [suite("api", on: "app", ["a"])]))
        var snapshot = lab.rows.snapshot()
        change(&snapshot)
        return (snapshot, id)
    }

    private func answer(_ request: Request, from director: inout Director) -> Turn {
        var turn = Turn(now: Timestamp(rawValue: 5), epoch: 2)
        director.handle(.requested(RequestRow(id: 17, request: request)), into: &turn)
        director.close(&turn)
        return turn
    }

    private func refusal(_ turn: Turn) -> Refusal? {
        turn.events.first { $0.kind == .requestRefused }?.detail.flatMap { Refusal($0) }
    }

    @Test func aBrokenRunIsRefusedWithWhatIsWrong() throws {
        let (snapshot, id) = try stored { $0.plans[0].steps.removeFirst() }
        var director = Director(snapshot, host: "here", seed: 1)
        for request in [Request.resume(id), .cancel(id)] {
            let turn = answer(request, from: &director)
            #expect(turn.requestsDone == [17])
            #expect(turn.events.first?.plan == id)
            let found = try #require(refusal(turn))
            #expect(found.token == "#17")
            #expect(found.code == "broken")
            #expect(found.message.contains("step 0 is missing"))
            #expect(found.message.contains("muster halt \(RunName(id))"))
        }
    }

    @Test func aBrokenRunCanBeHalted() throws {
        let (snapshot, id) = try stored { $0.plans[0].steps.removeFirst() }
        var director = Director(snapshot, host: "here", seed: 1)
        let turn = answer(.halt(id), from: &director)
        #expect(refusal(turn) == nil)
        let row = try #require(turn.plans.first)
        #expect(row.id == id)
        #expect(row.state == .stopped)
        #expect(row.result == .cancelled)
        #expect(row.endedAt == turn.now)
        #expect(row.reason?.contains("step 0 is missing") == true)
        let kinds = turn.events.map(\.kind)
        #expect(kinds.contains(.planHalted))
        #expect(kinds.contains(.planStopped))
        #expect(turn.nodes.allSatisfy { $0.heldBy == nil })
        #expect(director.broken == [:])
        let again = answer(.halt(id), from: &director)
        #expect(refusal(again)?.code == "ended", "it was given up on already")
    }

    @Test func aRunThatTheStoreFoundBrokenCanBeHalted() throws {
        let (snapshot, id) = try stored { snapshot in
            snapshot.broken[snapshot.plans[0].row.id] = "its request is missing"
            snapshot.brokenRows[snapshot.plans[0].row.id] = snapshot.plans[0].row
            snapshot.plans = []
        }
        var director = Director(snapshot, host: "here", seed: 1)
        let resumed = answer(.resume(id), from: &director)
        #expect(refusal(resumed)?.message.contains("its request is missing") == true)
        let halted = answer(.halt(id), from: &director)
        #expect(halted.plans.map(\.state) == [.stopped])
    }

    @Test func aRunOfAnotherHostIsRefusedWithItsHost() throws {
        let (snapshot, id) = try stored { _ in }
        var director = Director(snapshot, host: "elsewhere", seed: 1)
        for request in [Request.resume(id), .cancel(id), .halt(id)] {
            let turn = answer(request, from: &director)
            #expect(turn.plans.isEmpty)
            #expect(refusal(turn)?.code == "other-host")
            #expect(refusal(turn)?.message.contains("on host here") == true)
        }
    }

    @Test func aRunThatIsNotThereIsRefused() {
        var director = Director(Snapshot(), host: "here", seed: 1)
        for request in [Request.resume(PlanID(9)), .cancel(PlanID(9)), .halt(PlanID(9))] {
            let turn = answer(request, from: &director)
            #expect(refusal(turn)?.token == "#17")
            #expect(refusal(turn)?.code == "ended")
        }
    }

    @Test func everyRefusalHasItsCodeInTheList() {
        let reasons: [Refusal.Reason] = [
            .inUse(by: PlanID(1), verb: .up, groups: []), .needed(groups: ["a"], by: []),
            .noNode(NodeName(group: "a", index: 0), state: nil), .broken(PlanID(1), flaw: "x"),
            .otherHost(PlanID(1), host: "h"), .ended(PlanID(1)), .notPossible(PlanID(1), reason: "not so"),
            .noModes(lab: "shop"), .notTaken(NodeName(group: "a", index: 0), reason: "no such state"),
            .badRoles(test: "api//a", flaw: "it has no roles"),
        ]
        #expect(Set(reasons.map(\.code)) == Set(Refusal.Reason.codes))
        for reason in reasons {
            #expect(Refusal(Refusal(token: "#1", reason: reason).text) == Refusal(token: "#1", reason: reason))
        }
    }
}
