import Foundation
import MusterStore
import MusterTestKit
import Testing

@Suite struct ConformanceTests {
    @Test(arguments: StoreConformance.checks)
    func memory(_ check: StoreConformance.Check) throws {
        try check.run(
            on: StoreConformance.Subject(
                make: { clock in MemoryStore { clock.now } },
                join: { store in MemoryStore(sharing: try #require(store as? MemoryStore)) }
            )
        )
    }

    @Test(arguments: StoreConformance.checks)
    func sqlite(_ check: StoreConformance.Check) throws {
        let folder = TemporaryFolder()
        try check.run(
            on: StoreConformance.Subject(
                make: { clock in
                    let options = SQLiteStore.Options { clock.now }
                    return try SQLiteStore(path: folder.file("\(UUID().uuidString)/muster.db"), options: options)
                },
                join: { store in
                    let first = try #require(store as? SQLiteStore)
                    return try SQLiteStore(path: first.path, options: SQLiteStore.Options(clock: first.clock))
                }
            )
        )
    }

    /// A wrapper without faults must be as good as what it wraps.
    @Test(arguments: StoreConformance.checks)
    func wrapped(_ check: StoreConformance.Check) throws {
        try check.run(
            on: StoreConformance.Subject(
                make: { clock in FaultyStore(MemoryStore { clock.now }, script: [:]) },
                join: { store in
                    let base = try #require((store as? FaultyStore)?.base as? MemoryStore)
                    return FaultyStore(MemoryStore(sharing: base), script: [:])
                }
            )
        )
    }

    @Test func theSuiteTellsAStoreThatLosesWhatItWasGiven() throws {
        // Each commit seems to succeed and writes nothing.
        let subject = StoreConformance.Subject(make: { _ in Forgetful() }, join: { $0 })
        let passed = StoreConformance.checks.filter { (try? $0.run(on: subject)) != nil }.map(\.name)
        #expect(passed == ["epochs rise, and the state keeps its name", "a new store loads empty"])
    }
}
