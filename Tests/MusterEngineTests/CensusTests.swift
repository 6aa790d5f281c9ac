import Foundation
import MusterCore
import MusterDrivers
import MusterStore
import MusterTestKit
import Testing

@testable import MusterEngine

/// What exists outside and nobody owns is found and removed; what somebody owns is left alone.
@Suite struct CensusTests {
    private let state = StateDirectory(path: FileManager.default.temporaryDirectory.path + "/no-such-state")
    private let driver = ScriptedDriver()
    private let store = MemoryStore()

    private func handle(_ number: Int64) -> NodeHandle {
        NodeHandle(
            id: NodeID(number),
            name: NodeName(group: "app", index: Int(number)),
            lab: "shop",
            directory: state.path,
            facts: [:],
            tenure: Tenure(1)
        )
    }

    /// Puts nodes on record, and makes machines of these numbers.
    private func prepare(_ rows: [Int64: NodeState], machines: [Int64]) async throws {
        let epoch = try store.register(host: "here", pid: 1, now: Timestamp(rawValue: 0))
        var turn = Turn(now: Timestamp(rawValue: 0), epoch: epoch)
        turn.nodes = rows.sorted { $0.key < $1.key }.map { number, state in
            NodeRow(
                id: NodeID(number),
                lab: "shop",
                name: NodeName(group: "app", index: Int(number)),
                driver: "process",
                state: state,
                createdBy: PlanID(1),
                heldBy: nil,
                since: Timestamp(rawValue: 0)
            )
        }
        _ = try store.commit(turn)
        for number in machines {
            _ = try await driver.create(handle(number), operation: OperationID("o-\(number)"), server: nil)
        }
    }

    @Test func ownedIsWhatIsOnRecordAndNotGone() async throws {
        try await prepare([1: .ready, 2: .gone, 3: .creating, 4: .failed], machines: [1, 2, 3, 4, 9])
        let drivers = Drivers([driver])
        let census = try await Census(of: store, state: state, drivers: drivers)
        #expect(census.orphans.map(\.belonging.node.rawValue) == [2, 9])
        #expect(census.orphans[0].reason.contains("app/2 is gone"))
        #expect(census.orphans[1].reason.contains("on record"))
        for orphan in census.orphans { try await census.remove(orphan, by: drivers, Tenure(2)) }
        #expect(driver.nodes == ["app/1", "app/3", "app/4"])
        #expect(try await Census(of: store, state: state, drivers: drivers).orphans == [])
    }

    @Test func driversThatMadeNothingAreNotAsked() async throws {
        try await prepare([:], machines: [9])
        let drivers = Drivers([driver])
        #expect(try await Census(of: store, state: state, drivers: drivers).orphans == [])
        let asked = try await Census(of: store, state: state, drivers: drivers, kinds: ["process"])
        #expect(asked.orphans.map(\.belonging.node.rawValue) == [9])
    }
}
