import Foundation
import MusterStore
import MusterTestKit
import Testing

@Suite struct ConformanceTests {
    @Test(arguments: StoreConformance.checks)
    func memory(_ check: StoreConformance.Check) throws {
        try check.run(
            on: StoreConformance.Subject(
                make: { MemoryStore() },
                join: { store in MemoryStore(sharing: try #require(store as? MemoryStore)) }
            )
        )
    }

    @Test(arguments: StoreConformance.checks)
    func sqlite(_ check: StoreConformance.Check) throws {
        let folder = TemporaryFolder()
        try check.run(
            on: StoreConformance.Subject(
                make: { try SQLiteStore(path: folder.file("\(UUID().uuidString)/muster.db")) },
                join: { store in try SQLiteStore(path: try #require(store as? SQLiteStore).path) }
            )
        )
    }

    /// A wrapper without faults must be as good as what it wraps.
    @Test(arguments: StoreConformance.checks)
    func wrapped(_ check: StoreConformance.Check) throws {
        try check.run(
            on: StoreConformance.Subject(
                make: { FaultyStore(MemoryStore(), script: [:]) },
                join: { store in
                    let base = try #require((store as? FaultyStore)?.base as? MemoryStore)
                    return FaultyStore(MemoryStore(sharing: base), script: [:])
                }
            )
        )
    }

    @Test func theSuiteTellsAStoreThatLosesWhatItWasGiven() throws {
        // Each commit seems to succeed and writes nothing.
        let subject = StoreConformance.Subject(make: { Forgetful() }, join: { $0 })
        let passed = StoreConformance.checks.filter { (try? $0.run(on: subject)) != nil }.map(\.name)
        #expect(passed == ["epochs rise, and the state keeps its name", "a new store loads empty"])
    }
}
