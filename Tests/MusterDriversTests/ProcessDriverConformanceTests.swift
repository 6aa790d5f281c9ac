import MusterTestKit
import Testing

@Suite struct ProcessDriverConformanceTests {
    @Test(.timeLimit(.minutes(5)), arguments: DriverConformance.checks)
    func process(_ check: DriverConformance.Check) async throws {
        try await ProcessHouse.with { house in try await check.run(on: house.subject) }
    }
}
